"""Whose programmes somebody may see, as the policy says, with the audit rows."""

from __future__ import annotations

from itertools import combinations
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import DueService, ProgrammeEntry, ServiceGiven

KIND = "programme_entry"

Row = TypeVar("Row", bound=Model)


def target(row: ProgrammeEntry | DueService | ServiceGiven) -> Target:
    """Return what the policy judges of an entry, of what is due or of what was given."""
    return Target(
        KIND, person_id=row.person_id, institution_id=row.institution_id,
        district_code=row.district_code or None, categories=frozenset(row.categories.split()),
    )  # fmt: skip


def _opened(opens: frozenset[str]) -> list[str]:
    """Return the values of `categories` whose every category is open."""
    ordered = sorted(opens)
    subsets = (combinations(ordered, size) for size in range(len(ordered) + 1))
    return [" ".join(one) for several in subsets for one in several]


def scoped(principal: Principal, action: str, rows: QuerySet[Row], *, kind: str = KIND) -> QuerySet[Row]:
    """Return the rows (entries, services due or given) that the principal may see, without an audit row.

    Rows keep their sensitive categories in `categories`; only those open to the principal are returned.
    """
    table = rows.model._meta.db_table
    condition, values = policy.scope(principal, action, "", kind=kind).sql(f"{table}.person_id")
    rows = rows.extra(where=[condition], params=values)  # noqa: S610 - the policy's own condition
    opens = policy.opened(principal, action, kind)
    return rows if opens == policy.ALL_CATEGORIES else rows.filter(categories__in=_opened(opens))


def entries(principal: Principal, action: str = "search") -> QuerySet[ProgrammeEntry]:
    """Return the entries that the principal may see; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="ProgrammeEntry")])
    return scoped(principal, action, ProgrammeEntry.objects.select_related("institution", "doctor"))


def due(principal: Principal, action: str = "search") -> QuerySet[DueService]:
    """Return what is due for the residents whom the principal may see; leaves an audit row."""
    audit.record([audit.entry(principal, action, resource_type="DueService")])
    return scoped(principal, action, DueService.objects.all())


def open_entry(principal: Principal, number: int, action: str = "read") -> ProgrammeEntry:
    """Return an entry if the principal may do the action on it, and leave the audit row.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    found = ProgrammeEntry.objects.select_related("institution", "doctor").filter(pk=number).first()
    allowed = found is not None and policy.decide(principal, action, target(found)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=found.person_id if found else None,
                resource_type="ProgrammeEntry", resource_id=str(number),
                outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if found is None or not allowed:
        raise NotFound("entry-unknown", _("There is no such registration"), where=str(number))
    return found


def of_person(principal: Principal, person_id: UUID, action: str = "read") -> list[ProgrammeEntry]:
    """Return the entries of a resident that the principal may see, and leave the audit row."""
    audit.record([audit.entry(principal, action, person_id=person_id, resource_type="ProgrammeEntry")])
    rows = ProgrammeEntry.objects.select_related("institution", "doctor").filter(person_id=person_id)
    return list(scoped(principal, action, rows).order_by("state", "programme", "pk"))


def audited(principal: Principal, persons: Any, page: str) -> None:
    """Leave an audit row for each resident whom a page names."""
    audit.record(
        [
            audit.entry(
                principal, "read", person_id=person, resource_type="DueService", detail={"page": page}
            )
            for person in dict.fromkeys(persons)
        ]
    )  # fmt: skip
