"""FHIR R4 resources as the city's systems send them: one a line, or a Bundle a visit."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson

from salus.city.desks import Sheet
from salus.city.facts import Diagnosis, tests_of
from salus.city.identity import EPOCH
from salus.city.prevention.readings import Kind
from salus.city.systems import System

Resource = dict[str, Any]

RESIDENT_NUMBER = "urn:oid:2.16.156.10011.1.3"
NEWBORN_NUMBER = "urn:salus:id:newborn-temporary"
INSTITUTIONS = "urn:salus:id:institution"
STAFF = "urn:salus:id:staff"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD9CM3 = "http://hl7.org/fhir/sid/icd-9-cm"
ATC = "http://www.whocc.no/atc"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CLASSES = (("AMB", "ambulatory"), ("EMER", "emergency"), ("IMP", "inpatient encounter"))


@lru_cache(maxsize=4096)
def _day(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()


def moment(minute: int) -> str:
    """Return a minute (since 1970-01-01, the city's time) as a FHIR instant."""
    day, rest = divmod(minute, 1440)
    return f"{_day(day)}T{rest // 60:02d}:{rest % 60:02d}:00+08:00"


def date_of(digits: str) -> str:
    """Return YYYYMMDD as a FHIR date."""
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def concept(system: str, code: str, display: str) -> Resource:
    """Return a CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def patient(
    system: System, number: str, sheet: Sheet, stated: int, doctor: tuple[str, str] | None
) -> Resource:
    """Return Patient as stated at a minute; `doctor` is the family doctor's code and name."""
    identifier: list[Resource] = [
        {
            "use": "usual",
            "type": _type("MR", "Medical record number"),
            "system": f"urn:salus:source:{system.code}:mr",
            "value": number,
        }
    ]
    if sheet.number:
        identifier.append({"use": "official", "type": _type("NI", "National unique individual identifier"),
        "system": RESIDENT_NUMBER,
                           "value": sheet.number})  # fmt: skip
    if sheet.newborn:
        identifier.append({"use": "temp", "system": NEWBORN_NUMBER, "value": sheet.newborn})
    names: list[Resource] = [
        {"use": "official", "text": sheet.full_name, "family": sheet.surname, "given": [sheet.given]}
    ]
    made: Resource = {
        "resourceType": "Patient", "id": number, "meta": {"lastUpdated": moment(stated)},
        "identifier": identifier, "active": True,
        "name": names, "gender": "female" if sheet.sex == "F" else "male", "birthDate": date_of(sheet.birth),
    }  # fmt: skip
    if sheet.phone:
        made["telecom"] = [{"system": "phone", "value": sheet.phone, "use": "mobile"}]
    if sheet.address:
        made["address"] = [{"use": "home", "text": sheet.address, "city": "临澜市"}]
    if doctor:
        made["generalPractitioner"] = [
            {
                "type": "Practitioner",
                "identifier": {"system": STAFF, "value": doctor[0]},
                "display": doctor[1],
            }
        ]
    return made


def _type(code: str, display: str) -> Resource:
    return {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code, "display": display}
        ]
    }


def institution(code: str, name: str) -> Resource:
    """Return a logical reference to an institution of the city's register."""
    return {"type": "Organization", "identifier": {"system": INSTITUTIONS, "value": code}, "display": name}


def practitioner(code: str, name: str) -> Resource:
    """Return a logical reference to a member of staff."""
    return {"type": "Practitioner", "identifier": {"system": STAFF, "value": code}, "display": name}


def encounter(
    visit: str,
    number: str,
    kind: int,
    start: int,
    end: int,
    place: Resource,
    doctor: Resource,
    known: Diagnosis,
) -> Resource:
    """Return Encounter with its reason."""
    code, display = CLASSES[kind]
    return {
        "resourceType": "Encounter", "id": visit, "status": "finished",
        "class": {"system": ACT, "code": code, "display": display},
        "subject": {"reference": f"Patient/{number}"}, "participant": [{"individual": doctor}],
        "period": {"start": moment(start), "end": moment(end)}, "serviceType": {"text": known.department},
        "reasonCode": [concept(ICD10, known.code, known.zh)], "serviceProvider": place,
    }  # fmt: skip


