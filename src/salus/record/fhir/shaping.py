"""`_summary` and `_elements`: which parts of a resource the asker wants back."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from salus.record import json
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.request import Parameters
from salus.record.rules.r4 import rows
from salus.record.validate.schema import shapes

ALWAYS = frozenset({"resourceType", "id", "meta"})
SUMMARIES = frozenset({"true", "text", "data", "count", "false"})
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
        type = str(resource["resourceType"])
        required = ALWAYS | _required(type)
        if self.summary == "data":
            kept = {k: v for k, v in resource.items() if k != "text"}
        elif self.summary == "true":
            kept = {k: resource[k] for k in resource if k in ALWAYS} | _summed(resource, type)
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

    Source: http://hl7.org/fhir/R4/search.html#summary.
    """
    summary, elements = "false", frozenset[str]()
    for name, value in query:
        if name == "_summary":
            if value not in SUMMARIES:
                raise FhirError(
                    400, "value", "This is no _summary", fix="Use true, text, data, count or false"
                )
            summary = value
        elif name == "_elements":
            elements |= {part.strip().rpartition(".")[2] for part in value.split(",") if part.strip()}
    if elements and summary not in {"false", "count"}:
        raise FhirError(400, "invalid", "_summary and _elements do not go together")
    if summary == "text" and any(name.partition(":")[0] in {"_include", "_revinclude"} for name, _ in query):
        raise FhirError(400, "invalid", "_summary=text and includes do not go together")
    return Shape(elements, summary) if elements or summary != "false" else WHOLE


def _summed(value: dict[str, Any], type: str) -> dict[str, Any]:
    """Return the summary elements of an object of a type; all of it where its type marks none."""
    marked = _summaries().get(type)
    shape = shapes().get(type)
    if marked is None or shape is None:
        return value
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        field = shape.fields.get(name.removeprefix("_"))
        if field is None or field.element not in marked:
            continue
        if name.startswith("_"):
            if name[1:] not in value:  # an extension that stands for the value
                kept[name] = inner
        elif isinstance(inner, list):
            kept[name] = [_summed(one, field.type) if isinstance(one, dict) else one for one in inner]
        else:
            kept[name] = _summed(inner, field.type) if isinstance(inner, dict) else inner
    return kept


@cache
def _summaries() -> dict[str, frozenset[str]]:
    """Return the elements marked as summary, and the mandatory ones, by type or backbone element."""
    found = {row["path"]: set(row["elements"].split()) for row in rows("summary")}
    for name, shape in shapes().items():
        if name in found:
            found[name] |= {one.element for one in shape.fields.values() if one.required}
    return {name: frozenset(elements) for name, elements in found.items()}


@cache
def _required(type: str) -> frozenset[str]:
    """Return a type's mandatory elements, which FHIR keeps in every subset; of a choice, each form."""
    shape = shapes().get(type)
    return frozenset(one.name for one in shape.fields.values() if one.required) if shape else frozenset()
