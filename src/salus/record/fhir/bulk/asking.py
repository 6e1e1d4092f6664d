"""What an export's kick-off asks for, read from its query or its Parameters."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from salus.record.fhir.body import ID, decode_resource
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, issue
from salus.record.fhir.request import Parameters, check_content_type, parse_query, prefer
from salus.record.fhir.types import PERSON, types
from salus.record.rules.r4 import kind_of
from salus.record.store import SearchError, SearchQuery, stamp
from salus.record.store.searching.plan import plan

FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
RESOURCES = ("application/fhir+json", "application/json")
NOT_SERVED = frozenset({"includeAssociatedData", "organizeOutputBy"})
PRESENTED = frozenset({"_format", "_pretty"})
CONTROLS = frozenset(
    {"_count", "_sort", "_total", "_include", "_revinclude", "_cursor", "_summary", "_elements"}
)
MOST_PATIENTS = 10_000


@dataclass(slots=True)
class Wanted:
    """A kick-off, understood.

    `types` empty: every type that the asker may export. `filters` holds the queries of `_typeFilter` by
    type, any of which a resource must meet; `elements` the elements kept by type ("" for every type).
    `since` and `until` are µs since 1970 UTC. `patients` are ids of Patient resources, None when not
    given. `warnings` are OperationOutcome issues about what was left out.
    """

    types: list[str] = field(default_factory=list)
    filters: dict[str, list[str]] = field(default_factory=dict)
    elements: dict[str, list[str]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    patients: list[str] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)


def wanted(exchange: Exchange, level: str) -> Wanted:
    """Return what a kick-off at a level ("system", "patient", "group") asks for.

    Raises `FhirError` 400 for what is not understood or not served; with `Prefer: handling=lenient` it is
    left out instead, and the manifest says so.
    """
    asked = Wanted()
    lenient = prefer(exchange.request).get("handling") == "lenient"
    for name, value in _parameters(exchange):
        try:
            _take(asked, name, value, level, exchange)
        except FhirError as error:
            if not lenient or error.issue != "not-supported":
                raise
            asked.warnings.append(
                issue(
                    "not-supported", f"Left out: {error.message}", severity="warning", expression=error.where
                )
            )
    _check_filters(asked, exchange, lenient)
    if asked.since is not None and asked.until is not None and asked.until < asked.since:
        raise FhirError(400, "value", "_until is before _since", expression="_until")
    return asked


def _parameters(exchange: Exchange) -> Parameters:
    request = exchange.request
    query = list(request.query)
    if request.method != "POST" or not request.body:
        return query
    check_content_type(request, *RESOURCES)
    body = decode_resource(request.body)
    given = body.get("parameter")
    if body["resourceType"] != "Parameters" or not isinstance(given, list | None):
        raise FhirError(400, "structure", "The body is not a Parameters resource")
    for one in given or ():
        name = one.get("name") if isinstance(one, dict) else None
        value = next((v for k, v in one.items() if k.startswith("value")), None) if name else None
        if isinstance(value, dict):
            value = value.get("reference")
        if not isinstance(name, str) or not isinstance(value, str):
            raise FhirError(400, "value", "A parameter has no name or no value", expression="parameter")
        query.append((name, value))
    return query


def _take(asked: Wanted, name: str, value: str, level: str, exchange: Exchange) -> None:
    match name:
        case "_outputFormat":
            if value.replace(" ", "+").lower() not in FORMATS:
                raise _refused(name, "This output format is not served", "Use application/fhir+ndjson")
        case "_since":
            asked.since = _instant(name, value)
        case "_until":
            asked.until = _instant(name, value)
        case "_type":
            for type in (part.strip() for part in value.split(",")):
                if type not in types() or type == PERSON:
                    raise _refused(name, "A type is not one that is exported here", "See metadata")
                if type not in asked.types:
                    asked.types.append(type)
        case "_typeFilter":
            for part in _queries(value):
                type, mark, query = part.partition("?")
                if type not in types() or not mark or not query:
                    raise _refused(
                        name, "A filter is not of the form Type?search", "Write Observation?code=…"
                    )
                asked.filters.setdefault(type, []).append(query)
        case "_elements":
            for part in (part.strip() for part in value.split(",")):
                type, dot, element = part.rpartition(".")
                if part.count(".") > 1 or (dot and type not in types()) or not element.isalnum():
                    raise _refused(name, "Only top-level elements can be chosen", "Write id or Patient.name")
                asked.elements.setdefault(type, []).append(element)
        case "patient":
            if level == "system" or exchange.request.method != "POST":
                raise _refused(name, "Patients are named in a POST of Patient or Group level", "")
            reference = value.removeprefix(exchange.request.base + "/")
            type, _, id = reference.partition("/")
            if type != "Patient" or not ID.fullmatch(id):
                raise FhirError(
                    400, "value", "A patient is not a reference to a Patient here", expression=name
                )
            asked.patients = [*(asked.patients or ()), id]
            if len(asked.patients) > MOST_PATIENTS:
                raise FhirError(400, "too-costly", "Too many patients are named", fix="Use a Group")
        case _ if name in PRESENTED:
            pass
        case _ if name in NOT_SERVED:
            raise _refused(name, f"The parameter {name} is not served", "Leave it out")
        case _:
            raise _refused(name, "An export does not know this parameter", "See docs/bulk.md")


def _queries(value: str) -> list[str]:
    """Split a `_typeFilter` at the commas that begin another Type?query; others belong to a search."""
    parts: list[str] = []
    for piece in value.split(","):
        head = piece.partition("?")[0]
        if parts and not ("?" in piece and head in types()):
            parts[-1] += "," + piece
        else:
            parts.append(piece)
    return parts


def _check_filters(asked: Wanted, exchange: Exchange, lenient: bool) -> None:
    for type, queries in list(asked.filters.items()):
        if asked.types and type not in asked.types:
            raise FhirError(
                400, "invalid", "_typeFilter names a type that _type does not", expression="_typeFilter"
            )
        for query in list(queries):
            pairs = parse_query(query.encode())
            try:
                if any(name in CONTROLS for name, _ in pairs):
                    raise _refused("_typeFilter", "A filter holds search parameters only", "")
                plan(type, SearchQuery(tuple(pairs), base=exchange.request.base), _anything, exchange.now)
            except SearchError as error:
                if not lenient or error.code not in {"unknown-parameter", "unknown-modifier"}:
                    raise FhirError(
                        400, "invalid", error.message, fix=error.fix, expression="_typeFilter"
                    ) from None
                left_out = issue(
                    "not-supported",
                    "Left out: a filter that is not known",
                    severity="warning",
                    expression="_typeFilter",
                )
                asked.warnings.append(left_out)
                queries.remove(query)
            except FhirError as error:
                if not lenient or error.issue != "not-supported":
                    raise
                queries.remove(query)
                asked.warnings.append(
                    issue("not-supported", f"Left out: {error.message}", severity="warning")
                )
        if not queries:
            del asked.filters[type]


class _Everything:
    def sql(self, column: str = "") -> tuple[str, list[Any]]:
        return "1=1", []


def _anything(_: str) -> _Everything:
    return _Everything()


def _instant(name: str, value: str) -> int:
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError
        return stamp.micros(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise FhirError(
            400,
            "value",
            f"{name} is not an instant",
            fix="Write it as 2026-01-31T08:00:00+08:00",
            expression=name,
        ) from None


def _refused(name: str, message: str, fix: str) -> FhirError:
    return FhirError(400, "not-supported", message, fix=fix, expression=name)


def kinds_of(names: list[str]) -> list[int]:
    """Return the numbers of resource types, in ascending order."""
    return sorted({kind_of(name) for name in names})
