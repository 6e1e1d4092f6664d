"""The golden record as a FHIR Person: the resident behind all the sources' Patients."""

from typing import Any
from uuid import UUID

import orjson

from salus.kernel import policy
from salus.kernel.policy import Target
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import Response, not_found
from salus.record.identity import rows
from salus.record.models import PatientLink, Person
from salus.record.rules.r4 import kind_of

GENDERS = frozenset({"male", "female", "other", "unknown"})
ASSURANCE = {"new": "level2", "probabilistic": "level2"}


def read(exchange: Exchange) -> Response:
    """Answer Person/[id]: best values of name, birth date, sex, phone and address, and the linked Patients.

    A person that was merged into another is answered with the one she became.
    """
    access.check_type(exchange, "read", "Person")
    person = _person(exchange.route.id)
    if person is None:
        raise not_found()
    decision = policy.decide(
        exchange.principal, "read", Target("resource", person_id=person.pk, resource_type="Person")
    )
    exchange.entries.append(
        access.entry(
            exchange,
            "read",
            "Person",
            id=str(person.pk),
            person_id=person.pk,
            outcome=access.OK if decision.allowed else access.REFUSED,
            break_glass="break_glass" in decision.flags,
        )
    )
    if not decision.allowed:
        raise not_found()
    return Response(200, orjson.dumps(_resource(exchange, person)))


def _person(id: str) -> Person | None:
    try:
        person = Person.objects.filter(pk=UUID(id)).first()
    except ValueError:
        return None
    for _ in range(10):  # merges of merges end somewhere; a ring would be a fault, not a reason to hang
        if person is None or person.merged_into is None:
            return person
        person = Person.objects.filter(pk=person.merged_into).first()
    return person


def _resource(exchange: Exchange, person: Person) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Person",
        "id": str(person.pk),
        "meta": {"lastUpdated": person.updated.isoformat()},
        "active": person.status == "active",
    }
    if person.name:
        made["name"] = [{"text": person.name}]
    if person.sex in GENDERS:
        made["gender"] = person.sex
    if person.birth_date:
        made["birthDate"] = person.birth_date.isoformat()
    if person.phone:
        made["telecom"] = [{"system": "phone", "value": person.phone}]
    if person.address:
        made["address"] = [{"text": person.address}]
    links = list(
        PatientLink.objects.filter(person_id=person.pk)
        .order_by("patient_rid")
        .values_list("patient_rid", "method")
    )
    found = rows.fetch_in(
        exchange.cursor,
        f"select rid, id from record_resource where kind = {kind_of('Patient')} and version > 0"  # noqa: S608 - our own number
        " and rid in ({marks})",
        [rid for rid, _ in links],
    )
    ids = dict(found)
    made["link"] = [
        {"target": {"reference": f"Patient/{ids[rid]}"}, "assurance": ASSURANCE.get(method, "level3")}
        for rid, method in links
        if rid in ids
    ]
    if not made["link"]:
        del made["link"]
    return made
