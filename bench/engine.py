"""What the batch engine is measured by: agreement of the two engines, and speed beside a peer."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import Measured, figure

_GROUP = (
    "select ward, year, count(*) as stays, sum(cost) as cost, avg(days) as days, max(admitted) as latest"
    " from stays group by ward, year"
)
_ROWS = (
    "select 'ward ' || (n * 7919 % 997) as ward, 2015 + n % 11 as year, n * 31 % 60 as days,"
    " ((n * 17 % 100000) / 100)::decimal(12, 2) as cost, date '2015-01-01' + (n % 4000)::integer as admitted"
    " from range({rows}) as numbers(n)"
)


@figure("parity", room="engine", unit="%", target=100)
def parity(quick: bool) -> Measured:
    """Cases of portable constructs that DuckDB and Spark answer equally, compiled code included."""
    from salus.engine.contract import Typed
    from salus.engine.spark_session import why_missing
    from tests.engine.cases import EXPRESSIONS, PARAMETERS, STATEMENTS, visits, wards
    from tests.engine.parity import Both

    if reason := why_missing():
        return Measured([], peer_missing=reason)
    from salus.engine import duckdb_engine, spark_engine

    given: dict[str, Any] = {**PARAMETERS, "nothing": Typed(None, "DATE")}
    equal = tried = 0
    with duckdb_engine() as one, spark_engine("local[2]") as other:
        both = Both(one, other)
        both.register("t", visits())
        both.register("w", wards())
        for group in EXPRESSIONS.values():
            columns = ", ".join(f"{words} as c{n}" for n, words in enumerate(group))
            params = {name: value for name, value in given.items() if f"${name}" in columns}
            tried += len(group)
            equal += len(group) * _agree(both, f"select id, {columns} from t", params)  # noqa: S608
        for group in STATEMENTS.values():
            for sql in group[:1] if quick else group:
                tried += 1
                equal += _agree(both, sql, {})
    return Measured(
        [100 * equal / tried],
        peer_missing="the figure compares two engines",
        note=f"{equal} of {tried} cases",
    )


def _agree(both: Any, sql: str, params: dict[str, Any]) -> bool:
    from salus.kernel.errors import SalusError

    try:
        both.agree(sql, params)
    except (AssertionError, SalusError):
        return False
    return True


@figure("engine-group-10m", room="engine", unit="s", target=3, better="lower", peer="PySpark 4.3 DataFrames")
def group(quick: bool) -> Measured:
    """Read Parquet of 10 million stays, group them by ward and year, and write the answer."""
    from salus.engine import duckdb_engine

    rows = 500_000 if quick else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "stays.parquet"
        with duckdb_engine() as engine:
            engine.write(_ROWS.format(rows=rows), source)
            engine.register("stays", source)
            values = [_timed(lambda: engine.write(_GROUP, Path(folder) / "ours.parquet")) for _ in range(3)]
        peer, missing = _peer(source, Path(folder) / "theirs")
    return Measured(
        values, peer_values=peer, peer_missing=missing, note=f"{rows:,} rows, 2 processors of Spark"
    )


def _timed(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _peer(source: Path, out: Path) -> tuple[list[float], str]:
    """Do the same with PySpark's own DataFrames, its session started and warmed beforehand."""
    from salus.engine import spark_session

    if reason := spark_session.why_missing():
        return [], reason
    from pyspark.sql import functions as f

    session = spark_session.acquire("local[2]", "2g", {})
    try:

        def run() -> None:
            stays = session.read.parquet(source.as_uri())
            answer = stays.groupBy("ward", "year").agg(
                f.count("*").alias("stays"), f.sum("cost").alias("cost"), f.avg("days").alias("days"),
                f.max("admitted").alias("latest"),
            )  # fmt: skip
            answer.write.mode("overwrite").parquet(out.as_uri())

        return [_timed(run) for _ in range(3)], ""
    finally:
        spark_session.release()
