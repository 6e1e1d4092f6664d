"""Search by GET and POST _search: the asker's parameters, the policy's scope, pages that stay put."""

from dataclasses import dataclass, field
from typing import Any

from salus.record import store
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError, Response, issue
from salus.record.fhir.pages import bundle, count_of, link
from salus.record.fhir.request import Parameters, check_content_type, parse_query, prefer
from salus.record.fhir.shaping import Shape, shape_of
from salus.record.fhir.types import PERSON, types
from salus.record.store import Stored

COUNT, MAX_COUNT = 20, 500
FORM = "application/x-www-form-urlencoded"
CONTROLS = frozenset(
    {
        "_format",
        "_pretty",
        "_count",
        "_sort",
        "_total",
        "_summary",
        "_elements",
        "_include",
        "_revinclude",
        "_page",
        "_contained",
        "_containedType",
    }
)


def find(exchange: Exchange, type: str, query: Parameters, *, limit: int) -> list[Stored]:
    """Return up to `limit` resources that a condition finds among those that the asker may search."""
    raise FhirError(501, "not-supported", "Search is not here")


def search(exchange: Exchange) -> Response:
    """Answer a search of one type."""
    raise FhirError(501, "not-supported", "Search is not here")


def parameters_of(type: str) -> dict[str, str]:
    """Return the search parameters of a type and the kind of each."""
    return {}


def includes_of(type: str) -> list[str]:
    """Return what `_include` takes for a type."""
    return []


def reverse_includes_of(type: str) -> list[str]:
    """Return what `_revinclude` takes for a type."""
    return []
