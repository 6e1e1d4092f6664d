"""What can be asked of free treatment: who is followed, and one treatment with its entries."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import FollowUp, FreeTreatment
from salus.insurance.queries.claims import language, opened, rules_of, scoped
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.record.identity import queries as identity
from salus.record.models import Person


@dataclass(frozen=True, slots=True)
class Treatment:
    """A treatment with its follow-ups, newest first; `name` where the reader may know the person."""

    treatment: FreeTreatment
    entries: Sequence[FollowUp]
    name: str
    phone: str


def illness_name(illness: str) -> str:
    """Return an illness of the catalogue in the reader's language."""
    known = rules_of(timezone.localdate()).illnesses.get(illness)
    return known[f"name_{language()}"] if known else illness


def visible(principal: Principal) -> "QuerySet[FreeTreatment]":
    """Return the treatments that the principal may see, as the policy filters them; leaves an audit row."""
    audit.record([audit.entry(principal, "search", resource_type="FreeTreatment")])
    rows = FreeTreatment.objects.select_related("institution")
    rows = rows.filter(claim__categories__in=opened(principal))
    scope = policy.scope(principal, "search", "", kind="follow_up")
    return scoped(rows, scope, "insurance_freetreatment", "cast(null as bigint)")


def open_treatment(principal: Principal, number: int) -> Treatment:
    """Return a treatment if the principal may read it, and leave the audit row.

    Who treats the patient is told name and telephone; the fund is not.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    held = FreeTreatment.objects.select_related("institution", "claim").filter(pk=number).first()
    if held is None:
        raise NotFound("treatment-unknown", _("There is no such treatment"))
    target = Target(
        "follow_up", person_id=held.person_id, institution_id=held.institution_id,
        categories=frozenset(held.claim.categories.split()),
    )  # fmt: skip
    allowed = policy.decide(principal, "read", target).allowed
    knows = allowed and policy.decide(principal, "update", target).allowed
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=held.person_id, resource_type="FreeTreatment",
                resource_id=str(held.pk), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("treatment-unknown", _("There is no such treatment"))
    person = Person.objects.filter(pk=identity.current(held.person_id)).first() if knows else None
    return Treatment(
        held,
        list(held.follow_ups.order_by("-day")),
        person.name if person else "",
        person.phone if person else "",
    )
