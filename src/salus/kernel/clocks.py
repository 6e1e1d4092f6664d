"""Statutory clocks: when a period given in hours, calendar days or working days expires.

Source of the default rules: Civil Code of the PRC (2020), art. 200-204, from memory: a period in hours starts
at once, one in days the day after; its last day ends at 24:00; a last day off moves to the next working day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from salus.kernel import calendar
from salus.kernel.errors import Conflict, Invalid


class Unit(StrEnum):
    """In what a period is given."""

    HOURS = "hours"
    DAYS = "days"
    WORKING_DAYS = "working_days"


class Start(StrEnum):
    """When a period in days starts: on the day of the event, or on the day after it."""

    SAME_DAY = "same_day"
    NEXT_DAY = "next_day"


@dataclass(frozen=True, slots=True)
class Period:
    """A statutory period: how long, in what, from when, and whether a last day off moves on.

    A period in hours runs through nights and holidays. `rolls` concerns calendar days only: a period in
    working days ends on one anyway. `source` names the norm that sets it.
    """

    length: int
    unit: Unit
    start: Start = Start.NEXT_DAY
    rolls: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if self.length < 0:
            raise Invalid("clock-length", "A period cannot be negative")


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which the clock stands still; `until` is None while it lasts."""

    since: datetime
    until: datetime | None = None


def expires(period: Period, event: datetime, zone: tzinfo) -> datetime:
    """Return the instant at which a period that an event started is over (aware, in `zone`).

    Hours: the event plus the hours. Days: midnight at the end of the last day, in the city's zone.

    Raises:
        NotPublished: working days of a year that is not published are needed.
        Invalid: the event's time has no zone.
    """
    _aware(event)
    if period.unit is Unit.HOURS:
        return event.astimezone(zone) + timedelta(hours=period.length)
    return _end_of(last_day(period, event.astimezone(zone).date()), zone)


def last_day(period: Period, event: date) -> date:
    """Return the last day of a period in days or working days that an event on a day started.

    A period of 0 days ends on the day of the event. Raises Invalid for a period in hours.
    """
    if period.unit is Unit.HOURS:
        raise Invalid("clock-unit", "A period in hours has no last day")
    before = event if period.start is Start.NEXT_DAY else event - timedelta(days=1)
    if period.unit is Unit.WORKING_DAYS:
        return event if period.length == 0 else calendar.add_working_days(before, period.length)
    day = before + timedelta(days=period.length) if period.length else event
    return calendar.next_working_day(day) if period.rolls else day


@dataclass(frozen=True, slots=True)
class Clock:
    """A running period with its pauses; every change gives a new clock."""

    period: Period
    event: datetime
    zone: tzinfo
    pauses: tuple[Pause, ...] = ()

    def pause(self, at: datetime) -> Clock:
        """Stop the clock; raises Conflict when it stands still already or `at` is before its start."""
        _aware(at)
        if self.paused or at < self.event or (self.pauses and at < (self.pauses[-1].until or at)):
            raise Conflict("clock-pause", "The clock stands still already, or had not started then")
        return replace(self, pauses=(*self.pauses, Pause(at)))

    def resume(self, at: datetime) -> Clock:
        """Let the clock go on; raises Conflict when it is not paused or `at` is before the pause."""
        _aware(at)
        if not self.paused or at < self.pauses[-1].since:
            raise Conflict("clock-resume", "The clock is not paused, or was paused later")
        return replace(self, pauses=(*self.pauses[:-1], Pause(self.pauses[-1].since, at)))

    @property
    def paused(self) -> bool:
        """Whether the clock stands still."""
        return bool(self.pauses) and self.pauses[-1].until is None

    def expires(self) -> datetime | None:
        """Return when the period is over, None while the clock stands still.

        A pause moves an expiry in hours on by its own length; one in (working) days by the (working) days
        that begin within it, the day of the pause's start not counted. A pause after the expiry changes
        nothing.
        """
        moment = expires(self.period, self.event, self.zone)
        extra = 0
        for pause in self.pauses:
            if pause.since >= moment:
                break
            if pause.until is None:
                return None
            if self.period.unit is Unit.HOURS:
                moment += pause.until - pause.since
                continue
            extra += self._days(pause.since, pause.until)
            longer = replace(self.period, length=self.period.length + extra)
            moment = expires(longer, self.event, self.zone)
        return moment

    def _days(self, since: datetime, until: datetime) -> int:
        first, last = since.astimezone(self.zone).date(), until.astimezone(self.zone).date()
        if self.period.unit is Unit.WORKING_DAYS:
            return calendar.working_days_between(first, last)
        return (last - first).days

    def expired(self, now: datetime) -> bool:
        """Say whether the period is over at an instant."""
        moment = self.expires()
        return moment is not None and _aware(now) >= moment

    def remaining(self, now: datetime) -> timedelta | None:
        """Return the time left, negative when it is over, None while the clock stands still."""
        moment = self.expires()
        return None if moment is None else moment - _aware(now)


def earliest(moments: Sequence[datetime | None]) -> datetime | None:
    """Return the first of several expiries, leaving out clocks that stand still."""
    return min((moment for moment in moments if moment is not None), default=None)


def _end_of(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise Invalid("clock-naive", "The time has no zone")
    return moment
