"""Views on Spark: every table of the library, files that hold more than resources, what is refused."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from salus.record.views import ViewError, compile_view, library
from salus.record.views.commands import app
from tests.engine import parity

PATIENT = {
    "resourceType": "ViewDefinition", "resource": "Patient", "status": "active",
    "select": [{"column": [{"name": "id", "path": "getResourceKey()"},
                           {"name": "born", "path": "birthDate"}]},
               {"forEachOrNull": "name", "column": [{"name": "family", "path": "family"},
                                                    {"name": "given", "path": "given", "collection": True}]}],
}  # fmt: skip


@pytest.fixture(scope="module")
def resources(shared: Path) -> list[str]:
    """Resources of public Bundles, as text."""
    bundles = sorted(
        (shared / "record" / "synthea-r4-bundles").rglob("*.json"), key=lambda one: one.stat().st_size
    )
    if not bundles:
        pytest.skip("there are no public Bundles beside the checkout")
    found: dict[str, list[str]] = {}
    for path in bundles[:3]:
        for entry in json.loads(path.read_text("utf-8")).get("entry", []):
            one = entry["resource"]
            found.setdefault(one["resourceType"], []).append(json.dumps(one, ensure_ascii=False))
    return [one for of_kind in found.values() for one in of_kind[:20]]


@parity.on_spark
def test_the_library_gives_the_same_on_both(resources: list[str]) -> None:
    table = pa.table({"body": resources})
    kinds = {json.loads(one)["resourceType"] for one in resources}
    compared = 0
    with parity.opened("spark") as spark, duckdb.connect() as database:
        database.register("resources", table)
        spark.register("resources", table)
        for name in library.names():
            view = library.view(name)
            if view["resource"] not in kinds:
                compile_view(view, "spark").sql()
                continue
            expected = database.sql(compile_view(view).sql()).to_arrow_table()
            found = spark.native(compile_view(view, "spark").sql())
            assert found.column_names == expected.column_names, name
            assert _sorted(found) == _sorted(expected), name
            compared += found.num_rows
    assert compared > 100


def _sorted(table: pa.Table) -> list[str]:
    return sorted(json.dumps([_plain(value) for value in row.values()]) for row in table.to_pylist())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return (
        str(value.normalize())
        if isinstance(value, Decimal)
        else value
        if isinstance(value, int)
        else str(value)
    )


@parity.on_spark
def test_the_command_line(tmp_path: Path) -> None:
    parity.opened("spark").close()  # skips where there is none
    (tmp_path / "view.json").write_text(json.dumps(PATIENT))
    lines = [
        '{"resourceType": "Patient", "id": "1", "birthDate": "2001-02-03",'
        ' "name": [{"family": "李", "given": ["a", "b"]}]}',
        '{"resourceType": "Patient", "id": "2"',
        '{"resourceType": "Observation", "id": "3"}',
        '{"resourceType": "Patient", "id": "4"}',
    ]
    (tmp_path / "data.ndjson").write_text("\n".join(lines), encoding="utf-8")
    answers = []
    for engine in ("duckdb", "spark"):
        out = tmp_path / f"{engine}.parquet"
        given = ["run", str(tmp_path / "view.json"), str(tmp_path / "data.ndjson"), "-o", str(out)]
        done = CliRunner().invoke(app, [*given, "--engine", engine], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "1 lines were no resources" in done.output
        answers.append(_sorted(pq.read_table(out)))
    assert answers[0] == answers[1] and len(answers[0]) == 2


def test_what_spark_has_not_is_refused_when_compiled() -> None:
    column = {"name": "x", "path": "name.first().family.matches('a')"}
    with pytest.raises(ViewError, match="not supported on Spark"):
        compile_view(PATIENT | {"select": [{"column": [column]}]}, "spark").sql()
