"""`salus insurance review`: suspicious claims ranked with evidence, on a user's own files."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from salus.engine.terminal import bars, checked_engine, opened
from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.engine.contract import Engine
    from salus.insurance.review.scoring import Kind

Files = dict[str, Path | None]


def review(
    claims: Annotated[Path | None, typer.Argument(help="Claims: Parquet.")] = None,
    lines: Annotated[Path | None, typer.Argument(help="Claim lines: Parquet.")] = None,
    persons: Annotated[Path | None, typer.Option(help="Sex, birth and death of residents.")] = None,
    institutions: Annotated[Path | None, typer.Option(help="Tier and district of institutions.")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Kinds, panels and prices of items.")] = None,
    severity: Annotated[
        Path | None, typer.Option(help="Complications that lift a group; the starter scheme's if left out.")
    ] = None,
    deaths: Annotated[Path | None, typer.Option(help="Deaths that other registers know.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights of your own, from --verdicts.")] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="CSV with kind, claim_id, confirmed: fit weights to --output."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .parquet or .csv file.")] = None,
    false_share: Annotated[
        float, typer.Option(help="Stop where this share of the list is expected to be false alarms.")
    ] = 1.0,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[2]",
    memory: Annotated[str | None, typer.Option(help="What the engine may take, such as 4GB.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Rank claims that look like miscoding or false billing, with the evidence for each."""
    if schema:
        _print_schema()
        return
    if claims is None or lines is None or output is None:
        raise Invalid(
            "review-arguments", "Give the claims, their lines and --output",
            fix="See salus insurance review --help",
        )  # fmt: skip
    checked_engine(engine)
    if not 0 < false_share <= 1:
        raise Invalid("review-false-share", "A share lies above 0 and up to 1", where="--false-share")
    if output.suffix not in (".parquet", ".csv"):
        raise Invalid("review-output", "The list is a .parquet or .csv file", where=output.name)
    files: Files = {
        "claims": claims, "claim_lines": lines, "persons": persons, "institutions": institutions,
        "catalogue": catalogue, "deaths": deaths,
    }  # fmt: skip
    for path in (*files.values(), severity, weights, verdicts):
        if path is not None and not path.exists():
            raise Invalid("review-file", "The file is not there", where=path.name)
    sources: dict[str, Any] = {name: str(path) for name, path in files.items() if path is not None}
    sources["severity"] = str(severity) if severity else _starter_severity()
    with opened(engine, master, memory) as one:
        if verdicts is not None:
            _fit(one, sources, verdicts, output)
        else:
            _rank(one, sources, _weights(weights), output, false_share)


def _rank(
    engine: "Engine", sources: dict[str, Any], known: "tuple[Kind, ...] | None", output: Path, share: float
) -> None:
    import pyarrow.compute as pc

    from salus.insurance.review import review as ranked

    with bars("reading") as show:
        found = ranked(engine, sources, show, known=known)
    found = found.filter(pc.less_equal(found.column("false_share"), share))
    _save(found, output)
    expected = found.num_rows - sum(found.column("probability").to_pylist())
    Console(stderr=True).print(
        f"{found.num_rows:,} suspicions in {output}; about {expected:,.0f} of them false alarms",
        highlight=False,
    )


def _fit(engine: "Engine", sources: dict[str, Any], verdicts: Path, output: Path) -> None:
    from salus.insurance.review import candidates
    from salus.insurance.review.scoring import TERMS, fit, kinds, measures_of, term_name

    told = _verdicts(verdicts)
    with bars("reading") as show:
        measured = candidates(engine, sources, show)
    rows, left = [], []
    for kind in kinds():
        table = measured[kind.kind]
        answers = [told.get((kind.kind, claim)) for claim in table.column("claim_id").to_pylist()]
        chosen = [n for n, answer in enumerate(answers) if answer is not None]
        import numpy as np

        confirmed = np.array([bool(answers[n]) for n in chosen], dtype=bool)
        if not len(chosen) or confirmed.all() or not confirmed.any():
            left.append(kind.kind)
            rows += [(kind.kind, term_name(t), w) for t, w in zip(TERMS, kind.weights, strict=True)]
            continue
        made = fit(measures_of(table)[chosen], confirmed)
        rows += [(kind.kind, term_name(t), w) for t, w in zip(TERMS, made, strict=True)]
    with output.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["kind", "term", "weight"])
        out.writerows(rows)
    words = f"Weights of {len(kinds()) - len(left)} kinds in {output}"
    if left:
        words += f"; too few verdicts, left as they were: {', '.join(left)}"
    Console(stderr=True).print(words, highlight=False)


def _verdicts(path: Path) -> dict[tuple[str, str], bool]:
    from salus.insurance.review.scoring import kinds

    known, told = {kind.kind for kind in kinds()}, {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            if (
                row.get("kind") not in known
                or not row.get("claim_id")
                or row.get("confirmed") not in ("yes", "no")
            ):
                raise Invalid(
                    "review-verdict", "A verdict has a kind, a claim and yes or no", where=f"row {line}",
                    fix="Columns are kind, claim_id, confirmed; see --schema",
                )  # fmt: skip
            told[row["kind"], row["claim_id"]] = row["confirmed"] == "yes"
    return told


def _weights(path: Path | None) -> "tuple[Kind, ...] | None":
    from salus.insurance.review.scoring import read_kinds

    if path is None:
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return read_kinds(list(csv.DictReader(file)))


def _starter_severity() -> Any:
    from salus.insurance.review.reviewing import starter_severity

    return starter_severity()


def _save(table: Any, path: Path) -> None:
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        arrow_csv.write_csv(table, path)


def _print_schema() -> None:
    from salus.insurance.review.scoring import kinds
    from salus.insurance.review.tables import INPUTS, OUTPUT

    out = Console(soft_wrap=True)
    for name, (needed, columns) in INPUTS.items():
        out.print(f"{name}{'' if needed else ' (optional)'}:", highlight=False)
        for column, kind, about in columns:
            out.print(f"  {column:14} {kind!s:18} {about}", highlight=False)
    out.print("verdicts:\n  kind, claim_id, confirmed (yes or no)", highlight=False)
    out.print("weights:\n  kind, term, weight", highlight=False)
    out.print("output:", highlight=False)
    for column, about in OUTPUT:
        out.print(f"  {column:18} {about}", highlight=False)
    out.print("kinds: " + ", ".join(kind.kind for kind in kinds()), highlight=False)


def add_to(app: typer.Typer) -> None:
    """Add the command to the room's command line."""
    app.command("review")(review)
