"""Drawings of these pages: a signal's series with its bound, the curve with its nowcast, R, the forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from salus.kernel.lazy import lazy_module
from salus.kernel.models import District
from salus.kernel.names import chosen
from salus.prevention.pages.signals import words
from salus.prevention.queries.signals.curve import LEVELS, Bin, Curve
from salus.prevention.queries.signals.story import AGES, Behind, Point
from salus.web import charts, maps
from salus.web.charts import Drawing, Field, LegendEntry
from salus.web.drawing import svg

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazy_module("altair")  # large, and only pages that draw need it


def _across(kind: str = "T") -> alt.X:
    axis = alt.Axis(
        format=svg.date_format(), labelOverlap="greedy", labelSeparation=14, labelFlush=False, grid=False
    )
    return alt.X(f"x:{kind}", title=None, axis=axis)


def _up(title: str, field: str = "y", zero: bool = True) -> alt.Y:
    axis = alt.Axis(format=",.4~f", tickCount=5)
    return alt.Y(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(zero=zero))


def series(points: Sequence[Point]) -> Drawing | None:
    """Return a signal's weeks: bars of cases, lines of the expected count and the bound."""
    if not points:
        return None
    data = [
        {
            "x": point.week.isoformat(),
            "x2": (point.week + timedelta(days=6)).isoformat(),
            "y": point.cases,
            "zero": 0,
            "alarm": point.alarm,
            "label": _("Week from %(week)s: %(cases)s cases, expected %(expected)s, bound %(bound)s")
            % {
                "week": point.week.isoformat(),
                "cases": words.number(point.cases),
                "expected": words.number(point.expected),
                "bound": words.number(point.bound),
            },
        }
        for point in points
    ]
    lines = [
        {"x": (point.week + timedelta(days=3)).isoformat(), "y": value, "of": of}
        for point in points
        for of, value in (("expected", point.expected), ("bound", point.bound))
        if value is not None
    ]
    bars = alt.Chart(charts.source(data))
    ends: dict[str, Any] = {"x2": "x2:T", "y2": "zero:Q"}
    layers: list[Any] = [
        bars.transform_filter("!datum.alarm")
        .mark_rect(color=svg.SERIES[0])
        .encode(_across(), _up(_("Cases")), description="label:N", **ends),
        bars.transform_filter("datum.alarm")
        .mark_rect(color=svg.BAD)
        .encode(_across(), _up(_("Cases")), description="label:N", **ends),
    ]
    legend = [LegendEntry("fill-s1", _("Cases known")), LegendEntry("fill-bad", _("Weeks of the signal"))]
    for of, colour, dash, css, text in (
        ("expected", svg.SERIES[1], [1, 0], "fill-s2", _("Expected cases")),
        ("bound", svg.SERIES[2], [5, 3], "fill-s3", _("Bound")),
    ):
        told = [line for line in lines if line["of"] == of]
        if told:
            layers.append(
                alt.Chart(charts.source(told))
                .mark_line(strokeWidth=2, color=colour, strokeDash=dash, aria=False)
                .encode(_across(), _up(_("Cases")))
            )
            legend.append(LegendEntry(css, text))
    return charts.from_altair(
        alt.layer(*layers).properties(width=charts.WIDTH, height=charts.HEIGHT),
        title=_("Cases a week, with what was expected"),
        header=[_("Week from"), _("Cases known"), _("Expected cases"), _("Bound"), _("Signal")],
        rows=[
            [one.week, one.cases, _rounded(one.expected), _rounded(one.bound), _("yes") if one.alarm else ""]
            for one in reversed(points)
        ],
        legend=legend,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def ages(behind: Behind) -> Drawing | None:
    """Return the cases behind a signal by age group and sex."""
    if not behind.by_age:
        return None
    named = {"male": _("Male"), "female": _("Female"), "other": _("Other"), "": _("Not known")}
    sexes = [sex for sex in named if any(key[1] == sex for key in behind.by_age)]
    rows = [
        {"age": words.age_title(group), "sex": named[sex], "cases": behind.by_age.get((group, sex), 0)}
        for group in range(len(AGES))
        for sex in sexes
    ]
    return charts.bar(
        rows,
        Field("age", _("Age"), kind="ordinal"),
        Field("cases", _("Cases")),
        title=_("Cases by age and sex"),
        series=Field("sex", _("Sex"), kind="nominal"),
        height=180,
    )


def city_map(figures: Mapping[str, int], title: str) -> Drawing | None:
    """Return the districts shaded by how many signals concern each; None without boundaries."""
    rows = District.objects.exclude(polygon="").filter(level="district")
    areas = [
        maps.Area(code, chosen(name, english), polygon)
        for code, name, english, polygon in rows.values_list("code", "name", "name_en", "polygon")
    ]
    if not areas:
        return None
    shaded: dict[str, maps.Figure] = {area.code: figures.get(area.code, 0) for area in areas}
    return maps.choropleth(areas, shaded, title=title, measure=_("Open signals"), digits=0)


def epidemic(bins: Sequence[Bin], step: str) -> Drawing | None:
    """Return the epidemic curve: bars of cases, what is still to come lighter, with its interval."""
    if not bins:
        return None
    data: list[dict[str, Any]] = []
    for one in bins:
        end = _end(one.start, step)
        if one.cases is None:
            continue
        label = _("%(day)s: %(n)d cases") % {"day": one.start.isoformat(), "n": one.cases}
        base = {"x": one.start.isoformat(), "x2": end.isoformat()}
        data.append({**base, "y": one.cases, "y2": 0, "kind": "known", "label": label})
        if one.mean is not None and one.high is not None and one.low is not None:
            label += " · " + _("with reports to come %(mean)s (%(low)s to %(high)s)") % {
                "mean": words.number(one.mean),
                "low": words.number(one.low),
                "high": words.number(one.high),
            }
            middle = one.start + (end - one.start) / 2
            data.append(
                {
                    **base,
                    "y": max(one.mean, one.cases),
                    "y2": one.cases,
                    "kind": "coming",
                    "label": label,
                    "at": middle.isoformat(),
                    "low": max(one.low, one.cases),
                    "high": one.high,
                }
            )
    hatched = [one for one in bins if one.cases is None]
    if not data:
        return None
    source = alt.Chart(charts.source(data))
    ends: dict[str, Any] = {"x2": "x2:T", "y2": "y2:Q", "description": "label:N"}
    layers: list[Any] = [
        source.transform_filter("datum.kind == 'known'")
        .mark_rect(color=svg.SERIES[0], stroke=svg.SURFACE, strokeWidth=0.5)
        .encode(_across(), _up(_("Cases")), **ends),
    ]
    legend = [LegendEntry("fill-s1", _("Known"))]
    if any(one["kind"] == "coming" for one in data):
        coming = source.transform_filter("datum.kind == 'coming'")
        layers.append(
            coming.mark_rect(color=svg.SERIES[2], opacity=0.6).encode(_across(), _up(_("Cases")), **ends)
        )
        layers.append(
            coming.mark_rule(color=svg.AXIS, aria=False).encode(
                alt.X("at:T"), alt.Y("low:Q"), y2=alt.Y2("high:Q")
            )
        )
        legend.append(LegendEntry("fill-s3", _("Still to be reported (nowcast, 95 % interval)")))
    note = {
        "day": _("A bar is a day."),
        "week": _("A bar is an ISO week."),
        "month": _("A bar is a month."),
    }[step]
    if hatched:
        note += " " + _("%(n)d weeks are hidden: few cases, or they would tell few.") % {"n": len(hatched)}
    return charts.from_altair(
        alt.layer(*layers).properties(width=charts.WIDTH, height=charts.HEIGHT),
        title=_("Epidemic curve"),
        header=[_("From"), _("Known"), _("Nowcast"), _("2.5 %"), _("97.5 %")],
        rows=[
            [
                one.start,
                _("hidden") if one.cases is None else one.cases,
                _rounded(one.mean),
                _rounded(one.low),
                _rounded(one.high),
            ]
            for one in reversed(bins)
        ],
        note=note,
        legend=legend,
    )


def _end(start: date, step: str) -> date:
    if step == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if step == "week" else 1)


