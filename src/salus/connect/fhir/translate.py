"""One FHIR message (a Bundle or a single resource) becomes entries.

Source: FHIR R4, sections 2.36 (Bundle) and 3.1.0.11 (batch/transaction).
"""

import re
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from salus.connect.errors import Untranslatable
from salus.connect.fhir.references import literal, rewrite
from salus.connect.translation import Entry, SourceProfile, Translation
from salus.record import json
from salus.record.xml.start import is_xml

_BUNDLES = frozenset({"transaction", "batch", "collection", "message", "searchset", "history", "document"})
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,39}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
LONGEST_ID = 200


def _read(raw: bytes, source: SourceProfile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the resource, and what was odd about how it is written."""
    text: bytes | str = raw.removeprefix(b"\xef\xbb\xbf")
    if is_xml(raw):
        from salus.connect.fhir.xml import read_xml  # loads lxml, which few sources need

        written = read_xml(raw, source)
        return written.resource, written.warnings
    if source.charset.lower().replace("-", "") not in {"utf8", "utf8sig", "ascii"}:
        try:
            text = raw.decode(source.charset)
        except (UnicodeDecodeError, LookupError):
            text = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        read = json.loads(text)
    except json.NotJson as fault:
        raise _not_json(fault, text) from None
    if not isinstance(read, dict) or not isinstance(read.get("resourceType"), str):
        raise Untranslatable("not-fhir", "the message is not a FHIR resource: it has no resourceType")
    return read, ()


_FAULTS = {
    "syntax": "it breaks off, or a character is not where it belongs",
    "encoding": "its bytes are not UTF-8",
    "depth": "it nests too deep",
}


def _not_json(fault: json.NotJson, text: bytes | str) -> Untranslatable:
    if fault.reason == "number":
        return Untranslatable("bad-number", "a number has too many digits or too large an exponent")
    where = ""
    if fault.position is not None:
        before = (text.encode() if isinstance(text, str) else text)[: fault.position]
        line, start = before.count(b"\n") + 1, before.rfind(b"\n") + 1
        where = f"line {line}, byte {len(before) - start + 1}"
    return Untranslatable("not-json", f"the message is not JSON: {_FAULTS[fault.reason]}", where=where)


def instant(text: Any) -> datetime | None:
    """Return a FHIR instant as an aware datetime, or None where it is none."""
    if not isinstance(text, str) or (match := _INSTANT.fullmatch(text)) is None:
        return None
    try:
        fraction = (match[2] or ".0")[1:7].ljust(6, "0")
        return datetime.fromisoformat(
            f"{match[1]}.{fraction}{'+00:00' if match[3] == 'Z' else match[3]}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _stated(resource: dict[str, Any]) -> datetime | None:
    meta = resource.get("meta")
    return instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None


def _type_of(resource: Any, where: str) -> str:
    if not isinstance(resource, dict):
        raise Untranslatable("not-fhir", "the entry holds no resource", where=where)
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise Untranslatable("not-fhir", "the resource has no resourceType", where=f"{where}.resourceType")
    return kind


def _own_id(resource: dict[str, Any]) -> str:
    """Return an id for a resource that has none: from its first identifier, else from its content."""
    identifiers = resource.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
        if isinstance(identifier, dict) and identifier.get("value"):
            return f"identifier:{identifier.get('system', '')}|{identifier['value']}"[:LONGEST_ID]
    return "content:" + blake2b(json.dumps(resource, sort_keys=True), digest_size=16).hexdigest()


def translate(raw: bytes, source: SourceProfile) -> Translation:
    """Return what a FHIR Bundle or resource says, with the sender's ids.

    Raises Untranslatable with the place of the fault.
    """
    resource, odd = _read(raw, source)
    kind = _type_of(resource, "resource")
    if kind == "Bundle":
        return _bundle(resource, odd)
    local = resource.get("id")
    if local is None:
        resource["id"] = local = _own_id(resource)
    elif not isinstance(local, str) or not 0 < len(local) <= LONGEST_ID:
        raise Untranslatable("bad-id", "the id is not a text of reasonable length", where=f"{kind}.id")
    when = _stated(resource)
    return Translation(kind, f"{kind}/{local}", when, (Entry(resource, "put", when),), warnings=odd)


def _entry_id(resource: dict[str, Any] | None, full_url: Any, url: Any, where: str) -> str | None:
    if resource is not None and resource.get("id") is not None:
        local = resource["id"]
        if not isinstance(local, str) or not 0 < len(local) <= LONGEST_ID:
            raise Untranslatable(
                "bad-id", "the id is not a text of reasonable length", where=f"{where}.resource.id"
            )
        return local
    target = literal(url) if isinstance(url, str) else None
    if target is not None:
        return target[2]
    if isinstance(full_url, str) and full_url:
        whole = literal(full_url)
        return (whole[2] if whole else full_url.removeprefix("urn:uuid:").removeprefix("urn:oid:"))[
            :LONGEST_ID
        ]
    return None


def _part(entry: dict[str, Any], name: str) -> dict[str, Any]:
    part = entry.get(name)
    return part if isinstance(part, dict) else {}


class _Reader:
    """A Bundle being read: the addresses of its entries and what they become."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self.stated = instant(bundle.get("timestamp"))
        self.addresses: dict[str, str] = {}
        self.bases: set[str] = set()
        self.entries: list[Entry] = []
        self.warnings: list[str] = []

    def take(self, entry: Any, where: str) -> None:
        """Read one entry."""
        if not isinstance(entry, dict):
            raise Untranslatable("not-fhir", "the entry is not an object", where=where)
        request, search = _part(entry, "request"), _part(entry, "search")
        method = str(request.get("method", "PUT")).upper()
        url, full_url = request.get("url"), entry.get("fullUrl")
        if search.get("mode") == "outcome" or method in {"GET", "HEAD"}:
            self.warnings.append("entries that only ask or explain were left out")
            return
        if method == "DELETE":
            self._delete(url, where)
            return
        if method == "PATCH":
            raise Untranslatable(
                "patch-not-taken", "a feed cannot patch; send the whole resource", where=where
            )
        resource: Any = entry.get("resource")
        if resource is None and isinstance(entry.get("response"), dict):
            return
        kind = _type_of(resource, f"{where}.resource")
        local = _entry_id(resource, full_url, url if method == "PUT" else None, where) or _own_id(resource)
        resource["id"] = local
        condition, unless_found = "", False
        if method == "POST" and isinstance(request.get("ifNoneExist"), str):
            condition, unless_found = request["ifNoneExist"].partition("?")[2] or request["ifNoneExist"], True
        elif method == "PUT" and isinstance(url, str) and "?" in url:
            condition = url.partition("?")[2]
        if isinstance(full_url, str) and full_url:
            self.addresses[full_url] = f"{kind}/{local}"
            if (whole := literal(full_url)) is not None and whole[0]:
                self.bases.add(whole[0])
        self.entries.append(
            Entry(
                resource,
                "ensure" if unless_found else "put",
                _stated(resource) or self.stated,
                condition,
                unless_found,
            )
        )

    def _delete(self, url: Any, where: str) -> None:
        text = url if isinstance(url, str) else ""
        kind, _, condition = text.partition("?")
        target = literal(text)
        if target is not None:
            self.entries.append(Entry({"resourceType": target[1], "id": target[2]}, "delete", self.stated))
        elif condition and _TYPE.fullmatch(kind):
            resource = {"resourceType": kind, "id": f"?{condition}"[:LONGEST_ID]}
            self.entries.append(Entry(resource, "delete", self.stated, condition))
        else:
            raise Untranslatable(
                "bad-request-url", "the entry does not say what to delete", where=f"{where}.request.url"
            )

    def replace(self, holder: dict[str, Any], reference: str) -> None:
        """Make one reference local where the Bundle says what it means."""
        known = self.addresses.get(reference)
        if known is not None:
            holder["reference"] = known
        elif reference.startswith("urn:"):
            self.warnings.append("a urn reference points at nothing in the Bundle")
        elif (
            reference.startswith("http")
            and (whole := literal(reference)) is not None
            and whole[0] in self.bases
        ):
            holder["reference"] = f"{whole[1]}/{whole[2]}"


def _message_kind(entries: list[Entry]) -> str:
    if entries and entries[0].resource.get("resourceType") == "MessageHeader":
        header = entries[0].resource
        coding = header.get("eventCoding")
        event = coding.get("code") if isinstance(coding, dict) else header.get("eventUri")
        if isinstance(event, str):
            return f"message {event}"[:64]
    return "message"


def _bundle(bundle: dict[str, Any], odd: tuple[str, ...]) -> Translation:
    kind = bundle.get("type")
    if kind not in _BUNDLES:
        raise Untranslatable(
            "bundle-type", "the Bundle's type is not one that a feed can hold", where="Bundle.type"
        )
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise Untranslatable("not-fhir", "Bundle.entry is not a list", where="Bundle.entry")
    numbered = list(enumerate(listed))
    if kind == "history":
        numbered.reverse()  # newest first in the Bundle; the newest must be written last
    reader = _Reader(bundle)
    for index, entry in numbered:
        reader.take(entry, f"Bundle.entry[{index}]")
    for read in reader.entries:
        rewrite(read.resource, reader.replace, reader.addresses)
    identifier = bundle.get("identifier")
    control = identifier.get("value") if isinstance(identifier, dict) else None
    control = control or bundle.get("id")
    return Translation(
        _message_kind(reader.entries) if kind == "message" else f"Bundle {kind}",
        control[:LONGEST_ID] if isinstance(control, str) else None,
        reader.stated,
        reader.entries,
        warnings=(*odd, *dict.fromkeys(reader.warnings)),
    )
