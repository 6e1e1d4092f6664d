"""`salus prevention grade` on a user's own file."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.prevention.commands import app

HEAD = "event,kind,disease,form,day,district,unit,status,cases,deaths,flags\n"


def graded(folder: Path, rows: str, *options: str) -> dict[str, dict[str, str]]:
    (folder / "events.csv").write_text(HEAD + rows, encoding="utf-8")
    out = folder / "out.csv"
    run = CliRunner().invoke(app, ["grade", str(folder / "events.csv"), "-o", str(out), *options])
    assert run.exit_code == 0, run.output
    with out.open(encoding="utf-8", newline="") as file:
        return {row["event"]: row for row in csv.DictReader(file)}


def test_events_are_graded_with_rule_window_and_place(tmp_path: Path) -> None:
    found = graded(
        tmp_path,
        "a,food_poisoning,,,2026-03-01,440104,School,,60,0,\n"
        "a,food_poisoning,,,2026-03-02,440104,School,,41,1,\n"
        "b,infectious,plague,pneumonic,2026-03-01,440104,,,1,0,urban spreading\n"
        "c,food_poisoning,,,2026-03-01,440104,,,4,0,\n"
        "d,fire,,,2026-03-01,440104,,,20,0,\n"
        "e,radiation,,,soon,440104,,,20,0,\n",
    )
    assert [found[name]["grade"] for name in "abcde"] == ["II", "I", "none", "wrong", "wrong"]
    top = found["a"]
    assert (top["rule"], top["clause"], top["first"], top["last"]) == (
        "II-10a", "II(10)", "2026-03-01", "2026-03-02",
    )  # fmt: skip
    assert (top["cases"], top["deaths"], top["area"]) == ("101", "1", "440104")
    assert "soon" in found["e"]["problem"] and top["checked"] == "read"


def test_as_of_a_past_day_and_against_five_years(tmp_path: Path) -> None:
    rows = (
        "a,food_poisoning,,,2026-03-01,440104,,,30,0,\n"
        "a,food_poisoning,,,2026-03-09,440104,,,80,0,\n"
        "f,infectious,influenza,,2026-03-01,440104,,,20,0,\n"
    )
    past = tmp_path / "past.csv"
    weeks = "".join(f"influenza,{year}-03-01,440104,10\n" for year in range(2021, 2026))
    past.write_text(f"disease,day,district,cases\ninfluenza,2020-01-01,440104,1\n{weeks}")
    assert graded(tmp_path, rows)["a"]["grade"] == "III"
    found = graded(tmp_path, rows, "--on", "2026-03-01", "--history", str(past))
    assert (found["a"]["grade"], found["f"]["grade"]) == ("IV", "III")
    assert (found["f"]["mean"], found["f"]["needed"]) == ("10", "20 cases")


def test_columns_are_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["grade", "--schema"]).output
    for word in ("event", "district", "spreading", "clause", "checked"):
        assert word in told
    (tmp_path / "bad.csv").write_text("event,kind\n")
    with pytest.raises(Invalid) as wrong:
        CliRunner().invoke(app, ["grade", str(tmp_path / "bad.csv")], catch_exceptions=False)
    assert wrong.value.code == "grading-columns"
