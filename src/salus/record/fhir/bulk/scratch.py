"""What changed around an export, noted in a small file of its own: the record's database is left alone.

`touched` holds resources that changed after the export's instant, with the version that was current then.
`since` holds those that changed between an earlier export's instant and this one's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.utils import CursorWrapper

from salus.kernel.feed import HORIZON, Position, read_after
from salus.record.models import ExportJob
from salus.record.store import Op

COLUMNS = ("rid", "kind", "version", "op")
PART = 5000


@dataclass(frozen=True, slots=True)
class Instant:
    """The changes that were there at an instant: a place in the feed, on PostgreSQL a snapshot beside it."""

    place: Position
    ends: int = 0
    running: frozenset[int] = frozenset()

    @classmethod
    def of(cls, place: Position, snapshot: str) -> Instant:
        """Return the instant of a place and PostgreSQL's text of a snapshot, if there is one."""
        if not snapshot:
            return cls(place)
        _, ends, running = snapshot.split(":")
        return cls(place, int(ends), frozenset(int(number) for number in running.split(",") if number))

    def holds(self, at: Position) -> bool:
        """Tell whether a line of the feed was there."""
        return at <= self.place or (at.xid < self.ends and at.xid not in self.running)


class Scratch:
    """The notes of one export; losing the file loses nothing but the time to make it again."""

    def __init__(self, folder: Path, job: ExportJob) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = sqlite3.connect(folder / "changes.sqlite3", isolation_level=None)
        # A crash may cost the notes: each is made again from the feed, whose position is in the same file.
        self._file.executescript(
            "pragma journal_mode = wal; pragma synchronous = normal;"
            "create table if not exists touched (kind integer, rid integer, before integer,"
            " primary key (kind, rid)) without rowid;"
            "create table if not exists since (kind integer, rid integer,"
            " primary key (kind, rid)) without rowid;"
            "create table if not exists place (name text primary key, xid integer, seq integer);"
        )
        self._now = Instant.of(Position(job.horizon_xid, job.horizon_seq), job.snapshot)
        self._since: Instant | None = None
        if job.since_seq is not None:
            earlier = ExportJob.objects.filter(transaction_time=job.since or 0).order_by("id").first()
            snapshot = earlier.snapshot if earlier is not None else ""
            self._since = Instant.of(Position(job.since_xid or 0, job.since_seq), snapshot)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def incremental(self) -> bool:
        """Whether the changes since an earlier export are known exactly."""
        return self._since is not None

    def follow(self, cursor: CursorWrapper) -> None:
        """Note every change after the export's instant that is visible now.

        Called after resources were read: a change that they show is in the feed by then.
        """
        self._read(cursor, "touched", self._now.place, lambda at: not self._now.holds(at))

    def gather(self, cursor: CursorWrapper) -> None:
        """Note what changed between the earlier export's instant and this one's."""
        since = self._since
        if since is not None:
            self._read(cursor, "since", since.place, lambda at: self._now.holds(at) and not since.holds(at))

    def _read(
        self, cursor: CursorWrapper, name: str, start: Position, wanted: Callable[[Position], bool]
    ) -> None:
        """Note the lines of the feed that are wanted, from where the last reading ended."""
        place = self._place(name, start)
        while rows := read_after(cursor, "record_change", COLUMNS, place, PART):
            place = rows[-1][0]
            self._note(name, place, [values for at, values in rows if wanted(at)])
        if cursor.db.vendor == "postgresql":
            # Committed, but beside a transaction that began earlier and still runs: the feed waits, we do not
            cursor.execute(
                f"select xid, seq, rid, kind, version, op from record_change where xid >= {HORIZON}"  # noqa: S608 - constant text
            )
            found = cursor.fetchall()
            self._note(name, place, [row[2:] for row in found if wanted(Position(row[0], row[1]))])

    def touched(self, kind: int, after: int, last: int | None) -> dict[int, int]:
        """Return, of those in a range that changed later, the version at the export's instant."""
        limit = 2**62 if last is None else last
        rows = self._file.execute(
            "select rid, before from touched where kind = ? and rid > ? and rid <= ?", (kind, after, limit)
        )
        return dict(rows.fetchall())

    def changed(self, kind: int, after: int, limit: int) -> list[int]:
        """Return the numbers of a kind's resources that changed since the earlier export, in order."""
        rows = self._file.execute(
            "select rid from since where kind = ? and rid > ? order by rid limit ?", (kind, after, limit)
        )
        return [row[0] for row in rows.fetchall()]

    def _place(self, name: str, start: Position) -> Position:
        row = self._file.execute("select xid, seq from place where name = ?", (name,)).fetchone()
        return Position(*row) if row else start

    def _note(self, name: str, place: Position, rows: Sequence[Sequence[int]]) -> None:
        self._file.execute("begin")
        if name == "touched":
            self._file.executemany(
                "insert into touched (kind, rid, before) values (?, ?, ?)"
                " on conflict (kind, rid) do update set before = min(before, excluded.before)",
                [(kind, rid, version - (op != Op.MOVE)) for rid, kind, version, op in rows],
            )
        else:
            self._file.executemany(
                "insert into since (kind, rid) values (?, ?) on conflict do nothing",
                [(kind, rid) for rid, kind, _, op in rows if op != Op.MOVE],
            )
        self._file.execute("insert or replace into place values (?, ?, ?)", (name, place.xid, place.seq))
        self._file.execute("commit")
