"""Structural validation: what HL7's definitions allow passes, what they forbid is named with its place."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.record.rules.r4 import kinds
from salus.record.validate import MOST_BYTES, invalid, validate
from salus.record.validate.explain import explain
from salus.record.validate.fast import sound

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"lastUpdated": "2026-01-02T03:04:05.678+08:00", "profile": ["http://example.org/p"]},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    "extension": [{"url": "http://example.org/e", "extension": [{"url": "f", "valueInteger": 3}]}],
    "identifier": [{"system": "urn:oid:1.2.3", "value": "440\u3000x"}],
    "name": [
        {"family": "张", "given": ["三"], "_given": [{"extension": [{"url": "u", "valueBoolean": True}]}]}
    ],
    "gender": "female",
    "birthDate": "1980-02",
    "_birthDate": {"extension": [{"url": "http://example.org/t", "valueDateTime": "1980-02-03T04:05:06Z"}]},
    "deceasedBoolean": False,
    "contact": [{"relationship": [{"text": "mother"}], "name": {"text": "李四"}}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "o"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
    "effectiveDateTime": "2026-01-02T03:04:05+08:00",
    "valueQuantity": {"value": 120.5, "unit": "mmHg"},
}


def shared_resources(shared: Path) -> list[dict[str, Any]]:
    found = []
    for file in sorted((shared / "record/bulk-10").glob("*.ndjson")):
        if file.name != "log.ndjson":
            found += [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    for folder in ("synthea-r4-bundles", "fhirpath-r4"):
        for file in sorted((shared / "record" / folder).glob("*.json")):
            resource = orjson.loads(file.read_bytes())
            found += [e["resource"] for e in resource.get("entry", ())] + [resource]
    return found


def test_published_resources_are_valid(shared: Path) -> None:
    resources = shared_resources(shared)
    assert len(resources) > 5_000
    for resource in resources:
        assert validate(resource) == [], resource["resourceType"]
        assert explain(resource) == [], resource["resourceType"]


@pytest.mark.parametrize("resource", [PATIENT, OBSERVATION])
def test_examples_are_valid(resource: dict[str, Any]) -> None:
    assert validate(resource) == []


def changed(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(resource) | changes
    return {name: value for name, value in made.items() if value is not ...}


@pytest.mark.parametrize(
    ("base", "changes", "path", "code"),
    [
        (PATIENT, {"gender": "woman"}, "Patient.gender", "code-invalid"),
        (PATIENT, {"gender": None}, "Patient.gender", "structure"),
        (PATIENT, {"gender": ["female"]}, "Patient.gender", "structure"),
        (PATIENT, {"active": "true"}, "Patient.active", "value"),
        (PATIENT, {"active": 1}, "Patient.active", "value"),
        (PATIENT, {"birthDate": "1980-2-3"}, "Patient.birthDate", "value"),
        (PATIENT, {"birthDate": "1981-02-29"}, "Patient.birthDate", "value"),
        (PATIENT, {"birthDate": 19800203}, "Patient.birthDate", "value"),
        (PATIENT, {"birthDate": ""}, "Patient.birthDate", "value"),
        (PATIENT, {"id": "a/b"}, "Patient.id", "value"),
        (PATIENT, {"id": "x" * 65}, "Patient.id", "value"),
        (PATIENT, {"name": {"family": "x"}}, "Patient.name", "structure"),
        (PATIENT, {"name": []}, "Patient.name", "structure"),
        (PATIENT, {"name": [{}]}, "Patient.name[0]", "structure"),
        (PATIENT, {"name": ["x"]}, "Patient.name[0]", "structure"),
        (PATIENT, {"name": [{"given": ["a", None]}]}, "Patient.name[0].given[1]", "structure"),
        (PATIENT, {"name": [{"given": ["a"], "_given": [None, None]}]}, "Patient.name[0].given", "structure"),
        (PATIENT, {"name": [{"family": "a\u0001"}]}, "Patient.name[0].family", "value"),
        (PATIENT, {"deceasedDateTime": "2026"}, "Patient.deceased", "structure"),
        (PATIENT, {"multipleBirthInteger": 2.0}, "Patient.multipleBirth.ofType(integer)", "value"),
        (PATIENT, {"multipleBirthInteger": 2**31}, "Patient.multipleBirth.ofType(integer)", "value"),
        (PATIENT, {"communication": [{"preferred": True}]}, "Patient.communication[0].language", "required"),
        (PATIENT, {"contained": [{"id": "o"}]}, "Patient.contained[0].resourceType", "structure"),
        (
            PATIENT,
            {
                "contained": [
                    {"resourceType": "Group", "type": "person", "actual": True, "contained": [OBSERVATION]}
                ]
            },
            "Patient.contained[0].contained",
            "invariant",
        ),
        (PATIENT, {"extension": [{"valueString": "x"}]}, "Patient.extension[0].url", "required"),
        (PATIENT, {"photo": [{"data": "a=b"}]}, "Patient.photo[0].data", "value"),
        (PATIENT, {"meta": {"lastUpdated": "2026-01-02"}}, "Patient.meta.lastUpdated", "value"),
        (OBSERVATION, {"status": ...}, "Observation.status", "required"),
        (OBSERVATION, {"code": {"coding": [{"code": " x"}]}}, "Observation.code.coding[0].code", "value"),
        (
            OBSERVATION,
            {"effectiveDateTime": "2026-01-02T03:04:05"},
            "Observation.effective.ofType(dateTime)",
            "value",
        ),
        (OBSERVATION, {"valueString": "x"}, "Observation.value", "structure"),
        (OBSERVATION, {"valueQuantity": {"value": "1"}}, "Observation.value.ofType(Quantity).value", "value"),
        (
            OBSERVATION,
            {"valueQuantity": {"value": True}},
            "Observation.value.ofType(Quantity).value",
            "value",
        ),
        (
            {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/p"}},
            {"clinicalStatus": {"coding": [{"code": "sleepy"}]}},
            "AllergyIntolerance.clinicalStatus",
            "code-invalid",
        ),
    ],
)
def test_an_error_names_its_place_and_not_the_value(
    base: dict[str, Any], changes: dict[str, Any], path: str, code: str
) -> None:
    issues = validate(changed(base, changes))
    assert invalid(issues)
    assert [(i.path, i.code) for i in issues if i.severity == "error"] == [(path, code)]
    assert "sleepy" not in str(issues[0]) and "woman" not in str(issues[0])


def test_a_missing_value_may_be_explained_by_an_extension() -> None:
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    assert validate(changed(OBSERVATION, {"status": ..., "_status": absent})) == []
    assert validate(changed(PATIENT, {"name": [{"given": [None, "b"], "_given": [absent, None]}]})) == []


def test_an_unknown_element_is_a_warning() -> None:
    issues = validate(changed(PATIENT, {"nickname": "x", "contact": [{"mood": 1, "gender": "male"}]}))
    assert [(i.severity, i.path) for i in issues] == [
        ("warning", "Patient.contact[0].mood"),
        ("warning", "Patient.nickname"),
    ]
    assert not invalid(issues)


@pytest.mark.parametrize("value", [None, [], "x", 3, {}, {"resourceType": "Patients"}, {"resourceType": 7}])
def test_what_is_not_a_resource_is_an_error(value: Any) -> None:
    assert invalid(validate(value))


def test_depth_and_size_are_limited() -> None:
    deep: dict[str, Any] = {"url": "u", "valueString": "x"}
    for _ in range(400):
        deep = {"url": "u", "extension": [deep]}
    assert [i.code for i in validate(changed(PATIENT, {"extension": [deep]}))] == ["too-costly"]
    unknown: Any = 1
    for _ in range(900):
        unknown = [unknown]
    assert invalid(validate(changed(PATIENT, {"nickname": unknown})))
    assert [i.code for i in validate(PATIENT, size=MOST_BYTES + 1)] == ["too-long"]


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_type_has_a_validator(name: str) -> None:
    assert not [i for i in validate({"resourceType": name, "id": "x"}) if i.code != "required"]
    assert validate({"resourceType": name, "id": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([PATIENT, OBSERVATION]), st.data())
def test_damage_anywhere_is_answered_and_the_two_validators_agree(
    base: dict[str, Any], data: st.DataObject
) -> None:
    made = copy.deepcopy(base)
    place = data.draw(st.sampled_from([p for p in places(base) if p]))
    owner: Any = made
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = data.draw(JSON)
    issues = validate(made)
    if sound(made):
        assert explain(made) == []
    assert all(i.path and str(i.expected) for i in issues)
