"""Reading the audit: the auditor's search with stable paging, and who read a resident's record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Q
from django.utils.translation import gettext as _

from salus.kernel import names
from salus.kernel.audit.words import ACTIONS, PURPOSES, titled
from salus.kernel.models import AuditRow, Role
from salus.kernel.policy.deciding import require
from salus.kernel.policy.words import Principal, Target


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What the auditor looks for; empty fields do not restrict. Times are aware, `until` not included.

    `also` are further numbers of the same person, which her records had before they were joined.
    """

    actor: str = ""
    person_id: UUID | None = None
    also: frozenset[UUID] = frozenset()
    action: str = ""
    resource_type: str = ""
    resource_id: str = ""
    outcome: str = ""
    institution_id: int | None = None
    source_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    break_glass: bool | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Rows newest first, and the mark with which to ask for the next ones (None at the end)."""

    rows: list[AuditRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class Access:
    """One access to a resident's record, as she reads it: when, who, from where, what, why."""

    at: datetime
    who: str
    where: str
    what: str
    resource_type: str
    why: str
    emergency: bool
    refused: bool


def search(
    principal: Principal, wanted: AuditFilter, *, limit: int = 100, after: str | None = None
) -> AuditPage:
    """Return audit rows for an auditor, newest first; page on with `next`, stable while rows are added.

    Raises:
        NotAllowed: the principal is no auditor.
    """
    require(principal, "search", Target("audit"))
    return _page(wanted, limit, after)


def _page(wanted: AuditFilter, limit: int, after: str | None) -> AuditPage:
    rows = AuditRow.objects.filter(_conditions(wanted))
    mark = _mark(after)
    if mark is not None:
        at, key = mark
        rows = rows.filter(Q(at__lt=at) | Q(at=at, id__lt=key))
    found = list(rows.order_by("-at", "-id")[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return AuditPage(found, f"{found[-1].at}-{found[-1].pk}" if more else None)


def _mark(after: str | None) -> tuple[int, int] | None:
    at, dash, key = (after or "").partition("-")
    return (int(at), int(key)) if dash and at.isdecimal() and key.isdecimal() else None


def _conditions(wanted: AuditFilter) -> Q:
    found = Q()
    if wanted.person_id:
        found &= Q(person_id__in=[wanted.person_id, *wanted.also])
    for name in ("actor", "action", "resource_type", "resource_id", "outcome"):
        value = getattr(wanted, name)
        if value:
            found &= Q(**{name: value})
    for name in ("institution_id", "source_id", "break_glass"):
        value = getattr(wanted, name)
        if value is not None:
            found &= Q(**{name: value})
    if wanted.since is not None:
        found &= Q(at__gte=_micros(wanted.since))
    if wanted.until is not None:
        found &= Q(at__lt=_micros(wanted.until))
    return found


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def rows(wanted: AuditFilter | None = None) -> Iterator[AuditRow]:
    """Yield rows oldest first, for an export; memory stays flat."""
    yield from (
        AuditRow.objects.filter(_conditions(wanted or AuditFilter())).order_by("at", "id").iterator(2000)
    )


def accesses(
    principal: Principal,
    person_id: UUID,
    *,
    also: Iterable[UUID] = (),
    limit: int = 50,
    after: str | None = None,
) -> tuple[list[Access], str | None]:
    """Return who read or changed a person's record, newest first, in plain words of the active language.

    `also` are the numbers under which her records stood before they were joined to hers; the caller
    knows them. The second value is the mark for the next ones. Raises NotAllowed unless it is the
    asker's own record (an auditor uses `search`).
    """
    require(principal, "read", Target("access_log", person_id=person_id))
    page = _page(AuditFilter(person_id=person_id, also=frozenset(also)), limit, after)
    places = names.institutions({row.institution_id for row in page.rows})
    return [_access(row, principal, places) for row in page.rows], page.next


def _access(row: AuditRow, principal: Principal, places: dict[int, str]) -> Access:
    return Access(
        at=moment(row),
        who=_who(row, principal),
        where=places.get(row.institution_id or 0, ""),
        what=titled(ACTIONS, row.action),
        resource_type="" if row.action == "break-glass" else row.resource_type,
        why=_why(row),
        emergency=row.break_glass,
        refused=row.outcome in {"refused", "denied"},
    )


def moment(row: AuditRow) -> datetime:
    """Return a row's time."""
    return datetime.fromtimestamp(row.at / 1_000_000, UTC)


def _who(row: AuditRow, principal: Principal) -> str:
    if row.actor_id is not None and row.actor_id == principal.account_id:
        return _("You")
    if row.actor_kind == "source":
        return _("An institution's system")
    if row.actor_kind == "system":
        return _("The platform")
    labels = dict(Role.choices)
    roles = [str(labels[role]) for role in row.roles.split() if role in labels]
    return ", ".join(roles) or _("A member of staff")


def _why(row: AuditRow) -> str:
    if row.purpose == "PATRQT":
        return _("Your own request")
    return titled(PURPOSES, row.purpose) if row.purpose in PURPOSES else ""


def detail(row: AuditRow) -> dict[str, Any]:
    """Return a row's detail as values."""
    if not row.detail:
        return {}
    found = orjson.loads(row.detail)
    return found if isinstance(found, dict) else {}


def summary(
    principal: Principal, *, since: datetime, top: Sequence[str] = ("action",)
) -> dict[str, dict[str, int]]:
    """Count rows since an instant by some columns, for the auditor's first page. Raises NotAllowed."""
    from django.db.models import Count

    require(principal, "search", Target("audit"))
    found = AuditRow.objects.filter(at__gte=_micros(since))
    return {
        name: {
            str(value): number
            for value, number in found.values_list(name)
            .annotate(number=Count("id"))
            .values_list(name, "number")
        }
        for name in top
    }
