"""What every command that runs jobs needs: the engine that was asked for, and bars of its steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.engine.contract import Engine
    from salus.engine.jobs import Progress

ENGINES = ("duckdb", "spark")


def checked_engine(which: str) -> str:
    """Return an engine's name if it is one; raises `Invalid`."""
    if which not in ENGINES:
        raise Invalid("engine-name", f"there is no engine {which}", fix="Use duckdb or spark.")
    return which


@contextmanager
def opened(
    which: str,
    master: str,
    memory: str | None = None,
    *,
    spill: Path | None = None,
    threads: int | None = None,
) -> Iterator["Engine"]:
    """Open the engine asked for; raises `Invalid` if there is none by that name.

    `master` is Spark's address and `memory` a size such as `"4GB"` (Spark's default is 1 GB); `spill` is a
    folder for what does not fit and `threads` DuckDB's processors.
    """
    from salus.engine import duckdb_engine, spark_engine

    if checked_engine(which) == "duckdb":
        with duckdb_engine(memory_limit=memory, spill=spill, threads=threads) as one:
            yield one
        return
    settings = {"spark.local.dir": str(spill)} if spill else {}
    with spark_engine(master, memory=(memory or "1g").lower().removesuffix("b"), settings=settings) as one:
        yield one


@contextmanager
def bars(first: str = "") -> Iterator["Progress"]:
    """Show a bar of the steps of each job that runs; yields what a job tells its progress."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task(first, total=None)
        yield lambda step, done, total: shown.update(bar, description=step, completed=done, total=total)
