"""The data type maps: one repetition of a field becomes one FHIR value.

Each function takes the context, the raw repetition, the kind's argument and the HL7 table, and returns
None when nothing is to be said. Source: HL7 v2-to-FHIR, data type maps (CX, XPN, XAD, XTN, XCN, CWE, EI,
PL, XON, CQ), read for those named in docs/hl7v2.md.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Context, local_id
from salus.connect.hl7v2.identifiers import CODE_0203, cx, system_of
from salus.connect.hl7v2.rules import tables

Conversion = Callable[[Context, str, str, str], Any]

IDEOGRAPH = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?)\s*\Z", re.ASCII)
EN_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
REPRESENTATIONS = {"A": "ABC", "I": "IDE", "P": "SYL"}  # HL7 table 0465


def part(parts: list[str], index: int) -> str:
    """Return a component by index from 0, "" when it is absent."""
    return parts[index] if index < len(parts) else ""


def number(text: str) -> int | Decimal | None:
    """Return an NM with the digits that it was sent with, None when it is none."""
    found = NUMBER.match(text)
    if found is None or len(found.group(1)) > 40:
        return None
    digits = found.group(1)
    return int(digits) if digits.lstrip("+-").isdigit() else Decimal(digits)


def whole(text: str, least: int = 1) -> int | None:
    """Return an NM as a 32-bit integer of at least `least`, None when it is none."""
    value = number(text)
    return value if isinstance(value, int) and least <= value <= 2_147_483_647 else None


def text(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """ST, TX, FT: running text."""
    return ctx.prose(raw) or None


def date(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """DT or the day of a DTM."""
    return _timed(ctx, times.date(raw.split(ctx.comp, 1)[0].strip()))


def date_time(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """DTM, TS, DT (and the start of a DR) as dateTime."""
    return _timed(ctx, times.date_time(raw.split(ctx.comp, 1)[0].split(ctx.sub, 1)[0].strip(), ctx.zone))


def instant(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """DTM with a time of day as instant; a mere date says nothing."""
    return times.instant(raw.split(ctx.comp, 1)[0].strip(), ctx.zone)


def _timed(ctx: Context, value: str | None) -> str | None:
    if value is None:
        ctx.warn("not a date")
    return value


def code(ctx: Context, raw: str, arg: str = "", table: str = "") -> str | None:
    """A code of a table that FHIR binds: mapped, or left out with a warning."""
    found = ctx.code(raw.split(ctx.comp, 1)[0])
    if not found:
        return None
    concept = ctx.concept(table, found)
    if concept is None:
        ctx.warn(f"a code that table {table} does not map")
        return None
    return concept.code or None


def cwe(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """CWE, CE, CNE, IS, ID: CodeableConcept with the original and the alternate coding."""
    parts = raw.split(ctx.comp)
    codings = []
    name = ctx.clean(part(parts, 1))
    first = _coding(ctx, ctx.code(parts[0]), name, ctx.clean(part(parts, 2)), table)
    if first:
        codings.append(first)
    if len(parts) > 3:
        second = _coding(ctx, ctx.code(parts[3]), ctx.clean(part(parts, 4)), ctx.clean(part(parts, 5)), "")
        if second:
            codings.append(second)
    wording = ctx.clean(part(parts, 8)) or name or (ctx.clean(part(parts, 4)) if len(parts) > 4 else "")
    if codings:
        return {"coding": codings, "text": wording} if wording else {"coding": codings}
    return {"text": wording} if wording else None


def _coding(ctx: Context, found: str, name: str, system: str, table: str) -> dict[str, Any] | None:
    if not found:
        return None
    if table and (not system or system.endswith(table)):
        concept = ctx.concept(table, found)
        if concept is not None and concept.code:
            coding = {"system": concept.system or ctx.system("", table), "code": concept.code}
            if concept.display or name:
                coding["display"] = concept.display or name
            return coding
    coding = {"system": ctx.system(system, table), "code": found}
    if name:
        coding["display"] = name
    return coding


def coding(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """The first coding of a CWE."""
    concept = cwe(ctx, raw, arg, table)
    return concept["coding"][0] if concept and "coding" in concept else None


def cwe_mapped(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """A CodeableConcept only of codes that the table maps."""
    concept = ctx.concept(table, ctx.code(raw.split(ctx.comp, 1)[0]))
    if concept is None or not concept.code:
        return None
    return {"coding": [{"system": concept.system, "code": concept.code, "display": concept.display}]}


def name(ctx: Context, raw: str, arg: str = "", table: str = "0200") -> dict[str, Any] | None:
    """XPN: HumanName. Chinese names are written without a space."""
    parts = raw.split(ctx.comp)
    family = ctx.clean(parts[0].split(ctx.sub, 1)[0])
    given = [piece for piece in (ctx.clean(part(parts, 1)), ctx.clean(part(parts, 2))) if piece]
    if not family and not given:
        return None
    human: dict[str, Any] = {}
    use = ctx.clean(part(parts, 6))
    if use:
        concept = ctx.concept("0200", use)
        if concept and concept.code:
            human["use"] = concept.code
    elif arg:
        human["use"] = arg
    joiner = "" if IDEOGRAPH.search(family + "".join(given)) else " "
    human["text"] = joiner.join([family, *given] if joiner == "" else [*given, family]).strip()
    if family:
        human["family"] = family
    if given:
        human["given"] = given
    if len(parts) > 3:
        prefix = ctx.clean(part(parts, 4))
        suffix = [piece for piece in (ctx.clean(part(parts, index)) for index in (3, 5, 13)) if piece]
        if prefix:
            human["prefix"] = [prefix]
        if suffix:
            human["suffix"] = suffix
        written = REPRESENTATIONS.get(ctx.clean(part(parts, 7)))
        if written:
            human["extension"] = [{"url": EN_REPRESENTATION, "valueCode": written}]
    return human


def address(ctx: Context, raw: str, arg: str = "", table: str = "0190") -> dict[str, Any] | None:
    """XAD: Address."""
    parts = [ctx.clean(piece) for piece in raw.split(ctx.comp)]
    if ctx.sub in parts[0] or "&" in parts[0]:  # SAD: the street address, or its name and number apart
        street = [ctx.clean(piece) for piece in raw.split(ctx.comp, 1)[0].split(ctx.sub)]
        parts[0] = street[0] or " ".join(piece for piece in (part(street, 2), part(street, 1)) if piece)
    found: dict[str, Any] = {}
    kind = part(parts, 6)
    if kind:
        use, sort = ctx.concept("0190", kind), ctx.concept("0190-type", kind)
        if use and use.code:
            found["use"] = use.code
        if sort and sort.code:
            found["type"] = sort.code
    lines = [line for line in (part(parts, 0), part(parts, 1), part(parts, 18)) if line]
    if lines:
        found["line"] = lines
    for element, index in (("city", 2), ("district", 8), ("state", 3), ("postalCode", 4), ("country", 5)):
        value = part(parts, index)
        if value:
            found[element] = value
    return found if found.keys() - {"use", "type"} else None


def telecom(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """XTN (and the plain TN of old versions): ContactPoint."""
    parts = [ctx.clean(piece) for piece in raw.split(ctx.comp)]
    use, equipment = part(parts, 1), part(parts, 2)
    value = part(parts, 3) if equipment in ("Internet", "INTERNET", "X.400") or use == "NET" else ""
    value = value or part(parts, 0) or part(parts, 11) or part(parts, 3)
    if not value:
        country, area, local, extension = (part(parts, index) for index in (4, 5, 6, 7))
        value = " ".join(piece for piece in (country and f"+{country.lstrip('+')}", area, local) if piece)
        if value and extension:
            value = f"{value} ext. {extension}"
    if not value:
        return None
    kind = ctx.concept("0202", equipment) if equipment else None
    system = kind.code if kind and kind.code else "email" if "@" in value or use == "NET" else "phone"
    point = {"system": system, "value": value}
    purpose = ctx.concept("0201", use) if use else None
    if equipment in ("CP", "CELL", "MC"):
        point["use"] = "mobile"
    elif purpose and purpose.code:
        point["use"] = purpose.code
    elif arg and not use:
        point["use"] = arg
    return point


def practitioner(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """XCN: a reference to a Practitioner, made where absent."""
    return _practitioner(ctx, raw.split(ctx.comp))


def practitioner_ndl(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """NDL: the person is in the subcomponents of the first component."""
    first = raw.split(ctx.comp, 1)[0]
    parts = first.split(ctx.sub)
    if len(parts) == 1 and ctx.comp in raw:  # sent as an XCN
        parts = raw.split(ctx.comp)
    return _practitioner(ctx, parts)


def _practitioner(ctx: Context, parts: list[str]) -> dict[str, Any] | None:
    identity = ctx.clean(parts[0])
    family = ctx.clean(part(parts, 1).split(ctx.sub, 1)[0])
    given = [piece for piece in (ctx.clean(part(parts, 2)), ctx.clean(part(parts, 3))) if piece]
    title = ctx.clean(part(parts, 5))
    joiner = "" if IDEOGRAPH.search(family) else " "
    ordered = [family, *given] if not joiner else [title, *given, family]
    display = joiner.join(piece for piece in ordered if piece).strip()
    if not identity:
        return {"display": display} if display else None
    authority = ctx.clean(part(parts, 8).split(ctx.sub, 1)[0])
    resource: dict[str, Any] = {
        "identifier": [{"system": system_of(ctx, authority or "staff"), "value": identity}]
    }
    if display:
        human: dict[str, Any] = {"text": display}
        if family:
            human["family"] = family
        if given:
            human["given"] = given
        if title:
            human["prefix"] = [title]
        resource["name"] = [human]
    key = ctx.share("Practitioner", local_id(authority or "staff", identity), resource)
    return {"reference": key, "display": display} if display else {"reference": key}


def organization(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """XON: a reference to an Organization, made where absent."""
    parts = raw.split(ctx.comp)
    title = ctx.clean(parts[0])
    identity = ctx.clean(part(parts, 9)) or ctx.clean(part(parts, 2))
    authority = ctx.clean(part(parts, 5).split(ctx.sub, 1)[0])
    return _organization(ctx, title, identity, authority)


def organization_coded(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """CWE: a reference to an Organization named by a code."""
    parts = raw.split(ctx.comp)
    return _organization(ctx, ctx.clean(part(parts, 1)), ctx.clean(parts[0]), ctx.clean(part(parts, 2)))


def _organization(ctx: Context, title: str, identity: str, authority: str) -> dict[str, Any] | None:
    if not title and not identity:
        return None
    resource: dict[str, Any] = {"name": title or identity}
    if identity:
        system = system_of(ctx, authority or "organization")
        resource["identifier"] = [{"system": system, "value": identity}]
    key = ctx.share("Organization", local_id("organization", authority, identity or title), resource)
    return {"reference": key, "display": title or identity}


def location(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """PL: a reference to the most exact Location, which is part of its ward; both made where absent."""
    parts = [ctx.clean(piece.split(ctx.sub, 1)[0]) for piece in raw.split(ctx.comp)]
    ward, room, bed, facility = (part(parts, index) for index in range(4))
    building = part(parts, 6)
    spots = [spot for spot in (ward, room, bed) if spot]
    if not spots:
        title = facility or building
        if not title:
            return None
        key = ctx.share("Location", local_id("site", facility, building), {"status": "active", "name": title})
        return {"reference": key, "display": title}
    parent = ""
    if ward and len(spots) > 1:
        within = {"status": "active", "name": ward, "physicalType": _physical("wa", "Ward")}
        parent = ctx.share("Location", local_id("location", facility, ward), within)
    kind = ("bd", "Bed") if bed else ("ro", "Room") if room else ("wa", "Ward")
    title = " ".join(spots)
    place: dict[str, Any] = {"status": "active", "name": title, "physicalType": _physical(*kind)}
    if parent:
        place["partOf"] = {"reference": parent, "display": ward}
    identity = local_id("location", facility, *([ward] if len(spots) == 1 and ward else [ward, room, bed]))
    return {"reference": ctx.share("Location", identity, place), "display": title}


def _physical(found: str, display: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/location-physical-type"
    return {"coding": [{"system": system, "code": found, "display": display}]}


def entity(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """EI: Identifier."""
    parts = raw.split(ctx.comp)
    value = ctx.clean(parts[0])
    if not value:
        return None
    found: dict[str, Any] = {}
    if arg:
        found["type"] = {"coding": [{"system": CODE_0203, "code": arg}]}
        concept = tables()["0203"].get(arg)
        if concept:
            found["type"]["coding"][0]["display"] = concept.display
    universal, kind = ctx.clean(part(parts, 2)), ctx.clean(part(parts, 3))
    found["system"] = system_of(ctx, ctx.clean(part(parts, 1)), universal, kind)
    found["value"] = value
    return found


def quantity(ctx: Context, value: int | Decimal, unit: str) -> dict[str, Any]:
    """A number with the unit of a CWE (OBX-6)."""
    found: dict[str, Any] = {"value": value}
    if unit and unit != '""':
        parts = unit.split(ctx.comp)
        written = ctx.code(parts[0])
        wording = ctx.clean(part(parts, 1)) or written
        if wording:
            found["unit"] = wording
        system = ctx.clean(part(parts, 2))
        if written and system:
            found["system"] = ctx.system(system)
            found["code"] = written
    return found


def cq(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """CQ: Quantity."""
    parts = raw.split(ctx.comp)
    value = number(parts[0])
    if value is None:
        return None
    return quantity(ctx, value, part(parts, 1).replace(ctx.sub, ctx.comp))


__all__ = ["Conversion", "cx"]
