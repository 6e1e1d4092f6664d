"""A small city in the database with two hospitals, and what they send of infectious patients."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from salus.kernel.models import District, Institution
from salus.kernel.policy import Grant, Principal, system_principal
from salus.prevention.services.notifiable import arising
from salus.record import identity, store
from salus.record.store import Write
from tests.insurance.claims.world import resident_number

NOW = datetime(2026, 3, 5, 9, tzinfo=UTC)
CITY, EAST, WEST = "440100", "440104", "440105"
SYSTEM = system_principal("test")
ICD10, LOINC = "http://hl7.org/fhir/sid/icd-10", "http://loinc.org"
STATUS = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


@dataclass
class World:
    """Two hospitals in two districts, and residents 0 to 5 of the eastern district."""

    east: Institution
    west: Institution
    persons: list[UUID]


def patient(number: int) -> Write:
    """Return a resident as a hospital's system sends her."""
    body = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": resident_number(number)}],
        "name": [{"text": f"李小{number}", "family": "李", "given": [f"小{number}"]}],
        "gender": "female", "birthDate": "1980-02-03",
        "address": [{"use": "home", "text": "东山街1号", "district": EAST,
                     "extension": [{"url": "urn:salus:extension:district", "valueCode": EAST}]}],
    }  # fmt: skip
    return Write("Patient", f"n{number}", body, source_id=1)


def visit(number: str, who: int, place: str) -> Write:
    """Return the Encounter of a visit to an institution."""
    body = {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/n{who}"},
        "serviceProvider": {"identifier": {"system": "urn:salus:institution", "value": place}},
    }  # fmt: skip
    return Write("Encounter", number, body, source_id=1)


def diagnosis(
    number: str, who: int, code: str, at: str, *, status: str = "confirmed", place: str = "", **more: Any
) -> Write:
    """Return the Condition of a diagnosis."""
    body = {
        "resourceType": "Condition",
        "verificationStatus": {"coding": [{"system": STATUS, "code": status}]},
        "code": {"coding": [{"system": ICD10, "code": code}]},
        "subject": {"reference": f"Patient/n{who}"}, "recordedDate": at,
    } | more  # fmt: skip
    if place:
        body["encounter"] = {"reference": f"Encounter/{place}"}
    return Write("Condition", number, body, source_id=1)


def lab(number: str, who: int, name: str, result: str, at: str, loinc: str = "") -> Write:
    """Return the Observation of a test."""
    body = {
        "resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": LOINC, "code": loinc}] if loinc else [], "text": name},
        "subject": {"reference": f"Patient/n{who}"}, "issued": at, "valueString": result,
    }  # fmt: skip
    return Write("Observation", number, body, source_id=1)


def send(*writes: Write, now: datetime = NOW) -> None:
    """Store what a hospital sends, link its patients, and let the cases arise."""
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, list(writes), now=now)
        identity.link_patients(cursor, [one for one in written if one.type == "Patient"])
    arise(now)


def arise(now: datetime = NOW) -> None:
    """Let the cases arise that the record speaks of."""
    arising.catch_up(now=now)


def build(residents: int = 6) -> World:
    """Build the city."""
    for code, name in ((CITY, "广州市"), (EAST, "越秀区"), (WEST, "海珠区")):
        District.objects.get_or_create(code=code, defaults={"name": name, "level": "district"})
    east, west = (
        Institution.objects.create(
            code=code, name=name, name_en=english, kind="general_hospital", district_id=district
        )
        for code, name, english, district in (
            ("HE", "东医院", "East Hospital", EAST), ("HW", "西医院", "West Hospital", WEST),
        )
    )  # fmt: skip
    writes = [patient(n) for n in range(residents)]
    with transaction.atomic(), connection.cursor() as cursor:
        written = store.write(cursor, writes, now=NOW)
        links = identity.link_patients(cursor, written)
    return World(east, west, [link.person_id for link in links])


def epidemiologist(district: str | None = None, *sensitive: str) -> Principal:
    """Return an epidemiologist of a district, or of the whole city."""
    return Principal(
        name="epi", roles=frozenset({"epidemiologist"}), purpose="PUBHLTH", account_id=1,
        district_codes=frozenset({district}) if district else frozenset(), sensitive=frozenset(sensitive),
        grants=(Grant("epidemiologist", None, district, frozenset(sensitive)),),
    )  # fmt: skip


def clinician(institution: Institution) -> Principal:
    """Return a hospital's infection officer."""
    return Principal(
        name=f"infection-{institution.code}", roles=frozenset({"clinician"}), account_id=2,
        institution_ids=frozenset({institution.pk}),
        grants=(Grant("clinician", institution.pk, None),),
    )  # fmt: skip


def village_doctor(district: str) -> Principal:
    """Return a village doctor of a district."""
    return Principal(
        name="village", roles=frozenset({"village_doctor"}), account_id=3,
        district_codes=frozenset({district}), grants=(Grant("village_doctor", None, district),),
    )  # fmt: skip
