"""Benefit years to decide again because patient records were joined to one resident's, or separated.

What a year's claims use up counts for one person. Where records of two residents turn out to be one's, the
claims of both were decided apart; where they are separated, together. The record's change feed says whose
records moved; the place reached in it is kept in one transaction with the marks.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from salus.insurance.models import Claim, FeedCursor, OutdatedWhy, OutdatedYear
from salus.insurance.queries import cover
from salus.insurance.services.outdated import NOT_STANDING, standing_of
from salus.kernel.feed import Position
from salus.kernel.jobs import periodic
from salus.record import store
from salus.record.identity import queries as identity
from salus.record.models import LinkEvent
from salus.record.models import Person as Resident

NAME = "joined"
BATCH = 5_000


def catch_up(limit: int = 1_000_000, *, now: datetime | None = None) -> int:
    """Read the change feed from where this stopped; return how many changes were read.

    What is read is read before the transaction that writes: nobody waits for this.

    Args:
        limit: the most changes to read.
        now: when years are noted to have been found; the present if none.
    """
    done = 0
    while done < limit:
        at, _ = FeedCursor.objects.get_or_create(name=NAME)
        with connection.cursor() as cursor:
            found = store.changes(cursor, Position(at.xid, at.seq), min(BATCH, limit - done))
        if not found:
            break
        moved = {
            one.rid: one.person_id
            for one in found
            if one.op == store.Op.MOVE and one.type == "Patient" and one.person_id
        }
        years = list(_outdated(_pairs(moved)))
        last = found[-1].position
        with transaction.atomic():
            here = FeedCursor.objects.filter(name=NAME, xid=at.xid, seq=at.seq)
            if not here.update(xid=last.xid, seq=last.seq, updated=timezone.now()):
                break  # another reader was here
            for person, year, cause, why in years:
                OutdatedYear.objects.get_or_create(
                    person_id=person,
                    year=year,
                    defaults={"cause": cause, "why": why, "found_at": now or timezone.now()},
                )
        done += len(found)
    return done


def _pairs(moved: dict[int, UUID]) -> set[tuple[UUID, UUID]]:
    """Return the two persons of each decision about identity that moved these records."""
    pairs = set()
    for persons in cover.parts(set(moved.values())):
        for side in ({"person_id__in": persons}, {"other_id__in": persons}):
            events = LinkEvent.objects.filter(other_id__isnull=False, **side)
            for person, other, moves in events.values_list("person_id", "other_id", "moves"):
                if other is not None and any(rid in moved for rid, *_ in moves or ()):
                    pairs.add((person, other))
    return pairs


def _outdated(
    pairs: Iterable[tuple[UUID, UUID]],
) -> Iterator[tuple[UUID, int, Claim, OutdatedWhy]]:
    """Yield the benefit years in which both persons of a pair have claims that stand: whose, cause and why.

    Two who are one today have one year to decide again, two who are not each their own.
    """
    pairs = sorted(pairs)
    insured = _with_claims(person for pair in pairs for person in pair)
    for pair in pairs:
        if not insured.issuperset(pair):
            continue
        # Both are asked for, so that each holds only those merged into itself
        held = cover.owners(pair)
        years = [_years([one for one, root in held.items() if root == person]) for person in pair]
        shared = set.intersection(*years)
        if not shared:
            continue
        persons = {identity.current(person) for person in pair}
        why = OutdatedWhy.JOINED if len(persons) == 1 else OutdatedWhy.SEPARATED
        for person in sorted(persons):
            for year in sorted(shared):
                cause = standing_of(person, year).order_by("discharged", "received_at", "pk").first()
                if cause is not None:
                    yield person, year, cause, why


def _with_claims(persons: Iterable[UUID]) -> set[UUID]:
    """Return which of these persons have claims, or somebody who was merged into them has."""
    asked = list(cover.owners(persons))
    into: dict[UUID, UUID | None] = {}
    found: set[UUID] = set()
    for part in cover.parts(asked):
        into |= dict(Resident.objects.filter(pk__in=part).values_list("pk", "merged_into"))
        found |= set(Claim.objects.filter(person_id__in=part).values_list("person_id", flat=True))
    todo = list(found)
    while todo:
        above = into.get(todo.pop())
        if above is not None and above not in found:
            found.add(above)
            todo.append(above)
    return found


def _years(persons: Iterable[UUID]) -> set[int]:
    """Return the years in which claims under these very ids stand."""
    claims = Claim.objects.filter(person_id__in=list(persons)).exclude(outcome__in=NOT_STANDING)
    return {day.year for day in claims.values_list("discharged", flat=True).distinct()}


@periodic(every=600, name="insurance.joined")
def keep_up() -> None:
    """Follow the change feed."""
    catch_up()
