"""The REST door: writes that source systems send to the FHIR API are messages like any other."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.connect import ledger
from salus.connect.models import Via
from salus.record.fhir.journal import Arrival, Opened, Reply

_LONGEST_KEY = 180


def _digest(arrival: Arrival) -> bytes:
    """Return what makes two requests the same message.

    A request id alone decides where there is one; otherwise the request itself, and for a write that may
    rightly be wished twice (PUT, PATCH, DELETE) also the moment, so that it never is a repeat.
    """
    mark = blake2b(digest_size=16)
    for part in (arrival.method, arrival.target, arrival.condition):
        mark.update(part.encode() + b"\x1f")
    if arrival.request_id:
        mark.update(b"id\x1f" + arrival.request_id.encode())
    elif not arrival.repeatable:
        mark.update(arrival.received.isoformat().encode() + b"\x1f")
    mark.update(arrival.body)
    return mark.digest()


def _key(arrival: Arrival, digest: bytes) -> str:
    named = f"{arrival.method} {arrival.request_id}" if arrival.request_id else ""
    return named if 0 < len(named) <= _LONGEST_KEY else digest.hex()


def _raw(arrival: Arrival) -> bytes:
    """Return the request as it is kept: a Bundle as it came, other requests with their method and target."""
    if arrival.method == "POST" and not arrival.target.strip("/"):
        return arrival.body
    head = {"method": arrival.method, "target": arrival.target, "condition": arrival.condition}
    return orjson.dumps(head) + b"\n" + arrival.body


def _kind(arrival: Arrival) -> str:
    target = arrival.target.strip("/").split("?")[0].split("/")[0]
    return f"{arrival.method} {target or 'Bundle'}"[:64]


def _line(arrival: Arrival, number: int, digest: bytes, status: str) -> ledger.Line:
    raw = _raw(arrival)
    return ledger.Line(
        id=number,
        source_id=arrival.source_id,
        load_id=None,
        credential_id=None,
        control_id=(arrival.request_id or "")[:200].replace("\x00", ""),
        digest=digest,
        kind=_kind(arrival),
        via=Via.REST,
        position=None,
        size=len(raw),
        received=arrival.received,
        occurred=None,
        status=status,
        raw=None if status == "repeated" else raw,
    )


def _first_reply(cursor: CursorWrapper, source_id: int, key: str) -> tuple[int | None, Reply] | None:
    cursor.execute(
        "select message_id, status, headers, body from connect_restanswer where source_id = %s and key = %s",
        [source_id, key],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    headers = orjson.loads(row[2]) if isinstance(row[2], str | bytes) else row[2]
    return row[0], Reply(row[1], tuple((str(name), str(value)) for name, value in headers), bytes(row[3]))


class ConnectJournal:
    """Keeps REST writes in the ledger; see `record.fhir.journal.Journal`."""

    def open(self, cursor: CursorWrapper, arrival: Arrival) -> Opened:
        """Keep the raw request in the caller's transaction, or return the reply that its first copy got."""
        ledger.hold_source(cursor, arrival.source_id)
        digest = _digest(arrival)
        key = _key(arrival, digest)
        first = _first_reply(cursor, arrival.source_id, key)
        now = datetime.now(UTC)
        (number,) = ledger.allocate(cursor, 1)
        if first is not None:
            line = _line(arrival, number, digest, "repeated")
            line.repeat_of = first[0]
            ledger.insert(cursor, [line])
            ledger.count(cursor, arrival.source_id, [line], now)
            return Opened(reply=first[1])
        known = ledger.known_digests(cursor, arrival.source_id, [digest]).get(digest)
        if known is not None and known.status == "dead":
            # Refused before and sent again: counted as a repeat, tried anew under its first number.
            line = _line(arrival, number, digest, "repeated")
            line.repeat_of = known.id
            ledger.insert(cursor, [line])
            ledger.count(cursor, arrival.source_id, [line], now)
            self._remember(cursor, arrival, key, digest, known.id)
            return Opened(message_id=known.id)
        line = _line(arrival, number, digest, "stored")
        if known is not None:  # came by another door: count it, write it again (which changes nothing)
            line.status, line.repeat_of, line.raw = "repeated", known.id, None
        ledger.insert(cursor, [line])
        ledger.count(cursor, arrival.source_id, [line], now)
        self._remember(cursor, arrival, key, digest, number)
        return Opened(message_id=number)

    def _remember(
        self, cursor: CursorWrapper, arrival: Arrival, key: str, digest: bytes, number: int
    ) -> None:
        """Keep room for the answer, under the key by which a repeat will be known."""
        cursor.execute(
            "insert into connect_restanswer "
            "(source_id, key, request_digest, message_id, status, headers, body, made_at) "
            "values (%s, %s, %s, %s, 0, '[]', %s, %s) on conflict (source_id, key) do nothing",
            [
                arrival.source_id,
                key,
                digest,
                number,
                b"",
                cursor.db.ops.adapt_datetimefield_value(datetime.now(UTC)),
            ],
        )

    def close(self, cursor: CursorWrapper, message_id: int, reply: Reply, resources: int) -> None:
        """Note, in the same transaction, what was answered and how many resources were written."""
        headers: Any = orjson.dumps([list(pair) for pair in reply.headers]).decode()
        cursor.execute(
            "update connect_restanswer set status = %s, headers = %s, body = %s where message_id = %s",
            [reply.status, headers, reply.body, message_id],
        )
        cursor.execute(
            "select source_id, status, received_at from connect_message where id = %s", [message_id]
        )
        source_id, status, received = cursor.fetchone()
        if isinstance(received, str):
            received = datetime.fromisoformat(received).replace(tzinfo=UTC)
        day = ledger.city_day(received)
        if status == "dead":
            moment = cursor.db.ops.adapt_datetimefield_value(datetime.now(UTC))
            cursor.execute(
                "update connect_message set status = 'stored', resolution = 'replayed', resolved_at = %s, "
                "attempts = attempts + 1 where id = %s",
                [moment, message_id],
            )
            ledger.add_flow(cursor, source_id, day, 1, 0, -1, 0)
        if status != "repeated" and resources:
            cursor.execute("update connect_message set resources = %s where id = %s", [resources, message_id])
            ledger.add_flow(cursor, source_id, day, 0, 0, 0, resources)

    def refuse(self, arrival: Arrival, reply: Reply, code: str, reason: str) -> None:
        """Keep a refused request as a dead letter, in its own transaction."""
        digest = _digest(arrival)
        with transaction.atomic(), connection.cursor() as cursor:
            ledger.hold_source(cursor, arrival.source_id)
            known = ledger.known_digests(cursor, arrival.source_id, [digest]).get(digest)
            (number,) = ledger.allocate(cursor, 1)
            line = _line(arrival, number, digest, "dead" if known is None else "repeated")
            if known is None:
                line.reason_code, line.reason = code[:64], reason[:1000].replace("\x00", "")
            else:
                line.repeat_of = known.id
            ledger.insert(cursor, [line])
            ledger.count(cursor, arrival.source_id, [line], datetime.now(UTC))
