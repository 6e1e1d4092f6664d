"""A case's classification kept with it: facts in, status and evidence out, its history and its event.

Everything here runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from salus.kernel.events import emit
from salus.prevention.events import CaseClassified
from salus.prevention.models import Case, CaseEvent, CaseFact, CaseStatus
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.surveillance import Classification, Disease, Evidence, Fact, Status, classify, deadline


def fact_row(case: Case, fact: Fact, rid: int | None = None) -> CaseFact:
    """Return a fact as it is kept."""
    return CaseFact(
        case=case, rid=rid, kind=fact.kind, code=fact.code[:40], name=fact.name[:120],
        value=fact.value[:120], number=fact.number, day=fact.day, ref=fact.ref[:120],
    )  # fmt: skip


def fact_of(row: CaseFact) -> Fact:
    """Return a kept fact as the engine takes it."""
    return Fact(row.kind, row.code, row.name, row.value, row.number, row.day, row.ref)


def kept_evidence(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return the criteria met with the facts that meet them, as they are kept with the case."""
    return [
        {
            "criterion": one.criterion,
            "words": one.words,
            "words_zh": one.words_zh,
            "facts": [
                {
                    "kind": f.kind, "code": f.code, "name": f.name, "value": f.value, "number": f.number,
                    "day": f.day.isoformat() if f.day else "", "ref": f.ref,
                }
                for f in one.facts[:20]
            ],
        }
        for one in evidence
    ]  # fmt: skip


def age_fact(case: Case) -> Fact | None:
    """Return the person's age at the case's first day, in years."""
    years = case.age
    if case.birth_date is not None:
        years = (case.first_day - case.birth_date).days / 365.25
    return None if years is None else Fact("age", number=years, day=case.first_day, ref="age")


def judged(case: Case, facts: Sequence[Fact], disease: Disease) -> Classification:
    """Classify a case by its facts, with the definition of its own day."""
    age = age_fact(case)
    return classify([*facts, age] if age else facts, disease, case.first_day)


def refresh(case: Case, *, by: str, now: datetime, reason: str = "") -> Classification | None:
    """Classify a stored case anew from its kept facts, keep the evidence, and tell when the status changed.

    A status that a person decided stays; the evidence is still kept up. A case of the record whose facts were
    all taken back, or meet no definition any more, is discarded. None where no file holds the disease.
    """
    disease = catalogue().get(case.disease)
    if disease is None:
        return None
    facts = [fact_of(row) for row in case.facts.order_by("id")]
    found = judged(case, facts, disease)
    case.evidence, case.missing = kept_evidence(found.evidence), list(found.missing)
    case.defined, case.updated = found.defined, now
    after = case.status
    if not case.decided:
        after = CaseStatus.DISCARDED if found.status is Status.NONE else CaseStatus(found.status.value)
    if found.status is Status.NONE and not reason:
        reason = "facts-withdrawn"
    move(case, after, by=by, now=now, reason=reason)
    case.save()
    return found


def move(case: Case, after: str, *, by: str, now: datetime, reason: str = "") -> bool:
    """Set a case's status and keep what happened; returns whether it changed. The caller saves the case."""
    before = case.status
    if before == after:
        return False
    case.status = after
    note(case, "status", by=by, now=now, before=before, after=after, reason=reason)
    emit(CaseClassified(case.pk, case.disease, case.district_code, before, after))
    return True


def note(
    case: Case, kind: str, *, by: str, now: datetime, before: str = "", after: str = "", reason: str = ""
) -> None:
    """Keep what happened to a case."""
    CaseEvent.objects.create(
        case=case, at=now, by=by[:150], kind=kind, before=before, after=after, reason=reason[:300]
    )


def due_at(disease: Disease, diagnosed: datetime, facts: Sequence[Fact]) -> datetime | None:
    """Return by when a diagnosis is to be reported."""
    codes = [fact.code for fact in facts if fact.kind in ("diagnosis", "death")]
    return deadline(disease, diagnosed, timezone.get_current_timezone(), codes=codes)


def local_day(moment: datetime) -> date:
    """Return the day of an instant in the city's zone."""
    return timezone.localtime(moment).date()
