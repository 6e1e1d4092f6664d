"""Audit intents: entries that ride in a write's own transaction and enter the chain after its commit.

If the process dies between the two commits, `recover` finishes the work. An intent enters a chain once only.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.db import connections, transaction

from salus.kernel.audit.chain import ALIAS, Item
from salus.kernel.audit.entries import AuditEntry, Fields, fields
from salus.kernel.audit.writer import Done, write_item, write_items_then
from salus.kernel.ids import uuid7

_CLEARED_AT_ONCE = 200
_KEEP_SETTLED = 3_600_000
"""Milliseconds for which a settled intent's mark is kept: longer than any recovery runs."""

_settled: deque[UUID] = deque()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Intent:
    """Entries that were written with a transaction and wait for its commit."""

    id: UUID
    rows: tuple[Fields, ...]


def _key(value: UUID, vendor: str) -> UUID | str:
    return value if vendor == "postgresql" else value.hex


def intend(cursor: Any, entries: Sequence[AuditEntry]) -> Intent:
    """Write the entries as an intent through the caller's cursor, inside the caller's transaction.

    Call `settle` with the result after the commit. The same statement clears intents settled before.
    """
    intent = Intent(uuid7(), tuple(fields(item) for item in entries))
    if not intent.rows:
        return intent
    vendor = cursor.db.vendor
    cursor.execute(
        "insert into kernel_auditintent (id, at, entries) values (%s, %s, %s)",
        [_key(intent.id, vendor), time.time_ns() // 1000, orjson.dumps(intent.rows)],
    )
    with _lock:
        done = [_settled.popleft() for _ in range(min(len(_settled), _CLEARED_AT_ONCE))]
    if done:
        marks = ", ".join(["%s"] * len(done))
        cursor.execute(
            f"delete from kernel_auditintent where id in ({marks})",  # noqa: S608 - placeholders only
            [_key(item, vendor) for item in done],
        )
    return intent


def settle(intent: Intent) -> None:
    """Bring a committed intent's entries into the chain; they are durable when this returns.

    Raises:
        AuditUnavailable: the chain could not be written; the intent stays and `recover` will settle it.
    """
    if intent.rows:
        write_item(Item(intent.rows, intent.id))
        with _lock:
            _settled.append(intent.id)


def settle_then(intents: Sequence[Intent], done: Done) -> None:
    """As `settle` for several, without waiting: `done` is called by the audit thread, see `record_then`."""

    def written(error: BaseException | None) -> None:
        if error is None:
            settled(one.id for one in intents)
        done(error)

    write_items_then([Item(one.rows, one.id) for one in intents if one.rows], written)


def settled(intents: Iterable[UUID]) -> None:
    """Note that these intents are in a chain, so that this process clears them with those it writes next."""
    with _lock:
        _settled.extend(intents)


def recover(*, limit: int = 5000, older_than: float = 0.0) -> int:
    """Settle intents that a process left behind, and clear what is settled; returns how many were looked at.

    Run at start and every minute. `older_than` is in seconds.
    """
    with _lock:
        _settled.clear()
    total = 0
    horizon = time.time_ns() // 1000 - int(older_than * 1_000_000)
    connection = connections["default"]
    while total < limit:
        with connection.cursor() as cursor:
            cursor.execute(
                "select id, entries from kernel_auditintent where at <= %s order by at limit %s",
                [horizon, min(500, limit - total)],
            )
            found = cursor.fetchall()
        if not found:
            break
        for key, entries in found:
            rows = tuple(tuple(row) for row in orjson.loads(bytes(entries)))
            write_item(Item(rows, key if isinstance(key, UUID) else UUID(hex=key)))
        with transaction.atomic(using="default"), connection.cursor() as cursor:
            marks = ", ".join(["%s"] * len(found))
            cursor.execute(
                f"delete from kernel_auditintent where id in ({marks})",  # noqa: S608 - placeholders only
                [key for key, _ in found],
            )
        total += len(found)
    _forget_marks()
    return total


def _forget_marks() -> None:
    """Drop the marks of settled intents that are long gone (their keys begin with their time)."""
    before = UUID(int=(time.time_ns() // 1_000_000 - _KEEP_SETTLED) << 80)
    audit, default = connections[ALIAS], connections["default"]
    with audit.cursor() as cursor:
        cursor.execute(
            "select intent from kernel_auditsettled where intent < %s order by intent limit 5000",
            [_key(before, audit.vendor)],
        )
        marks = [row[0] if isinstance(row[0], UUID) else UUID(hex=row[0]) for row in cursor.fetchall()]
    for start in range(0, len(marks), 500):
        part = marks[start : start + 500]
        places = ", ".join(["%s"] * len(part))
        with default.cursor() as cursor:
            cursor.execute(
                f"select id from kernel_auditintent where id in ({places})",  # noqa: S608 - placeholders only
                [_key(item, default.vendor) for item in part],
            )
            waiting = {row[0] if isinstance(row[0], UUID) else UUID(hex=row[0]) for row in cursor.fetchall()}
        gone = [item for item in part if item not in waiting]
        if gone:
            places = ", ".join(["%s"] * len(gone))
            with transaction.atomic(using=ALIAS), audit.cursor() as cursor:
                cursor.execute(
                    f"delete from kernel_auditsettled where intent in ({places})",  # noqa: S608
                    [_key(item, audit.vendor) for item in gone],
                )
