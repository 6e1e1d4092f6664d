"""The commands on a user's own files."""

import csv
import datetime as dt
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.detection import space_commands

app = typer.Typer()
space_commands.add_to(app)
PLACES = "district,x,y,population\na,0,0,10\nb,0,1,10\nc,9,0,10\nd,-9,9,10\ne,0,9,10\n"
COUNTS = {"a": [0, 0, 5, 5], "b": [1, 0, 4, 6], "c": [1, 1, 0, 1], "d": [0, 1, 1, 0], "e": [1, 0, 0, 1]}


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def week(number: int) -> dt.date:
    return dt.date(2026, 1, 5) + dt.timedelta(7 * number)


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "places.csv").write_text(PLACES)
    lines = [f"{name},{week(at)},{count}" for name, all_ in COUNTS.items() for at, count in enumerate(all_)]
    (tmp_path / "cases.csv").write_text("district,date,cases\n" + "\n".join(lines) + "\n")
    return tmp_path / "cases.csv", tmp_path / "places.csv"


def test_a_cluster_is_written_with_its_dates(tmp_path: Path, given: tuple[Path, Path]) -> None:
    cases, places = given
    run("scan", cases, "--places", places, "--replications", 199, "--longest", 3, "-o", tmp_path / "out.csv")
    first = rows_of(tmp_path / "out.csv")[0]
    assert set(first["districts"].split()) == {"a", "b"}
    assert (first["first"], first["last"]) == ("2026-01-19", "2026-02-01")
    assert (float(first["cases"]), float(first["p"])) == (20, 0.005)


def test_an_unknown_district_is_a_bad_row(given: tuple[Path, Path], tmp_path: Path) -> None:
    cases, places = given
    cases.write_text(cases.read_text() + f"z,{week(1)},3\n")
    with pytest.raises(Invalid, match="not among the places") as caught:
        run("scan", cases, "--places", places)
    assert caught.value.where == "cases.csv, line 22, district"
    run("scan", cases, "--places", places, "--replications", 9, "--errors", tmp_path / "bad.csv")
    assert [row["line"] for row in rows_of(tmp_path / "bad.csv")] == ["22"]


def test_signals_are_few_and_ranked(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text(
        "node,parent,p,observed,expected\n"
        "flu,,1e-12,260,80\nnorth,flu,1e-4,40,20\nsouth,flu,1e-4,40,20\neast,flu,1e-4,40,20\n"
        "west,flu,1e-15,140,20\ncholera,,0.4,1,0.6\n"
    )
    run("signals", tmp_path / "nodes.csv", "-o", tmp_path / "out.csv")
    found = rows_of(tmp_path / "out.csv")
    assert [(row["node"], row["explains"]) for row in found] == [("west", ""), ("flu", "north south east")]


def test_a_node_without_its_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text("node,parent,p\na,,0.1\nb,x,0.2\n")
    with pytest.raises(Invalid, match="not among the nodes"):
        run("signals", tmp_path / "nodes.csv")


@pytest.mark.parametrize("name", ["scan", "signals"])
def test_the_schema_names_input_and_output(name: str) -> None:
    assert "output:" in run(name, "--schema")
