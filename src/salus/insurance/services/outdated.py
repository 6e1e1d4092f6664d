"""Which benefit years should be decided again: marked when a claim comes late or is taken back."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from salus.insurance.models import Claim, Outcome, OutdatedWhy, OutdatedYear
from salus.insurance.queries import cover

NOT_STANDING = (Outcome.REVERSED, Outcome.RETURNED)


def mark(claim: Claim, person: UUID, why: OutdatedWhy, now: datetime) -> None:
    """Mark the claim's benefit year if others of its person were decided on otherwise than they would be now.

    For a late claim these are the ones discharged after it; for one taken back also those that came after it.
    `person` is who she is today. In the caller's transaction.
    """
    after = Q(discharged__gt=claim.discharged)
    if why == OutdatedWhy.REVERSED:  # of one day and one file any may come after another
        after = Q(discharged__gte=claim.discharged) | Q(received_at__gte=claim.received_at)
    if standing_of(person, claim.discharged.year).filter(after).exclude(pk=claim.pk).exists():
        OutdatedYear.objects.get_or_create(
            person_id=person, year=claim.discharged.year,
            defaults={"cause": claim, "why": why, "found_at": now},
        )  # fmt: skip


def standing_of(person: UUID, year: int) -> "QuerySet[Claim]":
    """Return the claims of a person's benefit year that are decided anew with it."""
    mine = Claim.objects.filter(person_id__in=list(cover.owners([person])), discharged__year=year)
    return mine.exclude(outcome__in=NOT_STANDING)


def forget(persons: list[UUID], year: int) -> None:
    """Take the mark of a year away that has been decided again."""
    OutdatedYear.objects.filter(person_id__in=persons, year=year).delete()
