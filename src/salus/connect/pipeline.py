"""The one way in: a batch of a source's messages becomes resources, links, audit rows and receipts.

Order inside the transaction: hold the source, look for repeats, Patients, links, merges, everything
else, ledger, audit intent, commit. Patients go first so that what belongs to them knows its person.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from django.db import DEFAULT_DB_ALIAS, DataError, IntegrityError, ProgrammingError, connections, transaction
from django.db.backends.utils import CursorWrapper

from salus.connect import ledger, linking
from salus.connect.errors import Untranslatable
from salus.connect.lookups import identifiers_of, look_up, parse_search
from salus.connect.models import SourceSystem
from salus.connect.outcomes import audit_entries, line_of, plain, receipt_of, summary
from salus.connect.preparing import (
    NO_CONDITIONS,
    Conditions,
    Prepared,
    id_of,
    meta_source,
    prepare,
    settle_pending,
)
from salus.connect.profiles import profile_of
from salus.connect.receipts import Incoming, Receipt
from salus.connect.translation import SourceProfile
from salus.connect.understanding import CODER_FAULTS, Arrival, arrival_of, understand, unexpected
from salus.kernel import audit
from salus.kernel.errors import SalusError
from salus.record import store

REFUSALS = (DataError, IntegrityError, ProgrammingError)
"""What a database raises over a message's content; anything else is its own trouble."""

Also: TypeAlias = Callable[[CursorWrapper], None]
"""What else happens in a batch's transaction, after its messages."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A batch's receipts, its messages' digests, and the seconds that its transaction held the database."""

    receipts: list[Receipt]
    digests: list[bytes]
    held: float


