"""A resident's record as people read it: what happened, when, where, in sections; results as series."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from salus.kernel import names
from salus.kernel.policy import Principal
from salus.record import json, store, visibility, words
from salus.record.identity import rows, sources
from salus.record.rules.r4 import kind_of, kinds
from salus.record.store import Stored

MOST = 20_000
"""Resources of one person that are read for a page; a longer record says that it was cut."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the record: its name in addresses, its title and the resource types in it."""

    name: str
    title: str | Promise
    types: tuple[str, ...]


SECTIONS = (
    Section("encounters", _("Visits and stays"), ("Encounter", "EpisodeOfCare", "Appointment")),
    Section("conditions", _("Conditions and allergies"), ("Condition", "AllergyIntolerance")),
    Section("labs", _("Results"), ("Observation", "DiagnosticReport")),
    Section(
        "medicines",
        _("Medicines"),
        ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
    ),
    Section("vaccinations", _("Vaccinations"), ("Immunization",)),
    Section("procedures", _("Procedures"), ("Procedure", "ServiceRequest", "CarePlan")),
    Section("documents", _("Documents"), ("DocumentReference", "Composition", "Media")),
)
HIDDEN = frozenset({"Patient", "Person", "Provenance", "Binary"})
TIMES = (
    "effectiveDateTime", "effectiveInstant", "effectivePeriod", "onsetDateTime", "occurrenceDateTime",
    "performedDateTime", "performedPeriod", "period", "start", "recordedDate", "authoredOn", "whenHandedOver",
    "date", "issued", "created", "recorded",
)  # fmt: skip
NAMES = ("code", "vaccineCode", "medicationCodeableConcept", "type", "class", "serviceType", "category")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that happened. `day` is as precise as the sender was, in the city's time.

    `at` is for sorting only. An item that is not `dated` has the day on which it was received, and stands
    after all that have their own.
    """

    type: str
    id: str
    at: datetime
    day: str
    title: str
    detail: str
    status: str
    institution: str
    institution_id: int | None
    section: str
    updated: datetime
    dated: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """A result that was measured more than once, in one unit, with its last reference range."""

    code: str
    title: str
    unit: str
    points: tuple[tuple[str, int | Decimal], ...]
    low: int | Decimal | None
    high: int | Decimal | None


@dataclass(frozen=True, slots=True)
class Record:
    """What the asker may see of a person. `total` counts resources; `cut` says that there are more."""

    items: list[Item]
    series: list[Series]
    total: int
    cut: bool


def of(principal: Principal, person_id: UUID) -> Record:
    """Return a person's record, newest first, as far as the policy lets the principal see it.

    The caller decides on the person first and leaves the audit row.
    """
    wanted = [number for name, number in kinds().items() if name not in HIDDEN]
    found = _visible(principal, person_id, wanted, MOST + 1)
    places = _institutions({one.source_id for one in found})
    items: list[Item] = []
    series: dict[tuple[str, str], list[tuple[datetime, str, int | Decimal, dict[str, Any]]]] = {}
    for one in found[:MOST]:
        resource = json.loads(one.body)
        item = _item(one, resource, places.get(one.source_id))
        items.append(item)
        if one.type == "Observation" and (measured := _measured(resource)):
            value, unit = measured
            series.setdefault((item.title, unit), []).append((item.at, item.day, value, resource))
    items.sort(key=lambda item: (item.dated, item.at, item.id), reverse=True)
    return Record(items, _series(series), len(items), len(found) > MOST)


def patients(principal: Principal, person_id: UUID) -> list[tuple[Stored, str]]:
    """Return the sources' Patient records of a person that may be seen, each with its institution's name."""
    found = _visible(principal, person_id, [kind_of("Patient")], 500)
    places = _institutions({one.source_id for one in found})
    return [(one, places.get(one.source_id, ("", None))[0]) for one in found]


def _visible(principal: Principal, person_id: UUID, wanted: Sequence[int], most: int) -> list[Stored]:
    allowed, values = visibility.condition(principal, "read", wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            "select r.rid from record_resource r where r.person_id = %s and not r.deleted and r.version > 0"  # noqa: S608 - the policy's condition has placeholders only
            f" and {allowed} order by r.rid desc limit {most}",
            [rows.key(cursor, person_id), *values],
        )
        return store.read_rids(cursor, [row[0] for row in cursor.fetchall()])


def institution_of(source_id: int | None) -> tuple[str, int | None]:
    """Return the name and number of the institution that runs a source; empty when nobody knows."""
    return _institutions({source_id}).get(source_id, ("", None))


def _institutions(source_ids: set[int | None]) -> dict[int | None, tuple[str, int | None]]:
    owners = {source: sources.facts(source).institution_id for source in source_ids if source is not None}
    places = names.institutions(owners.values())
    return {source: (places[owner], owner) for source, owner in owners.items() if owner in places}


@lru_cache(maxsize=1)
def _section_of() -> dict[str, str]:
    return {type: section.name for section in SECTIONS for type in section.types}


def _item(one: Stored, resource: dict[str, Any], place: tuple[str, int | None] | None) -> Item:
    updated = datetime.fromtimestamp(one.updated / 1_000_000, UTC)
    day, at, dated = _when(resource, updated)
    name, number = place or ("", None)
    return Item(
        one.type,
        one.id,
        at,
        day,
        _title(one.type, resource),
        _detail(resource),
        _status(resource),
        name,
        number,
        _section_of().get(one.type, "other"),
        updated,
        dated,
    )


def _when(resource: dict[str, Any], updated: datetime) -> tuple[str, datetime, bool]:
    for name in TIMES:
        value = resource.get(name)
        if isinstance(value, dict):
            value = value.get("start") or value.get("end")
        if isinstance(value, str) and value:
            at = _moment(value)
            if at is not None:
                day = timezone.localtime(at).strftime("%Y-%m-%d %H:%M") if len(value) > 10 else value
                return day, at, True
    return timezone.localtime(updated).strftime("%Y-%m-%d"), updated, False


def _moment(text: str) -> datetime | None:
    try:
        if len(text) > 10:
            found = parse_datetime(text)
            return None if found is None else found if found.tzinfo else timezone.make_aware(found)
        day = parse_date((text + "-01-01")[:10] if len(text) < 10 else text)
        return None if day is None else timezone.make_aware(datetime(day.year, day.month, day.day))
    except ValueError:
        return None


def concept(value: Any) -> str:
    """Return how a CodeableConcept or Coding reads: its text, display or code."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("text"), str):
        return str(value["text"])
    coding = value.get("coding")
    first = coding[0] if isinstance(coding, list) and coding and isinstance(coding[0], dict) else value
    return str(first.get("display") or first.get("code") or "")


