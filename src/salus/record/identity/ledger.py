"""The book of identity: every change of who is who is one event, applied here and nowhere else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel.errors import Conflict, NotFound
from salus.kernel.ids import uuid7
from salus.record import store
from salus.record.identity import golden
from salus.record.identity.engine.resident import RESIDENT_ID
from salus.record.models import (
    KeepApart,
    LinkEvent,
    LinkKind,
    PatientLink,
    Person,
    PersonIdentifier,
    PersonStatus,
    ReviewPair,
    ReviewStatus,
)


@dataclass(frozen=True, slots=True)
class By:
    """Who decides: an account, or the machine or a source system by name; how, and on what evidence."""

    actor: str
    method: str
    account_id: int | None = None
    score: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)


MACHINE = "machine"


def lock(cursor: CursorWrapper, person_ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Lock persons against other decisions and return them; raises `NotFound`."""
    ids = sorted(set(person_ids))
    query = Person.objects.filter(id__in=ids).order_by("id")
    if cursor.db.vendor == "postgresql":
        query = query.select_for_update()
    found = {p.id: p for p in query}
    if len(found) != len(ids):
        raise NotFound("no-person", "There is no such person")
    return found


def records_of(person_id: UUID) -> list[int]:
    """Return the patient records linked to a person, oldest first."""
    links = PatientLink.objects.filter(person_id=person_id).order_by("patient_rid")
    return list(links.values_list("patient_rid", flat=True))


def apart(left: Sequence[int], right: Sequence[int]) -> bool:
    """Whether a human keeps any record on the left apart from any on the right."""
    on_right = set(right)
    for start in range(0, len(left), 300):
        part = left[start : start + 300]
        low = KeepApart.objects.filter(low_rid__in=part).values_list("low_rid", "high_rid")
        high = KeepApart.objects.filter(high_rid__in=part).values_list("high_rid", "low_rid")
        if any(other in on_right for _, other in [*low, *high]):
            return True
    return False


def numbers(patient_rids: Sequence[int]) -> set[str]:
    """Return the valid resident identity numbers that records carry."""
    found = PersonIdentifier.objects.filter(system=RESIDENT_ID, patient_rid__in=patient_rids)
    return set(found.values_list("value", flat=True))


def move(
    cursor: CursorWrapper,
    kind: LinkKind,
    moves: Sequence[tuple[int, UUID, UUID]],
    *,
    by: By,
    person_id: UUID,
    other_id: UUID | None = None,
    separated: Sequence[tuple[int, int]] = (),
    restore: Sequence[tuple[str, str, str | None]] = (),
    reverses: LinkEvent | None = None,
    now: datetime | None = None,
    refresh: bool = True,
) -> LinkEvent:
    """Write an event and apply it: patient records move between persons, their resources with them.

    `moves` are (patient_rid, person before, person after), `separated` pairs of records to keep apart,
    `restore` (person, status, merged into) to set as they were. A person left without records is
    merged into where its last records went, or empty. Without `refresh` the caller chooses the golden
    records of the persons anew. Raises `Conflict` if a record is no longer where `moves` says.
    """
    at = now or timezone.now()
    rids = [rid for rid, _, _ in moves]
    where = dict(PatientLink.objects.filter(patient_rid__in=rids).values_list("patient_rid", "person_id"))
    if any(where.get(rid) != before for rid, before, _ in moves):
        raise Conflict(
            "identity-moved", "A later decision moved these records", fix="Take the later decision back first"
        )
    involved = {p for _, a, b in moves for p in (a, b)}
    persons = lock(cursor, involved | {UUID(p) for p, _, _ in restore})
    before = [[str(p.id), p.status, str(p.merged_into) if p.merged_into else None] for p in persons.values()]
    event = LinkEvent.objects.create(
        at=at, kind=kind, actor=by.actor, account_id=by.account_id, method=by.method, score=by.score,
        person_id=person_id, other_id=other_id, patient_rid=rids[0] if len(rids) == 1 else None,
        moves=[[rid, str(a), str(b)] for rid, a, b in moves],
        apart=[list(pair) for pair in separated] or None,
        statuses=before, evidence=by.evidence or None, reverses=reverses,
    )  # fmt: skip
    for rid, _, after in moves:
        PatientLink.objects.filter(patient_rid=rid).update(
            person_id=after, method=by.method, score=by.score, event_id=event.id
        )
        store.reassign(cursor, rid, after, now=at)
    KeepApart.objects.bulk_create(
        [KeepApart(low_rid=min(pair), high_rid=max(pair), event=event) for pair in separated],
        ignore_conflicts=True,
    )
    _settle_statuses(persons, moves, {p: (s, m) for p, s, m in restore})
    _settle_reviews(rids, event, at)
    if refresh:
        golden.refresh(cursor, [p.id for p in persons.values()], now=at, today=at.date())
    return event