def receive_batch(
    source: SourceSystem,
    items: Sequence[Incoming],
    *,
    rehearsal: bool = False,
    also: Also | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> Outcome:
    """Take a batch of a source's messages; see `services.receive`.

    In a rehearsal the caller rolls back: no audit row is written. `also` runs inside the transaction
    after the messages (a pull moves its watermark there).
    """
    if not items:
        return Outcome([], [], 0.0)
    arrivals = understood_unless_known(source, items, using=using)
    return receive_arrivals(source, arrivals, rehearsal=rehearsal, also=also, using=using)


def understood_unless_known(
    source: SourceSystem, items: Sequence[Incoming], *, using: str = DEFAULT_DB_ALIAS
) -> list[Arrival]:
    """Return the messages, understood but for those that are stored already: they need not be."""
    arrivals = [arrival_of(item) for item in items]
    profile = profile_of(source)
    with connections[using].cursor() as cursor:
        known = ledger.known_digests(cursor, source.pk, [arrival.digest for arrival in arrivals])
    for arrival in arrivals:
        before = known.get(arrival.digest)
        if before is None or before.status == "dead":
            understand(arrival, profile)
    return arrivals


def receive_arrivals(
    source: SourceSystem,
    arrivals: Sequence[Arrival],
    *,
    rehearsal: bool = False,
    also: Also | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> Outcome:
    """Store messages that have been understood already; otherwise as `receive_batch`."""
    started = time.perf_counter()
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        intent = _take(cursor, source, profile_of(source), arrivals, datetime.now(UTC), rehearsal)
        if also is not None:
            also(cursor)
    held = time.perf_counter() - started
    if intent is not None and not rehearsal:
        audit.settle(intent)
    receipts = [receipt_of(arrival) for arrival in arrivals]
    return Outcome(receipts, [arrival.digest for arrival in arrivals], held)


def _take(
    cursor: CursorWrapper,
    source: SourceSystem,
    profile: SourceProfile,
    arrivals: Sequence[Arrival],
    now: datetime,
    rehearsal: bool,
) -> audit.Intent | None:
    """Write a batch in the caller's transaction and return its audit intent."""
    ledger.hold_source(cursor, source.pk)
    known = ledger.known_digests(cursor, source.pk, [arrival.digest for arrival in arrivals])
    first: dict[bytes, Arrival] = {}
    for arrival, number in zip(arrivals, ledger.allocate(cursor, len(arrivals)), strict=True):
        arrival.id = number
        before = known.get(arrival.digest)
        if before is not None:
            arrival.status, arrival.original = "repeated", before
        elif (twin := first.get(arrival.digest)) is not None:
            arrival.status, arrival.twin = "repeated", twin
        else:
            first[arrival.digest] = arrival
            if arrival.prepared is None and arrival.translation is None and arrival.fault is None:
                understand(arrival, profile)  # its first copy was undone in between
    fresh = list(first.values())
    resolve(cursor, source, fresh)
    write_fresh(cursor, source, [arrival for arrival in fresh if arrival.fault is None], now)
    _note_controls(cursor, source, fresh)
    revived = _revive(cursor, source, arrivals, now)
    lines = [line_of(arrival, source) for arrival in arrivals]
    ledger.insert(cursor, lines)
    ledger.count(cursor, source.pk, lines, now)
    entries = [] if rehearsal else audit_entries(source, [*fresh, *revived])
    return audit.intend(cursor, entries) if entries else None


def resolve(cursor: CursorWrapper, source: SourceSystem, fresh: Sequence[Arrival]) -> None:
    """Prepare messages with conditional entries, then point conditional references at what they mean."""
    for arrival in fresh:
        if arrival.prepared is None and arrival.fault is None and arrival.translation is not None:
            asked = {
                (entry.resource["resourceType"], entry.resource["id"]): (
                    entry.resource["resourceType"],
                    parse_search(entry.condition),
                )
                for entry in arrival.translation.entries
                if entry.condition
            }
            found = look_up(cursor, source.pk, asked.values())
            here = Conditions({key: found[search] for key, search in asked.items() if search in found})
            try:
                arrival.prepared = prepare(source.code, arrival.translation, here or NO_CONDITIONS)
            except SalusError as fault:
                arrival.fault = fault
            except CODER_FAULTS as fault:
                arrival.fault = unexpected(fault)
    waiting = [
        arrival
        for arrival in fresh
        if arrival.fault is None and arrival.prepared and arrival.prepared.pending
    ]
    if not waiting:
        return
    wanted = {(one.type, one.search) for arrival in waiting for one in _prepared(arrival).pending}
    types = {kind for kind, _ in wanted}
    found = look_up(cursor, source.pk, wanted)
    for arrival in fresh:  # what comes in this very batch counts as found
        if arrival.fault is None and arrival.prepared is not None:
            for write in arrival.prepared.writes:
                if write.type in types and write.body is not None:
                    for search in identifiers_of(write.body):
                        found.setdefault((write.type, search), write.id)
    for arrival in waiting:
        prepared = _prepared(arrival)
        by_id = {
            (one.type, one.search): id_of(source.code, one.type, one.search.value)
            for one in prepared.pending
            if one.search.name == "_id"
        }
        prepared.warnings += settle_pending(prepared.pending, {**found, **by_id})
        prepared.pending = []


def _prepared(arrival: Arrival) -> Prepared:
    if arrival.prepared is None:
        raise AssertionError("a message without a fault has been prepared")
    return arrival.prepared


def write_fresh(cursor: CursorWrapper, source: SourceSystem, fresh: Sequence[Arrival], now: datetime) -> None:
    """Write messages together; if that fails, halve until only the guilty ones are dead letters."""
    if not fresh:
        return
    try:
        with transaction.atomic(using=cursor.db.alias):
            _write_together(cursor, source, fresh, now)
        return
    except transaction.TransactionManagementError:
        raise  # the transaction is gone already, through no message's fault
    except (SalusError, *REFUSALS, *CODER_FAULTS) as fault:
        if len(fresh) == 1:
            _condemn(fresh[0], fault)
            return
    half = len(fresh) // 2
    write_fresh(cursor, source, fresh[:half], now)
    write_fresh(cursor, source, fresh[half:], now)


def _condemn(arrival: Arrival, fault: Exception) -> None:
    arrival.written = []
    if isinstance(fault, SalusError):
        arrival.fault = fault
    elif isinstance(fault, REFUSALS):
        arrival.fault = Untranslatable("not-storable", "the database refused the message's content")
    else:
        arrival.fault = unexpected(fault)


def _write_together(
    cursor: CursorWrapper, source: SourceSystem, fresh: Sequence[Arrival], now: datetime
) -> None:
    patients: list[store.Write] = []
    others: list[store.Write] = []
    patient_owner: list[Arrival] = []
    other_owner: list[Arrival] = []
    known_as = meta_source(source.code)
    ensured: set[tuple[str, str]] = set()  # the same ward or doctor comes with each message of a batch
    for arrival in fresh:
        arrival.written, arrival.notes = [], []
        for draft in _prepared(arrival).writes:
            if draft.method == "ensure":
                if (key := (draft.type, draft.id)) in ensured:
                    continue
                ensured.add(key)
            write = store.Write(
                draft.type,
                draft.id,
                draft.body,
                draft.method,
                source.pk,
                arrival.id,
                draft.source_time,
                source=known_as,
                prepared=draft.ready,
            )
            if write.type == "Patient" and write.method != "delete":
                patients.append(write)
                patient_owner.append(arrival)
            else:
                others.append(write)
                other_owner.append(arrival)
    if patients:
        written = _store(cursor, patients, now)
        persons = linking.link(cursor, source, written, now)
        for arrival, one in zip(patient_owner, written, strict=True):
            person = persons.get(one.rid)
            arrival.written.append(replace(one, person_id=person) if person is not None else one)
    for arrival in fresh:
        for kept, retired in _prepared(arrival).merges:
            if not linking.merge(cursor, source, kept, retired, arrival.id, now):
                arrival.notes.append(
                    "the merge changed nothing: the patients are one person, or one is unknown"
                )
    if others:
        for arrival, one in zip(other_owner, _store(cursor, others, now), strict=True):
            arrival.written.append(one)


def _store(cursor: CursorWrapper, writes: Sequence[store.Write], now: datetime) -> list[store.Written]:
    """Write; what an undone load took away may be ensured anew."""
    written = store.write(cursor, writes, now=now)
    gone = {
        one.rid: at
        for at, (write, one) in enumerate(zip(writes, written, strict=True))
        if write.method == "ensure" and one.outcome == "unchanged" and not one.body
    }
    if gone:
        undone = ledger.undone_tombstones(cursor, sorted(gone))
        again = [gone[rid] for rid in undone]
        puts = [replace(writes[at], method="put") for at in again]
        for at, one in zip(again, store.write(cursor, puts, now=now), strict=True):
            written[at] = one
    return written


def _note_controls(cursor: CursorWrapper, source: SourceSystem, fresh: Sequence[Arrival]) -> None:
    """Warn where a control id comes again with other content: the sender's numbering deserves a look."""
    hl7 = {
        arrival.prepared.control_id: arrival
        for arrival in fresh
        if arrival.fault is None
        and arrival.prepared is not None
        and arrival.prepared.control_id
        and _numbered(arrival)
    }
    if hl7:
        for control in ledger.known_controls(cursor, source.pk, sorted(hl7)):
            _prepared(hl7[control]).warnings.append("the control id was used before for another message")


def _numbered(arrival: Arrival) -> bool:
    return arrival.item.raw[:3] == b"MSH"


def _revive(
    cursor: CursorWrapper, source: SourceSystem, arrivals: Sequence[Arrival], now: datetime
) -> list[Arrival]:
    """Try dead letters that were sent again: what is understood by now is stored under its first number."""
    tried: dict[int, Arrival] = {}
    for arrival in arrivals:
        before = arrival.original
        if before is None or before.status != "dead" or before.id in tried:
            continue
        if arrival.fault is not None or (arrival.prepared is None and arrival.translation is None):
            continue
        again = Arrival(arrival.item, arrival.digest, arrival.received, arrival.load_id)
        again.translation, again.prepared = arrival.translation, arrival.prepared
        again.id = before.id
        tried[before.id] = again
    if not tried:
        return []
    resolve(cursor, source, list(tried.values()))
    write_fresh(cursor, source, [one for one in tried.values() if one.fault is None], now)
    alive = [one for one in tried.values() if one.fault is None]
    for one in alive:
        settle_dead(cursor, source, one, now)
    stored = {one.id: one for one in alive}
    for arrival in arrivals:
        if arrival.original is not None and arrival.original.id in stored:
            arrival.original = replace(arrival.original, status="stored", reason_code="", reason="", where="")
    return alive


def settle_dead(cursor: CursorWrapper, source: SourceSystem, arrival: Arrival, now: datetime) -> None:
    """Turn a dead letter that has been written into a stored message, and its counts with it."""
    prepared = _prepared(arrival)
    moment = cursor.db.ops.adapt_datetimefield_value
    cursor.execute(
        "update connect_message set status = 'stored', resolution = 'replayed', resolved_at = %s, kind = %s, "
        "control_id = %s, occurred = %s, resources = %s, written = %s, warnings = %s, "
        "attempts = attempts + 1 where id = %s and status = 'dead'",
        [
            moment(now),
            plain(prepared.kind, 64),
            plain(prepared.control_id, 200),
            moment(prepared.occurred) if prepared.occurred is not None else None,
            *summary(arrival),
            "\n".join(arrival.warnings),
            arrival.id,
        ],
    )
    if cursor.rowcount != 1:
        return
    cursor.execute("select received_at, load_id from connect_message where id = %s", [arrival.id])
    received, load_id = cursor.fetchone()
    if isinstance(received, str):
        received = datetime.fromisoformat(received).replace(tzinfo=UTC)
    resources = summary(arrival)[0]
    ledger.add_flow(cursor, source.pk, ledger.city_day(received), 1, 0, -1, resources)
    if load_id is not None:
        cursor.execute(
            "update connect_load set stored = stored + 1, dead = dead - 1, resources = resources + %s "
            "where id = %s",
            [resources, load_id],
        )
