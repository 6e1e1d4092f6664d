"""What a person decides about a case: its status, that two are one, and corrections of what is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.policy import Principal
from salus.prevention.models import Case, CaseFact, CaseOutcome, CaseStatus
from salus.prevention.queries.notifiable import seeing
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.services.notifiable import judging


def _kept(principal: Principal, case: Case, did: str, after: str = "") -> audit.AuditEntry:
    return audit.entry(
        principal, "update", person_id=case.person_id, resource_type="NotifiableCase",
        resource_id=str(case.pk), detail={"did": did, "after": after},
    )  # fmt: skip


def _alone(number: int) -> Case:
    query = Case.objects.filter(pk=number)
    return (query.select_for_update() if connection.vendor == "postgresql" else query).get()


def decide(principal: Principal, number: int, status: str, reason: str, *, now: datetime) -> Case:
    """Set a case's status by a person's judgement; the definition no longer changes it.

    Raises:
        NotFound: there is no such case, or the principal may not decide on it.
        Invalid: there is no such status, or the reason is too short.
    """
    case = seeing.open_case(principal, number, "decide")
    if status not in CaseStatus.values:
        raise Invalid("case-status", _("There is no such status"), where="status")
    if len(reason.strip()) < 3:
        raise Invalid("case-reason", _("Say why"), where="reason")
    with transaction.atomic(), connection.cursor() as cursor:
        case = _alone(number)
        case.decided, case.updated = True, now
        if not judging.move(case, status, by=principal.name, now=now, reason=reason.strip()):
            judging.note(case, "decided", by=principal.name, now=now, after=status, reason=reason.strip())
        case.save()
        intent = audit.intend(cursor, [_kept(principal, case, "decide", status)])
    audit.settle(intent)
    return case


def leave_to_definition(principal: Principal, number: int, *, now: datetime) -> Case:
    """Take a person's decision back: the definition classifies the case again; raises NotFound."""
    seeing.open_case(principal, number, "decide")
    with transaction.atomic(), connection.cursor() as cursor:
        case = _alone(number)
        case.decided = False
        judging.refresh(case, by=principal.name, now=now, reason="by-definition")
        intent = audit.intend(cursor, [_kept(principal, case, "by-definition", case.status)])
    audit.settle(intent)
    return case


def join(principal: Principal, number: int, same_as: int, *, now: datetime) -> Case:
    """Say that a case is another one reported twice: it leaves the counts, its facts count for the other.

    Raises:
        NotFound: one of them is not there, or the principal may not decide on it.
        Invalid: they are one and the same, or of two diseases.
        Conflict: one of them is joined to another already.
    """
    seeing.open_case(principal, number, "decide")
    seeing.open_case(principal, same_as, "decide")
    if number == same_as:
        raise Invalid("case-itself", _("A case cannot be joined to itself"), where="same_as")
    with transaction.atomic(), connection.cursor() as cursor:
        case, other = _alone(number), _alone(same_as)
        if case.disease != other.disease:
            raise Invalid("case-diseases", _("The cases are of two diseases"), where="same_as")
        if case.duplicate_of_id is not None or other.duplicate_of_id is not None:
            raise Conflict("case-joined", _("One of the cases is joined already"), where=str(number))
        if case.person_id and other.person_id and case.person_id != other.person_id:
            raise Conflict("case-persons", _("The cases are of two residents"), where="same_as")
        case.duplicate_of, case.updated = other, now
        case.save(update_fields=["duplicate_of", "updated"])
        CaseFact.objects.bulk_create(
            judging.fact_row(other, judging.fact_of(row)) for row in case.facts.all()
        )
        if case.reported_at is not None and (
            other.reported_at is None or case.reported_at < other.reported_at
        ):
            other.reported_at, other.reported_by = case.reported_at, case.reported_by
        judging.note(case, "joined", by=principal.name, now=now, after=str(other.pk))
        judging.note(other, "took-in", by=principal.name, now=now, after=str(case.pk))
        judging.refresh(other, by=principal.name, now=now)
        items = [_kept(principal, case, "join", str(other.pk)), _kept(principal, other, "take-in")]
        intent = audit.intend(cursor, items)
    audit.settle(intent)
    return other


def part(principal: Principal, number: int, *, now: datetime) -> Case:
    """Take a joining back: the case counts again, and the other loses the facts that it brought.

    Raises:
        NotFound: there is no such case, or the principal may not decide on it.
        Conflict: it is not joined.
    """
    seeing.open_case(principal, number, "decide")
    with transaction.atomic(), connection.cursor() as cursor:
        case = _alone(number)
        if case.duplicate_of_id is None:
            raise Conflict("case-alone", _("The case is not joined to another"), where=str(number))
        other = _alone(case.duplicate_of_id)
        brought = [judging.fact_of(row) for row in case.facts.all()]
        for row in other.facts.filter(rid=None).order_by("-id"):
            if judging.fact_of(row) in brought:
                brought.remove(judging.fact_of(row))
                row.delete()
        case.duplicate_of, case.updated = None, now
        case.save(update_fields=["duplicate_of", "updated"])
        judging.note(case, "parted", by=principal.name, now=now, before=str(other.pk))
        judging.refresh(other, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "part", str(other.pk))])
    audit.settle(intent)
    return case


@dataclass(frozen=True, slots=True)
class Correction:
    """What is corrected; None leaves a value as it is."""

    onset: date | None = None
    outcome: str | None = None
    died_on: date | None = None
    place_infected: str | None = None
    note: str | None = None


def correct(principal: Principal, number: int, asked: Correction, *, now: datetime) -> Case:
    """Correct what is known of a case; raises NotFound, Invalid."""
    case = seeing.open_case(principal, number, "update")
    if asked.onset is not None and asked.onset > judging.local_day(case.diagnosed_at):
        raise Invalid("report-onset", _("The onset lies after the diagnosis"), where="onset")
    if asked.outcome is not None and asked.outcome not in CaseOutcome.values:
        raise Invalid("report-outcome", _("There is no such outcome"), where="outcome")
    if asked.died_on is not None and asked.died_on > judging.local_day(now):
        raise Invalid("case-death", _("The death lies in the future"), where="died_on")
    with transaction.atomic(), connection.cursor() as cursor:
        case = _alone(number)
        if asked.onset is not None:
            case.onset = asked.onset
            case.first_day = min(asked.onset, judging.local_day(case.diagnosed_at))
        for name in ("outcome", "died_on", "place_infected", "note"):
            if (value := getattr(asked, name)) is not None:
                setattr(case, name, value)
        judging.note(case, "corrected", by=principal.name, now=now)
        if catalogue().get(case.disease) is None:
            case.updated = now
            case.save()
        judging.refresh(case, by=principal.name, now=now)
        intent = audit.intend(cursor, [_kept(principal, case, "correct")])
    audit.settle(intent)
    return case
