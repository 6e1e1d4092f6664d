"""Counts for the epidemic curve: a disease by day, week or month, nowcast, reproduction number, forecast.

A planner sees weeks only, with small counts hidden: of each week the districts (or age groups) are hidden so
that none can be reckoned from the others and the week's total. What is hidden in a week does not depend on
the period asked for, so that several askings tell no more than one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from salus.kernel import suppression
from salus.kernel.errors import Invalid
from salus.prevention.models import Case
from salus.prevention.queries.notifiable.counts import COUNTED
from salus.prevention.queries.signals import grid as counting
from salus.prevention.queries.signals.settings import in_use, serial_intervals
from salus.prevention.queries.signals.story import age_group, age_of
from salus.prevention.transmission.forecast import forecast
from salus.prevention.transmission.nowcast import nowcast
from salus.prevention.transmission.reproduction import cori, discretised_gamma

Floats = NDArray[np.float64]
LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
AHEAD = 4
LONGEST = 3 * 366
"""Days that a curve by days may span; by weeks or months five times as many."""
UNSURE = 0.5
"""Days of which less than this share is known are left out of the reproduction number."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader asks for; `age` is the number of an age group of `AGES`, `by` onset or report."""

    disease: str
    first: date
    last: date
    district: str = ""
    age: int | None = None
    by: str = "onset"
    step: str = "week"
    hide: bool = False


