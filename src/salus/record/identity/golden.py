"""The golden record: for each field the best of a person's records, and which record it came from."""

import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any
from uuid import UUID

import orjson
from django.db import connections
from django.db.backends.utils import CursorWrapper

from salus.kernel.models import District
from salus.record import json
from salus.record.identity import rows
from salus.record.identity.engine import normalise
from salus.record.identity.engine.resident import Patient, read
from salus.record.identity.sources import facts

FIELDS = ("name", "birth_date", "sex", "phone", "address", "district_code", "deceased")


@dataclass(frozen=True, slots=True)
class Held:
    """What one patient record holds: displayable values, and what the criteria ask of it."""

    patient_rid: int
    values: dict[str, Any]
    pinyin: str = ""
    has_number: bool = False
    institution_kind: str = ""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Golden:
    """A person's best values, and for each field the patient record that it came from."""

    values: dict[str, Any]
    pinyin: str
    provenance: dict[str, int] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    text = files("salus.record").joinpath("rules/identity/survivorship.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def hold(
    patient_rid: int, body: dict[str, Any], patient: Patient, *, source_id: int | None = None, at: int = 0
) -> Held:
    """Take what a FHIR Patient, read as `patient`, holds for the golden record."""
    features = patient.features
    hanzi = (features["family_hanzi"] or "") + (features["given_hanzi"] or "")
    pinyin = (features["family"] or "") + (features["given"] or "")
    latin = " ".join(x for x in (features["given"], features["family"]) if x).title()
    address, district = _address(body.get("address"))
    values: dict[str, Any] = {
        "name": (hanzi or latin)[:120],
        "birth_date": _date(features["birth"]),
        "sex": features["sex"] or "",
        "phone": (features["phone"] or "")[:32],
        "address": address[:200],
        "district_code": district,
        "deceased": _date(normalise.date_digits(str(body.get("deceasedDateTime") or ""))),
    }
    has_number = any(kind == "resident-id" for kind, _ in patient.strong)
    return Held(patient_rid, values, pinyin[:120], has_number, facts(source_id).institution_kind, at)


def choose(held: Sequence[Held]) -> Golden:
    """Choose each field by `rules/identity/survivorship.toml`; a field that no record holds stays empty."""
    if len(held) == 1:
        one = held[0]
        source = {name: one.patient_rid for name in FIELDS if one.values[name]}
        return Golden(dict(one.values), one.pinyin, source)
    rules = _rules()
    trust = {kind: -i for i, kind in enumerate(rules["trust"]["order"])}
    values: dict[str, Any] = {}
    provenance: dict[str, int] = {}
    pinyin = ""
    for name in FIELDS:
        having = [h for h in held if h.values[name]]
        if not having:
            values[name] = held[0].values[name] if held else None
            continue
        votes = Counter(h.values[name] for h in having)
        ranked = [
            (tuple(_rank(c, h, name, votes, trust) for c in rules[name]["criteria"]), -h.patient_rid, h)
            for h in having
        ]
        best = max(ranked, key=lambda r: r[:2])[2]
        values[name], provenance[name] = best.values[name], best.patient_rid
        if name == "name":
            pinyin = best.pinyin
    return Golden(values, pinyin, provenance)


def _rank(criterion: str, held: Held, name: str, votes: Counter[Any], trust: dict[str, int]) -> int:
    match criterion:
        case "number":
            return int(held.has_number)
        case "trust":
            return trust.get(held.institution_kind, -len(trust))
        case "agreed":
            return votes[held.values[name]]
        case "complete":
            return len(str(held.values[name]))
        case _:
            return held.at


COLUMNS = "name, pinyin, birth_date, sex, phone, address, district_code, deceased, provenance, updated"


def row(cursor: CursorWrapper, golden: Golden, now: datetime) -> list[Any]:
    """Return `COLUMNS` as the cursor's database keeps them."""
    v = golden.values
    dates = [v["birth_date"], v["deceased"]]
    if cursor.db.vendor != "postgresql":
        dates = [d.isoformat() if d else None for d in dates]
    provenance = orjson.dumps(golden.provenance).decode()
    return [
        v["name"], golden.pinyin, dates[0], v["sex"], v["phone"], v["address"], v["district_code"], dates[1],
        provenance, rows.moment(cursor, now),
    ]  # fmt: skip


