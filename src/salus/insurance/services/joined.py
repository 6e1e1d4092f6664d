"""Benefit years to decide again because patient records were joined to one resident's, or separated.

What a year's claims use up counts for one person. Where records of two residents turn out to be one's, the
claims of both were decided apart; where they are separated, together. The record's change feed says whose
records moved; this reads it in short transactions that keep their place together with the marks.
"""

from collections.abc import Iterable
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

NAME = "joined"
BATCH = 2_000


def catch_up(limit: int = 1_000_000, *, now: datetime | None = None) -> int:
    """Read the change feed from where this stopped; return how many changes were read.

    Args:
        limit: the most changes to read.
        now: when years are noted to have been found; the present if none.
    """
    done = 0
    while done < limit:
        with transaction.atomic(), connection.cursor() as cursor:
            query = FeedCursor.objects.filter(name=NAME)
            at = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
            at = at or FeedCursor.objects.create(name=NAME)
            found = store.changes(cursor, Position(at.xid, at.seq), min(BATCH, limit - done))
            if not found:
                return done
            moved = {
                one.rid: one.person_id
                for one in found
                if one.op == store.Op.MOVE and one.type == "Patient" and one.person_id
            }
            mark(_pairs(moved), now=now or timezone.now())
            at.xid, at.seq = found[-1].position.xid, found[-1].position.seq
            at.save()
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


def mark(pairs: Iterable[tuple[UUID, UUID]], *, now: datetime) -> None:
    """Mark the benefit years in which both persons of a pair have claims that stand.

    Two who are one today have one year to decide again, two who are not each their own. In the caller's
    transaction; a year that is marked already stays as it is.
    """
    pairs = sorted(pairs)
    if not any(_years(part) for part in cover.parts(cover.owners(p for pair in pairs for p in pair))):
        return
    for pair in pairs:
        # Both are asked for, so that each holds only those merged into itself
        held = cover.owners(pair)
        years = [_years([one for one, root in held.items() if root == person]) for person in pair]
        persons = {identity.current(person) for person in pair}
        why = OutdatedWhy.JOINED if len(persons) == 1 else OutdatedWhy.SEPARATED
        for year in sorted(set.intersection(*years)):
            for person in sorted(persons):
                first = standing_of(person, year).order_by("discharged", "received_at", "pk").first()
                if first is not None:
                    OutdatedYear.objects.get_or_create(
                        person_id=person, year=year, defaults={"cause": first, "why": why, "found_at": now}
                    )


def _years(persons: Iterable[UUID]) -> set[int]:
    """Return the years in which claims under these very ids stand."""
    claims = Claim.objects.filter(person_id__in=list(persons)).exclude(outcome__in=NOT_STANDING)
    return {day.year for day in claims.values_list("discharged", flat=True).distinct()}


@periodic(every=600, name="insurance.joined")
def keep_up() -> None:
    """Follow the change feed."""
    catch_up()
