"""Read, vread and history: stored bytes, served as they are."""

from collections.abc import Iterable

from django.db.backends.utils import CursorWrapper

from salus.record import store
from salus.record.fhir import access, persons
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, gone, not_found
from salus.record.fhir.request import http_date, unchanged_since
from salus.record.fhir.shaping import shape_of
from salus.record.fhir.types import PERSON
from salus.record.identity import rows
from salus.record.rules.r4 import kind_of
from salus.record.store import Stored
from salus.record.store.reading import COLUMNS
from salus.record.store.reading import stored as stored_row


def version_headers(version: int, updated: int) -> tuple[tuple[str, str], ...]:
    """Return ETag and Last-Modified of a version (`updated` in µs since 1970)."""
    return (("etag", f'W/"{version}"'), ("last-modified", http_date(updated)))


def read(exchange: Exchange) -> Response:
    """Answer a read by id: 404 alike for what is absent and what the asker may not see; 410 when deleted."""
    route = exchange.route
    if route.type == PERSON:
        return persons.read(exchange)
    if exchange.fetched is not None:
        stored = exchange.fetched.get((route.type, route.id))
    else:
        stored = store.read(exchange.cursor, route.type, route.id)
    if stored is None:
        access.absent(exchange, "read", route.type)
    access.check(exchange, "read", stored)
    return _representation(exchange, stored)


def fetch(cursor: CursorWrapper, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Stored]:
    """Return the resources of a batch of reads by (type, id), one statement for each type."""
    by_type: dict[str, set[str]] = {}
    for type, id in wanted:
        by_type.setdefault(type, set()).add(id)
    found: dict[tuple[str, str], Stored] = {}
    for type, ids in by_type.items():
        sql = (
            f"select {COLUMNS} from record_resource r"  # noqa: S608 - our own names and number
            f" where r.kind = {kind_of(type)} and r.id in ({{marks}}) and r.version > 0"
        )
        for row in rows.fetch_in(cursor, sql, ids):
            one = stored_row(row)
            found[type, one.id] = one
    return found


def vread(exchange: Exchange) -> Response:
    """Answer a read of one version."""
    route = exchange.route
    access.check_type(exchange, "read", route.type)
    current = store.read(exchange.cursor, route.type, route.id)
    if current is None:
        raise not_found()
    access.check(exchange, "read", current, version=route.version)
    stored = (
        current
        if route.version == current.version
        else store.vread(exchange.cursor, route.type, route.id, route.version)
    )
    if stored is None:
        raise not_found()
    if stored is not current and not access.may_see(exchange, stored):
        raise not_found()
    return _representation(exchange, stored)


def _representation(exchange: Exchange, stored: Stored) -> Response:
    headers = version_headers(stored.version, stored.updated)
    if stored.deleted:
        raise FhirError(410, "deleted", gone().message, fix=gone().fix, headers=headers[:1])
    if unchanged_since(exchange.request, stored.version, stored.updated):
        return Response(304, headers=headers)
    body = stored.body
    if exchange.request.query:
        shape = shape_of(exchange.request.query)
        body = shape.apply(body)
    return Response(200, body, headers)
