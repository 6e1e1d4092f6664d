"""The epidemic curve of an emergency as the kit's drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

from salus.web import charts
from salus.web.charts import Drawing, Field

_DAILY = 90  # days up to which the curve is drawn by days, else by weeks
_LEAST = 7  # bars, so that one day does not fill the drawing
_NAMED = 21  # days up to which each bar has its day under it


def curve(days: Sequence[Sequence[Any]]) -> Drawing | None:
    """Return the curve of (day as ISO text, cases, deaths) by days or weeks; None without any."""
    if not days:
        return None
    first, last = date.fromisoformat(days[0][0]), date.fromisoformat(days[-1][0])
    step = 1 if len(days) <= _DAILY else 7
    # Days are added before the first case, never after the last: those are not known yet.
    begin = first - timedelta(days=first.weekday()) if step == 7 else first
    begin = min(begin, last - timedelta(days=_LEAST - 1)) if step == 1 else begin
    sums: dict[date, list[int]] = {}
    day = begin
    while day <= last:
        sums[day] = [0, 0]
        day += timedelta(days=step)
    for at, cases, deaths in days:
        held = sums[begin + timedelta(days=(date.fromisoformat(at) - begin).days // step * step)]
        held[0] += cases
        held[1] += deaths
    ill, dead = _("New cases"), _("Deaths")
    died = any(deaths for _at, _cases, deaths in days)
    named = step == 1 and len(sums) <= _NAMED
    rows: list[Mapping[str, Any]] = []
    for at, (cases, deaths) in sums.items():
        day_shown = f"{at:%m-%d}" if named else at
        rows.append({"day": day_shown, "n": cases, "what": ill})
        if died:
            rows.append({"day": day_shown, "n": deaths, "what": dead})
    return charts.bar(
        rows,
        Field("day", _("Day") if step == 1 else _("Week from"), kind="ordinal" if named else "temporal"),
        Field("n", _("Persons")), title=_("Epidemic curve"),
        series=Field("what", _("What"), kind="nominal") if died else None,
        note=_("By the first day of illness; a bar is a day.") if step == 1
        else _("By the first day of illness; a bar is a week."),
    )  # fmt: skip
