"""Appending to a hash chain: taking a free chain over, hashing, moving its signed head, all in one go."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from salus.kernel.audit.entries import COLUMNS, PERSON, Fields, canonical, row_id
from salus.kernel.audit.heads import Head, Signer
from salus.kernel.models.audit import SEQ_BITS

ALIAS = "audit"
LEASE = 60_000_000
"""Microseconds after its last batch at which another process may take a chain over."""

_CREATE_LOCK = 0x53414C5553
GENESIS = b"\0" * 32
_TABLE_COLUMNS = ("id", *COLUMNS, "hash")


class ChainLost(Exception):
    """Another process took the chain over; nothing was written."""


@dataclass(slots=True)
class Held:
    """The chain that this writer holds and its end."""

    chain: int
    seq: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """Rows that belong together; with an intent they enter the chain once only."""

    rows: Sequence[Fields]
    intent: UUID | None = None


def new_owner() -> str:
    """Return this process's name as a chain's owner: host, process and a random part."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(6)}"


def owner_gone(owner: str) -> bool:
    """Say whether the owner was a process of this host that has ended."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname()[:40] or not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class Appender:
    """Writes batches to one chain through one Django connection (alias `audit`)."""

    def __init__(self, signer: Signer, owner: str) -> None:
        self.signer = signer
        self.owner = owner
        self.held: Held | None = None
        self.attempted: Head | None = None

    def write(self, items: Sequence[Item]) -> Head | None:
        """Append the items in one transaction and return the new head; None when all were settled before.

        Raises:
            ChainLost: another process took the chain; call again, another chain will be taken.
        """
        connection = connections[ALIAS]
        postgres = connection.vendor == "postgresql"
        try:
            with transaction.atomic(using=ALIAS), connection.cursor() as cursor:
                fresh = self._unsettled(cursor, items, postgres)
                rows = [row for item in fresh for row in item.rows]
                if not rows:
                    return None
                held = self.held or self._acquire(cursor, postgres)
                seq, digest = held.seq, held.digest
                values: list[tuple[Any, ...]] = []
                for row in rows:
                    seq += 1
                    key = row_id(held.chain, seq)
                    digest = sha256(digest + canonical(key, row)).digest()
                    values.append((key, *row, digest))
                now = time.time_ns() // 1000
                head = self.signer.sign(held.chain, seq, digest, now)
                self.attempted = head
                self._move_head(cursor, held, head)
                _insert(cursor, values, postgres)
        except BaseException:
            self.held = None
            raise
        self.held = Held(head.chain, head.seq, head.hash)
        return head

    def committed_after_all(self) -> bool:
        """After an error, say whether the batch was committed (only the answer to COMMIT was lost)."""
        head = self.attempted
        if head is None:
            return False
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("select hash from kernel_auditrow where id = %s", [row_id(head.chain, head.seq)])
            found = cursor.fetchone()
        return found is not None and bytes(found[0]) == head.hash

    def release(self) -> None:
        """Give the chain up, so that the next process takes it over at once."""
        if self.held is not None:
            with connections[ALIAS].cursor() as cursor:
                cursor.execute(
                    "update kernel_auditchain set owner = '', lease_until = 0 where id = %s and owner = %s",
                    [self.held.chain, self.owner],
                )
            self.held = None

    def _move_head(self, cursor: Any, held: Held, head: Head) -> None:
        cursor.execute(
            "update kernel_auditchain set owner = %s, lease_until = %s, head_seq = %s, head_hash = %s,"
            " head_at = %s, key_id = %s, signature = %s where id = %s and owner = %s and head_seq = %s",
            [
                self.owner,
                head.at + LEASE,
                head.seq,
                head.hash,
                head.at,
                head.key_id,
                head.signature,
                held.chain,
                self.owner,
                held.seq,
            ],
        )
        if cursor.rowcount != 1:
            raise ChainLost

    def _acquire(self, cursor: Any, postgres: bool) -> Held:
        lock = " for update skip locked" if postgres else ""
        cursor.execute(
            f"select id, owner, lease_until, head_seq, head_hash from kernel_auditchain order by id{lock}"  # noqa: S608
        )
        now = time.time_ns() // 1000
        for chain, owner, lease_until, seq, digest in cursor.fetchall():
            if owner and owner != self.owner and lease_until > now and not owner_gone(owner):
                continue
            cursor.execute(
                "select max(id) from kernel_auditrow where id >= %s and id < %s",
                [chain << SEQ_BITS, (chain + 1) << SEQ_BITS],
            )
            last = cursor.fetchone()[0]
            if (last or row_id(chain, 0)) != row_id(chain, seq):
                # Its rows do not end at its head: somebody tampered. It stays as it is for the auditor.
                continue
            cursor.execute(
                "update kernel_auditchain set owner = %s, lease_until = %s where id = %s",
                [self.owner, now + LEASE, chain],
            )
            return Held(chain, seq, bytes(digest))
        if postgres:
            cursor.execute("select pg_advisory_xact_lock(%s)", [_CREATE_LOCK])
        cursor.execute("select coalesce(max(id), 0) + 1 from kernel_auditchain")
        chain = cursor.fetchone()[0]
        cursor.execute(
            "insert into kernel_auditchain"
            " (id, owner, lease_until, head_seq, head_hash, head_at, key_id, signature)"
            " values (%s, %s, %s, 0, %s, %s, '', %s)",
            [chain, self.owner, now + LEASE, GENESIS, now, b""],
        )
        return Held(chain, 0, GENESIS)

    def _unsettled(self, cursor: Any, items: Sequence[Item], postgres: bool) -> list[Item]:
        intents = [item.intent for item in items if item.intent is not None]
        if not intents:
            return list(items)
        keys: list[Any] = list(intents) if postgres else [intent.hex for intent in intents]
        marks = ", ".join(["%s"] * len(keys))
        if postgres:
            # A second settler waits here for the first one's commit, then finds its row.
            rows = ", ".join(["(%s)"] * len(keys))
            cursor.execute(
                f"insert into kernel_auditsettled (intent) values {rows}"  # noqa: S608 - placeholders only
                " on conflict do nothing returning intent",
                keys,
            )
            new = {row[0] for row in cursor.fetchall()}
            seen: set[UUID] = {intent for intent in intents if intent not in new}
        else:
            cursor.execute(f"select intent from kernel_auditsettled where intent in ({marks})", keys)  # noqa: S608
            seen = {UUID(hex=row[0]) for row in cursor.fetchall()}
            cursor.executemany(
                "insert or ignore into kernel_auditsettled (intent) values (%s)", [[key] for key in keys]
            )
        fresh = []
        for item in items:
            if item.intent is not None:
                if item.intent in seen:
                    continue
                seen.add(item.intent)
            fresh.append(item)
        return fresh


_PG_TYPES = {
    "id": "bigint",
    "at": "bigint",
    "actor_id": "bigint",
    "person_id": "uuid",
    "institution_id": "bigint",
    "source_id": "bigint",
    "break_glass": "bool",
    "hash": "bytea",
}


def _insert(cursor: Any, values: list[tuple[Any, ...]], postgres: bool) -> None:
    names = ", ".join(_TABLE_COLUMNS)
    if not postgres:
        marks = ", ".join(["%s"] * len(_TABLE_COLUMNS))
        cursor.executemany(f"insert into kernel_auditrow ({names}) values ({marks})", values)  # noqa: S608
        return
    # One statement with a column an array: about four times as fast as one insert a row.
    person = PERSON + 1
    columns = [
        [None if value is None else UUID(hex=value) for value in column] if number == person else list(column)
        for number, column in enumerate(zip(*values, strict=True))
    ]
    arrays = ", ".join(f"%s::{_PG_TYPES.get(name, 'text')}[]" for name in _TABLE_COLUMNS)
    cursor.execute(f"insert into kernel_auditrow ({names}) select * from unnest({arrays})", columns)  # noqa: S608
