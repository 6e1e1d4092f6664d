"""The command on a user's own file."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import typer
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.growth.commands import add_to

RUN = CliRunner()
app = typer.Typer()
add_to(app)


@app.callback()
def room() -> None:
    """Keep the command a subcommand."""


def test_measurements_are_scored_and_bad_rows_listed(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "person,sex,birth,measured,weight,height,head,position\n"
        "a,1,2025-01-31,2025-01-31,3.3464,49.8842,34.4618,\n"
        "b,2,2025-01-31,2025-01-30,3.2,,,\n"
        "c,3,2025-01-31,2025-02-28,3.2,,,\n"
        "d,2,2025-01-31,2025-02-28,heavy,,,\n"
        "e,2,2025-01-31,2025-02-28,,,,\n"
        "f,2,2025-01-31,2026-02-28,90,75,,lying\n"
    )
    out, errors = tmp_path / "out.csv", tmp_path / "errors.csv"
    refused = RUN.invoke(app, ["growth", str(path), "-o", str(out)])
    assert isinstance(refused.exception, Invalid)
    assert refused.exception.code == "growth-rows"
    done = RUN.invoke(app, ["growth", str(path), "-o", str(out), "--errors", str(errors)])
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["person"] for row in rows] == ["a", "f"]
    assert float(rows[0]["z_weight_for_age"]) == 0
    assert rows[1]["implausible_weight_for_age"] == "yes"
    assert [row["code"] for row in csv.DictReader(errors.read_text(encoding="utf-8").splitlines())] == [
        "row-dates-reversed", "row-bad-sex", "row-bad-number", "row-nothing-measured",
    ]  # fmt: skip
    parquet = tmp_path / "out.parquet"
    assert RUN.invoke(app, ["growth", str(path), "-o", str(parquet), "--errors", str(errors)]).exit_code == 0
    assert pq.read_table(parquet).num_rows == 2


def test_columns_are_told_and_arguments_asked_for() -> None:
    assert "z_bmi_for_age" in RUN.invoke(app, ["growth", "--schema"]).output
    assert isinstance(RUN.invoke(app, ["growth"]).exception, Invalid)
