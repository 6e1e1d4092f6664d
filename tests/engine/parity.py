"""One test body, two engines: what every room's jobs are tested with.

    from tests.engine.parity import both, engine, gap

    def test_it(both):                    # the same statement, compared
        both.register("visits", table)
        both.agree("select ward, count(*) as n from visits group by ward")

    @gap("spark", "why it differs")       # a gap is marked with its reason, and must be one
    def test_it(engine): ...              # the same body, once on each

Answers are compared exactly: columns, types at the widths DuckDB gives, nulls, moments to the
microsecond; doubles to 1e-12 of their size. Rows are compared in order where the statement ends in an
order by, else as bags. All tests on Spark share one process and one Java.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest
import sqlglot

from salus.engine import duckdb_engine, spark_engine
from salus.engine.contract import Engine, Parameters
from salus.engine.spark_session import why_missing

RELATIVE = 1e-12
SMALL = {  # for tables of a hundred rows: no compiling, no shuffling over more partitions than rows
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
on_spark = pytest.mark.xdist_group("spark")


def gap(engine: str, reason: str, raises: type[BaseException] = Exception) -> pytest.MarkDecorator:
    """Mark a test body that one engine is known not to pass; passing after all is a failure."""
    return pytest.mark.gap(engine, reason, raises)


def opened(name: str) -> Any:
    """Return an engine by its name, small enough for tests; skips where Spark cannot run."""
    if name == "duckdb":
        return duckdb_engine(threads=2)
    if reason := why_missing():
        pytest.skip(f"Spark is not compared: {reason}")
    return spark_engine("local[2]", memory="1g", settings=SMALL)


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=on_spark)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn."""
    for mark in request.node.iter_markers("gap"):
        if mark.args[0] == request.param:
            request.applymarker(pytest.mark.xfail(reason=mark.args[1], raises=mark.args[2], strict=True))
    with opened(request.param) as one:
        yield one


class Both:
    """Two engines with the same tables, whose answers must be the same."""

    def __init__(self, duckdb: Engine, spark: Engine) -> None:
        self.duckdb = duckdb
        self.spark = spark

    def register(self, name: str, source: Any, **options: Any) -> None:
        """Register a source with both."""
        self.duckdb.register(name, source, **options)
        self.spark.register(name, source, **options)

    def agree(self, sql: str, params: Parameters | None = None) -> pa.Table:
        """Run a statement on both, fail unless they answer the same, and return the answer."""
        expected = self.duckdb.run(sql, params)
        assert_same(self.spark.run(sql, params), expected, ordered=is_ordered(sql))
        return expected

    def same(self, body: Callable[[Engine], pa.Table], *, ordered: bool = False) -> pa.Table:
        """Run a body on both, such as a job, fail unless it gives the same, and return what it gives."""
        expected = body(self.duckdb)
        assert_same(body(self.spark), expected, ordered=ordered)
        return expected


@pytest.fixture
def both() -> Iterator[Both]:
    """Both engines at once; a test that asks for it belongs to the group `spark` (mark it `on_spark`)."""
    with opened("duckdb") as duckdb, opened("spark") as spark:
        yield Both(duckdb, spark)


def is_ordered(sql: str) -> bool:
    """Say whether a statement's own rows come in an order."""
    return sqlglot.parse_one(sql, read="duckdb").args.get("order") is not None


def assert_same(found: pa.Table, expected: pa.Table, *, ordered: bool) -> None:
    """Fail, naming the first difference, unless two answers are the same."""
    assert found.column_names == expected.column_names
    for a, b in zip(found.schema, expected.schema, strict=True):
        assert a.type == b.type, f"{a.name}: {a.type} where DuckDB gives {b.type}"
    left, right = (table.to_pylist() for table in (found, expected))
    assert len(left) == len(right), f"{len(left)} rows where DuckDB gives {len(right)}"
    if not ordered:
        left, right = sorted(left, key=_order), sorted(right, key=_order)
    for n, (a, b) in enumerate(zip(left, right, strict=True)):
        for name, value in a.items():
            assert same(value, b[name]), f"row {n}, {name}: {value!r} where DuckDB gives {b[name]!r}; of {b}"


def same(a: object, b: object) -> bool:
    """Say whether two values are the same: doubles to 1e-12 of their size, everything else exactly."""
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return a == b or math.isclose(a, b, rel_tol=RELATIVE, abs_tol=1e-300)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def _order(row: Mapping[str, object]) -> list[str]:
    return [
        f"{value:.9e}" if isinstance(value, float) else "\uffff" if value is None else repr(value)
        for value in row.values()
    ]
