"""The International Patient Summary, held against the guide's own list of slices and codes."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from salus.kernel.models import AuditRow
from salus.record.validate import validate
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient

pytestmark = pytest.mark.django_db(databases=DATABASES)
# https://hl7.org/fhir/uv/ips/STU2/StructureDefinition-Composition-uv-ips.html: section slices and their codes
REQUIRED = {"11450-4", "48765-2", "10160-0"}
RECOMMENDED = {"11369-6", "30954-2", "47519-4", "46264-8"}
OPTIONAL = {"11348-0", "8716-3", "29762-2", "42348-3", "104605-1", "47420-5", "10162-6", "81338-6", "18776-5"}
HELD = {
    "11450-4": {"Condition"},
    "48765-2": {"AllergyIntolerance"},
    "10160-0": {"MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"},
    "11369-6": {"Immunization"},
    "30954-2": {"Observation", "DiagnosticReport"},
    "47519-4": {"Procedure"},
    "46264-8": {"DeviceUseStatement"},
    "11348-0": {"Condition"},
    "8716-3": {"Observation"},
    "29762-2": {"Observation"},
}
NUMBER = "110101198002030013"
SUBJECT = {"subject": {"reference": "Patient/a"}}
STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def coded(code: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}], "text": text or code}


def condition(code: str, status: str = "active", of: str = "a", **more: Any) -> dict[str, Any]:
    clinical = {"clinicalStatus": {"coding": [{"system": STATUS, "code": status}]}} if status else {}
    return {"resourceType": "Condition", "code": coded(code), "subject": {"reference": f"Patient/{of}"},
            **clinical, **more}  # fmt: skip


RECORD: dict[str, dict[str, Any]] = {
    "org": {"resourceType": "Organization", "name": "第一医院"},
    "doc": {"resourceType": "Practitioner", "name": [{"text": "李医生"}]},
    "dev": {"resourceType": "Device", "type": {"text": "起搏器"}, "patient": {"reference": "Patient/a"}},
    "c1": condition("I10", recorder={"reference": "Practitioner/doc"},
                    encounter={"reference": "Encounter/e"}),
    "c2": condition("J45.0", "resolved"),
    "c3": condition("E11", "", verificationStatus={"coding": [{"code": "entered-in-error"}]}),
    "c4": condition("E78", ""),
    "e": {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, **SUBJECT},
    "al": {"resourceType": "AllergyIntolerance", "code": {"text": "青霉素 & <others>"},
           "patient": {"reference": "Patient/a"}, "recorder": {"reference": "Practitioner/doc"}},
    "m1": {"resourceType": "MedicationRequest", "status": "active", "intent": "order",
           "medicationCodeableConcept": {"text": "氨氯地平"}, "authoredOn": "2026-10-01",
           "requester": {"reference": "Practitioner/doc"}, **SUBJECT},
    "m2": {"resourceType": "MedicationRequest", "status": "completed", "intent": "order",
           "medicationCodeableConcept": {"text": "阿莫西林"}, "authoredOn": "2015-10-01", **SUBJECT},
    "m3": {"resourceType": "MedicationStatement", "status": "entered-in-error",
           "medicationCodeableConcept": {"text": "阿司匹林"}, **SUBJECT},
    "im": {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "流感疫苗"},
           "patient": {"reference": "Patient/a"}, "occurrenceDateTime": "2026-09-01",
           "manufacturer": {"reference": "Organization/org"}},
    "o1": observation("Patient/a", 5.5, effectiveDateTime="2026-01-01"),
    "o2": observation("Patient/a", 7.25, effectiveDateTime="2026-06-01"),
    "vs": observation("Patient/a", 71, code={"text": "心率"}, effectiveDateTime="2026-06-01",
                      category=[{"coding": [{"code": "vital-signs"}]}]),
    "dr": {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "血糖"},
           "effectiveDateTime": "2026-06-01", "result": [{"reference": "Observation/o2"}], **SUBJECT},
    "pr": {"resourceType": "Procedure", "status": "completed", "code": {"text": "阑尾切除术"},
           "performedDateTime": "2020-01-01", **SUBJECT},
    "du": {"resourceType": "DeviceUseStatement", "status": "active", "device": {"reference": "Device/dev"},
           **SUBJECT},
}  # fmt: skip


@pytest.fixture
def doctor(http: Client, world: World, his: dict[str, str]) -> dict[str, str]:
    """A clinician of the first hospital; the second one knows the same person under another number."""
    ids = [{"system": "urn:oid:2.16.156.10011.1.3", "value": NUMBER}]
    assert http.put("Patient/a", patient(id="a", identifier=ids), his).status_code == 201
    for id, body in RECORD.items():
        answer = http.put(f"{body['resourceType']}/{id}", {**body, "id": id}, his)
        assert answer.status_code == 201, (id, answer.text)
    other = bearer(world.sources["his-2"].token)
    more = [*ids, {"system": "urn:h2:mrn", "value": "77"}]
    assert http.put("Patient/b", patient(id="b", identifier=more), other).status_code == 201
    for id, body in (
        ("c9", condition("I10", of="b", onsetDateTime="2026-02-01")),
        ("c8", condition("N18", of="b")),
    ):
        assert http.put(f"Condition/{id}", {**body, "id": id}, other).status_code == 201
    return bearer(world.token(world.account("clinician", institution=world.hospital)))


def checked(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a document's resources by their address, after trying what holds for every summary."""
    assert [one for one in validate(document) if one.severity == "error"] == []
    assert document["type"] == "document" and document["timestamp"] and document["identifier"]["value"]
    entries = {one["fullUrl"]: one["resource"] for one in document["entry"]}
    assert len(entries) == len(document["entry"])
    composition = document["entry"][0]["resource"]
    assert composition["resourceType"] == "Composition" and composition["status"] == "final"
    assert composition["type"]["coding"][0] == {
        "system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document",
    }  # fmt: skip
    assert composition["author"] and composition["title"] and composition["date"]
    by_name = {"/".join(url.split("/")[-2:]): resource for url, resource in entries.items()}
    assert by_name[composition["subject"]["reference"]]["resourceType"] == "Patient"
    for url, resource in entries.items():
        assert url.endswith(f"/fhir/{resource['resourceType']}/{resource['id']}")
        assert [one for one in validate(resource) if one.severity == "error"] == []
        for name in re.findall(r"'reference': '([^']*)'", str(resource)):
            assert name in by_name, f"{name} of {url} is not in the document"
    codes: dict[str, dict[str, Any]] = {}
    for section in composition["section"]:
        [coding] = section["code"]["coding"]
        assert coding["system"] == "http://loinc.org" and coding["code"] not in codes
        codes[coding["code"]] = section
        assert section["title"] and section["text"]["status"] == "generated"
        assert ElementTree.fromstring(section["text"]["div"]).tag == "{http://www.w3.org/1999/xhtml}div"  # noqa: S314
        assert bool(section.get("entry")) != bool(section.get("emptyReason"))  # cmp-2
        for one in section.get("entry", ()):
            assert by_name[one["reference"]]["resourceType"] in HELD[coding["code"]]
    assert set(codes) >= REQUIRED | RECOMMENDED
    assert set(codes) <= REQUIRED | RECOMMENDED | OPTIONAL
    return by_name


