"""Elements that need more than a data type: extensions, participants, birth and death.

Source: HL7 v2-to-FHIR, the segment maps named in `rules/v2/segments.csv`.
"""

from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Context, Resource
from salus.connect.hl7v2.datatypes import (
    address,
    cwe,
    date_time,
    entity,
    location,
    number,
    part,
    practitioner,
    text,
    whole,
)
from salus.connect.hl7v2.identifiers import cx, system_of
from salus.connect.hl7v2.rules import tables

BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"


def birth(ctx: Context, resource: Resource, raw: str) -> None:
    """PID-7: the day of birth, and the time of day where it is said."""
    if raw == '""':
        resource["birthDate"] = None
        return
    stated = raw.split(ctx.comp, 1)[0].strip()
    day = times.date(stated)
    if day is None:
        ctx.warn("not a date")
        return
    resource["birthDate"] = day
    if len(stated) > 8 and times.says_time(stated):
        exact = times.date_time(stated, ctx.zone)
        resource["_birthDate"] = {"extension": [{"url": BIRTH_TIME, "valueDateTime": exact}]}


def multiple_birth(ctx: Context, resource: Resource, raw: str) -> None:
    """PID-24 (yes or no); PID-25, the order, is applied by the caller and wins."""
    flag = _flag(ctx, raw)
    if flag is not None:
        resource["multipleBirthBoolean"] = flag


def deceased(ctx: Context, resource: Resource, raw: str) -> None:
    """PID-30; PID-29, the time of death, is applied by the caller and wins."""
    flag = _flag(ctx, raw)
    if flag is not None:
        resource["deceasedBoolean"] = flag


def person_choices(ctx: Context, resource: Resource, fields: list[str]) -> None:
    """PID-25 and PID-29: elements that FHIR offers in one of two types."""
    order = whole(fields[25]) if len(fields) > 25 and fields[25] else None
    if order is not None:
        resource.pop("multipleBirthBoolean", None)
        resource["multipleBirthInteger"] = order
    if len(fields) > 29 and fields[29] and fields[29] != '""':
        ctx.where = "PID-29"
        died = date_time(ctx, fields[29])
        if died:
            resource.pop("deceasedBoolean", None)
            resource["deceasedDateTime"] = died


def _flag(ctx: Context, raw: str) -> bool | None:
    found = ctx.code(raw.split(ctx.comp, 1)[0]).upper()
    return (
        True if found in ("Y", "1", "TRUE", "是") else False if found in ("N", "0", "FALSE", "否") else None
    )


def extension_text(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension with the text of an XPN."""
    parts = [ctx.clean(piece.split(ctx.sub, 1)[0]) for piece in raw.split(ctx.comp)[:2]]
    wording = " ".join(piece for piece in reversed(parts) if piece)
    return {"url": arg, "valueString": wording} if wording else None


def extension_concept(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension with a CodeableConcept."""
    concept = cwe(ctx, raw, "", table)
    return {"url": arg, "valueCodeableConcept": concept} if concept else None


def extension_coding(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension with a Coding."""
    concept = cwe(ctx, raw, "", table)
    return {"url": arg, "valueCoding": concept["coding"][0]} if concept and "coding" in concept else None


def extension_code(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension whose part named "code" is a CodeableConcept (citizenship, nationality)."""
    concept = cwe(ctx, raw, "", table)
    return {"url": arg, "extension": [{"url": "code", "valueCodeableConcept": concept}]} if concept else None


def extension_date(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension with a dateTime."""
    value = date_time(ctx, raw)
    return {"url": arg, "valueDateTime": value} if value else None


def extension_address(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """An extension with an address known as text."""
    wording = text(ctx, raw)
    return {"url": arg, "valueAddress": {"text": wording}} if wording else None


def wrapped(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A backbone element that holds one CodeableConcept."""
    concept = cwe(ctx, raw, "", table)
    return {arg: concept} if concept else None


def annotation(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A note."""
    wording = text(ctx, raw)
    return {"text": wording} if wording else None


def participant(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A doctor's part in a visit."""
    who = practitioner(ctx, raw)
    if who is None:
        return None
    concept = tables()["participation"][arg]
    coding = {"system": concept.system, "code": concept.code, "display": concept.display}
    return {"type": [{"coding": [coding]}], "individual": who}


def performer(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """Who did it, in which function."""
    who = practitioner(ctx, raw)
    if who is None:
        return None
    if not arg:
        return {"actor": who}
    concept = tables()["performer"][arg]
    coding = {"system": concept.system, "code": concept.code, "display": concept.display}
    return {"function": {"coding": [coding]}, "actor": who}


def encounter_location(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """Where the patient is, was or will be."""
    where = location(ctx, raw)
    return {"location": where, "status": arg} if where else None


def days(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A number of days as Duration."""
    value = number(raw)
    if value is None:
        return None
    return {"value": value, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}


def reaction(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """AL1-5, IAM-5: one manifestation."""
    concept = cwe(ctx, raw) if ctx.comp in raw else None
    wording = text(ctx, raw)
    if concept is None and wording is None:
        return None
    return {"manifestation": [concept or {"text": wording}]}


def specimen_source(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """OBR-15: the specimen's type is in the subcomponents of the first component."""
    return cwe(ctx, raw.split(ctx.comp, 1)[0].replace(ctx.sub, ctx.comp), "", "0487")


def coded_identifier(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A CWE used as an identifier (IN1-2)."""
    parts = raw.split(ctx.comp)
    value = ctx.clean(parts[0])
    return {"system": ctx.system(ctx.clean(part(parts, 2)) or "plan"), "value": value} if value else None


def text_identifier(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A text used as an identifier (a policy number, a file name)."""
    value = text(ctx, raw)
    return {"system": system_of(ctx, arg), "value": value} if value else None


def first_value(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """The number of a CX alone."""
    found = cx(ctx, raw)
    return str(found["value"]) if found else None


def coverage_class(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """IN1-8: the insured group."""
    value = text(ctx, raw)
    if value is None:
        return None
    system = "http://terminology.hl7.org/CodeSystem/coverage-class"
    return {"type": {"coding": [{"system": system, "code": arg}]}, "value": value}


def entity_pair(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """EIP: the filler's identifier, else the placer's; each is in subcomponents."""
    parts = raw.split(ctx.comp)
    filler, placer = part(parts, 1), parts[0]
    chosen, kind = (filler, "FILL") if ctx.clean(filler.split(ctx.sub, 1)[0]) else (placer, "PLAC")
    return entity(ctx, chosen.replace(ctx.sub, ctx.comp), kind)


__all__ = ["address", "birth", "deceased", "multiple_birth", "person_choices"]
