"""Recall lists: whom a doctor calls or sees today, and the whole city's list at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db import connection
from django.db.models import Count, Min, Q, QuerySet

from salus.kernel.policy import Principal
from salus.prevention.models import DueService, RecallTry, ServiceGiven
from salus.prevention.queries.programme import catalogue, control, seeing
from salus.record.models import Person

LISTS = ("due", "planned", "later", "done")
"""What a day's list can show: to be called, appointments, put off by a try, done today."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A service that is due for a resident."""

    row: DueService
    name: str
    days_over: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """A resident on the list, with everything that is due for her."""

    person_id: UUID
    entry_id: int
    name: str
    age: int | None
    sex: str
    phone: str
    address: str
    owed: tuple[Owed, ...]
    days_over: int
    planned_on: date | None
    tries: int
    level: int
    last_outcome: str


@dataclass(frozen=True, slots=True)
class Day:
    """A doctor's day: a page of residents, and how many there are in each list."""

    residents: tuple[Recalled, ...]
    total: int
    counts: dict[str, int]


def mine(principal: Principal, rows: QuerySet[DueService]) -> QuerySet[DueService]:
    """Return the rows of the doctor herself, and those of her institutions that have no doctor."""
    if principal.staff_id is None:
        return rows
    return rows.filter(
        Q(doctor_id=principal.staff_id)
        | Q(doctor_id=None, institution_id__in=sorted(principal.institution_ids))
    )


def open_rows(rows: QuerySet[DueService], today: date) -> QuerySet[DueService]:
    """Return what is due and can still be given."""
    return rows.filter(due_on__lte=today).filter(Q(closes_on=None) | Q(closes_on__gt=today))


def narrowed(rows: QuerySet[DueService], today: date, which: str) -> QuerySet[DueService]:
    """Return the rows of one list of the day."""
    rows = open_rows(rows, today)
    match which:
        case "planned":
            return rows.filter(planned_on__gte=today)
        case "later":
            return rows.filter(call_on__gt=today)
        case _:
            return rows.filter(call_on__lte=today)


def day(
    principal: Principal,
    today: date,
    *,
    which: str = "due",
    everybody: bool = False,
    programme: str = "",
    start: int = 0,
    size: int = 25,
) -> Day:
    """Return a page of a doctor's list, longest overdue first; each resident named is in the audit.

    Args:
        principal: the doctor.
        today: the day.
        which: one of `LISTS` but done.
        everybody: all residents whom she may see, not only her own.
        programme: only what is due for one programme.
        start: residents to pass over.
        size: residents a page.
    """
    base = seeing.scoped(principal, "search", DueService.objects.all())
    if not everybody:
        base = mine(principal, base)
    if programme:
        base = base.filter(programme=programme)
    ranked, counts = (_ranked if everybody else _ranked_here)(base, today, which)
    chosen = ranked[start : start + size]
    seeing.audited(principal, chosen, "recall")
    found = residents(chosen, open_rows(base, today).filter(person_id__in=chosen), today)
    return Day(tuple(found), len(ranked), counts)


def _ranked(base: QuerySet[DueService], today: date, which: str) -> tuple[list[UUID], dict[str, int]]:
    """Return the residents of a list in their order, and the sizes of all lists, counted by the database."""
    order = "planned_on" if which == "planned" else "overdue_on"
    ranked = list(
        narrowed(base, today, which)
        .order_by()
        .values("person_id")
        .annotate(first=Min(order))
        .order_by("first", "person_id")
        .values_list("person_id", flat=True)
    )
    counts = {which: len(ranked)}
    for other in ("due", "planned", "later"):
        if other != which:
            rows = narrowed(base, today, other).order_by()
            counts[other] = rows.aggregate(n=Count("person_id", distinct=True))["n"]
    return ranked, counts


def _ranked_here(base: QuerySet[DueService], today: date, which: str) -> tuple[list[UUID], dict[str, int]]:
    """Return the same of one doctor's few hundred rows, which are read once."""
    first: dict[str, dict[UUID, date]] = {"due": {}, "planned": {}, "later": {}}
    rows = open_rows(base, today).order_by()
    for person, call_on, planned_on, overdue_on in rows.values_list(
        "person_id", "call_on", "planned_on", "overdue_on"
    ):
        lists = [("due" if call_on <= today else "later", overdue_on)]
        if planned_on is not None and planned_on >= today:
            lists.append(("planned", planned_on))
        for name, day_ in lists:
            held = first[name]
            held[person] = min(held.get(person, day_), day_)
    chosen = first[which if which in first else "due"]
    ranked = sorted(chosen, key=lambda person: (chosen[person], person))
    return ranked, {name: len(held) for name, held in first.items()}


