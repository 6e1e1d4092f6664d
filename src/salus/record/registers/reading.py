"""What single FHIR resources say of births, deaths, residence and social status. Pure."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from salus.record.identity.engine.normalise import date_digits
from salus.record.identity.golden import district_of

TYPES = ("Patient", "Observation", "Flag", "Encounter")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a register: the table and its values besides rid and patient."""

    table: str
    values: dict[str, Any]


@lru_cache(maxsize=1)
def _codes() -> dict[str, set[tuple[str, str]]]:
    text = files("salus.record").joinpath("rules/registers/codes.csv").read_text(encoding="utf-8")
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in csv.DictReader(text.splitlines()):
        found[row["use"]].add((row["system"], row["code"]))
    return dict(found)


def day(value: Any) -> date | None:
    """Return the day of a FHIR date or date-time; None if it has none."""
    digits = date_digits(value) if isinstance(value, str) else None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) if digits else None
    except ValueError:
        return None


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (x for x in (value if isinstance(value, list) else [value]) if isinstance(x, dict))


def _codings(concept: Any) -> Iterator[tuple[str, str]]:
    for one in _dicts(concept):
        for coding in _dicts(one.get("coding")):
            if isinstance(coding.get("code"), str):
                yield str(coding.get("system") or ""), coding["code"]


def _is(use: str, system: str, code: str) -> bool:
    return any(part in system and (not wanted or wanted == code) for part, wanted in _codes()[use])


def _period(item: dict[str, Any], name: str = "period") -> tuple[date | None, date | None]:
    period = item.get(name)
    return (day(period.get("start")), day(period.get("end"))) if isinstance(period, dict) else (None, None)


def read(resource_type: str, body: dict[str, Any]) -> list[Row]:
    """Return the register rows that a resource gives rise to; none for other resources."""
    match resource_type:
        case "Patient":
            return list(_patient(body))
        case "Observation" if body.get("status") not in ("entered-in-error", "cancelled"):
            return list(_observation(body))
        case "Flag" if body.get("status") != "entered-in-error":
            return list(_flag(body))
        case _:
            return []


def _patient(body: dict[str, Any]) -> Iterator[Row]:
    certificate = any("birth-certificate" in str(i.get("system")) for i in _dicts(body.get("identifier")))
    if born := day(body.get("birthDate")):
        yield Row("birth", {"born": born, "certificate": certificate})
    if died := day(body.get("deceasedDateTime")):
        yield Row("death", {"died": died, "cause": ""})
    extensions = [
        e for e in _dicts(body.get("extension")) if any(e.get("url") == url for url, _ in _codes()["hukou"])
    ]
    hukou = next((str(e.get("valueCode") or e.get("valueString") or "") for e in extensions), "")
    for place, address in enumerate(_dicts(body.get("address"))):
        code = district_of(address)
        start, end = _period(address)
        if code or hukou:
            old = address.get("use") == "old"
            values = {"kind": "old" if old else "lives", "district_code": code, "hukou": hukou[:20]}
            yield Row("residence", {**values, "place": place, "valid_from": start, "valid_to": end})


def _observation(body: dict[str, Any]) -> Iterator[Row]:
    codes = list(_codings(body.get("code")))
    if any(_is("cause", *c) for c in codes):
        causes = [
            c for s, c in _codings(body.get("valueCodeableConcept")) if "icd-10" in s.casefold() or not s
        ]
        died = day(body.get("effectiveDateTime") or body.get("issued"))
        yield Row("death", {"died": died, "cause": (causes[0] if causes else "")[:10].upper()})
    quantity = body.get("valueQuantity")
    value = quantity.get("value") if isinstance(quantity, dict) else None
    if (
        not isinstance(value, int | float | Decimal)
        or isinstance(value, bool)
        or not isinstance(quantity, dict)
    ):
        return
    unit = str(quantity.get("code") or quantity.get("unit") or "")
    if any(_is("weight", *c) for c in codes) and 0 < value < 20_000:
        yield Row("birth", {"weight": round(value * 1000 if unit.casefold() == "kg" else value)})
    if any(_is("gestation", *c) for c in codes) and 0 < value < 400:
        yield Row(
            "birth", {"gestation": round(value * 7 if unit.casefold() in ("wk", "weeks", "周") else value)}
        )
    found = [c for s, c in codes if _is("status", s, c)]
    if found:
        yield _status(body, found[0], _period(body, "effectivePeriod"))


def _flag(body: dict[str, Any]) -> Iterator[Row]:
    for system, code in _codings(body.get("code")):
        if _is("departed", system, code):
            start, end = _period(body)
            values = {"kind": "departed", "district_code": "", "hukou": "", "place": 0}
            yield Row("residence", {**values, "valid_from": start, "valid_to": end})
            return
        if _is("status", system, code):
            yield _status(body, code, _period(body))
            return


def _status(body: dict[str, Any], code: str, valid: tuple[date | None, date | None]) -> Row:
    concept = body.get("code") or body.get("valueCodeableConcept")
    detail = str(concept.get("text") or code) if isinstance(concept, dict) else code
    if body.get("status") == "inactive" and valid[1] is None:
        valid = (valid[0], valid[0] or date(1900, 1, 1))
    return Row(
        "socialstatus",
        {"category": code[:20], "code": detail[:40], "valid_from": valid[0], "valid_to": valid[1]},
    )
