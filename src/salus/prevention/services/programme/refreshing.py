"""What is due is kept in rows: made by the schedule engine, set-wise, at each change and every night.

A row is touched only where the schedule's answer changed, so that a night's run over a city writes little;
the tries to reach a resident stand as long as what she is tried for stays the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
from django.db import transaction
from django.db.models import QuerySet

from salus.prevention.models import Control, DueService, EntryState, ProgrammeEntry, ServiceBar, ServiceGiven
from salus.prevention.queries.programme import catalogue
from salus.prevention.schedule import REASONS, City, findings
from salus.prevention.schedule.city import as_date
from salus.record.models import Person

_BATCH = 2_000
_WRITES = 500
_OLD = date(1900, 1, 1)
_WANTED = ("upcoming", "due", "overdue")


@dataclass(frozen=True, slots=True)
class _Row:
    """What the schedule says of one service of one entry."""

    step: int
    counted: int
    missed: int
    due_on: date
    overdue_on: date
    closes_on: date | None
    reason: str


def refresh(persons: Collection[UUID], today: date) -> int:
    """Bring what is due for some residents up to date; return how many rows changed."""
    changed = 0
    ordered = sorted(set(persons))
    for start in range(0, len(ordered), _WRITES):
        entries = ProgrammeEntry.objects.filter(person_id__in=ordered[start : start + _WRITES])
        codes = entries.filter(state=EntryState.OPEN).values_list("programme", flat=True).distinct()
        for code in sorted(set(codes)):
            changed += _programme(entries, code, today)
        closed = DueService.objects.filter(entry__in=entries.exclude(state=EntryState.OPEN))
        changed += closed.delete()[0]
    return changed


def refresh_all(today: date, *, programmes: Iterable[str] | None = None) -> int:
    """Bring what is due in the whole city up to date, a few thousand entries at a time."""
    changed = 0
    for code in programmes or sorted(catalogue.programmes(today)):
        last = 0
        mine = ProgrammeEntry.objects.filter(programme=code, state=EntryState.OPEN)
        while True:
            numbers = list(mine.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_BATCH])
            if not numbers:
                break
            some = ProgrammeEntry.objects.filter(pk__gt=last, pk__lte=numbers[-1])
            changed += _programme(some, code, today)
            last = numbers[-1]
    changed += DueService.objects.exclude(entry__state=EntryState.OPEN).delete()[0]
    return changed


def _programme(entries: QuerySet[ProgrammeEntry], code: str, today: date) -> int:
    if code not in catalogue.programmes(today):
        return 0
    held = list(entries.filter(programme=code, state=EntryState.OPEN).order_by("person_id"))
    if not held:
        return 0
    chosen = entries.filter(programme=code, state=EntryState.OPEN).order_by()
    persons = chosen.values("person_id")
    wanted = _found(held, persons, code, today)
    by_pk = {entry.pk: entry for entry in held}
    stale, changed = [], []
    for row in DueService.objects.filter(entry__in=chosen.values("pk")):
        found = wanted.pop((row.entry_id, row.service, row.anchor_on), None)
        if found is None:
            stale.append(row.pk)
        elif _differs(row, found, by_pk[row.entry_id]):
            changed.append(row)
    fresh = [
        _fill(
            DueService(entry_id=entry, service=service, anchor_on=since, programme=code), found, by_pk[entry]
        )
        for (entry, service, since), found in wanted.items()
    ]
    _write(stale, changed, fresh)
    return len(stale) + len(changed) + len(fresh)


def _write(stale: list[int], changed: list[DueService], fresh: list[DueService]) -> None:
    """Write in short transactions, so that who works meanwhile does not wait."""
    for start in range(0, len(stale), _WRITES):
        DueService.objects.filter(pk__in=stale[start : start + _WRITES]).delete()
    for start in range(0, len(changed), _WRITES):
        with transaction.atomic():
            DueService.objects.bulk_update(changed[start : start + _WRITES], _COLUMNS, batch_size=50)
    for start in range(0, len(fresh), _WRITES):
        # Two workers may refresh one resident at once: the second one's row is the same.
        DueService.objects.bulk_create(fresh[start : start + _WRITES], ignore_conflicts=True)


_COLUMNS = (
    "person_id", "step", "counted", "missed", "due_on", "overdue_on", "closes_on", "reason", "call_on",
    "planned_on", "tries", "last_outcome", "level", "institution_id", "doctor_id", "district_code",
    "categories",
)  # fmt: skip


def _differs(row: DueService, found: _Row, entry: ProgrammeEntry) -> bool:
    """Bring a row up to date; say whether it changed."""
    before = [getattr(row, name) for name in _COLUMNS]
    _fill(row, found, entry)
    return before != [getattr(row, name) for name in _COLUMNS]


def _fill(row: DueService, found: _Row, entry: ProgrammeEntry) -> DueService:
    if row.pk is None or (row.step, row.due_on) != (found.step, found.due_on):
        row.call_on, row.planned_on = found.due_on, None
        row.tries, row.last_outcome, row.level = 0, "", 0
    row.step, row.counted, row.missed = found.step, found.counted, found.missed
    row.due_on, row.overdue_on, row.closes_on = found.due_on, found.overdue_on, found.closes_on
    row.reason = found.reason
    row.person_id, row.institution_id, row.doctor_id = entry.person_id, entry.institution_id, entry.doctor_id
    row.district_code, row.categories = entry.district_code, entry.categories
    return row


def _found(
    held: list[ProgrammeEntry], persons: QuerySet[ProgrammeEntry, Any], code: str, today: date
) -> dict[tuple[int, str, date], _Row]:
    """Return what the schedules say of the entries of one programme, by entry, service and anchor."""
    rules = catalogue.services_of(code, today)
    place = {entry.person_id: number for number, entry in enumerate(held)}
    births = dict(Person.objects.filter(pk__in=persons).values_list("pk", "birth_date"))
    products = sorted({product for service in rules.services for product in service.products})
    given = [
        (place[person], product, day)
        for person, product, day in ServiceGiven.objects.filter(
            person_id__in=persons, product__in=products, undone_at=None
        ).values_list("person_id", "product", "day")
        if person in place
    ]
    bars = [
        (place[person], bar, start, end)
        for person, bar, start, end in ServiceBar.objects.filter(person_id__in=persons).values_list(
            "person_id", "code", "start", "end"
        )
        if person in place
    ]
    city = City.build(
        pa.array([births.get(entry.person_id) or _OLD for entry in held], type=pa.date32()),
        _table(_episodes(held), ("person", "anchor", "day", "ended")),
        _table(given, ("person", "product", "day")),
        _table(bars, ("person", "code", "start", "end")),
    )
    found = findings(rules, city, today, statuses=_WANTED)
    rows: dict[tuple[int, str, date], _Row] = {}
    for number in range(len(found)):
        entry = held[int(found.person[number])]
        due, overdue = as_date(int(found.due_on[number])), as_date(int(found.overdue_on[number]))
        since = as_date(int(found.anchor_on[number]))
        if due is None or since is None:
            continue
        service = found.services[int(found.service[number])]
        rows[entry.pk, service, since] = _sooner(
            entry,
            service,
            _Row(
                int(found.step[number]), int(found.counted[number]), int(found.missed[number]), due,
                overdue or due, as_date(int(found.closes_on[number])), REASONS[int(found.reason[number])],
            ),
            today,
        )  # fmt: skip
    return rows


def _episodes(held: list[ProgrammeEntry]) -> list[tuple[int, str, date, date | None]]:
    """Return the anchors: the entry's own, and others that its facts name (the mother's discharge)."""
    rows = []
    for number, entry in enumerate(held):
        if entry.anchor != "birth":
            rows.append((number, entry.anchor, entry.anchor_on, entry.ended_on))
        more: Mapping[str, str] = entry.facts.get("anchors", {})
        rows += [
            (number, anchor, date.fromisoformat(day), None)
            for anchor, day in sorted(more.items())
            if anchor != entry.anchor
        ]
    return rows


def _sooner(entry: ProgrammeEntry, service: str, row: _Row, today: date) -> _Row:
    """Bring a visit forward after one that found poor control."""
    rule = catalogue.after_poor(entry.programme, today)
    if rule is None or entry.control != Control.POOR or entry.control_on is None:
        return row
    if not any(one.visit == service for one in catalogue.measures(today) if one.programme == entry.programme):
        return row
    due = entry.control_on + timedelta(days=rule.due_days)
    if due >= row.due_on:
        return row
    overdue = entry.control_on + timedelta(days=rule.overdue_days)
    return _Row(row.step, row.counted, row.missed, due, overdue, row.closes_on, "poor")


def _table(rows: Collection[tuple[object, ...]], names: tuple[str, ...]) -> pa.Table:
    kinds = {"person": pa.int32(), "anchor": pa.string(), "product": pa.string(), "code": pa.string()}
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {
            name: pa.array(list(column), type=kinds.get(name, pa.date32()))
            for name, column in zip(names, columns, strict=True)
        }
    )
