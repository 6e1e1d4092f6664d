"""A child's record: growth with z-scores, visits and vaccinations with what is next and why, blood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np

from salus.prevention.growth import INDICATORS, classes, curves, z_scores
from salus.prevention.models import ProgrammeEntry, Screening, ServiceBar, ServiceGiven
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.programme import catalogue
from salus.prevention.schedule import Bar, Episode, Finding, Given, Resident, Rules, Service, assess
from salus.record.models import Birth, PatientLink, Person

LINES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
DAYS_IN_MONTH = 30.4375


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement of a child: kilograms, centimetres; z-scores and what they are called by indicator."""

    day: date
    age_days: int
    weight: float | None
    height: float | None
    head: float | None
    scores: dict[str, tuple[float, str, bool]]


@dataclass(frozen=True, slots=True)
class Owed:
    """A service's state for the child, and the service itself."""

    finding: Finding
    service: Service


@dataclass(frozen=True, slots=True)
class Blood:
    """A blood count: haemoglobin (g/L) and what it says."""

    day: date
    haemoglobin: float
    anaemia: str


@dataclass(frozen=True, slots=True)
class Child:
    """A child's record on a day."""

    person: Person
    entry: ProgrammeEntry
    entries: dict[str, ProgrammeEntry]
    birth: date
    measured: list[Measured]
    visits: list[Owed]
    doses: list[Owed]
    given: list[ServiceGiven]
    screenings: list[Screening]
    blood: list[Blood]


def sex_code(sex: str) -> int:
    """Return 1 for boys and 2 for girls, as the growth tables count; 0 where it is not known."""
    return {"male": 1, "female": 2}.get(sex, 0)


def record(entry: ProgrammeEntry, today: date) -> Child | None:
    """Return the record of a registered child, which the caller was allowed to see; None without a birth."""
    person = Person.objects.filter(pk=entry.person_id).first()
    if person is None:
        return None
    birth = person.birth_date or (entry.anchor_on if entry.anchor == "birth" else None)
    if birth is None:
        return None
    entries = {
        one.programme: one
        for one in ProgrammeEntry.objects.filter(
            person_id=entry.person_id, programme__in=("child", "newborn", "immunisation")
        ).order_by("-state", "pk")
    }
    given = list(
        ServiceGiven.objects.select_related("institution")
        .filter(person_id=entry.person_id, undone_at=None)
        .order_by("day", "pk")
    )
    bars = list(ServiceBar.objects.filter(person_id=entry.person_id))
    resident = Resident(
        birth,
        [
            Episode(one.anchor, one.anchor_on, one.ended_on)
            for one in entries.values()
            if one.anchor != "birth"
        ],
        [Given(one.product, one.day) for one in given],
        [Bar(one.code, one.start, one.end) for one in bars],
    )
    return Child(
        person, entry, entries, birth, measurements(person, birth, given),
        owed(("newborn", "child"), resident, today), owed(("immunisation",), resident, today), given,
        list(Screening.objects.filter(entry__person_id=entry.person_id).order_by("test", "attempt")),
        [
            Blood(
                one.day, float(one.values["haemoglobin"]),
                rules.anaemia(float(one.values["haemoglobin"]), one.day, age_days=(one.day - birth).days),
            )
            for one in given if one.values.get("haemoglobin")
        ],
    )  # fmt: skip


def owed(programmes: Iterable[str], resident: Resident, today: date) -> list[Owed]:
    """Return what the schedules of some programmes say of a resident, in the schedules' order."""
    found = []
    for code in programmes:
        held: Rules = catalogue.services_of(code, today)
        found += [Owed(one, held.of(one.service)) for one in assess(held, resident, today)]
    return found


def measurements(person: Person, birth: date, given: Iterable[ServiceGiven]) -> list[Measured]:
    """Return a child's measurements with their z-scores, by day; birth weight of the record included."""
    rows: list[tuple[date, float | None, float | None, float | None, int]] = []
    weight = _birth_weight(person.pk)
    if weight is not None:
        rows.append((birth, weight / 1000, None, None, 1))
    for one in given:
        values = one.values
        some = [_number(values.get(name)) for name in ("weight", "height", "head")]
        if any(value is not None for value in some):
            lying = {True: 1, False: 0}.get(values.get("lying"), -1)
            rows.append((one.day, some[0], some[1], some[2], lying))
    if not rows:
        return []
    ages = [(row[0] - birth).days for row in rows]

    def column(place: int) -> Any:
        return np.array([np.nan if row[place] is None else row[place] for row in rows], dtype=np.float64)

    scores = z_scores(
        np.full(len(rows), sex_code(person.sex)), np.array(ages), weight=column(1), height=column(2),
        head=column(3), lying=np.array([row[4] for row in rows]),
    )  # fmt: skip
    named = {one: scores.classed(one) for one in INDICATORS}
    return [
        Measured(
            row[0], ages[n], row[1], row[2], row[3],
            {
                one: (float(scores.z[one][n]), named[one][n], bool(scores.implausible[one][n]))
                for one in INDICATORS if not np.isnan(scores.z[one][n])
            },
        )
        for n, row in enumerate(rows)
    ]  # fmt: skip


def class_name(code: str) -> str:
    """Return what a z-score is called, in the reader's language."""
    for one in classes():
        if one.code == code:
            return one.name_zh if catalogue.chinese() else one.name_en
    return code


def lines(indicator: str, sex: int, last_day: int) -> tuple[list[float], dict[float, list[float]]]:
    """Return the standard's lines for a chart: ages in months, and the measurement of each z-score."""
    until = min(max(last_day + 60, 365), 1856)
    at = np.unique(np.linspace(0, until, 40).round())
    days, values = curves(indicator, sex, LINES, x=at)
    months = [round(float(day) / DAYS_IN_MONTH, 2) for day in days]
    return months, {z: [round(float(v), 2) for v in values[n]] for n, z in enumerate(LINES)}


def _birth_weight(person: UUID) -> int | None:
    rids = PatientLink.objects.filter(person_id=person).values("patient_rid")
    found = Birth.objects.filter(patient_rid__in=rids, weight__isnull=False).order_by("rid").first()
    return found.weight if found else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
