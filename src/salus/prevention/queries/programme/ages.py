"""Days of birth from ages."""

from __future__ import annotations

from datetime import date, timedelta

from salus.prevention.schedule.offsets import Span


def back(today: date, length: Span) -> date:
    """Return the last day from which the span is over by `today`."""
    day = date(today.year - length.months // 12, today.month, min(today.day, 28))
    day -= timedelta(days=length.months % 12 * 30 + length.days)
    while length.after(day) > today:
        day -= timedelta(days=1)
    while length.after(day + timedelta(days=1)) <= today:
        day += timedelta(days=1)
    return day
