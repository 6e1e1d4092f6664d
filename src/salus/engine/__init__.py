"""Batch SQL over columnar tables: the same statement on one machine or on a cluster.

For epidemiologists, planners and every room that counts: tables are registered under a name, a
statement or a job of named steps runs over them, and the answer comes back as Arrow or is written as
Parquet. SQL is always written in DuckDB's dialect. On Spark it is translated; what the two engines
would answer differently is either rewritten so that they agree or refused when the job is loaded.

Words: *source*, what a table is read from; *job*, a named sequence of steps in a `.sql` file; *step*,
one select whose rows later steps see under its name; *portable*, answered equally by both engines.

The room stands on the kernel alone and knows nothing of Django.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.engine.contract import Engine

__all__ = ["duckdb_engine", "spark_engine"]


def duckdb_engine(
    *, memory_limit: str | None = None, spill: str | Path | None = None, threads: int | None = None
) -> "Engine":
    """Return an engine in this process, on DuckDB.

    `memory_limit` is a size such as `"4GB"` (default: 80 % of the machine's); what does not fit goes to
    the folder `spill` (default: a folder of its own that is removed on close); `threads` defaults to
    the processors there are.
    """
    from salus.engine.on_duckdb import DuckDBEngine

    return DuckDBEngine(memory_limit=memory_limit, spill=spill, threads=threads)


def spark_engine(
    url: str = "local[2]", *, memory: str = "1g", settings: Mapping[str, str] | None = None
) -> "Engine":
    """Return an engine on Spark: `local[n]` in a Java process beside this one, or a cluster's `spark://host:port`.

    `memory` is what the driver may take; `settings` are Spark's own properties, over ours. One process
    has one Spark session: a second engine of the same `url` shares it, with tables of its own.
    Raises `EngineMissing` without PySpark (the extra `spark`) or without Java.
    """
    from salus.engine.on_spark import SparkEngine

    return SparkEngine(url, memory=memory, settings=settings)
