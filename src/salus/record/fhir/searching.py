"""Search by GET and POST _search: the asker's parameters, the policy's scope, pages that stay put."""

from collections.abc import Callable
from typing import Any

from salus.kernel import policy
from salus.kernel.policy import Scope
from salus.record import store
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, issue, outcome
from salus.record.fhir.pages import bundle, link
from salus.record.fhir.request import Parameters, check_content_type, parse_query, prefer
from salus.record.fhir.shaping import Shape, shape_of
from salus.record.fhir.types import PERSON, types
from salus.record.store import Page, SearchError, SearchQuery, Stored, search_parameters

FORM = "application/x-www-form-urlencoded"
MAX_FORM = 1024 * 1024  # bytes of a POST _search


def search(exchange: Exchange) -> Response:
    """Answer a search of one type, by GET or POST _search.

    Unknown parameters are refused unless `Prefer: handling=lenient`, because leaving one out shows more
    than was asked for. Source: http://hl7.org/fhir/R4/search.html#errors.
    """
    type = exchange.route.type
    if type == PERSON:
        raise FhirError(
            404, "not-supported", "Persons are read by id", fix="Search Patients, or use Patient/$match"
        )
    query = list(exchange.request.query)
    if exchange.request.method == "POST":
        check_content_type(exchange.request, FORM)
        query += parse_query(exchange.request.body.strip(), limit=MAX_FORM)
    shape = shape_of(query)
    if shape.summary == "count":
        query = [pair for pair in query if pair[0] != "_count"] + [("_count", "0")]
    page = _run(exchange, type, query, strict=prefer(exchange.request).get("handling") != "lenient")
    shown = [*page.resources, *page.included]
    access.listed(
        exchange,
        "search",
        type,
        (one.person_id for one in shown),
        parameters=(name for name, _ in query),
        count=len(shown),
    )
    return Response(200, _bundle(exchange, type, query, page, shape))


def find(exchange: Exchange, type: str, query: Parameters, *, limit: int) -> list[Stored]:
    """Return up to `limit` resources that a condition finds among those that the asker may search."""
    controls = {"_count", "_sort", "_total", "_include", "_revinclude", "_cursor", "_summary", "_elements"}
    if any(name in controls for name, _ in query):
        raise FhirError(400, "invalid", "A condition holds search parameters only")
    found = _run(exchange, type, [*query, ("_count", str(limit))], strict=True).resources
    for one in found:
        exchange.entries.append(access.entry(exchange, "search", type, id=one.id, person_id=one.person_id))
    return found


def _run(exchange: Exchange, type: str, query: Parameters, *, strict: bool) -> Page:
    access.check_type(exchange, "search", type)
    asked = SearchQuery(tuple(query), strict=strict, base=exchange.request.base)
    try:
        return store.search(exchange.cursor, type, asked, _scopes(exchange), now=exchange.now)
    except SearchError as error:
        code = "not-supported" if error.code.startswith("unknown-") else "invalid"
        if error.code == "too-many-included":
            code = "too-costly"
        raise FhirError(400, code, error.message, fix=error.fix, expression=_safe(error.where)) from None


def _scopes(exchange: Exchange) -> Callable[[str], Scope]:
    return lambda type: policy.scope(exchange.principal, "search", type)


def _safe(name: str) -> str:
    """Return a parameter's name as it may be said back: it came from the asker."""
    return name[:60] if name.isprintable() else ""


def _bundle(exchange: Exchange, type: str, query: Parameters, page: Page, shape: Shape) -> bytes:
    base = exchange.request.base
    address = f"{base}/{type}"
    links = [
        link(
            "self",
            address,
            list(page.used) + [pair for pair in query if pair[0] in {"_summary", "_elements"}],
        )
    ]
    kept = [pair for pair in query if pair[0] not in {"_cursor", "_total"}]
    if any(name == "_cursor" for name, _ in query):
        links.append(link("first", address, kept))
    if page.next is not None:
        links.append(link("next", address, [*kept, ("_cursor", page.next)]))
    entries = [_entry(base, one, "match", shape) for one in page.resources]
    entries += [_entry(base, one, "include", shape) for one in page.included]
    if page.ignored:
        names = ", ".join(sorted({_safe(name) for name in page.ignored}))
        warning = issue("not-supported", f"Left out, because not known here: {names}", severity="warning")
        said = {**outcome("not-supported", ""), "issue": [warning]}
        entries.append({"resource": said, "search": {"mode": "outcome"}})
    return bundle("searchset", links, entries, total=page.total)


def _entry(base: str, one: Stored, mode: str, shape: Shape) -> dict[str, Any]:
    return {
        "fullUrl": f"{base}/{one.type}/{one.id}",
        "resource": shape.apply(one.body),
        "search": {"mode": mode},
    }


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
