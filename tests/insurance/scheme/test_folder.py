"""The open format: the starter scheme, writing and reading back, and errors that name file and row."""

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest

from salus.insurance.scheme import STARTER, load_scheme, save_scheme, starter_scheme
from salus.insurance.scheme.model import BadScheme
from salus.insurance.scheme.predicates import BadPredicate
from tests.conftest import ROOT


def codes_of_the_city(table: str) -> list[dict[str, str]]:
    with (ROOT / "src" / "salus" / "city" / "rules" / table).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_starter_scheme_knows_every_code_of_the_synthetic_city() -> None:
    scheme = starter_scheme()
    for table in ("acute_diagnoses.csv", "chronic_diagnoses.csv"):
        for row in codes_of_the_city(table):
            homes = [
                one.mdc
                for one in scheme.mdcs
                if row["code"] in scheme.sets.get(f"mdc_{one.mdc}", _NONE).codes
            ]
            assert homes, row["code"]
            assert row["code"] in scheme.all_codes("dx")
    for row in codes_of_the_city("procedures.csv"):
        assert row["code"] in scheme.all_codes("pr")


class _None:
    codes: frozenset[str] = frozenset()


_NONE = _None()


def test_the_starter_scheme_weighs_every_drg_and_more_severe_ones_more() -> None:
    scheme = starter_scheme()
    assert {split.drg for _, _, split in scheme.splits()} == set(scheme.weights)
    for adrg in scheme.adrgs:
        weights = [scheme.weights[split.drg].weight for split in adrg.splits]
        assert weights == sorted(weights, reverse=True) and min(weights) > 0, adrg.adrg


@pytest.mark.parametrize("parquet", [False, True])
def test_a_scheme_is_written_and_read_back_the_same(tmp_path: Path, parquet: bool) -> None:
    scheme = starter_scheme()
    save_scheme(scheme, tmp_path / "city", parquet=parquet)
    assert load_scheme(tmp_path / "city") == scheme
    save_scheme(scheme, tmp_path / "city", parquet=not parquet)  # replaces it whole
    assert load_scheme(tmp_path / "city") == scheme


def test_dates_say_when_a_version_is_in_force() -> None:
    scheme = starter_scheme()
    assert scheme.in_force(date(2026, 1, 1))
    assert not scheme.in_force(date(2019, 12, 31))


BREAKS = [
    ("adrg.csv", "main_pr in AA1.pr1", "main_pr at AA1.pr1", BadPredicate, "adrg.csv, line 2"),
    ("adrg.csv", "main_pr in AA1.pr1", "main_pr in AA9.pr1", BadScheme, "adrg AA1"),
    ("adrg.csv", "main_pr in AA1.pr1", "pdx in AA1.pr1", BadScheme, "adrg AA1"),
    ("adrg.csv", "main_pr in AA1.pr1", "mcc", BadScheme, "adrg AA1"),
    ("adrg.csv", "0,A,AA1", "first,A,AA1", BadScheme, "adrg.csv, line 2"),
    ("adrg.csv", "0,A,AA1", "0,Ä,AA1", BadScheme, "adrg AA1"),
    ("mdc.csv", "ord,mdc,gate", "ord,mdc,tor", BadScheme, "mdc.csv"),
    ("cc.csv", ",MCC,", ",HIGH,", BadScheme, "cc.csv, line 2"),
    ("code_set.csv", ",pr,", ",px,", BadScheme, "code_set.csv, line 2"),
    ("weight.csv", "AA19,8.6000", "AA19,heavy", BadScheme, "weight.csv, line 2"),
    ("scheme.toml", "format = 1", "format = 2", BadScheme, "scheme.toml"),
    ("scheme.toml", 'no_split = "adrg"', 'no_split = "stop"', BadScheme, "scheme.toml"),
    ("scheme.toml", "valid_from = 2020-01-01", 'valid_from = "2020"', BadScheme, "scheme.toml"),
    ("scheme.toml", "[grouping]", "[grouping", BadScheme, "scheme.toml"),
]


@pytest.mark.parametrize(("table", "old", "new", "error", "where"), BREAKS)
def test_a_broken_table_is_told_with_its_file_and_row(
    tmp_path: Path, table: str, old: str, new: str, error: type[Exception], where: str
) -> None:
    folder = tmp_path / "city"
    shutil.copytree(STARTER, folder)
    text = (folder / table).read_text(encoding="utf-8")
    assert old in text
    (folder / table).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(error) as raised:
        load_scheme(folder)
    assert getattr(raised.value, "where") == where  # noqa: B009 - the errors share it


def test_a_missing_table_or_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(STARTER, folder)
    (folder / "drg.csv").unlink()
    with pytest.raises(BadScheme, match="no drg.csv"):
        load_scheme(folder)
    with pytest.raises(BadScheme, match="no such folder"):
        load_scheme(tmp_path / "nowhere")


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "letter.txt").write_text("keep")
    with pytest.raises(BadScheme):
        save_scheme(starter_scheme(), tmp_path / "notes")
    assert (tmp_path / "notes" / "letter.txt").read_text() == "keep"
