"""Counts of cases by week, disease, district and institution: they name nobody.

Weeks are those of ISO 8601, named by their Monday. Counted are cases that are no duplicate and not discarded,
in the week of the onset or else the diagnosis, or of the report where asked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from django.db import connection

from salus.prevention.models import CaseStatus

COUNTED = (CaseStatus.SUSPECTED.value, CaseStatus.PROBABLE.value, CaseStatus.CONFIRMED.value)
SCHEMA = pa.schema(
    [
        ("disease", pa.string()),
        ("district", pa.string()),
        ("institution", pa.string()),
        ("week", pa.date32()),
        ("cases", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class DelayCell:
    """How many cases of a week (or day) became known how many days later."""

    disease: str
    day: date
    delay: int
    cases: int


def weekly(
    first: date,
    last: date,
    *,
    diseases: Collection[str] = (),
    districts: Collection[str] = (),
    statuses: Sequence[str] = COUNTED,
    known_by: date | None = None,
    include_duplicates: bool = False,
) -> pa.Table:
    """Return counts by disease, district, institution and week; empty cells are left out.

    Args:
        first: a day of the first week.
        last: a day of the last week.
        diseases: only these; all if none.
        districts: only these registered districts; all if none.
        statuses: what counts.
        known_by: leave out what became known later (to replay a past day); all if None.
        include_duplicates: whether joined cases count too.
    """
    monday = first - timedelta(days=first.weekday())
    sunday = last + timedelta(days=6 - last.weekday())
    where, values = ["c.first_day between %s and %s"], [monday, sunday]
    for column, chosen in (("disease", diseases), ("district_code", districts), ("status", statuses)):
        if chosen:
            where.append(f"c.{column} in ({', '.join(['%s'] * len(chosen))})")
            values += list(chosen)  # type: ignore[arg-type]
    if not include_duplicates:
        where.append("c.duplicate_of_id is null")
    if known_by is not None:
        where.append("c.created < %s")
        values.append(known_by + timedelta(days=1))
    sql = (
        "select c.disease, c.district_code, coalesce(i.code, ''), c.first_day, count(*)"  # noqa: S608 - our own columns and marks
        " from prevention_case c left join kernel_institution i on i.id = c.institution_id"
        f" where {' and '.join(where)} group by c.disease, c.district_code, i.code, c.first_day"
    )
    sums: dict[tuple[str, str, str, date], int] = {}
    for disease, district, place, day, count in _rows(sql, values):
        key = (disease, district, place, day - timedelta(days=day.weekday()))
        sums[key] = sums.get(key, 0) + count
    columns: list[list[Any]] = [[], [], [], [], []]
    for key in sorted(sums):
        for cells, value in zip(columns, (*key, sums[key]), strict=True):
            cells.append(value)
    return pa.Table.from_arrays(
        [pa.array(cells, field.type) for cells, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        lite = cursor.db.vendor != "postgresql"
        cursor.execute(sql, [v.isoformat() if lite and isinstance(v, date) else v for v in values])
        rows = cursor.fetchall()
    return [
        tuple(date.fromisoformat(v) if n == 3 and isinstance(v, str) else v for n, v in enumerate(r))
        for r in rows
    ]


def delays(disease: str, first: date, last: date) -> list[DelayCell]:
    """Return how many days passed from a case's first day until the platform knew of it, by first day."""
    from collections import Counter

    from django.utils import timezone

    from salus.prevention.models import Case

    found: Counter[tuple[date, int]] = Counter()
    rows = Case.objects.filter(
        disease=disease, first_day__range=(first, last), duplicate_of=None, status__in=COUNTED
    )
    for day, created in rows.values_list("first_day", "created").iterator(chunk_size=5000):
        found[day, max(0, (timezone.localtime(created).date() - day).days)] += 1
    return [DelayCell(disease, day, delay, count) for (day, delay), count in sorted(found.items())]


def deaths(first: date, last: date) -> dict[str, int]:
    """Return how many counted cases of each disease died, by the day of death."""
    from django.db.models import Count

    from salus.prevention.models import Case

    rows = Case.objects.filter(outcome="died", died_on__range=(first, last), duplicate_of=None)
    return dict(
        rows.filter(status__in=COUNTED).values_list("disease").annotate(n=Count("id")).order_by("disease")
    )
