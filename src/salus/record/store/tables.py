"""Set-based reading and writing of the store's tables, the one place where the two databases differ."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import UniqueViolation

RESOURCE = (
    "rid, kind, id, version, person_id, patient_rid,"
    " source_id, message_id, source_time, updated, deleted, body"
)
HISTORY = "rid, version, source_id, message_id, source_time, updated, deleted, body"
CHANGE = "rid, kind, version, person_id, op"
INDEX = {
    "token": "path, code, rid, system",
    "string": "path, value, rid, exact",
    "date": "path, long, low, high, rid",
    "reference": "path, id, rid, kind",
    "quantity": "path, low, high, rid, code, system",
    "number": "path, value, rid",
    "uri": "path, value, rid",
}
Values = tuple[Any, ...]
Key = tuple[int, str]


class Tables(Protocol):
    """The store's tables through a cursor whose transaction belongs to the caller."""

    def person(self, person_id: UUID | None) -> Any:
        """Return a person's id as the database keeps it."""

    def fetch(self, keys: Iterable[Key]) -> list[Values]:
        """Return `RESOURCE` of the resources (kind, id) that exist, locked against other writers."""

    def patients(self, keys: Iterable[Key]) -> list[Values]:
        """Return id, rid and person_id of the Patients that exist, locked against a change of person."""

    def allocate(self, count: int) -> Sequence[int]:
        """Return that many fresh numbers for resources, in rising order."""

    def insert_resources(self, rows: Sequence[Values]) -> bool:
        """Insert new resources; False if another writer stored one of them first."""

    def update_resources(self, rows: Iterable[Values]) -> None:
        """Overwrite current versions, given `RESOURCE`."""

    def upgrade(self) -> str | None:
        """Return the upgrade under way as it is kept; no step of one happens until the transaction ends."""

    def insert(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Append rows to a table of the store."""

    def delete(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Delete rows of an index table, given whole."""


def tables(cursor: CursorWrapper) -> Tables:
    """Return the tables of the cursor's database."""
    return PostgresTables(cursor) if cursor.db.vendor == "postgresql" else SqliteTables(cursor)


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


class SqliteTables:
    """The tables on SQLite. One writer at a time: the transaction is IMMEDIATE, so nothing needs locking."""

    def __init__(self, cursor: CursorWrapper) -> None:
        cursor.db.ensure_connection()
        # Straight to sqlite3: Django's wrapper would rewrite the statement and copy the rows on each call.
        self.connection: sqlite3.Connection = cursor.db.connection

    def person(self, person_id: UUID | None) -> str | None:
        """Return a person's id as Django keeps it in SQLite."""
        return person_id.hex if person_id else None

    def fetch(self, keys: Iterable[Key]) -> list[Values]:
        """Return `RESOURCE` of the resources (kind, id) that exist."""
        return self._found(RESOURCE, keys)

    def patients(self, keys: Iterable[Key]) -> list[Values]:
        """Return id, rid and person_id of the Patients that exist."""
        return self._found("id, rid, person_id", keys)

    def _found(self, columns: str, keys: Iterable[Key]) -> list[Values]:
        by_kind: dict[int, list[str]] = {}
        for kind, id_ in keys:
            by_kind.setdefault(kind, []).append(id_)
        found: list[Values] = []
        for kind, ids in by_kind.items():
            found += self.connection.execute(
                f"select {columns} from record_resource"  # noqa: S608 - our own column names
                " where kind = ? and id in (select value from json_each(?))",
                (kind, json.dumps(sorted(ids))),
            ).fetchall()
        return found

    def allocate(self, count: int) -> Sequence[int]:
        """Return that many numbers above the highest: resources are never removed from their table."""
        top = self.connection.execute("select coalesce(max(rid), 0) from record_resource").fetchone()[0]
        return range(top + 1, top + 1 + count)

    def insert_resources(self, rows: Sequence[Values]) -> bool:
        """Insert new resources."""
        self.insert("record_resource", RESOURCE, rows)
        return True

    def update_resources(self, rows: Iterable[Values]) -> None:
        """Overwrite current versions, given `RESOURCE`."""
        self.connection.executemany(
            "update record_resource set version = ?4, person_id = ?5, patient_rid = ?6, source_id = ?7,"
            " message_id = ?8, source_time = ?9, updated = ?10, deleted = ?11, body = ?12"
            " where rid = ?1 and kind = ?2 and id = ?3",
            rows,
        )

    def upgrade(self) -> str | None:
        """Return the upgrade under way as it is kept."""
        row = self.connection.execute(
            "select value from record_store_state where name = 'upgrade'"
        ).fetchone()
        return row[0] if row else None

    def insert(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Append rows to a table of the store."""
        self.connection.executemany(f"insert into {table} ({columns}) values ({_marks(columns)})", rows)  # noqa: S608 - our own names

    def delete(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Delete rows of an index table, given whole."""
        where = " and ".join(f"{name.strip()} = ?" for name in columns.split(","))
        self.connection.executemany(f"delete from {table} where {where}", rows)  # noqa: S608 - our own names


UPGRADE_LOCK = 7_305_221
"""The advisory lock that writers share and a step of an upgrade has alone (`upgrading`)."""
TYPES = {
    **{
        ("", name): "int8"
        for name in ("rid", "patient_rid", "message_id", "source_time", "updated", "system")
    },
    **{("", name): "int8" for name in ("updated", "system", "low", "high")},
    **{("", name): "int4" for name in ("version", "source_id")},
    **{("", name): "int2" for name in ("kind", "path", "long", "op")},
    **{("", name): "text" for name in ("id", "code", "value", "exact")},
    **{("record_quantity", name): "float8" for name in ("low", "high")},
    ("record_number", "value"): "float8",
    ("record_resource", "id"): "varchar",
    ("", "person_id"): "uuid",
    ("", "deleted"): "bool",
    ("", "body"): "bytea",
}


class PostgresTables:
    """The tables on PostgreSQL: rows go in by COPY, writers of the same resource wait for each other."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self.cursor = cursor

    def person(self, person_id: UUID | None) -> UUID | None:
        """Return a person's id as it is."""
        return person_id

    def fetch(self, keys: Iterable[Key]) -> list[Values]:
        """Return `RESOURCE` of the resources (kind, id) that exist, locked in the order of their numbers."""
        return self._found(RESOURCE, keys, "for update")

    def patients(self, keys: Iterable[Key]) -> list[Values]:
        """Return id, rid and person_id of the Patients that exist, locked against `reassign`."""
        return self._found("id, rid, person_id", keys, "for key share")

    def _found(self, columns: str, keys: Iterable[Key], lock: str) -> list[Values]:
        kinds, ids = zip(*keys, strict=True)
        # Looked up key by key whatever the statistics say: those of a young table would scan it.
        self.cursor.execute(
            f"select {columns} from record_resource where rid = any(array("  # noqa: S608 - our own names
            "select (select o.rid from record_resource o where o.kind = k.kind and o.id = k.id)"
            f" from unnest(%s::smallint[], %s::text[]) k (kind, id))) order by rid {lock}",
            (list(kinds), list(ids)),
        )
        return list(self.cursor.fetchall())

    def allocate(self, count: int) -> Sequence[int]:
        """Return that many numbers of the table's sequence."""
        self.cursor.execute(
            # `offset 0` keeps the sequence from being looked up for each number.
            "select array(select nextval(q.s) from (select pg_get_serial_sequence('record_resource', 'rid')"
            "::regclass as s offset 0) q, generate_series(1, %s))",
            (count,),
        )
        numbers: list[int] = self.cursor.fetchone()[0]
        return numbers

    def insert_resources(self, rows: Sequence[Values]) -> bool:
        """Insert new resources; False if another writer stored one of them first."""
        alias = self.cursor.db.alias
        mark = transaction.savepoint(using=alias)
        try:
            # In the order of the key, so that two writers of the same resources wait instead of deadlocking.
            self.insert("record_resource", RESOURCE, sorted(rows, key=lambda row: (row[1], row[2])))
        except UniqueViolation:
            transaction.savepoint_rollback(mark, using=alias)
            return False
        transaction.savepoint_commit(mark, using=alias)
        return True

    def update_resources(self, rows: Iterable[Values]) -> None:
        """Overwrite current versions, given `RESOURCE`."""
        self.cursor.executemany(
            "update record_resource set version = %s, person_id = %s, patient_rid = %s, source_id = %s,"
            " message_id = %s, source_time = %s, updated = %s, deleted = %s, body = %s where rid = %s",
            [(*row[3:], row[0]) for row in rows],
        )

    def upgrade(self) -> str | None:
        """Return the upgrade under way as it is kept; its steps wait for this transaction."""
        # Two statements: the second must see what a step that the first waited for has noted.
        self.cursor.execute("select pg_advisory_xact_lock_shared(%s)", [UPGRADE_LOCK])
        self.cursor.execute("select value from record_store_state where name = 'upgrade'")
        row = self.cursor.fetchone()
        return row[0] if row else None

    def insert(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Append rows to a table of the store."""
        names = [name.strip() for name in columns.split(",")]
        with self.cursor.copy(f"copy {table} ({columns}) from stdin with (format binary)") as copy:
            made_like = table.removesuffix("_new")
            copy.set_types([TYPES.get((made_like, name)) or TYPES["", name] for name in names])
            for row in rows:
                copy.write_row(row)

    def delete(self, table: str, columns: str, rows: Sequence[Values]) -> None:
        """Delete rows of an index table, given whole."""
        where = " and ".join(f"{name.strip()} = %s" for name in columns.split(","))
        self.cursor.executemany(f"delete from {table} where {where}", rows)  # noqa: S608 - our own names
