"""`salus prevention growth`: z-scores of children's measurements, without the platform."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from salus.kernel.errors import Invalid


def growth(
    measurements: Annotated[Path | None, typer.Argument(help="Children's measurements: CSV.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file.")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="CSV for bad rows; the good ones are scored then.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Score weight, height, BMI and head of children of 0 to 19 years against WHO's standards."""
    from salus.prevention.growth import files

    if schema:
        out = Console(soft_wrap=True)
        for name, fields in (("measurements", files.INPUT), ("output", files.OUTPUT)):
            out.print(f"{name}:", highlight=False)
            for field in fields:
                empty = "" if field.required else " (may be empty)"
                out.print(f"  {field.name:28} {field.type:7} {field.about}{empty}", highlight=False)
        return
    if measurements is None or output is None:
        raise Invalid(
            "growth-arguments", "Give the measurements and --output", fix="See salus prevention growth --help"
        )
    found = files.read(measurements)
    if found.faults and errors is None:
        first = found.faults[0]
        raise Invalid(
            "growth-rows", f"{len(found.faults)} rows are bad; the first: {first.words} ({first.code})",
            where=f"{first.file}, line {first.line}, {first.column}",
            fix="Correct them, or give --errors to have them listed and the others scored.",
        )  # fmt: skip
    table = files.scored(found)
    files.write(output, table)
    if errors is not None:
        files.write_faults(errors, found.faults)
    doubtful = files.doubtful(table)
    bad = f"; {len(found.faults):,} bad rows in {errors}" if found.faults else ""
    words = f"{table.num_rows:,} measurements in {output}, {doubtful:,} with an implausible score{bad}"
    Console(stderr=True).print(words, highlight=False)


def add_to(app: typer.Typer) -> None:
    """Hang the engine's commands into the room's command line."""
    app.command("growth")(growth)
