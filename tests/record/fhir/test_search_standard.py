"""Searches as the R4 standard describes them: summaries, several types, Persons, includes, forms."""

from typing import Any

import orjson
import pytest

from salus.record.models import Person
from salus.record.validate import validate
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)
SUBSETTED = "SUBSETTED"


@pytest.fixture
def filled(http: Client, his: dict[str, str]) -> dict[str, str]:
    """One patient of a hospital with a result, a visit and a diagnosis."""
    ward = {
        "resourceType": "Organization",
        "id": "w",
        "name": "内科",
        "partOf": {"reference": "Organization/h"},
    }
    http.put("Organization/h", {"resourceType": "Organization", "id": "h", "name": "第一医院"}, his)
    http.put("Organization/w", ward, his)
    told = patient(
        id="a",
        managingOrganization={"reference": "Organization/w"},
        text={"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        contact=[{"name": {"text": "王大"}}],
        extension=[{"url": "urn:x", "valueString": "y"}],
        communication=[{"language": {"text": "zh"}, "preferred": True}],
        photo=[{"contentType": "image/png", "data": "AAAA", "title": "me"}],
        telecom=[{"system": "phone", "value": "13900000000"}],
    )
    assert http.put("Patient/a", told, his).status_code == 201
    more: dict[str, Any] = {
        "note": [{"text": "n"}],
        "referenceRange": [{"text": "3-6"}],
        "method": {"text": "m"},
    }
    http.put("Observation/o", observation("Patient/a", id="o", **more), his)
    visit = {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
             "subject": {"reference": "Patient/a"}}  # fmt: skip
    http.put("Encounter/e", visit, his)
    return his


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["resource"]["id"] for one in answer.json().get("entry", ())]


def test_summary_true_keeps_what_the_definitions_mark(http: Client, filled: dict[str, str]) -> None:
    """Marked isSummary in https://hl7.org/fhir/R4/patient.html and observation.html, read by eye."""
    whole = http.get("Patient/a", filled).json()
    summed = http.get("Patient/a?_summary=true", filled).json()
    assert set(summed) == {
        "resourceType", "id", "meta", "identifier", "name", "gender", "birthDate", "telecom",
        "managingOrganization",
    }  # fmt: skip
    assert [one["code"] for one in summed["meta"]["tag"]] == [SUBSETTED]
    assert all(summed[name] == whole[name] for name in set(summed) - {"meta"})
    [entry] = http.get("Observation?_id=o&_summary=true", filled).json()["entry"]
    assert set(entry["resource"]) == {
        "resourceType", "id", "meta", "status", "code", "subject", "effectiveDateTime", "valueQuantity",
    }  # fmt: skip
    for resource in (summed, entry["resource"]):
        assert not [one for one in validate(resource) if one.severity == "error"]


@pytest.mark.parametrize(
    ("summary", "there", "gone"),
    [
        ("text", {"text", "id", "meta"}, {"name", "contact"}),
        ("data", {"name", "contact", "photo"}, {"text"}),
        ("false", {"text", "name", "contact", "photo"}, set[str]()),
    ],
)
def test_other_summaries(
    http: Client, filled: dict[str, str], summary: str, there: set[str], gone: set[str]
) -> None:
    for resource in (
        http.get(f"Patient/a?_summary={summary}", filled).json(),
        http.get(f"Patient?_summary={summary}", filled).json()["entry"][0]["resource"],
    ):
        assert there <= set(resource) and not gone & set(resource)
        tags = [one["code"] for one in resource["meta"].get("tag", ())]
        assert tags == ([] if summary == "false" else [SUBSETTED])


def test_counting(http: Client, filled: dict[str, str]) -> None:
    for query in ("_summary=count", "_count=0"):
        answer = http.get(f"Patient?{query}", filled).json()
        assert answer["total"] == 1 and "entry" not in answer
    assert http.get("Patient", filled).json()["total"] == 1
    assert http.get("Organization?_count=1&_total=accurate", filled).json()["total"] == 2
    assert "total" not in http.get("Organization?_count=1&_total=none", filled).json()


def test_several_types(http: Client, filled: dict[str, str], world: World) -> None:
    assert set(found(http.get("?_type=Patient,Encounter", filled))) == {"a", "e"}
    assert found(http.get("?_type=Encounter,Observation&patient=Patient/a&_sort=_id", filled)) == ["e", "o"]
    assert set(found(http.get("?_lastUpdated=gt2020", filled))) == {"a", "e", "o", "h", "w"}
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = http.request("POST", "_search", content=b"_type=Patient&_id=a", headers=filled | form)
    assert found(answer) == ["a"]
    first = http.get("?_type=Patient,Encounter,Observation&_count=2", filled).json()
    following = next(one["url"] for one in first["link"] if one["relation"] == "next")
    assert len(found(http.get(following, filled))) == 1
    for bad in (
        "?_type=Nothing",
        "?_type=Person",
        "?_type=Patient,Encounter&gender=male",
        "?_type=Patient&x=y",
    ):
        assert http.get(bad, filled).status_code == 400, bad
    planner = bearer(world.token(world.account("planner")))
    assert http.get("?_type=Patient,Observation", planner).status_code == 403
    assert set(found(http.get("?_type=Patient,Organization", planner))) == {"h", "w"}


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("", True),
        ("name=王", True),
        ("name=赵,王小", True),
        ("name=赵", False),
        ("birthdate=1980-02", True),
        ("birthdate=ge1980-02-03&birthdate=le1980-02-03", True),
        ("birthdate=gt1980-02-03", False),
        ("birthdate=ne1980-02-03", False),
        ("gender=male", True),
        ("gender=http://hl7.org/fhir/administrative-gender|female", False),
        ("identifier=urn:h1:mrn|1001", True),
        ("identifier=9999", False),
        ("phone=13900000000", True),
        ("telecom=phone|13900000000", True),
        ("patient=Patient/a", True),
        ("link=a", True),
        ("link=b", False),
        ("_lastUpdated=gt2020-01-01", True),
        ("_lastUpdated=lt2020-01-01", False),
        ("_id=00000000-0000-0000-0000-000000000000", False),
        ("_id=x", False),
    ],
)
def test_persons_are_searched(
    http: Client, filled: dict[str, str], world: World, query: str, matches: bool
) -> None:
    doctor = bearer(world.token(world.account("clinician", institution=world.hospital)))
    person = str(Person.objects.get().pk)
    answer = http.get(f"Person?{query}", doctor)
    assert found(answer) == ([person] if matches else [])
    assert answer.json()["total"] == int(matches)
    other = bearer(world.token(world.account("clinician", institution=world.other)))
    assert found(http.get(f"Person?{query}", other)) == []
    assert found(http.get(f"Person?_id={person}", doctor)) == [person]


