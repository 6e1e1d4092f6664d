"""Reading an append-only table without gaps, on both databases.

A reader that remembers "the highest number I saw" loses rows on PostgreSQL: number 8 may become visible
before number 7 commits. There a position is (transaction id, number), and only rows of transactions older
than every transaction still running in this database are read. SQLite has one writer at a time, so numbers
appear in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import BigIntegerField, Func
from django.db.models.sql.compiler import SQLCompiler

# Transaction ids are the whole server's, and a long write in a neighbouring database must not hold this
# one's readers up. A running transaction is passed over only if it is seen to hold a lock in another one;
# one of which nothing is known counts as ours. The present one is not in its own snapshot's list.
HORIZON = """(
    select least(
        coalesce(
            min(running::text::bigint),
            (pg_snapshot_xmax(pg_current_snapshot()))::text::bigint
        ),
        (pg_current_xact_id_if_assigned())::text::bigint
    )
    from pg_snapshot_xip(pg_current_snapshot()) as running
    where not exists (
        select 1
        from pg_locks as own
        join pg_locks as held using (virtualtransaction)
        where own.locktype = 'transactionid' and own.granted and own.mode = 'ExclusiveLock'
            and own.transactionid = running::xid
            and held.database <> 0
            and held.database <> (select oid from pg_database where datname = current_database())
    )
)"""  # PostgreSQL: the oldest transaction of this database that may still write


class TransactionId(Func):
    """The present transaction's number as a column default: 0 on SQLite, where it is not needed."""

    output_field = BigIntegerField()

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        """Write the default for the database at hand."""
        if connection.vendor == "postgresql":
            return "((pg_current_xact_id())::text)::bigint", ()
        return "0", ()


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a reader has come: everything up to and including it has been read."""

    xid: int = 0
    seq: int = 0


def read_after(
    cursor: CursorWrapper,
    table: str,
    columns: Sequence[str],
    after: Position,
    limit: int,
) -> list[tuple[Position, tuple[Any, ...]]]:
    """Return up to `limit` rows after a position, oldest first, never skipping one that commits later.

    `table` has columns `xid` and `seq` with an index on both; `table` and `columns` are names from the
    program, never from a user. Each item is the row's position and the asked columns.
    """
    names = ", ".join(("xid", "seq", *columns))
    if cursor.db.vendor == "postgresql":
        sql = (
            f"select {names} from {table} where (xid, seq) > (%s, %s) and xid < {HORIZON}"  # noqa: S608 - names come from the program
            " order by xid, seq limit %s"
        )
        cursor.execute(sql, [after.xid, after.seq, limit])
    else:
        sql = f"select {names} from {table} where seq > %s order by seq limit %s"  # noqa: S608 - names come from the program
        cursor.execute(sql, [after.seq, limit])
    return [(Position(row[0], row[1]), tuple(row[2:])) for row in cursor.fetchall()]


def newest(cursor: CursorWrapper, table: str) -> Position:
    """Return the position after which a reader sees only what commits from now on.

    On PostgreSQL rows of transactions still running come after it.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute(f"select {HORIZON} - 1")  # noqa: S608 - constant text
        return Position(cursor.fetchone()[0], 2**63 - 1)
    cursor.execute(f"select coalesce(max(seq), 0) from {table}")  # noqa: S608 - a name from the program
    return Position(0, cursor.fetchone()[0])
