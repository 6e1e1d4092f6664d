"""Consents by the FHIR API: written by sources and residents, felt by clinicians at once."""

from typing import Any

import pytest

from salus.kernel.models import AuditRow
from tests.record.fhir.conftest import DATABASES, Client, World, bearer, observation, patient
from tests.record.fhir.test_permissions import person_of

pytestmark = pytest.mark.django_db(databases=DATABASES)


def consent(**provision: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "IDSCL"}]}],
        "patient": {"reference": "Patient/a"},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"type": "deny", **provision},
    }


@pytest.fixture
def doctor(http: Client, world: World, his: dict[str, str]) -> dict[str, str]:
    """A clinician of the hospital that treats Patient/a, who has two results."""
    assert http.put("Patient/a", patient(id="a"), his).status_code == 201
    for number in (1, 2):
        assert http.put(f"Observation/o{number}", observation("Patient/a", id=f"o{number}"), his).is_success
    return bearer(world.token(world.account("clinician", institution=world.hospital)))


def test_a_denial_hides_the_record_as_if_it_were_not_there(
    http: Client, world: World, his: dict[str, str], doctor: dict[str, str]
) -> None:
    absent = http.get("Observation/nothing", doctor)
    assert http.put("Consent/c", {**consent(), "id": "c"}, his).status_code == 201
    refused = http.get("Observation/o1", doctor)
    assert (refused.status_code, refused.json()) == (absent.status_code, absent.json())
    assert AuditRow.objects.filter(action="read", resource_id="o1", outcome="refused").count() == 1
    for address in ("Observation?patient=Patient/a", "Observation?_id=o1,o2", "Patient?_id=a"):
        assert "entry" not in http.get(address, doctor).json(), address
    for address in ("Patient/a/$everything", "Observation/o1/_history", "Observation/o1/_history/1"):
        assert http.get(address, doctor).status_code == 404, address
    changed = http.put("Observation/o1", observation("Patient/a", 9.0, id="o1"), doctor)
    assert changed.status_code == 404
    assert http.post("Observation", observation("Patient/a"), doctor).status_code == 201
    assert http.get("Observation/o1", his).status_code == 200  # who recorded it keeps it
    assert http.get("Consent/c", doctor).status_code == 200
    assert http.put("Consent/c", {**consent(), "id": "c", "status": "inactive"}, doctor).status_code == 403
    assert http.put("Consent/c", {**consent(), "id": "c", "status": "inactive"}, his).status_code == 200
    assert http.get("Observation/o1", doctor).status_code == 200


def test_a_residents_app_says_so_too(
    http: Client, world: World, his: dict[str, str], doctor: dict[str, str]
) -> None:
    me = world.account("resident", person_id=person_of("a"))
    app = bearer(world.token(me, "patient/Consent.cruds patient/*.rs"))
    body = consent(purpose=[{"code": "TREAT"}], **{"class": [{"code": "Observation"}]})
    made = http.post("Consent", body, app)
    assert made.status_code == 201, made.text
    assert http.get("Observation/o1", doctor).status_code == 404
    assert http.get("Patient/a", doctor).status_code == 200
    everything = http.get("Patient/a/$everything", doctor).json()
    assert {one["resource"]["resourceType"] for one in everything["entry"]} == {"Patient", "Consent"}
    narrow = bearer(world.token(me, "patient/*.rs"))
    assert http.post("Consent", body, narrow).status_code == 403
    stranger = {**consent(), "patient": {"reference": "Patient/b"}}
    http.put("Patient/b", patient(id="b", birthDate="1990-01-01", identifier=[]), his)
    assert http.post("Consent", stranger, app).status_code == 403
    back = {**body, "id": made.json()["id"], "status": "inactive"}
    assert http.put(f"Consent/{made.json()['id']}", back, app).status_code == 200
    assert http.get("Observation/o1", doctor).status_code == 200
