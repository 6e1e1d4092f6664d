"""Cases for other systems: a SORMAS-shaped CSV and a FHIR bundle, streamed.

SORMAS's column names follow its case import template: the case's own fields plain, the person's and the
symptoms' with their part before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from salus.prevention.models import Case, CaseFact, CaseStatus
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.surveillance.linelists import sormas_names
from salus.record import json
from salus.web.tables.export import csv_chunks

SORMAS = (
    "externalID", "disease", "diseaseDetails", "reportDate", "caseClassification", "outcome", "district",
    "healthFacility", "person.firstName", "person.lastName", "person.sex", "person.birthdateDD",
    "person.birthdateMM", "person.birthdateYYYY", "person.approximateAge", "person.deathDate",
    "symptoms.onsetDate", "additionalDetails",
)  # fmt: skip
_CLASSES = {
    CaseStatus.SUSPECTED: "SUSPECT", CaseStatus.PROBABLE: "PROBABLE", CaseStatus.CONFIRMED: "CONFIRMED",
    CaseStatus.DISCARDED: "NO_CASE",
}  # fmt: skip
_OUTCOMES = {"died": "DECEASED", "recovered": "RECOVERED", "ill": "NO_OUTCOME"}
_VERIFIED = {
    CaseStatus.SUSPECTED: "unconfirmed", CaseStatus.PROBABLE: "provisional",
    CaseStatus.CONFIRMED: "confirmed", CaseStatus.DISCARDED: "refuted",
}  # fmt: skip
_ICD10, _LOINC = "http://hl7.org/fhir/sid/icd-10", "http://loinc.org"
_VER = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CHUNK = 500


def sormas(rows: QuerySet[Case]) -> Iterator[bytes]:
    """Yield the cases as a SORMAS-shaped CSV."""
    words = sormas_names()

    def lines() -> Iterator[list[Any]]:
        for one in rows.order_by("pk").iterator(chunk_size=_CHUNK):
            yield _line(one, words)

    return csv_chunks(list(SORMAS), lines())


def _line(one: Case, words: dict[str, str]) -> list[Any]:
    reported = one.reported_at or one.diagnosed_at
    born = one.birth_date
    age = "" if one.age is None else f"{one.age:g}"
    first, last = (one.name[1:], one.name[:1]) if one.name and not one.name.isascii() else _split(one.name)
    return [
        one.external_id or f"salus-{one.pk}",
        words.get(one.disease, "OTHER"),
        "" if one.disease in words else one.disease,
        timezone.localtime(reported).date().isoformat(),
        _CLASSES[CaseStatus(one.status)],
        _OUTCOMES.get(one.outcome, "UNKNOWN"),
        one.district_code,
        one.institution.code if one.institution else "",
        first,
        last,
        one.sex.upper() or "UNKNOWN",
        born.day if born else "",
        born.month if born else "",
        born.year if born else "",
        age,
        one.died_on.isoformat() if one.died_on else "",
        one.onset.isoformat() if one.onset else "",
        one.note,
    ]


def _split(name: str) -> tuple[str, str]:
    first, _blank, last = name.rpartition(" ")
    return (first, last) if first else (name, "")


def fhir(rows: QuerySet[Case]) -> Iterator[bytes]:
    """Yield a FHIR Bundle (collection) of Patient, Condition and the Observations that are evidence."""
    diseases = catalogue()
    yield b'{"resourceType":"Bundle","type":"collection","entry":['
    first = True
    found = rows.order_by("pk").iterator(chunk_size=_CHUNK)
    while part := list(islice(found, _CHUNK)):
        tests: dict[int, list[CaseFact]] = {}
        for fact in CaseFact.objects.filter(case__in=[one.pk for one in part], kind="laboratory"):
            tests.setdefault(fact.case_id, []).append(fact)
        for one in part:
            disease = diseases.get(one.disease)
            code = disease.icd10[0] if disease else ""
            name = disease.name if disease else one.disease
            for resource in _resources(one, code, name, tests.get(one.pk, [])):
                text = json.dumps({"resource": resource})
                yield (b"" if first else b",") + (text if isinstance(text, bytes) else text.encode())
                first = False
    yield b"]}"


def _resources(one: Case, code: str, name: str, tests: list[CaseFact]) -> Iterator[dict[str, Any]]:
    patient = f"case-{one.pk}-patient"
    body: dict[str, Any] = {"resourceType": "Patient", "id": patient}
    if one.name:
        body["name"] = [{"text": one.name}]
    if one.sex:
        body["gender"] = one.sex
    if one.birth_date:
        body["birthDate"] = one.birth_date.isoformat()
    if one.died_on:
        body["deceasedDateTime"] = one.died_on.isoformat()
    if one.district_code or one.address:
        body["address"] = [{"text": one.address or one.district_code, "district": one.district_code}]
    yield body
    condition: dict[str, Any] = {
        "resourceType": "Condition",
        "id": f"case-{one.pk}",
        "identifier": [{"system": "urn:salus:case", "value": one.external_id or str(one.pk)}],
        "verificationStatus": {"coding": [{"system": _VER, "code": _VERIFIED[CaseStatus(one.status)]}]},
        "code": {"coding": [{"system": _ICD10, "code": code}], "text": name},
        "subject": {"reference": f"Patient/{patient}"},
        "recordedDate": timezone.localtime(one.diagnosed_at).isoformat(),
    }
    if one.onset:
        condition["onsetDateTime"] = one.onset.isoformat()
    if tests:
        condition["evidence"] = [
            {"detail": [{"reference": f"Observation/case-{one.pk}-test-{n}"} for n in range(len(tests))]}
        ]
    yield condition
    for n, fact in enumerate(tests):
        test: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"case-{one.pk}-test-{n}",
            "status": "final",
            "code": {"text": fact.name or fact.code},
            "subject": {"reference": f"Patient/{patient}"},
        }
        if fact.code:
            test["code"]["coding"] = [{"system": _LOINC, "code": fact.code}]
        if fact.value:
            test["valueString"] = fact.value
        if fact.day:
            test["effectiveDateTime"] = fact.day.isoformat()
        yield test
