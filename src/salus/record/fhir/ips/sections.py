"""Which resources belong into which section of a summary, each thing once, and their narrative. Pure."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

XHTML = "http://www.w3.org/1999/xhtml"
DATES = (
    "effectiveDateTime", "effectiveInstant", "occurrenceDateTime", "performedDateTime", "authoredOn",
    "onsetDateTime", "dateAsserted", "recordedDate", "recordedOn", "issued", "timingDateTime",
)  # fmt: skip
PERIODS = ("effectivePeriod", "performedPeriod", "onsetPeriod", "timingPeriod")
CODES = ("code", "medicationCodeableConcept", "vaccineCode")
WRONG = "entered-in-error"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the summary, as `rules/ips/sections.toml` describes it."""

    name: str
    code: str
    title: str
    required: bool
    types: tuple[str, ...]
    statuses: frozenset[str]
    key: str
    category: str = ""
    missing: bool = True
    not_verified: frozenset[str] = frozenset()
    days: int = 0
    most: int = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource that a summary may hold. `updated` (µs since 1970) says which of two is the newer."""

    resource: Mapping[str, Any]
    updated: int


@cache
def sections() -> tuple[Section, ...]:
    """Return the sections in the order of the document."""
    table = tomllib.loads(files("salus.record").joinpath("rules/ips/sections.toml").read_text("utf-8"))
    return tuple(
        Section(
            name=row["name"],
            code=row["code"],
            title=row["title"],
            required=row["required"],
            types=tuple(row["types"]),
            statuses=frozenset(row["statuses"]),
            key=row["key"],
            category=row.get("category", ""),
            missing=row.get("missing", True),
            not_verified=frozenset(row.get("not_verified", ())),
            days=row.get("days", 0),
            most=row.get("most", 500),
        )
        for row in table["section"]
    )


def types() -> list[str]:
    """Return the resource types that sections hold."""
    return sorted({type for section in sections() for type in section.types})


def choose(section: Section, candidates: Iterable[Candidate], today: date) -> list[Mapping[str, Any]]:
    """Return what belongs into a section, newest first, one of those that say the same thing."""
    kept: dict[Any, Candidate] = {}
    for number, one in enumerate(candidates):
        if not _belongs(section, one.resource, today):
            continue
        key = _key(section, one.resource) or number
        other = kept.get(key)
        if other is None or _age(one) > _age(other):
            kept[key] = one
    ordered = sorted(kept.values(), key=_age, reverse=True)
    return [one.resource for one in ordered[: section.most]]


def _age(one: Candidate) -> tuple[str, int]:
    return day(one.resource), one.updated


def _belongs(section: Section, resource: Mapping[str, Any], today: date) -> bool:
    if resource.get("resourceType") not in section.types:
        return False
    clinical = _codes_of(resource.get("clinicalStatus"))
    status = clinical or {str(resource["status"])} if clinical or "status" in resource else set()
    if not (status & section.statuses if status else section.missing):
        return False
    verified = _codes_of(resource.get("verificationStatus"))
    if verified & (section.not_verified | {WRONG}) or resource.get("status") == WRONG:
        return False
    if section.category:
        named = {code for one in resource.get("category", ()) for code in _codes_of(one)}
        others = {one.category for one in sections() if one.category not in {"", "other"}}
        if section.category == "other" and named & others:
            return False
        if section.category != "other" and section.category not in named:
            return False
    when = day(resource)
    return (
        not section.days
        or not when
        or when >= (today - timedelta(days=section.days)).isoformat()[: len(when)]
    )


def _key(section: Section, resource: Mapping[str, Any]) -> Any:
    code = next((resource[name] for name in CODES if isinstance(resource.get(name), dict)), None)
    codes = frozenset(
        (one.get("system", ""), one["code"])
        for one in (code or {}).get("coding", ())
        if isinstance(one, dict) and one.get("code")
    )
    said: Any = codes or (code or {}).get("text", "").strip().casefold()
    if not said:
        return None
    kind = "" if section.name == "medications" else resource["resourceType"]
    return (kind, said, day(resource)[:10]) if section.key == "code+day" else (kind, said)


def _codes_of(concept: Any) -> set[str]:
    if not isinstance(concept, dict):
        return set()
    return {
        str(one["code"]) for one in concept.get("coding", ()) if isinstance(one, dict) and one.get("code")
    }


def day(resource: Mapping[str, Any]) -> str:
    """Return when a resource's matter happened, as its sender wrote it; empty if it does not say."""
    for name in DATES:
        if isinstance(value := resource.get(name), str):
            return value
    for name in PERIODS:
        if isinstance(value := resource.get(name), dict) and (
            start := value.get("start") or value.get("end")
        ):
            return str(start)
    return ""


def title(resource: Mapping[str, Any]) -> str:
    """Return what a resource is about, in its sender's words."""
    for name in (*CODES, "type"):
        if isinstance(concept := resource.get(name), dict) and (text := words(concept)):
            return text
    for name in ("medicationReference", "device"):
        if isinstance(reference := resource.get(name), dict) and reference.get("display"):
            return str(reference["display"])
    return str(resource["resourceType"])


def words(concept: Mapping[str, Any]) -> str:
    """Return a CodeableConcept in words: its text, a display, or a code."""
    if concept.get("text"):
        return str(concept["text"])
    codings = [one for one in concept.get("coding", ()) if isinstance(one, dict)]
    return next((str(one[part]) for part in ("display", "code") for one in codings if one.get(part)), "")


def value(resource: Mapping[str, Any]) -> str:
    """Return what was found or is prescribed, in short."""
    if isinstance(quantity := resource.get("valueQuantity"), dict):
        said = (
            quantity.get("comparator", ""),
            quantity.get("value", ""),
            quantity.get("unit") or quantity.get("code", ""),
        )
        return " ".join(str(one) for one in said if one != "")
    if isinstance(concept := resource.get("valueCodeableConcept"), dict):
        return words(concept)
    if resource.get("valueString"):
        return str(resource["valueString"])
    parts = [
        f"{title(one)} {value(one)}".strip()
        for one in resource.get("component", ())
        if isinstance(one, dict) and "code" in one
        for one in ({"resourceType": "", **one},)
    ]
    doses = [
        one.get("text", "") for name in ("dosage", "dosageInstruction") for one in resource.get(name, ())
    ]
    return "; ".join(one for one in (*parts, *doses) if one) or str(resource.get("conclusion", ""))


def narrative(section: Section, found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return a section's text: one line an entry, or that nothing is known."""
    lines = "".join(
        "<li>"
        + escape(" · ".join(part for part in (title(one), value(one), day(one)[:10]) if part))
        + "</li>"
        for one in found
    )
    inner = f"<ul>{lines}</ul>" if lines else "<p>Nothing is known to this record.</p>"
    return {
        "status": "generated",
        "div": f'<div xmlns="{XHTML}"><h5>{escape(section.title)}</h5>{inner}</div>',
    }
