"""`Patient/[id]/$summary`: the document, from all records of the person that the asker may see."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from salus.kernel import policy
from salus.kernel.ids import uuid7
from salus.kernel.policy.words import uuid_value
from salus.record import json, store, visibility
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.ips import sections
from salus.record.fhir.ips.sections import Candidate
from salus.record.fhir.outcome import FhirError, Response, gone, not_found
from salus.record.fhir.searching import find
from salus.record.identity import rows
from salus.record.models import Person
from salus.record.rules.r4 import kind_of
from salus.record.store import Stored
from salus.record.store.stamp import instant, micros

PROFILE = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
DEFINITION = "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"
LOINC = "http://loinc.org"
EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
BESIDE = frozenset(
    {
        "Device", "Location", "Medication", "Observation", "Organization", "Practitioner", "PractitionerRole",
        "Specimen", "Substance",
    }
)  # fmt: skip
"""Types that come along when an entry refers to them; other references keep only their words."""
LEFT_OUT = "Not part of this summary"
MOST = 20_000
MOST_BESIDE = 500
KNOWN = frozenset({"identifier", "profile", "_format", "_pretty"})


def summary(exchange: Exchange) -> Response:
    """Answer `$summary` by id, or by `identifier` on the type: an IPS document Bundle.

    Raises `FhirError`: 404 alike for a Patient who is not there and one whom the asker may not see.
    Source: https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html.
    """
    if unknown := {name for name, _ in exchange.request.query} - KNOWN:
        raise FhirError(
            400, "not-supported", "$summary does not know this parameter", expression=min(unknown)[:60]
        )
    access.check_type(exchange, "read", "Patient")
    patient = _patient(exchange)
    access.check(exchange, "read", patient)
    if patient.deleted:
        raise gone()
    patients, found = _record(exchange, patient)
    access.listed(
        exchange, "search", "Patient", [patient.person_id], parameters=["$summary"],
        count=len(patients) + len(found),
    )  # fmt: skip
    return Response(200, json.dumps(_document(exchange, patient, patients, found)))


def _patient(exchange: Exchange) -> Stored:
    route = exchange.route
    if route.id:
        stored = store.read(exchange.cursor, "Patient", route.id)
        if stored is None:
            raise not_found()
        return stored
    identifier = exchange.request.parameter("identifier")
    if not identifier:
        raise FhirError(400, "required", "Say whose summary it is", fix="Give an identifier")
    found = find(exchange, "Patient", [("identifier", identifier)], limit=50)
    people = {one.person_id or one.rid for one in found}
    if not found:
        raise not_found()
    if len(people) > 1:
        raise FhirError(412, "multiple-matches", "More than one resident has this identifier")
    return found[0]


def _record(exchange: Exchange, patient: Stored) -> tuple[list[Stored], list[Stored]]:
    """Return the person's Patients and what sections may hold, as far as the asker may see them."""
    kinds = [kind_of("Patient"), *(kind_of(type) for type in sections.types())]
    allowed, values = visibility.condition(exchange.principal, "read", kinds)
    whose, given = ("r.person_id = %s", [uuid_value(patient.person_id)]) if patient.person_id else (
        "(r.rid = %s or r.patient_rid = %s)", [patient.rid, patient.rid]
    )  # fmt: skip
    found = rows.fetch(
        exchange.cursor,
        "select r.rid from record_resource r"  # noqa: S608 - the policy's conditions hold placeholders only
        f" where {whose} and not r.deleted and r.version > 0 and {allowed} order by r.rid limit {MOST}",
        [*given, *values],
    )
    resources = store.read_rids(exchange.cursor, [row[0] for row in found])
    patients = [one for one in resources if one.type == "Patient"]
    return patients, [one for one in resources if one.type != "Patient"]


def _document(
    exchange: Exchange, patient: Stored, patients: Sequence[Stored], found: Sequence[Stored]
) -> dict[str, Any]:
    base, today = exchange.request.base, exchange.now.date()
    candidates = [Candidate(json.loads(one.body), one.updated) for one in found]
    same = {f"Patient/{one.id}" for one in patients}
    main = f"Patient/{patient.id}"
    chosen = [(section, sections.choose(section, candidates, today)) for section in sections.sections()]
    chosen = [(section, some) for section, some in chosen if some or section.required]
    entries: dict[str, dict[str, Any]] = {}
    for _, some in chosen:
        for one in some:
            entries[f"{one['resourceType']}/{one['id']}"] = dict(one)
    _bring_along(exchange, entries, same)
    author = {
        "resourceType": "Device",
        "id": str(uuid5(UUID(int=0), base)),
        "deviceName": [{"name": "Salus", "type": "user-friendly-name"}],
        "type": {"text": "Software of the city's resident record"},
    }
    author_name = f"Device/{author['id']}"
    entries[author_name] = author
    composition = _composition(exchange, main, author_name, chosen)
    resources = [
        composition,
        _person(patient, patients),
        *(_pointed(one, entries, same, main, base) for one in entries.values()),
    ]
    return {
        "resourceType": "Bundle",
        "id": str(uuid7()),
        "meta": {"profile": [f"{PROFILE}Bundle-uv-ips"], "lastUpdated": instant(micros(exchange.now))},
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid7()}"},
        "type": "document",
        "timestamp": instant(micros(exchange.now)),
        "entry": [
            {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one} for one in resources
        ],
    }


