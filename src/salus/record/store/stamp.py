"""The stored bytes: the resource with its id and the store's part of `meta` written in front.

The version and the time are the only parts that a repeat of the same content changes, so they come first
and the rest, the tail, can be compared as bytes.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from salus.record import json

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
INSTANT_LENGTH = len("2026-01-01T00:00:00.000000Z")
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
OWNED = ("versionId", "lastUpdated", "source")
_FRONT = ("resourceType", "id", "meta")


def micros(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970 UTC."""
    return (moment - EPOCH) // MICROSECOND


def instant(at: int) -> str:
    """Return microseconds since 1970 UTC as a FHIR instant of fixed length."""
    return (EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def head(resource_type: str, resource_id: str, version: int, updated: str) -> bytes:
    """Return the front of the stored bytes, up to and including `meta.lastUpdated`."""
    return (
        f'{{"resourceType":"{resource_type}","id":"{resource_id}",'
        f'"meta":{{"versionId":"{version}","lastUpdated":"{updated}"'
    ).encode()


def tail(resource: dict[str, Any], source: str) -> bytes:
    """Return everything after `meta.lastUpdated`: the rest of meta, then the other elements.

    Top-level elements that are None are left out. Raises `TypeError` for what JSON or PostgreSQL cannot hold.
    """
    meta = resource.get("meta")
    kept = {k: v for k, v in meta.items() if k not in OWNED} if isinstance(meta, dict) else {}
    if source:
        kept = {"source": source, **kept}
    rest = resource.copy()
    for name in ("resourceType", "id", "meta"):
        rest.pop(name, None)
    if None in rest.values():
        rest = {name: value for name, value in rest.items() if value is not None}
    front = b"," + json.dumps(kept)[1:] if kept else b"}"
    whole = front + (b"," + json.dumps(rest)[1:] if rest else b"}")
    if b"\\u0000" in whole and NUL.search(whole):
        raise TypeError("NUL")  # FHIR allows no control characters, PostgreSQL keeps none
    return whole


def tail_of(body: bytes, resource_type: str, resource_id: str, version: int) -> bytes:
    """Return the tail of stored bytes."""
    length = FIXED + len(resource_type) + len(resource_id) + len(str(version)) + INSTANT_LENGTH
    return body[length:]


FIXED = len(head("", "", 0, "")) - 1


def canonical(resource: dict[str, Any]) -> bytes:
    """Return the content of a resource as bytes that do not depend on the order of its elements.

    1.1 and 1.10 are different content, as 1 and 1.0 are: a decimal's digits say how precise it is.
    """
    return json.dumps(resource, sort_keys=True)


def content(body: bytes) -> dict[str, Any]:
    """Return a stored resource without its type, its id and the parts of `meta` that the store owns."""
    return content_of(json.loads(body))


def content_of(resource: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as `content` does, before it is stored or after; the resource stays as it is."""
    made = {k: v for k, v in resource.items() if v is not None and k not in _FRONT}
    meta = resource.get("meta")
    if isinstance(meta, dict) and (kept := {k: v for k, v in meta.items() if k not in OWNED}):
        made["meta"] = kept
    return made
