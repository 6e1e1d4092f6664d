"""Create, read, update, patch, delete and histories, over HTTP."""

import uuid

import pytest

from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)


def code(response: object) -> str:
    return response.json()["issue"][0]["code"]  # type: ignore[attr-defined]


def test_life_of_a_resource(http: Client, his: dict[str, str]) -> None:
    made = http.post("Patient", patient(), his)
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    assert made.headers["location"].endswith(f"/fhir/Patient/{id}/_history/1")
    assert made.headers["etag"] == 'W/"1"'

    read = http.get(f"Patient/{id}", his)
    assert read.status_code == 200
    assert read.content == made.content
    assert read.json()["meta"]["versionId"] == "1"
    assert read.headers["content-type"].startswith("application/fhir+json")
    assert http.get(f"Patient/{id}", his | {"if-none-match": 'W/"1"'}).status_code == 304
    assert (
        http.get(f"Patient/{id}", his | {"if-modified-since": read.headers["last-modified"]}).status_code
        == 304
    )

    changed = http.put(f"Patient/{id}", patient(id=id, gender="female"), his)
    assert (changed.status_code, changed.headers["etag"]) == (200, 'W/"2"')
    same = http.put(f"Patient/{id}", patient(id=id, gender="female"), his)
    assert (same.status_code, same.headers["etag"]) == (200, 'W/"2"')
    assert http.get(f"Patient/{id}/_history/1", his).json()["gender"] == "male"
    assert http.get(f"Patient/{id}/_history/3", his).status_code == 404

    assert http.delete(f"Patient/{id}", his).status_code == 204
    assert http.delete(f"Patient/{id}", his).status_code == 204
    gone = http.get(f"Patient/{id}", his)
    assert (gone.status_code, code(gone)) == (410, "deleted")
    assert http.get(f"Patient/{id}/_history/3", his).status_code == 410

    history = http.get(f"Patient/{id}/_history", his).json()
    assert [one["request"]["method"] for one in history["entry"]] == ["DELETE", "PUT", "POST"]
    assert [one["response"]["etag"] for one in history["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']

    back = http.put(f"Patient/{id}", patient(id=id), his)
    assert (back.status_code, back.headers["etag"]) == (201, 'W/"4"')


def test_update_as_create(http: Client, his: dict[str, str]) -> None:
    made = http.put("Patient/my-own.id-1", patient(id="my-own.id-1"), his)
    assert (made.status_code, made.json()["id"]) == (201, "my-own.id-1")
    assert http.put("Patient/my-own.id-1", patient(id="other"), his).status_code == 400
    assert http.put("Patient/my-own.id-1", patient(), his).status_code == 200


def test_if_match(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a"), his)
    assert http.put("Patient/a", patient(id="a", active=True), his | {"if-match": 'W/"2"'}).status_code == 412
    assert http.put("Patient/a", patient(id="a", active=True), his | {"if-match": 'W/"1"'}).status_code == 200
    assert http.put("Patient/a", patient(id="a"), his | {"if-match": "nonsense"}).status_code == 400
    assert http.put("Patient/new", patient(id="new"), his | {"if-match": 'W/"1"'}).status_code == 412
    assert http.put("Patient/a", patient(id="a"), his | {"if-none-match": "*"}).status_code == 412
    assert http.put("Patient/b", patient(id="b"), his | {"if-none-match": "*"}).status_code == 201
    assert http.delete("Patient/a", his | {"if-match": 'W/"1"'}).status_code == 412
    assert http.delete("Patient/a", his | {"if-match": 'W/"2"'}).status_code == 204


def test_prefer(http: Client, his: dict[str, str]) -> None:
    minimal = http.post("Patient", patient(), his | {"prefer": "return=minimal"})
    assert (minimal.status_code, minimal.content) == (201, b"")
    assert minimal.headers["location"]
    said = http.post("Patient", patient(), his | {"prefer": "return=OperationOutcome"})
    assert said.json()["resourceType"] == "OperationOutcome"


def test_patch(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a"), his)
    headers = his | {"content-type": "application/json-patch+json"}
    change = b'[{"op":"replace","path":"/gender","value":"female"}]'
    done = http.request("PATCH", "Patient/a", content=change, headers=headers)
    assert (done.status_code, done.json()["gender"], done.headers["etag"]) == (200, "female", 'W/"2"')
    stale = http.request("PATCH", "Patient/a", content=change, headers=headers | {"if-match": 'W/"1"'})
    assert stale.status_code == 412
    bad = http.request(
        "PATCH", "Patient/a", content=b'[{"op":"replace","path":"/gender","value":"blue"}]', headers=headers
    )
    assert bad.status_code == 422
    assert http.request("PATCH", "Patient/none", content=change, headers=headers).status_code == 404
    assert http.request("PATCH", "Patient/a", content=change, headers=his).status_code == 415


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", "application/fhir+json", 400),
        (b"{", "application/fhir+json", 400),
        (b"[]", "application/fhir+json", 400),
        (b"{}", "application/fhir+json", 400),
        (b'{"resourceType":"Patient"}', "text/plain", 415),
        (b"<Patient/>", "application/fhir+xml", 400),
        (b"<!DOCTYPE a><Patient xmlns='http://hl7.org/fhir'/>", "application/fhir+xml", 400),
        (b"<Patient xmlns='http://hl7.org/fhir'><active value='x'/></Patient>", "application/fhir+xml", 400),
        (b"<Patient xmlns='http://hl7.org/fhir'><gender value='x'/></Patient>", "application/fhir+xml", 422),
        (b'{"resourceType":"Observation"}', "application/fhir+json", 400),
        (b'{"resourceType":"Patient","gender":"blue"}', "application/fhir+json", 422),
        (b'{"resourceType":"Patient","name":"a"}', "application/fhir+json", 422),
        (b'{"resourceType":"Patient","birthDate":"1980-13-01"}', "application/fhir+json", 422),
        (b'{"resourceType":"Patient","a":' + b"[" * 200 + b"]" * 200 + b"}", "application/fhir+json", 400),
    ],
)
def test_refused_bodies(http: Client, his: dict[str, str], body: bytes, media: str, status: int) -> None:
    answer = http.request("POST", "Patient", content=body, headers=his | {"content-type": media})
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_bodies_may_be_xml(http: Client, his: dict[str, str]) -> None:
    headers = his | {"content-type": "application/fhir+xml; charset=utf-8"}
    inside = b"<active value='true'/><name><given value='A'/></name>"
    body = b"<Patient xmlns='http://hl7.org/fhir'>%s</Patient>" % inside
    made = http.request("POST", "Patient", content=body, headers=headers)
    assert made.status_code == 201, made.text
    assert made.headers["content-type"].startswith("application/fhir+json")
    assert (made.json()["active"], made.json()["name"]) == (True, [{"given": ["A"]}])

    entry = b"<resource>%s</resource><request><method value='POST'/><url value='Patient'/></request>" % body
    bundle = (
        b"<Bundle xmlns='http://hl7.org/fhir'><type value='transaction'/><entry>%s</entry></Bundle>" % entry
    )
    done = http.request("POST", "", content=bundle, headers=headers)
    assert done.status_code == 200, done.text
    assert done.json()["entry"][0]["response"]["status"].startswith("201")
    assert http.request("PATCH", "Patient/a", content=b"<x/>", headers=headers).status_code in {404, 415}
    asked = headers | {"accept": "application/fhir+xml"}
    assert http.request("POST", "Patient", content=body, headers=asked).status_code == 406


def test_unknown_elements_are_kept(http: Client, his: dict[str, str]) -> None:
    made = http.post("Patient", patient(favouriteColour="red"), his)
    assert made.status_code == 201
    assert made.json()["favouriteColour"] == "red"


def test_another_sources_id_is_taken(http: Client, world: World, his: dict[str, str]) -> None:
    other = bearer(world.sources["his-2"].token)
    http.put("Patient/a", patient(id="a"), his)
    refused = http.put("Patient/a", patient(id="a"), other)
    assert (refused.status_code, code(refused)) == (409, "conflict")
    assert http.get("Patient/a", other).status_code == 404
    assert http.delete("Patient/a", other).status_code == 404
    assert http.get("Patient/a", his).json()["meta"]["versionId"] == "1"


def test_dependants_belong_to_the_person(http: Client, his: dict[str, str]) -> None:
    from salus.record.models import Resource

    http.put("Patient/a", patient(id="a"), his)
    made = http.post("Observation", observation("http://testserver/fhir/Patient/a"), his)
    assert made.status_code == 201, made.text
    assert made.json()["subject"]["reference"] == "Patient/a"
    persons = set(Resource.objects.values_list("person_id", flat=True))
    assert len(persons) == 1 and isinstance(persons.pop(), uuid.UUID)


def test_no_token_no_answer(http: Client, world: World) -> None:
    assert http.get("metadata", {}).status_code == 200
    for headers in ({}, {"authorization": "Basic eA=="}, {"authorization": "Bearer"}, bearer("unknown")):
        answer = http.get("Patient/a", headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert http.post("Patient", patient(), headers).status_code == 401


def test_wrong_host(http: Client, his: dict[str, str]) -> None:
    assert http.get("http://elsewhere.example/fhir/Patient/a", his).status_code == 400


def test_head(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a"), his)
    answer = http.request("HEAD", "Patient/a", headers=his)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 50


def test_elements_and_summary(http: Client, his: dict[str, str]) -> None:
    http.put("Patient/a", patient(id="a"), his)
    part = http.get("Patient/a?_elements=gender", his).json()
    assert set(part) == {"resourceType", "id", "meta", "gender"}
    assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "text" not in http.get("Patient/a?_summary=data", his).json()
    summary = http.get("Patient/a?_summary=true", his).json()
    assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "text" not in summary and summary["gender"] == part["gender"]
    assert http.get("Patient/a?_summary=some", his).status_code == 400
