"""Patients that a source sent are linked to persons, and its merges honoured, in the message's transaction."""

from collections.abc import Sequence
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from salus.connect.models import SourceSystem
from salus.record import identity
from salus.record.store import Written


def link(cursor: CursorWrapper, written: Sequence[Written]) -> dict[int, UUID]:
    """Link each Patient that is new or changed to a person; return the person of each by store number."""
    persons: dict[int, UUID] = {}
    latest = {one.rid: one for one in written if one.outcome in {"created", "updated"}}
    for rid, one in latest.items():
        persons[rid] = identity.link_patient(cursor, one).person_id
    return persons


def merge(cursor: CursorWrapper, source: SourceSystem, kept: str, retired: str, *, message_id: int) -> None:
    """Make the person of `retired` the person of `kept` (the platform's Patient ids), as the source says."""
    identity.merge_patients(cursor, kept, retired, source_id=source.pk, message_id=message_id)
