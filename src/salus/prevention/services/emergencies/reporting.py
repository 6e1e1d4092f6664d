"""Situation reports: drafted with the day's numbers, edited, issued, and corrected only as a next version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import Emergency, EmergencyState, ReportState, SituationReport
from salus.prevention.queries.emergencies import figures, rules, seeing
from salus.prevention.services.emergencies import acts
from salus.prevention.surveillance.grading import Grade


@dataclass(frozen=True, slots=True)
class Words:
    """What a person writes in a report."""

    situation: str
    measures: str
    needs: str
    outlook: str


def draft(principal: Principal, number: int, *, now: datetime, day: date | None = None) -> SituationReport:
    """Draft the next report of an emergency, or bring the numbers of the present draft up to date.

    Args:
        principal: who drafts.
        number: the emergency's.
        now: when.
        day: as of the end of which day; today if None.

    Raises:
        NotFound: there is no such emergency.
        Conflict: its response has not begun.
        Invalid: the day lies in the future or before the event.
    """
    one = seeing.open_one(principal, number, "update")
    today = timezone.localtime(now).date()
    wanted = day or today
    if not one.began_on <= wanted <= today:
        raise Invalid("report-day", _("The day lies outside the event"), where="day")
    with acts.kept(principal, one, "draft"):
        made = write_draft(acts.alone(number), wanted, by=principal.name, now=now)
    return made


def write_draft(one: Emergency, day: date, *, by: str, now: datetime) -> SituationReport:
    """Write the draft in the caller's transaction; raises Conflict where the response has not begun."""
    if one.state not in (EmergencyState.OPEN, EmergencyState.CLOSED):
        raise Conflict("emergency-not-open", _("The response has not begun"), where=str(one.pk))
    held = one.reports.filter(state=ReportState.DRAFT).first()
    numbers = figures.figures_of(one, day, now=now)
    if held is not None:
        held.day, held.figures = day, numbers
        held.save(update_fields=["day", "figures"])
        return held
    last = one.reports.order_by("-number", "-version").first()
    made = SituationReport.objects.create(
        emergency=one, number=last.number + 1 if last else 1, day=day, figures=numbers, created=now,
        final=one.state == EmergencyState.CLOSED,
        measures=last.measures if last else "", needs=last.needs if last else "",
        outlook=last.outlook if last else "",
    )  # fmt: skip
    acts.note(one, "drafted", by=by, now=now, number=made.number)
    return made


def open_report(principal: Principal, number: int, action: str = "read") -> SituationReport:
    """Return a report if the principal may do the action on its emergency; raises NotFound."""
    found = SituationReport.objects.select_related("emergency").filter(pk=number).first()
    if found is None:
        raise NotFound("report-unknown", _("There is no such report"), where=str(number))
    found.emergency = seeing.open_one(principal, found.emergency_id, action)
    return found


def edit(principal: Principal, number: int, words: Words, *, now: datetime) -> SituationReport:
    """Write a draft's words.

    Raises:
        NotFound: there is no such report.
        Conflict: it is issued, and so never changed.
    """
    held = open_report(principal, number, "update")
    with acts.kept(principal, held.emergency, "edit-report", number=held.number):
        if not SituationReport.objects.filter(pk=number, state=ReportState.DRAFT).update(
            situation=words.situation, measures=words.measures, needs=words.needs, outlook=words.outlook,
            edited_by=principal.name,
        ):  # fmt: skip
            raise Conflict("report-issued", _("An issued report is never changed: correct it"), where="state")
    held.refresh_from_db()
    return held


