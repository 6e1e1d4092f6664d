"""`salus insurance adjudicate`: who pays what of a user's own claims, without the platform."""

import csv
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salus.engine.terminal import bars, checked_engine, opened
from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.insurance.adjudication.reading import Fault

_SHOWN = 20
File = Annotated[Path | None, typer.Option(help="A .csv or Parquet file; its columns: --schema.")]


def adjudicate(
    claims: Annotated[Path | None, typer.Argument(help="The claims: .csv or Parquet.")] = None,
    lines: Annotated[Path | None, typer.Argument(help="Their lines: .csv or Parquet.")] = None,
    catalogue: File = None,
    institutions: File = None,
    persons: File = None,
    coverage: File = None,
    statuses: File = None,
    registrations: File = None,
    diagnoses: File = None,
    earlier: File = None,
    balances: File = None,
    rules: Annotated[Path | None, typer.Option(help="A folder of rule files instead of Salus's own.")] = None,
    jurisdiction: Annotated[str, typer.Option(help="Whose rules hold: CN or a GB/T 2260 code.")] = "CN",
    as_of: Annotated[str, typer.Option(help="The day of adjudication, YYYY-MM-DD; default today.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The folder that results go to.")] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[2]",
    memory: Annotated[str | None, typer.Option(help="What the engine may take, such as 4GB.")] = None,
    scratch: Annotated[Path | None, typer.Option(help="A folder for Spark's steps.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Adjudicate claims: who pays each line, how much, by which rule of which version, and why."""
    from salus.insurance.adjudication.accumulators import balances as summed
    from salus.insurance.adjudication.batch import write_batch
    from salus.insurance.adjudication.rules import load_rules

    if schema:
        _print_schema()
        return
    given = {
        "claims": claims, "claim_lines": lines, "catalogue": catalogue, "institutions": institutions,
        "persons": persons, "coverage": coverage, "statuses": statuses, "registrations": registrations,
        "diagnoses": diagnoses, "earlier": earlier, "balances": balances,
    }  # fmt: skip
    if out is None:
        raise Invalid("adjudication-arguments", "there is no folder for the results", fix="Give --out.")
    checked_engine(engine)
    day = _day(as_of)
    tables, faults = _read(given)
    out.mkdir(parents=True, exist_ok=True)
    _write_faults(out / "errors.csv", faults)
    if held := [one for one in faults if one.table not in ("claims", "claim_lines")]:
        raise Invalid(
            "adjudication-reference",
            f"{len(held):,} cells of {held[0].table} or other tables that claims are held against are wrong",
            where=str(out / "errors.csv"),
            fix="Correct them; nothing was adjudicated.",
        )
    known = load_rules(rules, as_of=day, jurisdiction=jurisdiction)
    room = memory or ("2GB" if engine == "spark" else None)  # Spark's own default is too little for its steps
    with opened(engine, master, room) as one, bars() as progress:
        rows = write_batch(tables, known, out, as_of=day, engine=one, scratch=scratch, progress=progress)
    _write_balances(out, summed)
    _report(out, rows, faults)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text) if text else date.today()
    except ValueError:
        raise Invalid("adjudication-day", "--as-of is no date", fix="Write YYYY-MM-DD.") from None


def _read(given: Mapping[str, Path | None]) -> tuple[dict[str, Any], list["Fault"]]:
    from salus.insurance.adjudication.reading import read_table
    from salus.insurance.adjudication.tables import INPUTS

    tables: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, path in given.items():
        if path is None:
            if not INPUTS[name].optional:
                option = "the second argument" if name == "claim_lines" else f"--{name}"
                option = "the first argument" if name == "claims" else option
                raise Invalid("adjudication-arguments", f"there are no {name}", fix=f"Give {option}.")
            continue
        tables[name], found = read_table(path, INPUTS[name])
        faults += found
    return tables, faults


def _write_faults(path: Path, faults: list["Fault"]) -> None:
    from salus.engine.sources import placed

    with placed(path) as made, made.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("table", "line", "column", "code", "message"))
        writer.writerows((one.table, one.line, one.column, one.code, one.message) for one in faults)
    for one in faults[:_SHOWN]:
        sys.stderr.write(f"{one.table}, line {one.line}, {one.column}: {one.message} ({one.code})\n")
    if len(faults) > _SHOWN:
        sys.stderr.write(f"{len(faults) - _SHOWN:,} more in {path}\n")


def _write_balances(out: Path, summed: Any) -> None:
    """Write what the claims used up by themselves, for the balances of a next batch to be added to."""
    import pyarrow.parquet as pq

    from salus.engine.sources import placed

    table = summed(pq.read_table(out / "events.parquet"))
    with placed(out / "used.parquet") as made:
        pq.write_table(table, made)


def _report(out: Path, rows: Mapping[str, int], faults: list["Fault"]) -> None:
    """Print how many claims ended how, and who pays how much."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from salus.insurance.adjudication.explanation import PAYERS as WORDS
    from salus.insurance.adjudication.tables import PAYERS
    from salus.kernel.money import format_yuan

    claims = pq.read_table(out / "claims.parquet", columns=["outcome"])
    ended = {one["values"]: one["counts"] for one in pc.value_counts(claims.column("outcome")).to_pylist()}
    lines = pq.read_table(out / "lines.parquet", columns=["charge", *PAYERS])
    words = ", ".join(f"{ended[name]:,} {name}" for name in sorted(ended))
    say = sys.stdout.write
    say(f"{rows['claims']:,} claims ({words}), {rows['lines']:,} lines, {len(faults):,} cells not read\n")
    for column in ("charge", *PAYERS):
        amount = pc.sum(lines.column(column)).as_py() or 0
        label = WORDS[column]["en"] if column in WORDS else "charged"
        say(f"  {format_yuan(amount):>20}  {label}\n")
    say(f"{out}: {', '.join(f'{name}.parquet' for name in rows)}, used.parquet, errors.csv\n")


def _print_schema() -> None:
    from salus.insurance.adjudication.reading import MAY_LACK
    from salus.insurance.adjudication.tables import INPUTS, OUTPUTS

    for title, tables in (("reads", INPUTS), ("gives", OUTPUTS)):
        for table in tables.values():
            sys.stdout.write(
                f"{title} {table.name}: {table.about}{' (optional)' if table.optional else ''}\n"
            )
            for name, type, about in table.columns:
                lacking = name in MAY_LACK.get(table.name, ()) and title == "reads"
                may = " (column may be left out)" if lacking else ""
                sys.stdout.write(f"  {name}: {type}" + (f", {about}" if about else "") + may + "\n")


def add_to(app: typer.Typer) -> None:
    """Add the command to the room's command line."""
    app.command("adjudicate")(adjudicate)
