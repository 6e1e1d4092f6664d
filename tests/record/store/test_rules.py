"""The R4 rules: every row has its source, every expression compiles, numbers stay what databases hold."""

from zoneinfo import ZoneInfo

import pytest

from salus.record.rules.r4 import kinds, rows, type_names
from salus.record.store.extract import TABLES, Extractor, IndexRows, UnknownExpression
from salus.record.store.extract.compile import DECEASED, parse
from salus.record.store.extract.values import LATEST, Calendar, normal, number_span, reference, system_hash
from salus.record.store.searching import search_parameters

FILES = [
    "resource_types",
    "elements",
    "primitives",
    "bindings",
    "search_parameters",
    "index_paths",
    "patient_paths",
]


@pytest.mark.parametrize("name", FILES)
def test_each_row_has_a_source_and_says_that_it_was_read(name: str) -> None:
    found = list(rows(name))
    assert found
    assert all(
        row["source"].startswith("https://hl7.org/fhir/R4") and row["checked"] == "read" for row in found
    )


def test_numbers_that_databases_hold_do_not_move() -> None:
    assert len(kinds()) == len(type_names()) == 147
    assert (kinds()["Account"], kinds()["Patient"], kinds()["VisionPrescription"]) == (1, 103, 147)
    paths = {row["expression"]: int(row["path"]) for row in rows("index_paths")}
    assert (paths["Patient.birthDate"], paths["Encounter.status"]) == (1583, 447)
    assert len(set(paths.values())) == len(paths)


def test_every_expression_is_understood() -> None:
    for row in rows("index_paths"):
        assert row["table"] in TABLES
        if row["expression"] != DECEASED:
            assert parse(row["expression"])[0] == row["type"]


@pytest.mark.parametrize(
    "text", ["Patient.name.first()", "Patient.name[0]", "Patient.a.where(b=1)", "Patient..a"]
)
def test_an_expression_beyond_the_compiler_is_refused(text: str) -> None:
    with pytest.raises(UnknownExpression):
        parse(text)


def test_every_type_has_an_extractor_and_parameters() -> None:
    extractor = Extractor("Asia/Shanghai")
    for name in kinds():
        extractor.extract(name, {"resourceType": name}, 1, IndexRows())
        assert {"_id", "_lastUpdated", "_tag", "_profile", "_security"} <= search_parameters(name).keys()


def test_a_path_is_indexed_once_for_all_parameters_that_read_it() -> None:
    parameters = search_parameters("Observation")
    assert parameters["patient"].paths == parameters["subject"].paths
    assert parameters["patient"].targets == ("Patient",)
    assert set(parameters["code"].paths) < set(parameters["combo-code"].paths)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Müller  ", "muller"),
        ("ÅSE", "ase"),
        ("张 三", "张 三"),
        ("ＡＢＣ", "abc"),
        ("Straße", "strasse"),
        ("A\u3000B", "a b"),
        ("", ""),
    ],
)
def test_strings_compare_without_case_accents_and_width(text: str, expected: str) -> None:
    assert normal(text) == expected


def test_dates_without_a_zone_are_days_of_the_city() -> None:
    shanghai, utc = Calendar("Asia/Shanghai"), Calendar("UTC")
    assert utc.span("1970") == (0, 365 * 86_400_000_000 - 1)
    assert utc.span("1970-02") == (31 * 86_400_000_000, 59 * 86_400_000_000 - 1)
    assert utc.span("1970-01-01")[0] - shanghai.span("1970-01-01")[0] == 8 * 3_600_000_000
    assert utc.span("1970-01-01T00:00:01Z") == (1_000_000, 1_999_999)
    assert utc.span("1970-01-01T08:00:00.5+08:00") == (500_000, 599_999)
    assert utc.span("1970-01-01T00:01Z") == (60_000_000, 119_999_999)
    assert utc.span("1970-01-01T00:00:60Z") == utc.span("1970-01-01T00:00:59Z")
    assert utc.span("9999-12-31")[1] == LATEST - 1 == utc.span("9999")[1]
    assert utc.zone == ZoneInfo("UTC")


@pytest.mark.parametrize(
    "text", ["", "20", "2026-13", "2026-02-30", "2026-01-01T25:00:00Z", "now", "2026-01-01Z"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S|^$"):
        Calendar("UTC").span(text)


def test_numbers_stand_for_half_their_last_digit_either_way() -> None:
    assert number_span("100") == (99.5, 100.5)
    assert number_span("1e2") == (95.0, 105.0)  # the standard's own example
    low, high = number_span("5.40")
    assert (round(low, 6), round(high, 6)) == (5.395, 5.405)
    for text in ("x", "1_0", "inf", "nan", ""):
        with pytest.raises(ValueError, match=r"\S|^$"):
            number_span(text)


def test_references_are_local_absolute_or_contained() -> None:
    assert reference("Patient/p1/_history/3") == (kinds()["Patient"], "p1")
    assert reference("http://x.org/fhir/Patient/p1") == (0, "http://x.org/fhir/Patient/p1")
    assert reference("http://x.org/q|1.0") == (0, "http://x.org/q")
    assert reference("#o") is None


def test_systems_are_numbers_that_do_not_change() -> None:
    assert (
        system_hash("http://loinc.org")
        == system_hash("http://loinc.org")
        != system_hash("http://snomed.info/sct")
    )
    assert system_hash(None) == system_hash("") == 0
    assert -(2**63) <= system_hash("http://loinc.org") < 2**63
