"""All that is known of one case or outbreak, for those who investigate it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from salus.kernel.policy import Principal
from salus.prevention.models import (
    Case,
    CaseEvent,
    Contact,
    ContactState,
    Exposure,
    Isolation,
    Outbreak,
    Sample,
    Transmission,
)
from salus.prevention.queries.notifiable import diseases, duplicates, seeing
from salus.prevention.surveillance.chains import Chain, chain

DRAWN = 200
"""The most cases of a chain that are drawn; all of them are listed."""


@dataclass(frozen=True, slots=True)
class Met:
    """A criterion that a case meets, in the reader's language, with its facts as they are kept."""

    words: str
    facts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Investigation:
    """A case with everything kept on it, as far as the reader may see it."""

    case: Case
    met: Sequence[Met]
    missing: Sequence[str]
    events: Sequence[CaseEvent]
    exposures: Sequence[Exposure]
    samples: Sequence[Sample]
    isolations: Sequence[Isolation]
    contacts: Sequence[Contact]
    sources: Sequence[Transmission]
    infected: Sequence[Transmission]
    likely: Sequence[duplicates.Candidate]
    joined: Sequence[Case]


def investigation(principal: Principal, number: int) -> Investigation:
    """Return a case with everything kept on it; raises NotFound. Leaves the audit row of a read."""
    case = seeing.open_case(principal, number)
    disease = diseases.catalogue().get(case.disease)
    missing: list[str] = []
    if disease is not None and (definition := disease.definition(case.first_day)) is not None:
        missing = [
            diseases.words_of(definition.criteria[name])
            for name in case.missing
            if name in definition.criteria
        ]
    tongue = "words_zh" if diseases.chinese() else "words"
    met = [Met(str(one.get(tongue) or one["words"]), one["facts"]) for one in case.evidence]
    seen = seeing.unaudited_cases(principal)
    likely: Sequence[duplicates.Candidate] = ()
    if disease is not None and case.duplicate_of_id is None:
        found = duplicates.candidates(duplicates.reported(case), disease.episode_days, leave_out=case.pk)
        may = set(seen.filter(pk__in=[one.case_id for one in found]).values_list("pk", flat=True))
        likely = [one for one in found if one.case_id in may]
    contacts = seeing.contacts(principal).filter(case=case).order_by("name")
    return Investigation(
        case, met, missing, list(case.events.all()[:100]), list(case.exposures.order_by("start", "id")),
        list(case.samples.order_by("taken_on", "id")), list(case.isolations.order_by("start", "id")),
        list(contacts[:500]),
        list(case.sources.select_related("source").order_by("id")),
        list(case.infected.select_related("case").order_by("id")), likely,
        list(Case.objects.filter(duplicate_of=case).order_by("id")),
    )  # fmt: skip


def outbreak_cases(principal: Principal, outbreak: Outbreak) -> QuerySet[Case]:
    """Return the outbreak's cases that the reader may see."""
    return seeing.cases(principal).filter(outbreak=outbreak)


def chain_of(rows: QuerySet[Case]) -> tuple[Chain[int], dict[int, Case]]:
    """Return the transmission chain of some cases and the cases by number."""
    held = {case.pk: case for case in rows.order_by("first_day", "id")[: DRAWN * 20]}
    pairs = [
        pair
        for start in range(0, len(held), 500)
        for pair in Transmission.objects.filter(case_id__in=list(held)[start : start + 500])
        .order_by("id")
        .values_list("source_id", "case_id")
    ]
    return chain(held, pairs, {pk: case.first_day for pk, case in held.items()}), held


def contacts_due(principal: Principal, today: date, *, days: int = 0) -> QuerySet[Contact]:
    """Return the contacts under follow-up whom the reader may visit and who were not seen today.

    `days` looks so many days ahead of today. Those with an alert come first, then those not seen longest.
    """
    rows = seeing.contacts(principal, "update").filter(state=ContactState.FOLLOWED, follow_until__gte=today)
    if not days:
        rows = rows.filter(Q(last_visit__lt=today) | Q(last_visit=None))
    return first_ones(rows)


def first_ones(rows: QuerySet[Contact]) -> QuerySet[Contact]:
    """Return contacts in the order in which they are worth a visit, alike on both databases."""
    return rows.order_by(F("alert_on").desc(nulls_last=True), F("last_visit").asc(nulls_first=True), "pk")


def followed_counts(rows: QuerySet[Contact], today: date) -> dict[str, int]:
    """Return how many contacts are under follow-up, due today, and on alert since yesterday."""
    found = rows.aggregate(
        followed=Count("id", filter=Q(state=ContactState.FOLLOWED)),
        due=Count(
            "id",
            filter=Q(state=ContactState.FOLLOWED, follow_until__gte=today)
            & (Q(last_visit__lt=today) | Q(last_visit=None)),
        ),
        alert=Count("id", filter=Q(state=ContactState.FOLLOWED, alert_on__gte=today - timedelta(days=1))),
    )
    return {name: int(value or 0) for name, value in found.items()}


def home_counts(principal: Principal) -> dict[str, int]:
    """Return how many reports are owed and overdue now, of those that the reader may see."""
    now = timezone.now()
    rows = seeing.unaudited_cases(principal).filter(reported_at=None)
    found = rows.aggregate(
        owed=Count("id", filter=Q(due_at__gte=now)), overdue=Count("id", filter=Q(due_at__lt=now))
    )
    return {name: int(value or 0) for name, value in found.items()}