def test_what_persons_are_not_searched_by(http: Client, filled: dict[str, str], world: World) -> None:
    doctor = bearer(world.token(world.account("clinician", institution=world.hospital)))
    for bad in ("colour=red", "name:exact=王", "birthdate=soon", "name=", "_cursor=x"):
        assert http.get(f"Person?{bad}", doctor).status_code == 400, bad
    lenient = http.get("Person?colour=red", doctor | {"prefer": "handling=lenient"})
    assert len(found(lenient)) == 1
    assert http.get("Person", bearer(world.token(world.account("planner")))).status_code == 403


@pytest.mark.parametrize("name", ["_text", "_content", "_filter", "_query"])
@pytest.mark.parametrize("handling", ["strict", "lenient"])
def test_what_is_not_served_is_said(http: Client, filled: dict[str, str], name: str, handling: str) -> None:
    answer = http.get(f"Patient?{name}=x", filled | {"prefer": f"handling={handling}"})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["code"] == "not-supported"
    said = orjson.loads(http.get("metadata", {}).content)["rest"][0]["documentation"]
    assert name in said


def test_forms_of_answers(http: Client, filled: dict[str, str]) -> None:
    plain = http.get("Patient/a", filled)
    pretty = http.get("Patient/a?_pretty=true&_format=json", filled)
    assert pretty.content.count(b"\n") > 10 and pretty.json() == plain.json()
    assert http.get("Patient?_pretty=true", filled).content.count(b"\n") > 10
    assert http.get("Patient/a?_format=application/fhir%2Bjson", filled).status_code == 200
    assert http.get("Patient/a?_format=xml", filled).status_code == 406
    head = http.request("HEAD", "Patient/a", headers=filled)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", 'W/"1"')
    assert http.request("HEAD", "Patient?_id=a", headers=filled).status_code == 200
    body = patient(id="p")
    for wanted, there in (
        ("minimal", b""),
        ("representation", b"Patient"),
        ("OperationOutcome", b"OperationOutcome"),
    ):
        answer = http.put("Patient/p", {**body, "gender": "other", "active": wanted == "minimal"},
                          filled | {"prefer": f"return={wanted}"})  # fmt: skip
        assert answer.is_success and (there in answer.content if there else answer.content == b"")
    patch = http.request("PATCH", "Patient/a", content=b"<diff/>",
                         headers=filled | {"content-type": "application/xml-patch+xml"})  # fmt: skip
    assert patch.status_code == 415 and "JSON Patch" in patch.text


def test_includes_that_go_on(http: Client, filled: dict[str, str]) -> None:
    answer = http.get(
        "Observation?_include=Observation:patient&_include:iterate=Patient:organization"
        "&_include:iterate=Organization:partof&_revinclude:iterate=Encounter:subject",
        filled,
    ).json()
    modes = {one["resource"]["id"]: one["search"]["mode"] for one in answer["entry"]}
    assert modes == {"o": "match", "a": "include", "w": "include", "h": "include", "e": "include"}
    assert http.get("Patient?_summary=text&_include=Patient:organization", filled).status_code == 400


def test_everything_of_a_time(http: Client, filled: dict[str, str]) -> None:
    visit = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
             "subject": {"reference": "Patient/a"}}  # fmt: skip
    for id, start, end in (("e24", "2024-03-01", "2024-03-05"), ("e25", "2025-01-01", "2025-02-01")):
        http.put(f"Encounter/{id}", {**visit, "id": id, "period": {"start": start, "end": end}}, filled)
    undated = {"a", "e", "w"}  # the Patient, the visit without a date, and her ward
    for query, dated in (
        ("", {"o", "e24", "e25"}),
        ("?start=2026", {"o"}),
        ("?end=2024", {"e24"}),
        ("?start=2024-03-05&end=2025-01-15", {"e24", "e25"}),
        ("?start=2024-03-06&end=2024-12-31", set[str]()),
    ):
        answer = http.get(f"Patient/a/$everything{query}", filled)
        assert set(found(answer)) == undated | dated, query
    assert set(found(http.get("Patient/a/$everything?_type=Encounter&end=2024", filled))) == {"e", "e24"}
    assert http.get("Patient/a/$everything?start=soon", filled).status_code == 400