def issue(principal: Principal, number: int, *, now: datetime) -> SituationReport:
    """Issue a report: it stands as it is from now on; one that it corrects is marked as replaced.

    Raises:
        NotFound: there is no such report, or the principal may not decide.
        Conflict: it is issued already.
        Invalid: no measures are written.
    """
    held = open_report(principal, number, "decide")
    one = held.emergency
    if not held.measures.strip():
        raise Invalid("report-measures", _("Write which measures were taken"), where="measures")
    with acts.kept(principal, one, "issue", number=held.number):
        one = acts.alone(one.pk)
        if not SituationReport.objects.filter(pk=number, state=ReportState.DRAFT).update(
            state=ReportState.ISSUED, issued_by=principal.name, issued_at=now
        ):
            raise Conflict("report-issued", _("It is issued already"), where="state")
        one.reports.filter(number=held.number, state=ReportState.ISSUED).exclude(pk=number).update(
            state=ReportState.REPLACED
        )
        if held.version == 1:
            one.next_report_at = _next(one, now)
            one.save(update_fields=["next_report_at"])
        acts.note(one, "issued", by=principal.name, now=now, number=held.number, version=held.version)
        acts.tell(
            one, ["planner", "epidemiologist"], "emergency-report",
            _("%(title)s: situation report %(number)s is issued"), now=now,
            params={"number": held.number}, key=f"emergency-report-{number}",
        )  # fmt: skip
    held.refresh_from_db()
    return held


def _next(one: Emergency, now: datetime) -> datetime | None:
    if one.state == EmergencyState.CLOSED:
        return None
    day = timezone.localtime(now).date()
    grade = rules.graded(one.grade or Grade.NOTICE)
    hours = rules.response().level(grade, day, one.district_code).every_hours
    return now + timedelta(hours=hours) if hours else None


def correct(principal: Principal, number: int, *, now: datetime) -> SituationReport:
    """Begin the next version of an issued report, with its words and day and the numbers as known now.

    Raises:
        NotFound: there is no such report.
        Conflict: it is not the issued version, or another draft is being written.
    """
    held = open_report(principal, number, "update")
    if held.state != ReportState.ISSUED:
        raise Conflict("report-not-issued", _("Only an issued report is corrected"), where="state")
    if held.emergency.reports.filter(state=ReportState.DRAFT).exists():
        raise Conflict("report-drafting", _("Issue or discard the present draft first"), where="state")
    with acts.kept(principal, held.emergency, "correct-report", number=held.number):
        made = SituationReport.objects.create(
            emergency=held.emergency, number=held.number, version=held.version + 1, final=held.final,
            day=held.day, figures=figures.figures_of(held.emergency, held.day, now=now),
            situation=held.situation, measures=held.measures, needs=held.needs, outlook=held.outlook,
            created=now, edited_by=principal.name,
        )  # fmt: skip
        acts.note(
            held.emergency, "corrected", by=principal.name, now=now, number=made.number, version=made.version
        )
    return made


def discard(principal: Principal, number: int, *, now: datetime) -> None:
    """Throw a draft away; raises NotFound, Conflict when it is issued."""
    held = open_report(principal, number, "update")
    with acts.kept(principal, held.emergency, "discard-report", number=held.number):
        if not SituationReport.objects.filter(pk=number, state=ReportState.DRAFT).delete()[0]:
            raise Conflict("report-issued", _("An issued report is never changed: correct it"), where="state")


def morning(*, now: datetime) -> int:
    """Draft the day's report of every open emergency whose level asks for one; returns how many were made.

    Before the level's hour nothing is made; a draft that waits gets the newest numbers; as of yesterday,
    whose numbers are whole.
    """
    local = timezone.localtime(now)
    yesterday = local.date() - timedelta(days=1)
    done = 0
    for number in Emergency.objects.filter(state=EmergencyState.OPEN).values_list("pk", flat=True):
        with transaction.atomic():
            one = acts.alone(number)
            if one.state != EmergencyState.OPEN or one.grade is None:
                continue
            level = rules.response().level(rules.graded(one.grade), local.date(), one.district_code)
            if not level.every_hours or local.hour < level.morning:
                continue
            day = max(yesterday, one.began_on)
            if one.reports.filter(day__gte=day).exists():
                continue
            made = write_draft(one, day, by="rules", now=now)
            acts.tell(
                one, ["epidemiologist"], "emergency-draft",
                _("%(title)s: the draft of situation report %(number)s waits for you"), now=now,
                params={"number": made.number}, key=f"emergency-draft-{made.pk}-{day}",
            )  # fmt: skip
            done += 1
    return done
