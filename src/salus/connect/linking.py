"""Patients that a source sent are linked to persons, and its merges honoured, with their message."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from salus.connect.models import SourceSystem
from salus.record import identity
from salus.record.store import Written


def link(
    cursor: CursorWrapper, source: SourceSystem, written: Sequence[Written], now: datetime
) -> dict[int, UUID]:
    """Link each Patient that is new or changed to a person; return the person of each by store number."""
    latest = {one.rid: one for one in written if one.outcome in {"created", "updated"} and one.body}
    if not latest:
        return {}
    links = identity.link_patients(
        cursor, list(latest.values()), institution_id=source.institution_id, now=now
    )
    return {one.patient_rid: one.person_id for one in links}


def merge(
    cursor: CursorWrapper, source: SourceSystem, kept: str, retired: str, message_id: int, now: datetime
) -> bool:
    """Make the person of `retired` the person of `kept` (the platform's Patient ids), as the source says.

    Returns whether it changed anything: not where both are one person already or one is unknown.
    """
    event = identity.merge_patients(
        cursor, kept, retired, source_id=source.pk, message_id=message_id, now=now
    )
    return event is not None
