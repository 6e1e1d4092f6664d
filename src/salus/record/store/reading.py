"""Reading by id: the present version, a given one, all of them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from salus.record.rules.r4 import kind_of, type_names
from salus.record.store.tables import RESOURCE
from salus.record.store.types import Stored

COLUMNS = ", ".join(f"r.{name.strip()}" for name in RESOURCE.split(","))


@lru_cache(maxsize=4096)
def _person(hex: str) -> UUID:
    """Return a person's id from SQLite's text; the rows of one answer are mostly of one person."""
    return UUID(hex=hex)


def stored(row: Sequence[Any]) -> Stored:
    """Return a row of `RESOURCE` as the store gives it out."""
    person = row[4]
    return Stored(
        rid=row[0],
        type=type_names()[row[1]],
        id=row[2],
        version=row[3],
        person_id=person if person is None or isinstance(person, UUID) else _person(person),
        patient_rid=row[5],
        source_id=row[6],
        message_id=row[7],
        source_time=row[8],
        updated=row[9],
        deleted=bool(row[10]),
        body=bytes(row[11]),
    )


def read(cursor: CursorWrapper, resource_type: str, resource_id: str) -> Stored | None:
    """Return the present version of a resource, a tombstone included; None if there never was one."""
    cursor.execute(
        f"select {COLUMNS} from record_resource r where r.kind = %s and r.id = %s and r.version > 0",  # noqa: S608 - our own column names
        (kind_of(resource_type), resource_id),
    )
    row = cursor.fetchone()
    return stored(row) if row else None


def read_rids(cursor: CursorWrapper, rids: Sequence[int]) -> list[Stored]:
    """Return the present versions by the store's own numbers, in their order; unknown ones are left out."""
    found: dict[int, Stored] = {}
    for start in range(0, len(rids), 500):
        part = list(rids[start : start + 500])
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            f"select {COLUMNS} from record_resource r where r.rid in ({marks}) and r.version > 0",  # noqa: S608 - our own column names and marks
            part,
        )
        found |= {row[0]: stored(row) for row in cursor.fetchall()}
    return [found[rid] for rid in rids if rid in found]


PAST = (
    "select r.rid, r.kind, r.id, h.version, r.person_id, r.patient_rid, h.source_id, h.message_id,"
    " h.source_time, h.updated, h.deleted, h.body"
    " from record_resource r join record_history h on h.rid = r.rid where r.kind = %s and r.id = %s"
)


def vread(cursor: CursorWrapper, resource_type: str, resource_id: str, version: int) -> Stored | None:
    """Return one version of a resource, a tombstone included; None if there never was one."""
    present = read(cursor, resource_type, resource_id)
    if present is None or version >= present.version:
        return present if present and present.version == version else None
    cursor.execute(PAST + " and h.version = %s", (kind_of(resource_type), resource_id, version))
    row = cursor.fetchone()
    return stored(row) if row else None


def history(
    cursor: CursorWrapper,
    resource_type: str,
    resource_id: str,
    *,
    limit: int | None = None,
    before: int | None = None,
) -> list[Stored]:
    """Return a resource's versions, tombstones included, newest first.

    `before` leaves out that version and newer ones; `limit` is the most versions to return.
    """
    present = read(cursor, resource_type, resource_id)
    if present is None:
        return []
    versions = [present] if before is None or present.version < before else []
    if limit is not None and len(versions) >= limit:
        return versions[:limit]
    sql = PAST
    params: list[int | str] = [kind_of(resource_type), resource_id]
    if before is not None:
        sql, params = sql + " and h.version < %s", [*params, before]
    sql += " order by h.version desc"
    if limit is not None:
        sql, params = sql + " limit %s", [*params, limit - len(versions)]
    cursor.execute(sql, params)
    return versions + [stored(row) for row in cursor.fetchall()]
