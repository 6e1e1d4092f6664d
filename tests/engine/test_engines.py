"""What both engines do with sources, results and faults: one body each."""

import gzip
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from salus.engine import duckdb_engine
from salus.engine.contract import BadStatement, Engine, StatementFailed, Typed
from tests.engine.parity import Both, both, engine, on_spark

__all__ = ["both", "engine"]

STAYS = pa.table(
    {
        "ward": ["a", "b", "a", None],
        "days": pa.array([1, 2, 3, None], pa.int32()),
        "at": pa.array([datetime(2024, 1, 31, 23, 59, 59, 999999)] * 4, pa.timestamp("us")),
        "seen": pa.array(
            [datetime(2024, 1, 31, 23, 30, tzinfo=UTC)] * 4, pa.timestamp("us", "Asia/Shanghai")
        ),
        "cost": pa.array([Decimal("1.10"), Decimal("-2.25"), None, Decimal("0.00")], pa.decimal128(9, 2)),
    }
)


def test_arrow_comes_back_as_it_was(engine: Engine) -> None:
    engine.register("stays", STAYS)
    rows = engine.run("select * from stays")
    assert rows.column("seen").type == pa.timestamp("us", "UTC")
    assert rows.to_pylist() == STAYS.cast(rows.schema).to_pylist()
    engine.register("stays", STAYS.slice(0, 1).to_reader())
    assert engine.run("select count(*) as n from stays").to_pylist() == [{"n": 1}]


def test_odd_arrow_types_become_plain_ones(engine: Engine) -> None:
    odd = pa.table(
        {
            "u": pa.array([1, 2], pa.uint16()),
            "d": pa.array(["x", "y"]).dictionary_encode(),
            "t": pa.array([1, 2], pa.timestamp("s")),
        }
    )
    engine.register("odd", odd)
    assert engine.schema("odd").types == [pa.int32(), pa.string(), pa.timestamp("us")]


def test_parquet_in_every_form(engine: Engine, tmp_path: Path) -> None:
    for n in range(2):
        pq.write_table(STAYS, tmp_path / f"stays-{n}.parquet")
    for source in (
        tmp_path,
        tmp_path / "stays-*.parquet",
        [tmp_path / "stays-0.parquet", tmp_path / "stays-1.parquet"],
    ):
        engine.register("stays", source)
        assert engine.run("select count(*) as n, sum(days) as d from stays").to_pylist() == [
            {"n": 8, "d": 12}
        ]