def held(document: dict[str, Any], code: str) -> set[str]:
    sections = document["entry"][0]["resource"]["section"]
    found = [one for one in sections if one["code"]["coding"][0]["code"] == code]
    return {each["reference"].partition("/")[2] for one in found for each in one.get("entry", ())}


def test_the_summary_of_a_person_known_in_two_hospitals(http: Client, doctor: dict[str, str]) -> None:
    answer = http.get("Patient/a/$summary", doctor)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    by_name = checked(document)
    assert "display" not in by_name["DeviceUseStatement/du"]["device"]
    assert held(document, "11450-4") == {"c9", "c4", "c8"}  # I10 once, the newer; not the wrong one
    assert held(document, "11348-0") == {"c2"}
    assert held(document, "48765-2") == {"al"}
    assert held(document, "10160-0") == {"m1"}
    assert held(document, "11369-6") == {"im"}
    assert held(document, "30954-2") == {"o2", "dr"}
    assert held(document, "8716-3") == {"vs"}
    assert held(document, "47519-4") == {"pr"}
    assert held(document, "46264-8") == {"du"}
    values = {one["value"] for one in by_name["Patient/a"]["identifier"]}
    assert values == {NUMBER, "77"} and "Patient/b" not in by_name
    assert by_name["Condition/c8"]["subject"]["reference"] == "Patient/a"
    assert {"Practitioner/doc", "Organization/org", "Device/dev"} <= set(by_name)
    assert b"7.25" in answer.content and "青霉素 &amp; &lt;others&gt;" in str(document)
    row = AuditRow.objects.filter(action="search", resource_type="Patient", outcome="ok").last()
    assert row is not None and "$summary" in row.detail


