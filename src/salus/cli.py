"""The command line: every room's commands under its name, and what concerns the whole platform."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.kernel.errors import SalusError

app = typer.Typer(
    name="salus",
    help="The platform a city's health commission runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ROOMS = {
    "kernel": "Accounts, registers, events and jobs.",
    "engine": "Batch SQL on DuckDB or Spark.",
    "record": "Residents' records and identity.",
    "connect": "Source systems, files and listeners.",
    "insurance": "Claims, DRG and DIP payment, procurement, service prices.",
    "prevention": "Outbreak detection, nowcasts, schedules, growth.",
    "city": "The synthetic city.",
}

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Where Salus keeps its files; also SALUS_DATA_DIR.", show_default="./var"
    ),
]


def use_data_dir(folder: Path | None) -> None:
    """Point the settings at a data folder; must come before Django is set up."""
    if folder is not None:
        os.environ["SALUS_DATA_DIR"] = str(folder)


@app.command()
def demo(
    residents: Annotated[int, typer.Option(min=1_000, max=16_000_000, help="Residents of the city.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same city.")] = 1,
    serve: Annotated[bool, typer.Option(help="Serve on loopback afterwards.")] = True,
    port: Annotated[int, typer.Option(help="Port of the pages and the FHIR API.")] = 8000,
    data_dir: DataDir = None,
) -> None:
    """Build a synthetic city, send its messages, link identities, show the result and serve it."""
    use_data_dir(data_dir)
    from salus.composition import demonstration

    demonstration.run(residents=residents, seed=seed, port=port if serve else None)


@app.command()
def load(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders: FHIR, HL7 v2, CSV, Excel, CDA, zip.")
    ],
    source: Annotated[str, typer.Option(help="The source system that the files come from.")],
    format: Annotated[str | None, typer.Option(help="Only when the content does not tell.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="A TOML mapping for CSV and Excel.")] = None,
    preview: Annotated[bool, typer.Option(help="Show what would happen; store nothing.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Load real files of one source system into the record."""
    use_data_dir(data_dir)
    from salus.composition import installation

    installation.ensure()
    from salus.connect import commands

    commands.load(paths=paths, source=source, format=format, mapping=mapping, preview=preview)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Make or upgrade the databases. Safe to interrupt and to run again; the platform may serve meanwhile."""
    use_data_dir(data_dir)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from salus.composition import installation

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, of: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=done, total=of)

        installation.ensure(progress=show)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the pages and the FHIR API.")] = 8000,
    mllp_port: Annotated[
        int | None, typer.Option(help="Port of the HL7 v2 listener; none without it.")
    ] = None,
    worker: Annotated[bool, typer.Option(help="Run the background worker too.")] = True,
    writes_apart: Annotated[
        bool | None,
        typer.Option(
            help="Do the FHIR API's writes in a process of their own.",
            show_default="with two processors or more",
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the pages, the FHIR API, the background worker and the HL7 v2 listener."""
    use_data_dir(data_dir)
    from salus.composition import serving

    raise typer.Exit(
        serving.run(host=host, port=port, mllp_port=mllp_port, worker=worker, writes_apart=writes_apart)
    )


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run jobs, events and probabilistic linking until told to stop."""
    use_data_dir(data_dir)
    from salus.composition import working

    working.run()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    data_dir: DataDir = None,
) -> None:
    """Copy the databases, keys and chain heads as they stand now, while everything goes on."""
    use_data_dir(data_dir)
    from salus.composition import safekeeping

    safekeeping.backup(target)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A folder made by `salus backup`.")],
    force: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Bring a backup back and check every table's row hash against the backup's."""
    use_data_dir(data_dir)
    from salus.composition import safekeeping

    safekeeping.restore(source, force=force)


@app.command()
def translations() -> None:
    """Compile every room's translations."""
    from salus.composition import installation

    installation.compile_translations()


def mount(rooms: dict[str, str]) -> None:
    """Hang each room's own commands under its name."""
    for room, words in rooms.items():
        commands: Any = importlib.import_module(f"salus.{room}.commands")
        app.add_typer(commands.app, name=room, help=words, no_args_is_help=True)
        if room == "kernel":
            app.add_typer(commands.audit_app, name="audit", help="The audit chain.", no_args_is_help=True)
        if room == "record":
            views: Any = importlib.import_module("salus.record.views.commands")
            app.add_typer(views.app, name="view", help="Tables from FHIR files.", no_args_is_help=True)
        if room == "record":
            about = "The record's tables (Parquet), as of any date."
            app.add_typer(commands.lake_app, name="lake", help=about, no_args_is_help=True)


def main() -> None:
    """Run the command; an error that a person can act on is printed without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")
    mount(ROOMS)
    try:
        app()
    except SalusError as error:
        sys.stderr.write(f"salus: {error} [{error.code}]\n")
        raise SystemExit(1) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"salus: {place}{error.strerror or 'the system refused'} [system]\n")
        raise SystemExit(1) from None
    except Exception as error:
        if not database_fault(error):
            raise
        words = str(error).partition("\n")[0][:200]
        sys.stderr.write(
            f"salus: The database does not answer or refuses: {words}. Is it there, and is its disk full?"
            " What was not acknowledged can be sent again. [database-unavailable]\n"
        )
        raise SystemExit(1) from None


def database_fault(error: BaseException) -> bool:
    """Say whether the database's own trouble ended a command; anything else is a fault of the program."""
    from django.db import InterfaceError, OperationalError

    return isinstance(error, OperationalError | InterfaceError)


if __name__ == "__main__":
    main()