def condition(visit: str, number: str, known: Diagnosis, when: int) -> Resource:
    """Return Condition: the diagnosis made at a visit."""
    base = "http://terminology.hl7.org/CodeSystem/"
    return {
        "resourceType": "Condition", "id": f"{visit}-d",
        "clinicalStatus": {"coding": [{"system": f"{base}condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{base}condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{base}condition-category", "code": "encounter-diagnosis"}]}],
        "code": concept(ICD10, known.code, known.zh), "subject": {"reference": f"Patient/{number}"},
        "encounter": {"reference": f"Encounter/{visit}"}, "recordedDate": moment(when),
    }  # fmt: skip


def medication(
    order: str, number: str, visit: str | None, drug: tuple[str, str], when: int, doctor: Resource, days: int
) -> Resource:
    """Return MedicationRequest; `drug` is its ATC code and Chinese name."""
    made: Resource = {
        "resourceType": "MedicationRequest", "id": order, "status": "completed", "intent": "order",
        "medicationCodeableConcept": concept(ATC, *drug), "subject": {"reference": f"Patient/{number}"},
        "authoredOn": moment(when),
        "requester": doctor,
        "dispenseRequest": {"expectedSupplyDuration": {"value": days, "unit": "d", "system": UCUM,
        "code": "d"}},
    }  # fmt: skip
    if visit:
        made["encounter"] = {"reference": f"Encounter/{visit}"}
    return made


def procedure(
    order: str, number: str, visit: str | None, done: tuple[str, str], when: int, doctor: Resource
) -> Resource:
    """Return Procedure; `done` is its ICD-9-CM-3 code and Chinese name."""
    made: Resource = {
        "resourceType": "Procedure", "id": order, "status": "completed", "code": concept(ICD9CM3, *done),
        "subject": {"reference": f"Patient/{number}"}, "performedDateTime": moment(when),
        "performer": [{"actor": doctor}],
    }  # fmt: skip
    if visit:
        made["encounter"] = {"reference": f"Encounter/{visit}"}
    return made


def blood_pressure(order: str, number: str, visit: str, values: tuple[float, float], when: int) -> Resource:
    """Return Observation: a blood pressure with its two components, in mm[Hg]."""
    parts = [
        {
            "code": {"coding": [{"system": LOINC, "code": test.loinc, "display": test.en}]},
            "valueQuantity": {"value": round(value), "unit": "mmHg", "system": UCUM, "code": test.ucum},
        }
        for test, value in zip(tests_of("VITAL"), values, strict=True)
    ]
    return {
        "resourceType": "Observation", "id": order, "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": "vital-signs"}]}],
        "code": concept(LOINC, "85354-9", "血压"), "subject": {"reference": f"Patient/{number}"},
        "encounter": {"reference": f"Encounter/{visit}"}, "effectiveDateTime": moment(when),
        "component": parts,
    }  # fmt: skip


def reading(kind: Kind, number: str, visit: str, value: float, when: int) -> Resource:
    """Return Observation: one measurement at a visit."""
    return {
        "resourceType": "Observation", "id": f"{visit}-{kind.suffix}", "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": kind.category}]}],
        "code": concept(LOINC, kind.loinc, kind.zh), "subject": {"reference": f"Patient/{number}"},
        "encounter": {"reference": f"Encounter/{visit}"}, "effectiveDateTime": moment(when),
        "valueQuantity": {
            "value": value if kind.digits else round(value), "unit": kind.unit, "system": UCUM,
            "code": kind.ucum,
        },
    }  # fmt: skip


def bundle(key: str, resources: list[Resource], when: int) -> Resource:
    """Return a transaction Bundle that puts each resource under its own id."""
    return {
        "resourceType": "Bundle", "id": key, "type": "transaction", "timestamp": moment(when),
        "entry": [
            {"fullUrl": f"{r['resourceType']}/{r['id']}", "resource": r,
            "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in resources
        ],
    }  # fmt: skip


def line(resource: Resource) -> str:
    """Return a resource as one line of JSON."""
    return orjson.dumps(resource).decode()