def _composition(
    exchange: Exchange,
    patient: str,
    author: str,
    chosen: Sequence[tuple[sections.Section, Sequence[Mapping[str, Any]]]],
) -> dict[str, Any]:
    made: list[dict[str, Any]] = []
    for section, some in chosen:
        one: dict[str, Any] = {
            "title": section.title,
            "code": {"coding": [{"system": LOINC, "code": section.code, "display": section.title}]},
            "text": sections.narrative(section, some),
        }
        if some:
            one["entry"] = [{"reference": f"{each['resourceType']}/{each['id']}"} for each in some]
        else:
            one["emptyReason"] = {
                "coding": [{"system": EMPTY, "code": "unavailable", "display": "Unavailable"}]
            }
        made.append(one)
    return {
        "resourceType": "Composition",
        "id": str(uuid7()),
        "meta": {"profile": [f"{PROFILE}Composition-uv-ips"]},
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": patient},
        "date": instant(micros(exchange.now)),
        "author": [{"reference": author}],
        "title": "International Patient Summary",
        "section": made,
    }


def _person(patient: Stored, patients: Sequence[Stored]) -> dict[str, Any]:
    """Return the Patient with the identifiers of all her records, a name and a birth date."""
    made: dict[str, Any] = json.loads(patient.body)
    identifiers: list[Any] = []
    for one in [patient, *(each for each in patients if each.rid != patient.rid)]:
        identifiers += [i for i in json.loads(one.body).get("identifier", ()) if i not in identifiers]
    if identifiers:
        made["identifier"] = identifiers
    golden = Person.objects.filter(pk=patient.person_id).first() if patient.person_id else None
    if not made.get("name"):
        known = golden.name if golden else ""
        absent = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        made["name"] = [{"text": known} if known else absent]
    if not made.get("birthDate"):
        if golden and golden.birth_date:
            made["birthDate"] = golden.birth_date.isoformat()
        else:
            made["_birthDate"] = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    for name in ("managingOrganization", "generalPractitioner", "link"):
        made.pop(name, None)
    return made


def _bring_along(exchange: Exchange, entries: dict[str, dict[str, Any]], same: set[str]) -> None:
    """Add the resources that entries refer to, where they are of a type that comes along and may be seen."""
    fresh = list(entries.values())
    while fresh and len(entries) < MOST_BESIDE * 2:
        wanted: set[str] = set()
        for one in fresh:
            wanted |= {name for name in _references(one) if name.partition("/")[0] in BESIDE}
        fresh = []
        for name in sorted(wanted - set(entries))[:MOST_BESIDE]:
            type, _, id = name.partition("/")
            stored = store.read(exchange.cursor, type, id)
            if stored is None or stored.deleted:
                continue
            body = json.loads(stored.body)
            if access.may_see(exchange, stored) or _her_device(exchange, stored, body, same):
                entries[name] = body
                fresh.append(body)


def _her_device(exchange: Exchange, stored: Stored, body: Mapping[str, Any], same: set[str]) -> bool:
    """Say whether this is a Device of hers: Devices belong to nobody in FHIR's Patient compartment."""
    whose = (body.get("patient") or {}).get("reference")
    return (
        stored.type == "Device"
        and stored.person_id is None
        and whose in same
        and not policy.scope(exchange.principal, "read", "Device").nothing
    )


def _references(value: Any) -> set[str]:
    """Return the references ("Type/id") in a resource."""
    found: set[str] = set()
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if isinstance(text := one.get("reference"), str):
                found.add("/".join(text.split("/")[:2]))
            stack += one.values()
        elif isinstance(one, list):
            stack += one
    return found


def _pointed(
    resource: dict[str, Any], entries: Mapping[str, Any], same: set[str], main: str, base: str
) -> dict[str, Any]:
    """Return a resource whose references all lead to entries of the document."""

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, dict):
            return value
        made = {name: walk(inner) for name, inner in value.items()}
        text = made.get("reference")
        if isinstance(text, str) and not text.startswith("#"):
            name = "/".join(text.removeprefix(f"{base}/").split("/")[:2])
            if name in same:
                made["reference"] = main
            elif name in entries:
                made["reference"] = name
            else:
                del made["reference"]
                if not made.get("display") and not made.get("identifier"):
                    made["display"] = LEFT_OUT
        return made

    pointed: dict[str, Any] = walk(resource)
    return pointed
