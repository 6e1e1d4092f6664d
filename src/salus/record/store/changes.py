"""The change feed, and moving a source patient's resources to another person."""

from datetime import datetime
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel.feed import Position, read_after
from salus.record.rules.r4 import type_names
from salus.record.store import stamp
from salus.record.store.tables import tables
from salus.record.store.types import Change, Op


def changes(cursor: CursorWrapper, after: Position, limit: int) -> list[Change]:
    """Return up to `limit` lines of the change feed after a position, oldest first, without gaps.

    Each version of each resource is one line; a resource whose person changed is another (`Op.MOVE`,
    with the person it now belongs to). `person_id` of the other lines is the one at the time of writing.
    """
    names = type_names()
    found = read_after(cursor, "record_change", ("rid", "kind", "version", "person_id", "op"), after, limit)
    return [
        Change(
            position,
            rid,
            names[kind],
            version,
            UUID(hex=person) if isinstance(person, str) else person,
            Op(op),
        )
        for position, (rid, kind, version, person, op) in found
    ]


def reassign(
    cursor: CursorWrapper, patient_rid: int, person_id: UUID | None, *, now: datetime | None = None
) -> int:
    """Move a source's Patient and everything that belongs to it to a person; return how many moved.

    Those that already are with that person are left alone. Each that moves is a line in the feed, of the
    time `now`.
    """
    person = tables(cursor).person(person_id)
    if cursor.db.vendor == "postgresql":
        # Writers of dependants hold the Patient with `for key share`: one of us waits for the other.
        cursor.execute("select 1 from record_resource where rid = %s for update", (patient_rid,))
    where = "(rid = %s or patient_rid = %s) and person_id is distinct from %s"
    if cursor.db.vendor == "sqlite":
        where = "(rid = %s or patient_rid = %s) and person_id is not %s"
    cursor.execute(
        "insert into record_change (rid, kind, version, person_id, op, at)"  # noqa: S608 - our own condition
        f" select rid, kind, version, %s, {int(Op.MOVE)}, %s from record_resource"
        f" where {where} and version > 0 order by rid",
        (person, stamp.micros(now or timezone.now()), patient_rid, patient_rid, person),
    )
    cursor.execute(
        f"update record_resource set person_id = %s where {where}",  # noqa: S608 - our own condition
        (person, patient_rid, patient_rid, person),
    )
    return int(cursor.rowcount)
