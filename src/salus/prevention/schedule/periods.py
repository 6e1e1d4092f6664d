"""Calendar periods: years, quarters, months and ISO weeks."""

from datetime import date, timedelta

from salus.kernel.errors import Invalid


def period_of(period: str, day: date) -> tuple[date, date]:
    """Return a calendar period's first day and the first day after it.

    ISO weeks begin on Monday and belong to the year of their Thursday, so that week 53 is one
    like the others.

    Raises:
        Invalid: the period is none of year, quarter, month, week.
    """
    if period == "week":
        start = day - timedelta(days=day.weekday())
        return start, start + timedelta(days=7)
    months = {"year": 12, "quarter": 3, "month": 1}.get(period)
    if months is None:
        raise Invalid("schedule-period", "There is no such period", where=period)
    month = (day.month - 1) // months * months
    start = date(day.year, month + 1, 1)
    year, after = divmod(start.year * 12 + month + months, 12)
    return start, date(year, after + 1, 1)
