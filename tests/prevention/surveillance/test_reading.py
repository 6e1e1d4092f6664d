"""Facts out of FHIR resources as hospitals send them; chains out of published contacts."""

import csv
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.prevention.surveillance import Fact
from salus.prevention.surveillance.chains import chain, generations
from salus.prevention.surveillance.matching import Likeness, Reported, likeness
from salus.prevention.surveillance.reading import facts_of, moment_of, verdict

CHINA = ZoneInfo("Asia/Shanghai")


def condition(code: str, status: str | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
        "recordedDate": "2026-03-01T23:30:00Z",
    } | more
    if status:
        body["verificationStatus"] = {"coding": [{"code": status}]}
    return body


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, "confirmed"), ("confirmed", "confirmed"), ("provisional", "provisional"),
        ("differential", "provisional"), ("refuted", "refuted"),
    ],
)  # fmt: skip
def test_a_condition_is_a_diagnosis_of_the_citys_day(status: str | None, expected: str) -> None:
    found = facts_of("Condition", condition("a00.9", status), CHINA, ref="Condition/1")
    assert found == [Fact("diagnosis", "A00.9", "", expected, None, date(2026, 3, 2), "Condition/1")]


def test_an_error_is_no_fact() -> None:
    assert facts_of("Condition", condition("A00", "entered-in-error"), CHINA) == []
    assert facts_of("Observation", {"status": "cancelled", "valueString": "阳性"}, CHINA) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueString": "阳性"}, "positive"),
        ({"valueString": "阴性(-)"}, "negative"),
        ({"valueString": "Not detected"}, "negative"),
        ({"valueString": "+"}, "positive"),
        ({"valueCodeableConcept": {"coding": [{"code": "10828004"}]}}, "positive"),
        ({"valueCodeableConcept": {"coding": [{"code": "260385009"}]}}, "negative"),
        ({"valueCodeableConcept": {"text": "霍乱弧菌 O139"}}, "霍乱弧菌 O139"),
        ({"interpretation": [{"coding": [{"code": "POS"}]}], "valueQuantity": {"value": 8.1}}, "positive"),
    ],
)
def test_results_as_laboratories_write_them(value: dict[str, Any], expected: str) -> None:
    body = {"code": {"coding": [{"system": "http://loinc.org", "code": "600-7"}], "text": "培养"}} | value
    found = facts_of("Observation", body, CHINA)
    assert [(one.kind, one.code, one.name, one.value) for one in found] == [
        ("laboratory", "600-7", "培养", expected)
    ]


def test_a_cause_of_death_and_a_temperature() -> None:
    cause = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "79378-6"}]},
        "valueCodeableConcept": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "A20.2"}]},
        "effectiveDateTime": "2026-03-01",
    }
    assert facts_of("Observation", cause, CHINA) == [
        Fact("death", "A20.2", "", "", None, date(2026, 3, 1), "")
    ]
    warm = {
        "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]},
        "valueQuantity": {"value": 38.4},
    }
    assert [one.number for one in facts_of("Observation", warm, CHINA)] == [38.4]


SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEYS = ["code", "coding", "valueQuantity", "value", "interpretation", "verificationStatus", "text"]
bodies = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["阳性", "POS", "A00", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@SLOW
@given(bodies)
def test_bad_resources_are_no_crash(body: Any) -> None:
    if isinstance(body, dict):
        for kind in ("Condition", "Observation"):
            facts_of(kind, body, CHINA)
    moment_of(body, CHINA)
    verdict(str(body))


MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Reported("m", MARCH, name="王 小明", born=date(2020, 1, 1)),
         Reported("m", APRIL, name="王小明", born=date(2020, 1, 1)), Likeness.SAME),
        (Reported("m", MARCH, name="王小明", born=date(2020, 1, 1)),
         Reported("m", APRIL, name="王小明", born=date(2020, 1, 2)), Likeness.NO),
        (Reported("m", MARCH, name="王小明", age=6), Reported("m", APRIL, name="王小明", age=7),
         Likeness.LIKELY),
        (Reported("m", MARCH, name="王小明", age=6), Reported("m", APRIL, name="王小明", age=9), Likeness.NO),
        (Reported("m", MARCH, name="王小明", sex="male"), Reported("m", APRIL, name="王小明", sex="female"),
         Likeness.NO),
        (Reported("m", MARCH, name="王小明"), Reported("n", MARCH, name="王小明"), Likeness.NO),
        (Reported("m", MARCH, name=""), Reported("m", MARCH, name=""), Likeness.NO),
        (Reported("m", MARCH, name="王小明"), Reported("m", date(2027, 6, 1), name="王小明"), Likeness.NO),
    ],
)  # fmt: skip
def test_reports_without_identity_are_matched(one: Reported, other: Reported, expected: Likeness) -> None:
    assert likeness(one, other, 365)[0] is expected
    assert likeness(other, one, 365)[0] is expected


def test_the_chain_of_mers_in_korea_2015_is_drawn_whole(shared: Path) -> None:
    folder = shared / "prevention" / "outbreaks"
    if not folder.is_dir():
        pytest.skip(f"no outbreaks at {folder}")
    with (folder / "mers_korea_2015_linelist.csv").open(encoding="utf-8") as file:
        onsets = {
            row["id"]: date.fromisoformat(row["dt_onset"]) if row["dt_onset"] != "NA" else None
            for row in csv.DictReader(file)
        }
    with (folder / "mers_korea_2015_contacts.csv").open(encoding="utf-8") as file:
        pairs = [(row["from"], row["to"]) for row in csv.DictReader(file)]
    found = chain(onsets, pairs, onsets)
    # Outside: 98 contacts of 162 cases; patient 14 infected most (about 80 in the published reports).
    assert len(found.places) == len(onsets) == 162
    assert len(found.edges) + len(found.spare) == len(pairs) == 98
    most = max(found.secondary, key=lambda case: found.secondary[case])
    assert most == "SK_14"
    assert sum(found.secondary.values()) == len(found.edges)
    assert sum(generations(found.places).values()) == 162
    rows = {place.case: place for place in found.places}
    for source, case in found.edges:
        assert rows[case].generation == rows[source].generation + 1
        assert rows[case].row > rows[source].row


@SLOW
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_a_chain_is_a_forest_whatever_is_claimed(edges: list[tuple[int, int]]) -> None:
    found = chain(range(13), edges)
    assert sorted(place.case for place in found.places) == list(range(13))
    assert len({case for _source, case in found.edges}) == len(found.edges)
    assert len(found.edges) + len(found.spare) == len(edges)
