"""Create, update, patch and delete, one resource or several, through the store and the identity link."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from salus.kernel import policy
from salus.kernel.ids import uuid7
from salus.record import identity, json, store
from salus.record.fhir import access, patch
from salus.record.fhir.body import check_id, decode, decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, forbidden, issue, not_found, outcome
from salus.record.fhir.reading import version_headers
from salus.record.fhir.references import rewrite
from salus.record.fhir.request import (
    Parameters,
    Request,
    check_content_type,
    if_match,
    parse_query,
    prefer,
)
from salus.record.fhir.searching import find
from salus.record.fhir.subscriptions import accepting
from salus.record.fhir.types import PERSON
from salus.record.store import Stored, VersionConflict, Write, Written
from salus.record.validate import validate
from salus.record.xml.start import is_xml

RESOURCES = ("application/fhir+json", "application/json", "application/fhir+xml", "application/xml")
PATCH_JSON = ("application/json-patch+json",)
READ_ONLY = frozenset({PERSON})


@dataclass(slots=True)
class Wish:
    """One resource to be written: `resource` None deletes, `existing` is what is stored under its id now."""

    type: str
    id: str
    resource: dict[str, Any] | None
    existing: Stored | None
    if_version: int | None = None
    create_only: bool = False

    @property
    def action(self) -> str:
        """The policy's word for the wish."""
        if self.resource is None:
            return "delete"
        return "update" if self.existing is not None and not self.existing.deleted else "create"


def create(exchange: Exchange) -> Response:
    """Answer POST [type], with If-None-Exist when it is a conditional create."""
    check_content_type(exchange.request, *RESOURCES)
    resource = resource_of(exchange)
    wish, found = wish_create(exchange, resource, exchange.request.headers.get("if-none-exist"))
    if found is not None:
        return answer(exchange, 200, found)
    return answer(exchange, 201, apply(exchange, [wish])[0])


def update(exchange: Exchange) -> Response:
    """Answer PUT [type]/[id]; creates when there is no such resource yet."""
    check_content_type(exchange.request, *RESOURCES)
    wish = wish_update(exchange, exchange.route.type, exchange.route.id, resource_of(exchange))
    written = apply(exchange, [wish])[0]
    return answer(exchange, 201 if wish.action == "create" else 200, written)


def conditional_update(exchange: Exchange) -> Response:
    """Answer PUT [type]?search."""
    check_content_type(exchange.request, *RESOURCES)
    wish = wish_conditional_update(
        exchange, exchange.route.type, resource_of(exchange), exchange.request.query
    )
    written = apply(exchange, [wish])[0]
    return answer(exchange, 201 if wish.action == "create" else 200, written)


def patch_one(exchange: Exchange) -> Response:
    """Answer PATCH [type]/[id] with a JSON Patch."""
    return _patch(exchange, exchange.route.id)


def conditional_patch(exchange: Exchange) -> Response:
    """Answer PATCH [type]?search with a JSON Patch; the search must find exactly one."""
    found = only_match(exchange, exchange.route.type, exchange.request.query)
    if found is None:
        raise not_found()
    return _patch(exchange, found.id)


def delete(exchange: Exchange) -> Response:
    """Answer DELETE [type]/[id]; deleting what is deleted already succeeds."""
    wish = wish_delete(exchange, exchange.route.type, exchange.route.id)
    if wish is not None:
        apply(exchange, [wish])
    return Response(204)


def conditional_delete(exchange: Exchange) -> Response:
    """Answer DELETE [type]?search for at most one match."""
    found = only_match(exchange, exchange.route.type, exchange.request.query)
    if found is not None and (wish := wish_delete(exchange, exchange.route.type, found.id)) is not None:
        apply(exchange, [wish])
    return Response(204)


def wish_create(
    exchange: Exchange, resource: dict[str, Any], condition: str | None
) -> tuple[Wish, Stored | None]:
    """Return the wish to create a resource, and what If-None-Exist found instead, if anything."""
    type = _writable(str(resource["resourceType"]))
    access.check_type(exchange, "create", type)
    # In the order of time, so that new rows fall side by side into the index of ids
    wish = Wish(type, str(uuid7()), resource, None, create_only=True)
    if condition is None:
        return wish, None
    query = parse_query(condition.partition("?")[2].encode() or condition.encode())
    return wish, only_match(exchange, type, query)


def wish_update(
    exchange: Exchange, type: str, id: str, resource: dict[str, Any], headers: dict[str, str] | None = None
) -> Wish:
    """Return the wish to put a resource under an id."""
    request = exchange.request if headers is None else replace(exchange.request, headers=headers)
    return wish_put(exchange, type, id, resource, store.read(exchange.cursor, type, id), request)


