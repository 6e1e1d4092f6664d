"""Histories of a resource, a type and the system, newest first, in pages that stay put."""

from datetime import datetime
from typing import Any

from salus.record import store
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, not_found
from salus.record.fhir.pages import bundle, count_of, link
from salus.record.fhir.request import Parameters
from salus.record.rules.r4 import kind_of
from salus.record.store import Op, Stored, stamp

COUNT, MAX_COUNT = 50, 500
KNOWN = frozenset({"_count", "_since", "_before", "_format", "_pretty"})
METHODS = {Op.CREATE: "POST", Op.UPDATE: "PUT", Op.DELETE: "DELETE"}


def instance(exchange: Exchange) -> Response:
    """Answer [type]/[id]/_history."""
    route = exchange.route
    query = exchange.request.query
    _check(query)
    access.check_type(exchange, "history", route.type)
    current = store.read(exchange.cursor, route.type, route.id)
    if current is None:
        raise not_found()
    access.check(exchange, "history", current)
    count = count_of(query, default=COUNT, most=MAX_COUNT)
    since = _since(query)
    versions = store.history(
        exchange.cursor, route.type, route.id, limit=count + 1, before=_number(query, "_before")
    )
    page = [one for one in versions[:count] if since is None or one.updated >= since]
    more = len(versions) > count and len(page) == count
    shown = [one for one in page if one.deleted or access.decide(exchange, "history", one).allowed]
    path = f"{route.type}/{route.id}/_history"
    return _answer(exchange, path, shown, page[-1].version if more else None)


def collection(exchange: Exchange) -> Response:
    """Answer [type]/_history and _history: what of the change feed the asker may see."""
    type = exchange.route.type
    query = exchange.request.query
    _check(query)
    if not type:
        raise FhirError(
            400, "not-supported", "A history of everything is not served", fix="Ask a type's _history"
        )
    found = access.scope(exchange, "history", type)
    count = count_of(query, default=COUNT, most=MAX_COUNT)
    condition, params = found.sql("r.person_id")
    where, values = [condition, "c.kind = %s", "c.op <> %s"], [*params, kind_of(type), int(Op.MOVE)]
    if (before := _number(query, "_before")) is not None:
        where.append("c.seq < %s")
        values.append(before)
    if (since := _since(query)) is not None:
        where.append("r.updated >= %s")
        values.append(since)
    exchange.cursor.execute(
        "select c.seq, r.id, c.version from record_change c join record_resource r on r.rid = c.rid"  # noqa: S608 - the policy's condition has placeholders only
        f" where {' and '.join(where)} order by c.seq desc limit %s",
        [*values, count + 1],
    )
    rows = exchange.cursor.fetchall()
    shown: list[Stored] = []
    for _, id, version in rows[:count]:
        one = store.vread(exchange.cursor, type, id, version)
        if one is None or (since is not None and one.updated < since):
            continue
        if one.deleted or access.decide(exchange, "history", one).allowed:
            shown.append(one)
    access.listed(
        exchange,
        "history",
        type,
        (one.person_id for one in shown),
        parameters=(name for name, _ in query),
        count=len(shown),
    )
    return _answer(exchange, f"{type}/_history", shown, rows[count - 1][0] if len(rows) > count else None)


def _answer(exchange: Exchange, path: str, shown: list[Stored], next_before: int | None) -> Response:
    query = exchange.request.query
    base = exchange.request.base
    kept = [(name, value) for name, value in query if name != "_before"]
    links = [link("self", f"{base}/{path}", query)]
    if next_before is not None:
        links.append(link("next", f"{base}/{path}", [*kept, ("_before", str(next_before))]))
    entries = [_entry(base, one) for one in shown]
    return Response(200, bundle("history", links, entries))


def _entry(base: str, one: Stored) -> dict[str, Any]:
    method = "DELETE" if one.deleted else "PUT" if one.version > 1 else "POST"
    address = f"{one.type}/{one.id}" if method != "POST" else one.type
    status = {"DELETE": "204", "PUT": "200", "POST": "201"}[method]
    said: dict[str, Any] = {
        "fullUrl": f"{base}/{one.type}/{one.id}",
        "request": {"method": method, "url": address},
        "response": {
            "status": status,
            "etag": f'W/"{one.version}"',
            "lastModified": stamp.instant(one.updated),
        },
    }
    if not one.deleted:
        said["resource"] = one.body
    return said


def _check(query: Parameters) -> None:
    for name, _ in query:
        if name not in KNOWN:
            raise FhirError(
                400, "not-supported", "A history does not know this parameter", fix="Use _count, _since"
            )


def _number(query: Parameters, name: str) -> int | None:
    value = next((value for key, value in query if key == name), None)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 18):
        raise FhirError(400, "value", f"{name} is not one of this server's")
    return int(value)


def _since(query: Parameters) -> int | None:
    value = next((value for key, value in query if key == "_since"), None)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise FhirError(
            400, "value", "_since is not an instant", fix="Write it as 2026-01-31T08:00:00+08:00"
        ) from None
