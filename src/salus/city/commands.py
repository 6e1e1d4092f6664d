"""The city on the command line: `salus city`."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from salus.city.insurance import commands as insurance
from salus.city.insurance import tender
from salus.city.prevention import commands as prevention
from salus.kernel.errors import Invalid

app = typer.Typer(help="Build a synthetic city with known truth, for demonstrations, tests and benchmarks.")
insurance.add_to(app)
tender.add_to(app)
prevention.add_to(app)


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
    tables: Annotated[
        bool, typer.Option("--tables", help="Write the lake's tables instead of messages.")
    ] = False,
    only: Annotated[str, typer.Option(help="With --tables: the tables wanted, separated by commas.")] = "",
    records: Annotated[
        int, typer.Option(help="With --tables --only patient: about how many patient records; 0 is all.")
    ] = 0,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print what is written, and build nothing.")
    ] = False,
) -> None:
    """Write a city's registers, source systems, mappings, message files and truth, or its tables."""
    from salus.city.assembly import build as build_city
    from salus.city.tables.build import build_tables

    console = Console()
    if (only or records) and not tables:
        raise Invalid("city-options", "--only and --records speak of tables", fix="Add --tables")
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

        if tables:
            names = [name.strip() for name in only.split(",") if name.strip()]
            written = build_tables(
                out, residents, seed, show,
                workers=workers, start=_day(start), end=_day(end), only=names, records=records,
            )  # fmt: skip
            console.print(
                f"{sum(written.tables.values()):,} rows of {len(written.tables)} tables"
                f" about {written.persons:,} residents in {out}"
            )
            return
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
