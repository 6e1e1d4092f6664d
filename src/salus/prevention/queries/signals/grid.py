"""The counts judged: for each disease the city, its districts and their institutions, by ISO week."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Min, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.kernel.models import District
from salus.prevention.models import Case, SignalLevel
from salus.prevention.queries.notifiable import counts
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.transmission.nowcast import delay
from salus.prevention.transmission.triangle import Triangle, triangle
from salus.web import maps

Floats = NDArray[np.float64]
EPOCH = date(1970, 1, 1)
COUNTY = 6
"""Digits of a county's code: districts of streets and villages are counted with their county."""
RECENT = 52
"""A series without a case in so many weeks is left out: it cannot be too high."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the tree of a disease: the city, a district (county) of it, an institution's cases there."""

    level: str
    district: str = ""
    institution: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Counts of one disease: `observed` (N, T) by node and week; `parent` (N,), −1 for the city, node 0.

    `first` is the Monday of the first week; `usable_from` the first week (0-based) under the definition that
    holds in the last week; `age` how many weeks the platform knows cases at all, up to the last week.
    """

    disease: str
    first: date
    nodes: tuple[Node, ...]
    parent: NDArray[np.int64]
    observed: Floats
    usable_from: int
    age: int

    @property
    def mondays(self) -> NDArray[np.datetime64]:
        """The weeks' Mondays, (T,)."""
        start = np.datetime64(self.first, "D")
        return start + 7 * np.arange(self.observed.shape[1])

    @property
    def levels(self) -> NDArray[np.str_]:
        """Each node's level, (N,)."""
        return np.array([node.level for node in self.nodes])


def monday(day: date) -> date:
    """Return the Monday of a day's ISO week."""
    return day - timedelta(days=day.weekday())


def last_full_week(today: date) -> date:
    """Return the Monday of the last week that is over."""
    return monday(today) - timedelta(days=7)


def first_case() -> date | None:
    """Return the first day that any case is counted on."""
    found: date | None = Case.objects.aggregate(day=Min("first_day"))["day"]
    return found


def diseases(week: date) -> list[str]:
    """Return the diseases with a case in the year up to a week, by code."""
    span = (week - timedelta(weeks=RECENT - 1), week + timedelta(days=6))
    rows = Case.objects.filter(first_day__range=span, duplicate_of=None).values_list("disease", flat=True)
    return sorted(set(rows.order_by().distinct()))


def county(code: str) -> str:
    """Return the county of a residence's code."""
    return code[:COUNTY]


def grid(disease: str, week: date, years: int, begin: date, known_by: date | None = None) -> Grid:
    """Return the counts of a disease up to a week (its Monday), some years back but not before `begin`."""
    first = max(monday(begin), week - timedelta(weeks=round(years * 365.25 / 7)))
    weeks = (week - first).days // 7 + 1
    table = counts.weekly(first, week, diseases=[disease], known_by=known_by)
    when = (table.column("week").to_numpy() - np.datetime64(first, "D")).astype(int) // 7
    cases = table.column("cases").to_numpy().astype(float)
    places = [
        (county(district), institution)
        for district, institution in zip(
            table.column("district").to_pylist(), table.column("institution").to_pylist(), strict=True
        )
    ]
    cells: dict[tuple[str, str], int] = {}
    rows = np.array([cells.setdefault(place, len(cells)) for place in places], dtype=np.int64)
    by_cell = np.zeros((len(cells), weeks))
    np.add.at(by_cell, (rows, when), cases)
    return _tree(
        disease, first, cells, by_cell, _usable(disease, week, first), (week - monday(begin)).days // 7
    )


