"""Tries to reach a resident about what is due, taken back too; defaulters are passed on step by step."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import CloseReason, DueService, ProgrammeEntry, RecallOutcome, RecallTry
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.services.programme import entering, refreshing

WAYS = ("phone", "message", "visit")
"""How a resident is tried: called, written to, looked for at home."""
_KEPT = ("call_on", "planned_on", "tries", "last_outcome", "level")


@dataclass(frozen=True, slots=True)
class Asked:
    """A try: `key` is made where it is entered; `appointment` is the day of one that was made."""

    key: UUID
    outcome: str
    day: date
    way: str = "phone"
    appointment: date | None = None
    note: str = ""


def attempt(principal: Principal, person_id: UUID, asked: Asked, *, now: datetime) -> RecallTry:
    """Note a try to reach a resident about everything that is due for her, exactly once.

    Not reached, she stands on the list again after the rule's days; with an appointment on its day; who
    moved away is closed in all her programmes; who refuses is asked again much later.

    Raises:
        NotFound: nothing is due for her, or the principal may not know that it is.
        Invalid: a value breaks a rule; `where` names it.
    """
    held = RecallTry.objects.filter(key=asked.key).first()
    if held is not None:
        if held.person_id != person_id:
            raise Invalid("try-key", _("The entry belongs to another resident"), where="key")
        return held
    today = timezone.localdate(now)
    _checked(asked, today)
    rows = [
        row
        for row in DueService.objects.filter(person_id=person_id, due_on__lte=today).order_by("pk")
        if policy.decide(principal, "update", seeing.target(row)).allowed
    ]
    if not rows:
        raise NotFound("try-nothing-due", _("Nothing is due for this resident"))
    rule = catalogue.tracing(today)
    with transaction.atomic(), connection.cursor() as cursor:
        before = [{"id": row.pk, **{name: _said(getattr(row, name)) for name in _KEPT}} for row in rows]
        closed = []
        if asked.outcome == RecallOutcome.MOVED:
            numbers = {row.entry_id for row in rows}
            for entry in ProgrammeEntry.objects.filter(pk__in=numbers, state="open").order_by("pk"):
                entering.shut(entry, CloseReason.MOVED, today, by=principal.name, now=now)
                closed.append(entry.pk)
        else:
            again = rule.again_days.get(asked.outcome, 1)
            for row in rows:
                row.tries += 1
                row.last_outcome, row.planned_on = asked.outcome, asked.appointment
                row.call_on = asked.appointment or today + timedelta(days=again)
                if asked.outcome == RecallOutcome.NOT_REACHED and row.tries >= rule.home_visit_after:
                    row.level = max(row.level, 1)
            DueService.objects.bulk_update(rows, _KEPT, batch_size=50)
        made = RecallTry.objects.create(
            key=asked.key, person_id=person_id, services=[row.service for row in rows], day=asked.day,
            way=asked.way, outcome=asked.outcome, appointment=asked.appointment,
            note=asked.note.strip()[:300],
            before=[*before, *({"closed": pk} for pk in closed)], institution_id=rows[0].institution_id,
            recorded_by=principal.name[:150], recorded_at=now,
        )  # fmt: skip
        intent = audit.intend(cursor, [_kept(principal, "create", made)])
    audit.settle(intent)
    return made


def take_back(principal: Principal, number: int, *, now: datetime) -> RecallTry:
    """Take a try back: the list stands as before, entries that it closed are open again.

    Raises:
        NotFound: there is no such try, or the principal may not change it.
        Conflict: it was taken back already, or another try was noted since.
    """
    made = RecallTry.objects.filter(pk=number).first()
    if made is None or not _may(principal, made):
        raise NotFound("try-unknown", _("There is no such try"), where=str(number))
    if made.undone_at is not None:
        raise Conflict("try-undone", _("It was done already"))
    if RecallTry.objects.filter(person_id=made.person_id, undone_at=None, pk__gt=number).exists():
        raise Conflict("try-later", _("Another try was noted since; take that one back first"))
    today = timezone.localdate(now)
    with transaction.atomic(), connection.cursor() as cursor:
        for one in made.before:
            if "closed" in one:
                entry = ProgrammeEntry.objects.filter(pk=one["closed"], state="closed").first()
                if entry is not None and entry.close_reason == CloseReason.MOVED:
                    entering.unshut(entry, by=principal.name, now=now)
        refreshing.refresh([made.person_id], today)
        for one in made.before:
            if "closed" not in one:
                _put_back(made, one)
        made.undone_at = now
        made.save(update_fields=["undone_at"])
        intent = audit.intend(cursor, [_kept(principal, "update", made, undone=True)])
    audit.settle(intent)
    return made


def _put_back(made: RecallTry, one: dict[str, Any]) -> None:
    values = {
        name: date.fromisoformat(one[name]) if name.endswith("_on") and one[name] else one[name]
        for name in _KEPT
    }
    DueService.objects.filter(pk=one["id"], person_id=made.person_id).update(**values)


def _may(principal: Principal, made: RecallTry) -> bool:
    entries = ProgrammeEntry.objects.filter(person_id=made.person_id)
    return any(policy.decide(principal, "update", seeing.target(one)).allowed for one in entries)


def _checked(asked: Asked, today: date) -> None:
    if asked.outcome not in RecallOutcome.values:
        raise Invalid("try-outcome", _("There is no such outcome"), where="outcome")
    if asked.way not in WAYS:
        raise Invalid("try-way", _("There is no such way"), where="way")
    if asked.day > today:
        raise Invalid("try-day", _("The day lies in the future"), where="day")
    if asked.outcome == RecallOutcome.APPOINTMENT:
        if asked.appointment is None:
            raise Invalid("try-appointment", _("Give the day of the appointment"), where="appointment")
        if asked.appointment < today or asked.appointment > today + timedelta(days=366):
            raise Invalid(
                "try-appointment", _("The appointment lies in the coming year"), where="appointment"
            )
    elif asked.appointment is not None:
        raise Invalid("try-appointment", _("Only an appointment has a day"), where="appointment")


def pass_on(today: date, *, now: datetime) -> int:
    """Pass defaulters on to their institution who were tried as often as the rule says; return how many."""
    rule = catalogue.tracing(today)
    rows = DueService.objects.filter(
        overdue_on__lte=today, tries__gte=rule.institution_after, level__lt=2
    ).filter(Q(closes_on=None) | Q(closes_on__gt=today))
    places = Counter(rows.values_list("institution_id", flat=True))
    count = rows.update(level=2)
    for place, several in sorted((p, n) for p, n in places.items() if p is not None):
        notifications.notify_role(
            "manager", "prevention", _("%(count)s residents could not be reached by their doctors"),
            {"count": several}, institution_id=place, link="/prevention/programme/indicators/",
            key=f"prevention.defaulters:{place}:{today.isoformat()}",
        )  # fmt: skip
    DueService.objects.filter(planned_on__lt=today, call_on=F("planned_on")).update(planned_on=None)
    return count


def _said(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _kept(principal: Principal, action: str, made: RecallTry, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=made.person_id, resource_type="RecallTry", resource_id=str(made.pk),
        detail={"outcome": made.outcome, **detail},
    )  # fmt: skip
