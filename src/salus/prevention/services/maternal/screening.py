"""Newborn screening: samples taken, results, recall of those that are positive, and what it came to."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import ProgrammeEntry, Screening, ScreeningState
from salus.prevention.queries.maternal import rules, seeing
from salus.prevention.services.programme import entering
from salus.record.models import Person

NEXT = {
    ScreeningState.TAKEN: ("negative", "positive", "invalid"),
    ScreeningState.POSITIVE: ("recalled", "refused"),
    ScreeningState.INVALID: ("refused",),
    ScreeningState.RECALLED: ("confirmed", "excluded", "refused"),
}
"""What a screening can become."""
RECALL = (ScreeningState.POSITIVE, ScreeningState.INVALID, ScreeningState.RECALLED)
"""States in which a child is looked for."""


def take(principal: Principal, number: int, test: str, day: date, *, now: datetime) -> Screening:
    """Enter that a newborn's sample was taken; an invalid one is followed by another attempt.

    Raises:
        NotFound: there is no such child, or the principal may not change it.
        Invalid: there is no such test, or the day is too early or in the future.
        Conflict: the test was done.
    """
    entry = seeing.open_child(principal, number, "update")
    known = rules.table("maternal_screening", day).get(test)
    if known is None:
        raise Invalid("screening-test", _("There is no such test"), where="test")
    if day > timezone.localdate(now):
        raise Invalid("screening-day", _("The day lies in the future"), where="taken_on")
    birth = Person.objects.filter(pk=entry.person_id).values_list("birth_date", flat=True).first()
    if birth is not None and day < birth + timedelta(days=-(-(known.whole("from_hours") or 0) // 24)):
        raise Invalid(
            "screening-early", _("The sample was taken too early to say anything"), where="taken_on",
            fix=_("Take it again from 48 hours of age on"),
        )  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        before = (
            Screening.objects.filter(entry__person_id=entry.person_id, test=test).order_by("-attempt").first()
        )
        if before is not None and before.state != ScreeningState.INVALID:
            raise Conflict("screening-done", _("The test was done already"), where="test")
        made = Screening.objects.create(
            entry=entry, test=test, attempt=before.attempt + 1 if before else 1, taken_on=day,
            recorded_by=principal.name[:150], updated=now,
        )  # fmt: skip
        intent = audit.intend(cursor, [entering.kept(principal, "create", entry, screening=test)])
    audit.settle(intent)
    return made


def settle(
    principal: Principal,
    number: int,
    state: str,
    day: date,
    *,
    now: datetime,
    value: str = "",
    note: str = "",
) -> Screening:
    """Enter a screening's result, its recall or what it came to.

    Raises:
        NotFound: there is no such screening, or the principal may not change it.
        Invalid: it cannot become that, or the day does not fit.
    """
    row = Screening.objects.select_related("entry").filter(pk=number).first()
    if row is None:
        raise NotFound("screening-unknown", _("There is no such screening"), where=str(number))
    entry = seeing.open_child(principal, row.entry_id, "update")
    if day < row.taken_on or day > timezone.localdate(now):
        raise Invalid("screening-day", _("The day lies before the sample or in the future"), where="day")
    with transaction.atomic(), connection.cursor() as cursor:
        query = Screening.objects.filter(pk=number)
        row = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        if state not in NEXT.get(ScreeningState(row.state), ()):
            raise Invalid("screening-state", _("The screening cannot become that now"), where="state")
        row.state, row.updated = state, now
        row.note = note.strip()[:300] or row.note
        if state in ("negative", "positive", "invalid"):
            row.result_on, row.value = day, value.strip()[:60]
            if state != "negative":
                days = rules.table("maternal_screening", row.taken_on)[row.test].whole("recall_days") or 0
                row.recall_by = day + timedelta(days=days)
                _tell(entry, row)
        elif state == "recalled":
            row.recalled_on = day
        if state in ("negative", "confirmed", "excluded", "refused"):
            row.closed_on = day
        row.save()
        intent = audit.intend(
            cursor, [entering.kept(principal, "update", entry, screening=row.test, state=state)]
        )
    audit.settle(intent)
    return row


def _tell(entry: ProgrammeEntry, row: Screening) -> None:
    if entry.institution_id:
        notifications.notify_role(
            "village_doctor", "prevention", _("A newborn's screening asks for a recall"), {},
            institution_id=entry.institution_id, link=f"/prevention/children/{entry.pk}/", urgent=True,
            key=f"prevention.screening:{row.pk}:{row.attempt}",
        )  # fmt: skip
