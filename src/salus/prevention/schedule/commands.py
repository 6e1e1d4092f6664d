"""`salus prevention schedule`: what is due, on a user's own files, without the platform."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from salus.kernel.errors import Invalid


def schedule(
    births: Annotated[Path | None, typer.Argument(help="Residents and their births: CSV.")] = None,
    given: Annotated[Path | None, typer.Option(help="Doses and visits given: CSV.")] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="Other anchors, such as lmp or hypertension: CSV.")
    ] = None,
    bars: Annotated[Path | None, typer.Option(help="Contraindications: CSV.")] = None,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day asked about; today without it.")
    ] = None,
    jurisdiction: Annotated[
        list[str] | None,
        typer.Option(help="Whose schedules hold, such as CN; a later one over an earlier one."),
    ] = None,
    rules: Annotated[list[Path] | None, typer.Option(help="A file of schedules of your own (TOML).")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this service, such as MMR.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .csv file.")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="CSV for bad rows; the good ones are answered then.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Say of each resident which services are due, overdue or complete on the day, and why."""
    from salus.prevention.schedule import files
    from salus.prevention.schedule.rules import load_rules, read_rules
    from salus.prevention.schedule.tables import INPUTS, OUTPUT

    if schema:
        out = Console(soft_wrap=True)
        for name, fields in {**INPUTS, "output": OUTPUT}.items():
            out.print(f"{name}:", highlight=False)
            for field in fields:
                empty = "" if field.required else " (may be empty)"
                out.print(f"  {field.name:12} {field.type:7} {field.about}{empty}", highlight=False)
        return
    if births is None or output is None:
        raise Invalid(
            "schedule-arguments", "Give the births and --output", fix="See salus prevention schedule --help"
        )
    day = date.today() if today is None else today.date()
    places = tuple(jurisdiction or ("CN",))
    held = read_rules(rules, places, day) if rules else load_rules(day, places)
    if only:
        for code in only:
            held.of(code)
        held = held.only(only)
    if not held.services:
        raise Invalid("schedule-none", "No schedule holds there on the day", where=", ".join(places))
    found = files.read(births, anchors, given, bars, held)
    if found.faults and errors is None:
        first = found.faults[0]
        raise Invalid(
            "schedule-rows", f"{len(found.faults)} rows are bad; the first: {first.words} ({first.code})",
            where=f"{first.file}, line {first.line}, {first.column}",
            fix="Correct them, or give --errors to have them listed and the others answered.",
        )  # fmt: skip
    counts = files.write(output, files.told(held, found.residents, day))
    if errors is not None:
        files.write_faults(errors, found.faults)
    words = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()))
    bad = f"; {len(found.faults):,} bad rows in {errors}" if found.faults else ""
    Console(stderr=True).print(
        f"{len(found.residents):,} residents, {words or 'nothing owed'}: {output}{bad}", highlight=False
    )


def add_to(app: typer.Typer) -> None:
    """Hang the engine's commands into the room's command line."""
    app.command("schedule")(schedule)