@dataclass(frozen=True, slots=True)
class Bin:
    """A day, week or month from `start`: cases known (None: hidden), what they come to, with its interval."""

    start: date
    cases: int | None
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve, and whether cells were hidden; `reproduction` and `ahead` are empty where they tell nothing.

    `reproduction` has (last day of the window, mean, 2.5 %, 97.5 %); `ahead` (Monday, five quantiles at
    `LEVELS`); `why` says why one is missing: "report", "short", "hidden", "interval", "few".
    """

    bins: list[Bin]
    hidden: int
    total: int | None
    reproduction: list[tuple[date, float, float, float]]
    interval: tuple[float, float, str, str] | None
    ahead: list[tuple[date, tuple[float, ...]]]
    why: dict[str, str]


def curve(asked: Asked, today: date) -> Curve:
    """Return the curve that is asked for, as known today.

    Raises:
        Invalid: the days are reversed or the span is too long for the step.
    """
    asked = _checked(asked, today)
    tally = _tally(asked, asked.first, asked.last)
    starts = _starts(asked.first, asked.last, asked.step)
    known = [sum(tally[day] for day in _days(start, asked)) for start in starts]
    hidden = _hidden(asked, starts) if asked.hide else [False] * len(starts)
    days = _nowcast_days(asked, today) if asked.by == "onset" else {}
    bins = [
        _bin(asked, start, count, hide, tally, days)
        for start, count, hide in zip(starts, known, hidden, strict=True)
    ]
    why: dict[str, str] = {}
    whole = not asked.hide or (not any(hidden) and not asked.district and asked.age is None)
    allowed = "report" if asked.by != "onset" else "" if whole else "hidden"
    reproduction, interval = _reproduction(asked, today, days, allowed, why)
    ahead = _ahead(asked, today, days, allowed, why)
    total: int | None = sum(known)
    if asked.hide:
        total = None if any(hidden) else suppression.suppress_total(sum(known))
    return Curve(bins, sum(hidden), total, reproduction, interval, ahead, why)


def _checked(asked: Asked, today: date) -> Asked:
    first, last = asked.first, min(asked.last, today)
    step, by, age = asked.step, asked.by, asked.age
    if asked.hide:
        step, by = "week", "onset"
        age = None if asked.district else age
    if step == "week":
        first, last = counting.monday(first), counting.monday(last) + timedelta(days=6)
    if first > last:
        raise Invalid("dates-reversed", "The end lies before the start", where="last")
    if (last - first).days > (LONGEST if step == "day" else 5 * LONGEST):
        raise Invalid(
            "curve-long", "The period is too long for this step", where="first", fix="Choose weeks or months."
        )
    return Asked(asked.disease, first, last, asked.district, age, by, step, asked.hide)


def cases(asked: Asked) -> QuerySet[Case]:
    """Return the cases that a curve counts, of any day."""
    rows = Case.objects.filter(disease=asked.disease, duplicate_of=None, status__in=COUNTED)
    return rows.filter(district_code__startswith=asked.district) if asked.district else rows


def _tally(asked: Asked, first: date, last: date) -> Counter[date]:
    """Count cases by day of onset (or diagnosis) or of the report."""
    found: Counter[date] = Counter()
    rows = cases(asked)
    if asked.by == "onset":
        rows = rows.filter(first_day__range=(first, last))
    else:
        rows = rows.filter(reported_at__gte=timezone.make_aware(_midnight(first))).filter(
            reported_at__lt=timezone.make_aware(_midnight(last + timedelta(days=1)))
        )
    for day, reported, birth, age in rows.values_list(
        "first_day", "reported_at", "birth_date", "age"
    ).iterator(5000):
        if asked.age is None or age_group(age_of(day, birth, age)) == asked.age:
            found[day if asked.by == "onset" else timezone.localtime(reported).date()] += 1
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _starts(first: date, last: date, step: str) -> list[date]:
    if step == "month":
        found, day = [], first.replace(day=1)
        while day <= last:
            found.append(day)
            day = (day + timedelta(days=32)).replace(day=1)
        return found
    days = 7 if step == "week" else 1
    return [first + timedelta(days=n) for n in range(0, (last - first).days + 1, days)]


def _days(start: date, asked: Asked) -> list[date]:
    """Return the days of a bin that lie within the period."""
    if asked.step == "month":
        end = (start + timedelta(days=32)).replace(day=1)
    else:
        end = start + timedelta(days=7 if asked.step == "week" else 1)
    every = [start + timedelta(days=n) for n in range((end - start).days)]
    return [day for day in every if asked.first <= day <= asked.last]


def _hidden(asked: Asked, starts: Sequence[date]) -> list[bool]:
    """Say of each week whether its count must be hidden from a planner."""
    tables: list[Counter[object]] = [Counter() for _start in starts]
    rows = Case.objects.filter(
        disease=asked.disease, duplicate_of=None, status__in=COUNTED,
        first_day__range=(asked.first, asked.last),
    )  # fmt: skip
    for day, birth, age, district in rows.values_list(
        "first_day", "birth_date", "age", "district_code"
    ).iterator(5000):
        key = age_group(age_of(day, birth, age)) if asked.age is not None else counting.county(district)
        tables[(day - asked.first).days // 7][key] += 1
    wanted: object = asked.age if asked.age is not None else asked.district
    found = []
    for table in tables:
        total = sum(table.values())
        if suppression.suppress_total(total) is None:
            found.append(True)
        elif not asked.district and asked.age is None:
            found.append(False)
        else:
            keys = sorted({*table, wanted}, key=str)
            mask = suppression.hidden_cells([table[key] for key in keys])
            found.append(bool(mask[keys.index(wanted)]))
    return found


def _nowcast_days(asked: Asked, today: date) -> dict[date, tuple[float, float, float, float, float]]:
    """Return what recent days come to: mean, 2.5 %, median, 97.5 % and the share known; {} if not known."""
    rule = in_use().delay

    def keep(day: date, birth: date | None, age: float | None) -> bool:
        return asked.age is None or age_group(age_of(day, birth, age)) == asked.age

    made = counting.triangle_of(cases(asked), today, rule, keep=keep)
    if made is None:
        return {}
    told = nowcast(made, levels=(0.025, 0.5, 0.975), draws=1000)
    size = len(told.mean)
    found: dict[date, tuple[float, float, float, float, float]] = {}
    for n in range(max(0, size - int(rule["longest_days"])), size):
        low, middle, high = (float(value) for value in told.quantiles[n])
        day = today - timedelta(days=size - 1 - n)
        found[day] = (float(told.mean[n]), low, middle, high, float(told.share[n]))
    return found


def _bin(
    asked: Asked, start: date, count: int, hide: bool, tally: Counter[date],
    days: dict[date, tuple[float, float, float, float, float]],
) -> Bin:  # fmt: skip
    if hide:
        return Bin(start, None)
    inside = [day for day in _days(start, asked) if day in days]
    if not inside or min(days[day][4] for day in inside) > 0.995:
        return Bin(start, count)
    rest = count - sum(tally[day] for day in inside)
    low, high = sum(days[day][1] for day in inside), sum(days[day][3] for day in inside)
    return Bin(start, count, rest + sum(days[day][0] for day in inside), rest + low, rest + high)


def _reproduction(
    asked: Asked, today: date, days: dict[date, tuple[float, float, float, float, float]], allowed: str,
    why: dict[str, str],
) -> tuple[list[tuple[date, float, float, float]], tuple[float, float, str, str] | None]:  # fmt: skip
    interval = serial_intervals().get(asked.disease)
    if interval is None or allowed:
        why["reproduction"] = allowed or "interval"
        return [], interval
    last = min(asked.last, today)
    while days.get(last, (0, 0, 0, 0, 1.0))[4] < UNSURE:
        last -= timedelta(days=1)
    first = max(asked.first, last - timedelta(days=180))
    before = first - timedelta(days=int(4 * interval[0]))
    tally = _tally(asked, before, last)
    span = [before + timedelta(days=n) for n in range((last - before).days + 1)]
    counts = np.array([days[day][0] if day in days else float(tally[day]) for day in span])
    window = 7 if interval[0] <= 7 else 14
    if counts.sum() < 10 or len(counts) < window + 2:
        why["reproduction"] = "few"
        return [], interval
    weights = discretised_gamma(interval[0], interval[1], int(interval[0] + 5 * interval[1]) + 2)
    told = cori(np.round(counts), weights, window=window, levels=(0.025, 0.975))
    # A window that saw fewer than five cases only repeats what was assumed before.
    found = [
        (span[end], float(told.mean[n]), float(told.quantiles[n, 0]), float(told.quantiles[n, 1]))
        for n, end in enumerate(told.last.tolist())
        if span[end] >= first and np.isfinite(told.mean[n]) and counts[end - window + 1 : end + 1].sum() >= 5
    ]
    if not found:
        why["reproduction"] = "few"
    return found, interval


def _ahead(
    asked: Asked, today: date, days: dict[date, tuple[float, float, float, float, float]], allowed: str,
    why: dict[str, str],
) -> list[tuple[date, tuple[float, ...]]]:  # fmt: skip
    week = counting.last_full_week(today)
    if allowed or asked.last < week:
        why["ahead"] = allowed or "past"
        return []
    first = week - timedelta(weeks=4 * 52)
    begin = counting.first_case()
    first = max(first, counting.monday(begin)) if begin else first
    tally = _tally(asked, first, week + timedelta(days=6))
    counts = [
        sum(
            days[day][0] if day in days else tally[day]
            for day in (monday + timedelta(days=n) for n in range(7))
        )
        for monday in _starts(first, week, "week")
    ]
    if len(counts) < 52 or sum(counts[-52:]) < 20:
        why["ahead"] = "few"
        return []
    told = forecast([counts], horizons=AHEAD, levels=LEVELS)
    return [
        (week + timedelta(weeks=n + 1), tuple(float(value) for value in told.quantiles[0, n]))
        for n in range(AHEAD)
    ]