def refresh(cursor: CursorWrapper, person_ids: Iterable[UUID], *, now: datetime, today: date) -> None:
    """Choose anew for these persons from all their records, and keep the result on Person."""
    ids = sorted(set(person_ids))
    held: dict[UUID, list[Held]] = {person_id: [] for person_id in ids}
    found = rows.fetch_in(
        cursor,
        "select l.person_id, r.rid, r.body, r.source_id, r.source_time, r.updated from record_patientlink l"
        " join record_resource r on r.rid = l.patient_rid where l.person_id in ({marks})"
        " and r.version > 0 and not r.deleted order by r.rid",
        [rows.key(cursor, p) for p in ids],
    )
    for person_id, rid, body, source_id, source_time, updated in found:
        resource = json.loads(bytes(body))
        patient = read(resource, today=today)
        one = hold(rid, resource, patient, source_id=source_id, at=source_time or updated)
        held[rows.person(person_id)].append(one)
    changed = [[*row(cursor, choose(h), now), rows.key(cursor, p)] for p, h in held.items() if h]
    sets = ", ".join(f"{c.strip()} = %s" for c in COLUMNS.split(","))
    rows.many(cursor, f"update record_person set {sets} where id = %s", changed)  # noqa: S608 - our own columns


def _date(digits: str | None) -> date | None:
    if not digits:
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _address(value: Any) -> tuple[str, str]:
    """Return the current address as written and its district's GB/T 2260 code, where it is known."""
    items = [a for a in value if isinstance(a, dict)] if isinstance(value, list) else []
    items.sort(key=lambda a: (a.get("use") == "old", a.get("use") != "home"))
    for item in items:
        lines = item.get("line")
        line = "".join(x for x in lines if isinstance(x, str)) if isinstance(lines, list) else ""
        district = item.get("district") if isinstance(item.get("district"), str) else ""
        text = item.get("text") if isinstance(item.get("text"), str) else ""
        shown = str(text or f"{district}{line}")
        code = _district(str(district or ""), shown)
        if shown or code:
            return shown, code
    return "", ""


def district_of(address: dict[str, Any]) -> str:
    """Return the GB/T 2260 code of a FHIR Address's district, "" if it is not known."""
    return _address([address])[1]


def _district(named: str, address: str) -> str:
    """Return the smallest district that an address names.

    Streets of different districts bear the same name, so that which the address names whole, from the
    top down, is meant; where that leaves several, the district that holds them all.
    """
    known = districts()
    if named in known.codes:
        return named
    text = address if named in address else f"{named}{address}"
    found = {code: known.above(code) for name, code in known.long_names if name in text}
    if not found:
        return known.names.get(named.strip().casefold(), "")
    most = max(sum(one in found for one in above) for above in found.values())
    best = [(*above, code) for code, above in found.items() if sum(one in found for one in above) == most]
    shared = [level[0] for level in zip(*best, strict=False) if len(set(level)) == 1]
    return shared[-1] if shared else ""


@dataclass(frozen=True, slots=True)
class _Districts:
    codes: frozenset[str]
    names: dict[str, str]
    long_names: tuple[tuple[str, str], ...]
    parents: dict[str, str | None]

    def above(self, code: str) -> tuple[str, ...]:
        """Return the districts that hold this one, largest first."""
        found: list[str] = []
        while (parent := self.parents.get(found[-1] if found else code)) and parent not in found:
            found.append(parent)
        return tuple(reversed(found))


_districts: dict[str, tuple[float, _Districts]] = {}
_KNOWN_FOR = 10.0


def districts() -> _Districts:
    """Return the city's districts for looking up, read again every ten seconds."""
    name, now = str(connections["default"].settings_dict["NAME"]), time.monotonic()
    cached = _districts.get(name)
    if cached is None or now - cached[0] > _KNOWN_FOR:
        found = list(District.objects.values_list("code", "name", "name_en", "parent_id"))
        counts = Counter(n.strip().casefold() for _code, *both, _parent in found for n in set(both) if n)
        names = {
            n.strip().casefold(): code
            for code, *both, _parent in found
            for n in both
            if n and counts[n.strip().casefold()] == 1
        }
        long_names = tuple(sorted(((n, c) for c, n, _, _ in found if len(n) > 2), key=lambda x: -len(x[0])))
        made = _Districts(
            frozenset(c for c, *_rest in found), names, long_names, {c: parent for c, *_rest, parent in found}
        )
        cached = _districts[name] = (now, made)
    return cached[1]


def forget_districts() -> None:
    """Read the districts again at the next question."""
    _districts.clear()
