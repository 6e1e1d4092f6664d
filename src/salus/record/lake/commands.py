"""`salus lake …`: build, refresh, compact, look at and ask the record's tables."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.kernel.errors import Invalid

app = typer.Typer(add_completion=False)
AsOf = Annotated[str, typer.Option("--as-of", help="A day (its end) or an instant: rows as they stood then.")]
Purpose = Annotated[
    str, typer.Option(help="HL7 PurposeOfUse: PUBHLTH, HPAYMT, HOPERAT; HRESCH asks residents' consent.")
]
KEPT = (
    ("person_id", "varchar", "the resident, as known at the date (or now)"),
    ("rid", "bigint", "the store's number of the resource"),
    ("version", "int", "its version"),
    ("patient_rid", "bigint", "the store's number of the source's patient record"),
    ("source_id", "int", "the source system"),
    ("valid_from", "bigint", "since when the version holds, µs since 1970 UTC"),
)


def start() -> Any:
    """Start Django and return the principal of somebody at the server's own console."""
    import django

    django.setup()
    from salus.kernel.policy import system_principal

    return system_principal(f"console:{getpass.getuser()}")


@contextmanager
def shown() -> Iterator[Any]:
    """Show how far the work is."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bars:
        bars_by_step: dict[str, Any] = {}

        def progress(step: str, done: int, total: int | None) -> None:
            if step not in bars_by_step:
                bars_by_step[step] = bars.add_task(step, total=total)
            bars.update(bars_by_step[step], completed=done, total=total)

        yield progress


def _said(manifest: Any) -> None:
    run = manifest.runs[-1] if manifest.runs else None
    rows = sum(t.rows for t in manifest.tables.values())
    size = sum(f.bytes for f in manifest.files()) / 1e6
    sys.stdout.write(
        f"publication {manifest.number}: {len(manifest.tables)} tables, {rows:,} row versions, {size:,.1f} MB"
        + (f"; last: {run.kind}, {run.lines:,} changes, {run.seconds:.1f} s" if run else "")
        + "\n"
    )
    if refused := {t.name: t.refused for t in manifest.tables.values() if t.refused}:
        sys.stderr.write(f"versions that a view could not read: {refused}\n")


@app.command()
def build() -> None:
    """Build every table from all versions in the record."""
    start()
    from salus.record.lake import services

    with shown() as progress:
        manifest = services.build(progress=progress)
    _said(manifest)


@app.command()
def refresh() -> None:
    """Bring the tables up to the record; the first time, build them."""
    start()
    from salus.record.lake import services

    with shown() as progress:
        manifest = services.follow(progress=progress, wait=60)
    _said(manifest)


@app.command()
def compact() -> None:
    """Fold small files into large ones, sorted by patient."""
    start()
    from salus.record.lake import services

    with shown() as progress:
        manifest = services.compact(progress=progress)
    _said(manifest)


@app.command()
def tables(
    name: Annotated[str, typer.Argument(help="A table: its columns.")] = "",
) -> None:
    """List the tables, or one table's columns."""
    start()
    from rich.console import Console
    from rich.table import Table

    from salus.kernel.errors import NotFound
    from salus.record.lake import queries

    console = Console(width=None if sys.stdout.isatty() else 200)
    manifest = queries.present()
    if manifest is None:
        raise NotFound("lake-none", "There is no lake yet", fix="Run salus lake build")
    if name:
        if name not in manifest.tables:
            raise NotFound("lake-table", "The lake has no such table", where=name)
        out = Table("column", "type", "FHIR type", "description")
        for column, kind, words in KEPT:
            out.add_row(column, kind, "", words)
        for one in manifest.tables[name].columns:
            out.add_row(one.name, one.type, one.fhir_type, one.description)
    else:
        out = Table("table", "resource", "row versions", "MB", "files")
        for table in manifest.tables.values():
            size = f"{table.bytes / 1e6:,.1f}"
            out.add_row(table.name, table.resource_type, f"{table.rows:,}", size, str(len(table.files)))
    console.print(out)


