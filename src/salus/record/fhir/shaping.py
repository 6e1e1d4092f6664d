"""`_summary` and `_elements`: which parts of a resource the asker wants back."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from salus.record import json
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.request import Parameters
from salus.record.rules.r4 import rows

ALWAYS = frozenset({"resourceType", "id", "meta"})
SUMMARIES = frozenset({"text", "data", "count", "false"})
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is kept of each resource. `elements` empty keeps all; `summary` as FHIR's `_summary`."""

    elements: frozenset[str] = frozenset()
    summary: str = "false"

    @property
    def whole(self) -> bool:
        """Whether stored bytes can go out as they are."""
        return not self.elements and self.summary in {"false", "count"}

    def apply(self, body: bytes) -> bytes:
        """Return the asked part of a stored resource, marked SUBSETTED as FHIR asks."""
        if self.whole:
            return body
        resource: dict[str, Any] = json.loads(body)
        required = ALWAYS | _required(str(resource["resourceType"]))
        if self.summary == "data":
            kept = {k: v for k, v in resource.items() if k != "text"}
        else:
            wanted = required | (frozenset({"text"}) if self.summary == "text" else self.elements)
            kept = {k: v for k, v in resource.items() if k.removeprefix("_") in wanted}
        meta = dict(kept.get("meta") or {})
        meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
        kept["meta"] = meta
        return json.dumps(kept)


WHOLE = Shape()


def shape_of(query: Parameters) -> Shape:
    """Return the shape that a query's `_summary` and `_elements` ask for; raises `FhirError` 400.

    Source: http://hl7.org/fhir/R4/search.html#summary. `_summary=true` is not served: which elements
    belong to a type's summary is not among the rules that this server holds.
    """
    summary, elements = "false", frozenset[str]()
    for name, value in query:
        if name == "_summary":
            if value not in SUMMARIES:
                raise FhirError(
                    400, "not-supported", "This _summary is not served", fix="Use text, data, count or false"
                )
            summary = value
        elif name == "_elements":
            elements |= {part.strip().rpartition(".")[2] for part in value.split(",") if part.strip()}
    if elements and summary not in {"false", "count"}:
        raise FhirError(400, "invalid", "_summary and _elements do not go together")
    return Shape(elements, summary) if elements or summary != "false" else WHOLE


@cache
def _all_required() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in rows("elements"):
        type, _, name = row["path"].partition(".")
        if row["min"] != "0" and name and "." not in name:
            found.setdefault(type, set()).add(name)
    return {type: frozenset(names) for type, names in found.items()}


def _required(type: str) -> frozenset[str]:
    """Return a type's mandatory elements, which FHIR keeps in every subset."""
    return _all_required().get(type, frozenset())
