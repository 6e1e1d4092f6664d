"""Outbreaks: opened (from a signal or by a person's judgement), filled with cases, closed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.policy import Principal
from salus.prevention.events import OutbreakClosed, OutbreakOpened
from salus.prevention.models import Case, Outbreak, OutbreakState
from salus.prevention.queries.notifiable import seeing
from salus.prevention.queries.notifiable.diseases import catalogue


def _kept(principal: Principal, outbreak: Outbreak, did: str, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, "update", resource_type="Outbreak", resource_id=str(outbreak.pk),
        detail={"did": did, **detail},
    )  # fmt: skip


def open_outbreak(
    principal: Principal,
    title: str,
    disease: str,
    opened_on: date,
    *,
    now: datetime,
    district_code: str = "",
    place: str = "",
    definition: str = "",
    cases: Iterable[int] = (),
    signal_id: int | None = None,
) -> Outbreak:
    """Open an outbreak of a disease, with its first cases.

    Raises:
        NotAllowed: the principal may not open outbreaks in the district.
        NotFound: there is no such disease, or the principal may not change one of the cases.
        Invalid: the title is empty, or a case is of another disease.
    """
    made = Outbreak(
        title=title.strip()[:120], disease=disease, district_code=district_code, place=place[:120],
        definition=definition, opened_on=opened_on, opened_by=principal.name, updated=now,
        signal_id=signal_id,
    )  # fmt: skip
    policy.require(principal, "create", seeing.outbreak_target(made))
    if disease not in catalogue():
        raise NotFound("disease-unknown", _("There is no such disease"), where="disease")
    if not made.title:
        raise Invalid("outbreak-title", _("Give the outbreak a title"), where="title")
    chosen = sorted(set(cases))
    _ours(principal, disease, chosen)
    with transaction.atomic(), connection.cursor() as cursor:
        made.save()
        Case.objects.filter(pk__in=chosen).update(outbreak=made, updated=now)
        emit(OutbreakOpened(made.pk, disease, district_code, signal_id))
        intent = audit.intend(cursor, [_kept(principal, made, "open", cases=len(chosen))])
    audit.settle(intent)
    return made


def put(principal: Principal, number: int, cases: Iterable[int], *, now: datetime) -> int:
    """Put cases into an outbreak; returns how many were put. Those in another outbreak are moved.

    Raises:
        NotFound: there is no such outbreak or case, or the principal may not change it.
        Invalid: a case is of another disease.
        Conflict: the outbreak is closed.
    """
    outbreak = seeing.open_outbreak(principal, number, "update")
    if outbreak.state != OutbreakState.OPEN:
        raise Conflict("outbreak-closed", _("The outbreak is closed"), where=str(number))
    chosen = sorted(set(cases))
    _ours(principal, outbreak.disease, chosen)
    with transaction.atomic(), connection.cursor() as cursor:
        done = Case.objects.filter(pk__in=chosen).update(outbreak=outbreak, updated=now)
        Outbreak.objects.filter(pk=number).update(updated=now)
        intent = audit.intend(cursor, [_kept(principal, outbreak, "put", cases=done)])
    audit.settle(intent)
    return done


def take_out(principal: Principal, number: int, case: int, *, now: datetime) -> None:
    """Take a case out of an outbreak; raises NotFound."""
    outbreak = seeing.open_outbreak(principal, number, "update")
    held = seeing.open_case(principal, case, "update")
    with transaction.atomic(), connection.cursor() as cursor:
        if not Case.objects.filter(pk=held.pk, outbreak=outbreak).update(outbreak=None, updated=now):
            raise NotFound("case-unknown", _("There is no such case"), where=str(case))
        intent = audit.intend(cursor, [_kept(principal, outbreak, "take-out", case=case)])
    audit.settle(intent)


def close(principal: Principal, number: int, day: date, note: str, *, now: datetime) -> Outbreak:
    """Close an outbreak with what was found.

    Raises:
        NotFound: there is no such outbreak, or the principal may not decide on it.
        Conflict: it is closed already.
        Invalid: the day lies before its opening.
    """
    outbreak = seeing.open_outbreak(principal, number, "decide")
    if day < outbreak.opened_on:
        raise Invalid("dates-reversed", _("The end lies before the start"), where="day")
    with transaction.atomic(), connection.cursor() as cursor:
        if not Outbreak.objects.filter(pk=number, state=OutbreakState.OPEN).update(
            state=OutbreakState.CLOSED, closed_on=day, note=note, updated=now
        ):
            raise Conflict("outbreak-closed", _("The outbreak is closed"), where=str(number))
        emit(OutbreakClosed(number, outbreak.disease, outbreak.district_code))
        intent = audit.intend(cursor, [_kept(principal, outbreak, "close")])
    audit.settle(intent)
    outbreak.refresh_from_db()
    return outbreak


def _ours(principal: Principal, disease: str, numbers: list[int]) -> None:
    """Hold that every case is there, of the disease, and may be changed by the principal."""
    seen = set(
        seeing.unaudited_cases(principal, "update")
        .filter(pk__in=numbers, disease=disease)
        .values_list("pk", flat=True)
    )
    for number in numbers:
        if number not in seen:
            raise NotFound("case-unknown", _("There is no such case"), where=str(number))
