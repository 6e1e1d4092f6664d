"""What of cases, contacts and outbreaks somebody may see, as the policy says, with the audit rows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import Case, Contact, Outbreak

KINDS: Mapping[type, tuple[str, str]] = {
    Case: ("notifiable_case", "prevention_case"),
    Contact: ("case_contact", "prevention_contact"),
    Outbreak: ("outbreak", "prevention_outbreak"),
}
"""The policy's kind and the table of each model."""


def opened(principal: Principal) -> list[str]:
    """Return the values of `categories` whose every category is open to the principal by her grants."""
    held = sorted(principal.sensitive)
    subsets = (combinations(held, size) for size in range(len(held) + 1))
    return [" ".join(one) for several in subsets for one in several]


def _scoped(principal: Principal, action: str, model: type, rows: QuerySet[Any]) -> QuerySet[Any]:
    kind, table = KINDS[model]
    condition, values = policy.scope(principal, action, "", kind=kind).sql(f"{table}.person_id")
    rows = rows.extra(where=[condition], params=values)  # noqa: S610 - the policy's own condition
    if model is not Outbreak and principal.kind != "system" and "*" not in principal.sensitive:
        rows = rows.filter(categories__in=opened(principal))
    return rows


def cases(principal: Principal, action: str = "search") -> QuerySet[Case]:
    """Return the cases that the principal may see, duplicates left out; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="NotifiableCase")])
    return unaudited_cases(principal, action)


def unaudited_cases(principal: Principal, action: str = "search") -> QuerySet[Case]:
    """Return the same without the audit row: for counts that name nobody."""
    rows = Case.objects.filter(duplicate_of=None).select_related("institution")
    return _scoped(principal, action, Case, rows)


def contacts(principal: Principal, action: str = "search") -> QuerySet[Contact]:
    """Return the contacts that the principal may see; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="CaseContact")])
    return unaudited_contacts(principal, action)


def unaudited_contacts(principal: Principal, action: str = "search") -> QuerySet[Contact]:
    """Return the same without the audit row: for counts that name nobody."""
    return _scoped(principal, action, Contact, Contact.objects.select_related("case", "institution"))


def outbreaks(principal: Principal, action: str = "search") -> QuerySet[Outbreak]:
    """Return the outbreaks that the principal may see."""
    kind, table = KINDS[Outbreak]
    condition, values = policy.scope(principal, action, "", kind=kind).sql(f"{table}.person_id")
    return Outbreak.objects.extra(where=[condition], params=values)  # noqa: S610 - the policy's condition


def case_target(case: Case) -> Target:
    """Return what the policy judges of a case."""
    return Target(
        "notifiable_case", person_id=case.person_id, institution_id=case.institution_id,
        district_code=case.district_code or None, categories=frozenset(case.categories.split()),
    )  # fmt: skip


def contact_target(contact: Contact) -> Target:
    """Return what the policy judges of a contact."""
    return Target(
        "case_contact", person_id=contact.person_id, institution_id=contact.institution_id,
        district_code=contact.district_code or None, categories=frozenset(contact.categories.split()),
    )  # fmt: skip


def outbreak_target(outbreak: Outbreak) -> Target:
    """Return what the policy judges of an outbreak."""
    return Target("outbreak", district_code=outbreak.district_code or None)


def open_case(principal: Principal, number: int, action: str = "read") -> Case:
    """Return a case if the principal may do the action on it, and leave the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    case = Case.objects.select_related("institution", "outbreak").filter(pk=number).first()
    if case is None:
        raise NotFound("case-unknown", _("There is no such case"), where=str(number))
    allowed = policy.decide(principal, action, case_target(case)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=case.person_id, resource_type="NotifiableCase",
                resource_id=str(case.pk), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("case-unknown", _("There is no such case"), where=str(number))
    return case


def open_contact(principal: Principal, number: int, action: str = "read") -> Contact:
    """Return a contact if the principal may do the action on it, and leave the audit row; raises NotFound."""
    contact = Contact.objects.select_related("case", "institution").filter(pk=number).first()
    if contact is None:
        raise NotFound("contact-unknown", _("There is no such contact"), where=str(number))
    allowed = policy.decide(principal, action, contact_target(contact)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=contact.person_id, resource_type="CaseContact",
                resource_id=str(contact.pk), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if not allowed:
        raise NotFound("contact-unknown", _("There is no such contact"), where=str(number))
    return contact


def open_outbreak(principal: Principal, number: int, action: str = "read") -> Outbreak:
    """Return an outbreak if the principal may do the action on it; raises NotFound."""
    found = Outbreak.objects.filter(pk=number).first()
    if found is None or not policy.decide(principal, action, outbreak_target(found)).allowed:
        raise NotFound("outbreak-unknown", _("There is no such outbreak"), where=str(number))
    return found
