"""`salus record terminology`: load code systems and maps that are not shipped; list what is there."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from salus.kernel.errors import Invalid

app = typer.Typer(
    help="Code systems and maps: load them from files, see what is there.", no_args_is_help=True
)


@app.command("import")
def import_(
    file: Annotated[
        Path | None, typer.Argument(help="CSV, or a FHIR CodeSystem or ConceptMap (JSON).")
    ] = None,
    system: Annotated[str, typer.Option(help="The code system's URL; needed for CSV.")] = "",
    version: Annotated[str, typer.Option(help="The version of the content.")] = "",
    replace: Annotated[bool, typer.Option(help="Replace other content of the same version.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print input and output columns; stop.")] = False,
) -> None:
    """Load a code system or a map; the same file twice changes nothing, older versions stay."""
    if schema:
        out = Console()
        out.print("input: CSV with code, display and, where there is a hierarchy, parent; or CodeSystem JSON")
        out.print("       or ConceptMap JSON (FHIR R4)")
        out.print("output: kind, url, version, size, outcome (loaded or unchanged)")
        return
    if file is None:
        raise Invalid("terminology-file", "Give the file", fix="See salus record terminology import --help")
    import django

    django.setup()
    from django.utils import timezone

    from salus.record.terminology import reading, services

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=None)
        found = reading.read(file, system, version)
        progress.update(task, description="loading", total=len(found.rows))
        loaded = services.load(
            found,
            now=timezone.now(),
            replace=replace,
            progress=lambda done: progress.update(task, completed=done),
        )
    one = loaded.release
    Console().print(f"{one.kind} {one.url} {one.version}: {one.size} {loaded.outcome}")


@app.command("list")
def list_() -> None:
    """List the code systems and maps that can be asked."""
    import django

    django.setup()
    from salus.record.models import TerminologyRelease
    from salus.record.terminology import shipped

    table = Table("kind", "url", "version", "size", "current")
    for url, concepts in sorted(shipped.systems().items()):
        table.add_row("codes", url, shipped.VERSION, str(len(concepts)), "shipped")
    for one in TerminologyRelease.objects.order_by("kind", "url", "version"):
        table.add_row(one.kind, one.url, one.version, str(one.size), "yes" if one.current else "no")
    Console().print(table)
