"""The commands on a user's own files: each writes what it says, or one error a row and nothing."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from salus.insurance.commands import app
from salus.insurance.payment import output
from salus.kernel.errors import Conflict, Invalid, NotFound, SalusError
from tests.insurance.payment.cases import case, drawn, table

BUDGET = ["--budget", "employee=3000000", "--budget", "resident=3000000.00"]
runner = CliRunner()


def run(*arguments: Any) -> str:
    """Run a command in this process; raises what it raised."""
    result = runner.invoke(app, [str(one) for one in arguments])
    if result.exception:
        raise result.exception
    assert result.exit_code == 0
    return result.output


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    pq.write_table(drawn(1_500, 41, groups=15), folder / "cases.parquet")
    bad = table(case("a", 100), case("b", 0), case("", 5), case("c", 700_000), case("d", 800_000))
    pq.write_table(bad, folder / "bad.parquet")
    return folder


def test_a_year_from_file_to_folder(files: Path, tmp_path: Path) -> None:
    (tmp_path / "factors.csv").write_text("institution,factor\nH03,1.05\n")
    (tmp_path / "assessment.csv").write_text("institution,returned\nH03,0.5\n")
    said = run(
        "settle", files / "cases.parquet", *BUDGET, "-o", tmp_path / "year", "--history",
        files / "cases.parquet", "--factors", tmp_path / "factors.csv", "--assessment",
        tmp_path / "assessment.csv", "--on", "2025-12-31",
    )  # fmt: skip
    assert "1,500 cases settled" in said and "budget 3,000,000.00" in said
    rows = pq.read_table(tmp_path / "year" / "clearing.parquet").to_pylist()
    assert any(row["forfeited"] for row in rows if row["institution"] == "H03")
    assert {p.name for p in (tmp_path / "year").iterdir()} == {
        "settled.parquet", "weights.parquet", "rates.parquet", "months.parquet", "payments.parquet",
        "clearing.parquet", "pools.parquet", "report.parquet", "errors.parquet", "settlement.json",
    }  # fmt: skip
    with pytest.raises(Conflict):
        run("settle", files / "cases.parquet", *BUDGET, "-o", tmp_path / "year")


def test_weights_go_in_again_as_they_came_out(files: Path, tmp_path: Path) -> None:
    run("weights", files / "cases.parquet", "-o", tmp_path / "weights.parquet")
    for name, more in (("own", []), ("given", ["--weights", tmp_path / "weights.parquet"])):
        run("settle", files / "cases.parquet", *BUDGET, "-o", tmp_path / name, *more)
    own, given = (pq.read_table(tmp_path / name / "settled.parquet").to_pylist() for name in ("own", "given"))
    assert sorted(own, key=lambda row: row["id"]) == sorted(given, key=lambda row: row["id"])


def test_dip_from_history_to_clearing(files: Path, tmp_path: Path) -> None:
    assert "groups" in run("dip", "build", files / "cases.parquet", "-o", tmp_path / "catalogue")
    run(
        "dip",
        "group",
        files / "cases.parquet",
        "--catalogue",
        tmp_path / "catalogue",
        "-o",
        tmp_path / "g.parquet",
    )
    assert pq.read_table(tmp_path / "g.parquet")["dip"].null_count == 0
    run(
        "dip",
        "settle",
        files / "cases.parquet",
        "--catalogue",
        tmp_path / "catalogue",
        *BUDGET,
        "-o",
        tmp_path / "y",
    )
    pools = pq.read_table(tmp_path / "y" / "pools.parquet").to_pylist()
    assert [(pool["paid"], pool["left"]) for pool in pools] == [(285_000_000, 15_000_000)] * 2


def test_comparison_and_report(files: Path, tmp_path: Path) -> None:
    said = run("simulate", files / "cases.parquet", "-o", tmp_path / "c.parquet", "--pilot", "H03,H14")
    assert len({line.split()[-2] for line in said.strip().splitlines()}) == 1  # neutral: four equal sums
    run("report", files / "cases.parquet", "-o", tmp_path / "r.parquet", "--days", "7", "--anywhere")
    assert "city" in pq.read_table(tmp_path / "r.parquet")["level"].to_pylist()


def test_bad_rows_are_listed_and_nothing_is_written(files: Path, tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["settle", str(files / "bad.parquet"), "--budget", "employee=10000", "-o", str(tmp_path / "x")]
    )
    assert isinstance(result.exception, Invalid) and result.exception.code == "cases-bad-rows"
    said = [line for line in result.stderr.splitlines() if line.startswith("case-")]
    assert [line.split(":")[0] for line in said] == ["case-charge", "case-id-missing"]
    assert "row 2, charge" in said[0] and not list(tmp_path.iterdir())
    run(
        "settle", files / "bad.parquet", "--budget", "employee=10000", "-o", tmp_path / "x", "--skip-bad",
        "--weights", _weights(tmp_path), "--parameters", "points",
    )  # fmt: skip
    errors = pq.read_table(tmp_path / "x" / "errors.parquet").to_pylist()
    assert [(row["row"], row["code"]) for row in errors] == [(2, "case-charge"), (3, "case-id-missing")]
    assert pq.read_metadata(tmp_path / "x" / "settled.parquet").num_rows == 3


def _weights(folder: Path) -> Path:
    import pyarrow as pa

    output.write(folder / "w.parquet", pa.table({"drg": ["GD25"], "weight": [10_000]}))
    return folder / "w.parquet"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["settle"], "settlement-arguments"),
        (["settle", "{cases}", "-o", "{out}"], "budget-option"),
        (["settle", "{cases}", "-o", "{out}", "--budget", "employee=1.001"], "money-fraction"),
        (["settle", "{cases}", "-o", "{out}", "--budget", "employee=5"], "budget-missing"),
        (["settle", "{cases}", "-o", "{out}", *BUDGET, "--parameters", "none"], "payment-parameters-none"),
        (["settle", "{cases}", "-o", "{out}", *BUDGET, "--weights", "{cases}"], "weights-file"),
        (["settle", "{cases}", "-o", "{out}", *BUDGET, "--factors", "{cases}"], "ratios-file"),
        (["settle", "{cases}x", "-o", "{out}", *BUDGET], "cases-file"),
        (["settle", "{cases}", "-o", "{out}", *BUDGET, "--engine", "other"], "engine-name"),
        (["dip", "settle", "{cases}", "-o", "{out}", *BUDGET], "dip-catalogue-folder"),
        (["simulate", "{cases}", "-o", "{out}", "--pilot", "Z9"], "pilot-unknown"),
        (["simulate", "{cases}", "-o", "{out}", "--pilot-money", "all"], "pilot-choice"),
    ],
)
def test_what_is_wrong_is_said_with_a_code_and_nothing_is_left(
    files: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    out = tmp_path / "out"
    filled = [one.format(cases=files / "cases.parquet", out=out) for one in arguments]
    with pytest.raises((SalusError, NotFound)) as error:
        run(*filled)
    assert error.value.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        ["weights"], ["settle"], ["simulate"], ["report"], ["dip", "build"], ["dip", "group"],
        ["dip", "settle"], ["record-settlement"], ["record-comparison"],
    ],
)  # fmt: skip
def test_every_command_says_what_it_reads_and_writes(command: list[str]) -> None:
    said = run(*command, "--schema")
    assert "writes" in said and ("charge" in said or command[0].startswith("record"))
