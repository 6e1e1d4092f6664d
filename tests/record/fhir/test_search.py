"""Search, conditional writes, `$everything`, `$match` and `$validate`, over HTTP."""

from typing import Any

import pytest

from tests.record.fhir.conftest import DATABASES, FORM, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)

NUMBER = "110101198002030013"


@pytest.fixture
def filled(http: Client, his: dict[str, str]) -> dict[str, str]:
    http.put("Patient/a", patient(id="a"), his)
    http.put(
        "Patient/b", patient(id="b", name=[{"family": "李", "given": ["华"]}], birthDate="1990-05-06"), his
    )
    for number in range(7):
        body = observation(
            "Patient/a", 4.0 + number, id=f"o{number}", effectiveDateTime=f"2026-03-0{number + 1}"
        )
        assert http.put(f"Observation/o{number}", body, his).status_code == 201
    return his


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [
        one["resource"]["id"] for one in answer.json().get("entry", ()) if one["search"]["mode"] == "match"
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Patient?gender=male&_sort=birthdate", ["a", "b"]),
        ("Patient?_sort=-birthdate", ["b", "a"]),
        ("Patient?identifier=urn:h1:mrn|1001&birthdate=1980-02-03", ["a"]),
        ("Patient?family=李", ["b"]),
        ("Patient?birthdate=gt1985", ["b"]),
        ("Patient?_id=b", ["b"]),
        ("Patient?family=赵", []),
        ("Observation?subject=Patient/a&value-quantity=gt8&_sort=date", ["o5", "o6"]),
        ("Observation?patient=a&date=2026-03-02", ["o1"]),
        ("Observation?code=http://loinc.org|15074-8&_sort=-date&_count=2", ["o6", "o5"]),
        ("Observation?subject:Patient.family=王&_sort=date&_count=1", ["o0"]),
    ],
)
def test_search(http: Client, filled: dict[str, str], query: str, found: list[str]) -> None:
    assert ids(http.get(query, filled)) == found


def test_pages_are_stable(http: Client, filled: dict[str, str]) -> None:
    address: str | None = "Observation?_count=3&_total=accurate"
    seen: list[str] = []
    pages = 0
    while address:
        answer = http.get(address, filled)
        assert answer.json().get("total") == (7 if pages == 0 else None)
        seen += ids(answer)
        pages += 1
        if pages == 1:
            http.post("Observation", observation("Patient/a"), filled)
            http.delete("Observation/o0", filled)
        address = next((one["url"] for one in answer.json()["link"] if one["relation"] == "next"), None)
    assert pages == 3
    assert len(seen) == len(set(seen)) == 8
    assert {f"o{n}" for n in range(7)} <= set(seen)


def test_post_search(http: Client, filled: dict[str, str]) -> None:
    answer = http.request(
        "POST", "Patient/_search", content="family=王".encode(), headers=filled | {"content-type": FORM}
    )
    assert ids(answer) == ["a"]
    assert http.post("Patient/_search", {}, filled).status_code == 415


def test_includes(http: Client, filled: dict[str, str]) -> None:
    answer = http.get("Observation?_id=o1&_include=Observation:subject", filled)
    assert [(one["resource"]["id"], one["search"]["mode"]) for one in answer.json()["entry"]] == [
        ("o1", "match"),
        ("a", "include"),
    ]
    answer = http.get("Patient?_id=a&_revinclude=Observation:subject", filled)
    assert len(answer.json()["entry"]) == 8


def test_count_and_elements(http: Client, filled: dict[str, str]) -> None:
    counted = http.get("Observation?_summary=count", filled).json()
    assert counted["total"] == 7 and "entry" not in counted
    part = http.get("Observation?_count=1&_elements=status", filled).json()["entry"][0]["resource"]
    assert set(part) == {"resourceType", "id", "meta", "status", "code"}  # code is mandatory


@pytest.mark.parametrize(
    "query",
    [
        "Patient?colour=red",
        "Patient?birthdate=soon",
        "Patient?_count=many",
        "Patient?_sort=colour",
        "Patient?_cursor=forged",
        "Patient?name:fuzzy=x",
        "Patient?_include=Nothing:x",
        "Patient?gender=%00",
        "Observation?value-quantity=abc",
        "Person?name:exact=x",
    ],
)
def test_bad_searches(http: Client, filled: dict[str, str], query: str) -> None:
    answer = http.get(query, filled)
    assert answer.status_code in {400, 404}, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_lenient_handling(http: Client, filled: dict[str, str]) -> None:
    answer = http.get("Patient?colour=red&_id=a", filled | {"prefer": "handling=lenient"})
    assert ids(answer) == ["a"]
    assert answer.json()["entry"][-1]["search"]["mode"] == "outcome"


def test_conditional_create(http: Client, filled: dict[str, str]) -> None:
    condition = filled | {"if-none-exist": "identifier=urn:h1:mrn|2002"}
    fresh = patient(identifier=[{"system": "urn:h1:mrn", "value": "2002"}])
    assert http.post("Patient", fresh, condition).status_code == 201
    again = http.post("Patient", fresh, condition)
    assert again.status_code == 200
    several = filled | {"if-none-exist": "gender=male"}
    assert http.post("Patient", fresh, several).status_code == 412
    assert http.post("Patient", fresh, filled | {"if-none-exist": "colour=red"}).status_code == 400
    assert http.post("Patient", fresh, filled | {"if-none-exist": ""}).status_code == 412


