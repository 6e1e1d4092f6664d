"""`salus insurance record-settlement|record-comparison`: put results on the platform."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from salus.insurance.payment.commands import print_schema
from salus.kernel.errors import Invalid

Year = Annotated[int, typer.Option(min=2000, max=2100, help="The year that was settled.")]
Schema = Annotated[bool, typer.Option("--schema", help="Print what is read; stop.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the room's command line."""
    app.command("record-settlement")(record_settlement)
    app.command("record-comparison")(record_comparison)


def _start() -> Any:
    """Start Django and return the principal of somebody at the server's own console."""
    import django

    django.setup()
    from salus.kernel.policy import system_principal

    return system_principal(f"console:{getpass.getuser()}")


def record_settlement(
    folder: Annotated[Path | None, typer.Argument(help="What settle or dip settle wrote.")] = None,
    year: Year = 2000,
    schema: Schema = False,
) -> None:
    """Record a settlement as the year's next version; a fund officer publishes it on its page."""
    from salus.insurance.payment import output

    if schema:
        tables = {
            "clearing.parquet": output.LINES,
            "pools.parquet": output.POOLS,
            "payments.parquet": output.MONTHS,
        }
        print_schema({}, tables)
        return
    if folder is None or year == 2000:
        raise Invalid("settlement-arguments", "Give the folder and --year", fix="See --help")
    principal = _start()
    from salus.insurance.services import settlement

    run = settlement.record_settlement(principal, folder, year=year, now=datetime.now(UTC))
    Console().print(f"Recorded as version {run.version} of {year}, {run.cases:,} cases.", highlight=False)


def record_comparison(
    file: Annotated[Path | None, typer.Argument(help="What simulate wrote.")] = None,
    year: Year = 2000,
    title: Annotated[str, typer.Option(help="What was compared, for the list.")] = "",
    pilot: Annotated[str, typer.Option(help="The pilots that were asked for, with commas.")] = "",
    schema: Schema = False,
) -> None:
    """Record a comparison of payment methods for planners and fund officers."""
    from salus.insurance.payment.reading import job

    if schema:
        print_schema({}, {"file": dict(job("compare").columns)})
        return
    if file is None or year == 2000:
        raise Invalid("settlement-arguments", "Give the file and --year", fix="See --help")
    principal = _start()
    from salus.insurance.services import settlement

    chosen = [code.strip() for code in pilot.split(",") if code.strip()]
    made = settlement.record_comparison(
        principal, file, title=title, year=year, options={"pilot": chosen}, now=datetime.now(UTC)
    )
    Console().print(f"Recorded: {made.title}.", highlight=False)
