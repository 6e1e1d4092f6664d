"""What a FHIR resource says of a notifiable disease: diagnoses, tests, causes of death, signs. Pure."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from salus.prevention.surveillance.classifying import Fact

TYPES = ("Condition", "Observation", "Encounter")
"""Resources that facts of cases are read from; an Encounter says at which institution."""


@lru_cache(maxsize=1)
def _coded() -> dict[str, frozenset[str]]:
    """Return what `rules/notifiable_codes.csv` lists, by its use."""
    text = files("salus.prevention").joinpath("rules/notifiable_codes.csv").read_text(encoding="utf-8")
    found: dict[str, set[str]] = defaultdict(set)
    for row in csv.DictReader(text.splitlines()):
        found[row["use"]].add(row["code"])
    return {use: frozenset(codes) for use, codes in found.items()}


def moment_of(value: Any, zone: tzinfo) -> datetime | None:
    """Return the instant of a FHIR date or date-time, aware; a day alone begins at its midnight in `zone`."""
    if not isinstance(value, str) or len(value) < 4:
        return None
    text = value if len(value) > 7 else f"{value}-01" if len(value) == 7 else f"{value}-01-01"
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo is not None else found.replace(tzinfo=zone)
        aware.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return aware


def facts_of(resource_type: str, body: Mapping[str, Any], zone: tzinfo, *, ref: str = "") -> list[Fact]:
    """Return the facts that a resource states; none for other resources and for what was an error.

    Args:
        resource_type: Condition and Observation are read.
        body: the resource.
        zone: of the city, for the day of an instant.
        ref: kept with each fact.
    """
    match resource_type:
        case "Condition":
            return list(_condition(body, zone, ref))
        case "Observation":
            return list(_observation(body, zone, ref))
        case _:
            return []


def known_at(resource_type: str, body: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """Return when a Condition was diagnosed or an Observation's result given out, as far as it says."""
    names = (
        ("recordedDate", "onsetDateTime")
        if resource_type == "Condition"
        else ("issued", "effectiveDateTime", "effectiveInstant")
    )
    return next((found for name in names if (found := moment_of(body.get(name), zone))), None)


def onset_of(body: Mapping[str, Any], zone: tzinfo) -> date | None:
    """Return the day of onset that a Condition states."""
    period = body.get("onsetPeriod")
    value = body.get("onsetDateTime") or (period.get("start") if isinstance(period, Mapping) else None)
    found = moment_of(value, zone)
    return found.astimezone(zone).date() if found and isinstance(value, str) and len(value) >= 10 else None


def encounter_of(body: Mapping[str, Any]) -> str:
    """Return the id of the Encounter that a resource belongs to, or an empty text."""
    encounter = body.get("encounter")
    reference = encounter.get("reference") if isinstance(encounter, Mapping) else None
    kind, _slash, number = str(reference or "").rpartition("/")
    return number if kind.rpartition("/")[2] == "Encounter" else ""


def provider_of(encounter: Mapping[str, Any]) -> str:
    """Return the code of the institution that an Encounter names, or an empty text."""
    provider = encounter.get("serviceProvider")
    identifier = provider.get("identifier") if isinstance(provider, Mapping) else None
    value = identifier.get("value") if isinstance(identifier, Mapping) else None
    return value if isinstance(value, str) else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _codings(concept: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(concept, Mapping):
        for coding in _listed(concept.get("coding")):
            if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
                yield (
                    str(coding.get("system") or "").casefold(), coding["code"],
                    str(coding.get("display") or ""),
                )  # fmt: skip


def _text(concept: Any) -> str:
    if not isinstance(concept, Mapping):
        return ""
    said = concept.get("text") or next((d for _s, _c, d in _codings(concept) if d), "")
    return str(said)


def _codes(concept: Any) -> set[str]:
    return {code for _system, code, _display in _codings(concept)}


def _condition(body: Mapping[str, Any], zone: tzinfo, ref: str) -> Iterator[Fact]:
    verified = _codes(body.get("verificationStatus"))
    if "entered-in-error" in verified:
        return
    value = "confirmed"
    if verified & {"unconfirmed", "provisional", "differential"}:
        value = "provisional"
    elif "refuted" in verified:
        value = "refuted"
    at = known_at("Condition", body, zone)
    for system, code, display in _codings(body.get("code")):
        if "icd-10" in system or not system:
            day = at.astimezone(zone).date() if at else None
            yield Fact("diagnosis", code.upper().replace(" ", ""), display, value, None, day, ref)


def _observation(body: Mapping[str, Any], zone: tzinfo, ref: str) -> Iterator[Fact]:
    if body.get("status") in ("entered-in-error", "cancelled", "registered"):
        return
    at = known_at("Observation", body, zone)
    day = at.astimezone(zone).date() if at else None
    codings = list(_codings(body.get("code")))
    codes = {code for _system, code, _display in codings}
    number = _number(body.get("valueQuantity"))
    if codes & _coded()["cause"]:
        for system, code, _display in _codings(body.get("valueCodeableConcept")):
            if "icd-10" in system or not system:
                yield Fact("death", code.upper(), "", "", None, day, ref)
        return
    if codes & _coded()["temperature"]:
        if number is not None:
            yield Fact("temperature", "", "", "", number, day, ref)
        return
    result = _result(body)
    name = _text(body.get("code"))
    if result or number is not None:
        loinc = next((c for s, c, _d in codings if "loinc" in s), next(iter(sorted(codes)), ""))
        yield Fact("laboratory", loinc, name, result, number, day, ref)


def _number(quantity: Any) -> float | None:
    value = quantity.get("value") if isinstance(quantity, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return float(value)


def _result(body: Mapping[str, Any]) -> str:
    """Return positive, negative, or what was found as text; empty if nothing is said."""
    concepts = [body.get("valueCodeableConcept"), *_listed(body.get("interpretation"))]
    for concept in concepts:
        codes = _codes(concept)
        if codes & _coded()["negative"]:
            return "negative"
        if codes & _coded()["positive"]:
            return "positive"
    said = str(body.get("valueString") or _text(concepts[0])).strip()
    return verdict(said) or said[:120]


def verdict(said: str) -> str:
    """Return what words of a result mean: positive, negative, or an empty text where they say neither."""
    low = said.casefold().strip()
    if not low:
        return ""
    # "Not detected" holds "detected": what says no is looked for first.
    for verdict_of in ("negative", "positive"):
        words = _coded()[f"{verdict_of}-word"]
        if low in words or any(len(word) > 1 and word in low for word in words):
            return verdict_of
    return ""
