"""`salus insurance tender`: decide, seal, open and verify tenders, without the platform."""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from salus.kernel.errors import Conflict, Invalid, SalusError

app = typer.Typer(help="Centralised procurement: winners by published rules, sealed bids, verification.")

Schema = Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")]
_SHOWN = 50


@app.callback()
def tender() -> None:
    """Centralised procurement: winners by published rules, sealed bids, verification."""


def _console() -> Console:
    return Console(stderr=True)


def _print_schema(*parts: tuple[str, dict[str, str]]) -> None:
    out = Console()
    for title, columns in parts:
        out.print(f"[bold]{title}[/bold]")
        for name, meaning in columns.items():
            out.print(f"  {name:12} {meaning}", highlight=False, soft_wrap=True)


def _given(value: Path | None, name: str) -> Path:
    if value is None:
        raise Invalid("tender-arguments", f"Give {name}", fix="See --help and --schema")
    if not value.is_file():
        raise Invalid("file-missing", "The file is not there", where=str(value))
    return value


def _refuse(faults: list[SalusError]) -> None:
    """Print one typed error a row and end with 1."""
    for fault in faults[:_SHOWN]:
        sys.stderr.write(f"{fault} [{fault.code}]\n")
    if len(faults) > _SHOWN:
        sys.stderr.write(f"and {len(faults) - _SHOWN} more\n")
    sys.stderr.write("salus: nothing was written [rows-refused]\n")
    raise typer.Exit(1)


def _write_new(path: Path, text: str, *, secret: bool = False) -> None:
    if path.exists():
        raise Conflict("output-exists", "The file is there already", where=str(path), fix="Name a new one")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(path, flags, 0o600 if secret else 0o644), "w", encoding="utf-8") as file:
        file.write(text)


