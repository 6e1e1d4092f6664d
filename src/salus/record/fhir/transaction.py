"""Batch and transaction Bundles: each entry alone, or all of them or none."""

import base64
import binascii
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import orjson
from django.db import transaction as database

from salus.kernel.errors import SalusError
from salus.record import json
from salus.record.fhir import access, writing
from salus.record.fhir.body import MAX_BUNDLE, decode_resource
from salus.record.fhir.bundles import Entry, in_order, read
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, from_error, respond
from salus.record.fhir.references import local, references, rewrite
from salus.record.fhir.request import Request, check_content_type, parse_query, prefer
from salus.record.fhir.routing import Interaction, route
from salus.record.fhir.types import types
from salus.record.store import Stored, Written

Handle = Callable[[Exchange], Response]
Made = TypeVar("Made")
PLACEHOLDERS = ("urn:uuid:", "urn:oid:")


@dataclass(slots=True)
class _Plan:
    """What an entry of a transaction comes to: a wish to write, or what a condition found instead."""

    entry: Entry
    wish: writing.Wish | None = None
    found: Stored | None = None


def process(exchange: Exchange, handle: Handle) -> Response:
    """Answer POST of a Bundle. `handle` answers a single request, for batches and a transaction's reads."""
    check_content_type(exchange.request, *writing.RESOURCES)
    bundle = decode_resource(exchange.request.body, limit=MAX_BUNDLE)
    kind, entries = read(bundle, exchange.request.base)
    answered = (
        _batch(exchange, entries, handle) if kind == "batch" else _transaction(exchange, entries, handle)
    )
    body = b'{"resourceType":"Bundle","id":"%s","type":"%s-response"' % (
        str(uuid.uuid4()).encode(),
        kind.encode(),
    )
    if answered:
        body += b',"entry":[' + b",".join(answered) + b"]"
    return Response(200, body + b"}")


def _batch(exchange: Exchange, entries: list[Entry], handle: Handle) -> list[bytes]:
    answered: list[bytes] = [b""] * len(entries)
    for entry in in_order(entries):
        mark = len(exchange.entries)
        try:
            with database.atomic():
                response = _single(exchange, entry, handle)
        except SalusError as error:
            # The entry's writes are undone; its audit rows stay, marked as what they came to
            response = respond(from_error(error))
            outcome = access.REFUSED if response.status in {403, 404} else access.FAILED
            exchange.entries[mark:] = [replace(one, outcome=outcome) for one in exchange.entries[mark:]]
        answered[entry.position] = _answer(exchange, response)
    return answered


def _single(exchange: Exchange, entry: Entry, handle: Handle) -> Response:
    body, headers = b"", dict(entry.headers)
    if entry.resource is not None:
        body = json.dumps(entry.resource)
        headers["content-type"] = "application/fhir+json"
        if entry.method == "PATCH":
            body, headers["content-type"] = _patch_body(entry)
    for name in ("prefer", "x-purpose-of-use"):
        if name in exchange.request.headers:
            headers[name] = exchange.request.headers[name]
    request = Request(entry.method, entry.segments, entry.query, headers, body, exchange.request.base)
    found = route(entry.method, entry.segments, types())
    if found.interaction is Interaction.BATCH:
        raise FhirError(
            400, "not-supported", "A Bundle may not hold another Bundle to process", expression=entry.where
        )
    inner = Exchange(
        request,
        found,
        exchange.principal,
        exchange.cursor,
        entries=exchange.entries,
        message_id=exchange.message_id,
        now=exchange.now,
    )
    response = handle(inner)
    exchange.written += inner.written
    return response


def _patch_body(entry: Entry) -> tuple[bytes, str]:
    """Return the JSON Patch that a Binary resource carries (http://hl7.org/fhir/R4/http.html#patch)."""
    resource = entry.resource or {}
    if resource.get("resourceType") != "Binary":
        raise FhirError(
            400, "structure", "A patch in a Bundle is a Binary", expression=f"{entry.where}.resource"
        )
    try:
        return base64.b64decode(str(resource.get("data", "")), validate=True), str(
            resource.get("contentType", "")
        )
    except (binascii.Error, ValueError):
        raise FhirError(
            400, "value", "The Binary's data is not base64", expression=f"{entry.where}.resource"
        ) from None


