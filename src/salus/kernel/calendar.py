"""China's working days: public holidays and make-up workdays as the State Council published them.

A year whose notice is not known is said, never guessed: `status(year)` is `Published.NO`, and asking whether
one of its days is a working day raises `NotPublished`.
Source: the yearly notices of the General Office of the State Council, as kept by the package chinesecalendar.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

from chinese_calendar.constants import holidays, in_lieu_days, workdays

from salus.kernel.errors import SalusError


class Published(StrEnum):
    """Whether a year's notice is known."""

    YES = "yes"
    NO = "no"


class NotPublished(SalusError):
    """The calendar of a year is not known, so its working days cannot be counted."""

    def __init__(self, year: int) -> None:
        super().__init__(
            "calendar-not-published",
            "The year's holidays are not published or not known to this version",
            fix="Update the package chinesecalendar after the State Council's notice",
            where=str(year),
        )
        self.year = year


@lru_cache(maxsize=1)
def _years() -> frozenset[int]:
    # National Day stands in every year's notice, so a year is there as a whole or not at all.
    return frozenset(day.year for day in holidays if (day.month, day.day) == (10, 1))


def status(year: int) -> Published:
    """Say whether the year's holidays are known."""
    return Published.YES if year in _years() else Published.NO


def published_years() -> tuple[int, int]:
    """Return the first and the last known year."""
    years = _years()
    return min(years), max(years)


def working_day(day: date) -> bool:
    """Say whether a day is a working day, make-up workdays included.

    Raises:
        NotPublished: the year's notice is not known.
    """
    if day.year not in _years():
        raise NotPublished(day.year)
    return day in workdays or (day.weekday() < 5 and day not in holidays)


def holiday_name(day: date) -> str:
    """Return the English name of the public holiday on a day, or empty text; raises NotPublished."""
    if day.year not in _years():
        raise NotPublished(day.year)
    return str(holidays.get(day, "")) if day not in workdays else ""


def make_up_workday(day: date) -> bool:
    """Say whether a Saturday or Sunday is worked to make up for a holiday; raises NotPublished."""
    return working_day(day) and day.weekday() >= 5


def day_off_in_lieu(day: date) -> bool:
    """Say whether a weekday is off because a weekend is worked for it; raises NotPublished."""
    if day.year not in _years():
        raise NotPublished(day.year)
    return day in in_lieu_days


def next_working_day(day: date) -> date:
    """Return the day itself if it is a working day, else the next one; raises NotPublished."""
    while not working_day(day):
        day += timedelta(days=1)
    return day


def add_working_days(day: date, count: int) -> date:
    """Return the working day that is `count` working days after `day`, which itself does not count.

    Day 1 is the first working day after `day`; with 0 it is the day itself or the next working day. A
    negative count goes back. Raises NotPublished as soon as an unknown year is met.
    """
    if count == 0:
        return next_working_day(day)
    step = timedelta(days=1 if count > 0 else -1)
    left = abs(count)
    while left:
        day += step
        left -= working_day(day)
    return day


def working_days_between(start: date, end: date) -> int:
    """Count the working days after `start` up to and including `end` (0 when `end` is not later)."""
    days = (end - start).days
    return sum(working_day(start + timedelta(days=offset)) for offset in range(1, days + 1))
