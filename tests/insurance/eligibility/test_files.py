"""The command on a user's own files: every bad row is named, and nothing is answered by guesswork."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from salus.insurance import commands
from salus.kernel.errors import Invalid

app = typer.Typer()
app.add_typer(commands.app, name="insurance")
ASKED = "ask_id,person_id,day,service,institution\n1,a,2025-03-01,inpatient,H1\n2,b,2025-03-01,inpatient,H1\n"
SPELLS = (
    "person_id,scheme,category,area,start_date,end_date,paid_on\n"
    "a,resident,adult,440100,2025-01-01,2025-12-31,2024-11-02\n"
)


def run(folder: Path, asked: str = ASKED, spells: str = SPELLS, *more: str) -> object:
    (folder / "asked.csv").write_text(asked, encoding="utf-8")
    (folder / "spells.csv").write_text(spells, encoding="utf-8")
    arguments = [
        "insurance",
        "eligibility",
        str(folder / "asked.csv"),
        "--enrolments",
        str(folder / "spells.csv"),
    ]
    return CliRunner().invoke(
        app, [*arguments, "-o", str(folder / "out.parquet"), *more], catch_exceptions=True
    )


def test_questions_in_a_file_are_answered_in_a_file(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0, result.output  # type: ignore[attr-defined]
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["ask_id"], row["reason"]) for row in found] == [(1, "covered"), (2, "not-enrolled")]


@pytest.mark.parametrize(
    ("asked", "spells", "code", "where"),
    [
        (ASKED + "3,a,2025-02-30,inpatient,H1\n", SPELLS, "row-bad-date", "row 3, day"),
        (ASKED + "3,a,2025-02-03,dental,H1\n", SPELLS, "row-unknown-value", "row 3, service"),
        (ASKED + "3,,2025-02-03,inpatient,H1\n", SPELLS, "row-missing-value", "row 3, person_id"),
        (ASKED + "2,a,2025-02-03,inpatient,H1\n", SPELLS, "row-repeated", "row 2, ask_id"),
        (ASKED, SPELLS.replace("adult", "worker"), "row-unknown-value", "row 1, category"),
        (ASKED, SPELLS.replace("2025-12-31", "2024-12-31"), "row-dates-reversed", "row 1, end_date"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_written(
    tmp_path: Path, asked: str, spells: str, code: str, where: str
) -> None:
    result = run(tmp_path, asked, spells)
    error = result.exception  # type: ignore[attr-defined]
    assert isinstance(error, Invalid)
    assert code in error.message and error.where.endswith(where)
    assert not (tmp_path / "out.parquet").exists()


def test_bad_rows_are_listed_and_the_others_answered_when_asked_for(tmp_path: Path) -> None:
    bad = ASKED + "3,a,2025-02-30,inpatient,H1\nx,a,2025-02-03,inpatient,H1\n"
    result = run(tmp_path, bad, SPELLS, "--errors", str(tmp_path / "bad.csv"))
    assert result.exit_code == 0, result.output  # type: ignore[attr-defined]
    lines = (tmp_path / "bad.csv").read_text().splitlines()
    assert [line.rsplit(",", 1)[0] for line in lines[1:]] == [
        "asked.csv,3,day,row-bad-date",
        "asked.csv,4,ask_id,row-bad-number",
    ]
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 2


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    result = run(tmp_path, ASKED.replace("institution", "place"))
    assert "no column institution" in str(result.exception)  # type: ignore[attr-defined]


def test_the_schema_names_every_column() -> None:
    result = CliRunner().invoke(app, ["insurance", "eligibility", "--schema"])
    for word in ("ask_id", "paid_on", "contracts:", "waiting_until"):
        assert word in result.output
