"""The harness itself: it sees differences, and a gap that closed is a failure."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from salus.engine import spark_engine, spark_session
from salus.engine.contract import Engine, EngineMissing
from salus.engine.portable import NotPortable
from tests.engine.parity import assert_same, engine, gap, is_ordered, same

__all__ = ["engine"]


@gap("spark", "Spark has no arg_max of DuckDB's", NotPortable)
def test_a_gap_is_an_expected_failure(engine: Engine) -> None:
    engine.register("t", pa.table({"a": [1, None], "b": [1, 2]}))
    assert engine.run("select arg_max(a, b) as x from t").to_pylist() == [{"x": 1}]


def test_values_that_differ_are_seen() -> None:
    assert same(1.0, 1.0 + 1e-13) and not same(1.0, 1.0 + 1e-9)
    assert same(float("nan"), float("nan")) and not same(float("nan"), 0.0)
    assert not same(1, 1.0) and not same(Decimal("1.0"), 1) and not same(None, 0) and not same("a", "A")
    assert not same([1, None], [1]) and not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same(datetime(2024, 1, 1), datetime(2024, 1, 1, microsecond=1))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.slice(1),
        lambda t: t.rename_columns(["b"]),
        lambda t: t.cast(pa.schema([("a", pa.int32())])),
        lambda t: pa.table({"a": pa.array([1, 2, 4])}),
    ],
)
def test_tables_that_differ_are_seen(change: Callable[[pa.Table], pa.Table]) -> None:
    table = pa.table({"a": pa.array([1, 2, 3])})
    assert_same(table, table, ordered=True)
    with pytest.raises(AssertionError):
        assert_same(change(table), table, ordered=False)


def test_order_counts_only_where_asked() -> None:
    up, down = pa.table({"a": [1, 2]}), pa.table({"a": [2, 1]})
    assert_same(up, down, ordered=False)
    with pytest.raises(AssertionError):
        assert_same(up, down, ordered=True)
    assert is_ordered("select 1 as a order by a") and not is_ordered(
        "select * from (select 1 as a order by a)"
    )


def test_without_java_the_engine_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert spark_session.why_missing()
    with pytest.raises(EngineMissing) as caught:
        spark_engine()
    assert "SALUS_SPARK=1" in caught.value.fix
