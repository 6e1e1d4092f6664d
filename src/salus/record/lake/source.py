"""Reading the record store at one instant: all of it in the order of its numbers, or what changed.

A connection of its own holds one snapshot, so that a build, the changes and the links are of one instant.
On PostgreSQL the position is that snapshot: what changed is what it sees and the one before did not see,
which needs no waiting for older transactions (the feed's readers elsewhere must wait).
"""

import json
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connections

from salus.record.rules.r4 import kind_of

Row = tuple[Any, ...]
Mark = tuple[int, int, int, int]
LINE = "c.seq, c.rid, c.kind, c.version, c.person_id, c.op, c.at"
CURRENT = "r.rid, r.kind, r.version, r.patient_rid, r.source_id, r.updated, r.deleted, r.body"
PAST = "h.rid, h.version, h.source_id, h.updated, h.deleted, h.body"
BATCH = 5_000


class Source(ABC):
    """The store as one snapshot sees it. `position` is how far it goes."""

    position: str
    store: str
    read_at: int

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any] = (), size: int = BATCH) -> Iterator[list[Row]]:
        """Yield a query's rows (with %s for values) in lists of `size`."""

    @abstractmethod
    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return a query's rows."""

    @abstractmethod
    def lines(self, since: str, kinds: Sequence[int]) -> Iterator[list[Row]]:
        """Yield `LINE` of the changes of some kinds after a position, in lists."""

    @abstractmethod
    def current(self, rids: Sequence[int]) -> list[Row]:
        """Return `CURRENT` of resources."""

    @abstractmethod
    def past(self, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """Return `PAST` of superseded versions by (rid, version)."""

    @abstractmethod
    def patient_rids(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the numbers of Patients by their ids."""

    def mark(self) -> Mark | None:
        """Return the feed's last line (seq, rid, version, op)."""
        found = self.fetch("select seq, rid, version, op from record_change order by seq desc limit 1")
        return (found[0][0], found[0][1], found[0][2], found[0][3]) if found else None

    def continues(self, store: str, position: str, mark: Mark | None) -> bool:
        """Whether this is the store that was read to a position: not another, nor one restored."""
        if store != self.store or not self._follows(position):
            return False
        if mark is None:
            return True
        found = self.fetch("select seq, rid, version, op from record_change where seq = %s", (mark[0],))
        return bool(found) and tuple(found[0]) == mark

    @abstractmethod
    def _follows(self, position: str) -> bool: ...

    def count(self, kinds: Sequence[int]) -> int:
        """Return about how many resources of some kinds there are, for a progress bar."""
        marks = ", ".join(["%s"] * len(kinds))
        return int(self.fetch(f"select count(*) from record_resource where kind in ({marks})", kinds)[0][0])  # noqa: S608 - marks

    def everything(self, kinds: Sequence[int]) -> Iterator[tuple[list[Row], list[Row]]]:
        """Yield `CURRENT` and `PAST` of all resources of some kinds, in rising numbers, a part at a time.

        A part holds all versions of its resources.
        """
        marks = ", ".join(["%s"] * len(kinds))
        later = self.stream(
            f"select {PAST} from record_history h join record_resource r on r.rid = h.rid"  # noqa: S608 - marks
            f" where r.kind in ({marks}) order by h.rid, h.version",
            kinds,
            1_000,
        )
        held: list[Row] = []
        sql = (
            f"select {CURRENT} from record_resource r"  # noqa: S608 - marks
            f" where r.version > 0 and r.kind in ({marks}) order by r.rid"
        )
        for part in self.stream(sql, kinds):
            last = part[-1][0]
            while not held or held[-1][0] <= last:
                more = next(later, None)
                if more is None:
                    break
                held += more
            cut = len(held)
            while cut and held[cut - 1][0] > last:
                cut -= 1
            yield part, held[:cut]
            held = held[cut:]

    def links(self) -> Iterator[list[Row]]:
        """Yield (seq, patient_rid, person, at) of every line that says whose a Patient is, in lists."""
        yield from self.stream(
            "select c.seq, c.rid, c.person_id, coalesce(c.at, h.updated, r.updated, 0) from record_change c"
            " left join record_history h on h.rid = c.rid and h.version = c.version"
            " left join record_resource r on r.rid = c.rid and r.version = c.version"
            " where c.kind = %s and (c.op = 4 or (c.op = 1 and c.person_id is not null)) order by c.seq",
            (kind_of("Patient"),),
        )


class SqliteSource(Source):
    """The store on SQLite: a read transaction, which holds up no writer."""

    store = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.read_at = time.time_ns() // 1000
        row = connection.execute("select coalesce(max(seq), 0) from record_change").fetchone()
        self.position = f"seq:{row[0]}"

    def stream(self, sql: str, values: Sequence[Any] = (), size: int = BATCH) -> Iterator[list[Row]]:
        """See `Source.stream`."""
        cursor = self.connection.execute(sql.replace("%s", "?"), values)
        while rows := cursor.fetchmany(size):
            yield rows

    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """See `Source.fetch`."""
        return self.connection.execute(sql.replace("%s", "?"), values).fetchall()

    def lines(self, since: str, kinds: Sequence[int]) -> Iterator[list[Row]]:
        """See `Source.lines`."""
        marks = ", ".join("?" * len(kinds))
        yield from self.stream(
            f"select {LINE} from record_change c where c.seq > ? and c.kind in ({marks}) order by c.seq",  # noqa: S608 - marks
            (int(since.removeprefix("seq:")), *kinds),
        )

    def current(self, rids: Sequence[int]) -> list[Row]:
        """See `Source.current`."""
        return self.fetch(
            f"select {CURRENT} from record_resource r where r.rid in (select value from json_each(?))",  # noqa: S608 - our own names
            (json.dumps(list(rids)),),
        )

    def past(self, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """See `Source.past`."""
        return self.fetch(
            f"select {PAST} from json_each(?) k join record_history h"  # noqa: S608 - our own names
            " on h.rid = json_extract(k.value, '$[0]') and h.version = json_extract(k.value, '$[1]')",
            (json.dumps(keys),),
        )

    def patient_rids(self, ids: Sequence[str]) -> dict[str, int]:
        """See `Source.patient_rids`."""
        return dict(
            self.fetch(
                "select id, rid from record_resource"
                " where kind = ? and id in (select value from json_each(?))",
                (kind_of("Patient"), json.dumps(list(ids))),
            )
        )

    def _follows(self, position: str) -> bool:
        return position.startswith("seq:")


class PostgresSource(Source):
    """The store on PostgreSQL: a repeatable-read transaction."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.read_at = time.time_ns() // 1000
        row = self.fetch(
            "select pg_current_snapshot()::text, (select system_identifier from pg_control_system())::text,"
            " (select oid from pg_database where datname = current_database())::text"
        )[0]
        self.position, self.store = row[0], f"postgresql:{row[1]}:{row[2]}"

    def stream(self, sql: str, values: Sequence[Any] = (), size: int = BATCH) -> Iterator[list[Row]]:
        """See `Source.stream`."""
        with self.connection.cursor(name=f"lake_{time.monotonic_ns()}") as cursor:
            cursor.execute(sql, list(values))
            while rows := cursor.fetchmany(size):
                yield rows

    def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """See `Source.fetch`."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, list(values))
            return list(cursor.fetchall())

    def lines(self, since: str, kinds: Sequence[int]) -> Iterator[list[Row]]:
        """See `Source.lines`."""
        yield from self.stream(
            f"select {LINE} from record_change c where c.xid >= %s and c.kind = any(%s)"  # noqa: S608 - our own names
            " and not pg_visible_in_snapshot(c.xid::text::xid8, %s::pg_snapshot) order by c.seq",
            (int(since.partition(":")[0]), list(kinds), since),
        )

    def current(self, rids: Sequence[int]) -> list[Row]:
        """See `Source.current`."""
        return self.fetch(f"select {CURRENT} from record_resource r where r.rid = any(%s)", (list(rids),))  # noqa: S608 - our own names

    def past(self, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """See `Source.past`."""
        return self.fetch(
            f"select {PAST} from unnest(%s::bigint[], %s::int[]) as k(rid, version)"  # noqa: S608 - our own names
            " join record_history h on h.rid = k.rid and h.version = k.version",
            ([rid for rid, _ in keys], [version for _, version in keys]),
        )

    def patient_rids(self, ids: Sequence[str]) -> dict[str, int]:
        """See `Source.patient_rids`."""
        return dict(
            self.fetch(
                "select id, rid from record_resource where kind = %s and id = any(%s)",
                (kind_of("Patient"), list(ids)),
            )
        )

    def _follows(self, position: str) -> bool:
        if position.count(":") != 2:
            return False
        row = self.fetch(
            "select pg_snapshot_xmin(%s::pg_snapshot) <= pg_snapshot_xmax(pg_current_snapshot())", (position,)
        )
        return bool(row[0][0])


@contextmanager
def snapshot() -> Iterator[Source]:
    """Open a snapshot of the record's database on a connection of its own."""
    wrapper = connections["default"].copy()
    try:
        wrapper.ensure_connection()
        raw: Any = wrapper.connection
        if wrapper.vendor == "postgresql":
            raw.execute("begin isolation level repeatable read, read only")
            yield PostgresSource(raw)
            raw.execute("rollback")
        else:
            raw.execute("begin")  # deferred: the first read fixes what is seen
            yield SqliteSource(raw)
            raw.execute("rollback")
    finally:
        wrapper.close()
