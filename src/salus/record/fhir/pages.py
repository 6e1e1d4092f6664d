"""Bundles of results: stored bytes put between the brackets, never parsed and printed again."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

import orjson

from salus.kernel.ids import uuid7
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.request import Parameters


def bundle(
    kind: str,
    links: Sequence[dict[str, str]],
    entries: Iterable[dict[str, Any] | bytes],
    *,
    total: int | None = None,
) -> bytes:
    """Return a Bundle's bytes; an entry, or its "resource", may be bytes already."""
    head: dict[str, Any] = {"resourceType": "Bundle", "id": str(uuid7()), "type": kind}
    if total is not None:
        head["total"] = total
    head["link"] = list(links)
    parts = [entry if isinstance(entry, bytes) else _entry(entry) for entry in entries]
    body = orjson.dumps(head)
    return body[:-1] + b',"entry":[' + b",".join(parts) + b"]}" if parts else body


def _entry(entry: dict[str, Any]) -> bytes:
    resource = entry.get("resource")
    if isinstance(resource, bytes):
        entry = {**entry, "resource": orjson.Fragment(resource)}
    return orjson.dumps(entry)


def link(relation: str, address: str, query: Parameters) -> dict[str, str]:
    """Return a Bundle.link."""
    if not query:
        return {"relation": relation, "url": address}
    asked = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in query])
    return {"relation": relation, "url": f"{address}?{asked}"}


def _quoted(text: str) -> str:
    return quote_plus(text) if len(text) > 200 else _short(text)


_short = lru_cache(maxsize=4096)(quote_plus)


def count_of(query: Parameters, *, default: int, most: int) -> int:
    """Return `_count`, never more than `most`; raises `FhirError` 400 when it is not a number."""
    value = next((value for key, value in query if key == "_count"), None)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise FhirError(400, "value", "_count is not a whole number")
    return min(int(value), most)