@app.command("sql")
def ask(
    statement: Annotated[str, typer.Argument(help="One select in DuckDB's dialect.")] = "",
    as_of: AsOf = "",
    persons: Annotated[
        str, typer.Option(help="as-of or current: whose the records were known to be.")
    ] = "as-of",
    purpose: Purpose = "HOPERAT",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .parquet or .csv file for all rows.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 50,
    schema: Annotated[bool, typer.Option("--schema", help="Print the tables and columns; stop.")] = False,
) -> None:
    """Ask the tables; the question, its purpose and the number of rows go into the audit."""
    principal = start()
    if schema:
        _schema()
        return
    if not statement:
        raise Invalid(
            "lake-sql", "There is no statement", fix='salus lake sql "select count(*) from patient"'
        )
    from salus.record.lake import queries, reading

    manifest = queries.present()
    read = reading.mentioned(statement, manifest) if manifest else None
    with reading.open(
        principal=principal, purpose=purpose, as_of=day(as_of), persons=known(persons), tables=read
    ) as lake:
        if output is not None:
            _write(lake, statement, output)
        else:
            _print(lake.run(statement), limit)


def day(text: str) -> date | datetime | None:
    """Return a day or an instant as typed; raises `Invalid`."""
    if not text:
        return None
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("lake-date", "This is no date", where="--as-of", fix="As in 2025-06-30") from None


def known(text: str) -> Any:
    """Return the way in which persons are known; raises `Invalid`."""
    if text not in ("as-of", "current"):
        raise Invalid("lake-persons", "This is neither as-of nor current", where="--persons")
    return text


def _schema() -> None:
    from salus.record.lake import definitions

    for table in definitions.library():
        sys.stdout.write(f"{table.name} ({table.resource_type})\n")
        for name, kind, words in KEPT:
            sys.stdout.write(f"  {name:28} {kind:12} {words}\n")
        for column in table.columns:
            sys.stdout.write(f"  {column.name:28} {column.type.lower():12} {column.description}\n")


def _write(lake: Any, statement: str, output: Path) -> None:
    if output.suffix == ".parquet":
        count = lake.write(statement, output)
    elif output.suffix == ".csv":
        from pyarrow import csv

        rows = lake.run(statement)
        csv.write_csv(rows, output)
        count = rows.num_rows
    else:
        raise Invalid("lake-output", "The output is neither .parquet nor .csv", where="--output")
    sys.stderr.write(f"{count:,} rows\n")


def _print(rows: Any, limit: int) -> None:
    from rich.console import Console
    from rich.table import Table

    out = Table(*[str(name) for name in rows.column_names])
    for row in rows.slice(0, limit).to_pylist():
        out.add_row(*["" if value is None else str(value) for value in row.values()])
    Console(width=None if sys.stdout.isatty() else 200).print(out)
    if rows.num_rows > limit:
        sys.stderr.write(f"{rows.num_rows:,} rows, {limit} shown; --output writes all\n")


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="A folder: one Parquet file a table.")],
    as_of: AsOf = "",
    table: Annotated[list[str] | None, typer.Option(help="A table; may be repeated. All without.")] = None,
    persons: Annotated[str, typer.Option(help="as-of or current.")] = "as-of",
    purpose: Purpose = "HOPERAT",
    schema: Annotated[bool, typer.Option("--schema", help="Print the tables and columns; stop.")] = False,
) -> None:
    """Write tables as they stood at a date, with the person of each row; audited as an export."""
    principal = start()
    if schema:
        _schema()
        return
    from salus.record.lake import reading

    with reading.open(
        principal=principal, purpose=purpose, as_of=day(as_of), persons=known(persons), tables=table or None
    ) as lake:
        for name in lake.tables:
            count = lake.write(f"select * from {name} order by rid, version", folder / f"{name}.parquet")  # noqa: S608 - a name of the lake
            sys.stdout.write(f"{name}: {count:,} rows\n")


