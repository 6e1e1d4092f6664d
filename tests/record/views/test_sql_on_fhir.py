"""The official tests of SQL on FHIR v2, each as one test."""

import json
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from salus.kernel.errors import SalusError
from salus.record.views import ViewError, compile_view
from tests.engine import parity
from tests.record.views import official

CASES = official.cases()
Rows = tuple[list[str], list[dict[str, Any]]]


def on_duckdb(sql: str, resources: list[dict[str, Any]]) -> Rows:
    """Run a statement over resources in DuckDB; returns column names and rows."""
    with duckdb.connect() as database:
        database.execute("create table resources (body varchar)")
        for one in resources:
            database.execute("insert into resources values (?)", [json.dumps(one)])
        result = database.execute(sql)
        names = [column[0] for column in result.description or []]
        return names, [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def on_spark(sql: str, resources: list[dict[str, Any]]) -> Rows:
    """Run a statement over resources in Spark; as above."""
    with parity.opened("spark") as engine:
        engine.register("resources", pa.table({"body": [json.dumps(one) for one in resources]}))
        result = engine.native(sql)
        return result.column_names, result.to_pylist()


ENGINES: dict[str, tuple[Callable[[str, list[dict[str, Any]]], Rows], type[Exception]]] = {
    "duckdb": (on_duckdb, duckdb.Error),
    "spark": (on_spark, SalusError),
}
DIALECTS = ["duckdb", pytest.param("spark", marks=parity.on_spark)]


def check(name: str, test: dict[str, Any], resources: list[dict[str, Any]], dialect: str) -> None:
    """Run one official test on one dialect; fails where it does not give what is expected."""
    run, fault = ENGINES[dialect]
    if test.get("expectError"):
        with pytest.raises((ViewError, fault)):
            run(compile_view(test["view"], dialect).sql(), resources)
        return
    names, rows = run(compile_view(test["view"], dialect).sql(), resources)
    if "expectColumns" in test:
        assert names == test["expectColumns"], name
    if "expectCount" in test:
        assert len(rows) == test["expectCount"], name
    else:
        assert official.in_order(rows) == official.in_order(test["expect"]), name


@pytest.mark.skipif(not CASES, reason=f"the official tests are not under {official.FOLDER}")
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "test", "resources"), CASES, ids=[name for name, _, _ in CASES])
def test_official(name: str, test: dict[str, Any], resources: list[dict[str, Any]], dialect: str) -> None:
    check(name, test, resources, dialect)
