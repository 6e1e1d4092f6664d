"""Weigh pairs on Spark: the same statements that DuckDB runs, with the same string distances.

The tables are the Parquet files of the workspace; a cluster must see that folder. Distances are those of
`strings`, which are DuckDB's.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import sqlglot

from salus.engine import spark_session
from salus.record.identity.engine import strings
from salus.record.identity.engine.pairs import nested
from salus.record.identity.engine.strings import damerau_within, jaro_winkler

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SETTINGS = {
    # Spark would derive conditions from conditions, for each name that a column has on the way: with the
    # long case expressions of the bound that alone takes minutes and gigabytes, and finds nothing.
    "spark.sql.constraintPropagation.enabled": "false",
}
_JARO, _WITHIN = jaro_winkler.__wrapped__, damerau_within.__wrapped__  # without their caches, to be sent


def jaro_winkler_similarity(left: str | None, right: str | None) -> float | None:
    """Return the similarity as DuckDB computes it; null where a side is."""
    if left is None or right is None:
        return None
    return _JARO(left, right)


def damerau_levenshtein(left: str | None, right: str | None) -> int | None:
    """Return the distance as DuckDB computes it, 3 for all above 2; null where a side is."""
    if left is None or right is None:
        return None
    if left == right:
        return 0
    return 1 if _WITHIN(left, right, 1) else 2 if _WITHIN(left, right, 2) else 3


class SparkWeigher:
    """Runs the pair queries of `bulk.Linking` on Spark. Use it as a context manager.

    `url` is the master's address, `memory` the driver's (as DuckDB writes it), `settings` further ones.
    """

    def __init__(
        self, *, url: str = "local[*]", memory: str = "2g", settings: Mapping[str, str] | None = None
    ) -> None:
        given = {**_SETTINGS, **(settings or {})}
        self._session: SparkSession = spark_session.acquire(url, _java(memory), given)
        from pyspark import cloudpickle

        for module in (strings, sys.modules[__name__]):  # workers need not have Salus installed
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
        register = self._session.udf.register
        for name in ("jaro_winkler_similarity", "jarowinkler_similarity"):  # SQLGlot has a name of its own
            register(name, jaro_winkler_similarity, "double")
        register("damerau_levenshtein", damerau_levenshtein, "int")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        spark_session.release()

    def weigh(self, steps: Sequence[str], into: Path) -> None:
        """Run steps on the workspace's `drivers` and `records`; write the last's rows as one Parquet file.

        Rows with distances and with weights are kept before what reads them is planned: nested, the
        optimiser would repeat their expressions.
        """
        for name in ("drivers", "records", "linkage_heavy"):
            file = into.parent / f"{name}.parquet"
            if file.exists():
                self._session.read.parquet(file.as_uri()).createOrReplaceTempView(name)
        kept = [nested(steps[:2]), *steps[2:-2], nested(["linkage_step", *steps[-2:]])]
        for step in kept:
            named = step.replace("{before}", "linkage_step").replace("(linkage_step)", "linkage_step")
            rows = self._session.sql(sqlglot.transpile(named, read="duckdb", write="spark")[0])
            if step is not kept[-1]:
                rows = rows.localCheckpoint()
                rows.createOrReplaceTempView("linkage_step")
        made = into.with_suffix(".parts")
        rows.coalesce(1).write.mode("overwrite").parquet(made.as_uri())
        next(made.glob("*.parquet")).rename(into)
        self._session.catalog.dropTempView("linkage_step")


def _java(memory: str) -> str:
    """Return a size as Java says it: 4GB is 4g."""
    return memory.lower().rstrip("b").replace(" ", "")
