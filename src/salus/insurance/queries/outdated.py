"""Benefit years whose claims should be decided again, as a fund officer may see them."""

from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, ExtractYear

from salus.insurance.models import Claim, Outcome, OutdatedYear
from salus.insurance.queries import claims, cover
from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal
from salus.record.identity import queries as identity
from salus.record.models import Person as Resident


def visible(principal: Principal, action: str = "search") -> "QuerySet[OutdatedYear]":
    """Return the years with claims that the principal may see, and what may be told of them.

    `claims` is how many of the year stand, under her id and those merged into it; `number`, `place` and `day`
    are the cause's, empty where its category is not open to the principal: the year is hers to decide, the
    claim is not hers to know of.
    """
    told = Q(cause__categories__in=claims.opened(principal))
    her = OuterRef(OuterRef("person_id"))
    into_her = Resident.objects.filter(merged_into=OuterRef(her)).values("id")
    merged = Resident.objects.filter(Q(merged_into=her) | Q(merged_into__in=into_her)).values("id")
    standing = (
        Claim.objects.filter(Q(person_id=OuterRef("person_id")) | Q(person_id__in=merged))
        .annotate(of=ExtractYear("discharged"))
        .filter(of=OuterRef("year"))
        .exclude(outcome__in=[Outcome.REVERSED, Outcome.RETURNED])
        .order_by()
        .annotate(all=Value(1))
        .values("all")
        .annotate(found=Count("pk"))
    )
    rows = (
        OutdatedYear.objects.select_related("cause__institution")
        .filter(cause__version__gte=1)  # joins the claims, of which the policy's condition speaks
        .annotate(
            claims=Coalesce(Subquery(standing.values("found"), output_field=IntegerField()), 0),
            number=Case(When(told, then="cause__number"), default=Value("")),
            place=Case(When(told, then="cause__institution__name"), default=Value("")),
            day=Case(When(told, then="cause__discharged"), default=None),
        )
    )
    scope = policy.scope(principal, action, "Claim")
    return claims.scoped(rows, scope, "insurance_claim", "insurance_claim.source_id")


def opened(principal: Principal, number: int) -> OutdatedYear:
    """Return a year of the list; raises `NotFound` if it is not there or not the principal's to see."""
    found = visible(principal, "read").filter(pk=number).first()
    if found is None:
        raise NotFound("year-unknown", "There is no such year to decide again")
    return found


def of_claim(principal: Principal, claim: Claim) -> OutdatedYear | None:
    """Return the mark of a claim's benefit year, as `visible` tells of it."""
    persons = list(cover.owners([identity.current(claim.person_id)]))
    rows = visible(principal, "read").filter(person_id__in=persons, year=claim.discharged.year)
    return rows.order_by("pk").first()
