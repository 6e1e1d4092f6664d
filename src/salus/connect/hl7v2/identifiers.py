"""Identifiers of patients: CX values, the systems they belong to, and which of them names the chart."""

import re
from typing import Any

from salus.connect.hl7v2 import times
from salus.connect.hl7v2.context import Context, local_id, uri_part
from salus.connect.hl7v2.rules import identifier_systems, patient_id_types, tables

CODE_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+\Z", re.ASCII)
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z", re.ASCII)
RESIDENT_ID = re.compile(r"\d{17}[\dXx]\Z", re.ASCII)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
NATIONAL_TYPES = ("NI", "NNCHN", "SFZ", "IDCARD", "PPN", "SS", "NH", "NHS", "NHSNMBR", "HC", "DL", "SB")


def is_resident_number(value: str) -> bool:
    """Return whether a value is an 18-digit resident identity number with a right check digit.

    Source: GB 11643-1999, ISO 7064 MOD 11-2.
    """
    if not RESIDENT_ID.match(value):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(value, WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == value[17].upper()


def system_of(ctx: Context, namespace: str, universal: str = "", kind: str = "") -> str:
    """Return the identifier system of an assigning authority (HD), the source's own when it is local."""
    known = identifier_systems()
    own = ctx.options.get("identifier_systems")
    if isinstance(own, dict) and isinstance(own.get(namespace), str):
        return str(own[namespace])
    for key in (universal, namespace):
        if key and ("authority", key) in known:
            return known["authority", key].system
    for key, named in ((universal, kind), (namespace, "")):
        if not key:
            continue
        if OID.match(key) and (named in ("", "ISO") or key is universal):
            return f"urn:oid:{key}"
        if UUID.match(key):
            return f"urn:uuid:{key.lower()}"
        if key.startswith(("http://", "https://", "urn:")) and not re.search(r"\s", key):
            return key
    name = namespace or universal
    return f"{ctx.base}:{uri_part(name)}" if name else f"{ctx.base}:id"


def cx(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """CX: Identifier. A type code or authority that names a national number gives its public system."""
    parts = raw.split(ctx.comp)
    value = ctx.clean(parts[0])
    if not value:
        return None
    kind = ctx.code(parts[4]) if len(parts) > 4 else ""
    authority = [ctx.clean(piece) for piece in parts[3].split(ctx.sub)] if len(parts) > 3 else []
    namespace, universal, sort = (*authority, "", "", "")[:3]
    found: dict[str, Any] = {}
    country = _country(ctx, parts, namespace)
    system = _national(kind, value, country) or system_of(ctx, namespace, universal, sort)
    if not namespace and not universal and not kind and is_resident_number(value):
        system = identifier_systems()["type", "NNCHN"].system
        kind = "NI"
    code = arg or kind
    if code:
        known = identifier_systems().get(("type", code))
        coded = known.type_code if known and not arg else code
        concept = tables()["0203"].get(coded)
        if concept or arg:
            coding = {"system": CODE_0203, "code": concept.code if concept else coded}
            if concept:
                coding["display"] = concept.display
            found["type"] = {"coding": [coding]}
        else:
            found["type"] = {"coding": [{"system": f"{ctx.base}:0203", "code": coded}]}
    found["system"] = system
    found["value"] = value.upper() if RESIDENT_ID.match(value) else value
    if namespace:
        found["assigner"] = {"display": namespace}
    if len(parts) > 6:
        period = {
            name: moment
            for name, moment in (
                ("start", times.date_time(parts[6].strip(), ctx.zone)),
                ("end", times.date_time(parts[7].strip(), ctx.zone) if len(parts) > 7 else None),
            )
            if moment
        }
        if period:
            found["period"] = period
    return found


def _country(ctx: Context, parts: list[str], namespace: str) -> str:
    for candidate in (*(ctx.clean(piece.split(ctx.sub, 1)[0]) for piece in parts[8:10]), namespace):
        if len(candidate) == 3 and candidate.isascii() and candidate.isalpha():
            return candidate.upper()
    return ""


def _national(kind: str, value: str, country: str) -> str:
    if not kind:
        return ""
    if kind == "NI":
        return identifier_systems()["type", "NNCHN"].system if is_resident_number(value) else ""
    if kind in ("SS", "SN") and is_resident_number(value):  # what hospitals put there in China
        return identifier_systems()["type", "NNCHN"].system
    known = identifier_systems().get(("type", kind))
    if known is None:
        return ""
    if "{country}" in known.system:
        return known.system.replace("{country}", country) if country else ""
    if kind == "SS":
        return known.system if country == "USA" else ""
    return known.system


def national(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """PID-19: a national number; in China the resident identity number."""
    value = ctx.clean(raw.split(ctx.comp, 1)[0])
    if not value:
        return None
    if is_resident_number(value):
        system = identifier_systems()["type", "NNCHN"].system
        return {"type": {"coding": [_type("NI")]}, "system": system, "value": value.upper()}
    return {"type": {"coding": [_type("SS")]}, "system": f"{ctx.base}:SS", "value": value}


def licence(ctx: Context, raw: str, arg: str = "", table: str = "") -> dict[str, Any] | None:
    """PID-20: a driving licence."""
    value = ctx.clean(raw.split(ctx.comp, 1)[0])
    return {"type": {"coding": [_type("DL")]}, "system": f"{ctx.base}:DL", "value": value} if value else None


def _type(code: str) -> dict[str, str]:
    return {"system": CODE_0203, "code": code, "display": tables()["0203"][code].display}


def patient_key(ctx: Context, *fields: str) -> str | None:
    """Return the local id of the patient that CX fields (PID-3 first) name, None when they name nobody.

    The best-ranked chart number wins (`rules/v2/patient_id_types.csv`, or the source's
    `patient_id_types`), then the first that is no national number, then the first.
    """
    own = ctx.options.get("patient_id_types")
    ranks = {kind: rank for rank, kind in enumerate(own)} if isinstance(own, list) else patient_id_types()
    without_authority = bool(ctx.options.get("ignore_authority"))
    best: tuple[int, str, str] | None = None
    for field in fields:
        if not field:
            continue
        for raw in field.split(ctx.rep):
            parts = raw.split(ctx.comp)
            value = ctx.clean(parts[0])
            if not value:
                continue
            kind = ctx.clean(parts[4]) if len(parts) > 4 else ""
            rank = ranks.get(kind, 50 if kind in NATIONAL_TYPES else 20)
            if best is None or rank < best[0]:
                pieces = parts[3].split(ctx.sub) if len(parts) > 3 else [""]
                authority = ctx.clean(pieces[0]) or (ctx.clean(pieces[1]) if len(pieces) > 1 else "")
                best = (rank, "" if without_authority else authority, value)
        if best is not None:
            break
    return local_id(best[1] or "patient", best[2]) if best else None
