"""`salus view`: SQL-on-FHIR views over any FHIR files, without the platform."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from salus.kernel.errors import Invalid
from salus.record import json
from salus.record.views import CompiledView, ViewError, compile_view

app = typer.Typer()
SHOWN = 10
"""How many rejected lines are named on the terminal."""

ViewFile = Annotated[Path, typer.Argument(help="A ViewDefinition (JSON).")]


def opened(path: Path, dialect: str = "duckdb", *, strict: bool = False) -> CompiledView:
    """Return a ViewDefinition's file compiled; raises `Invalid` or `ViewError`."""
    try:
        document: Any = json.loads(path.read_bytes())
    except json.NotJson as fault:
        place = f"{path}, byte {fault.position}" if fault.position else str(path)
        raise Invalid("view-file", "This is not JSON", where=place) from None
    return compile_view(document, dialect, strict=strict)


def show_columns(view: CompiledView) -> None:
    """Print a view's columns, one a line: name, SQL type, FHIR type, description."""
    out = Console(width=200)
    out.print(f"input: FHIR resources of the type {view.resource}", highlight=False)
    out.print("output:", highlight=False)
    width = max(len(column.name) for column in view.columns)
    for column in view.columns:
        words = f"  {column.name:{width}}  {column.sql_type:14}  {column.fhir_type:12}  {column.description}"
        out.print(words.rstrip(), highlight=False, markup=False)


def warn(view: CompiledView) -> None:
    """Print what is odd about a view."""
    console = Console(stderr=True, width=200)
    for one in view.warnings:
        console.print(f"warning: {one}", highlight=False, markup=False)


@app.command()
def run(
    view: ViewFile,
    data: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders: .ndjson, .json, Bundles, .gz.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .parquet, .csv or .ndjson file; - prints CSV.")
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory that may be used; the rest spills to disk.")] = "2GB",
    strict: Annotated[bool, typer.Option(help="Stop at the first line that is no resource.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="Where lines that are no resources go.")] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's address.")] = "local[2]",
    schema: Annotated[bool, typer.Option("--schema", help="Print the view's columns; stop.")] = False,
) -> None:
    """Make the table that a view describes out of FHIR files."""
    from salus.record.views import reading, running, spark_running

    compiled = opened(view, engine)
    if schema:
        show_columns(compiled)
        return
    if not data or output is None:
        raise Invalid("view-arguments", "Give the data and --output", fix="See salus view run --help")
    warn(compiled)
    paths = reading.found(data)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(compiled.resource, total=sum(path.stat().st_size for path in paths))
        target = None if str(output) == "-" else output
        ran = running.run(
            compiled,
            data,
            target,
            memory=memory,
            strict=strict,
            progress=lambda size: bar.advance(task, size),
            writer=spark_running.on(master) if engine == "spark" else None,
        )
    if rejects is not None:
        running.kept(ran.rejected, paths, rejects)
    for one in ran.rejected[:SHOWN]:
        console.print(f"left out: {paths[one.file]}, line {one.line}: {one.reason}", highlight=False)
    more = len(ran.rejected) - SHOWN
    if more > 0:
        console.print(f"left out: {more:,} more; --rejects FILE keeps them", highlight=False)
    console.print(
        f"{ran.rows:,} rows from {ran.files:,} files; {len(ran.rejected):,} lines were no resources",
        highlight=False,
    )


@app.command()
def columns(view: ViewFile) -> None:
    """Print a view's columns: name, SQL type, FHIR type, description."""
    compiled = opened(view)
    warn(compiled)
    show_columns(compiled)


@app.command()
def sql(
    view: ViewFile,
    source: Annotated[str, typer.Option(help="The relation with the text column body.")] = "resources",
    keep: Annotated[list[str] | None, typer.Option(help="A column of it to keep; repeatable.")] = None,
    dialect: Annotated[str, typer.Option(help="The SQL's dialect.")] = "duckdb",
) -> None:
    """Print the SQL that a view is compiled to."""
    typer.echo(opened(view, dialect).sql(source, tuple(keep or ())))


@app.command()
def check(
    views: Annotated[list[Path], typer.Argument(help="ViewDefinitions (JSON).")],
    strict: Annotated[bool, typer.Option(help="Elements that FHIR R4 does not have are errors.")] = False,
) -> None:
    """Say what is wrong or odd about views; exit code 1 if one cannot be compiled."""
    failed = False
    for path in views:
        try:
            compiled = opened(path, strict=strict)
        except (ViewError, Invalid) as error:
            failed = True
            typer.echo(f"{path}: {error} [{error.code}]")
            continue
        for one in compiled.warnings:
            typer.echo(f"{path}: warning: {one}")
        typer.echo(f"{path}: {len(compiled.columns)} columns of {compiled.resource}")
    if failed:
        raise typer.Exit(1)


__all__ = ["app"]