def test_conditional_update_and_delete(http: Client, filled: dict[str, str]) -> None:
    updated = http.put("Patient?family=李", patient(gender="female"), filled)
    assert (updated.status_code, updated.json()["id"]) == (200, "b")
    made = http.put(
        "Patient?identifier=urn:h1:mrn|9", patient(identifier=[]) | {"identifier": [{"value": "9"}]}, filled
    )
    assert made.status_code == 201
    assert http.put("Patient?gender=male", patient(), filled).status_code == 412
    assert http.put("Patient", patient(), filled).status_code == 412
    assert http.delete("Observation?date=2026-03-01", filled).status_code == 204
    assert http.get("Observation/o0", filled).status_code == 410
    assert http.delete("Observation?subject=Patient/a", filled).status_code == 412
    assert http.delete("Observation", filled).status_code == 412


def test_conditional_reference(http: Client, filled: dict[str, str]) -> None:
    def send(reference: str) -> Any:
        entry = {
            "resource": observation(reference),
            "request": {"method": "POST", "url": "Observation"},
        }
        return http.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, filled)

    done = send("Patient?family=李")
    assert done.json()["entry"][0]["resource"]["subject"]["reference"] == "Patient/b"
    assert send("Patient?family=赵").status_code == 412
    assert send("Patient?gender=male").status_code == 412


def test_everything_follows_the_person(http: Client, filled: dict[str, str], world: World) -> None:
    both = [{"system": "urn:oid:2.16.156.10011.1.3", "value": NUMBER}]
    other = bearer(world.sources["his-2"].token)
    http.put("Patient/x", patient(id="x", identifier=both, birthDate="1980-02-03"), filled)
    http.put("Patient/y", patient(id="y", identifier=both, birthDate="1980-02-03"), other)
    http.put("Observation/oy", observation("Patient/y", id="oy"), other)
    mine = http.get("Patient/x/$everything", filled)
    assert ids(mine) == ["x"]  # a source sees only what it sent
    clinician = world.account("clinician", institution=world.hospital)
    all_of_it = http.get("Patient/x/$everything", bearer(world.token(clinician)))
    assert sorted(ids(all_of_it)) == ["oy", "x", "y"]
    first = http.get("Patient/x/$everything?_count=2", bearer(world.token(clinician)))
    following = next(one["url"] for one in first.json()["link"] if one["relation"] == "next")
    assert sorted(ids(first) + ids(http.get(following, bearer(world.token(clinician))))) == ["oy", "x", "y"]
    narrowed = http.get("Patient/x/$everything?_type=Observation", bearer(world.token(clinician)))
    assert ids(narrowed) == ["oy"]
    assert http.get("Patient/x/$everything?colour=red", filled).status_code == 400
    assert http.get("Patient/none/$everything", filled).status_code == 404


def test_match(http: Client, filled: dict[str, str]) -> None:
    numbered = patient(id="x", identifier=[{"system": "urn:oid:2.16.156.10011.1.3", "value": NUMBER}])
    http.put("Patient/x", numbered, filled)
    asked = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": patient() | numbered}],
    }
    answer = http.post("Patient/$match", asked, filled)
    assert answer.status_code == 200, answer.text
    best = answer.json()["entry"][0]
    assert best["resource"]["id"] == "x"
    assert best["search"]["extension"][0]["valueCode"] == "certain"
    assert http.post("Patient/$match", {"resourceType": "Parameters"}, filled).status_code == 400
    assert http.get("Patient/$match", filled).status_code == 405


def test_validate(http: Client, filled: dict[str, str]) -> None:
    fine = http.post("Patient/$validate", patient(), filled)
    assert fine.json()["issue"][0]["severity"] == "information"
    wrong = http.post("Patient/$validate", patient(gender="blue"), filled)
    assert wrong.status_code == 200
    assert wrong.json()["issue"][0]["severity"] == "error"


def test_histories(http: Client, filled: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a", active=True), filled)
    first = http.get("Patient/_history?_count=2", filled).json()
    assert [one["resource"]["id"] for one in first["entry"]] == ["a", "b"]
    following = next(one["url"] for one in first["link"] if one["relation"] == "next")
    assert [one["request"]["method"] for one in http.get(following, filled).json()["entry"]] == ["POST"]
    assert http.get("Patient/a/_history?_since=2200-01-01T00:00:00Z", filled).json().get("entry") is None
    assert http.get("Patient/a/_history?_since=soon", filled).status_code == 400
    assert http.get("Patient/a/_history?colour=red", filled).status_code == 400


def test_person(http: Client, filled: dict[str, str], world: World) -> None:
    from salus.record.models import Person

    person = Person.objects.order_by("id").first()
    assert person is not None
    resident = world.account("resident", person_id=person.pk)
    answer = http.get(f"Person/{person.pk}", bearer(world.token(resident)))
    assert answer.status_code == 200, answer.text
    assert answer.json()["link"][0]["target"]["reference"].startswith("Patient/")
    other = world.account("resident", person_id=None)
    assert http.get(f"Person/{person.pk}", bearer(world.token(other))).status_code in {403, 404}
    assert http.get("Person/nobody", bearer(world.token(resident))).status_code == 404
    assert http.put(f"Person/{person.pk}", {"resourceType": "Person"}, filled).status_code == 405
