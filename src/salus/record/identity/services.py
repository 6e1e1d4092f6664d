"""What a human can decide about identity: one transaction, one link event, one audit row; reversible."""

from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from salus.kernel import audit, events, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal, Target
from salus.record.identity import ledger
from salus.record.identity.events import IdentityChanged
from salus.record.identity.ledger import By
from salus.record.models import LinkEvent, LinkKind, PatientLink, PersonStatus, ReviewPair, ReviewStatus

TARGET = Target("identity_review")
_REASON = 3


def _decide(
    principal: Principal, action: str, reason: str, apply: Callable[[CursorWrapper, By], LinkEvent]
) -> LinkEvent:
    policy.require(principal, action, TARGET)
    if len(reason.strip()) < _REASON:
        raise Invalid(
            "identity-reason", "The reason is missing", where="reason", fix="Say why in a few words"
        )
    by = By(
        principal.name, "human", account_id=principal.account_id, evidence={"reason": reason.strip()[:400]}
    )
    with transaction.atomic(), connection.cursor() as cursor:
        event = apply(cursor, by)
        persons = [p for p in dict.fromkeys((event.person_id, event.other_id)) if p]
        entries = [
            audit.entry(
                principal,
                f"identity-{event.kind}",
                person_id=person,
                resource_type="Person",
                resource_id=str(person),
                detail={"event": event.id},
            )
            for person in persons
        ]
        intent = audit.intend(cursor, entries)
        events.emit(IdentityChanged(event.id, str(event.kind), event.person_id, event.other_id))
    audit.settle(intent)
    return event


def merge(principal: Principal, kept: UUID, retired: UUID, *, reason: str) -> LinkEvent:
    """Put all records of one person into another, who keeps the id; raises `Conflict` if they are one."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        for person in ledger.lock(cursor, (kept, retired)).values():
            if person.status != PersonStatus.ACTIVE:
                raise Conflict(
                    "person-retired", "The person was merged or has no records", fix="Look it up again"
                )
        return ledger.join(cursor, kept, retired, by=by, human=True)

    return _decide(principal, "correct", reason, apply)


def unlink(principal: Principal, patient_rid: int, *, reason: str) -> LinkEvent:
    """Take one record out of its person, into a new one, and keep it apart from those it leaves."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        person_id = _person_of([patient_rid])
        return _separate(cursor, person_id, [patient_rid], LinkKind.UNLINK, by)

    return _decide(principal, "correct", reason, apply)


def split(principal: Principal, person_id: UUID, patient_rids: Sequence[int], *, reason: str) -> LinkEvent:
    """Move some of a person's records into a new person, and keep the two groups apart."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        ledger.lock(cursor, [person_id])
        if not patient_rids or _person_of(patient_rids) != person_id:
            raise Invalid("identity-records", "The records are not all of this person", where="records")
        return _separate(cursor, person_id, patient_rids, LinkKind.SPLIT, by)

    return _decide(principal, "correct", reason, apply)


def keep_apart(principal: Principal, left: UUID, right: UUID, *, reason: str) -> LinkEvent:
    """Say that two persons are different: the machine never joins any of their present records."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        if left == right:
            raise Conflict("same-person", "They are one person", fix="Split the person first")
        ledger.lock(cursor, (left, right))
        pairs = _pairs(ledger.records_of(left), ledger.records_of(right))
        return ledger.move(
            cursor, LinkKind.KEEP_APART, [], by=by, person_id=left, other_id=right, separated=pairs
        )

    return _decide(principal, "correct", reason, apply)


def reverse(principal: Principal, event_id: int, *, reason: str) -> LinkEvent:
    """Take a decision back, a human's or the machine's; raises `Conflict` if a later one stands on it."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        event = LinkEvent.objects.filter(pk=event_id).first()
        if event is None:
            raise NotFound("no-event", "There is no such decision")
        return ledger.take_back(cursor, event, by=by)

    return _decide(principal, "correct", reason, apply)


def confirm(principal: Principal, pair_id: int, *, reason: str) -> LinkEvent:
    """Decide that a pair under review is one person; the older person keeps its id."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        pair = _open(cursor, pair_id)
        left, right = _person_of([pair.low_rid]), _person_of([pair.high_rid])
        if left == right:  # a sample of what the machine joined
            event = ledger.move(cursor, LinkKind.LINK, [], by=by, person_id=left)
        else:
            event = ledger.join(cursor, min(left, right), max(left, right), by=by, human=True)
        return _close(pair, ReviewStatus.SAME, event)

    return _decide(principal, "review", reason, apply)


def reject(principal: Principal, pair_id: int, *, reason: str) -> LinkEvent:
    """Decide that a pair under review is two persons: its records are kept apart, split if joined."""

    def apply(cursor: CursorWrapper, by: By) -> LinkEvent:
        pair = _open(cursor, pair_id)
        left, right = _person_of([pair.low_rid]), _person_of([pair.high_rid])
        if left == right:
            event = _separate(cursor, left, [pair.high_rid], LinkKind.SPLIT, by)
        else:
            event = ledger.move(
                cursor,
                LinkKind.KEEP_APART,
                [],
                by=by,
                person_id=left,
                other_id=right,
                separated=[(pair.low_rid, pair.high_rid)],
            )
        return _close(pair, ReviewStatus.DIFFERENT, event)

    return _decide(principal, "review", reason, apply)


def _person_of(rids: Sequence[int]) -> UUID:
    found = set(PatientLink.objects.filter(patient_rid__in=rids).values_list("person_id", flat=True))
    if len(found) != 1:
        raise NotFound("no-record", "There is no such patient record of one person")
    return found.pop()


def _separate(
    cursor: CursorWrapper, person_id: UUID, rids: Sequence[int], kind: LinkKind, by: By
) -> LinkEvent:
    ledger.lock(cursor, [person_id])
    rest = [r for r in ledger.records_of(person_id) if r not in set(rids)]
    if not rest:
        raise Conflict(
            "identity-alone", "Nothing would be left in the person", fix="There is nothing to separate"
        )
    new = ledger.new_person()
    moves = [(rid, person_id, new.id) for rid in sorted(set(rids))]
    return ledger.move(
        cursor, kind, moves, by=by, person_id=person_id, other_id=new.id, separated=_pairs(rids, rest)
    )


def _pairs(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    return [(min(a, b), max(a, b)) for a in sorted(set(left)) for b in right]


def _open(cursor: CursorWrapper, pair_id: int) -> ReviewPair:
    query = ReviewPair.objects.filter(pk=pair_id)
    pair = (query.select_for_update() if cursor.db.vendor == "postgresql" else query).first()
    if pair is None:
        raise NotFound("no-pair", "There is no such pair to review")
    if pair.status != ReviewStatus.OPEN:
        raise Conflict("pair-decided", "The pair was decided already")
    return pair


def _close(pair: ReviewPair, status: ReviewStatus, event: LinkEvent) -> LinkEvent:
    pair.status, pair.event, pair.decided, pair.decided_by = status, event, timezone.now(), event.actor
    pair.save(update_fields=["status", "event", "decided", "decided_by"])
    return event
