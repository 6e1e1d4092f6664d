"""`salus prevention detect` on files."""

from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.detection.commands import add_to
from salus.prevention.detection.series_file import BadLines, read_series
from tests.prevention.detection.reference import REFERENCE

app = typer.Typer()
add_to(app)
app.command("other")(lambda: None)  # one command alone would be the program itself


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["detect", *arguments], catch_exceptions=False, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_file_of_the_reference(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    source = REFERENCE / "input_salmNewport.csv"
    run(str(source), "--settings", "noufaily", "--years", "4", "--range", "425:528", "-o", str(out))
    table = pacsv.read_csv(out)
    assert table.num_rows == 16 * 104
    assert {"dataset", "series", "t", "date", "bound", "alarm", "reason", "phi"} <= set(table.column_names)
    again = tmp_path / "out.parquet"
    run(str(source), "--method", "ears-c2", "--baseline", "12", "--range", "last:3", "-o", str(again))
    assert pq.read_table(again).num_rows == 16 * 3


def test_alarms_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(
        "series,t,observed\n" + "".join(f"s,{t},{2 + t % 3 + 40 * (t == 30)}\n" for t in range(1, 31))
    )
    told = run(str(path), "--method", "ears-c1")
    assert "42" in told
    assert "1 alarms" in told


def test_the_combined_score_is_a_method_of_weekly_counts(tmp_path: Path) -> None:
    path = tmp_path / "weekly.csv"
    counts = [4 + t % 3 for t in range(1, 261)] + [30]
    lines = "".join(f"s,{t},52,{y}\n" for t, y in enumerate(counts, 1))
    path.write_text("series,t,freq,observed\n" + lines)
    options = ("--method", "combined", "--false-alarms", "0.01", "--year-weeks", "52", "--range", "last:20")
    told = run(str(path), *options)
    assert "261" in told
    assert "1 alarms" in told
    assert "combined" in run("--methods")


def test_columns_and_methods_are_printed() -> None:
    told = run("--schema")
    assert "observed" in told
    assert "pvalue" in told
    assert "moving-percentile" in run("--methods")


def test_each_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        "series,t,epoch,epochAsDate,observed\n"
        "a,1,2020-01-06,TRUE,3\na,2,2020-13-40,TRUE,3\na,3,2020-01-20,TRUE,x\na,4,2020-01-27,TRUE,-1\n"
        ",5,2020-02-03,TRUE,1\n"
    )
    with pytest.raises(BadLines) as refused:
        read_series(path)
    assert [(one.line, one.column) for one in refused.value.lines] == [
        (3, "epoch"), (4, "observed"), (5, "observed"), (6, "series"),
    ]  # fmt: skip
    path.write_text("series,t,observed\na,1,1\na,1,2\n")
    with pytest.raises(BadLines) as twice:
        read_series(path)
    assert (twice.value.lines[0].line, twice.value.code) == (3, "detection-lines")


@pytest.mark.parametrize(
    ("text", "code"), [("t,observed\n1,2\n", "detection-columns"), ("series,t,observed\n", "detection-file")]
)
def test_a_file_that_is_no_series_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(Invalid) as refused:
        read_series(path)
    assert refused.value.code == code


def test_gaps_in_the_calendar_are_filled_and_definitions_read(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text(
        "series,epoch,epochAsDate,freq,observed,usable_from\n"
        "a,2020-12-21,TRUE,52,3,2021-01-04\na,2020-12-28,TRUE,52,4,\na,2021-01-11,TRUE,52,,\n"
        "b,2020-12-21,TRUE,52,1,\n"
    )
    ((_, counts),) = read_series(path)
    assert counts.points == 4
    assert counts.observed[0, :2].tolist() == [3, 4]
    assert counts.usable_from is not None
    assert counts.usable_from.tolist() == [2, 0]
    assert counts.dates is not None
    assert str(counts.dates[2]) == "2021-01-04"


@pytest.mark.parametrize("points", ["9:3", "a:b", "400:500", "-3"])
def test_a_range_that_is_none_is_refused(tmp_path: Path, points: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text("series,t,observed\n" + "".join(f"s,{t},2\n" for t in range(1, 31)))
    with pytest.raises(Invalid) as refused:
        run(str(path), "--method", "ears-c1", f"--range={points}")
    assert refused.value.code == "detection-range"
