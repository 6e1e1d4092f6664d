"""Members: the list of memberships that an officer may see, and one membership with what was paid for it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Contribution, Enrolment, HouseholdMember
from salus.insurance.queries import cover
from salus.insurance.queries.claims import scoped
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.record.identity import queries as identity
from salus.record.identity import rows


@dataclass(frozen=True, slots=True)
class Member:
    """A membership with its payments (newest first), the member's other memberships and her household's size.

    `statuses` are the social statuses that the record keeps: (status, first day, last day or None).
    """

    enrolment: Enrolment
    others: Sequence[Enrolment]
    payments: Sequence[Contribution]
    household: int
    statuses: Sequence[Any]


def visible(principal: Principal, action: str = "search") -> "QuerySet[Enrolment]":
    """Return the memberships that the principal may see; a membership belongs to no institution."""
    rows = Enrolment.objects.select_related("household")
    scope = policy.scope(principal, action, "Enrolment", kind="enrolment")
    nothing = "cast(null as bigint)"
    return scoped(rows, scope, "insurance_enrolment", nothing, institution=nothing)


def open_member(principal: Principal, number: int) -> Member:
    """Return a membership by the platform's number if the principal may read it, and leave the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    held = Enrolment.objects.select_related("household").filter(pk=number).first()
    if held is None:
        raise NotFound("membership-unknown", _("There is no such membership"))
    allowed = policy.decide(principal, "read", Target("enrolment", person_id=held.person_id)).allowed
    outcome = "ok" if allowed else "refused"
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=held.person_id, resource_type="Enrolment",
                resource_id=str(held.pk), outcome=outcome,
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("membership-unknown", _("There is no such membership"))
    same = cover.owners([held.person_id])
    return Member(
        held,
        list(Enrolment.objects.filter(person_id__in=list(same)).exclude(pk=held.pk).order_by("-start_date")),
        list(held.contributions.order_by("-start_date", "-pk")[:240]),
        _housemates(held),
        sorted(cover.facts(held.person_id).statuses, key=lambda one: one.start),
    )


def persons_by_number(principal: Principal, numbers: Iterable[str]) -> dict[str, UUID]:
    """Return the residents behind identity numbers, for who may enrol; whom none or several have is left out.

    Raises:
        NotAllowed: the principal may enrol nobody, so it is not told who is known either.
    """
    if not policy.permits(principal, "create", "enrolment"):
        policy.require(principal, "create", Target("enrolment"))
    sql = (
        "select i.value, l.person_id from record_personidentifier i"
        " join record_patientlink l on l.patient_rid = i.patient_rid"
        " where i.system = 'resident-id' and i.value in ({marks})"
    )
    asked = sorted({number.strip().upper() for number in numbers})
    held: dict[str, set[UUID]] = defaultdict(set)
    with connection.cursor() as cursor:
        for value, person in rows.fetch_in(cursor, sql, asked):
            held[value].add(identity.current(rows.person(person)))
    audit.record(
        [
            audit.entry(
                principal, "search", resource_type="Patient", detail={"asked": len(asked), "found": len(held)}
            )
        ]
    )
    return {number: persons.pop() for number, persons in held.items() if len(persons) == 1}


def _housemates(held: Enrolment) -> int:
    if held.household_id is None:
        return 0
    today = Q(valid_to=None)
    return HouseholdMember.objects.filter(today, household_id=held.household_id).count()
