"""Registrations: opened, closed, opened again, handed over; each with its history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.models import Institution, Staff
from salus.kernel.policy import Principal, Target
from salus.prevention.events import ProgrammeEntered
from salus.prevention.models import CloseReason, EntryEvent, EntryOrigin, EntryState, ProgrammeEntry
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.services.programme import placing, refreshing
from salus.prevention.services.programme.placing import Placement

FOR_GOOD = frozenset({CloseReason.DIED, CloseReason.REFUSED})
"""Reasons after which no later diagnosis opens an entry again by itself."""


@dataclass(frozen=True, slots=True)
class Entering:
    """A registration to be: of whom, for what, since when, and what brought it about."""

    person_id: UUID
    programme: str
    anchor_on: date
    origin: str = EntryOrigin.HAND
    rid: int | None = None
    code: str = ""
    anchor: str = ""
    ended_on: date | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    again: bool = True


def put(asked: Sequence[Entering], *, by: str, now: datetime) -> list[ProgrammeEntry]:
    """Register residents in the caller's transaction; who is registered already is left out.

    A closed entry is followed by a new one only if what is asked is `again` to be considered: a diagnosis
    made after the entry was closed, and not for good. Who died or does not stand on her own is left out.
    """
    today = timezone.localdate(now)
    known = placing.people(one.person_id for one in asked)
    held: dict[tuple[UUID, str], list[ProgrammeEntry]] = defaultdict(list)
    ordered = sorted(known)
    for start in range(0, len(ordered), 500):
        for row in ProgrammeEntry.objects.filter(person_id__in=ordered[start : start + 500]):
            held[row.person_id, row.programme].append(row)
    wanted: dict[tuple[UUID, str], Entering] = {}
    for one in sorted(asked, key=lambda each: each.anchor_on):
        person = known.get(one.person_id)
        if person is None or person.status != "active" or person.deceased is not None:
            continue
        if all(_after(row, one) for row in held.get((one.person_id, one.programme), ())):
            wanted.setdefault((one.person_id, one.programme), one)
    if not wanted:
        return []
    places = placing.place({person: known[person] for person, _programme in wanted})
    made = []
    for (person_id, code), one in wanted.items():
        rules = catalogue.programme(code, today)
        spot = places[person_id]
        made.append(
            ProgrammeEntry(
                person_id=person_id, patient_rid=spot.patient_rid, programme=code,
                anchor=one.anchor or rules.anchor, anchor_on=one.anchor_on, ended_on=one.ended_on,
                origin=one.origin, rid=one.rid, code=one.code[:10], institution_id=spot.institution_id,
                doctor_id=spot.doctor_id, placed_by=spot.placed_by, district_code=spot.district_code,
                categories=" ".join(sorted(rules.categories)), facts=dict(one.facts), opened_at=now,
                opened_by=by[:150], updated=now,
            )
        )  # fmt: skip
    ProgrammeEntry.objects.bulk_create(made, batch_size=200)
    EntryEvent.objects.bulk_create(
        (EntryEvent(entry=row, at=now, by=by[:150], kind="opened", detail=row.origin) for row in made),
        batch_size=500,
    )
    for row in made:
        if row.origin != EntryOrigin.AGE:
            emit(ProgrammeEntered(row.pk, row.programme, row.origin, row.institution_id, row.district_code))
    return made


def _after(row: ProgrammeEntry, asked: Entering) -> bool:
    """Whether an entry that is there leaves room for a new one."""
    if row.state == EntryState.OPEN or not asked.again or row.close_reason in FOR_GOOD:
        return False
    return row.closed_on is not None and asked.anchor_on > row.closed_on


def open_entry(
    principal: Principal,
    asked: Entering,
    *,
    now: datetime,
    institution: Institution | None = None,
    doctor: Staff | None = None,
) -> ProgrammeEntry:
    """Register a resident by hand, at an institution or where her contract or residence places her.

    Raises:
        Invalid: there is no such programme or resident, or the day lies in the future.
        NotAllowed: the principal may not register her there.
        Conflict: she is registered for the programme already.
    """
    today = timezone.localdate(now)
    rules = catalogue.programme(asked.programme, today)
    person = placing.people([asked.person_id]).get(asked.person_id)
    if person is None or person.status != "active":
        raise Invalid("entry-person", _("There is no such resident"), where="person")
    if asked.anchor_on > today:
        raise Invalid("entry-day", _("The day lies in the future"), where="anchor_on")
    spot = placing.place({person.pk: person})[person.pk]
    if institution is not None:
        spot = Placement(
            institution.pk, doctor.pk if doctor else None, "hand", spot.district_code, spot.patient_rid
        )
    policy.require(
        principal,
        "create",
        Target(
            seeing.KIND, person_id=person.pk, institution_id=spot.institution_id,
            district_code=spot.district_code or None, categories=frozenset(rules.categories),
        ),
    )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        if ProgrammeEntry.objects.filter(
            person_id=person.pk, programme=asked.programme, state=EntryState.OPEN
        ).exists():
            raise Conflict("entry-known", _("The resident is registered already"), where="programme")
        entry = ProgrammeEntry.objects.create(
            person_id=person.pk, patient_rid=spot.patient_rid, programme=asked.programme,
            anchor=asked.anchor or rules.anchor, anchor_on=asked.anchor_on, ended_on=asked.ended_on,
            origin=asked.origin, rid=asked.rid, code=asked.code[:10], institution_id=spot.institution_id,
            doctor_id=spot.doctor_id, placed_by=spot.placed_by, district_code=spot.district_code,
            categories=" ".join(sorted(rules.categories)), facts=dict(asked.facts), opened_at=now,
            opened_by=principal.name[:150], updated=now,
        )  # fmt: skip
        note(entry, "opened", by=principal.name, now=now, detail=entry.origin)
        place = entry.institution_id
        emit(ProgrammeEntered(entry.pk, entry.programme, entry.origin, place, entry.district_code))
        refreshing.refresh([entry.person_id], today)
        intent = audit.intend(cursor, [kept(principal, "create", entry)])
    audit.settle(intent)
    return entry


def close_entry(
    principal: Principal, number: int, reason: str, day: date, *, now: datetime
) -> ProgrammeEntry:
    """Close an entry for a reason; what was due goes with it.

    Raises:
        NotFound: there is no such entry, or the principal may not change it.
        Invalid: there is no such reason, or the day lies in the future.
        Conflict: it is closed already.
    """
    seeing.open_entry(principal, number, "update")
    if reason not in CloseReason.values:
        raise Invalid("entry-reason", _("There is no such reason"), where="reason")
    if day > timezone.localdate(now):
        raise Invalid("entry-day", _("The day lies in the future"), where="day")
    with transaction.atomic(), connection.cursor() as cursor:
        entry = _locked(number)
        if entry.state != EntryState.OPEN:
            raise Conflict("entry-closed", _("The registration is closed already"))
        shut(entry, reason, day, by=principal.name, now=now)
        intent = audit.intend(cursor, [kept(principal, "update", entry, closed=reason)])
    audit.settle(intent)
    return entry


def shut(entry: ProgrammeEntry, reason: str, day: date, *, by: str, now: datetime) -> None:
    """Close an entry in the caller's transaction."""
    entry.state, entry.close_reason, entry.closed_on = EntryState.CLOSED, reason, day
    entry.closed_by, entry.updated = by[:150], now
    entry.save()
    entry.due.all().delete()
    note(entry, "closed", by=by, now=now, detail=reason)


