"""How well institutions report: in time, late, missed; and what is owed now. Nobody is named.

A report is *owed* from the diagnosis on, *late* when it came after its deadline, and *missed* when the
record holds the diagnosis, the deadline has passed, and there is no report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from salus.kernel import policy
from salus.kernel.models import Institution
from salus.kernel.policy import Principal, Target
from salus.prevention.models import Case


@dataclass(frozen=True, slots=True)
class Timeliness:
    """An institution's reports on cases diagnosed in a span: `owed` = `timely` + `late` + `missed` + `open`.

    `open` are those whose deadline has not passed. `median_hours` is from diagnosis to report.
    """

    institution_id: int | None
    institution: str
    name: str
    name_en: str
    owed: int
    timely: int
    late: int
    missed: int
    open: int

    @property
    def share_timely(self) -> float | None:
        """Timely reports among those whose deadline has passed or that were made; None without any."""
        closed = self.timely + self.late + self.missed
        return self.timely / closed if closed else None


def owed_cases(rows: QuerySet[Case]) -> QuerySet[Case]:
    """Return the cases that must be, or had to be, reported."""
    return rows.filter(duplicate_of=None).exclude(due_at=None)


def timeliness(
    first: date, last: date, *, now: datetime, diseases: Sequence[str] = (), institution_id: int | None = None
) -> list[Timeliness]:
    """Return how each institution reported the cases diagnosed from a day to a day (both included).

    For callers that ask the policy themselves. Cases without an institution stand in one row at the end.
    """
    zone = timezone.get_current_timezone()
    begin = datetime(first.year, first.month, first.day, tzinfo=zone)
    after = last + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=zone)
    rows = owed_cases(Case.objects.filter(diagnosed_at__gte=begin, diagnosed_at__lt=end))
    if diseases:
        rows = rows.filter(disease__in=list(diseases))
    if institution_id is not None:
        rows = rows.filter(institution_id=institution_id)
    found = rows.values_list("institution_id").annotate(
        n_owed=Count("id"),
        n_timely=Count("id", filter=Q(reported_at__lte=F("due_at"))),
        n_late=Count("id", filter=Q(reported_at__gt=F("due_at"))),
        n_missed=Count("id", filter=Q(reported_at=None, due_at__lt=now)),
        n_open=Count("id", filter=Q(reported_at=None, due_at__gte=now)),
    )
    sums: dict[int | None, tuple[int, ...]] = {row[0]: tuple(row[1:]) for row in found}
    names = {one.pk: one for one in Institution.objects.filter(pk__in=[k for k in sums if k])}
    listed = [
        Timeliness(key, names[key].code, names[key].name, names[key].name_en, *row)
        for key, row in sums.items()
        if key is not None
    ]
    listed.sort(key=lambda one: (-(one.late + one.missed), -one.owed, one.institution))
    if None in sums:
        listed.append(Timeliness(None, "", "", "", *sums[None]))
    return listed


def timeliness_for(
    principal: Principal, first: date, last: date, *, now: datetime, diseases: Sequence[str] = ()
) -> list[Timeliness]:
    """Return the same for those whom the policy shows counts: a clinician's or manager's own institution.

    Raises:
        NotAllowed: the principal may not read counts of any institution.
    """
    if policy.decide(principal, "read", Target("aggregate")).allowed:
        return timeliness(first, last, now=now, diseases=diseases)
    found: list[Timeliness] = []
    for number in sorted(principal.institution_ids):
        found += timeliness(first, last, now=now, diseases=diseases, institution_id=number)
    if not principal.institution_ids:
        policy.require(principal, "read", Target("aggregate"))
    return found


def overdue(rows: QuerySet[Case], now: datetime) -> QuerySet[Case]:
    """Return the cases whose report is owed and overdue at an instant."""
    return rows.filter(reported_at=None, due_at__lt=now)
