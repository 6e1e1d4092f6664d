"""The command on a user's own files: an error for each bad cell, nothing half-paid."""

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from salus.insurance.adjudication import adjudicate_batch, explain, load_rules
from salus.insurance.adjudication.tables import INPUTS, PAYERS
from salus.insurance.commands import app
from salus.kernel.errors import Invalid
from tests.insurance.adjudication.histories import AS_OF, Row, Tables, arrow, draw

NAMES = ("catalogue", "institutions", "persons", "coverage", "statuses", "registrations", "diagnoses")


@pytest.fixture(scope="module")
def tables() -> Tables:
    return draw(7, 12)


def write(folder: Path, tables: Tables, change: Any = None) -> list[str]:
    """Write tables as CSV and return the command's arguments; `change` may alter the cells of a table."""
    for name, rows in tables.items():
        cells = [{key: _cell(value) for key, value in row.items()} for row in rows]
        if change:
            change(name, cells)
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, INPUTS[name].schema.names)
            writer.writeheader()
            writer.writerows(cells)
    options = [word for name in NAMES for word in (f"--{name}", str(folder / f"{name}.csv"))]
    files = [str(folder / "claims.csv"), str(folder / "claim_lines.csv")]
    return ["adjudicate", *files, *options, "--as-of", AS_OF.isoformat(), "-o", str(folder / "out")]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ";".join(one or "" for one in value)
    return "" if value is None else str(value)


@pytest.fixture(scope="module")
def results(tables: Tables) -> Any:
    return adjudicate_batch(arrow(sound(tables)), load_rules(as_of=AS_OF), as_of=AS_OF)


def sound(tables: Tables) -> Tables:
    """Return tables whose lists hold no null, for CSV cannot say it."""
    claims = [one for one in tables["claims"] if None not in (one["diagnoses"] or ())]
    names = {one["claim_id"] for one in claims}
    return tables | {
        "claims": claims,
        "claim_lines": [one for one in tables["claim_lines"] if one["claim_id"] in names],
    }


def test_csv_gives_what_the_tables_give(tmp_path: Path, tables: Tables, results: Any) -> None:
    given = sound(tables)
    done = CliRunner().invoke(app, write(tmp_path, given))
    assert done.exit_code == 0, done.output
    assert f"{len(given['claims']):,} claims" in done.output
    for name in ("claims", "lines", "parts", "findings", "events"):
        assert (
            pq.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
            == getattr(results, name).to_pylist()
        )
    assert (tmp_path / "out" / "errors.csv").read_text().splitlines() == ["table,line,column,code,message"]


def test_a_bad_cell_is_an_error_of_its_line_and_its_claim_goes_back(tmp_path: Path, tables: Tables) -> None:
    given = sound(tables)

    def spoil(name: str, cells: list[Row]) -> None:
        if name == "claim_lines":
            cells[0]["charge"] = "12.50"
            cells[9]["service_date"] = "10/06/2025"
        if name == "claims":
            cells[5]["claim_id"] = ""

    done = CliRunner().invoke(app, write(tmp_path, given, spoil))
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "errors.csv").open(encoding="utf-8", newline="") as file:
        errors = [(row["table"], row["line"], row["column"], row["code"]) for row in csv.DictReader(file)]
    assert errors == [
        ("claims", "7", "claim_id", "adjudication-key"),
        ("claim_lines", "2", "charge", "adjudication-cell"),
        ("claim_lines", "11", "service_date", "adjudication-cell"),
    ]
    assert "12.50" not in done.output
    outcomes = {
        row["claim_id"]: row["outcome"]
        for row in pq.read_table(tmp_path / "out" / "claims.parquet").to_pylist()
    }
    for number in (0, 9):
        assert outcomes[given["claim_lines"][number]["claim_id"]] == "returned"
    for line in pq.read_table(tmp_path / "out" / "lines.parquet").to_pylist():
        assert sum(line[payer] for payer in PAYERS) == line["charge"]


def test_a_wrong_catalogue_stops_everything(tmp_path: Path, tables: Tables) -> None:
    def spoil(name: str, cells: list[Row]) -> None:
        if name == "catalogue":
            cells[2]["max_day"] = "many"

    done = CliRunner().invoke(app, write(tmp_path, sound(tables), spoil))
    assert isinstance(done.exception, Invalid) and done.exception.code == "adjudication-reference"
    assert not (tmp_path / "out" / "claims.parquet").exists()
    assert "catalogue,4,max_day,adjudication-cell" in (tmp_path / "out" / "errors.csv").read_text()


def test_what_is_missing_is_named(tmp_path: Path, tables: Tables) -> None:
    arguments = write(tmp_path, sound(tables))
    for broken, code in (
        (arguments[:2], "adjudication-arguments"),
        ([*arguments[:3], "-o", str(tmp_path / "out")], "adjudication-arguments"),
        (["adjudicate", "nowhere.csv", *arguments[2:]], "adjudication-file"),
        ([*arguments, "--engine", "abacus"], "engine-name"),
        ([*arguments, "--as-of", "yesterday"], "adjudication-day"),
        ([*arguments, "--rules", str(tmp_path)], "rules-missing"),
        ([*arguments, "--jurisdiction", "Guiyang"], "rules-jurisdiction"),
    ):
        done = CliRunner().invoke(app, broken)
        assert isinstance(done.exception, Invalid) and done.exception.code == code, (code, done.exception)


def test_schema_names_every_column() -> None:
    done = CliRunner().invoke(app, ["adjudicate", "--schema"])
    assert done.exit_code == 0
    for table in INPUTS.values():
        for name in table.schema.names:
            assert f"  {name}: " in done.output


def test_every_reason_is_explained_in_both_languages(results: Any) -> None:
    rules = load_rules(as_of=AS_OF)
    rows = results.parts.to_pylist() + results.findings.to_pylist()
    assert len({row.get("reason") or row["code"] for row in rows}) > 25
    for row in rows:
        for language in ("en", "zh"):
            words = explain(row, rules, language)  # type: ignore[arg-type]
            assert "{" not in words and (not row["rule"] or row["rule"] in words)
    part = {
        "payer": "basic",
        "amount": 65_000,
        "reason": "basic",
        "rule": "P",
        "version": 1,
        "params": "rate=6550",
    }
    assert explain(part, rules) == (
        "¥650.00 by the basic medical insurance fund: The basic fund pays 65.5 % above the deductible. (P, 1)"
    )