def test_csv_is_text_with_nulls_for_empty_fields(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('id,name,note\n007,"天津, ""区""",\n8,,"two\nlines"\n', encoding="utf-8")
    engine.register("x", path)
    assert engine.run("select * from x order by id").to_pylist() == [
        {"id": "007", "name": '天津, "区"', "note": None},
        {"id": "8", "name": None, "note": "two\nlines"},
    ]


def test_ndjson_is_lines(engine: Engine, tmp_path: Path) -> None:
    text = '{"a": "x, \\"y\\" \\\\ \'"}\n\nno json\t"at all\n{"b": "\u2028区"}\r\n'
    for name, content in (("x.ndjson", text.encode()), ("x.jsonl.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        engine.register("x", tmp_path / name)
        assert [row["line"] for row in engine.run("select line from x").to_pylist()] == [
            '{"a": "x, \\"y\\" \\\\ \'"}',
            'no json\t"at all',
            '{"b": "\u2028区"}',
        ]


def test_parameters_are_bound(engine: Engine) -> None:
    engine.register("stays", STAYS)
    words = "'; drop table stays; --"
    sql = (
        "select $w as w, $n as n, $d as d, $m as m, $f as f, $none as none, '$n' as kept"
        " from stays where days >= $n"
    )
    rows = engine.run(
        sql,
        {
            "w": words,
            "n": 3,
            "d": date(2024, 2, 29),
            "m": Decimal("1.50"),
            "f": 0.5,
            "none": Typed(None, "DATE"),
        },
    )
    assert rows.to_pylist() == [
        {
            "w": words,
            "n": 3,
            "d": date(2024, 2, 29),
            "m": Decimal("1.50"),
            "f": 0.5,
            "none": None,
            "kept": "$n",
        }
    ]
    assert rows.schema.field("none").type == pa.date32()
    with pytest.raises(BadStatement):
        engine.run("select $missing as x")


def test_writing_a_file_and_a_folder(engine: Engine, tmp_path: Path) -> None:
    engine.register("stays", STAYS)
    assert engine.write("select * from stays", tmp_path / "one.parquet") == 4
    assert pq.read_table(tmp_path / "one.parquet").num_rows == 4
    for _ in range(2):  # again, in place of what is there
        assert (
            engine.write(
                "select ward, days from stays where ward is not null",
                tmp_path / "wards",
                partition_by=["ward"],
            )
            == 3
        )
    assert sorted(path.name for path in (tmp_path / "wards").iterdir()) == ["ward=a", "ward=b"]
    engine.register("wards", tmp_path / "wards")
    assert engine.run("select ward, sum(days) as d from wards group by ward order by ward").to_pylist() == [
        {"ward": "a", "d": 4},
        {"ward": "b", "d": 2},
    ]
    assert (
        engine.write("select * from stays where days > $n", tmp_path / "none.parquet", params={"n": 9}) == 0
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "something was left behind"


def test_a_failed_write_leaves_the_old(engine: Engine, tmp_path: Path) -> None:
    engine.register("stays", STAYS)
    for name in ("x.parquet", "x"):
        engine.write("select days from stays", tmp_path / name)
        with pytest.raises(StatementFailed):
            engine.write("select 1 // (days - 1) as x from stays", tmp_path / name)
        engine.register("x", tmp_path / name)
        assert engine.run("select count(*) as n from x").to_pylist() == [{"n": 4}]


def test_a_killed_write_leaves_the_old(tmp_path: Path) -> None:
    target = tmp_path / "t"
    with duckdb_engine() as one:
        one.register("stays", STAYS)
        one.write("select * from stays", target)
    script = (
        "import sys; from salus.engine import duckdb_engine\n"
        "e = duckdb_engine(threads=1)\n"
        "print('go', flush=True)\n"
        f"e.write('select r, sha256(r::varchar) as h from range(100000000) x(r)', {str(target)!r})\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        until = time.monotonic() + 30
        while not list(tmp_path.glob(".t.writing-*/t/*")) and time.monotonic() < until:
            time.sleep(0.01)
        assert list(tmp_path.glob(".t.writing-*")), "the write did not begin"
        os.kill(writer.pid, signal.SIGKILL)
    with duckdb_engine() as one:
        one.register("t", target)
        assert one.run("select count(*) as n from t").to_pylist() == [{"n": 4}]
        one.register("stays", STAYS)
        one.write("select * from stays where ward = 'b'", target)
        one.register("t", target)
        assert one.run("select count(*) as n from t").to_pylist() == [{"n": 1}]
    assert [path.name for path in tmp_path.iterdir()] == ["t"], "the killed write's folder is still there"


def test_kept_rows_and_dropped_tables(engine: Engine) -> None:
    engine.register("stays", STAYS)
    engine.keep("long", "select * from stays where days > $n", {"n": 1})
    engine.keep("long", "select ward, days + 1 as days from long")
    assert engine.run("select sum(days) as d from long").to_pylist() == [{"d": 7}]
    assert engine.schema("long").names == ["ward", "days"]
    engine.drop("long")
    engine.drop("long")
    with pytest.raises(BadStatement):
        engine.run("select * from long")
    with pytest.raises(BadStatement):
        engine.schema("long")


@pytest.mark.parametrize(
    "sql",
    [
        "select nothing from stays",
        "select * from nowhere",
        "selec 1",
        "select 1; select 2",
        "drop table stays",
    ],
)
def test_a_bad_statement_is_refused(engine: Engine, sql: str) -> None:
    engine.register("stays", STAYS)
    with pytest.raises(BadStatement):
        engine.run(sql)


def test_a_fault_names_no_value(engine: Engine) -> None:
    engine.register("stays", pa.table({"secret": [9_111_222_333], "zero": [0]}))
    for sql in ("select secret::smallint as x from stays", "select secret // zero as x from stays"):
        with pytest.raises(StatementFailed) as caught:
            engine.run(sql)
        assert "9111222333" not in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere.parquet", "nowhere-*.csv", []])
def test_a_source_that_is_not_there(engine: Engine, source: str | list[str]) -> None:
    with pytest.raises(BadStatement):
        engine.register("x", source)


def test_a_format_that_is_not_told(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "x.data").write_text("line\n")
    with pytest.raises(BadStatement):
        engine.register("x", tmp_path / "x.data")
    engine.register("x", tmp_path / "x.data", format="ndjson")
    assert engine.run("select line from x").to_pylist() == [{"line": "line"}]
    for name in ("X", "x y", "1x", 'x"', ""):
        with pytest.raises(BadStatement):
            engine.register(name, STAYS)


def test_a_plan_is_shown(engine: Engine) -> None:
    engine.register("stays", STAYS)
    plan = engine.explain("select ward from stays where days > $n", {"n": 1})
    assert "days" in plan and "ward" in plan


def test_what_does_not_fit_in_memory_spills(tmp_path: Path) -> None:
    with duckdb_engine(memory_limit="160MB", spill=tmp_path, threads=1) as one:
        grouped = "select r % 1500000 as k, max(sha256(r::varchar)) as h from range(2000000) x(r) group by k"
        sql = f"select count(*) as n from ({grouped})"
        assert one.run(sql).to_pylist() == [{"n": 1_500_000}]


@on_spark
def test_partitions_written_by_one_are_read_by_the_other(both: Both, tmp_path: Path) -> None:
    both.register("stays", STAYS)
    for writer in (both.duckdb, both.spark):
        place = tmp_path / writer.name
        writer.write(
            "select coalesce(ward, 'none') as ward, days, seen, cost from stays", place, partition_by=["ward"]
        )
        both.register("p", place)
        both.agree("select ward, days, seen from p order by ward, days")
