"""`salus city prevention`: what prevention works on, as CSV and Parquet, with the truth about outbreaks."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def prevention(
    out: Annotated[Path, typer.Option(help="Folder to write; it must not hold a prevention yet.")] = Path(
        "prevention"
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
    series: Annotated[int, typer.Option(help="How many weekly series.")] = 5_000,
    weeks: Annotated[int, typer.Option(help="How many weeks each.")] = 574,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print what is written, and build nothing.")
    ] = False,
) -> None:
    """Write weekly series, cases, births with doses, pregnancies and chronic registers, with the truth."""
    from salus.city.prevention.building import ALL_SCHEMAS, PLAIN, build_prevention

    console = Console()
    if schema:
        for name, table in ALL_SCHEMAS.items():
            console.print(f"[bold]{name}.{'csv' if name in PLAIN else 'parquet'}[/bold]")
            console.print(f"  {', '.join(table.names)}", highlight=False, soft_wrap=True)
        console.print("[bold]outbreaks.json[/bold]")
        console.print("  outbreak, disease, icd10, streets, first_day, cases", highlight=False)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bars:
        tasks = {"series": bars.add_task("Series", total=series)}
        tasks["residents"] = bars.add_task("Residents", total=residents)

        def show(stage: str, done: int, _total: int) -> None:
            bars.update(tasks[stage], completed=done)

        made = build_prevention(
            out, residents, seed, show, workers=workers, start=start.date(), end=end.date(), series=series,
            weeks=weeks,
        )  # fmt: skip
    console.print(
        f"{made.rows['series']:,} weeks of {series:,} series, {made.rows['cases']:,} cases,"
        f" {made.rows['births']:,} births, {made.rows['chronic']:,} chronic patients in {out}"
    )


def add_to(app: typer.Typer) -> None:
    """Add the command to the city's command line."""
    app.command("prevention")(prevention)
