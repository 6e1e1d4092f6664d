"""Set-based SQL for identity, the one place where the two databases differ."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from salus.record.store import stamp


def key(cursor: CursorWrapper, person_id: UUID | None) -> UUID | str | None:
    """Return a person's id as the cursor's database keeps it."""
    if person_id is None or cursor.db.vendor == "postgresql":
        return person_id
    return person_id.hex


def person(value: UUID | str) -> UUID:
    """Return a person's id as a database gave it."""
    return value if isinstance(value, UUID) else UUID(hex=value)


def moment(cursor: CursorWrapper, at: datetime) -> datetime | str:
    """Return a moment as the cursor's database keeps it (Django keeps UTC text in SQLite)."""
    if cursor.db.vendor == "postgresql":
        return at
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


def many(cursor: CursorWrapper, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one statement (with %s) for many rows, past Django's wrapper where that is slow."""
    if not rows:
        return
    if cursor.db.vendor == "postgresql":
        cursor.executemany(sql, rows)
        return
    cursor.db.ensure_connection()
    connection: sqlite3.Connection = cursor.db.connection
    with cursor.db.wrap_database_errors:
        connection.executemany(sql.replace("%s", "?"), rows)


def fetch(cursor: CursorWrapper, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """Run a query (with %s) and return its rows, past Django's wrapper where that is slow."""
    if cursor.db.vendor == "postgresql":
        cursor.execute(sql, values)
        return list(cursor.fetchall())
    cursor.db.ensure_connection()
    connection: sqlite3.Connection = cursor.db.connection
    with cursor.db.wrap_database_errors:
        return connection.execute(sql.replace("%s", "?"), values).fetchall()


def fetch_in(
    cursor: CursorWrapper, sql: str, values: Iterable[Any], *, before: Sequence[Any] = (), size: int = 500
) -> Iterator[Any]:
    """Run a query with `({marks})` for the values, in parts, and yield all rows."""
    found = list(values)
    for start in range(0, len(found), size):
        part = found[start : start + size]
        marks = ", ".join(["%s"] * len(part))
        yield from fetch(cursor, sql.replace("{marks}", marks), [*before, *part])


def insert_or_skip(cursor: CursorWrapper, table: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows that are not there yet."""
    marks = ", ".join(["%s"] * (columns.count(",") + 1))
    many(cursor, f"insert into {table} ({columns}) values ({marks}) on conflict do nothing", rows)  # noqa: S608 - names come from the program


def reassign_many(cursor: CursorWrapper, pairs: Sequence[tuple[int, UUID]], *, now: datetime) -> None:
    """Do for many what `store.reassign` does for one patient: move its resources to a person."""
    at = stamp.micros(now)
    same = "is distinct from" if cursor.db.vendor == "postgresql" else "is not"
    where = f"(rid = %s or patient_rid = %s) and person_id {same} %s"
    if cursor.db.vendor == "postgresql":
        ordered = sorted(rid for rid, _ in pairs)
        cursor.execute("select 1 from record_resource where rid = any(%s) order by rid for update", [ordered])
    rows = [(key(cursor, person_id), rid, rid, key(cursor, person_id)) for rid, person_id in pairs]
    many(
        cursor,
        "insert into record_change (rid, kind, version, person_id, op, at)"  # noqa: S608 - our own condition
        f" select rid, kind, version, %s, 4, {at} from record_resource where {where} and version > 0",
        rows,
    )
    many(cursor, f"update record_resource set person_id = %s where {where}", rows)  # noqa: S608
