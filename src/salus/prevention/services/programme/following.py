"""Entries follow the resident when patient records are joined or separated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from salus.prevention.models import (
    CloseReason,
    DeathReview,
    EntryState,
    FamilyAct,
    Guardianship,
    ProgrammeEntry,
    RecallTry,
    ResidentFile,
    ServiceBar,
    ServiceGiven,
)
from salus.prevention.services.programme import entering
from salus.record.models import PatientLink, Person

_BY = "record"


def follow(rids: Sequence[int], *, now: datetime) -> set[UUID]:
    """Move what belongs to these patient records to the residents whose they are now; return who is touched.

    Where two open entries of one programme meet, the later one is closed as joined; it is opened again when
    the records are separated.
    """
    touched: set[UUID] = set()
    for start in range(0, len(rids), 500):
        some = rids[start : start + 500]
        whose = dict(PatientLink.objects.filter(patient_rid__in=some).values_list("patient_rid", "person_id"))
        for model in (ServiceGiven, ServiceBar, FamilyAct, DeathReview, Guardianship):
            for row in model._default_manager.filter(patient_rid__in=some):
                person = whose.get(row.patient_rid or 0)
                if person is not None and row.person_id != person:
                    touched |= {row.person_id, person}
                    row.person_id = person
                    row.save(update_fields=["person_id"])
        for entry in ProgrammeEntry.objects.filter(patient_rid__in=some).order_by("pk"):
            person = whose.get(entry.patient_rid or 0)
            if person is not None and entry.person_id != person:
                touched |= {entry.person_id, person}
                _move(entry, person, now)
        _merged(set(whose.values()))
    return touched


def _move(entry: ProgrammeEntry, person: UUID, now: datetime) -> None:
    before = entry.person_id
    there = ProgrammeEntry.objects.filter(
        person_id=person, programme=entry.programme, state=EntryState.OPEN
    ).first()
    if entry.state == EntryState.OPEN and there is not None:
        later, stays = (entry, there) if there.anchor_on <= entry.anchor_on else (there, entry)
        later.facts["joined"] = stays.pk
        entering.shut(later, CloseReason.MERGED, timezone.localdate(now), by=_BY, now=now)
    entry.person_id, entry.updated = person, now
    entry.save(update_fields=["person_id", "updated"])
    entering.note(entry, "followed", by=_BY, now=now)
    _separated(before, entry, now)


def _separated(before: UUID, moved: ProgrammeEntry, now: datetime) -> None:
    """Open again what was closed only because two records were taken for one resident's."""
    pairs = [moved] if moved.close_reason == CloseReason.MERGED else []
    pairs += ProgrammeEntry.objects.filter(
        person_id=before, programme=moved.programme, close_reason=CloseReason.MERGED
    )
    for entry in pairs:
        other = ProgrammeEntry.objects.filter(pk=entry.facts.get("joined")).first()
        if other is None or other.person_id == entry.person_id or entry.state == EntryState.OPEN:
            continue
        if not ProgrammeEntry.objects.filter(
            person_id=entry.person_id, programme=entry.programme, state=EntryState.OPEN
        ).exists():
            entry.facts.pop("joined", None)
            entering.unshut(entry, by=_BY, now=now)


def _merged(persons: set[UUID]) -> None:
    """Carry tries and health files of residents who were joined into another."""
    rows = Person.objects.filter(merged_into__in=persons).values_list("pk", "merged_into")
    gone = {old: new for old, new in rows if new is not None}
    olds = list(gone)
    for start in range(0, len(olds), 500):
        some = olds[start : start + 500]
        tried = RecallTry.objects.filter(person_id__in=some).values_list("person_id", flat=True).distinct()
        for old in list(tried):
            RecallTry.objects.filter(person_id=old).update(person_id=gone[old])
        filed = list(ResidentFile.objects.filter(pk__in=some).order_by("pk").values_list("pk", flat=True))
        taken = set(
            ResidentFile.objects.filter(pk__in=[gone[old] for old in filed]).values_list("pk", flat=True)
        )
        for old in filed:
            if gone[old] not in taken:
                ResidentFile.objects.filter(pk=old).update(person_id=gone[old])
                taken.add(gone[old])
