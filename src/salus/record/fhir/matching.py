"""`Patient/$match`: which Patients may be of the one described, with the weights that linking uses."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from salus.record import store
from salus.record.fhir import access
from salus.record.fhir.body import decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response
from salus.record.fhir.pages import bundle, link
from salus.record.fhir.request import check_content_type
from salus.record.fhir.writing import RESOURCES
from salus.record.identity import rows, scoring, weighing
from salus.record.identity.engine import resident
from salus.record.store import Stored

COUNT, MAX_COUNT = 10, 50
GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


@dataclass(frozen=True, slots=True)
class _Asked:
    patient: dict[str, Any]
    only_certain: bool
    count: int


def match(exchange: Exchange) -> Response:
    """Answer `$match`: candidates that the asker may see, best first, each with a score and a grade.

    The score is the probability that both are one person. "certain" is an equal valid identity number (or
    passport), "probable" what linking would join, "possible" what it would send to review.
    Source: http://hl7.org/fhir/R4/patient-operation-match.html.
    """
    check_content_type(exchange.request, *RESOURCES)
    asked = _asked(decode_resource(exchange.request.body))
    access.check_type(exchange, "search", "Patient")
    described = resident.read(asked.patient, today=exchange.now.date())
    scores = {one.patient_rid: one.weight for one in scoring.score_one(exchange.cursor, described.features)}
    certain = _by_identifier(exchange, described.strong)
    ranked = sorted({*scores, *certain}, key=lambda rid: (rid not in certain, -scores.get(rid, 0.0), rid))
    entries: list[dict[str, Any]] = []
    persons: list[UUID | None] = []
    for one in store.read_rids(exchange.cursor, ranked[: 4 * MAX_COUNT]):
        weight = None if one.rid in certain else scores[one.rid]
        grade = (
            "certain"
            if weight is None
            else "probable"
            if weight >= weighing.thresholds().link
            else "possible"
        )
        if (asked.only_certain and grade != "certain") or not _visible(exchange, one):
            continue
        entries.append(_entry(exchange.request.base, one, weight, grade))
        persons.append(one.person_id)
        if len(entries) == asked.count:
            break
    access.listed(exchange, "search", "Patient", persons, parameters=["$match"], count=len(entries))
    address = f"{exchange.request.base}/Patient/$match"
    return Response(200, bundle("searchset", [link("self", address, [])], entries, total=len(entries)))


def _visible(exchange: Exchange, one: Stored) -> bool:
    return not one.deleted and access.decide(exchange, "search", one).allowed


def _entry(base: str, one: Stored, weight: float | None, grade: str) -> dict[str, Any]:
    score = 1.0 if weight is None else 1 / (1 + 2 ** -max(min(weight, 60.0), -60.0))
    return {
        "fullUrl": f"{base}/Patient/{one.id}",
        "resource": one.body,
        "search": {
            "extension": [{"url": GRADE, "valueCode": grade}],
            "mode": "match",
            "score": round(score, 6),
        },
    }


def _by_identifier(exchange: Exchange, strong: Iterable[tuple[str, str]]) -> set[int]:
    found: set[int] = set()
    for system, value in strong:
        found |= {
            row[0]
            for row in rows.fetch(
                exchange.cursor,
                "select patient_rid from record_personidentifier where value = %s and system = %s limit 100",
                [value, system],
            )
        }
    return found


def _asked(body: dict[str, Any]) -> _Asked:
    """Read the Parameters of `$match`; a bare Patient is taken too."""
    if body["resourceType"] == "Patient":
        return _Asked(body, False, COUNT)
    given = {
        one["name"]: one
        for one in body.get("parameter") or ()
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    } if isinstance(body.get("parameter"), list) else {}  # fmt: skip
    patient = given.get("resource", {}).get("resource")
    if body["resourceType"] != "Parameters" or not isinstance(patient, dict):
        raise FhirError(
            400, "required", "The Parameters hold no Patient to match", expression="parameter.resource"
        )
    if patient.get("resourceType") != "Patient":
        raise FhirError(400, "value", "Only a Patient can be matched", expression="parameter.resource")
    count = given.get("count", {}).get("valueInteger", COUNT)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise FhirError(400, "value", "count is not a positive number", expression="parameter.count")
    return _Asked(
        patient, given.get("onlyCertainMatches", {}).get("valueBoolean") is True, min(count, MAX_COUNT)
    )
