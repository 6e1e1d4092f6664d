"""`salus view` on files: what comes out, what is left out, and that a broken run leaves nothing behind."""

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from salus.kernel.errors import Invalid
from salus.record.views import ViewError, compile_view, running
from salus.record.views.commands import app

VIEW: dict[str, Any] = {
    "resource": "Patient",
    "select": [
        {
            "column": [
                {"name": "id", "path": "getResourceKey()"},
                {"name": "family", "path": "name.family.first()", "description": "The family name"},
            ]
        }
    ],
}


def patient(number: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"F{number}"}]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.ndjson").write_text("\n".join(json.dumps(patient(n)) for n in (1, 2)))
    with gzip.open(data / "b.ndjson.gz", "wt") as file:
        file.write(json.dumps(patient(3)) + "\n")
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": patient(4)}, {"resource": {"resourceType": "Group"}}],
    }
    (data / "c.json").write_text(json.dumps(bundle, indent=1))
    (data / "d.json").write_text(json.dumps(patient(5), indent=1))
    (tmp_path / "view.json").write_text(json.dumps(VIEW))
    return tmp_path


def rows(path: Path) -> list[tuple[Any, ...]]:
    return sorted(duckdb.sql(f"select * from '{path}'").fetchall())


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.ndjson"])
def test_every_kind_of_file_is_read_and_written(folder: Path, name: str) -> None:
    ran = running.run(compile_view(VIEW), [folder / "data"], folder / name)
    assert (ran.rows, ran.files, ran.rejected) == (5, 4, [])
    assert rows(folder / name) == [(f"p{n}", f"F{n}") for n in range(1, 6)]


def test_lines_that_are_no_resources_are_named_and_kept(folder: Path) -> None:
    bad = folder / "bad.ndjson"
    lines = [
        json.dumps(patient(1)).encode(),
        b"{broken",
        b"",
        b"[1]",
        b'{"id": "\xff"}',
        json.dumps(patient(2)).encode(),
    ]
    bad.write_bytes(b"\n".join(lines))
    ran = running.run(compile_view(VIEW), [bad], folder / "out.csv")
    assert rows(folder / "out.csv") == [("p1", "F1"), ("p2", "F2")]
    assert [(one.line, one.reason) for one in ran.rejected] == [
        (2, "not JSON"),
        (4, "not a JSON object"),
        (5, "not UTF-8"),
    ]
    running.kept(ran.rejected, [bad], folder / "rejects.ndjson")
    kept = [json.loads(line) for line in (folder / "rejects.ndjson").read_text().splitlines()]
    assert [one["text"] for one in kept] == ["{broken", "[1]", '{"id": "\\xff"}']


def test_strict_stops_and_leaves_no_file(folder: Path) -> None:
    (folder / "bad.ndjson").write_text("{broken\n")
    with pytest.raises(Invalid, match="line 1"):
        running.run(compile_view(VIEW), [folder / "bad.ndjson"], folder / "out.csv", strict=True)
    assert not [one.name for one in folder.iterdir() if "out.csv" in one.name]


def test_several_values_in_a_single_column_leave_no_file(folder: Path) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "given", "path": "name.given"}]}]}
    several = {"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}
    (folder / "several.ndjson").write_text(json.dumps(several))
    with pytest.raises(ViewError, match="The column given has several"):
        running.run(compile_view(view), [folder / "several.ndjson"], folder / "out.parquet")
    assert not (folder / "out.parquet").exists()


def test_an_older_file_stays_until_the_new_one_is_complete(folder: Path) -> None:
    out = folder / "out.csv"
    out.write_text("older")
    (folder / "bad.ndjson").write_text("{broken\n")
    with pytest.raises(Invalid):
        running.run(compile_view(VIEW), [folder / "bad.ndjson"], out, strict=True)
    assert out.read_text() == "older"


def test_what_is_missing_is_said() -> None:
    with pytest.raises(Invalid, match="not there"):
        running.run(compile_view(VIEW), [Path("/nowhere")], Path("out.csv"))


def test_commands(folder: Path) -> None:
    runner = CliRunner()
    view = str(folder / "view.json")
    ran = runner.invoke(app, ["run", view, str(folder / "data"), "-o", str(folder / "out.csv")])
    assert ran.exit_code == 0
    assert "The family name" in runner.invoke(app, ["run", view, "--schema"]).output
    assert "varchar" in runner.invoke(app, ["columns", view]).output
    assert runner.invoke(app, ["sql", view, "--keep", "rid"]).output.startswith("with resources as")
    assert "2 columns of Patient" in runner.invoke(app, ["check", view]).output
    (folder / "wrong.json").write_text('{"resource": "Patient"}')
    wrong = runner.invoke(app, ["check", str(folder / "wrong.json")])
    assert wrong.exit_code == 1
    assert "structure" in wrong.output