def title_of(one: Stored) -> str:
    """Return what a stored resource is called in a record; a person's name is never its title."""
    return "" if one.type in HIDDEN else _title(one.type, json.loads(one.body))


def _title(type: str, resource: dict[str, Any]) -> str:
    for name in NAMES:
        if name == "class" and (visit := _visit(resource)):
            return visit
        if title := concept(resource.get(name)):
            return title
    return str(resource.get("description") or words.type_title(type))[:200]


def _visit(resource: dict[str, Any]) -> str:
    """Return the plain words for an encounter's class, empty when it is none of HL7's."""
    kind = resource.get("class")
    return str(words.VISITS.get(str(kind.get("code")), "")) if isinstance(kind, dict) else ""


def _detail(resource: dict[str, Any]) -> str:
    measured = _measured(resource)
    if measured is not None:
        return f"{measured[0]} {measured[1]}".strip()
    for name in ("valueString", "valueDateTime", "conclusion", "description"):
        if isinstance(resource.get(name), str):
            return str(resource[name])[:300]
    if text := concept(resource.get("valueCodeableConcept")):
        return text
    dosage = resource.get("dosageInstruction")
    if isinstance(dosage, list) and dosage and isinstance(dosage[0], dict):
        return str(dosage[0].get("text") or "")[:300]
    reason = concept(resource.get("reasonCode"))
    parts = [
        f"{concept(part.get('code'))} {value[0]} {value[1]}".strip()
        for part in resource.get("component") or ()
        if isinstance(part, dict) and (value := _measured(part)) is not None
    ]
    return "; ".join(parts)[:300] or reason


def _status(resource: dict[str, Any]) -> str:
    status = resource.get("status")
    code = status if isinstance(status, str) else concept(resource.get("clinicalStatus"))
    return words.status_title(code)


_POWER = re.compile(r"10[*^](-?\d+)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def unit_title(unit: str) -> str:
    """Return a unit as people write it: UCUM's 10*9/L and the common 10^9/L are both 10⁹/L."""
    return _POWER.sub(lambda found: "10" + found[1].translate(_RAISED), unit)


def _measured(resource: dict[str, Any]) -> tuple[int | Decimal, str] | None:
    quantity = resource.get("valueQuantity")
    if not isinstance(quantity, dict) or isinstance(quantity.get("value"), bool):
        return None
    value = quantity.get("value")
    return (
        (value, unit_title(str(quantity.get("unit") or quantity.get("code") or "")))
        if isinstance(value, int | Decimal)
        else None
    )


def _series(
    found: Mapping[tuple[str, str], list[tuple[datetime, str, int | Decimal, dict[str, Any]]]],
) -> list[Series]:
    made: list[Series] = []
    for (title, unit), points in found.items():
        if len(points) < 2:
            continue
        points.sort(key=lambda point: point[0])
        low, high = _range(points[-1][3])
        made.append(
            Series(
                concept(points[-1][3].get("code")),
                title,
                unit,
                tuple((timezone.localtime(at).isoformat(), value) for at, _day, value, _resource in points),
                low,
                high,
            )
        )
    return sorted(made, key=lambda series: (-len(series.points), series.title))


def _range(resource: dict[str, Any]) -> tuple[int | Decimal | None, int | Decimal | None]:
    ranges = resource.get("referenceRange")
    first = ranges[0] if isinstance(ranges, list) and ranges and isinstance(ranges[0], dict) else {}

    def end(name: str) -> int | Decimal | None:
        value = first.get(name)
        number = value.get("value") if isinstance(value, dict) else None
        return number if isinstance(number, int | Decimal) and not isinstance(number, bool) else None

    return end("low"), end("high")
