"""The rows that say what came in: messages, raw bytes and counts, written through the caller's cursor."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.backends.utils import CursorWrapper

_MESSAGE = (
    "id, source_id, load_id, credential_id, control_id, digest, kind, via, position, size, received_at, "
    "occurred, status, reason_code, reason, reason_where, warnings, repeat_of_id, resources, written, "
    "undone, resolution, resolution_note, attempts"
)
_ADVISORY_CLASS = 7_305_220  # any number that no other room uses for its advisory locks


@dataclass(slots=True)
class Line:
    """One message as it will stand in the ledger; `raw` is None for a repeat."""

    id: int
    source_id: int
    load_id: int | None
    credential_id: int | None
    control_id: str
    digest: bytes
    kind: str
    via: str
    position: int | None
    size: int
    received: datetime
    occurred: datetime | None
    status: str
    raw: bytes | None
    reason_code: str = ""
    reason: str = ""
    where: str = ""
    warnings: Sequence[str] = field(default=())
    repeat_of: int | None = None
    resources: int = 0
    written: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A message that is in the ledger already."""

    id: int
    status: str
    control_id: str
    reason_code: str
    reason: str
    where: str


def hold_source(cursor: CursorWrapper, source_id: int) -> None:
    """Let only one transaction at a time take messages of a source, so that they keep their order.

    SQLite has one writer anyway; PostgreSQL takes an advisory lock that ends with the transaction.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_ADVISORY_CLASS, source_id])


def known_digests(cursor: CursorWrapper, source_id: int, digests: Sequence[bytes]) -> dict[bytes, Known]:
    """Return the messages of a source that are stored or dead under these digests.

    The condition is worded as the partial index is: SQLite uses it for no other wording.
    """
    found: dict[bytes, Known] = {}
    for start in range(0, len(digests), 5000):
        part = list(digests[start : start + 5000])
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            "select digest, id, status, control_id, reason_code, reason, reason_where from connect_message "  # noqa: S608 - our own marks
            f"where source_id = %s and not (status = 'repeated') and not undone and digest in ({marks})",
            [source_id, *part],
        )
        for digest, *rest in cursor.fetchall():
            found[bytes(digest)] = Known(*rest)
    return found


def known_controls(cursor: CursorWrapper, source_id: int, controls: Sequence[str]) -> set[str]:
    """Return those control ids that messages of the source have borne already (worded as the index is)."""
    found: set[str] = set()
    for start in range(0, len(controls), 5000):
        part = list(controls[start : start + 5000])
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            "select distinct control_id from connect_message where source_id = %s and not (control_id = '') "  # noqa: S608 - our own marks
            f"and control_id in ({marks})",
            [source_id, *part],
        )
        found.update(row[0] for row in cursor.fetchall())
    return found


def undone_tombstones(cursor: CursorWrapper, rids: Sequence[int]) -> list[int]:
    """Return those resources that are deleted because the message that made them was undone."""
    marks = ", ".join(["%s"] * len(rids))
    cursor.execute(
        "select r.rid from record_resource r join connect_message m on m.id = r.message_id "  # noqa: S608 - our own marks
        f"where r.deleted and m.undone and r.rid in ({marks})",
        list(rids),
    )
    return [row[0] for row in cursor.fetchall()]


def allocate(cursor: CursorWrapper, count: int) -> list[int]:
    """Return `count` fresh message ids in rising order."""
    if cursor.db.vendor == "postgresql":
        cursor.execute(
            "select nextval(pg_get_serial_sequence('connect_message', 'id')) from generate_series(1, %s)",
            [count],
        )
        return sorted(row[0] for row in cursor.fetchall())
    # One writer at a time: the numbers given out before are in the table or in its sequence.
    cursor.execute("select coalesce((select seq from sqlite_sequence where name = 'connect_message'), 0)")
    last = int(cursor.fetchone()[0])
    return list(range(last + 1, last + 1 + count))


def _moment(cursor: CursorWrapper, moment: datetime | None) -> Any:
    return cursor.db.ops.adapt_datetimefield_value(moment)


def insert(cursor: CursorWrapper, lines: Sequence[Line]) -> None:
    """Write messages and their raw bytes."""
    rows = [
        (
            line.id,
            line.source_id,
            line.load_id,
            line.credential_id,
            line.control_id,
            line.digest,
            line.kind,
            line.via,
            line.position,
            line.size,
            _moment(cursor, line.received),
            _moment(cursor, line.occurred) if line.occurred is not None else None,
            line.status,
            line.reason_code,
            line.reason,
            line.where,
            "\n".join(line.warnings),
            line.repeat_of,
            line.resources,
            line.written,
            False,
            "",
            "",
            1,
        )
        for line in lines
    ]
    raws = [(line.id, line.raw) for line in lines if line.raw is not None]
    _insert_rows(cursor, "connect_message", _MESSAGE, rows)
    _insert_rows(cursor, "connect_messageraw", "message_id, body", raws)


def _insert_rows(cursor: CursorWrapper, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        with cursor.db.wrap_database_errors:  # past Django's cursor nothing else would do it
            _insert_past_wrapper(cursor, table, columns, rows)


def _insert_past_wrapper(
    cursor: CursorWrapper, table: str, columns: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    if cursor.db.vendor == "postgresql":
        if len(rows) >= 50:
            with cursor.copy(f"copy {table} ({columns}) from stdin") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["(" + ", ".join(["%s"] * len(rows[0])) + ")"] * len(rows))
        cursor.execute(
            f"insert into {table} ({columns}) values {marks}",  # noqa: S608 - our own names and marks
            [value for row in rows for value in row],
        )
        return
    # Straight to sqlite3: Django's wrapper would copy and rewrite every row's parameters.
    marks = ", ".join(["?"] * len(rows[0]))
    cursor.db.connection.executemany(f"insert into {table} ({columns}) values ({marks})", rows)  # noqa: S608 - our own names


def city_day(moment: datetime) -> Any:
    """Return the day in the city's zone on which a message came."""
    return moment.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def count(cursor: CursorWrapper, source_id: int, lines: Iterable[Line], now: datetime) -> None:
    """Add messages to the counts of their source, day and load."""
    days: dict[Any, Counter[str]] = {}
    loads: dict[int, Counter[str]] = {}
    for line in lines:
        day = days.setdefault(city_day(line.received), Counter())
        for tally in (day, loads.setdefault(line.load_id, Counter())) if line.load_id else (day,):
            tally[line.status] += 1
            tally["resources"] += line.resources
    for date, tally in days.items():
        add_flow(
            cursor, source_id, date, tally["stored"], tally["repeated"], tally["dead"], tally["resources"]
        )
    for load_id, tally in loads.items():
        cursor.execute(
            "update connect_load set received = received + %s, stored = stored + %s, "
            "repeated = repeated + %s, dead = dead + %s, resources = resources + %s where id = %s",
            [
                tally["stored"] + tally["repeated"] + tally["dead"],
                *(tally["stored"], tally["repeated"], tally["dead"], tally["resources"], load_id),
            ],
        )
    cursor.execute(
        "update connect_sourcesystem set last_heard = %s where id = %s", [_moment(cursor, now), source_id]
    )


def add_flow(
    cursor: CursorWrapper, source_id: int, day: Any, stored: int, repeated: int, dead: int, resources: int
) -> None:
    """Add to a source's counts of a day; negative numbers move a message from one count to another."""
    day = cursor.db.ops.adapt_datefield_value(day)
    cursor.execute(
        "insert into connect_flowcount (source_id, day, received, stored, repeated, dead, resources) "
        "values (%s, %s, 0, 0, 0, 0, 0) on conflict (source_id, day) do nothing",
        [source_id, day],
    )
    cursor.execute(
        "update connect_flowcount set received = received + %s, stored = stored + %s, "
        "repeated = repeated + %s, dead = dead + %s, resources = resources + %s "
        "where source_id = %s and day = %s",
        [stored + repeated + dead, stored, repeated, dead, resources, source_id, day],
    )
