"""What the conversions of one message share: delimiters, the source, resources made so far, warnings."""

import re
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from salus.connect.hl7v2.escapes import UNSAFE, unescape
from salus.connect.hl7v2.message import Message
from salus.connect.hl7v2.rules import Concept, coding_systems, tables
from salus.connect.translation import Entry, Method, SourceProfile

Resource = dict[str, Any]

PLAIN = re.compile(r"[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\Z")
TABLE_NAME = re.compile(r"(?:HL7)?-?(\d{4})\Z")
MOST_WARNINGS = 50


@lru_cache(maxsize=16_384)
def local_id(*parts: str) -> str:
    """Return a FHIR id made of parts, always the same for the same parts.

    Short parts of letters, digits and dashes stay readable, joined by dots; anything else is hashed
    (blake2b, 128 bits). Different parts never give the same id except by a collision of the hash.
    """
    joined = ".".join(parts)
    if (
        len(joined) <= 64
        and PLAIN.match(joined)
        and joined.count(".") == len(parts) - 1
        and not joined.startswith("h-")
    ):
        return joined
    return "h-" + blake2b("\x1f".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


@lru_cache(maxsize=4_096)
def uri_part(text: str) -> str:
    """Return a text as part of a URN: no white space, no reserved characters."""
    return quote(" ".join(text.split()), safe="-._~:")


class Context:
    """One message on its way to becoming resources."""

    __slots__ = (
        "_methods", "_times", "base", "codec", "comp", "control", "entries", "escapes", "message", "options",
        "overrides", "rep", "segment", "shared", "sub", "time", "used", "warnings", "where", "zone",
    )  # fmt: skip

    def __init__(self, message: Message, source: SourceProfile, codec: str) -> None:
        delimiters = message.delimiters
        self.message = message
        self.comp = delimiters.component
        self.rep = delimiters.repetition
        self.sub = delimiters.subcomponent
        self.escapes = message.has_escapes
        self.codec = codec
        self.zone = source.timezone
        self.base = f"{source.system_base}:{uri_part(source.code)}"
        options = source.mapping.get("hl7v2", {})
        self.options: dict[str, Any] = options if isinstance(options, dict) else {}
        overrides = self.options.get("tables", {})
        self.overrides: dict[str, Any] = overrides if isinstance(overrides, dict) else {}
        self.entries: list[Resource] = []
        self._methods: list[Method] = []
        self._times: list[datetime | None] = []
        self.shared: dict[str, Resource] = {}
        self.used: set[str] = set()
        self.warnings: dict[str, None] = dict.fromkeys(message.warnings)
        self.where = ""
        self.segment = ""
        self.control = ""
        self.time: datetime | None = None

    def clean(self, text: str) -> str:
        """Return a component as plain text: unescaped, trimmed, "" for the explicit null."""
        if not text or text == '""':
            return ""
        if self.sub != "&" and self.sub in text:
            text = text.replace(self.sub, "&")
        if self.escapes:
            text = UNSAFE.sub("", unescape(text, self.message.delimiters, self.codec))
        return text.strip()

    def prose(self, text: str) -> str:
        """Return a field of running text: repetitions and escapes become line breaks, delimiters text."""
        if text == '""':
            return ""
        if self.rep in text:
            text = text.replace(self.rep, "\n")
        if self.comp != "^" and self.comp in text:
            text = text.replace(self.comp, "^")
        if self.sub != "&" and self.sub in text:
            text = text.replace(self.sub, "&")
        if self.escapes:
            text = UNSAFE.sub("", unescape(text, self.message.delimiters, self.codec))
        return text.strip()

    def code(self, text: str) -> str:
        """Return a text as a FHIR code: trimmed, single spaces."""
        text = self.clean(text)
        return " ".join(text.split()) if " " in text or not text.isprintable() else text

    def warn(self, text: str) -> None:
        """Note something odd, once, where it was. Never put a value in it: it may be a resident's."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings[f"{self.where}: {text}" if self.where else text] = None

    def concept(self, table: str, code: str) -> Concept | None:
        """Return what a code of a table becomes; the source's own mapping goes first."""
        own = self.overrides.get(table)
        if isinstance(own, dict):
            target = own.get(code)
            if isinstance(target, str):
                standard = tables().get(table, {})
                same = next((c for c in standard.values() if c.code == target), None)
                return same or Concept(target, "", "")
        known = tables().get(table)
        if known is None:
            return None
        return known.get(code) or known.get(code.upper())

    def system(self, name: str, table: str = "") -> str:
        """Return the URI of a coding system named in a message, the source's own when it is local."""
        if not name:
            return f"{self.base}:{table}" if table else f"{self.base}:local"
        own = self.options.get("coding_systems")
        if isinstance(own, dict) and isinstance(own.get(name), str):
            return str(own[name])
        known = coding_systems().get(name.upper())
        if known:
            return known
        found = TABLE_NAME.match(name)
        if found:
            return f"http://terminology.hl7.org/CodeSystem/v2-{found.group(1)}"
        if name.startswith(("http://", "https://", "urn:")) and not re.search(r"\s", name):
            return name
        return f"{self.base}:{uri_part(name)}"

    def share(self, kind: str, identity: str, resource: Resource) -> str:
        """Add a resource that many messages name (a doctor, a ward); it is created where absent."""
        key = f"{kind}/{identity}"
        if key not in self.shared:
            self.shared[key] = {"resourceType": kind, "id": identity, **resource}
        return key

    def add(self, resource: Resource, method: Method = "put", time: datetime | None = None) -> Resource:
        """Add a resource of this message; a second one of the same id gets the next number.

        `ensure` writes carry no source time, so that a placeholder never outdates the real thing.
        """
        kind = resource["resourceType"]
        identity = resource["id"]
        key = f"{kind}/{identity}"
        if key in self.used:
            number = 2
            while f"{kind}/{local_id(identity, str(number))}" in self.used:
                number += 1
            resource["id"] = local_id(identity, str(number))
            key = f"{kind}/{resource['id']}"
        self.used.add(key)
        self.entries.append(resource)
        self._methods.append(method)
        self._times.append(None if method == "ensure" else time or self.time)
        return resource

    def withdraw(self, resource: Resource) -> None:
        """Take back a resource added by this message."""
        index = next(index for index, held in enumerate(self.entries) if held is resource)
        del self.entries[index], self._methods[index], self._times[index]

    def add_again(self, resource: Resource, method: Method) -> None:
        """Add a further write to a resource that this message has added already."""
        self.entries.append(resource)
        self._methods.append(method)
        self._times.append(None if method == "ensure" else self.time)

    def finish(self) -> list[Entry]:
        """Return everything to be written: shared resources first, then the message's own, in order."""
        written = [Entry(resource, "ensure", None) for resource in self.shared.values()]
        for resource, method, time in zip(self.entries, self._methods, self._times, strict=True):
            if method != "overlay":
                for name in [name for name, value in resource.items() if value is None]:
                    del resource[name]
            written.append(Entry(resource, method, time))
        return written
