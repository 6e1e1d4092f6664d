"""`salus city insurance`: the city's insurance as Parquet, with the truth about planted fraud apart."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def insurance(
    out: Annotated[Path, typer.Option(help="Folder to write; it must not hold an insurance yet.")] = Path(
        "insurance"
    ),
    residents: Annotated[int, typer.Option(help="1,000 to 16,000,000 residents at the start.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people as `city build`.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes; the result does not depend on it.")] = 1,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day of the city.")] = datetime(
        2024, 1, 1
    ),
    end: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day after.")] = datetime(
        2026, 1, 1
    ),
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day of claims; a year before the end if left out."),
    ] = None,
    fraud: Annotated[bool, typer.Option(help="Whether fraud is planted.")] = True,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print what is written, and build nothing.")
    ] = False,
) -> None:
    """Write a city's enrolment, premiums, catalogue, claims, discharges and planted fraud as Parquet."""
    from salus.city.insurance.building import build_insurance

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

        made = build_insurance(
            out, residents, seed, show, workers=workers, start=start.date(), end=end.date(),
            since=since.date() if since else None, fraud=fraud,
        )  # fmt: skip
    console.print(
        f"{made.rows['claims']:,} claims with {made.rows['claim_lines']:,} lines"
        f" of {made.rows['persons']:,} residents in {out}"
    )


def _print_schema(console: Console) -> None:
    from salus.city.insurance.catalogue import COLUMNS
    from salus.city.insurance.places import SCHEMA
    from salus.city.insurance.tables import SCHEMAS

    tables = {
        "catalogue": ", ".join(name for name, _ in COLUMNS),
        "institutions": ", ".join(SCHEMA.names),
        **{name: ", ".join(table.names) for name, table in SCHEMAS.items()},
    }
    for name, columns in tables.items():
        console.print(f"[bold]{name}.parquet[/bold]")
        console.print(f"  {columns}", highlight=False, soft_wrap=True)


def add_to(app: typer.Typer) -> None:
    """Add the command to the city's command line."""
    app.command("insurance")(insurance)
