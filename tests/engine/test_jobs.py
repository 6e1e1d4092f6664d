"""Jobs: checked when loaded, run step by step, a failing step named with what it read."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from salus.engine import duckdb_engine
from salus.engine.commands import app
from salus.engine.contract import BadStatement, Engine
from salus.engine.jobs import BadJob, StepFailed, load_job, read_job
from salus.engine.portable import NotPortable
from salus.kernel.errors import SalusError
from tests.engine.parity import Both, both, engine, on_spark

__all__ = ["both", "engine"]

JOB = """-- job: bed_days
-- Stays a month and ward, and each ward's share.
-- input: stays (ward varchar, admitted date, cost decimal(12, 2))
-- param: year bigint
-- step: of_year
select * from stays where year(admitted) = $year
-- step: months
-- a comment inside a step
select ward, date_trunc('month', admitted)::date as month, count(*) as stays, sum(cost) as cost
from of_year group by all;
-- step: shares
select ward, month, cost, stays / sum(stays) over (partition by month) as share
from months
order by month, ward
"""


def stays() -> pa.Table:
    return pa.table(
        {
            "ward": ["east", "west", "east", "east"],
            "admitted": [date(2024, 1, 31), date(2024, 1, 1), date(2024, 2, 29), date(2023, 12, 31)],
            "cost": pa.array(
                [Decimal("10.50"), Decimal("0.25"), None, Decimal("1.00")], pa.decimal128(12, 2)
            ),
            "more": [1, 2, 3, 4],
        }
    )


def test_a_job_is_read() -> None:
    job = read_job(JOB)
    assert job.name == "bed_days"
    assert job.about == "Stays a month and ward, and each ward's share."
    assert list(job.inputs) == ["stays"] and job.params == {"year": "BIGINT"}
    assert [(step.name, step.reads) for step in job.steps] == [
        ("of_year", ("stays",)),
        ("months", ("of_year",)),
        ("shares", ("months",)),
    ]
    assert job.columns == {"ward": "VARCHAR", "month": "DATE", "cost": "DECIMAL(38,2)", "share": "DOUBLE"}


def test_a_job_gives_the_same_on_both_engines(engine: Engine) -> None:
    seen: list[tuple[str, int, int]] = []
    rows = read_job(JOB).run(
        engine, {"stays": stays()}, {"year": 2024}, progress=lambda *step: seen.append(step)
    )
    assert rows.to_pylist() == [
        {"ward": "east", "month": date(2024, 1, 1), "cost": Decimal("10.50"), "share": 0.5},
        {"ward": "west", "month": date(2024, 1, 1), "cost": Decimal("0.25"), "share": 0.5},
        {"ward": "east", "month": date(2024, 2, 1), "cost": None, "share": 1.0},
    ]
    assert seen == [("of_year", 0, 3), ("months", 1, 3), ("shares", 2, 3), ("", 3, 3)]
    with pytest.raises(BadStatement):
        engine.schema("months")  # a job's steps are gone when it ends


@on_spark
def test_a_step_read_twice(both: Both) -> None:
    job = read_job(
        "-- input: t (id bigint)\n-- step: a\nselect id, id * 2 as twice from t\n-- step: b\n"
        "select x.id, y.twice from a x join a y on x.id = y.twice"
    )
    table = pa.table({"id": pa.array(range(10), pa.int64())})
    assert both.same(lambda engine: job.run(engine, {"t": table})).num_rows == 5


def test_a_failing_step_is_named_with_what_it_read(engine: Engine) -> None:
    job = read_job(
        "-- job: j\n-- input: t (secret bigint, zero bigint)\n-- step: first\n"
        "select secret // zero as x from t\n"
        "-- step: second\nselect sum(x) as x from first\n-- step: third\nselect x + 1 as x from second"
    )
    with pytest.raises(StepFailed) as caught:
        job.run(engine, {"t": pa.table({"secret": [987654321, 5], "zero": [0, 1]})})
    assert caught.value.step == "first"
    assert caught.value.inputs == {"t": "2 rows (secret, zero)"}
    assert "987654321" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("", BadJob, "no step"),
        ("select 1", BadJob, "before the first step"),
        ("-- step: a\nselect lower(s) as x from (select 'A' as s)", NotPortable, "lower"),
        ("-- step: a\nselect * from nowhere", BadJob, "nowhere"),
        ("-- input: t (id bigint)\n-- step: a\nselect nothing from t", BadJob, "nothing"),
        ("-- input: t (id bigint)\n-- step: a\nselect id || 'x' as x from t", BadStatement, "integer"),
        ("-- input: t (id bigint)\n-- step: t\nselect 1 as x", BadJob, "two tables"),
        ("-- step: a\nselect 1 as x\n-- step: a\nselect 2 as x", BadJob, "two steps"),
        ("-- input: t (id uuid)\n-- step: a\nselect 1 as x", BadJob, "UUID"),
        ("-- input: t id bigint\n-- step: a\nselect 1 as x", BadJob, "line 1"),
        ("-- input: t (id)\n-- step: a\nselect 1 as x", BadJob, "line 1"),
        ("-- step: a\nselect $x as x", BadStatement, "x"),
        ("-- step: a\nselect 1 as x, 2 as x", BadStatement, "same name"),
        ("-- step: a b\nselect 1 as x", BadStatement, "a b"),
        ("-- step: a\nselect 1 as x\n-- param: p bigint", BadJob, "after the first step"),
        ("-- step: a\nselect 1 as x; select 2 as x", BadStatement, "one select"),
    ],
)
def test_a_bad_job_is_refused_when_loaded(words: str, error: type[SalusError], said: str) -> None:
    with pytest.raises(error) as caught:
        read_job(words)
    assert said.lower() in str(caught.value).lower()


def test_inputs_and_parameters_must_fit() -> None:
    job = read_job(JOB)
    with duckdb_engine() as one:
        for inputs, params, said in (
            ({}, {"year": 2024}, "lacks its input stays"),
            ({"stays": stays(), "x": stays()}, {"year": 2024}, "no input x"),
            ({"stays": stays().drop(["cost"])}, {"year": 2024}, "no column cost"),
            (
                {"stays": stays().set_column(2, "cost", pa.array([1, 2, 3, 4]))},
                {"year": 2024},
                "cost of stays is int64",
            ),
            ({"stays": stays()}, {}, "lacks its parameter year"),
            ({"stays": stays()}, {"year": "soon"}, "year is no bigint"),
            ({"stays": stays()}, {"year": 2024, "month": 1}, "no parameter month"),
        ):
            with pytest.raises(BadJob, match=said):
                job.run(one, inputs, params)


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "bed_days.sql").write_text(JOB)
    pq.write_table(stays(), tmp_path / "stays.parquet")
    run, job = CliRunner().invoke, str(tmp_path / "bed_days.sql")
    given = ["--input", f"stays={tmp_path / 'stays.parquet'}", "--param", "year=2024"]
    assert "portable" in run(app, ["check", job]).output
    assert "cost: decimal(38,2)" in run(app, ["run", job, "--schema"]).output
    assert "3 rows" in run(app, ["run", job, *given]).output
    out = str(tmp_path / "out.parquet")
    assert "3 rows" in run(app, ["run", job, *given, "-o", out]).output
    assert pq.read_table(out).num_rows == 3
    assert "-- step: months" in run(app, ["explain", job, *given]).output
    assert (
        "share: double" in run(app, ["sql", "select share from x", "--input", f"x={out}", "--schema"]).output
    )
    assert "1 rows" in run(app, ["sql", "select count(*) as n from x", "--input", f"x={out}"]).output
    (tmp_path / "bad.sql").write_text("-- step: a\nselect arg_max(x, y) as m from (select 1 as x, 2 as y)")
    assert isinstance(run(app, ["check", str(tmp_path / "bad.sql")]).exception, NotPortable)
    assert isinstance(run(app, ["run", job, "--input", "stays"]).exception, SalusError)
    assert isinstance(run(app, ["run", job, *given, "--engine", "abacus"]).exception, SalusError)
    assert load_job(job).name == "bed_days"
