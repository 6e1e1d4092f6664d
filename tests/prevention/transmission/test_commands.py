"""The commands on a user's own files."""

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.transmission import commands
from salus.prevention.transmission.forecast import forecast
from salus.prevention.transmission.nowcast import nowcast
from salus.prevention.transmission.reproduction import cori, discretised_gamma, wallinga_teunis
from salus.prevention.transmission.triangle import triangle

app = typer.Typer()
commands.add_to(app)
START = dt.date(2026, 1, 1)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def table(path: Path, header: str, rows: list[tuple[object, ...]]) -> Path:
    path.write_text(header + "\n" + "".join(",".join(str(one) for one in row) + "\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def day(number: int) -> dt.date:
    return START + dt.timedelta(int(number))


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    onset = np.sort(random.integers(0, 60, 400))
    onset[0] = 0
    report = onset + random.poisson(3, 400)
    rows = [(day(a), day(b)) for a, b in zip(onset, report, strict=True)]
    return table(tmp_path / "cases.csv", "onset,report", rows), onset, report


def test_nowcast_of_a_line_list(tmp_path: Path, cases: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, onset, report = cases
    run("nowcast", path, "--today", day(59), "--longest", 10, "-o", tmp_path / "out.csv")
    expected = nowcast(triangle(onset, report, start=0, today=59, longest=10))
    found = rows_of(tmp_path / "out.csv")
    assert [found[0]["date"], found[-1]["date"]] == [str(day(0)), str(day(59))]
    np.testing.assert_allclose([float(row["q0.5"]) for row in found], expected.quantiles[:, 11])
    np.testing.assert_allclose([float(row["mean"]) for row in found], expected.mean)


def test_nowcast_of_revisions_is_that_of_the_line_list(
    tmp_path: Path, cases: tuple[Path, np.ndarray, np.ndarray]
) -> None:
    path, onset, report = cases
    rows = [
        (day(version), day(one), int(((onset == one) & (report <= version)).sum()))
        for version in range(60)
        for one in range(version + 1)
    ]
    told = table(tmp_path / "revisions.csv", "as_of,date,cases", rows)
    run("nowcast", told, "--revisions", "--longest", 10, "-o", tmp_path / "one.csv")
    run("nowcast", path, "--today", day(59), "--longest", 10, "-o", tmp_path / "two.csv")
    assert rows_of(tmp_path / "one.csv") == rows_of(tmp_path / "two.csv")


def test_reproduction_numbers_by_both_methods(tmp_path: Path) -> None:
    counts = [1, 0, 2, 3, 5, 4, 8, 9, 12, 15, 14, 20]
    rows = [(day(one), count) for one, count in enumerate(counts) if count]
    path = table(tmp_path / "cases.csv", "date,cases", rows)
    weight = discretised_gamma(2.6, 1.5, 12)
    run("reproduction", path, "--mean", 2.6, "--sd", 1.5, "-o", tmp_path / "out.parquet")
    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    np.testing.assert_allclose([row["mean"] for row in found], cori(counts, weight).mean)
    assert (found[0]["first"], found[0]["last"]) == (day(1), day(7))
    lags = table(tmp_path / "si.csv", "lag,p", list(enumerate(weight)))
    run("reproduction", path, "--interval", lags, "--method", "wallinga-teunis", "-o", tmp_path / "out.csv")
    found = rows_of(tmp_path / "out.csv")
    np.testing.assert_allclose(
        [float(row["mean"]) for row in found], wallinga_teunis(counts, weight).mean, rtol=1e-9
    )


def test_forecasts_of_two_series(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    counts = random.poisson(20, (2, 30))
    rows = [
        (name, START + dt.timedelta(7 * week), counts[place, week])
        for place, name in enumerate(("north", "south"))
        for week in range(30)
    ]
    path = table(tmp_path / "weeks.csv", "series,date,cases", rows)
    run("forecast", path, "--horizons", 2, "-o", tmp_path / "out.csv")
    found = rows_of(tmp_path / "out.csv")
    assert [(row["series"], row["horizon"]) for row in found] == [
        ("north", "1"), ("north", "2"), ("south", "1"), ("south", "2"),
    ]  # fmt: skip
    assert found[1]["date"] == str(START + dt.timedelta(7 * 31))
    expected = forecast(counts, horizons=2).quantiles
    np.testing.assert_allclose(float(found[3]["q0.99"]), expected[1, 1, -1])


@pytest.mark.parametrize("name", ["nowcast", "reproduction", "forecast"])
def test_the_schema_names_input_and_output(name: str) -> None:
    printed = run(name, "--schema")
    assert "date" in printed and "output:" in printed and "q0.5" in printed


def test_bad_rows_are_refused_or_listed(tmp_path: Path) -> None:
    rows = [(day(one), 5) for one in range(20)]
    path = table(tmp_path / "cases.csv", "date,cases", [*rows, ("2026-02-30", 1), (day(3), 4), (day(30), -1)])
    with pytest.raises(Invalid, match=r"3 rows are bad.*no date") as caught:
        run("reproduction", path, "--mean", 3, "--sd", 1)
    assert caught.value.where == "cases.csv, line 22, date"
    run("reproduction", path, "--mean", 3, "--sd", 1, "--errors", tmp_path / "bad.csv")
    assert [(row["line"], row["column"]) for row in rows_of(tmp_path / "bad.csv")] == [
        ("22", "date"), ("23", "date"), ("24", "cases"),
    ]  # fmt: skip


def test_a_report_before_its_onset_is_a_bad_row(tmp_path: Path) -> None:
    path = table(tmp_path / "cases.csv", "onset,report", [(day(5), day(4)), (day(1), day(2))])
    with pytest.raises(Invalid, match="before the onset"):
        run("nowcast", path)


@pytest.mark.parametrize(
    ("header", "arguments", "code"),
    [
        ("date,cases", ["--mean", "3"], "serial-interval"),
        ("date,cases", ["--mean", "3", "--sd", "1", "-o", "x.txt"], "transmission-output"),
        ("date,cases", ["--mean", "3", "--sd", "1", "--method", "mine"], "reproduction-method"),
        ("day,cases", ["--mean", "3", "--sd", "1"], "transmission-columns"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, header: str, arguments: list[str], code: str) -> None:
    path = table(tmp_path / "cases.csv", header, [(day(one), 5) for one in range(20)])
    with pytest.raises(Invalid) as caught:
        run("reproduction", path, *arguments)
    assert caught.value.code == code


def test_a_young_series_is_counted_from_the_oldest_one_s_first_day(tmp_path: Path) -> None:
    rows = [("old", day(one), day(one + 1)) for one in range(30)]
    rows += [("new", day(27), day(28)), ("later", day(35), day(36))]
    path = table(tmp_path / "cases.csv", "series,onset,report", rows)
    printed = run("nowcast", path, "--today", day(29), "--longest", 5, "-o", tmp_path / "out.csv")
    assert "no report by then in 1 series" in printed
    found = rows_of(tmp_path / "out.csv")
    assert [row["series"] for row in found] == ["old"] * 30 + ["new"] * 30
