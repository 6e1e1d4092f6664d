"""`Patient/[id]/$everything`: the whole person behind a source's Patient, as far as the asker may see."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from salus.kernel import policy
from salus.kernel.policy.words import uuid_value
from salus.record import json, store, visibility
from salus.record.fhir import access
from salus.record.fhir.body import decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, gone, not_found
from salus.record.fhir.pages import bundle, count_of, link
from salus.record.fhir.request import Parameters
from salus.record.fhir.types import types
from salus.record.rules.r4 import kind_of, type_names
from salus.record.store import Stored, search_parameters, stamp
from salus.record.store.extract import IndexRows
from salus.record.store.extract.values import EARLIEST, LATEST
from salus.record.store.index import extract, extractor

COUNT, MAX_COUNT = 200, 1000
KNOWN = frozenset({"_count", "_type", "_since", "_after", "start", "end", "_format", "_pretty"})
CARE_DATES = (
    "date", "onset-date", "recorded-date", "authoredon", "whenhandedover", "effective", "effective-time",
    "period", "created", "authored", "sent", "event-date", "started",
)  # fmt: skip
"""Search parameters that say when care was given, the first that a type has counts."""


def everything(exchange: Exchange) -> Response:
    """Answer `$everything`: all linked Patients and all that belongs to them, from every source.

    What the asker's role, relation, scopes or lack of a stronger permission hide is left out.
    `start` and `end` keep what care was given between those days, and what has no such date. The registered
    resources that the found ones refer to (institutions, doctors, medicines) come beside them.
    Source: http://hl7.org/fhir/R4/patient-operation-everything.html.
    """
    query = _parameters(exchange)
    access.check_type(exchange, "read", "Patient")
    patient = store.read(exchange.cursor, "Patient", exchange.route.id)
    if patient is None:
        raise not_found()
    access.check(exchange, "read", patient)
    if patient.deleted:
        raise gone()
    count = count_of(query, default=COUNT, most=MAX_COUNT)
    where, params = ["not r.deleted", "r.version > 0"], list[Any]()
    if patient.person_id is not None:
        where.append("r.person_id = %s")
        params.append(uuid_value(patient.person_id))
    else:
        where.append("(r.rid = %s or r.patient_rid = %s)")
        params.extend([patient.rid, patient.rid])
    kinds = _kinds(exchange, query, where, params)
    allowed, values = visibility.condition(exchange.principal, "read", kinds)
    where.append(allowed)
    params.extend(values)
    _window(query, where, params)
    _care_dates(query, kinds, where, params)
    exchange.cursor.execute(
        f"select r.rid from record_resource r where {' and '.join(where)} order by r.rid limit %s",  # noqa: S608 - conditions hold placeholders only
        [*params, count + 1],
    )
    rids = [row[0] for row in exchange.cursor.fetchall()]
    found = store.read_rids(exchange.cursor, rids[:count])
    access.listed(
        exchange, "search", "Patient", [patient.person_id], parameters=["$everything"], count=len(found)
    )
    base = exchange.request.base
    address = f"{base}/Patient/{patient.id}/$everything"
    links = [link("self", address, query)]
    if len(rids) > count:
        kept = [(name, value) for name, value in query if name != "_after"]
        links.append(link("next", address, [*kept, ("_after", str(rids[count - 1]))]))
    beside = [] if any(name == "_type" for name, _ in query) else _supporting(exchange, found)
    entries = [
        {"fullUrl": f"{base}/{one.type}/{one.id}", "resource": one.body, "search": {"mode": mode}}
        for mode, some in (("match", found), ("include", beside))
        for one in some
    ]
    return Response(200, bundle("searchset", links, entries))


def _parameters(exchange: Exchange) -> Parameters:
    query = list(exchange.request.query)
    if exchange.request.method == "POST" and exchange.request.body:
        given = decode_resource(exchange.request.body).get("parameter")
        for one in given if isinstance(given, list) else ():
            value = (
                next((v for k, v in one.items() if k.startswith("value")), None)
                if isinstance(one, dict)
                else None
            )
            if value is not None:
                query.append((str(one.get("name")), str(value)))
    for name, _ in query:
        if name not in KNOWN:
            raise FhirError(
                400,
                "not-supported",
                "$everything does not know this parameter",
                fix="Use start, end, _type, _since, _count",
            )
    return query


def _supporting(exchange: Exchange, found: Sequence[Stored]) -> list[Stored]:
    """Return the registered resources that resources refer to, which belong to nobody."""
    rows = IndexRows()
    for one in found:
        extract(one.type, json.loads(one.body), one.rid, rows)
    registered = {kind for kind, name in type_names().items() if policy.kind_of(name) == "registry"}
    wanted = {(kind, id) for _, id, _, kind in rows.reference if kind in registered}
    beside: list[Stored] = []
    for kind, id in sorted(wanted):
        stored = store.read(exchange.cursor, type_names()[kind], id)
        if stored is not None and not stored.deleted and access.may_see(exchange, stored):
            beside.append(stored)
    return beside


def _care_dates(query: Parameters, kinds: Sequence[int], where: list[str], params: list[Any]) -> None:
    """Narrow by `start` and `end`: a resource that says when care was given must overlap them."""
    given = {name: value for name, value in query if name in {"start", "end"}}
    if not given:
        return
    calendar = extractor().calendar
    try:
        low = calendar.span(given["start"])[0] if "start" in given else EARLIEST
        high = calendar.span(given["end"])[1] if "end" in given else LATEST
    except (ValueError, OverflowError):
        raise FhirError(400, "value", "start or end is no date", fix="Write YYYY-MM-DD") from None
    paths: list[int] = []
    for kind in kinds:
        known = search_parameters(type_names()[kind])
        name = next((one for one in CARE_DATES if one in known and known[one].kind == "date"), "")
        paths += known[name].paths if name else ()
    if paths:
        listed = ", ".join(map(str, paths))
        rows = f"select 1 from record_date x where x.rid = r.rid and +x.path in ({listed})"  # noqa: S608 - our own numbers
        where.append(f"(not exists ({rows}) or exists ({rows} and x.low <= %s and x.high >= %s))")
        params.extend([high, low])


def _kinds(exchange: Exchange, query: Parameters, where: list[str], params: list[Any]) -> list[int]:
    """Return the kinds of resource that the person has, narrowed by `_type`."""
    wanted = {part for name, value in query if name == "_type" for part in value.split(",") if part}
    if wanted - types():
        raise FhirError(400, "value", "_type names no resource type")
    exchange.cursor.execute(
        f"select distinct r.kind from record_resource r where {' and '.join(where)}",  # noqa: S608 - our own conditions
        params,
    )
    kinds = {row[0] for row in exchange.cursor.fetchall()}
    return sorted(kinds & {kind_of(type) for type in wanted}) if wanted else sorted(kinds)


def _window(query: Parameters, where: list[str], params: list[Any]) -> None:
    for name, value in query:
        try:
            if name == "_after":
                where.append("r.rid > %s")
                params.append(int(value) if value.isascii() and len(value) < 18 else int("not a number"))
            elif name == "_since":
                moment = datetime.fromisoformat(value.replace(" ", "+"))
                where.append("r.updated >= %s")
                params.append(stamp.micros(moment))
        except (ValueError, TypeError, OverflowError):
            raise FhirError(400, "value", f"{name} is not what this server expects") from None
