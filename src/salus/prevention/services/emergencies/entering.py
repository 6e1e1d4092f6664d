"""What persons enter: an event, its counts by day and place, statements that rules ask for, its report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.events import emit
from salus.kernel.policy import Principal
from salus.prevention.events import CasualtiesKnown, FoodPoisoningFound
from salus.prevention.models import (
    Emergency,
    EmergencyCount,
    EmergencyKind,
    EmergencyOrigin,
    EmergencyState,
)
from salus.prevention.queries.emergencies import counting, rules, seeing
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.services.emergencies import acts, evaluating
from salus.prevention.surveillance.grading import Grade


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """An event as somebody reports it; `noticed_at` is when the news came."""

    title: str
    kind: str
    district_code: str
    began_on: date
    noticed_at: datetime
    disease: str = ""
    form: str = ""
    place: str = ""
    note: str = ""
    flags: tuple[str, ...] = ()
    cases: int = 0
    severe: int = 0
    in_hospital: int = 0
    deaths: int = 0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class AskedCount:
    """Persons newly affected on a day in a place; zero in all takes an entry back."""

    day: date
    cases: int
    severe: int = 0
    in_hospital: int = 0
    deaths: int = 0
    district_code: str = ""
    unit: str = ""


def open_event(principal: Principal, asked: AskedEvent, *, now: datetime) -> Emergency:
    """Enter an event that was reported; the rules look at it at once.

    Raises:
        NotAllowed: the principal may not enter events in the district.
        Invalid: a value is missing or wrong.
    """
    one = Emergency(
        title=asked.title.strip()[:120], kind=asked.kind, disease=asked.disease, form=asked.form,
        origin=EmergencyOrigin.REPORT, district_code=asked.district_code, place=asked.place.strip()[:120],
        flags=sorted(set(asked.flags)), began_on=asked.began_on, noticed_at=asked.noticed_at,
        opened_by=principal.name, note=asked.note, created=now, updated=now,
    )  # fmt: skip
    policy.require(principal, "create", seeing.target(one))
    if not one.title:
        raise Invalid("emergency-title", _("Give the event a title"), where="title")
    if asked.kind not in EmergencyKind.values:
        raise Invalid("emergency-kind", _("There is no such kind of event"), where="kind")
    if asked.kind == EmergencyKind.INFECTIOUS and asked.disease not in catalogue():
        raise Invalid("disease-unknown", _("Name the disease"), where="disease")
    today = timezone.localtime(now).date()
    if asked.began_on > today or asked.noticed_at > now + timedelta(minutes=5):
        raise Invalid("emergency-future", _("The time lies in the future"), where="began_on")
    if len(asked.district_code) < 6:
        raise Invalid("emergency-district", _("Choose the district"), where="district")
    _known_flags(asked.flags)
    level = rules.response().level(Grade.NOTICE, today, asked.district_code)
    one.report_due_at = asked.noticed_at + timedelta(hours=level.report_hours)
    counted = AskedCount(
        asked.began_on, asked.cases, asked.severe, asked.in_hospital, asked.deaths, asked.district_code,
        asked.unit,
    )  # fmt: skip
    _right(counted)
    with acts.kept(principal, one, "enter", kind=asked.kind):
        one.save()
        acts.note(one, "entered", by=principal.name, now=now)
        if counted.cases or counted.deaths:
            _keep(one, counted, principal.name, now)
        evaluating.reconsider(one.pk, now=now)
        offer(one, today)
    one.refresh_from_db()
    return one


def enter_counts(
    principal: Principal, number: int, asked: Iterable[AskedCount], *, now: datetime
) -> Emergency:  # fmt: skip
    """Enter or correct an event's counts; the rules look at it again.

    Raises:
        NotFound: there is no such emergency.
        Conflict: it is over.
        Invalid: a count is wrong, or its day lies in the future.
    """
    one = seeing.open_one(principal, number, "update")
    today = timezone.localtime(now).date()
    rows = list(asked)
    for row in rows:
        _right(row)
        if row.day > today:
            raise Invalid("emergency-future", _("The time lies in the future"), where="day")
    with acts.kept(principal, one, "count", rows=len(rows)):
        one = acts.alone(number)
        _alive(one)
        for row in rows:
            _keep(one, row, principal.name, now)
            acts.note(
                one, "counted", by=principal.name, now=now, day=row.day.isoformat(), cases=row.cases,
                deaths=row.deaths,
            )  # fmt: skip
        first = min((row.day for row in rows), default=one.began_on)
        one.began_on, one.updated = min(one.began_on, first), now
        one.save(update_fields=["began_on", "updated"])
        evaluating.reconsider(number, now=now)
        offer(one, today)
    return one


def state_facts(
    principal: Principal, number: int, flags: Iterable[str], *, now: datetime, form: str | None = None
) -> Emergency:
    """State what no count says (it spreads, it is the first here, …); the rules look again.

    Raises:
        NotFound: there is no such emergency.
        Conflict: it is over.
        Invalid: no rule knows a statement.
    """
    one = seeing.open_one(principal, number, "update")
    wanted = sorted(set(flags))
    _known_flags(wanted)
    with acts.kept(principal, one, "state"):
        one = acts.alone(number)
        _alive(one)
        one.flags, one.updated = wanted, now
        if form is not None:
            one.form = form
        one.save(update_fields=["flags", "form", "updated"])
        acts.note(one, "stated", by=principal.name, now=now, flags=wanted)
        evaluating.reconsider(number, now=now)
    return one


def reported(principal: Principal, number: int, *, now: datetime) -> Emergency:
    """Note that the event was reported to the next level; stops the clock.

    Raises:
        NotFound: there is no such emergency.
        Conflict: it was reported already.
    """
    one = seeing.open_one(principal, number, "update")
    with acts.kept(principal, one, "report"):
        if not Emergency.objects.filter(pk=number, reported_at=None).update(reported_at=now, updated=now):
            raise Conflict("emergency-reported", _("It was reported already"), where=str(number))
        acts.note(one, "reported", by=principal.name, now=now, late=now > one.report_due_at)
    one.refresh_from_db()
    return one


def offer(one: Emergency, day: date) -> None:
    """Tell other rooms, in the caller's transaction: food poisoning to supervision, casualties to rescue."""
    if one.kind in (EmergencyKind.INFECTIOUS, EmergencyKind.UNEXPLAINED, EmergencyKind.PATHOGEN_LOSS):
        if not one.counts.exists():
            return
    counts = counting.counts_of(one, day)
    sums = counting.sums_of(one, counts, None, day)
    if one.kind == EmergencyKind.FOOD_POISONING:
        units = sorted({row.unit for row in counts if row.unit})
        emit(
            FoodPoisoningFound(
                one.pk, one.district_code, one.place, units, one.began_on, sums.cases, sums.deaths
            )
        )
    if sums.cases or sums.deaths:
        emit(
            CasualtiesKnown(
                one.pk, one.kind, one.district_code, one.place, one.grade, sums.cases, sums.severe,
                sums.in_hospital, sums.deaths,
            )
        )  # fmt: skip


