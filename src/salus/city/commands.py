"""The city on the command line: `salus city`."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

app = typer.Typer(help="Build a synthetic city with known truth, for demonstrations, tests and benchmarks.")


@app.callback()
def city() -> None:
    """Build a synthetic city with known truth, for demonstrations, tests and benchmarks."""


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Folder to write; it must not hold a city yet.")] = Path("city"),
    residents: Annotated[int, typer.Option(help="1,000 to 16,000,000 residents at the start.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city, byte for byte.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes; the result does not depend on it.")] = 1,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = datetime(2024, 1, 1),
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day after.")] = datetime(
        2026, 1, 1
    ),
    schema: Annotated[
        bool, typer.Option("--schema", help="Print what is written, and build nothing.")
    ] = False,
) -> None:
    """Write a city's registers, source systems, mappings, message files and truth."""
    from salus.city.assembly import build as build_city

    console = Console()
    if schema:
        _print_schema(console)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bars:
        bar = bars.add_task("Residents", total=residents)

        def show(_stage: str, done: int, _total: int) -> None:
            bars.update(bar, completed=done)

        manifest = build_city(out, residents, seed, show, workers=workers, start=_day(start), end=_day(end))
    console.print(
        f"{manifest.messages:,} messages of {manifest.systems} systems"
        f" about {manifest.persons:,} residents in {out}"
    )


def _day(moment: datetime) -> date:
    return moment.date()


def _print_schema(console: Console) -> None:
    """Print every file of a city and its columns."""
    from salus.city.schema import SCHEMA

    for path, columns in SCHEMA.items():
        console.print(f"[bold]{path}[/bold]")
        console.print(f"  {columns}", highlight=False, soft_wrap=True)
