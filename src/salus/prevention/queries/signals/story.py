"""What lies behind a signal: its series with expected count and bound, its cases counted, signals near it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.db.models import Q, QuerySet

from salus.kernel.policy import Principal
from salus.prevention.detection.counts import Counts
from salus.prevention.models import Case, Signal, SignalLevel, Verdict
from salus.prevention.queries.notifiable import seeing as cases_seen
from salus.prevention.queries.notifiable.counts import COUNTED
from salus.prevention.queries.signals import grid as counting
from salus.prevention.queries.signals import seeing
from salus.prevention.queries.signals.settings import in_use

AGES = ((0, 1), (1, 5), (5, 15), (15, 25), (25, 45), (45, 65), (65, 200))
"""Age groups in years, from and below."""
BACK = 78
"""Weeks that the chart of a signal shows."""


@dataclass(frozen=True, slots=True)
class Point:
    """A week of a signal's series: cases known, expected and bound (None where not judged), in the signal."""

    week: date
    cases: float
    expected: float | None
    bound: float | None
    alarm: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """Cases behind a signal counted: by age group and sex, by district, by institution (its number)."""

    total: int
    by_age: dict[tuple[int, str], int]
    unknown_age: int
    by_district: list[tuple[str, int]]
    by_institution: list[tuple[int | None, int]]
    hidden: int


def series(signal: Signal) -> list[Point]:
    """Return the weeks up to the signal's last as known now, judged again by the method that found it."""
    begin = counting.first_case()
    if begin is None:
        return []
    told = in_use()
    counts = counting.grid(signal.disease, signal.last_week, int(told.selection["history_years"]), begin)
    if signal.level == SignalLevel.CLUSTER:
        rows = [
            n
            for n, node in enumerate(counts.nodes)
            if node.level == "district" and node.district in signal.districts
        ]
    else:
        wanted = (signal.level, signal.district_code, signal.institution_code)
        rows = [
            n
            for n, node in enumerate(counts.nodes)
            if (node.level, node.district, node.institution) == wanted
        ]
    if not rows:
        return []
    observed = counts.observed[rows].sum(axis=0)[None, :]
    length = observed.shape[1]
    shown = list(range(max(0, length - BACK), length))
    expected, bound = np.full(length, np.nan), np.full(length, np.nan)
    use = next((one for one in told.rows if one.name == signal.method), None)
    if use is not None:
        usable = np.array([counts.usable_from])
        judged = [point for point in shown if point >= use.least_weeks + counts.usable_from] or [length - 1]
        made = use.judge(Counts(observed, dates=counts.mondays, usable_from=usable), judged)
        expected[made.at], bound[made.at] = made.expected[0], made.bound[0]
    held = set(signal.history.values_list("week", flat=True))
    if held and use is not None:
        # What the run saw of its own weeks, in place of what the method says of them today.
        for row in signal.history.all():
            place = (row.week - counts.first).days // 7
            if 0 <= place < length:
                expected[place] = row.expected
                bound[place] = np.nan if row.bound is None else row.bound
    found = []
    for place in shown:
        week = counts.first + timedelta(weeks=place)
        found.append(
            Point(
                week, float(observed[0, place]), _number(expected[place]), _number(bound[place]), week in held
            )
        )
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def cases_of(signal: Signal, rows: QuerySet[Case]) -> QuerySet[Case]:
    """Return which of some cases lie behind a signal."""
    rows = rows.filter(
        disease=signal.disease, status__in=COUNTED,
        first_day__range=(signal.first_week, signal.last_week + timedelta(days=6)),
    )  # fmt: skip
    if signal.districts:
        inside = Q()
        for code in signal.districts:
            inside |= Q(district_code__startswith=code)
        rows = rows.filter(inside)
    if signal.institution_code:
        rows = rows.filter(institution__code=signal.institution_code)
    return rows


def age_group(age: float | None) -> int | None:
    """Return which of `AGES` an age in years falls into."""
    if age is None:
        return None
    return next((n for n, (low, high) in enumerate(AGES) if low <= age < high), None)


def age_of(day: date, birth: date | None, age: float | None) -> float | None:
    """Return the age in years on a day."""
    return (day - birth).days / 365.25 if birth is not None else age


def behind(principal: Principal, signal: Signal) -> Behind:
    """Count the cases behind a signal that the reader may see; the others are only told by number."""
    every = cases_of(signal, Case.objects.filter(duplicate_of=None)).count()
    ages: Counter[tuple[int, str]] = Counter()
    districts: Counter[str] = Counter()
    places: Counter[int | None] = Counter()
    total = unknown = 0
    rows = cases_of(signal, cases_seen.unaudited_cases(principal))
    told = rows.values_list("first_day", "birth_date", "age", "sex", "district_code", "institution_id")
    for day, birth, age, sex, district, place in told.iterator(chunk_size=2000):
        total += 1
        group = age_group(age_of(day, birth, age))
        if group is None:
            unknown += 1
        else:
            ages[group, sex or ""] += 1
        districts[counting.county(district)] += 1
        places[place] += 1
    return Behind(total, dict(ages), unknown, districts.most_common(), places.most_common(12), every - total)


def nearby(principal: Principal, signal: Signal, *, weeks: int = 8, most: int = 12) -> list[Signal]:
    """Return other signals of the disease in these weeks, then those of other diseases in its districts."""
    span = timedelta(weeks=weeks)
    rows = seeing.signals(principal).exclude(pk=signal.pk).filter(
        last_week__gte=signal.first_week - span, first_week__lte=signal.last_week + span
    )  # fmt: skip
    same = list(rows.filter(disease=signal.disease).order_by("-priority")[:most])
    if signal.district_code and len(same) < most:
        other = rows.exclude(disease=signal.disease).filter(district_code=signal.district_code)
        same += list(other.order_by("-priority")[: most - len(same)])
    return same


def by_district(rows: Iterable[Signal]) -> Counter[str]:
    """Return how many signals concern each district; those of the whole city are in none."""
    found: Counter[str] = Counter()
    for row in rows:
        found.update(row.districts)
    return found


def open_by_district() -> list[tuple[str, int, int, date]]:
    """Return of each district ("": the city) signals to judge, under watch, and the oldest first week."""
    found: dict[str, list[tuple[str, date]]] = {}
    rows = Signal.objects.filter(withdrawn=False, verdict__in=("", Verdict.WATCH.value))
    for districts, verdict, first in rows.values_list("districts", "verdict", "first_week"):
        for code in districts or [""]:
            found.setdefault(code, []).append((verdict, first))
    return [
        (code, sum(not verdict for verdict, _day in held), sum(bool(verdict) for verdict, _day in held),
         min(day for _verdict, day in held))
        for code, held in sorted(found.items())
    ]  # fmt: skip
