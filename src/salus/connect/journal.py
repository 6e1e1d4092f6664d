"""The REST door: writes that source systems send to the FHIR API are messages like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.connect import ledger
from salus.connect.models import Via
from salus.record.fhir.journal import Arrival, Closing, Opened, Reply

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


def _may_come_again(arrival: Arrival) -> bool:
    """Tell whether another request can be the same message as this one."""
    return arrival.repeatable or bool(arrival.request_id)


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


def _first_replies(
    cursor: CursorWrapper, source_id: int, keys: Sequence[str]
) -> dict[str, tuple[int | None, Reply]]:
    """Return the answers that requests of these keys were given, with their messages."""
    marks = ", ".join(["%s"] * len(keys))
    cursor.execute(
        "select key, message_id, status, headers, body from connect_restanswer"  # noqa: S608 - our own marks
        f" where source_id = %s and key in ({marks})",
        [source_id, *keys],
    )
    found = {}
    for key, message_id, status, held, body in cursor.fetchall():
        headers = orjson.loads(held) if isinstance(held, str | bytes) else held
        reply = Reply(status, tuple((str(name), str(value)) for name, value in headers), bytes(body))
        found[key] = message_id, reply
    return found


@dataclass(slots=True)
class _Entry:
    """A request that was opened: its line, its key, and the dead letter that it may bring back to life.

    The key is empty where no request can ever be the same message: nobody will ask for its answer.
    """

    line: ledger.Line
    key: str
    revives: int | None = None


class ConnectJournal:
    """Keeps REST writes in the ledger; see `record.fhir.journal.Journal`."""

    def open(self, cursor: CursorWrapper, arrivals: Sequence[Arrival]) -> list[Opened]:
        """Return the message that each request will be, or the reply that its first copy got."""
        keyed = [(one, digest := _digest(one), _key(one, digest)) for one in arrivals]
        numbers = ledger.allocate(cursor, len(arrivals))
        opened: dict[int, Opened] = {}
        for source_id in sorted({one.source_id for one in arrivals}):
            mine = [at for at, one in enumerate(arrivals) if one.source_id == source_id]
            ledger.hold_source(cursor, source_id)
            again = [keyed[at] for at in mine if _may_come_again(arrivals[at])]
            first = _first_replies(cursor, source_id, [key for _, _, key in again]) if again else {}
            known = ledger.known_digests(cursor, source_id, [digest for _, digest, _ in again])
            repeats = []
            for at in mine:
                one, digest, key = keyed[at]
                number = numbers[at]
                before = known.get(digest)
                if key in first:
                    line = _line(one, number, digest, "repeated")
                    line.repeat_of = first[key][0]
                    repeats.append(line)
                    opened[at] = Opened(reply=first[key][1])
                elif before is not None and before.status == "dead":
                    # Refused before and sent again: counted as a repeat, tried anew under its first number.
                    line = _line(one, number, digest, "repeated")
                    line.repeat_of = before.id
                    opened[at] = Opened(before.id, entry=_Entry(line, key, revives=before.id))
                else:
                    line = _line(one, number, digest, "stored")
                    if before is not None:  # came by another door: counted, written again without effect
                        line.status, line.repeat_of, line.raw = "repeated", before.id, None
                    opened[at] = Opened(number, entry=_Entry(line, key if _may_come_again(one) else ""))
            if repeats:
                self._keep(cursor, source_id, repeats)
        return [opened[at] for at in range(len(arrivals))]

    def close(self, cursor: CursorWrapper, closings: Sequence[Closing]) -> None:
        """Keep the requests with what was answered, and how many resources each wrote."""
        lines: dict[int, list[ledger.Line]] = {}
        answers = []
        now = cursor.db.ops.adapt_datetimefield_value(datetime.now(UTC))
        for closing in closings:
            entry = closing.opened.entry
            if not isinstance(entry, _Entry):
                continue
            line = entry.line
            if entry.revives is not None:
                self._revive(cursor, entry.revives, closing.resources)
            elif line.status == "stored":
                line.resources = closing.resources
            lines.setdefault(line.source_id, []).append(line)
            if not entry.key:
                continue
            headers = orjson.dumps([list(pair) for pair in closing.reply.headers]).decode()
            answers.append(
                (line.source_id, entry.key, line.digest, closing.opened.message_id, closing.reply.status)
                + (headers, closing.reply.body, now)
            )
        for source_id, those in lines.items():
            self._keep(cursor, source_id, those)
        if answers:
            cursor.executemany(
                "insert into connect_restanswer"
                " (source_id, key, request_digest, message_id, status, headers, body, made_at)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (source_id, key) do nothing",
                answers,
            )

    def _keep(self, cursor: CursorWrapper, source_id: int, lines: Sequence[ledger.Line]) -> None:
        ledger.insert(cursor, lines)
        ledger.count(cursor, source_id, lines, datetime.now(UTC))

    def _revive(self, cursor: CursorWrapper, message_id: int, resources: int) -> None:
        """Turn a dead letter into a stored message, and its counts with it."""
        cursor.execute("select source_id, received_at from connect_message where id = %s", [message_id])
        source_id, received = cursor.fetchone()
        if isinstance(received, str):
            received = datetime.fromisoformat(received).replace(tzinfo=UTC)
        cursor.execute(
            "update connect_message set status = 'stored', resolution = 'replayed', resolved_at = %s, "
            "attempts = attempts + 1, resources = %s where id = %s",
            [cursor.db.ops.adapt_datetimefield_value(datetime.now(UTC)), resources, message_id],
        )
        ledger.add_flow(cursor, source_id, ledger.city_day(received), 1, 0, -1, resources)

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
