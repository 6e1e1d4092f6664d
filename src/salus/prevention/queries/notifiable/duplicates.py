"""Cases that a report may be the same as: by the person, or by the name where identity is not known.

Both look-ups go through an index on (person or name, disease, first day) and read a handful of rows,
whatever the number of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from django.db.models import Q

from salus.prevention.models import Case
from salus.prevention.surveillance.matching import Likeness, Reported, likeness, name_key

LIMIT = 50
"""The most cases of one name and disease within an episode that are looked at."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A case that a report may be the same as, how sure it is, and by what."""

    case_id: int
    likeness: Likeness
    agrees: Sequence[str]
    first_day: date
    status: str


def candidates(who: Reported, episode_days: int, *, leave_out: int | None = None) -> list[Candidate]:
    """Return the cases that a report may be the same as, the surest and nearest in time first."""
    span = timedelta(days=episode_days)
    try:
        low, high = who.day - span, who.day + span
    except OverflowError:
        low, high = date(1900, 1, 1), date.max
    within = Q(disease=who.disease, first_day__gte=low, first_day__lte=high, duplicate_of=None)
    rows: dict[int, Case] = {}
    if who.person_id is not None:
        rows |= {row.pk: row for row in Case.objects.filter(within, person_id=who.person_id)[:LIMIT]}
    if key := name_key(who.name):
        named = Case.objects.filter(within, name_key=key)
        if who.born is not None:  # another birth date is another person: a common name would fill the limit
            named = named.filter(Q(birth_date=who.born) | Q(birth_date=None))
        near = named.annotate(known=Q(birth_date=who.born)).order_by("-known", "-first_day", "-pk")
        rows |= {row.pk: row for row in near[:LIMIT]}
    found = []
    for row in rows.values():
        if row.pk == leave_out:
            continue
        how, agrees = likeness(who, reported(row), episode_days)
        if how is not Likeness.NO:
            found.append(Candidate(row.pk, how, agrees, row.first_day, row.status))
    return sorted(
        found, key=lambda c: (c.likeness is not Likeness.SAME, abs((c.first_day - who.day).days), c.case_id)
    )


def reported(case: Case) -> Reported:
    """Return a stored case as the matching takes it."""
    return Reported(
        case.disease, case.first_day, case.person_id, case.name, case.birth_date, case.age, case.sex,
        case.district_code,
    )  # fmt: skip


def of_person(person_id: UUID, disease: str, day: date, episode_days: int) -> Case | None:
    """Return a person's case of a disease whose episode a day lies in, the nearest."""
    found = candidates(Reported(disease, day, person_id), episode_days)
    return Case.objects.get(pk=found[0].case_id) if found else None
