"""A visit, check or dose is entered, exactly once, judged and taken back; what is due follows at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.policy import Principal
from salus.prevention.events import ReferralAdvised
from salus.prevention.models import Control, DueService, EntryState, ProgrammeEntry, ServiceGiven
from salus.prevention.queries.programme import catalogue, control, seeing
from salus.prevention.services.programme import refreshing
from salus.record.models import Person

WAYS = ("visit", "clinic", "phone", "online")
"""Where: at the resident's home, in the clinic, by telephone, on line."""
BOUNDS: Mapping[str, tuple[float, float]] = {
    "systolic": (50, 300), "diastolic": (30, 200), "glucose": (1, 50), "weight": (1, 300),
    "height": (30, 250), "waist": (30, 200), "heart_rate": (20, 250), "cigarettes": (0, 200),
    "alcohol": (0, 1000), "exercise_days": (0, 7), "exercise_minutes": (0, 600), "salt": (0, 100),
}  # fmt: skip
"""What a reading can be at all (mmHg, mmol/L, kg, cm, cm, /min; a day: cigarettes, ml of spirits; a week)."""


@dataclass(frozen=True, slots=True)
class Giving:
    """What was given: `key` is made where it is entered, so that sending it twice changes nothing."""

    key: UUID
    product: str
    day: date
    way: str = "clinic"
    values: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    rid: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What was entered, and what its readings ask for."""

    row: ServiceGiven
    verdict: control.Verdict | None


class VisitClash(Conflict):
    """Another entry of the service stands for this resident and day (`given-twice`); `held` is it."""

    def __init__(self, held: ServiceGiven) -> None:
        """Keep the entry that stands."""
        super().__init__(
            "given-twice", _("There is another entry for this day"),
            fix=_("Compare the two and correct the one that stands"), where="day",
        )  # fmt: skip
        self.held = held


def give(
    principal: Principal, number: int, asked: Giving, *, now: datetime, replaces: UUID | None = None
) -> Given:
    """Enter what a registered resident was given, judge its readings, and bring forward what follows.

    Args:
        principal: who enters it.
        number: the entry's.
        asked: what was given; one whose key is known already changes nothing.
        now: the present.
        replaces: the key of the day's entry that this one corrects, after both were shown.

    Raises:
        NotFound: there is no such entry, or the principal may not change it.
        Invalid: a value breaks a rule; `where` names it.
        Conflict: the entry is closed.
        VisitClash: another entry of the service stands for the day.
    """
    entry = seeing.open_entry(principal, number, "update")
    held = ServiceGiven.objects.filter(key=asked.key).first()
    if held is not None:
        if held.entry_id != entry.pk:
            raise Invalid("given-key", _("The entry belongs to another resident"), where="key")
        return Given(held, None)
    today = timezone.localdate(now)
    _checked(entry, asked, today)
    with transaction.atomic(), connection.cursor() as cursor:
        query = ProgrammeEntry.objects.filter(pk=number)
        entry = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        other = ServiceGiven.objects.filter(
            entry=entry, product=asked.product, day=asked.day, undone_at=None
        ).first()
        if other is not None:
            if replaces is None or other.key != replaces:
                raise VisitClash(other)
            other.undone_at, other.undone_by = now, principal.name[:150]
            other.save(update_fields=["undone_at", "undone_by"])
        birth = Person.objects.filter(pk=entry.person_id).values_list("birth_date", flat=True).first()
        verdict = control.judge(
            entry.programme, asked.values, asked.day, birth=birth, poor_before=_poor_before(entry, asked.day)
        )
        row = ServiceGiven.objects.create(
            key=asked.key, person_id=entry.person_id, patient_rid=entry.patient_rid, rid=asked.rid,
            entry=entry, programme=entry.programme, product=asked.product, day=asked.day, way=asked.way,
            institution_id=entry.institution_id, district_code=entry.district_code,
            categories=entry.categories, given_by=principal.name[:150], values=plain(asked.values),
            control=verdict.control, on_time=_on_time(entry, asked), note=asked.note.strip()[:300],
            recorded_by=principal.name[:150], recorded_at=now,
        )  # fmt: skip
        stand(entry, now=now)
        refreshing.refresh([entry.person_id], today)
        if verdict.refer:
            _refer(entry, verdict)
        intent = audit.intend(cursor, [_kept(principal, "create", row, replaced=other is not None)])
    audit.settle(intent)
    return Given(row, verdict)


def take_back(principal: Principal, number: int, *, now: datetime) -> ServiceGiven:
    """Take an entry of something given back: it counts nowhere, and stays readable as taken back.

    Raises:
        NotFound: there is no such entry, or the principal may not change it.
        Conflict: it was taken back already.
    """
    return _switch(principal, number, undone=True, now=now)


def restore(principal: Principal, number: int, *, now: datetime) -> ServiceGiven:
    """Let something given count again after it was taken back; raises as `take_back`."""
    return _switch(principal, number, undone=False, now=now)


def _switch(principal: Principal, number: int, *, undone: bool, now: datetime) -> ServiceGiven:
    row = ServiceGiven.objects.filter(pk=number).first()
    if row is None or not policy.decide(principal, "update", seeing.target(row)).allowed:
        raise NotFound("given-unknown", _("There is no such entry"), where=str(number))
    with transaction.atomic(), connection.cursor() as cursor:
        query = ServiceGiven.objects.filter(pk=number)
        row = (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).get()
        if (row.undone_at is not None) == undone:
            raise Conflict("given-undone", _("It was done already"))
        if (
            not undone
            and ServiceGiven.objects.filter(
                entry=row.entry_id, product=row.product, day=row.day, undone_at=None
            ).exists()
        ):
            raise Conflict("given-twice", _("There is another entry for this day"))
        row.undone_at, row.undone_by = (now, principal.name[:150]) if undone else (None, "")
        row.save(update_fields=["undone_at", "undone_by"])
        if row.entry is not None:
            stand(row.entry, now=now)
        refreshing.refresh([row.person_id], timezone.localdate(now))
        intent = audit.intend(cursor, [_kept(principal, "update", row, undone=undone)])
    audit.settle(intent)
    return row


def stand(entry: ProgrammeEntry, *, now: datetime) -> None:
    """Bring an entry's control up to date from the visits that count."""
    judged = list(
        ServiceGiven.objects.filter(entry=entry, undone_at=None)
        .exclude(control=Control.UNKNOWN)
        .order_by("-day", "-pk")
        .values_list("control", "day")[:20]
    )
    entry.control, entry.control_on = judged[0] if judged else ("", None)
    entry.poor_run = next((n for n, (one, _day) in enumerate(judged) if one != Control.POOR), len(judged))
    entry.updated = now
    entry.save(update_fields=["control", "control_on", "poor_run", "updated"])


