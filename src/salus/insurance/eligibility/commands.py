"""`salus insurance eligibility`: who is covered, on a user's own files, without the platform."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from salus.engine.terminal import bars, checked_engine, opened
from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.insurance.eligibility.files import Fault


def eligibility(
    asked: Annotated[Path | None, typer.Argument(help="Questions: CSV or Parquet.")] = None,
    enrolments: Annotated[Path | None, typer.Option(help="Paid periods of members.")] = None,
    statuses: Annotated[Path | None, typer.Option(help="Social statuses.")] = None,
    filings: Annotated[Path | None, typer.Option(help="Notices of treatment elsewhere.")] = None,
    contracts: Annotated[
        Path | None, typer.Option(help="Contracts of institutions; all are contracted without it.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .parquet or .csv file.")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="CSV for bad rows; the good ones are answered then.")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[2]",
    memory: Annotated[str | None, typer.Option(help="What the engine may take, such as 4GB.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Say of each person whether she is covered on the day for the service at the institution, and why."""
    from salus.insurance.eligibility import batch, load_rules
    from salus.insurance.eligibility.files import read, write_faults
    from salus.insurance.eligibility.tables import ANSWERS, INPUTS

    if schema:
        out = Console(soft_wrap=True)
        for name, fields in {**INPUTS, "output": ANSWERS}.items():
            out.print(f"{name}:", highlight=False)
            for field in fields:
                empty = "" if field.required else " (may be empty)"
                out.print(f"  {field.name:14} {field.type:8} {field.about}{empty}", highlight=False)
        return
    if asked is None or enrolments is None or output is None:
        raise Invalid(
            "eligibility-arguments", "Give the questions, --enrolments and --output",
            fix="See salus insurance eligibility --help",
        )  # fmt: skip
    checked_engine(engine)
    given = {
        "asked": asked, "spells": enrolments, "statuses": statuses, "filings": filings,
        "contracts": contracts,
    }  # fmt: skip
    tables: dict[str, Any] = {}
    faults: list[Fault] = []
    bad = 0
    with bars() as show:
        for place, (name, path) in enumerate(given.items()):
            show(f"reading {name}", place, len(given))
            if path is not None:
                found = read(path, INPUTS[name], name=path.name)
                tables[name], bad = found.table, bad + found.bad_rows
                faults += found.faults
        _refuse(faults, bad, errors)
        if contracts is None:
            tables["contracts"] = batch.everywhere(tables["asked"], tables["spells"])
        with opened(engine, master, memory) as one:
            answers = batch.run(one, tables, load_rules(), progress=show)
    batch.save(answers, output)
    if errors is not None:
        write_faults(errors, faults)
    covered = sum(answers.column("covered").to_pylist())
    words = f"{answers.num_rows:,} answers in {output}, {covered:,} covered"
    Console(stderr=True).print(words + (f", {bad:,} bad rows in {errors}" if bad else ""), highlight=False)


def _refuse(faults: "list[Fault]", bad: int, errors: Path | None) -> None:
    """Raise for bad rows unless the user asked for them in a file."""
    if bad and errors is None:
        first = faults[0]
        raise Invalid(
            "eligibility-rows", f"{bad} rows are bad; the first: {first.words} ({first.code})",
            where=f"{first.file}, row {first.line}, {first.column}",
            fix="Correct them, or give --errors to have them listed and the others answered.",
        )  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the command to the room's command line."""
    app.command("eligibility")(eligibility)
