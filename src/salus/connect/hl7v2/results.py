"""OBX and NTE: observations, attachments and notes.

Source: HL7 v2-to-FHIR, OBX[Observation], read; where it leaves a choice, the comment here says what was
chosen.
"""

import base64
import binascii
import re
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Context, Resource, local_id
from salus.connect.hl7v2.datatypes import cwe, number, part, quantity, text
from salus.connect.hl7v2.engine import apply
from salus.connect.hl7v2.walk import Walk, value

TEXT_TYPES = ("TX", "FT")
CODED = ("CE", "CWE", "CNE", "CF", "IS", "ID")
ATTACHED = ("ED", "RP")
VALUE_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"
NOTE_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
NUMERAL = r"[+-]?\d+(?:\.\d+)?"
BETWEEN = re.compile(rf"\s*({NUMERAL})\s*(?:-|--|~|—|～|to)\s*({NUMERAL})\s*\Z", re.ASCII)
ABOVE = re.compile(rf"\s*(?:>=?|≥|＞)\s*({NUMERAL})\s*\Z")
BELOW = re.compile(rf"\s*(?:<=?|≤|＜)\s*({NUMERAL})\s*\Z")
COMPARED = re.compile(rf"\s*(<=|>=|<|>|≤|≥|＜|＞)\s*({NUMERAL})\s*\Z")
COMPARATORS = {"≤": "<=", "≥": ">=", "＜": "<", "＞": ">"}
TOKEN = re.compile(r"[a-z0-9][a-z0-9.+\-]*\Z")
MEDIA = {"ap": "application", "im": "image", "au": "audio", "tx": "text", "ft": "text", "vi": "video"}
SUBTYPES = {"jpg": "jpeg", "tif": "tiff", "txt": "plain", "word": "msword", "rtf": "rtf"}


def obx(walk: Walk, fields: list[str]) -> None:
    """OBX: an observation; a document's content; a fact about a vaccination."""
    if walk.patient is None:
        return
    if walk.document is not None:
        from salus.connect.hl7v2.documents import content

        content(walk, fields)
        return
    if walk.immunization is not None:
        from salus.connect.hl7v2.vaccinations import about

        if about(walk, fields):
            return
    walk.met.add("OBX")
    ctx = walk.ctx
    sort = value(fields, 2).strip()
    if sort in ATTACHED and walk.report is not None:
        found = attachment(ctx, sort, value(fields, 5))
        if found:
            named = cwe(ctx, value(fields, 3)) if value(fields, 3) else None
            if named and "title" not in found:
                found["title"] = named.get("text") or named["coding"][0]["code"]
            walk.report.setdefault("presentedForm", []).append(found)
        return
    raw = value(fields, 5)
    key = (value(fields, 3), value(fields, 4))
    if sort in TEXT_TYPES and walk.previous is not None and walk.text_key == key:
        line = text(ctx, raw) or ""
        walk.previous["valueString"] = f"{walk.previous.get('valueString', '')}\n{line}".strip("\n") or "-"
        walk.previous.pop("dataAbsentReason", None)
        return
    _observation(walk, fields, sort, raw, key)


def _observation(walk: Walk, fields: list[str], sort: str, raw: str, key: tuple[str, str]) -> None:
    ctx = walk.ctx
    resource: Resource = {"resourceType": "Observation"}
    flag = ctx.code(value(fields, 11))
    concept = ctx.concept("0085", flag) if flag else None
    if concept is None:
        ctx.where = "OBX-11"
        ctx.warn("no result status that the table maps")
    resource["status"] = concept.code if concept else "unknown"
    category = _category(walk)
    if category:
        resource["category"] = category
    named = cwe(ctx, value(fields, 3)) if value(fields, 3) else None
    if named is None and walk.report is not None:
        named = dict(walk.report["code"])
    resource["code"] = named or {"text": "not stated"}
    walk.link(resource)
    if walk.report is not None:
        if "effectiveDateTime" in walk.report:
            resource["effectiveDateTime"] = walk.report["effectiveDateTime"]
        elif "effectivePeriod" in walk.report:
            resource["effectivePeriod"] = dict(walk.report["effectivePeriod"])
        if walk.report.get("issued"):
            resource["issued"] = walk.report["issued"]
    effective = resource.pop("effectivePeriod", None)
    apply(ctx, "OBX", fields, resource)
    if effective is not None and "effectiveDateTime" not in resource:
        resource["effectivePeriod"] = effective
    if raw:
        ctx.where = "OBX-5"
        _value(ctx, resource, sort, raw, value(fields, 6))
    if flag == "N":
        resource["dataAbsentReason"] = {"coding": [{"system": ABSENT, "code": "not-asked"}]}
    limits = value(fields, 7)
    if limits:
        span = reference_range(ctx, limits, value(fields, 6))
        if span:
            resource["referenceRange"] = [span]
    resource["id"] = _identity(walk, fields)
    if walk.report is None and walk.request is not None:
        resource["basedOn"] = [{"reference": f"ServiceRequest/{walk.request['id']}"}]
    if walk.immunization is not None:
        resource["partOf"] = [{"reference": f"Immunization/{walk.immunization['id']}"}]
    ctx.add(resource, "put")
    if walk.report is not None:
        walk.report.setdefault("result", []).append({"reference": f"Observation/{resource['id']}"})
    walk.previous = resource
    walk.text_key = key if sort in TEXT_TYPES else None
    walk.notes = resource