def _poor_before(entry: ProgrammeEntry, day: date) -> int:
    rows = (
        ServiceGiven.objects.filter(entry=entry, undone_at=None, day__lt=day)
        .exclude(control=Control.UNKNOWN)
        .order_by("-day", "-pk")
        .values_list("control", flat=True)[:20]
    )
    run = 0
    for one in rows:
        if one != Control.POOR:
            break
        run += 1
    return run


def _checked(entry: ProgrammeEntry, asked: Giving, today: date) -> None:
    if entry.state != EntryState.OPEN:
        raise Conflict("entry-closed", _("The registration is closed already"))
    if entry.programme not in catalogue.programmes_by_product(today).get(asked.product, frozenset()):
        raise Invalid("given-product", _("The programme has no such service"), where="product")
    if asked.way not in WAYS:
        raise Invalid("given-way", _("There is no such way"), where="way")
    if asked.day > today:
        raise Invalid("given-day", _("The day lies in the future"), where="day")
    if asked.day < entry.anchor_on:
        raise Invalid("given-early", _("The day lies before the registration's beginning"), where="day")
    for name, (low, high) in BOUNDS.items():
        value = asked.values.get(name)
        if value is not None and not low <= float(value) <= high:
            raise Invalid("given-reading", _("The reading cannot be right"), where=name)
    systolic, diastolic = asked.values.get("systolic"), asked.values.get("diastolic")
    if systolic is not None and diastolic is not None and diastolic >= systolic:
        raise Invalid("given-pressure", _("The lower pressure is below the upper one"), where="diastolic")


def _on_time(entry: ProgrammeEntry, asked: Giving) -> bool | None:
    """Whether it was given before it was overdue; None where nothing was due."""
    services = [
        one.code
        for one in catalogue.services_of(entry.programme, asked.day).services
        if asked.product in one.products
    ]
    row = DueService.objects.filter(entry=entry, service__in=services).order_by("due_on").first()
    return None if row is None or asked.day < row.due_on else asked.day < row.overdue_on


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON keeps them: numbers as numbers, empty ones left out."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == "" or value == []:
            continue
        if isinstance(value, bool | int | str | list | dict):
            found[name] = value
        elif hasattr(value, "isoformat"):
            found[name] = value.isoformat()
        else:
            found[name] = float(value)
    return found


def _refer(entry: ProgrammeEntry, verdict: control.Verdict) -> None:
    entry.facts["referred"] = {"urgent": verdict.urgent}
    entry.save(update_fields=["facts"])
    emit(ReferralAdvised(entry.pk, entry.programme, entry.institution_id, verdict.urgent))
    if entry.institution_id and verdict.urgent:
        notifications.notify_role(
            "village_doctor", "prevention", _("A visit's readings ask for a hospital at once"), {},
            institution_id=entry.institution_id, link=f"/prevention/programme/entries/{entry.pk}/",
            urgent=True, key=f"prevention.refer:{entry.pk}:{entry.control_on}",
        )  # fmt: skip


def _kept(principal: Principal, action: str, row: ServiceGiven, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=row.person_id, resource_type="ServiceGiven", resource_id=str(row.pk),
        detail={"product": row.product, "day": row.day.isoformat(), **detail},
    )  # fmt: skip
