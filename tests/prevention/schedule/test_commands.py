"""The command on a user's own files."""

import csv
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.schedule.commands import add_to

RUN = CliRunner()
app = typer.Typer()
add_to(app)


@app.callback()
def room() -> None:
    """Keep the command a subcommand."""


@pytest.fixture
def births(tmp_path: Path) -> Path:
    path = tmp_path / "births.csv"
    path.write_text(
        "person,birth,discharge\na,2026-01-31,2026-02-02\nb,2026-02-30,\nc,2020-02-29,\na,2026-01-01,\n"
    )
    (tmp_path / "given.csv").write_text(
        "person,product,day\na,HepB,2026-01-31\na,HepB,2026-02-20\nz,HepB,2026-01-31\na,tonic,2026-01-31\n"
    )
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_each_service_has_a_state_and_a_reason(births: Path) -> None:
    out, errors = births.with_name("out.csv"), births.with_name("errors.csv")
    result = RUN.invoke(
        app,
        ["schedule", str(births), "--given", str(births.with_name("given.csv")), "--today", "2026-03-15",
         "-o", str(out), "--errors", str(errors)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    rows = {(row["person"], row["service"]): row for row in rows_of(out)}
    assert rows["a", "HepB"]["status"] == "due"
    assert rows["a", "HepB"]["due_on"] == "2026-02-28"
    assert "2026-02-20" in rows["a", "HepB"]["why"]
    assert rows["a", "newborn-visit"]["status"] == "closed"
    assert rows["c", "BCG"]["status"] == "closed"
    faults = [(row["file"], row["line"], row["code"]) for row in rows_of(errors)]
    assert faults == [
        ("births.csv", "3", "row-bad-date"),
        ("births.csv", "5", "row-repeated"),
        ("given.csv", "4", "row-unknown-person"),
        ("given.csv", "5", "row-unknown-product"),
    ]


def test_bad_rows_are_refused_unless_they_are_asked_for(births: Path) -> None:
    result = RUN.invoke(
        app, ["schedule", str(births), "--today", "2026-03-15", "-o", str(births.with_name("o.csv"))]
    )
    assert isinstance(result.exception, Invalid)
    assert result.exception.code == "schedule-rows"


def test_columns_are_told_and_arguments_asked_for() -> None:
    assert "birth" in RUN.invoke(app, ["schedule", "--schema"]).output
    assert isinstance(RUN.invoke(app, ["schedule"]).exception, Invalid)


def test_a_schedule_of_ones_own_is_a_file(births: Path) -> None:
    rules = births.with_name("rules.toml")
    rules.write_text(
        """
        schedule = "village"
        jurisdiction = "CN"
        valid_from = 2020-01-01
        source = "the village's own"
        checked = "read"
        [[service]]
        code = "weighing"
        name_en = "Weighing"
        name_zh = "称重"
        kind = "recurring"
        anchor = "birth"
        period = "month"
        steps = [{ due = "1m", until = "1y" }]
        """
    )
    out = births.with_name("out.csv")
    births.write_text("person,birth\na,2026-01-31\n")
    result = RUN.invoke(
        app, ["schedule", str(births), "--rules", str(rules), "--today", "2026-03-15", "-o", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert [(row["service"], row["status"]) for row in rows_of(out)] == [("weighing", "due")]