def _settle_statuses(
    persons: dict[UUID, Person],
    moves: Sequence[tuple[int, UUID, UUID]],
    restore: dict[str, tuple[str, str | None]],
) -> None:
    went = {before: after for _, before, after in moves}
    living = set(
        PatientLink.objects.filter(person_id__in=persons).values_list("person_id", flat=True).distinct()
    )
    for person in persons.values():
        was = (person.status, person.merged_into)
        if person.id in living:
            person.status, person.merged_into = PersonStatus.ACTIVE, None
        elif restore.get(str(person.id), (PersonStatus.ACTIVE,))[0] != PersonStatus.ACTIVE:
            status, merged = restore[str(person.id)]
            person.status, person.merged_into = status, UUID(merged) if merged else None
        elif person.id in went:
            person.status, person.merged_into = PersonStatus.MERGED, went[person.id]
        else:
            person.status, person.merged_into = PersonStatus.EMPTY, None
        if (person.status, person.merged_into) != was:
            person.save(update_fields=["status", "merged_into"])


def _settle_reviews(rids: Sequence[int], event: LinkEvent, at: datetime) -> None:
    """Close open pairs whose records have come into one person, or were just separated."""
    from django.db.models import Q

    if not rids:
        pairs = event.apart or []
        rids = [r for pair in pairs for r in pair]
    open_pairs = ReviewPair.objects.filter(
        Q(low_rid__in=rids) | Q(high_rid__in=rids), status=ReviewStatus.OPEN
    )
    pairs = list(open_pairs)
    ends = {r for p in pairs for r in (p.low_rid, p.high_rid)}
    person = dict(PatientLink.objects.filter(patient_rid__in=ends).values_list("patient_rid", "person_id"))
    kept = {tuple(pair) for pair in event.apart or []}
    for pair in pairs:
        same = person.get(pair.low_rid) == person.get(pair.high_rid)
        if (same and not pair.sampled) or (pair.low_rid, pair.high_rid) in kept:
            pair.status, pair.event, pair.decided, pair.decided_by = (
                ReviewStatus.SETTLED,
                event,
                at,
                event.actor,
            )
            pair.save(update_fields=["status", "event", "decided", "decided_by"])


def new_person(*, now: datetime | None = None) -> Person:
    """Make a person without records yet."""
    return Person.objects.create(id=uuid7(), updated=now or timezone.now())


def take_back(cursor: CursorWrapper, event: LinkEvent, *, by: By, now: datetime | None = None) -> LinkEvent:
    """Reverse an event: its records go back, its separations end, its persons are as they were.

    Raises `Conflict` if the event made a person (there is nothing before it), was taken back already, or
    a later decision moved its records.
    """
    if event.kind == LinkKind.CREATE:
        raise Conflict(
            "identity-first", "The event that made a person cannot be taken back", fix="Merge instead"
        )
    if LinkEvent.objects.filter(reverses=event).exists():
        raise Conflict("identity-reversed", "This decision was taken back already")
    moves = [(rid, UUID(after), UUID(before)) for rid, before, after in event.moves or ()]
    separated: list[tuple[int, int]] = []
    if event.moves is None and event.patient_rid is not None:
        # Linked as it arrived: there is no person before, so it gets one of its own.
        moves = [(event.patient_rid, event.person_id, new_person(now=now).id)]
        others = [r for r in records_of(event.person_id) if r != event.patient_rid]
        separated = [(min(r, event.patient_rid), max(r, event.patient_rid)) for r in others]
    if event.reverses_id is not None:
        undone = LinkEvent.objects.get(pk=event.reverses_id)
        separated = [(low, high) for low, high in undone.apart or []]
    restore = [(person, status, merged) for person, status, merged in event.statuses or []]
    KeepApart.objects.filter(event=event).delete()
    ReviewPair.objects.filter(event=event).update(
        status=ReviewStatus.OPEN, event=None, decided=None, decided_by=""
    )
    return move(
        cursor, LinkKind.REVERSE, moves, by=by, person_id=event.person_id, other_id=event.other_id,
        separated=separated, restore=restore, reverses=event, now=now,
    )  # fmt: skip


def join(
    cursor: CursorWrapper,
    kept: UUID,
    retired: UUID,
    *,
    by: By,
    now: datetime | None = None,
    human: bool = False,
    refresh: bool = True,
) -> LinkEvent:
    """Put all records of `retired` into `kept`.

    Raises `Conflict`: "same-person" when they are one already; unless `human`, "kept-apart" when a human
    separated any two of their records, and "two-numbers" when their valid identity numbers differ.
    """
    if kept == retired:
        raise Conflict("same-person", "They are one person already")
    lock(cursor, (kept, retired))
    left, right = records_of(kept), records_of(retired)
    if not human:
        if apart(left, right):
            raise Conflict("kept-apart", "A human keeps these records apart")
        held = numbers(left), numbers(right)
        if held[0] and held[1] and held[0].isdisjoint(held[1]):
            raise Conflict("two-numbers", "Their identity numbers are valid and differ")
    kind = LinkKind.LINK if len(right) == 1 and not human else LinkKind.MERGE
    moves = [(rid, retired, kept) for rid in right]
    event = move(cursor, kind, moves, by=by, person_id=kept, other_id=retired, now=now, refresh=refresh)
    return event