@app.command()
def run(
    bids: Annotated[Path | None, typer.Argument(help="CSV of bids, a row a supplier and group.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to make.")] = None,
    groups: Annotated[Path | None, typer.Option(help="CSV of groups: reference, ceiling, old price.")] = None,
    demand: Annotated[Path | None, typer.Option(help="CSV of what institutions reported.")] = None,
    rules: Annotated[Path | None, typer.Option(help="TOML of rule sets; without it those of Salus.")] = None,
    ruleset: Annotated[str, typer.Option(help="Name of the rule set; empty takes the day's.")] = "",
    criteria: Annotated[Path | None, typer.Option(help="CSV of qualification criteria.")] = None,
    benefits: Annotated[Path | None, typer.Option(help="CSV of schemes for the effect on the fund.")] = None,
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of the announcement; today without it.")
    ] = None,
    seed: Annotated[str, typer.Option(help="64 hex digits for drawing lots between equal bids.")] = "",
    schema: Schema = False,
) -> None:
    """Choose winners, share out volumes and regions, and reckon the savings: your own files, no platform."""
    from salus.insurance.tender import files, results, running
    from salus.insurance.tender.qualifying import load_criteria
    from salus.insurance.tender.rules import load_rulesets, ruleset_on
    from salus.insurance.tender.saving import load_benefits
    from salus.kernel.commit_reveal.hashing import is_digest

    if schema:
        _print_schema(
            ("BIDS.csv, and a column for each qualification criterion that is judged", files.BIDS),
            ("--groups", files.GROUPS), ("--demand", files.DEMAND), ("--benefits", files.BENEFITS),
            ("output", {name: ", ".join(columns) for name, columns in results.COLUMNS.items()}),
        )  # fmt: skip
        return
    source = _given(bids, "the file of bids")
    if output is None:
        raise Invalid("tender-arguments", "Give --output", fix="Name a folder that does not exist")
    if output.exists():
        raise Conflict(
            "output-exists", "The folder is there already", where=str(output), fix="Name a new one"
        )
    if seed and not is_digest(seed):
        raise Invalid("seed-malformed", "A seed is 64 hex digits in lower case", where="--seed")
    day = on.date() if on else date.today()
    if ruleset:
        known = load_rulesets(rules)
        if ruleset not in known:
            raise Invalid("rules-unknown", "There is no such rule set", where=ruleset, fix=", ".join(known))
        chosen = known[ruleset]
    else:
        chosen = ruleset_on(day, path=rules)
    faults = files.Faults()
    schemes = (
        load_benefits() if benefits is None else files.read(benefits, "benefits", files.benefit_row, faults)
    )
    if faults.found:
        _refuse(faults.found)
    console = _console()
    with Progress(
        TextColumn("Groups"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("groups", total=None)
        try:
            decided = running.run(
                source, chosen, groups=groups, demand=demand, benefits=schemes,
                criteria=load_criteria(criteria), on=day, seed=seed or None,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
        except running.Refused as refused:
            bar.stop()
            _refuse(refused.faults)
            return
    results.write(decided, output)
    winners = sum(len(one.outcome.winners) for one in decided)
    console.print(
        f"{len(decided):,} groups, {winners:,} winning bids by the rules {chosen.name}, in {output}"
    )


@app.command()
def rules(
    file: Annotated[Path | None, typer.Option(help="TOML of rule sets; without it those of Salus.")] = None,
    schema: Schema = False,
) -> None:
    """Print rule sets as they are read: bands, shares, terms, exclusion, ties."""
    from salus.insurance.tender.rules import load_rulesets

    if schema:
        _print_schema(("rules", {"[[ruleset]]": "as src/salus/insurance/rules/tender_rulesets.toml"}))
        return
    out = Console()
    for one in load_rulesets(file).values():
        out.print(f"[bold]{one.name}[/bold] from {one.valid_from} to {one.valid_to or '…'}", highlight=False)
        for band, winners in one.winners:
            out.print(f"  {_span(band.low, band.high)} bidders: at most {winners} winners", highlight=False)
        for band, term in one.terms:
            out.print(
                f"  {_span(band.low, band.high)} winners: {term.share * 100} % of base, {term.years} years",
                highlight=False,
            )
        source = f"{one.table.get('source', '')} ({one.table.get('checked', '')})"
        out.print(f"  source: {source}", highlight=False, soft_wrap=True)


def _span(low: int, high: int | None) -> str:
    return f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"


@app.command()
def keys(
    folder: Annotated[Path | None, typer.Argument(help="Folder to make for the key and the shares.")] = None,
    needed: Annotated[int, typer.Option(help="How many custodians open together.")] = 2,
    custodians: Annotated[int, typer.Option(help="How many custodians there are.")] = 3,
    schema: Schema = False,
) -> None:
    """Make a tender's key: the public key for the platform, a share for each custodian; offline."""
    from salus.insurance.tender import custody

    if schema:
        _print_schema(
            ("output", {"tender.pub": "public key, base64", "share-N.txt": "one custodian's share"})
        )
        return
    if folder is None or folder.exists():
        raise Invalid("tender-arguments", "Give a folder that does not exist", where=str(folder or ""))
    made = custody.make_keys(needed, custodians)
    folder.mkdir(parents=True, mode=0o700)
    _write_new(folder / "tender.pub", made.public + "\n")
    for number, share in enumerate(made.shares, 1):
        _write_new(folder / f"share-{number}.txt", share + "\n", secret=True)
    _console().print(
        f"Key {custody.fingerprint(made.public)}. Hand each share to its custodian, then delete it here."
    )


@app.command()
def seal(
    announcement: Annotated[Path | None, typer.Argument(help="The tender's announcement (JSON).")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to make.")] = None,
    group: Annotated[str, typer.Option(help="Code of the group.")] = "",
    supplier: Annotated[str, typer.Option(help="Your code as a bidder.")] = "",
    strength: Annotated[str, typer.Option(help="Of one unit, as 5 mg.")] = "",
    pack: Annotated[int, typer.Option(help="Units a pack.")] = 1,
    price: Annotated[str, typer.Option(help="Yuan a pack.")] = "",
    capacity: Annotated[int | None, typer.Option(help="Reference units a year.")] = None,
    regions: Annotated[str, typer.Option(help="Wishes, separated by semicolons.")] = "",
    schema: Schema = False,
) -> None:
    """Seal a bid on the bidder's own machine: hand in sealed.json, keep opening.json until the opening."""
    from salus.insurance.tender import sealing
    from salus.insurance.tender.units import Strength
    from salus.kernel.money import to_fen

    if schema:
        _print_schema(
            (
                "announcement",
                {"tender": "code", "round": "code, times", "groups": "codes", "public_key": "or empty"},
            ),
            (
                "output",
                {"sealed.json": "party, digest, envelope", "opening.json": "party, nonce, payload: secret"},
            ),
        )
        return
    told = _json(_given(announcement, "the announcement"))
    if output is None or output.exists():
        raise Invalid("tender-arguments", "Give --output, a folder that does not exist")
    try:
        code, round = str(told["tender"]), str(told["round"]["code"])
        groups = {str(row["code"]) for row in told["groups"]}
    except (KeyError, TypeError):
        raise Invalid("announcement-malformed", "The file is no announcement of a tender") from None
    if group not in groups:
        raise Invalid("group-unknown", "The tender has no such group", where=group)
    if not supplier:
        raise Invalid("supplier-missing", "Give your code as a bidder", where="--supplier")
    words = sealing.payload(
        code, group, supplier, strength=str(Strength.parse(strength)), pack=pack, price_fen=to_fen(price),
        capacity=capacity, regions=[one.strip() for one in regions.split(";") if one.strip()],
    )  # fmt: skip
    sealing.read_payload(words, code, group, supplier)
    made = sealing.seal(round, group, supplier, words, key=str(told.get("public_key") or ""))
    output.mkdir(parents=True, mode=0o700)
    sealed = {"party": made.party, "digest": made.digest, "envelope": made.envelope}
    opening = {"party": made.party, "nonce": made.opening.nonce, "payload": words}
    _write_new(output / "sealed.json", json.dumps(sealed, ensure_ascii=False, indent=1) + "\n")
    _write_new(output / "opening.json", json.dumps(opening, ensure_ascii=False, indent=1) + "\n", secret=True)
    _console().print(f"Commitment {made.digest}. Keep opening.json: without it the bid cannot be opened.")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, UnicodeDecodeError, RecursionError):
        raise Invalid("json-malformed", "The file is no JSON", where=path.name) from None


@app.command("open")
def open_envelopes(
    envelopes: Annotated[Path | None, typer.Argument(help="The platform's file of envelopes (JSON).")] = None,
    share: Annotated[
        list[Path] | None, typer.Option(help="A custodian's share; give as many as needed.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File of openings to make.")] = None,
    schema: Schema = False,
) -> None:
    """Open the envelopes with enough custodians' shares, away from the platform, after the deadline."""
    from salus.insurance.tender import custody
    from salus.insurance.tender.sealing import PURPOSE
    from salus.kernel.commit_reveal import Opening, opens

    if schema:
        _print_schema(
            ("envelopes", {"round": "code", "public_key": "", "envelopes": "party, digest, envelope"}),
            ("output", {"openings": "party, nonce, payload"}),
        )
        return
    told = _json(_given(envelopes, "the file of envelopes"))
    if output is None or output.exists():
        raise Invalid("tender-arguments", "Give --output, a file that does not exist")
    shares = [_given(one, "the shares").read_text("utf-8", errors="replace") for one in share or []]
    try:
        public, round, rows = str(told["public_key"]), str(told["round"]), list(told["envelopes"])
        private = custody.combine(shares, public)
        openings, faults = [], []
        for row in rows:
            try:
                nonce, payload = custody.unseal(private, round, row["party"], row["envelope"])
            except Invalid as error:
                faults.append(error)
                continue
            if opens(row["digest"], Opening(PURPOSE, round, row["party"], nonce, payload)):
                openings.append({"party": row["party"], "nonce": nonce, "payload": payload})
            else:
                faults.append(Invalid("envelope-differs", "It holds another bid", where=row["party"]))
    except (KeyError, TypeError):
        raise Invalid("envelopes-malformed", "The file holds no envelopes") from None
    _write_new(output, json.dumps({"openings": openings}, ensure_ascii=False, indent=1) + "\n", secret=True)
    for fault in faults:
        sys.stderr.write(f"{fault} [{fault.code}]\n")
    _console().print(f"{len(openings)} envelopes opened, {len(faults)} void")


@app.command()
def verify(
    published: Annotated[Path | None, typer.Argument(help="A tender's published file (JSON).")] = None,
    schema: Schema = False,
) -> None:
    """Check a published tender: every seal, time, rule and decision; ends with 1 when something is wrong."""
    from salus.insurance.tender import publication

    if schema:
        parts = {
            "round": "code, opened_at, commit_until, reveal_until, root",
            "ruleset, groups, demand, qualification": "what was announced and judged",
            "commitments": "party, digest, committed_at, withdrawn_at",
            "openings": "party, nonce, payload, revealed_at",
            "seed, decisions, outcomes, regions, volumes": "what was decided",
        }
        _print_schema((f"a JSON object of the format {publication.FORMAT}", parts))
        return
    file = publication.read(_given(published, "the published file"))
    found = publication.verify(file)
    for one in found:
        sys.stdout.write(f"{one.code}: {one.where}\n")
    if found:
        sys.stderr.write(f"salus: {len(found)} findings [tender-differs]\n")
        raise typer.Exit(1)
    Console().print(
        f"{len(file['commitments'])} commitments, {len(file['openings'])} openings and"
        f" {len(file['decisions'])} decisions verified: nothing is wrong."
    )
