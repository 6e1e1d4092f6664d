"""Search by GET and POST _search: the asker's parameters, the policy's scope, pages that stay put."""

from collections.abc import Callable
from typing import Any

import orjson

from salus.kernel.policy import Scope
from salus.record import store
from salus.record.fhir import access, persons
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, issue, outcome
from salus.record.fhir.pages import bundle, link
from salus.record.fhir.request import Parameters, check_content_type, parse_query, prefer
from salus.record.fhir.shaping import Shape, shape_of
from salus.record.fhir.types import PERSON, types
from salus.record.rules.r4 import kind_of
from salus.record.store import Page, SearchError, SearchQuery, Stored, search_parameters

FORM = "application/x-www-form-urlencoded"
MAX_FORM = 1024 * 1024  # bytes of a POST _search


def search(exchange: Exchange) -> Response:
    """Answer a search of one type, or of several (`/fhir?_type=A,B`), by GET or POST _search.

    Unknown parameters are refused unless `Prefer: handling=lenient`, because leaving one out shows more
    than was asked for. Source: http://hl7.org/fhir/R4/search.html#errors.
    """
    type = exchange.route.type
    query = list(exchange.request.query)
    if exchange.request.method == "POST":
        check_content_type(exchange.request, FORM)
        query += parse_query(exchange.request.body.strip(), limit=MAX_FORM)
    shape = shape_of(query)
    strict = prefer(exchange.request).get("handling") != "lenient"
    if type == PERSON:
        return persons.search(exchange, query, shape, strict=strict)
    if shape.summary == "count":
        query = [pair for pair in query if pair[0] != "_count"] + [("_count", "0")]
    if type:
        page = _run(exchange, type, query, strict=strict)
    else:
        types, rest = _several(exchange, query)
        page = _run(exchange, types, rest, strict=strict)
    shown = [*page.resources, *page.included]
    names = [name for name, _ in query]
    for one in sorted({one.type for one in shown} - {type}) if not type else ():
        found = [each.person_id for each in shown if each.type == one]
        access.listed(exchange, "search", one, found, parameters=names, count=len(found))
    if type or not shown:
        people = [one.person_id for one in shown]
        access.listed(exchange, "search", type, people, parameters=names, count=len(shown))
    return Response(200, _bundle(exchange, type, query, page, shape))


def _several(exchange: Exchange, query: Parameters) -> tuple[list[str], Parameters]:
    """Return the types that a search of the whole system is about, and the query without `_type`.

    Without `_type`: all that are stored and that the asker may search.
    """
    named = [part for name, value in query if name == "_type" for part in value.split(",") if part]
    if unknown := set(named) - (types() - {PERSON}):
        where = "_type" if unknown - {PERSON} else f"_type={PERSON}"
        raise FhirError(400, "value", "_type names a type that is not searched here", expression=where)
    rest = [pair for pair in query if pair[0] != "_type"]
    wanted = list(dict.fromkeys(named)) or _stored(exchange)
    open_ = [one for one in wanted if not access.open_to(exchange.principal, "search", one).nothing]
    if not open_:
        access.check_type(exchange, "search", wanted[0] if wanted else "Patient")
    return open_, rest


def _stored(exchange: Exchange) -> list[str]:
    """Return the types of which anything is stored; one look at the index for each."""
    known = sorted(types() - {PERSON})
    looks = " union all ".join(
        f"select {kind_of(one)} where exists (select 1 from record_resource where kind = {kind_of(one)})"  # noqa: S608 - our own numbers
        for one in known
    )
    exchange.cursor.execute(looks)
    found = {row[0] for row in exchange.cursor.fetchall()}
    return [one for one in known if kind_of(one) in found]


def find(exchange: Exchange, type: str, query: Parameters, *, limit: int) -> list[Stored]:
    """Return up to `limit` resources that a condition finds among those that the asker may search."""
    controls = {"_count", "_sort", "_total", "_include", "_revinclude", "_cursor", "_summary", "_elements"}
    if any(name in controls for name, _ in query):
        raise FhirError(400, "invalid", "A condition holds search parameters only")
    found = _run(exchange, type, [*query, ("_count", str(limit))], strict=True).resources
    for one in found:
        exchange.entries.append(access.entry(exchange, "search", type, id=one.id, person_id=one.person_id))
    return found


def _run(exchange: Exchange, type: str | list[str], query: Parameters, *, strict: bool) -> Page:
    if isinstance(type, str):
        access.check_type(exchange, "search", type)
    asked = SearchQuery(tuple(query), strict=strict, base=exchange.request.base)
    try:
        return store.search(exchange.cursor, type, asked, _scopes(exchange), now=exchange.now)
    except SearchError as error:
        known = not (error.code.startswith("unknown-") or error.code == "not-served")
        code = "invalid" if known else "not-supported"
        if error.code == "too-many-included":
            code = "too-costly"
        raise FhirError(400, code, error.message, fix=error.fix, expression=_safe(error.where)) from None


def _scopes(exchange: Exchange) -> Callable[[str], Scope]:
    return lambda type: access.open_to(exchange.principal, "search", type)


def _safe(name: str) -> str:
    """Return a parameter's name as it may be said back: it came from the asker."""
    return name[:60] if name.isprintable() else ""


def _bundle(exchange: Exchange, type: str, query: Parameters, page: Page, shape: Shape) -> bytes:
    base = exchange.request.base
    address = f"{base}/{type}" if type else base
    shown = [pair for pair in query if pair[0] in {"_summary", "_elements", "_type"}]
    links = [link("self", address, [*page.used, *shown])]
    kept = [pair for pair in query if pair[0] not in {"_cursor", "_total"}]
    if any(name == "_cursor" for name, _ in query):
        links.append(link("first", address, kept))
    if page.next is not None:
        links.append(link("next", address, [*kept, ("_cursor", page.next)]))
    entries: list[dict[str, Any] | bytes] = [_entry(base, one, "match", shape) for one in page.resources]
    entries += [_entry(base, one, "include", shape) for one in page.included]
    if page.ignored:
        names = ", ".join(sorted({_safe(name) for name in page.ignored}))
        warning = issue("not-supported", f"Left out, because not known here: {names}", severity="warning")
        said = {**outcome("not-supported", ""), "issue": [warning]}
        entries.append({"resource": said, "search": {"mode": "outcome"}})
    return bundle("searchset", links, entries, total=page.total)


def _entry(base: str, one: Stored, mode: str, shape: Shape) -> bytes:
    address = orjson.dumps(f"{base}/{one.type}/{one.id}")
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (
        address,
        shape.apply(one.body),
        mode.encode(),
    )


def parameters_of(type: str) -> dict[str, str]:
    """Return the search parameters of a type and the kind of each."""
    return {code: parameter.kind for code, parameter in search_parameters(type).items()}


def includes_of(type: str) -> list[str]:
    """Return what `_include` takes for a type."""
    return sorted(
        f"{type}:{code}"
        for code, parameter in search_parameters(type).items()
        if parameter.kind == "reference"
    )


def reverse_includes_of(type: str) -> list[str]:
    """Return what `_revinclude` takes for a type."""
    return [
        f"{other}:{code}"
        for other in sorted(types())
        for code, parameter in sorted(search_parameters(other).items())
        if parameter.kind == "reference" and type in parameter.targets
    ]
