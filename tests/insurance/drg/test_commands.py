"""The commands on a user's own files."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from salus.insurance.drg import commands
from salus.insurance.scheme import STARTER, save_scheme, starter_scheme
from salus.kernel.errors import Invalid
from tests.insurance.scheme.test_importing import workbook

app = typer.Typer()
commands.add_to(app)

CASES = """id,gender,age,age_day,weight,dx,pr
1,1,70,25600,,J18.9|J96.0|E11.9,
2,2,30,11000,,O80.9;D64.9,73.59
3,1,0,3,2100,P07.1,
4,1,50,18300,,Q99.9,
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments], catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


def test_cases_in_csv_are_grouped_into_csv_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(CASES)
    for ending in ("csv", "parquet"):
        run("group", str(tmp_path / "cases.csv"), "-o", str(tmp_path / f"out.{ending}"))
    with (tmp_path / "out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["id"], row["drg"], row["reason"]) for row in rows] == [
        ("1", "ES15", "grouped"), ("2", "OC13", "grouped"), ("3", "PS15", "grouped"),
        ("4", "0000", "unknown-principal"),
    ]  # fmt: skip
    assert pq.read_table(tmp_path / "out.parquet").column("drg").to_pylist() == [row["drg"] for row in rows]


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("1,1,70,", "1,1,seventy,", "drg-case-value", "cases.csv, line 2"),
        ("id,gender", "no,gender", "drg-case-column", ""),
        ("2,2,30", "1,2,30", "drg-case-id", ""),
    ],
)
def test_bad_cases_leave_nothing_behind(tmp_path: Path, old: str, new: str, code: str, where: str) -> None:
    (tmp_path / "cases.csv").write_text(CASES.replace(old, new, 1))
    with pytest.raises(Invalid) as error:
        run("group", str(tmp_path / "cases.csv"), "-o", str(tmp_path / "out.csv"))
    assert (error.value.code, error.value.where) == (code, where)
    assert "seventy" not in str(error.value)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cases.csv"]


def test_a_scheme_is_imported_checked_compared_and_explained(tmp_path: Path) -> None:
    book, city = workbook(tmp_path / "city.xlsx"), tmp_path / "city"
    assert "7 DRGs" in run("scheme", "import", str(book), "-o", str(city), "--version", "2026")
    lint = CliRunner().invoke(app, ["scheme", "lint", str(city)])
    assert lint.exit_code == 1 and "FR21" in lint.output  # the only MCC is excluded by the group's principal
    assert "FM11" in run(
        "scheme", "explain", "--scheme", str(city), "--dx", "I25.101|J96.000", "--pr", "36.0700"
    )
    told = run("scheme", "explain", "--dx", "J18.9|J96.0|E11.9", "--age", "70", "--what-if", "all")
    assert "J96.0 is MCC: excluded" in told and "KS11" in told
    (tmp_path / "cases.csv").write_text(CASES)
    moved = run("scheme", "diff", str(STARTER), str(city), "--cases", str(tmp_path / "cases.csv"))
    assert "3 cases move in 3 ways" in moved
    assert "nothing changed" in run("scheme", "diff", str(STARTER), str(STARTER))


def test_lint_ends_with_1_on_an_error(tmp_path: Path) -> None:
    save_scheme(starter_scheme(), tmp_path / "city")
    drg = tmp_path / "city" / "drg.csv"
    drg.write_text(drg.read_text().replace("AH1,0,AH13,MCC_OR_CC", "AH1,9,AH13,MCC_OR_CC"))
    result = CliRunner().invoke(app, ["scheme", "lint", str(tmp_path / "city")])
    assert result.exit_code == 1 and "after-any" in result.output


@pytest.mark.parametrize(
    "command",
    [["group"], ["scheme", "import"], ["scheme", "lint"], ["scheme", "diff"], ["scheme", "explain"]],
)
def test_each_command_prints_its_columns_and_asks_for_what_it_needs(command: list[str]) -> None:
    assert "put" in run(*command, "--schema")
    with pytest.raises(Invalid):
        run(*command)