def reproduction(found: Curve) -> Drawing | None:
    """Return the reproduction number over time with its interval, and the line at one."""
    if not found.reproduction:
        return None
    data = [
        {
            "x": day.isoformat(),
            "y": mean,
            "low": low,
            "high": high,
            "label": _("%(day)s: R %(r)s (%(low)s to %(high)s)")
            % {"day": day.isoformat(), "r": f"{mean:.2f}", "low": f"{low:.2f}", "high": f"{high:.2f}"},
        }
        for day, mean, low, high in found.reproduction
    ]
    source = alt.Chart(charts.source(data))
    one = alt.Chart(charts.source([{"y": 1}])).mark_rule(color=svg.AXIS, strokeDash=[4, 3], aria=False)
    chart = alt.layer(
        source.mark_area(color=svg.BAND, aria=False).encode(_across(), alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        one.encode(alt.Y("y:Q")),
        source.mark_line(color=svg.SERIES[0], strokeWidth=2, aria=False).encode(_across(), _up("R")),
        source.mark_point(filled=True, size=14, opacity=1, color=svg.SERIES[0]).encode(
            _across(), _up("R"), description="label:N"
        ),
    ).properties(width=charts.WIDTH, height=180)
    return charts.from_altair(
        chart,
        title=_("Reproduction number"),
        header=[_("Window's last day"), "R", _("2.5 %"), _("97.5 %")],
        rows=[[d, round(m, 2), round(low, 2), round(h, 2)] for d, m, low, h in reversed(found.reproduction)],
        note=_("Cori's method; above 1 cases grow. The band holds 95 %."),
    )


def ahead(found: Curve) -> Drawing | None:
    """Return the last weeks and the forecast of the next four, as bands of 50 and 95 %."""
    if not found.ahead:
        return None
    weeks = [
        {
            "x": day.isoformat(),
            "low": q[0],
            "q1": q[1],
            "y": q[2],
            "q3": q[3],
            "high": q[4],
            "label": _("Week from %(week)s: %(y)s cases, 95 %% between %(low)s and %(high)s")
            % {
                "week": day.isoformat(),
                "y": words.number(q[2]),
                "low": words.number(q[0]),
                "high": words.number(q[4]),
            },
        }
        for day, q in found.ahead
    ]
    source = alt.Chart(charts.source(weeks))
    chart = alt.layer(
        source.mark_bar(color=svg.BAND, size=46, aria=False).encode(
            alt.X(
                "x:T",
                title=None,
                axis=alt.Axis(format=svg.date_format(), values=[str(w["x"]) for w in weeks], grid=False),
            ),
            alt.Y("low:Q", title=_("Cases"), axis=alt.Axis(format=",.4~f", tickCount=5)),
            y2=alt.Y2("high:Q"),
        ),
        source.mark_bar(color=svg.SERIES[2], opacity=0.5, size=46, aria=False).encode(
            alt.X("x:T"), alt.Y("q1:Q"), y2=alt.Y2("q3:Q")
        ),
        source.mark_point(filled=True, size=70, opacity=1, color=svg.SERIES[0]).encode(
            alt.X("x:T"), _up(_("Cases")), description="label:N"
        ),
    ).properties(width=charts.WIDTH, height=180)
    return charts.from_altair(
        chart,
        title=_("Forecast of the next four weeks"),
        header=[_("Week from"), *(f"{100 * level:g} %" for level in LEVELS)],
        rows=[[day, *(round(value, 1) for value in quantiles)] for day, quantiles in found.ahead],
        note=_("Point: median; the bands hold 50 and 95 %."),
    )
