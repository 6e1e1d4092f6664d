"""Benefit years whose claims should be decided again, as a fund officer may see them."""

from django.db.models import Count, F, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, ExtractYear

from salus.insurance.models import Claim, Outcome, OutdatedYear
from salus.insurance.queries import claims, cover
from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal
from salus.record.identity import queries as identity


def visible(principal: Principal, action: str = "search") -> "QuerySet[OutdatedYear]":
    """Return the years whose cause the principal may see, with `claims`: how many of the year stand."""
    standing = (
        Claim.objects.filter(person_id=OuterRef("person_id"))
        .annotate(of=ExtractYear("discharged"))
        .filter(of=OuterRef("year"))
        .exclude(outcome__in=[Outcome.REVERSED, Outcome.RETURNED])
        .order_by()
        .values("person_id")
        .annotate(found=Count("pk"))
    )
    rows = (
        OutdatedYear.objects.select_related("cause__institution")
        .filter(cause__categories__in=claims.opened(principal))
        .annotate(claims=Coalesce(Subquery(standing.values("found"), output_field=IntegerField()), 0))
        .annotate(place=F("cause__institution__name"))
    )
    scope = policy.scope(principal, action, "Claim")
    return claims.scoped(rows, scope, "insurance_claim", "insurance_claim.source_id")


def opened(principal: Principal, number: int) -> OutdatedYear:
    """Return a year of the list; raises `NotFound` if it is not there or not the principal's to see."""
    found = visible(principal, "read").filter(pk=number).first()
    if found is None:
        raise NotFound("year-unknown", "There is no such year to decide again")
    return found


def of_claim(claim: Claim) -> OutdatedYear | None:
    """Return the mark of a claim's benefit year. The caller has asked the policy for the claim."""
    persons = list(cover.owners([identity.current(claim.person_id)]))
    rows = OutdatedYear.objects.select_related("cause").filter(
        person_id__in=persons, year=claim.discharged.year
    )
    return rows.first()