def wish_put(
    exchange: Exchange,
    type: str,
    id: str,
    resource: dict[str, Any],
    existing: Stored | None,
    request: Request | None = None,
) -> Wish:
    """Return the wish to put a resource over what is stored under its id now."""
    request = request or exchange.request
    _writable(type)
    if resource.get("resourceType") != type:
        raise FhirError(400, "value", "The resource's type is not the address's", expression="resourceType")
    if resource.get("id", id) != id:
        raise FhirError(400, "value", "The resource's id is not the address's", expression="id")
    version = if_match(request)
    create_only = request.headers.get("if-none-match", "").strip() == "*"
    if "if-match" in request.headers and (existing is None or existing.deleted):
        access.check_type(exchange, "update", type)
        raise FhirError(412, "conflict", "There is no such version to update")
    wish = Wish(type, id, resource, existing, version, create_only)
    _may_begin(exchange, wish)
    return wish


def wish_conditional_update(
    exchange: Exchange,
    type: str,
    resource: dict[str, Any],
    query: Parameters,
    headers: dict[str, str] | None = None,
) -> Wish:
    """Return the wish to update the one resource that a search finds, or to create it when none is found."""
    found = only_match(exchange, _writable(type), query)
    if found is not None:
        return wish_update(
            exchange,
            type,
            found.id,
            {**resource, "id": found.id} if "id" not in resource else resource,
            headers,
        )
    if "id" in resource:
        return wish_update(exchange, type, check_id(str(resource["id"])), resource, headers)
    if resource.get("resourceType") != type:
        raise FhirError(400, "value", "The resource's type is not the address's", expression="resourceType")
    return wish_create(exchange, resource, None)[0]


def wish_delete(exchange: Exchange, type: str, id: str, headers: dict[str, str] | None = None) -> Wish | None:
    """Return the wish to delete a resource; None when it is deleted already."""
    access.check_type(exchange, "delete", _writable(type))
    existing = store.read(exchange.cursor, type, id)
    if existing is None:
        raise not_found()
    request = exchange.request if headers is None else replace(exchange.request, headers=headers)
    wish = Wish(type, id, None, existing, if_match(request))
    _may_begin(exchange, wish)
    return None if existing.deleted else wish


def wish_patch(
    exchange: Exchange, type: str, id: str, body: bytes, media: str, headers: dict[str, str] | None = None
) -> Wish:
    """Return the wish to change a resource by a JSON Patch."""
    if media not in PATCH_JSON:
        raise FhirError(415, "not-supported", "Only JSON Patch is taken here", fix=f"Use {PATCH_JSON[0]}")
    operations = decode(body)
    access.check_type(exchange, "update", _writable(type))
    existing = store.read(exchange.cursor, type, id)
    if existing is None or existing.deleted:
        raise not_found()
    request = exchange.request if headers is None else replace(exchange.request, headers=headers)
    before = json.loads(existing.body)
    wish = Wish(type, id, before, existing, if_match(request))
    _may_begin(exchange, wish)
    wish.resource = patch.apply(before, operations)
    if wish.if_version is None:
        wish.if_version = existing.version
    return wish


def only_match(exchange: Exchange, type: str, query: Parameters) -> Stored | None:
    """Return the one resource that a condition finds; raises `FhirError` 412 when it finds several."""
    conditions = [(name, value) for name, value in query if name not in {"_format", "_pretty"}]
    if not conditions:
        raise FhirError(412, "required", "The condition has no search parameter")
    found = find(exchange, type, conditions, limit=2)
    if len(found) > 1:
        raise FhirError(
            412, "multiple-matches", "The condition finds more than one resource", fix="Narrow it"
        )
    return found[0] if found else None


def apply(exchange: Exchange, wishes: Sequence[Wish]) -> list[Written]:
    """Write several resources at once, link their Patients to persons, and leave an audit row for each.

    Raises `FhirError`: 422 with every fault found by validation, 412 or 409 for a version that moved on,
    403 when the outcome is not the asker's to write.
    """
    for wish in wishes:
        check_valid(wish)
        if wish.type == accepting.TYPE:
            accepting.prepare(exchange, wish.resource, wish.id)
    written = apply_all([(exchange, wish) for wish in wishes])
    for one in written:
        if one.type == accepting.TYPE:
            accepting.keep(exchange, one)
    return written


def apply_all(asked: Sequence[tuple[Exchange, Wish]]) -> list[Written]:
    """Write valid resources, of one asker or of several, at once; see `apply`.

    All exchanges share one cursor and one moment.
    """
    if not asked:
        return []
    wishes = [wish for _, wish in asked]
    cursor, now = asked[0][0].cursor, asked[0][0].now
    try:
        results = store.write(cursor, [_write(exchange, wish) for exchange, wish in asked], now=now)
    except VersionConflict as error:
        status = 409 if error.code == "already-exists" and not any(w.create_only for w in wishes) else 412
        raise FhirError(status, "conflict", error.message, fix=error.fix) from None
    persons: dict[int, UUID] = {}
    patients: dict[int | None, list[Written]] = {}
    for (exchange, _), one in zip(asked, results, strict=True):
        if one.type == "Patient" and one.body:
            of_source = exchange.principal.source_id is not None
            institutions = exchange.principal.institution_ids if of_source else frozenset()
            patients.setdefault(next(iter(institutions), None), []).append(one)
    for institution, those in patients.items():
        for link in identity.link_patients(cursor, those, institution_id=institution, now=now):
            persons[link.patient_rid] = link.person_id
    linked = []
    for (exchange, wish), one in zip(asked, results, strict=True):
        person = persons.get(one.patient_rid or 0, one.person_id)
        written = one if person == one.person_id else replace(one, person_id=person)
        _audit(exchange, wish, written)
        exchange.written += one.outcome not in {"unchanged", "stale"}
        linked.append(written)
    return linked


