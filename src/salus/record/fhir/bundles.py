"""Reading a batch or transaction Bundle: entries with what each asks for, in the order they are processed."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from salus.record.fhir.body import check_id
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.request import Parameters, parse_query

MAX_ENTRIES = 10_000
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}


@dataclass(slots=True)
class Entry:
    """One entry of a Bundle.

    `segments` and `query` are its request's address; `full_url` is how other entries refer to it.
    `id` is filled in when the resource's id on this server is known.
    """

    position: int
    method: str
    segments: tuple[str, ...]
    query: Parameters
    full_url: str
    resource: dict[str, Any] | None
    headers: dict[str, str] = field(default_factory=dict)
    id: str = ""

    @property
    def type(self) -> str:
        """The resource type that the address names."""
        return self.segments[0] if self.segments else ""

    @property
    def where(self) -> str:
        """The FHIRPath of the entry."""
        return f"Bundle.entry[{self.position}]"


def read(bundle: dict[str, Any], base: str) -> tuple[str, list[Entry]]:
    """Return the Bundle's kind ("batch" or "transaction") and its entries in the Bundle's order.

    Raises `FhirError` 400 for anything that is not such a Bundle.
    Source: http://hl7.org/fhir/R4/bundle.html, http://hl7.org/fhir/R4/http.html#transaction.
    """
    if bundle.get("resourceType") != "Bundle":
        raise FhirError(400, "structure", "Only a Bundle may be posted here", expression="resourceType")
    kind = bundle.get("type")
    if kind not in {"batch", "transaction"}:
        raise FhirError(
            400, "value", "The Bundle is neither a batch nor a transaction", expression="Bundle.type"
        )
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise FhirError(400, "structure", "Bundle.entry is not an array", expression="Bundle.entry")
    if len(entries) > MAX_ENTRIES:
        raise FhirError(413, "too-costly", f"The Bundle has more than {MAX_ENTRIES} entries")
    return str(kind), [_entry(position, entry, base) for position, entry in enumerate(entries)]


def in_order(entries: list[Entry]) -> list[Entry]:
    """Return a transaction's entries as they are processed: deletes, creates, updates, reads.

    Patients come first within creates and updates, so that what refers to them finds them.
    Source: http://hl7.org/fhir/R4/http.html#trules.
    """
    return sorted(entries, key=lambda entry: (ORDER[entry.method], entry.type != "Patient"))


def _entry(position: int, entry: Any, base: str) -> Entry:
    where = f"Bundle.entry[{position}]"
    if not isinstance(entry, dict):
        raise FhirError(400, "structure", "A Bundle's entry is not an object", expression=where)
    request = entry.get("request")
    if not isinstance(request, dict):
        raise FhirError(400, "required", "The entry has no request", expression=f"{where}.request")
    method, address = request.get("method"), request.get("url")
    if not isinstance(method, str) or method not in ORDER:
        raise FhirError(
            400, "value", "The entry's method is not an HTTP verb", expression=f"{where}.request.method"
        )
    if not isinstance(address, str) or len(address) > 4096:
        raise FhirError(400, "required", "The entry has no address", expression=f"{where}.request.url")
    resource = entry.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise FhirError(
            400, "structure", "The entry's resource is not an object", expression=f"{where}.resource"
        )
    if resource is None and method in {"POST", "PUT", "PATCH"}:
        raise FhirError(400, "required", "The entry has no resource", expression=f"{where}.resource")
    full_url = entry.get("fullUrl", "")
    if not isinstance(full_url, str):
        raise FhirError(400, "structure", "The entry's fullUrl is not text", expression=f"{where}.fullUrl")
    segments, query = _address(address, base, where)
    headers = {
        header: value
        for name, header in (
            ("ifMatch", "if-match"),
            ("ifNoneMatch", "if-none-match"),
            ("ifModifiedSince", "if-modified-since"),
            ("ifNoneExist", "if-none-exist"),
        )
        if isinstance(value := request.get(name), str)
    }
    made = Entry(position, method, segments, query, full_url, resource, headers)
    if resource is not None and method in {"POST", "PUT"}:
        _check_target(made, resource)
    return made


def _address(address: str, base: str, where: str) -> tuple[tuple[str, ...], Parameters]:
    if address.startswith(base + "/"):
        address = address[len(base) + 1 :]
    path, _, query = address.lstrip("/").partition("?")
    if "://" in path or path.startswith("urn:"):
        raise FhirError(
            400, "value", "The entry's address is not on this server", expression=f"{where}.request.url"
        )
    try:
        segments = tuple(unquote(part, errors="strict") for part in path.split("/") if part)
        return segments, parse_query(query.encode())
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise FhirError(
            400, "invalid", "The entry's address is not valid UTF-8", expression=f"{where}.request.url"
        ) from None


def _check_target(entry: Entry, resource: dict[str, Any]) -> None:
    if entry.type != resource.get("resourceType"):
        if entry.segments and entry.segments[-1].startswith(("$", "_")):
            return
        raise FhirError(
            400, "value", "The entry's address names another type than its resource", expression=entry.where
        )
    if entry.method == "PUT" and len(entry.segments) == 2:
        check_id(entry.segments[1])
        if resource.get("id", entry.segments[1]) != entry.segments[1]:
            raise FhirError(
                400, "value", "The entry's address and resource differ in id", expression=entry.where
            )
        entry.id = entry.segments[1]