@app.command()
def quality(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A JSON file for the whole report.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the columns of what it gives; stop.")
    ] = False,
) -> None:
    """Measure how complete and how timely each source's data are."""
    if schema:
        sys.stdout.write("completeness: table, source, rows, persons, filled (rows a column)\n")
        from salus.record.lake.steps import sql_job

        for name, kind in sql_job("timeliness").columns.items():
            sys.stdout.write(f"timeliness: {name} {kind.lower()}\n")
        return
    start()
    import json

    from rich.console import Console
    from rich.table import Table

    from salus.record.lake import quality as measuring

    report = measuring.measure()
    if output is not None:
        output.write_text(json.dumps(report, default=str, ensure_ascii=False, indent=1), encoding="utf-8")
    out = Table("table", "source", "rows", "persons", "cells filled %")
    for name, sources in report["tables"].items():
        for one in sources:
            cells = one["rows"] * len(one["filled"])
            share = 100 * sum(one["filled"].values()) / cells if cells else 0
            out.add_row(name, one["source"], f"{one['rows']:,}", f"{one['persons']:,}", f"{share:.0f}")
    Console(width=None if sys.stdout.isatty() else 200).print(out)


@app.command()
def population(
    on: Annotated[str, typer.Option(help="The day at whose end residents are counted; today without.")] = "",
    as_of: AsOf = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A CSV file.")] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the columns of what it gives; stop.")
    ] = False,
) -> None:
    """Count the living residents by district, age group and sex, from the tables."""
    from salus.record.lake.steps import sql_job

    job = sql_job("population")
    if schema:
        for name, kind in job.columns.items():
            sys.stdout.write(f"{name} {kind.lower()}\n")
        return
    principal = start()
    from pyarrow import csv

    from salus.record.lake import reading

    wanted = date.fromisoformat(str(day(on))[:10]) if on else date.today()
    with reading.open(principal=principal, purpose="PUBHLTH", as_of=day(as_of), tables=["patient"]) as lake:
        counts = lake.job(job, {"on_day": wanted})
    if output is not None:
        csv.write_csv(counts, output)
    else:
        _print(counts, 500)


@app.command()
def research(
    project: Annotated[str, typer.Argument(help="The study: small letters, digits, hyphens.")] = "",
    title: Annotated[str, typer.Option(help="What the study is.")] = "",
    basis: Annotated[str, typer.Option(help="The number of its ethics approval.")] = "",
    table: Annotated[list[str] | None, typer.Option(help="A table; may be repeated. All without.")] = None,
    as_of: AsOf = "",
    k: Annotated[int, typer.Option(min=2, help="Persons that a group must have.")] = 5,
    schema: Annotated[bool, typer.Option("--schema", help="Print how each column is treated; stop.")] = False,
) -> None:
    """Make a pseudonymised copy for a study, without those who refuse research."""
    if schema:
        _treatments()
        return
    principal = start()
    from salus.record.lake.research import services as copies

    wanted = date.fromisoformat(str(day(as_of))[:10]) if as_of else None
    asked = copies.ask(principal, project, title=title, basis=basis, tables=table or (), as_of=wanted, k=k)
    with shown() as progress:
        made = copies.make(asked.pk, progress=progress)
    report = made.report
    sys.stdout.write(
        f"{copies.folder_of(made)}: {report['persons']:,} persons,"
        f" {sum(report['groups'].values()):,} groups"
        f" (smallest {report['smallest_group']}), {report['suppressed_persons']:,} persons left out\n"
    )
    for name, rows in report["rows"].items():
        sys.stdout.write(f"{name}: {rows:,} rows\n")


def _treatments() -> None:
    from salus.record.lake import definitions
    from salus.record.lake.research import columns

    for table in definitions.library():
        if table.name in columns.tables():
            sys.stdout.write(f"{table.name}\n")
            for column in table.columns:
                rule = columns.rule_of(table.name, column)
                sys.stdout.write(f"  {column.name:28} {rule.kind:18} {rule.treatment}\n")