def test_a_record_of_which_nothing_is_known(http: Client, his: dict[str, str]) -> None:
    bare = {"resourceType": "Patient", "id": "n", "identifier": [{"value": "1"}]}
    assert http.put("Patient/n", bare, his).status_code == 201
    document = http.get("Patient/n/$summary", his).json()
    by_name = checked(document)
    for section in document["entry"][0]["resource"]["section"]:
        assert section["emptyReason"]["coding"][0]["code"] == "unavailable"
    assert by_name["Patient/n"]["_birthDate"]["extension"][0]["valueCode"] == "unknown"


def test_what_may_not_be_seen_is_not_in_it(
    http: Client, world: World, his: dict[str, str], doctor: dict[str, str]
) -> None:
    sensitive = {**condition("B20"), "id": "hiv"}
    http.put("Condition/hiv", sensitive, his)
    assert "hiv" not in held(http.get("Patient/a/$summary", doctor).json(), "11450-4")
    assert "hiv" in held(http.get("Patient/a/$summary", his).json(), "11450-4")
    narrow = world.account("clinician", institution=world.hospital)
    only = bearer(world.token(narrow, "user/Patient.rs user/AllergyIntolerance.rs"))
    document = http.get("Patient/a/$summary", only).json()
    checked(document)
    assert held(document, "48765-2") == {"al"} and not held(document, "11450-4")
    third = bearer(world.token(world.account("clinician")))
    assert http.get("Patient/a/$summary", third).status_code == 404
    assert http.get("Patient/nobody/$summary", doctor).status_code == 404
    assert http.get("Patient/a/$summary", bearer(world.token(world.account("planner")))).status_code == 403


def test_by_identifier(http: Client, doctor: dict[str, str]) -> None:
    found = http.get(f"Patient/$summary?identifier=urn:oid:2.16.156.10011.1.3|{NUMBER}", doctor)
    assert found.status_code == 200
    checked(found.json())
    assert http.get("Patient/$summary?identifier=nobody", doctor).status_code == 404
    assert http.get("Patient/$summary", doctor).status_code == 400
    assert http.get("Patient/a/$summary?colour=red", doctor).status_code == 400


def test_the_summary_of_a_synthetic_life(http: Client, his: dict[str, str], shared: Path) -> None:
    """A whole Synthea record: each active problem and each vaccination is there, once."""
    files = list((shared / "record" / "synthea-r4-bundles").rglob("*.json"))
    if not files:
        pytest.skip("no Synthea bundles in the reference data")
    bundle = orjson.loads(min(files, key=lambda file: file.stat().st_size).read_bytes())
    answer = http.post("", bundle, his)
    assert answer.status_code == 200, answer.text[:500]
    [id] = [one["response"]["location"].split("/")[-3] for one in answer.json()["entry"]
            if "/Patient/" in one["response"]["location"]]  # fmt: skip
    document = http.get(f"Patient/{id}/$summary", his).json()
    by_name = checked(document)
    sent = [one["resource"] for one in bundle["entry"]]
    active = {
        one["code"]["coding"][0]["code"]
        for one in sent
        if one["resourceType"] == "Condition" and one["clinicalStatus"]["coding"][0]["code"] == "active"
    }
    problems = {by_name[f"Condition/{one}"]["code"]["coding"][0]["code"] for one in held(document, "11450-4")}
    assert problems == active
    vaccines = {(one["vaccineCode"]["coding"][0]["code"], one["occurrenceDateTime"][:10])
                for one in sent if one["resourceType"] == "Immunization"}  # fmt: skip
    assert len(held(document, "11369-6")) == len(vaccines)