def _identity(walk: Walk, fields: list[str]) -> str:
    ctx = walk.ctx
    own = ctx.clean(value(fields, 21).split(ctx.comp)[0])
    if own:
        return local_id("obx", own)
    parts = value(fields, 3).split(ctx.comp)
    named = ctx.clean(parts[0]) or (ctx.clean(parts[1]) if len(parts) > 1 else "") or "-"
    sub = ctx.clean(value(fields, 4)) or "-"
    for holder in (walk.report, walk.request, walk.immunization):
        if holder is not None:
            return local_id(holder["id"], named, sub)
    stamp = value(fields, 14).split(ctx.comp)[0].strip()
    if stamp:
        return local_id(walk.patient_id, named, sub, stamp)
    return walk.fallback("observation")


def _category(walk: Walk) -> list[dict[str, Any]] | None:
    ctx = walk.ctx
    section = ""
    if walk.report is not None:
        held = walk.report.get("category")
        section = held[0]["coding"][0]["code"] if held and held[0].get("coding") else ""
    concept = ctx.concept("0074-category", section) if section else None
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    if concept:
        return [{"coding": [{"system": concept.system, "code": concept.code, "display": concept.display}]}]
    stated = ctx.options.get("observation_category")
    if isinstance(stated, str) and stated:
        return [{"coding": [{"system": system, "code": stated}]}]
    return None


def _value(ctx: Context, resource: Resource, sort: str, raw: str, unit: str) -> None:
    first = raw.split(ctx.rep)[0] if ctx.rep in raw else raw
    if sort in ("NM", "NA"):
        measured = number(first)
        if measured is not None:
            resource["valueQuantity"] = quantity(ctx, measured, unit)
            return
        compared = COMPARED.match(ctx.clean(first))
        if compared:  # ">300" in an NM: the commonest departure from the standard
            resource["valueQuantity"] = _compared(ctx, compared.group(1), compared.group(2), unit)
            return
        ctx.warn("not a number: kept as text")
    elif sort == "SN":
        if _structured(ctx, resource, first, unit):
            return
    elif sort in CODED:
        concept = cwe(ctx, first)
        if concept:
            resource["valueCodeableConcept"] = concept
            return
    elif sort in ("DT", "TS", "DTM"):
        moment = times.date_time(first.split(ctx.comp)[0].strip(), ctx.zone)
        if moment:
            resource["valueDateTime"] = moment
            return
        ctx.warn("not a date: kept as text")
    elif sort == "TM":
        clock = times.clock(first)
        if clock:
            resource["valueTime"] = clock
            return
        ctx.warn("not a time of day: kept as text")
    elif sort == "DR":
        if _period(ctx, resource, first):
            return
    elif sort == "NR":
        parts = [number(piece) for piece in first.split(ctx.comp)[:2]]
        if len(parts) == 2 and None not in parts:
            resource["valueRange"] = _span(ctx, parts[0], parts[1], unit)
            return
    elif sort == "CQ":
        parts_cq = first.split(ctx.comp)
        measured = number(parts_cq[0])
        if measured is not None:
            resource["valueQuantity"] = quantity(
                ctx, measured, part(parts_cq, 1).replace(ctx.sub, ctx.comp) or unit
            )
            return
    elif sort in ATTACHED:
        found = attachment(ctx, sort, first)
        if found:
            resource["extension"] = [{"url": VALUE_EXTENSION, "valueAttachment": found}]
        return
    wording = text(ctx, raw)
    if wording:
        resource["valueString"] = wording


def _structured(ctx: Context, resource: Resource, raw: str, unit: str) -> bool:
    comparator, low, separator, high = ([ctx.clean(piece) for piece in raw.split(ctx.comp)] + [""] * 4)[:4]
    first, second = number(low), number(high)
    if comparator == "<>" or first is None:
        return False
    if not separator:
        if comparator in ("", "="):
            resource["valueQuantity"] = quantity(ctx, first, unit)
        elif comparator in ("<", "<=", ">", ">="):
            resource["valueQuantity"] = _compared(ctx, comparator, low, unit)
        else:
            return False
        return True
    if separator == "-" and second is not None and first <= second:
        resource["valueRange"] = _span(ctx, first, second, unit)
        return True
    if separator in (":", "/") and second is not None:
        resource["valueRatio"] = {
            "numerator": quantity(ctx, first, unit)
            | ({"comparator": comparator} if comparator in ("<", ">") else {}),
            "denominator": quantity(ctx, second, ""),
        }
        return True
    return False


