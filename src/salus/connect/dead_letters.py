"""Dead letters: looked at, edited, replayed one or many, or discarded with a reason."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from salus.connect import ledger, pipeline
from salus.connect.models import Message, MessageEdit, MessageRaw, SourceSystem, Status
from salus.connect.outcomes import audit_entries, reason_of
from salus.connect.profiles import profile_of
from salus.connect.receipts import Incoming
from salus.connect.understanding import Arrival, understand
from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid, NotFound, SalusError

LARGEST_EDIT = 16 * 1024 * 1024
_BATCH = 50
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Replayed:
    """What a replay did: how many were stored, how many failed again and why."""

    tried: int = 0
    stored: int = 0
    failed: Counter[str] = field(default_factory=Counter)


def open_letters(
    *, source: str = "", reason: str = "", kind: str = "", load: int | None = None
) -> "QuerySet[Message]":
    """Return the dead letters that nobody has dealt with, newest first, narrowed by what is given."""
    letters = Message.objects.filter(status=Status.DEAD, resolution="").select_related("source")
    if source:
        letters = letters.filter(source__code=source)
    if reason:
        letters = letters.filter(reason_code=reason)
    if kind:
        letters = letters.filter(kind=kind)
    return letters if load is None else letters.filter(load_id=load)


def raw_of(message: Message, *, actor: audit.AuditEntry | None = None) -> bytes:
    """Return the bytes of a message as sent (of a repeat: its original's).

    A message names residents, so looking at one is an audit row, given by the caller who knows the account.
    """
    if actor is not None:
        audit.record([actor])
    key = message.repeat_of_id or message.pk
    kept = MessageRaw.objects.filter(pk=key).first()
    if kept is None:
        raise NotFound("no-raw", "the bytes of this message are not kept")
    return bytes(kept.body)


def present_text(message: Message) -> bytes:
    """Return what a replay would read: the last edit, or the bytes as sent."""
    last = message.edits.first()
    return bytes(last.body) if last is not None else raw_of(message)


def edit(message: Message, body: bytes, *, note: str = "", account_id: int | None = None) -> MessageEdit:
    """Keep a corrected text beside a dead letter; the bytes as sent stay.

    Raises Conflict if the message is not an open dead letter, Invalid for an empty or huge text.
    """
    if not body.strip() or len(body) > LARGEST_EDIT:
        raise Invalid("bad-edit", "the corrected message is empty or too large")
    with transaction.atomic():
        fresh = Message.objects.select_for_update().get(pk=message.pk)
        if fresh.status != Status.DEAD or fresh.resolution:
            raise Conflict(
                "not-dead", "only an open dead letter can be edited", where=f"message {message.pk}"
            )
        last = fresh.edits.aggregate(last=Max("number"))["last"] or 0
        return MessageEdit.objects.create(
            message=fresh, number=last + 1, body=body, note=note[:500], made_by_id=account_id
        )


def discard(message: Message, *, note: str, account_id: int | None = None, actor: str = "") -> None:
    """Say that a dead letter will never be stored, and why. Raises Conflict if it is not an open one."""
    if not note.strip():
        raise Invalid("no-reason", "a message is discarded with a reason")
    with transaction.atomic(), connection.cursor() as cursor:
        changed = Message.objects.filter(pk=message.pk, status=Status.DEAD, resolution="").update(
            resolution=Message.Resolution.DISCARDED,
            resolved_at=datetime.now(UTC),
            resolved_by_id=account_id,
            resolution_note=note[:500],
        )
        if not changed:
            raise Conflict(
                "not-dead", "only an open dead letter can be discarded", where=f"message {message.pk}"
            )
        intent = audit.intend(
            cursor,
            [
                audit.AuditEntry(
                    actor=actor or "system",
                    action="discard",
                    actor_id=account_id,
                    source_id=message.source_id,
                    detail={"message": message.pk},
                )
            ],
        )
    audit.settle(intent)


def replay(
    letters: "Sequence[int] | QuerySet[Message]", *, actor: str = "", progress: Progress | None = None
) -> Replayed:
    """Try dead letters again under the present mapping and with their last edit, oldest first.

    One that can be understood now is stored under its own number; one that cannot keeps its newest reason.
    """
    if isinstance(letters, QuerySet):
        ids = list(letters.order_by("id").values_list("id", flat=True))
    else:
        ids = sorted(letters)
    result = Replayed()
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        by_source: dict[int, list[Message]] = {}
        messages = Message.objects.filter(pk__in=part, status=Status.DEAD, resolution="").select_related(
            "raw"
        )
        for message in messages.prefetch_related("edits").order_by("id"):
            by_source.setdefault(message.source_id, []).append(message)
        for source in SourceSystem.objects.filter(pk__in=by_source):
            _replay_batch(source, by_source[source.pk], result, actor)
        if progress is not None:
            progress(min(start + _BATCH, len(ids)), len(ids))
    return result


def _replay_batch(source: SourceSystem, messages: Sequence[Message], result: Replayed, actor: str) -> None:
    now = datetime.now(UTC)
    profile = profile_of(source)
    arrivals = []
    for message in messages:
        edits = list(message.edits.all())
        raw = bytes(edits[0].body if edits else message.raw.body)
        arrival = Arrival(
            Incoming(raw, via=message.via), bytes(message.digest), message.received_at, id=message.pk
        )
        understand(arrival, profile)
        arrivals.append(arrival)
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.hold_source(cursor, source.pk)
        still = set(
            Message.objects.filter(
                pk__in=[a.id for a in arrivals], status=Status.DEAD, resolution=""
            ).values_list("id", flat=True)
        )
        arrivals = [arrival for arrival in arrivals if arrival.id in still]
        pipeline.resolve(cursor, source, arrivals)
        pipeline.write_fresh(cursor, source, [a for a in arrivals if a.fault is None], now)
        for arrival in arrivals:
            if arrival.fault is None:
                pipeline.settle_dead(cursor, source, arrival, now)
            else:
                _still_dead(arrival, arrival.fault)
        stored = [arrival for arrival in arrivals if arrival.fault is None]
        entries = audit_entries(source, stored, actor=actor, action="replay")
        intent = audit.intend(cursor, entries) if entries else None
    if intent is not None:
        audit.settle(intent)
    result.tried += len(arrivals)
    result.stored += len(stored)
    result.failed.update(arrival.fault.code for arrival in arrivals if arrival.fault is not None)


def _still_dead(arrival: Arrival, fault: SalusError) -> None:
    message = Message.objects.get(pk=arrival.id)
    message.attempts += 1
    message.reason_code, message.reason, message.reason_where = reason_of(fault)
    message.save(update_fields=("attempts", "reason_code", "reason", "reason_where"))
