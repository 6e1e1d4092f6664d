"""What the commands print: tables for people, JSON lines for programs."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

PIPED_WIDTH = 160  # columns, where no terminal says how wide it is
console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
notes = Console(stderr=True)

LOAD_COLUMNS = ("file", "state", "received", "stored", "repeated", "dead", "resources", "failure")
CHECK_COLUMNS = (
    "position",
    "would",
    "kind",
    "control_id",
    "resources",
    "reason_code",
    "reason",
    "where",
    "warnings",
)
SOURCE_COLUMNS = (
    *("code", "name", "institution", "format", "last_heard", "received", "stored", "repeated", "dead"),
    "error_rate",
)
DEAD_COLUMNS = (
    "id",
    "source",
    "received_at",
    "kind",
    "control_id",
    "reason_code",
    "reason",
    "where",
    "attempts",
)


def show(columns: Sequence[str], rows: Iterable[dict[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Print rows as a table, or as one JSON object a line."""
    if as_json:
        for row in rows:
            typer.echo(orjson.dumps({name: row.get(name) for name in columns}, default=str).decode())
        return
    table = Table(title=title or None, show_lines=False)
    rows = list(rows)
    for name in columns:
        number = any(isinstance(row.get(name), int) for row in rows)
        table.add_column(name, overflow="fold", justify="right" if number else "left", no_wrap=number)
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in columns))
    console.print(table)


def print_schema(given: Sequence[tuple[str, str]], columns: Sequence[str]) -> None:
    """Print what a command reads and the columns that it gives."""
    typer.echo("input:")
    for name, words in given:
        typer.echo(f"  {name}: {words}")
    typer.echo("output columns: " + ", ".join(columns))


@contextmanager
def byte_progress(label: str, total: int) -> Any:
    """Show a bar of bytes taken in; gives the function to call with the bytes done so far."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=notes,
        transient=True,
    ) as progress:
        task = progress.add_task(label[:40], total=total or None)
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def count_progress(label: str) -> Any:
    """Show a bar of things done; gives the function to call with done and total."""
    with Progress(console=notes, transient=True) as progress:
        task = progress.add_task(label[:40], total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
