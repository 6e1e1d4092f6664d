"""Months and years between days, counted as the batch engine counts them."""

from calendar import monthrange
from datetime import date


def months_between(start: date, end: date) -> int:
    """Return the whole months from a day to a day; a day that the month lacks counts as its last."""
    if end < start:
        return -months_between_back(start, end)
    months = (end.year - start.year) * 12 + end.month - start.month
    if end.day < start.day and not _last(end):
        months -= 1
    return months


def months_between_back(start: date, end: date) -> int:
    """Return the whole months from a day back to an earlier one."""
    months = (start.year - end.year) * 12 + start.month - end.month
    return months - 1 if start.day < end.day and not _last(start) else months


def _last(day: date) -> bool:
    return day.day == monthrange(day.year, day.month)[1]


def years_between(start: date, end: date) -> int:
    """Return the whole years from a day to a later one."""
    return months_between(start, end) // 12


def add_months(day: date, months: int) -> date:
    """Return the same day some months later, or that month's last day."""
    target = day.year * 12 + day.month - 1 + months
    year, month = target // 12, target % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
