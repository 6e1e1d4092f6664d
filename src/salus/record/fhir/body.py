"""Request bodies: bytes to a resource, within limits, without a traceback for anything."""

import re
from typing import Any

from salus.record import json
from salus.record.fhir.outcome import FhirError
from salus.record.xml.start import is_xml

MAX_RESOURCE = 16 * 1024 * 1024  # bytes of one resource
MAX_BUNDLE = 64 * 1024 * 1024  # bytes of a Bundle
MAX_DEPTH = 64  # levels of objects and arrays; R4 resources stay under 30
ID = re.compile(r"^[A-Za-z0-9\-.]{1,64}$")
_CONTROL = re.compile(rb"\\u00(?:0[0-8bcBCeEfF]|1[0-9a-fA-F])|\\[bf]")
_ESCAPED_BACKSLASH = re.compile(rb"\\\\")


def decode(raw: bytes, *, limit: int = MAX_RESOURCE) -> Any:
    """Return the JSON value of a body.

    Raises `FhirError` 400 (or 413) for what is empty, too big, not UTF-8, not JSON, too deep, or holds a
    number out of all proportion or control characters that FHIR's string type excludes
    (http://hl7.org/fhir/R4/datatypes.html#string).
    """
    if not raw:
        raise FhirError(400, "required", "The body is empty", fix="Send a resource as JSON")
    if len(raw) > limit:
        raise FhirError(413, "too-long", f"The body is longer than {limit} bytes")
    try:
        value = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except json.NotJson as error:
        raise _refused(error) from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:  # fewer brackets cannot nest deeper
        _check_depth(value)
    if b"\\" in raw and _CONTROL.search(_ESCAPED_BACKSLASH.sub(b"", raw)):
        raise FhirError(400, "value", "A string holds a control character, which FHIR does not allow")
    return value


def decode_resource(raw: bytes, *, limit: int = MAX_RESOURCE) -> dict[str, Any]:
    """Return a body that is one FHIR resource, in JSON or XML; raises `FhirError` 400 when it is not."""
    value = _from_xml(raw, limit) if is_xml(raw) else decode(raw, limit=limit)
    if not isinstance(value, dict):
        raise FhirError(400, "structure", "The body is not a JSON object")
    if not isinstance(value.get("resourceType"), str):
        raise FhirError(400, "structure", "The body has no resourceType", expression="resourceType")
    return value


def check_id(value: str) -> str:
    """Return a FHIR id; raises `FhirError` 400 when it is not one (http://hl7.org/fhir/R4/datatypes.html#id)."""
    if not ID.match(value):
        raise FhirError(400, "value", "The id is not a FHIR id", fix="1 to 64 letters, digits, '-' or '.'")
    return value


def _from_xml(raw: bytes, limit: int) -> dict[str, Any]:
    from salus.record.xml.document import UnreadableXml  # loads lxml, which few bodies need
    from salus.record.xml.reading import read_xml

    if len(raw) > limit:
        raise FhirError(413, "too-long", f"The body is longer than {limit} bytes")
    try:
        resource = read_xml(raw).resource
    except UnreadableXml as fault:
        issue = {"too-large": "too-long", "too-deep": "too-long"}.get(fault.code, "structure")
        where = f" ({fault.where})" if fault.where else ""
        words = fault.message[0].upper() + fault.message[1:]
        raise FhirError(400, issue, f"{words}{where}", fix=fault.fix) from None
    _check_depth(resource)
    return resource


def _refused(error: json.NotJson) -> FhirError:
    if error.reason == "number":
        return FhirError(
            400,
            "value",
            "A number has too many digits or too large an exponent",
            fix=f"Send at most {json.MOST_CHARACTERS} characters and exponents to {json.LARGEST_EXPONENT}",
        )
    if error.reason == "syntax":
        where = "" if error.position is None else f"The fault is at byte {error.position}"
        return FhirError(400, "structure", "The body is not valid JSON", fix=where)
    return FhirError(400, "structure", "The body is not valid JSON in UTF-8, or nests too deep")


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for node in level:
            children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            inner.extend(child for child in children if isinstance(child, dict | list))
        if not inner:
            return
        level = inner
    raise FhirError(400, "too-long", f"The body nests deeper than {MAX_DEPTH} levels")