def residents(order: Sequence[UUID], rows: QuerySet[DueService], today: date) -> list[Recalled]:
    """Return residents with what is due for them, in an order."""
    by_person: dict[UUID, list[DueService]] = {}
    for row in rows.order_by("overdue_on", "pk"):
        by_person.setdefault(row.person_id, []).append(row)
    people = {one.pk: one for one in Person.objects.filter(pk__in=list(order))}
    found = []
    for number in order:
        owed = by_person.get(number, [])
        person = people.get(number)
        if person is None or not owed:
            continue
        found.append(
            Recalled(
                number, owed[0].entry_id, person.name, control.age_on(person.birth_date, today), person.sex,
                person.phone, person.address,
                tuple(
                    Owed(row, catalogue.service_name(row.service, today), (today - row.overdue_on).days + 1)
                    for row in owed
                ),
                (today - owed[0].overdue_on).days + 1,
                min((row.planned_on for row in owed if row.planned_on), default=None),
                max(row.tries for row in owed), max(row.level for row in owed),
                next((row.last_outcome for row in owed if row.last_outcome), ""),
            )
        )  # fmt: skip
    return found


def done_on(principal: Principal, today: date) -> tuple[list[ServiceGiven], list[RecallTry]]:
    """Return what the doctor entered on a day: visits and tries, newest first, each in the audit."""
    rows = seeing.scoped(principal, "search", ServiceGiven.objects.select_related("entry"))
    given = list(rows.filter(recorded_by=principal.name, recorded_at__date=today).order_by("-pk")[:100])
    tries = list(RecallTry.objects.filter(recorded_by=principal.name, recorded_at__date=today)[:100])
    persons = [one.person_id for one in given] + [one.person_id for one in tries]
    seeing.audited(principal, persons, "recall-done")
    return given, tries


def home_counts(principal: Principal, today: date) -> dict[str, int]:
    """Count a doctor's residents who are due and overdue today; names nobody."""
    rows = mine(principal, seeing.scoped(principal, "search", DueService.objects.all()))
    rows = narrowed(rows, today, "due")
    return {
        "due": rows.aggregate(n=Count("person_id", distinct=True))["n"],
        "overdue": rows.filter(overdue_on__lte=today).aggregate(n=Count("person_id", distinct=True))["n"],
    }


_DAYS = {
    "sqlite": "cast(julianday({0}) - 2440587.5 as integer)",
    "postgresql": "{0} - date '1970-01-01'",
}
_CITY = (
    "select institution_id, doctor_id, person_id, service, {due}, {overdue}, tries, level"
    " from prevention_dueservice where {call} <= %s and (closes_on is null or closes_on > %s)"
)


def city_list(principal: Principal, today: date) -> pa.Table:
    """Return the whole city's recall list of a day, by institution and doctor, longest overdue first.

    Columns: institution_id, doctor_id, person_id, service, due_on, overdue_on, tries, level. It is for jobs
    of the platform (a doctor's list is `day`): the principal must be the system.

    Raises:
        PermissionError: the principal is somebody else.
    """
    if principal.kind != "system":
        raise PermissionError("the city's recall list is for jobs only")
    days = _DAYS[connection.vendor]
    said: Any = today if connection.vendor == "postgresql" else today.isoformat()
    # A third of the rows is wanted: "+" keeps SQLite from finding them one by one through an index.
    call = "call_on" if connection.vendor == "postgresql" else "+call_on"
    with connection.cursor() as cursor:
        sql = _CITY.format(due=days.format("due_on"), overdue=days.format("overdue_on"), call=call)
        cursor.execute(sql, [said, said])
        rows = cursor.fetchall()
    columns = list(zip(*rows, strict=True)) if rows else [()] * 8
    if connection.vendor == "postgresql":
        columns[2] = tuple(one.hex for one in columns[2])
    kinds = {
        "institution_id": pa.int64(), "doctor_id": pa.int64(), "person_id": pa.string(),
        "service": pa.string(), "due_on": pa.int32(), "overdue_on": pa.int32(), "tries": pa.int16(),
        "level": pa.int16(),
    }  # fmt: skip
    table = pa.table(
        [pa.array(column, type=kind) for column, kind in zip(columns, kinds.values(), strict=True)],
        names=list(kinds),
    )
    for place, name in ((4, "due_on"), (5, "overdue_on")):
        table = table.set_column(place, name, table[name].cast(pa.date32()))
    order = [("institution_id", "ascending"), ("doctor_id", "ascending"), ("overdue_on", "ascending")]
    return table.sort_by(order)
