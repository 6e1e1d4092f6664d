"""What happens without a person: new cases and outbreaks are graded, each day all is looked at again."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel.jobs import periodic
from salus.prevention.events import CaseClassified, OutbreakOpened
from salus.prevention.models import (
    Case,
    Emergency,
    EmergencyState,
    EmergencyTask,
    TaskState,
)
from salus.prevention.queries.emergencies import counting, rules
from salus.prevention.services.emergencies import acts, ending, evaluating, reporting

_PAUSE = 60.0  # seconds between two looks at a disease in a county for single cases
_looked: dict[str, float] = {}


def case_changed(event: CaseClassified) -> None:
    """Look at the county of a case that came up or changed, and at the outbreak that it belongs to."""
    now = timezone.now()
    case = Case.objects.filter(pk=event.case_id).only("outbreak_id", "first_day").first()
    if case is None:
        return
    if case.outbreak_id is not None and _first_in_a_while(f"outbreak {case.outbreak_id}"):
        evaluating.from_outbreak(case.outbreak_id, now=now)
    day = timezone.localtime(now).date()
    recent = case.first_day > day - timedelta(days=counting.LOOK_BACK)
    if recent and len(event.district_code) >= 6 and rules.class_of(event.disease, day):
        county = counting.county_of(event.district_code)
        if _first_in_a_while(f"{event.disease} {county}"):
            evaluating.scan(event.disease, county, now=now)


def _first_in_a_while(what: str) -> bool:
    """Say whether something was not looked at within the last minute by this process.

    In a wave with hundreds of cases an hour each would cost a look; `watch` looks at what was left out.
    """
    now = time.monotonic()
    if now - _looked.get(what, -_PAUSE) < _PAUSE:
        return False
    if len(_looked) > 10_000:
        _looked.clear()
    _looked[what] = now
    return True


def outbreak_opened(event: OutbreakOpened) -> None:
    """Look whether an outbreak is an emergency."""
    evaluating.from_outbreak(event.outbreak_id, now=timezone.now())


@periodic(every=timedelta(hours=1), name="prevention.emergencies-watch")
def watch() -> None:
    """Look at where cases changed, draft the morning's reports, call what is late to mind."""
    now = timezone.now()
    look_at_changed(now=now)
    call_to_mind(now=now)
    reporting.morning(now=now)


@periodic(every=timedelta(days=1), name="prevention.emergencies-daily")
def daily() -> None:
    """Grade every emergency and every county's recent cases again, and look for responses that may end."""
    look_again(now=timezone.now())


def look_again(*, now: datetime) -> int:
    """Do the day's look; returns how many counties and emergencies were looked at."""
    day = timezone.localtime(now).date()
    done = 0
    alive = Emergency.objects.filter(state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN))
    for number in list(alive.values_list("pk", flat=True)):
        evaluating.reconsider(number, now=now)
        ending.look(number, now=now)
        done += 1
    return done + _scan_recent(day, None, now)


def look_at_changed(*, now: datetime) -> int:
    """Look at the counties and outbreaks whose cases changed in the last hours; returns how many."""
    since = now - timedelta(hours=2)
    grown = Case.objects.filter(outbreak__state="open", updated__gte=since)
    numbers = list(grown.values_list("outbreak_id", flat=True).distinct().order_by())
    for number in numbers:
        evaluating.from_outbreak(number, now=now)
    return len(numbers) + _scan_recent(timezone.localtime(now).date(), since, now)


def _scan_recent(day: date, since: datetime | None, now: datetime) -> int:
    recent = Case.objects.filter(
        first_day__gt=day - timedelta(days=counting.LOOK_BACK), first_day__lte=day, duplicate_of=None,
        status__in=("suspected", "probable", "confirmed"),
    )  # fmt: skip
    if since is not None:
        recent = recent.filter(updated__gte=since)
    found = recent.values_list("disease", "district_code").distinct().order_by()
    places = {(disease, counting.county_of(code)) for disease, code in found if len(code) >= 6}
    wanted = [(disease, county) for disease, county in sorted(places) if rules.class_of(disease, day)]
    for disease, county in wanted:
        evaluating.scan(disease, county, now=now)
    return len(wanted)


def call_to_mind(*, now: datetime) -> int:
    """Notify once of each overdue task and each first report that is late; returns how many notices went."""
    told = 0
    late = EmergencyTask.objects.filter(
        state=TaskState.OPEN, due_at__lt=now, emergency__state=EmergencyState.OPEN
    ).select_related("emergency")
    for task in late:
        told += acts.tell(
            task.emergency, [task.role, "epidemiologist"], "emergency-overdue",
            _("%(title)s: a task is overdue"), now=now, urgent=True, key=f"emergency-overdue-{task.pk}",
            link=_tasks_page(),
        )  # fmt: skip
    unreported = Emergency.objects.filter(
        state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN), reported_at=None, report_due_at__lt=now
    )
    for one in unreported:
        told += acts.tell(
            one, ["epidemiologist"], "emergency-report-late",
            _("%(title)s: the report to the next level is late"), now=now, urgent=True,
            key=f"emergency-report-late-{one.pk}",
        )  # fmt: skip
    return told


def _tasks_page() -> str:
    from django.urls import reverse

    return reverse("prevention:emergency-tasks")
