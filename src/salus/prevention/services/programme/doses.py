"""Doses that institutions send: each Immunization of the record counts as a dose given, and follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.prevention.models import ServiceGiven
from salus.prevention.queries.programme import catalogue
from salus.prevention.surveillance.reading import moment_of
from salus.record import json, store
from salus.record.models import Person

BY = "record"


@dataclass(frozen=True, slots=True)
class _Dose:
    """What an Immunization says: whose dose of which product on which day, and of which batch."""

    person_id: UUID
    patient_rid: int | None
    product: str
    day: date
    values: dict[str, str]


def follow(cursor: CursorWrapper, rids: Sequence[int], *, now: datetime) -> set[UUID]:
    """Bring the doses of these Immunizations up to date in the caller's transaction; return whose changed.

    One that says it was not given, or is gone, is taken back. A dose that staff entered for the same day
    stands for both; one that staff took back stays so.
    """
    touched: set[UUID] = set()
    for start in range(0, len(rids), 500):
        some = rids[start : start + 500]
        told = _told(cursor, some, now)
        held = {row.rid: row for row in ServiceGiven.objects.filter(rid__in=some, recorded_by=BY)}
        for rid, row in held.items():
            if _changed(row, told.pop(rid or 0, None), now):
                touched.add(row.person_id)
                row.save()
        entered = set(
            ServiceGiven.objects.filter(
                person_id__in={dose.person_id for dose in told.values()}, undone_at=None
            ).values_list("person_id", "product", "day")
        )
        fresh = {
            rid: dose for rid, dose in told.items() if (dose.person_id, dose.product, dose.day) not in entered
        }
        places = dict(
            Person.objects.filter(pk__in={dose.person_id for dose in fresh.values()}).values_list(
                "pk", "district_code"
            )
        )
        ServiceGiven.objects.bulk_create(
            ServiceGiven(
                key=uuid5(NAMESPACE_URL, f"urn:salus:dose:{rid}"), rid=rid, person_id=dose.person_id,
                patient_rid=dose.patient_rid, programme="immunisation", product=dose.product, day=dose.day,
                district_code=places.get(dose.person_id, "")[:12], values=dose.values, recorded_by=BY,
                recorded_at=now,
            )
            for rid, dose in fresh.items()
        )  # fmt: skip
        touched |= {dose.person_id for dose in fresh.values()}
    return touched


def _told(cursor: CursorWrapper, rids: Sequence[int], now: datetime) -> dict[int, _Dose]:
    found = {}
    for stored in store.read_rids(cursor, list(rids)):
        if stored.deleted or stored.person_id is None:
            continue
        body = json.loads(stored.body)
        product, day = _product(body, timezone.localdate(now)), _day(body)
        if product and day and body.get("status") == "completed":
            batch = {"batch": str(body["lotNumber"])[:40]} if body.get("lotNumber") else {}
            found[stored.rid] = _Dose(stored.person_id, stored.patient_rid, product, day, batch)
    return found


def _product(body: dict[str, Any], today: date) -> str:
    """Return the schedule's product of a vaccine, an empty text where no schedule has it."""
    concept = body.get("vaccineCode")
    if not isinstance(concept, dict):
        return ""
    codings = [one for one in concept.get("coding", ()) if isinstance(one, dict)]
    names = (concept.get("text"), *(one.get("display") for one in codings))
    text = " ".join(str(one) for one in names if one)
    for one in codings:
        if found := catalogue.product_of(str(one.get("system")), str(one.get("code")), text, today):
            return found
    return ""


def _day(body: dict[str, Any]) -> date | None:
    zone = timezone.get_current_timezone()
    found = moment_of(body.get("occurrenceDateTime"), zone)
    return found.astimezone(zone).date() if found else None


def _changed(row: ServiceGiven, dose: _Dose | None, now: datetime) -> bool:
    """Bring a dose up to date with what the record says of it; say whether it changed."""
    if dose is None:
        if row.undone_at is not None:
            return False
        row.undone_at, row.undone_by = now, BY
        return True
    before = (row.product, row.day, row.values, row.undone_at)
    row.product, row.day, row.values = dose.product, dose.day, dose.values
    if row.undone_by == BY:
        row.undone_at, row.undone_by = None, ""
    return before != (row.product, row.day, row.values, row.undone_at)