def _transaction(exchange: Exchange, entries: list[Entry], handle: Handle) -> list[bytes]:
    plans = [_plan(exchange, entry) for entry in in_order(entries)]
    _check_distinct(plans)
    addresses = _addresses(exchange, plans)
    for plan in plans:
        if plan.wish is not None and plan.wish.resource is not None and plan.entry.method != "PATCH":
            plan.wish.resource = _resolved(exchange, plan.wish.resource, addresses, plan.entry)
    writes = [plan for plan in plans if plan.wish is not None]
    try:
        results = writing.apply(exchange, [plan.wish for plan in writes if plan.wish is not None])
    except FhirError as error:
        raise _located(error, writes) from None
    written = dict(zip((id(plan) for plan in writes), results, strict=True))
    answered: list[bytes] = [b""] * len(entries)
    for plan in plans:
        entry = plan.entry
        if entry.method in {"GET", "HEAD"}:
            response = _read(exchange, entry, handle)
        elif plan.wish is None:
            response = writing.answer(exchange, 200, plan.found) if plan.found else Response(204)
        else:
            response = _outcome(exchange, plan.wish, written[id(plan)])
        answered[entry.position] = _answer(exchange, response)
    return answered


def _read(exchange: Exchange, entry: Entry, handle: Handle) -> Response:
    return _within(entry, lambda: _single(exchange, entry, handle))


def _plan(exchange: Exchange, entry: Entry) -> _Plan:
    return _within(entry, lambda: _plan_entry(exchange, entry))


def _plan_entry(exchange: Exchange, entry: Entry) -> _Plan:
    found = route(entry.method, entry.segments, types())
    resource = dict(entry.resource) if entry.resource is not None else {}
    match found.interaction:
        case Interaction.CREATE:
            resource.pop("id", None)
            wish, existing = writing.wish_create(exchange, resource, entry.headers.get("if-none-exist"))
            entry.id = existing.id if existing else wish.id
            return _Plan(entry, None if existing else wish, existing)
        case Interaction.UPDATE:
            resource["id"] = found.id
            return _Plan(entry, writing.wish_update(exchange, found.type, found.id, resource, entry.headers))
        case Interaction.CONDITIONAL_UPDATE:
            wish = writing.wish_conditional_update(exchange, found.type, resource, entry.query, entry.headers)
            entry.id = wish.id
            return _Plan(entry, wish)
        case Interaction.DELETE:
            return _Plan(entry, writing.wish_delete(exchange, found.type, found.id, entry.headers))
        case Interaction.CONDITIONAL_DELETE:
            match_ = writing.only_match(exchange, found.type, entry.query)
            wish_ = writing.wish_delete(exchange, found.type, match_.id, entry.headers) if match_ else None
            return _Plan(entry, wish_)
        case Interaction.PATCH:
            body, media = _patch_body(entry)
            return _Plan(
                entry, writing.wish_patch(exchange, found.type, found.id, body, media, entry.headers)
            )
        case Interaction.BATCH | Interaction.CONDITIONAL_PATCH:
            raise FhirError(400, "not-supported", "This is not served inside a transaction")
        case _:
            if entry.method == "POST":
                raise FhirError(400, "not-supported", "Only creates may be posted inside a transaction")
            return _Plan(entry)


def _check_distinct(plans: list[_Plan]) -> None:
    """Raise when two entries write the same resource (http://hl7.org/fhir/R4/http.html#trules)."""
    seen: dict[tuple[str, str], Entry] = {}
    for plan in plans:
        if plan.wish is None:
            continue
        key = (plan.wish.type, plan.wish.id)
        if key in seen:
            raise FhirError(
                400, "duplicate", "Two entries write the same resource", expression=plan.entry.where
            )
        seen[key] = plan.entry


