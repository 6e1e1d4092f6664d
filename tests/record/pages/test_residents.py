"""The residents' pages: search, record, versions, correction, emergency access, who read it."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from salus.kernel.models import Account, AuditRow, BreakGlass, Institution, RoleGrant
from salus.record import identity, store
from salus.record.models import Person, Resource
from salus.record.rules.r4 import kind_of
from salus.record.store import Write

pytestmark = pytest.mark.django_db(databases=["default", "audit"])
NUMBER = "110101198002030013"


@pytest.fixture
def hospital() -> Institution:
    return Institution.objects.create(code="H1", name="第一医院", kind="general_hospital")


@pytest.fixture
def person(hospital: Institution) -> Person:
    """A patient in the hospital's care with three glucose results, one of them later corrected by tests."""
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        patient: dict[str, Any] = {
            "resourceType": "Patient",
            "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": NUMBER}],
            "name": [{"text": "王小明", "family": "王", "given": ["小明"]}],
            "gender": "male",
            "birthDate": "1980-02-03",
        }
        written = store.write(cursor, [Write("Patient", "a", patient, source_id=1)], now=now)
        identity.link_patients(cursor, written, institution_id=hospital.pk)
        results = [
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "血糖"},
                "subject": {"reference": "Patient/a"},
                "effectiveDateTime": f"2026-0{month}-01",
                "valueQuantity": {"value": 5.0 + month, "unit": "mmol/L"},
                "referenceRange": [{"low": {"value": 3.9}, "high": {"value": 6.1}}],
            }
            for month in (1, 2, 3)
        ]
        encounter = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB", "display": "门诊"},
            "subject": {"reference": "Patient/a"},
            "period": {"start": "2026-02-01"},
        }
        writes = [Write("Observation", f"o{n}", body, source_id=1) for n, body in enumerate(results)]
        store.write(cursor, [*writes, Write("Encounter", "e", encounter, source_id=1)], now=now)
    return Person.objects.get()


def signed_in(role: str, **fields: Any) -> Client:
    account = Account.objects.create_user(f"{role}-{Account.objects.count()}", **fields)
    RoleGrant.objects.create(account=account, role=role, institution=fields.get("institution"))
    client = Client()
    client.force_login(account)
    return client


def test_search(person: Person, hospital: Institution) -> None:
    doctor = signed_in("clinician", institution=hospital)
    address = reverse("record:residents")
    answer = doctor.post(address, {"text": "王小"}, follow=True)
    assert "王小明" in answer.content.decode()
    assert answer.redirect_chain == [(address, 302)]  # the name is not in the address
    rows = AuditRow.objects.filter(action="search", person_id=person.pk)
    assert rows.exists() and "王" not in rows[0].detail
    assert "王小明" not in doctor.post(address, {"text": "赵"}, follow=True).content.decode()
    stranger = signed_in("clinician", institution=Institution.objects.create(code="H2", name="二院"))
    assert "王小明" not in stranger.post(address, {"identifier": NUMBER}, follow=True).content.decode()
    assert signed_in("planner").get(address).status_code == 403


def test_record(person: Person, hospital: Institution) -> None:
    doctor = signed_in("clinician", institution=hospital)
    shown = doctor.get(reverse("record:resident", args=[person.pk]))
    text = shown.content.decode()
    assert "血糖" in text and "Outpatient visit" in text and "7.0 mmol/L" in text
    labs = doctor.get(reverse("record:resident-section", args=[person.pk, "labs"])).content.decode()
    assert "<svg" in labs and "Outpatient visit" not in labs
    assert doctor.get(reverse("record:resident-section", args=[person.pk, "nothing"])).status_code == 404
    assert AuditRow.objects.filter(action="read", person_id=person.pk, outcome="ok").count() == 2


@pytest.mark.parametrize(
    ("role", "own", "status"),
    [
        ("resident", True, 200),
        ("resident", False, 404),
        ("clinician", False, 404),
        ("village_doctor", False, 404),
        ("planner", False, 403),
        ("auditor", False, 403),
        ("integrator", False, 403),
    ],
)
def test_who_sees_a_record(person: Person, role: str, own: bool, status: int) -> None:
    other = Institution.objects.create(code="H2", name="二院")
    reader = signed_in(role, institution=other, person_id=person.pk if own else None)
    for address in (
        reverse("record:resident", args=[person.pk]),
        reverse("record:resource", args=["Observation", "o1"]),
    ):
        answer = reader.get(address)
        assert answer.status_code == status
        if status != 200:
            assert "王小明" not in answer.content.decode()


def test_correction(person: Person, hospital: Institution) -> None:
    doctor = signed_in("clinician", institution=hospital)
    address = reverse("record:resource-correct", args=["Observation", "o1"])
    wrong = {"field": "/valueQuantity/value", "value": "many", "reason": "typed into the wrong row"}
    assert doctor.post(address, wrong).status_code == 200
    assert doctor.post(address, wrong | {"value": "6.1", "reason": "short"}).status_code == 200
    assert doctor.post(address, wrong | {"value": "6.1"}).status_code == 302
    shown = doctor.get(reverse("record:resource", args=["Observation", "o1"])).content.decode()
    assert "6.1" in shown and "valueQuantity.value" in shown
    row = Resource.objects.get(id="o1")
    assert (row.version, row.source_id) == (2, 1)
    provenance = Resource.objects.get(kind=kind_of("Provenance"), person_id=person.pk)
    assert b"wrong row" in bytes(provenance.body)
    assert AuditRow.objects.filter(action="correct", person_id=person.pk).exists()
    resident = signed_in("resident", person_id=person.pk)
    assert resident.get(address).status_code == 403


def test_emergency(person: Person, hospital: Institution) -> None:
    other = Institution.objects.create(code="H2", name="二院")
    doctor = signed_in("clinician", institution=other)
    record = reverse("record:resident", args=[person.pk])
    assert doctor.get(record).status_code == 404
    form = {"identifier": NUMBER, "reason": "unconscious, no relatives"}
    assert doctor.post(reverse("record:emergency-access"), form | {"identifier": "1"}).status_code == 200
    answer = doctor.post(reverse("record:emergency-access"), form)
    assert (answer.status_code, answer["location"]) == (302, record)
    assert BreakGlass.objects.filter(person_id=person.pk).exists()
    assert doctor.get(record).status_code == 200
    assert AuditRow.objects.filter(action="read", person_id=person.pk, break_glass=True).exists()


def test_who_read_my_record(person: Person, hospital: Institution) -> None:
    signed_in("clinician", institution=hospital).get(reverse("record:resident", args=[person.pk]))
    resident = signed_in("resident", person_id=person.pk)
    assert resident.get(reverse("record:my-record"))["location"] == reverse(
        "record:resident", args=[person.pk]
    )
    shown = resident.get(reverse("record:my-readers")).content.decode()
    assert "第一医院" in shown
    assert signed_in("resident").get(reverse("record:my-record")).status_code == 200
    assert signed_in("clinician", institution=hospital).get(reverse("record:my-readers")).status_code == 403