def _compared(ctx: Context, comparator: str, digits: str, unit: str) -> dict[str, Any]:
    measured = number(digits)
    return {"comparator": COMPARATORS.get(comparator, comparator)} | quantity(ctx, measured or 0, unit)


def _span(ctx: Context, low: int | Decimal | None, high: int | Decimal | None, unit: str) -> dict[str, Any]:
    span = {}
    if low is not None:
        span["low"] = quantity(ctx, low, unit)
    if high is not None:
        span["high"] = quantity(ctx, high, unit)
    return span


def _period(ctx: Context, resource: Resource, raw: str) -> bool:
    parts = [times.date_time(piece.split(ctx.sub)[0].strip(), ctx.zone) for piece in raw.split(ctx.comp)[:2]]
    period = {name: moment for name, moment in zip(("start", "end"), parts, strict=False) if moment}
    if period:
        resource["valuePeriod"] = period
    return bool(period)


def reference_range(ctx: Context, raw: str, unit: str) -> dict[str, Any] | None:
    """OBX-7: the text as sent, and its limits where it says plain ones."""
    wording = text(ctx, raw)
    if not wording:
        return None
    span: dict[str, Any] = {"text": wording}
    between, above, below = BETWEEN.match(wording), ABOVE.match(wording), BELOW.match(wording)
    if between:
        low, high = number(between.group(1)), number(between.group(2))
        if low is not None and high is not None and low <= high:
            span |= _span(ctx, low, high, unit)
    elif above:
        span |= _span(ctx, number(above.group(1)), None, unit)
    elif below:
        span |= _span(ctx, None, number(below.group(1)), unit)
    return span


def attachment(ctx: Context, sort: str, raw: str) -> dict[str, Any] | None:
    """ED or RP: Attachment. ED data in base64, hexadecimal or plain text all become base64."""
    parts = raw.split(ctx.comp, 4)
    found: dict[str, Any] = {}
    if sort == "RP":
        pointer = ctx.clean(parts[0])
        if not pointer:
            return None
        kind = content_type(ctx.clean(part(parts, 2)), ctx.clean(part(parts, 3)))
        if kind:
            found["contentType"] = kind
        found["url"] = quote(pointer, safe=":/?#[]@!$&'()*+,;=%-._~")
        return found
    if len(parts) < 5:
        wording = text(ctx, raw)
        if not wording:
            return None
        return {"contentType": "text/plain", "data": base64.b64encode(wording.encode()).decode()}
    kind = content_type(ctx.clean(parts[1]), ctx.clean(parts[2]))
    encoding = ctx.clean(parts[3]).lower()
    payload = _payload(ctx, encoding, parts[4])
    if payload is None:
        ctx.warn("the data are not in the encoding that the message names: kept as text")
        payload = ctx.prose(parts[4]).encode()
        kind = "text/plain"
    if not payload:
        return None
    if kind:
        found["contentType"] = kind
    found["data"] = base64.b64encode(payload).decode()
    return found


def _payload(ctx: Context, encoding: str, raw: str) -> bytes | None:
    packed = "".join((ctx.prose(raw) if ctx.escapes else raw).split())
    try:
        if encoding == "base64":
            return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        if encoding == "hex":
            return bytes.fromhex(packed)
    except (binascii.Error, ValueError):
        return None
    return ctx.prose(raw).encode() if encoding in ("", "a") else None


def content_type(kind: str, subtype: str) -> str:
    """Return the MIME type of an ED's type and subtype, "" when they say none."""
    first, second = kind.lower(), subtype.lower()
    if "/" in first and not second:
        first, _, second = first.partition("/")
    if "/" in second:
        first, _, second = second.partition("/")
    if first in ("pdf",):
        first, second = "application", "pdf"
    first = MEDIA.get(first, first)
    second = SUBTYPES.get(second, second)
    if second == "pdf":
        first = "application"
    elif second in ("jpeg", "png", "gif", "tiff", "bmp") and first not in ("image",):
        first = "image"
    if not first and second in ("html", "xml", "plain"):
        first = "text"
    if first == "text" and not second:
        second = "plain"
    return f"{first}/{second}" if TOKEN.match(first) and TOKEN.match(second) else ""


def nte(walk: Walk, fields: list[str]) -> None:
    """NTE: a note on what stands before it."""
    ctx = walk.ctx
    wording = text(ctx, value(fields, 3))
    if not wording or walk.notes is None:
        return
    target = walk.notes
    kind = target["resourceType"]
    if kind == "DiagnosticReport":  # R4 reports have no note: the extension that carries R5's
        note = {"url": NOTE_EXTENSION, "valueAnnotation": {"text": wording}}
        target.setdefault("extension", []).append(note)
    elif kind == "Appointment":
        target["comment"] = f"{target['comment']}\n{wording}" if target.get("comment") else wording
    elif kind == "DocumentReference":
        target["description"] = (
            f"{target['description']}\n{wording}" if target.get("description") else wording
        )
    elif kind == "Patient":
        ctx.where = "NTE"
        ctx.warn("a note on the patient has no place in the record: kept with the message")
    else:
        target.setdefault("note", []).append({"text": wording})