def _tree(
    disease: str, first: date, cells: Mapping[tuple[str, str], int], by_cell: Floats, usable: int, age: int
) -> Grid:
    nodes, parent = [Node(SignalLevel.DISEASE)], [-1]
    series = [by_cell.sum(axis=0)]
    alive = by_cell[:, -RECENT:].sum(axis=1) > 0
    for district in sorted({place[0] for place in cells} - {""}):
        here = [(place[1], row) for place, row in cells.items() if place[0] == district]
        total = by_cell[[row for _name, row in here]].sum(axis=0)
        if total[-RECENT:].sum() <= 0:
            continue
        above = len(nodes)
        nodes.append(Node(SignalLevel.DISTRICT, district))
        parent.append(0)
        series.append(total)
        for institution, row in sorted(here):
            if institution and alive[row]:
                nodes.append(Node(SignalLevel.INSTITUTION, district, institution))
                parent.append(above)
                series.append(by_cell[row])
    return Grid(disease, first, tuple(nodes), np.array(parent), np.array(series), usable, age)


def _usable(disease: str, week: date, first: date) -> int:
    known = catalogue().get(disease)
    held = known.definition(week) if known else None
    if held is None or held.first <= first:
        return 0
    return -(-(held.first - first).days // 7)


def reports(
    disease: str, today: date, rule: Mapping[str, Any], known_by: date | None = None
) -> Triangle | None:
    """Return the triangle of a disease's recent days by when each case became known; None if too few.

    A case is known from its report, or from when the platform had it where that was earlier. Cases whose
    reports took longer than waited for are left out; where they are the most, the dates tell no delay (a line
    list that was brought in at once).

    Args:
        disease: its code; "" for all together.
        today: the last day on which reports were seen.
        rule: the part `delay` of the rules.
        known_by: leave out what became known later.
    """
    rows = Case.objects.filter(duplicate_of=None, status__in=counts.COUNTED)
    return triangle_of(rows.filter(disease=disease) if disease else rows, today, rule, known_by)


def triangle_of(
    rows: QuerySet[Case],
    today: date,
    rule: Mapping[str, Any],
    known_by: date | None = None,
    keep: Callable[[date, date | None, float | None], bool] | None = None,
) -> Triangle | None:
    """Return the triangle of any cases, as `reports` does; `keep` chooses by first day, birth and age."""
    start = today - timedelta(days=int(rule["window_days"]) - 1)
    rows = rows.filter(first_day__range=(start, today))
    begun, told = [], []
    columns = ("first_day", "created", "reported_at", "birth_date", "age")
    for day, created, reported, birth, age in rows.values_list(*columns).iterator(5000):
        if keep is not None and not keep(day, birth, age):
            continue
        knew = _local(min(created, reported) if reported else created)
        if knew <= (known_by or today):
            begun.append((day - EPOCH).days)
            told.append((max(knew, day) - EPOCH).days)
    if len(begun) < int(rule["least_cases"]):
        return None
    try:
        made = triangle(
            begun, told, start=(start - EPOCH).days, today=(today - EPOCH).days,
            longest=int(rule["longest_days"]),
        )  # fmt: skip
    except Invalid:
        return None
    return None if made.late > len(begun) / 2 or made.reported.sum() < int(rule["least_cases"]) else made


def share(made: Triangle | None, today: date, week: date, weeks: int) -> Floats:
    """Return which share of each of the last `weeks` weeks' cases is known today, the last week last.

    Weeks are reckoned by their days' ages and the reverse-time hazards of the delay; 1 without a triangle.
    """
    if made is None:
        return np.ones(weeks)
    reached = delay(made, window=len(made.counts)).reached
    ages = np.array(
        [[(today - week).days + 7 * back - day for day in range(7)] for back in range(weeks - 1, -1, -1)]
    )
    found: Floats = reached[np.clip(ages, 0, len(reached) - 1)].mean(axis=1)
    return np.where(ages.min(axis=1) < 0, found, np.clip(found, 1e-6, 1.0))


def centres(codes: list[str]) -> dict[str, tuple[float, float]]:
    """Return longitude and latitude of districts' centres, where their boundary is known."""
    import json

    rows = District.objects.filter(pk__in=codes).exclude(polygon="").values_list("code", "polygon")
    return {code: maps.centre(json.loads(polygon)) for code, polygon in rows}


def _local(moment: datetime) -> date:
    return timezone.localtime(moment).date()