def _addresses(exchange: Exchange, plans: list[_Plan]) -> dict[str, str]:
    """Return "Type/id" on this server for each address by which entries may refer to each other."""
    found: dict[str, str] = {}
    for plan in plans:
        entry = plan.entry
        if not entry.full_url or entry.resource is None or entry.method not in {"POST", "PUT"}:
            continue
        id = plan.wish.id if plan.wish is not None else entry.id
        here = f"{entry.type}/{id}"
        if found.setdefault(entry.full_url, here) != here:
            raise FhirError(400, "duplicate", "Two entries have the same fullUrl", expression=entry.where)
        if not entry.full_url.startswith(PLACEHOLDERS):
            # References relative to the sender's base mean the entry too (bundle.html#references)
            base, _, sent = entry.full_url.rpartition(f"{entry.type}/")
            if base and sent and entry.method == "POST":
                found.setdefault(f"{entry.type}/{sent}", here)
    return found


def _resolved(
    exchange: Exchange, resource: dict[str, Any], addresses: dict[str, str], entry: Entry
) -> dict[str, Any]:
    base = exchange.request.base

    def change(reference: str) -> str | None:
        whole, _, fragment = reference.partition("#")
        if whole in addresses:
            return addresses[whole] + (f"#{fragment}" if fragment else "")
        if whole.startswith(PLACEHOLDERS):
            raise FhirError(
                400,
                "not-found",
                "A reference names an entry that the Bundle does not hold",
                expression=entry.where,
            )
        if "?" in whole and ":" not in whole.partition("?")[0]:
            return _conditional(exchange, whole, entry)
        target = local(whole, base)
        return f"{target[0]}/{target[1]}" if target and whole.startswith(base) else None

    placeholders = {address: here for address, here in addresses.items() if address.startswith(PLACEHOLDERS)}
    made: dict[str, Any] = (
        rewrite(resource, change, placeholders) if any(references(resource)) or placeholders else resource
    )
    return made


def _conditional(exchange: Exchange, reference: str, entry: Entry) -> str:
    type, _, query = reference.partition("?")
    if type not in types():
        raise FhirError(
            400, "value", "A conditional reference names no resource type", expression=entry.where
        )
    found = _within(entry, lambda: writing.only_match(exchange, type, parse_query(query.encode())))
    if found is None:
        raise FhirError(412, "not-found", "A conditional reference finds nothing", expression=entry.where)
    return f"{type}/{found.id}"


def _within(entry: Entry, do: Callable[[], Made]) -> Made:
    """Do something for an entry; what goes wrong is said to be wrong there."""
    try:
        return do()
    except SalusError as error:
        raise _at(from_error(error), entry) from None


def _at(error: FhirError, entry: Entry) -> FhirError:
    where = (
        f"{entry.where}.{error.where}"
        if error.where and not error.where.startswith("Bundle")
        else error.where
    )
    issues = [
        {
            **one,
            "expression": [f"{entry.where}.resource.{e}" for e in one.get("expression", ())] or [entry.where],
        }
        for one in error.issues
    ]
    return FhirError(
        error.status,
        error.issue,
        error.message,
        fix=error.fix,
        expression=where or entry.where,
        headers=error.headers,
        issues=issues,
    )


def _located(error: FhirError, writes: list[_Plan]) -> FhirError:
    """Return the error with the entry it came from, where the wish can be told from it."""
    failed = next((plan for plan in writes if plan.wish is error.subject), None)
    return _at(error, failed.entry) if failed is not None else error


def _outcome(exchange: Exchange, wish: writing.Wish, written: Written) -> Response:
    if wish.resource is None:
        return Response(204)
    return writing.answer(exchange, 201 if wish.action == "create" else 200, written)


def _answer(exchange: Exchange, response: Response) -> bytes:
    """Return an entry of the answering Bundle."""
    said: dict[str, Any] = {"status": str(response.status)}
    for name, key in (("location", "location"), ("etag", "etag")):
        if (value := response.header(name)) is not None:
            said[key] = value
    resource = b""
    if response.status >= 400:
        said["outcome"] = orjson.Fragment(response.body)
    else:
        if response.header("last-modified") is not None and response.body:
            said["lastModified"] = _last_updated(response.body)
        if response.body and prefer(exchange.request).get("return") != "minimal":
            resource = b'"resource":' + response.body + b","
    said = {key: value for key, value in said.items() if value}
    return b"{" + resource + b'"response":' + orjson.dumps(said) + b"}"


def _last_updated(body: bytes) -> str:
    mark = body.find(b'"lastUpdated":"')
    return body[mark + 15 : body.index(b'"', mark + 15)].decode() if mark >= 0 else ""
