"""A resident as linkage sees one: the normal form of a FHIR Patient, packed small, and its blocking keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any

import orjson

from salus.record.identity.engine import normalise
from salus.record.identity.engine.resident_id import parse
from salus.record.identity.engine.schema import Field, LinkSchema

SCHEMA = LinkSchema(
    (
        Field("unique_id", "id"),
        Field("name", "full_name"),
        Field("birth", "birth_date"),
        Field("sex", "sex"),
        Field("phone", "phone"),
        Field("number", "resident_id"),
        Field("address", "address"),
    )
)
COLUMNS = ("family", "given", "family_hanzi", "given_hanzi", "birth", "sex", "phone", "number", "address")
RESIDENT_ID, PASSPORT, NEWBORN, OTHER = "resident-id", "passport", "newborn", "other"
NEWBORN_NAMES = ("之子", "之女", "之婴", "婴儿", "新生儿", "毛毛")
_EXTENSION = "https://salus.health/fhir/StructureDefinition/"
_MOTHER = _EXTENSION + "mother-identifier"
_PASSPORT_TYPES = {"PPN", "PP"}
_RESIDENT_TYPES = {"NI", "NNCHN", "NN", "ZHID"}
_RESIDENT_SYSTEMS = (RESIDENT_ID, "2.16.156.10011.1.3")

Features = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Patient:
    """What a FHIR Patient says of a person: features to compare, identifiers to look up."""

    features: Features
    identifiers: tuple[tuple[str, str], ...]
    strong: tuple[tuple[str, str], ...]
    number_conflicts: bool
    newborn: bool


def pack(features: Features) -> bytes:
    """Return features as a JSON array in the order of `COLUMNS`."""
    return orjson.dumps([features.get(c) for c in COLUMNS])


def unpack(packed: bytes) -> Features:
    """Return the features that `pack` wrote."""
    return dict(zip(COLUMNS, orjson.loads(packed), strict=True))


def read(body: dict[str, Any], *, today: date) -> Patient:
    """Read a FHIR R4 Patient. Parts that are not shaped as R4 says are passed over.

    A number that is valid (GB 11643) is strong whatever its system is called; a passport carries its
    issuing system. The number's birth date and sex fill gaps; where they contradict the record's own,
    `number_conflicts` is set.
    """
    identifiers, strong, number = _identifiers(body, today)
    name, newborn = _name(body.get("name"))
    born = normalise.date_digits(_text(body.get("birthDate")))
    sex = normalise.sex(_text(body.get("gender")))
    conflict = False
    if number and (held := parse(number, today=today)):
        digits = f"{held.birth_date:%Y%m%d}"
        conflict = bool((born and born != digits) or (sex and sex != held.sex))
        born, sex = born or digits, sex or held.sex
    if mother := _mother(body, today):
        order = body.get("multipleBirthInteger")
        strong.append((NEWBORN, f"{mother}|{born}|{order if isinstance(order, int) else 1}"))
    features: Features = {
        "family": name.family,
        "given": name.given,
        "family_hanzi": name.family_hanzi,
        "given_hanzi": name.given_hanzi,
        "birth": born,
        "sex": sex,
        "phone": _phone(body.get("telecom")),
        "number": number,
        "address": _address(body.get("address")),
    }
    return Patient(features, tuple(dict.fromkeys(identifiers)), tuple(strong), conflict, newborn)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return (x for x in value if isinstance(x, dict)) if isinstance(value, list) else ()


def _identifiers(
    body: dict[str, Any], today: date
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], str | None]:
    found: list[tuple[str, str]] = []
    strong: list[tuple[str, str]] = []
    number: str | None = None
    for item in _dicts(body.get("identifier")):
        value = normalise.identifier(_text(item.get("value")))
        if value is None or len(value) > 64 or item.get("use") == "old":
            continue
        system = _text(item.get("system")) or ""
        kind = item.get("type")
        codes = {c.get("code") for c in _dicts(kind.get("coding"))} if isinstance(kind, dict) else set()
        is_number = bool(codes & _RESIDENT_TYPES) or system.endswith(_RESIDENT_SYSTEMS)
        valid = parse(value, today=today) if len(value) == 18 or is_number else None
        if valid:
            number = number or valid.number
            pair = (RESIDENT_ID, valid.number)
        elif codes & _PASSPORT_TYPES or "passport" in system:
            pair = (PASSPORT, value)
        elif "newborn" in system:
            pair = (NEWBORN, f"{_short(system)}:{value}")
        else:
            if is_number:
                number = number or value
            found.append((OTHER, value))
            continue
        found.append(pair)
        if pair not in strong:
            strong.append(pair)
    return found, strong, number


def _short(system: str) -> str:
    return blake2b(system.encode(), digest_size=6).hexdigest()


def _mother(body: dict[str, Any], today: date) -> str | None:
    for item in _dicts(body.get("extension")):
        if item.get("url") == _MOTHER and isinstance(item.get("valueIdentifier"), dict):
            value = normalise.identifier(_text(item["valueIdentifier"].get("value")))
            held = parse(value, today=today) if value else None
            return held.number if held else None
    return None


def _name(value: Any) -> tuple[normalise.Name, bool]:
    newborn = False
    best = normalise.Name()
    for item in _dicts(value):
        if item.get("use") in ("old", "nickname", "maiden"):
            continue
        text = _text(item.get("text"))
        given = item.get("given")
        parts = "".join(g for g in given if isinstance(g, str)) if isinstance(given, list) else None
        family = _text(item.get("family"))
        if any(w in f"{text or ''}{family or ''}{parts or ''}" for w in NEWBORN_NAMES):
            newborn = True
            continue
        if family is None and parts is None:
            found = normalise.name(text)
        elif parts is None and text is None:
            found = normalise.name(family)
        else:
            found = normalise.name(text, family=family, given=parts)
        if found.family_hanzi or found.given_hanzi:
            return found, newborn
        if best.given is None and best.family is None:
            best = found
    return best, newborn


def _phone(value: Any) -> str | None:
    phones = [
        p
        for item in _dicts(value)
        if item.get("system") in (None, "phone", "sms") and (p := normalise.phone(_text(item.get("value"))))
    ]
    mobile = next((p for p in phones if len(p) == 11 and p[0] == "1"), None)
    return mobile or (phones[0] if phones else None)


def _address(value: Any) -> str | None:
    for item in sorted(_dicts(value), key=lambda a: (a.get("use") == "old", a.get("use") != "home")):
        lines = item.get("line")
        line = "".join(x for x in lines if isinstance(x, str)) if isinstance(lines, list) else ""
        text = _text(item.get("text"))
        if found := normalise.address(text or f"{_text(item.get('district')) or ''}{line}"):
            return found[:120]
    return None


def blocking_keys(features: Features) -> list[int]:
    """Return the 64-bit keys under which a patient is found; two records that share one are compared.

    A key needs two facts, or one that few share, so that its block stays small in a city of millions;
    each likely error (a slipped digit, an exchanged name order, a new phone) leaves some key standing.
    """
    born, number, phone, address = (features.get(c) for c in ("birth", "number", "phone", "address"))
    family, given = features.get("family"), features.get("given")
    parts: list[str] = []
    if number:
        parts.append(f"n{number}")
        parts.append(f"m{number[:-1]}")
    name = "".join(sorted((family or "", given or "")))
    if born:
        year, month_day = born[:4], born[4:]
        for piece in (family, given):
            if piece:
                parts.append(f"d{born}{piece}")
        if family and given:
            parts.append(f"y{year}{name}")
            parts.append(f"z{month_day}{name}")
        if phone:
            parts.append(f"e{born}{phone[-4:]}")
    if phone:
        for piece in (given, family):
            if piece:
                parts.append(f"p{phone}{piece}")
    if address and len(address) > 6:
        if given:
            parts.append(f"a{address}{given}")
        if born:
            parts.append(f"b{address}{born}")
    return sorted({int.from_bytes(blake2b(p.encode(), digest_size=8).digest(), signed=True) for p in parts})


def agree(left: Features, right: Features) -> tuple[str, ...]:
    """Return what contradicts in two records that share a strong identifier: "name", "birth", "sex"."""
    from salus.record.identity.engine.strings import damerau_within, jaro_winkler

    found = []
    names = [(left.get(c), right.get(c)) for c in ("family", "given")]
    if all(a and b for a, b in names):
        straight = sum(jaro_winkler(a or "", b or "") >= 0.85 for a, b in names)
        crossed = left.get("family") == right.get("given") and left.get("given") == right.get("family")
        if not straight and not crossed:
            found.append("name")
    a, b = left.get("birth"), right.get("birth")
    if (
        a
        and b
        and not damerau_within(a, b, 1)
        and not (a[:4] == b[:4] and a[4:6] == b[6:] and a[6:] == b[4:6])
    ):
        found.append("birth")
    if left.get("sex") and right.get("sex") and left.get("sex") != right.get("sex"):
        found.append("sex")
    return tuple(found)


def as_row(key: str, features: Features) -> Sequence[str]:
    """Return a record as a row of `SCHEMA`, for the batch engine."""
    name = (features.get("family_hanzi") or "") + (features.get("given_hanzi") or "")
    latin = f"{features.get('family') or ''}, {features.get('given') or ''}".strip(" ,")
    middle = [features.get(c) or "" for c in ("birth", "sex", "phone", "number", "address")]
    return [key, name or latin, *middle]