def _alive(one: Emergency) -> None:
    if one.state not in (EmergencyState.PROPOSED, EmergencyState.OPEN):
        raise Conflict("emergency-over", _("The emergency is over"), where=str(one.pk))


def _right(row: AskedCount) -> None:
    if min(row.cases, row.severe, row.in_hospital, row.deaths) < 0:
        raise Invalid("emergency-count", _("A count is negative"), where="cases")
    if max(row.severe, row.in_hospital) > row.cases:
        raise Invalid("emergency-of-them", _("More are severe or in hospital than ill"), where="severe")


def _keep(one: Emergency, row: AskedCount, by: str, now: datetime) -> None:
    where: dict[str, Any] = {
        "emergency": one, "day": row.day, "unit": row.unit.strip()[:120],
        "district_code": row.district_code or one.district_code,
    }  # fmt: skip
    if not (row.cases or row.deaths):
        EmergencyCount.objects.filter(**where).delete()
        return
    EmergencyCount.objects.update_or_create(
        **where,
        defaults={
            "cases": row.cases, "severe": row.severe, "in_hospital": row.in_hospital, "deaths": row.deaths,
            "entered_by": by, "entered_at": now,
        },
    )  # fmt: skip


def _known_flags(flags: Iterable[str]) -> None:
    if unknown := set(flags) - set(rules.book().flags):
        raise Invalid("emergency-flag", _("No rule knows this statement"), where=min(unknown)[:40])
