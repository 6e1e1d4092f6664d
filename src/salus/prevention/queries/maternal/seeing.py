"""Whose mother-and-child records somebody may see, by the policy, each with its audit row."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import (
    DeathReview,
    FamilyAct,
    Guardianship,
    Pregnancy,
    ProgrammeEntry,
    Screening,
)
from salus.prevention.queries.programme import seeing

FAMILY = "family_planning"
DEATH = "death_review"
GUARDIAN = "guardianship"
CHILD = ("child", "newborn", "immunisation")


def pregnancy_entries(principal: Principal) -> QuerySet[ProgrammeEntry]:
    """Return the registrations of pregnancies that the principal may see; leaves an audit row."""
    return seeing.entries(principal).filter(programme="pregnancy").select_related("pregnancy")


def child_entries(principal: Principal) -> QuerySet[ProgrammeEntry]:
    """Return the registrations of children that the principal may see; leaves an audit row."""
    return seeing.entries(principal).filter(programme="child")


def open_pregnancy(principal: Principal, number: int, action: str = "read") -> ProgrammeEntry:
    """Return a pregnancy's registration if the principal may do the action; leaves the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    entry = seeing.open_entry(principal, number, action)
    if entry.programme != "pregnancy":
        raise NotFound("entry-unknown", _("There is no such registration"), where=str(number))
    return entry


def open_child(principal: Principal, number: int, action: str = "read") -> ProgrammeEntry:
    """Return a child's registration as `open_pregnancy` does."""
    entry = seeing.open_entry(principal, number, action)
    if entry.programme not in CHILD:
        raise NotFound("entry-unknown", _("There is no such registration"), where=str(number))
    return entry


def children_of(principal: Principal, today: date) -> list[Guardianship]:
    """Return the guardianships of the resident who asks that hold today; leaves an audit row."""
    if principal.person_id is None:
        return []
    target = Target(GUARDIAN, person_id=principal.person_id)
    policy.require(principal, "search", target)
    audit.record(
        [audit.entry(principal, "search", person_id=principal.person_id, resource_type="Guardianship")]
    )
    return list(
        Guardianship.objects.select_related("child")
        .filter(Q(end=None) | Q(end__gte=today), person_id=principal.person_id)
        .order_by("child__anchor_on", "pk")
    )


def open_own_child(principal: Principal, number: int, today: date) -> ProgrammeEntry:
    """Return a child's registration for one of its guardians; leaves an audit row on the child.

    Raises:
        NotFound: it is not there, or the principal is no guardian of the child today.
    """
    held = (
        Guardianship.objects.select_related("child")
        .filter(Q(end=None) | Q(end__gte=today), child=number, person_id=principal.person_id)
        .first()
        if principal.person_id
        else None
    )
    allowed = (
        held is not None
        and policy.decide(principal, "read", Target(GUARDIAN, person_id=held.person_id)).allowed
    )
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=held.child.person_id if held else None,
                resource_type="ProgrammeEntry", resource_id=str(number),
                outcome="ok" if allowed else "refused", detail={"as": "guardian"},
            )
        ]
    )  # fmt: skip
    if held is None or not allowed:
        raise NotFound("entry-unknown", _("There is no such registration"), where=str(number))
    return held.child


def family_target(row: FamilyAct) -> Target:
    """Return what the policy judges of an act of family planning."""
    return Target(
        FAMILY, person_id=row.person_id, institution_id=row.institution_id,
        district_code=row.district_code or None, categories=frozenset(row.categories.split()),
    )  # fmt: skip


def family_acts(principal: Principal, action: str = "search") -> QuerySet[FamilyAct]:
    """Return the acts of family planning that the principal may see; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="FamilyAct")])
    return seeing.scoped(principal, action, FamilyAct.objects.all(), kind=FAMILY)


def death_target(row: DeathReview) -> Target:
    """Return what the policy judges of a review."""
    return Target(
        DEATH, person_id=row.person_id, institution_id=row.institution_id,
        district_code=row.district_code or None,
    )  # fmt: skip


def reviews(principal: Principal, action: str = "search") -> QuerySet[DeathReview]:
    """Return the reviews of deaths that the principal may see; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="DeathReview")])
    condition, values = policy.scope(principal, action, "", kind=DEATH).sql(
        "prevention_deathreview.person_id"
    )
    return DeathReview.objects.extra(where=[condition], params=values)  # noqa: S610 - the policy's condition


def open_review(principal: Principal, number: int, action: str = "read") -> DeathReview:
    """Return a review if the principal may do the action; leaves the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    found = DeathReview.objects.select_related("institution").filter(pk=number).first()
    allowed = found is not None and policy.decide(principal, action, death_target(found)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=found.person_id if found else None, resource_type="DeathReview",
                resource_id=str(number), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if found is None or not allowed:
        raise NotFound("review-unknown", _("There is no such review"), where=str(number))
    return found


def screenings(principal: Principal) -> QuerySet[Screening]:
    """Return the screenings of the children whom the principal may see, without an audit row."""
    condition, values = policy.scope(principal, "search", "", kind=seeing.KIND).sql(
        "prevention_programmeentry.person_id"
    )
    rows = Screening.objects.filter(entry__programme__in=CHILD)
    return rows.extra(where=[condition], params=values)  # noqa: S610 - the policy's own condition


def pregnancy_of(entry: ProgrammeEntry) -> Pregnancy | None:
    """Return what is known of a registered pregnancy besides its visits; None before it was entered."""
    return Pregnancy.objects.filter(entry=entry).first()


def named(principal: Principal, persons: list[UUID], page: str) -> None:
    """Leave an audit row for each resident whom a page names."""
    seeing.audited(principal, persons, page)