def reopen_entry(principal: Principal, number: int, *, now: datetime) -> ProgrammeEntry:
    """Take the closing of an entry back.

    Raises:
        NotFound: there is no such entry, or the principal may not change it.
        Conflict: it is open, or another entry of the programme is.
    """
    seeing.open_entry(principal, number, "update")
    with transaction.atomic(), connection.cursor() as cursor:
        entry = _locked(number)
        mine = ProgrammeEntry.objects.filter(
            person_id=entry.person_id, programme=entry.programme, state=EntryState.OPEN
        )
        if mine.exists():
            raise Conflict("entry-open", _("The resident is registered for the programme"))
        unshut(entry, by=principal.name, now=now)
        refreshing.refresh([entry.person_id], timezone.localdate(now))
        intent = audit.intend(cursor, [kept(principal, "update", entry, reopened=True)])
    audit.settle(intent)
    return entry


def unshut(entry: ProgrammeEntry, *, by: str, now: datetime) -> None:
    """Open a closed entry again in the caller's transaction."""
    entry.state, entry.close_reason, entry.closed_on, entry.closed_by = EntryState.OPEN, "", None, ""
    entry.updated = now
    entry.save()
    note(entry, "reopened", by=by, now=now)


def hand_over(
    principal: Principal, number: int, institution: Institution, doctor: Staff | None, *, now: datetime
) -> ProgrammeEntry:
    """Hand a resident's entry over to another institution or doctor; what is due goes along.

    Raises:
        NotFound: there is no such entry, or the principal may not change it.
        Invalid: the doctor does not work there.
    """
    seeing.open_entry(principal, number, "update")
    if doctor is not None and doctor.institution_id != institution.pk:
        raise Invalid("entry-doctor", _("The doctor does not work there"), where="doctor")
    with transaction.atomic(), connection.cursor() as cursor:
        entry = _locked(number)
        entry.institution, entry.doctor, entry.placed_by, entry.updated = institution, doctor, "hand", now
        entry.save()
        note(entry, "handed-over", by=principal.name, now=now, detail=institution.code)
        refreshing.refresh([entry.person_id], timezone.localdate(now))
        intent = audit.intend(cursor, [kept(principal, "update", entry, to=institution.code)])
    audit.settle(intent)
    return entry


def note(entry: ProgrammeEntry, kind: str, *, by: str, now: datetime, detail: str = "") -> None:
    """Keep that something happened to an entry."""
    EntryEvent.objects.create(entry=entry, at=now, by=by[:150], kind=kind, detail=detail[:300])


def kept(principal: Principal, action: str, entry: ProgrammeEntry, **detail: object) -> audit.AuditEntry:
    """Return the audit entry of a change to a registration."""
    return audit.entry(
        principal, action, person_id=entry.person_id, resource_type="ProgrammeEntry",
        resource_id=str(entry.pk), detail={"programme": entry.programme, **detail},
    )  # fmt: skip


def _locked(number: int) -> ProgrammeEntry:
    query = ProgrammeEntry.objects.filter(pk=number)
    found = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
    if found is None:
        raise NotFound("entry-unknown", _("There is no such registration"), where=str(number))
    return found