def answer(exchange: Exchange, status: int, result: Written | Stored) -> Response:
    """Return the answer to a write, in the form that Prefer asks for."""
    version = result.version
    updated = result.updated if isinstance(result, Stored) else int(exchange.now.timestamp() * 1_000_000)
    headers = [*version_headers(version, updated)]
    if status in {200, 201}:
        headers.append(("location", f"{exchange.request.base}/{result.type}/{result.id}/_history/{version}"))
    wanted = prefer(exchange.request).get("return", "representation")
    if wanted == "minimal":
        return Response(status, b"", tuple(headers))
    if wanted == "operationoutcome":
        done = outcome("informational", "The resource is stored", severity="information")
        return Response(status, orjson.dumps(done), tuple(headers))
    return Response(status, result.body, tuple(headers))


def resource_of(exchange: Exchange) -> dict[str, Any]:
    """Return the body's resource, its references relative; raises `FhirError` for another type's."""
    resource = decode_resource(exchange.request.body)
    if resource["resourceType"] != exchange.route.type:
        raise FhirError(400, "value", "The resource's type is not the address's", expression="resourceType")
    prefix, raw = exchange.request.base + "/", exchange.request.body
    if not is_xml(raw) and b"\\" not in raw and prefix.encode() not in raw:
        return resource  # no reference in it begins with this server's address, however it may be written
    made: dict[str, Any] = rewrite(
        resource,
        lambda reference: reference.removeprefix(prefix) if reference.startswith(prefix) else None,
        {},
    )
    return made


def _writable(type: str) -> str:
    if type in READ_ONLY:
        raise FhirError(
            405, "not-supported", "This type is kept by the platform itself and is only read here"
        )
    return type


def _patch(exchange: Exchange, id: str) -> Response:
    request = exchange.request
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    wish = wish_patch(exchange, exchange.route.type, id, request.body, media)
    return answer(exchange, 200, apply(exchange, [wish])[0])


def _may_begin(exchange: Exchange, wish: Wish) -> None:
    """Refuse before anything is written what the asker may not touch."""
    access.check_type(exchange, wish.action, wish.type)
    existing = wish.existing
    if existing is None:
        return
    if policy.decide(exchange.principal, wish.action, access.target_of(existing, existing.source_id)).allowed:
        return
    exchange.entries.append(
        access.entry(
            exchange, wish.action, wish.type, id=wish.id, person_id=existing.person_id, outcome=access.REFUSED
        )
    )
    if exchange.principal.source_id is not None and wish.resource is not None:
        raise FhirError(
            409,
            "conflict",
            "The id is in use by another source",
            fix="Create the resource under an id of your own",
        )
    raise forbidden() if access.may_see(exchange, existing) else not_found()


def _write(exchange: Exchange, wish: Wish) -> Write:
    existing = wish.existing if wish.existing is not None and not wish.existing.deleted else None
    principal = exchange.principal
    by_hand = principal.source_id is None
    return Write(
        wish.type,
        wish.id,
        wish.resource,
        method="delete" if wish.resource is None else "create" if wish.create_only else "put",
        # A person's correction leaves the resource with the source system that it came from
        source_id=existing.source_id if existing is not None and by_hand else principal.source_id,
        message_id=exchange.message_id,
        source_time=exchange.now if by_hand else None,
        if_version=wish.if_version,
    )


def check_valid(wish: Wish) -> None:
    """Raise `FhirError` 422 with every fault of a wish's resource."""
    if wish.resource is None:
        return
    faults = [one for one in validate(wish.resource) if one.severity in {"error", "fatal"}]
    if faults:
        error = FhirError(
            422,
            "structure",
            "The resource is not valid FHIR R4",
            issues=[
                issue(one.code, f"Expected: {one.expected}", expression=one.path) for one in faults[:100]
            ],
        )
        error.subject = wish
        raise error


def _audit(exchange: Exchange, wish: Wish, written: Written) -> None:
    action = wish.action
    owner = exchange.principal.source_id
    if owner is None and wish.existing is not None:
        owner = wish.existing.source_id
    target = access.target_of(written, owner)
    if wish.resource is None and wish.existing is not None:
        target = access.target_of(wish.existing, wish.existing.source_id)
    decision = policy.decide(exchange.principal, action, target)
    exchange.entries.append(
        access.entry(
            exchange,
            action,
            wish.type,
            id=wish.id,
            person_id=target.person_id,
            outcome=access.OK if decision.allowed else access.REFUSED,
            detail={"version": written.version, "result": written.outcome},
            break_glass="break_glass" in decision.flags,
        )
    )
    if not decision.allowed:
        raise forbidden()
