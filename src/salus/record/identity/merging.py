"""Merges that a source system reports (HL7 A34, A40; FHIR Patient.link)."""

from datetime import datetime
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel.errors import Conflict
from salus.record.identity import ledger, rows
from salus.record.identity.ledger import By
from salus.record.models import LinkEvent, LinkKind, ReviewPair
from salus.record.rules.r4 import kind_of


def merge_patients(
    cursor: CursorWrapper,
    kept_patient_id: str,
    retired_patient_id: str,
    *,
    source_id: int | None = None,
    message_id: int | None = None,
    now: datetime | None = None,
) -> LinkEvent | None:
    """Make the person of one Patient the person of another, as their source says; return the event.

    Nothing happens (None) when they are of one person already or a Patient is not known. Where other
    records of the two persons must stay apart (their valid identity numbers differ, or a human separated
    them), only the retired Patient moves; where a human separated the two Patients themselves, or their
    own numbers differ, the pair goes to review instead.
    """
    held = _linked(cursor, kept_patient_id, retired_patient_id)
    kept, retired = held.get(kept_patient_id), held.get(retired_patient_id)
    if kept is None or retired is None or kept[1] == retired[1]:
        return None
    evidence = {"records": [kept[0], retired[0]], "source": source_id, "message": message_id}
    by = By(f"source {source_id}" if source_id else "source", "hl7-merge", evidence=evidence)
    try:
        return ledger.join(cursor, kept[1], retired[1], by=by, now=now)
    except Conflict:
        return _move_alone(cursor, kept, retired, by, now)


def _linked(cursor: CursorWrapper, *ids: str) -> dict[str, tuple[int, UUID]]:
    found = rows.fetch_in(
        cursor,
        "select r.id, l.patient_rid, l.person_id from record_resource r"
        " join record_patientlink l on l.patient_rid = r.rid where r.kind = %s and r.id in ({marks})",
        ids,
        before=[kind_of("Patient")],
    )
    return {str(row[0]): (int(row[1]), rows.person(row[2])) for row in found}


def _move_alone(
    cursor: CursorWrapper, kept: tuple[int, UUID], retired: tuple[int, UUID], by: By, now: datetime | None
) -> LinkEvent | None:
    others = ledger.records_of(kept[1])
    mine, theirs = ledger.numbers([retired[0]]), ledger.numbers(others)
    if ledger.apart([retired[0]], others) or (mine and theirs and mine.isdisjoint(theirs)):
        low, high = sorted((kept[0], retired[0]))
        ReviewPair.objects.get_or_create(
            low_rid=low,
            high_rid=high,
            defaults={"reason": "source-merge", "evidence": by.evidence, "created": now or timezone.now()},
        )
        return None
    moves = [(retired[0], retired[1], kept[1])]
    return ledger.move(cursor, LinkKind.LINK, moves, by=by, person_id=kept[1], other_id=retired[1], now=now)
