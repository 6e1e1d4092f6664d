"""Spans of years, months, weeks and days, and the day each ends: on one date and on arrays of dates.

A span such as `1y6m` or `28d` is months and days; months are added first, by the calendar, then days. Where
the month reached has no such day (31 January and a month, 29 February and a year), the day is its last one
("clip", as Civil Code of China, art. 202, has it for the end of a period) or the first of the next month
("roll", as CDC's Clinical Decision Support for Immunization has it).
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from salus.kernel.errors import Invalid

Days = NDArray[np.int32]
"""Days since 1970-01-01; `NEVER` where there is none."""

NEVER = np.int32(2_000_000)
"""A day after all others: no upper age, no end."""
LONG_AGO = np.int32(-2_000_000)
"""A day before all others: nothing given yet."""
EPOCH = date(1970, 1, 1)
_FIRST_YEAR, _LAST_YEAR = 1800, 2300
_SPAN = re.compile(r"(?=\d)(?:(\d+)y)?(?:(\d+)m)?(?:(\d+)w)?(?:(\d+)d)?")


@dataclass(frozen=True, slots=True)
class Span:
    """Whole months and days, both 0 or more."""

    months: int
    days: int

    def after(self, day: date, roll: bool = False) -> date:
        """Return the day on which the span that begins on `day` is over; `roll` as told above."""
        if not self.months:
            return day + timedelta(days=self.days)
        year, month = divmod(day.year * 12 + day.month - 1 + self.months, 12)
        last = monthrange(year, month + 1)[1]
        over = 1 if roll and day.day > last else 0
        return date(year, month + 1, min(day.day, last)) + timedelta(days=over + self.days)

    @property
    def least(self) -> int:
        """The fewest days that the span can take."""
        return self.months * 30 - 2 * (self.months // 12 + 1) + self.days if self.months else self.days

    @property
    def most(self) -> int:
        """The most days that the span can take."""
        return self.months * 31 + 1 + self.days if self.months else self.days

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        parts = ((years, "y"), (months, "m"), (self.days, "d"))
        return "".join(f"{number}{unit}" for number, unit in parts if number) or "0d"


def span(text: str) -> Span:
    """Return the span that is written `2y`, `1y6m`, `16w`, `28d` or a combination in this order.

    Raises:
        Invalid: the text is none.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Invalid(
            "schedule-span", "No span of time", where=repr(text), fix="Write it as 1y6m, 16w or 28d."
        )
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    return Span(years * 12 + months, weeks * 7 + days)


def number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return (day - EPOCH).days


def dated(day: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return EPOCH + timedelta(days=int(day))


@lru_cache(maxsize=1)
def _months() -> tuple[Days, Days, NDArray[np.int16]]:
    """Return the first day and the last day's place of each month from 1800 on, and each day's month."""
    starts = np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="M8[M]").astype("M8[D]")
    days = starts.astype(np.int32)
    lengths = np.diff(days)
    month = np.repeat(np.arange(len(lengths), dtype=np.int16), lengths)
    return days[:-1].copy(), (lengths - 1).astype(np.int32), month


class Dates:
    """An array of days, taken apart once, so that many spans can be added to it.

    `days` lie between 1800 and 2250; sentinels (`NEVER`, `LONG_AGO`) stay what they are.
    """

    def __init__(self, days: Days, roll: bool = False) -> None:
        starts, _, months = _months()
        self.days = days
        self._roll = roll
        real = (days > starts[0]) & (days < starts[-1] - 366 * 50)
        self._all = bool(real.all())
        self._real = real
        safe = days if self._all else np.where(real, days, np.int32(0))
        self._month = months[safe - starts[0]]
        self._day = safe - starts[self._month]

    def after(self, length: Span) -> Days:
        """Return the day on which a span that begins on each day is over."""
        if not length.months:
            moved = self.days + np.int32(length.days)
        else:
            starts, lasts, _ = _months()
            month = self._month + np.int16(length.months)
            last = lasts[month]
            moved = starts[month] + np.minimum(self._day, last) + np.int32(length.days)
            if self._roll:
                moved += self._day > last
        if self._all:
            return moved.astype(np.int32, copy=False)
        return np.where(self._real, moved, self.days).astype(np.int32)
