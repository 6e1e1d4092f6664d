"""The epidemic curve and the transmission chain of cases, as the kit's drawings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from salus.kernel.lazy import lazy_module
from salus.prevention.models import Case, CaseStatus
from salus.prevention.queries.notifiable.investigation import DRAWN
from salus.prevention.surveillance.chains import Chain
from salus.web import charts
from salus.web.charts import Drawing, Field, LegendEntry
from salus.web.drawing import svg

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazy_module("altair")  # large, and only pages that draw need it

_ORDER = (CaseStatus.CONFIRMED, CaseStatus.PROBABLE, CaseStatus.SUSPECTED, CaseStatus.DISCARDED)
_ROW = 20  # units between two rows of a chain
_DAILY = 90  # days up to which the curve is drawn by days, else by weeks


def curve(days: Iterable[tuple[date, str]]) -> Drawing | None:
    """Return the epidemic curve of (first day, status), by days or ISO weeks; None without cases."""
    counted = [(day, status) for day, status in days if status != CaseStatus.DISCARDED]
    if not counted:
        return None
    first, last = min(day for day, _s in counted), max(day for day, _s in counted)
    step = 1 if (last - first).days <= _DAILY else 7
    begin = first if step == 1 else first - timedelta(days=first.weekday())
    tally: Counter[tuple[date, str]] = Counter()
    for day, status in counted:
        tally[begin + timedelta(days=(day - begin).days // step * step), status] += 1
    held = [status for status in _ORDER if any(s == status for _day, s in tally)]
    rows: list[Mapping[str, Any]] = []
    day = begin
    while day <= last:
        for status in held:
            rows.append({"day": day, "cases": tally[day, status], "status": str(status.label)})
        day += timedelta(days=step)
    return charts.bar(
        rows,
        Field("day", _("Day") if step == 1 else _("Week from"), kind="temporal"),
        Field("cases", _("Cases")),
        title=_("Epidemic curve"),
        series=Field("status", _("Status"), kind="nominal"),
        note=_("By onset, or by diagnosis where the onset is not known; a bar is a day.")
        if step == 1
        else _("By onset, or by diagnosis where the onset is not known; a bar is a week."),
    )


def tree(chain: Chain[int], cases: Mapping[int, Case]) -> Drawing | None:
    """Return who infected whom: a case stands at its first day, a line leads from its source."""
    linked = {case for edge in chain.edges for case in edge}
    if not linked:
        return None
    shown = [place for place in chain.places if place.case in linked][:DRAWN]
    rows = {place.case: n for n, place in enumerate(shown)}
    data, lines, table = [], [], []
    sources = {case: source for source, case in chain.edges}
    for place in shown:
        one = cases[place.case]
        status = CaseStatus(one.status)
        source = sources.get(place.case)
        said = _("Case %(number)d, %(status)s, %(day)s, generation %(generation)d, infected %(n)d others")
        words = said % {
            "number": place.case, "status": status.label, "day": one.first_day.isoformat(),
            "generation": place.generation, "n": chain.secondary[place.case],
        }  # fmt: skip
        data.append(
            {
                "day": one.first_day.isoformat(), "row": rows[place.case], "status": str(status.label),
                "label": words, "text": str(place.case),
            }
        )  # fmt: skip
        table.append(
            [place.case, one.first_day, str(status.label), place.generation, source,
             chain.secondary[place.case]]
        )  # fmt: skip
        if source is not None and source in rows:
            lines.append(
                {
                    "day": cases[source].first_day.isoformat(), "row": rows[source],
                    "to": one.first_day.isoformat(), "at": rows[place.case],
                }
            )  # fmt: skip
    held = [status for status in _ORDER if any(row["status"] == str(status.label) for row in data)]
    colour = alt.Color(
        "status:N", legend=None,
        scale=alt.Scale(domain=[str(s.label) for s in held], range=list(svg.SERIES[: len(held)])),
    )  # fmt: skip
    up = alt.Y("row:Q", axis=None, scale=alt.Scale(reverse=True, domain=[-0.6, len(shown) - 0.4]))
    axis = alt.Axis(format=svg.date_format(), labelOverlap="greedy", grid=False)
    across = alt.X("day:T", title=None, axis=axis)
    drawn = alt.layer(
        alt.Chart(charts.source(lines))
        .mark_rule(strokeWidth=1.2, color=svg.AXIS, aria=False)
        .encode(across, up, x2="to:T", y2="at:Q"),
        alt.Chart(charts.source(data))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(across, up, colour, description="label:N"),
        alt.Chart(charts.source(data))
        .mark_text(align="left", dx=8, fontSize=11, color=svg.INK, aria=False)
        .encode(across, up, text="text:N"),
    ).properties(width=charts.WIDTH, height=max(90, _ROW * len(shown)))
    note = _("%(cases)d cases in chains, %(alone)d without a known link.") % {
        "cases": len(linked), "alone": len(chain.places) - len(linked),
    }  # fmt: skip
    if (serial := chain.median_serial) is not None:
        note += " " + _("Median serial interval: %(n)s days.") % {"n": f"{serial:g}"}
    return charts.from_altair(
        drawn,
        title=_("Transmission chain"),
        header=[
            _("Case"),
            _("First day"),
            _("Status"),
            _("Generation"),
            _("Infected by"),
            _("Infected others"),
        ],
        rows=table,
        note=note,
        legend=[LegendEntry(f"fill-s{n}", str(status.label)) for n, status in enumerate(held, 1)],
    )
