"""Charts for pages: Vega-Lite by Altair, drawn to SVG on the server, with the figures behind each as a table.

A drawing carries class names instead of colours, so that the page's style sheet colours it in light and
dark; every mark carries a sentence as its label, which a small script shows as a tooltip and reads out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from salus.kernel.lazy import lazy_module
from salus.web.drawing import svg
from salus.web.tables.columns import display

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazy_module("altair")  # large, and only pages that draw need it

Text = str | Promise
Rows = Sequence[Mapping[str, Any]]
WIDTH = 640  # units of the drawing; the page scales it down, never up
HEIGHT = 240
SERIES = 8
"""How many series are told apart; more belong in several charts."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column of the rows as it stands in a chart.

    `kind` is quantitative, temporal, ordinal or nominal; `unit` follows each value in labels; `format` is
    a d3 format for the axis.
    """

    name: str
    title: Text
    kind: str = "quantitative"
    unit: Text = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of a legend: the class that colours it and what it stands for."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished chart or map with all that the page says about it.

    What `fits` is drawn as small as the screen; all else scrolls there, so that its axes stay legible.
    """

    title: Text
    markup: SafeString
    header: Sequence[Text]
    rows: Sequence[Sequence[Any]]
    note: Text = ""
    legend: Sequence[LegendEntry] = field(default_factory=tuple)
    fits: bool = False

    def html(self) -> str:
        """Return the figure: title, drawing, legend and the table behind it."""
        shown = [
            [(display(value), isinstance(value, int | float | Decimal)) for value in row] for row in self.rows
        ]
        return render_to_string("web/chart.html", {"drawing": self, "rows": shown})


def line(
    rows: Rows,
    x: Field,
    y: Field,
    *,
    title: Text,
    series: Field | None = None,
    band: tuple[float | Decimal | None, float | Decimal | None] | None = None,
    zero: bool = False,
    note: Text = "",
    height: int = HEIGHT,
) -> Drawing:
    """Draw values over time or order as a line with a mark at each value.

    Args:
        rows: mappings that hold the fields; a value None breaks the line. Times as ISO text or date(time).
        x: the time or order; y: the value.
        series: what tells lines apart, at most `SERIES` of them.
        band: the reference range, low and high; either may be None. Values outside it are marked.
        zero: whether the value axis begins at zero.
        note: a sentence under the title.
        height: of the plot, in units.

    Raises:
        ValueError: more than `SERIES` series.
    """
    data, names = _prepared(rows, x, y, series, band)
    base = alt.Chart(source(data))
    across = _x(x)
    up = alt.Y("y:Q", title=_unit(y), scale=alt.Scale(zero=zero), axis=_axis(y))
    colour = _colours(names)
    layers: list[Any] = []
    if band is not None:
        layers.append(_band(band))
    layers.append(base.mark_line(strokeWidth=2, aria=False).encode(across, up, colour, detail="series:N"))
    points = base.transform_filter("isValid(datum.y)")
    layers.append(
        points.transform_filter("!datum.outside")
        .mark_point(filled=True, size=42, opacity=1)
        .encode(across, up, colour, description="label:N")
    )
    if band is not None:
        layers.append(
            points.transform_filter("datum.outside")
            .mark_point(filled=True, size=74, opacity=1, shape="diamond", color=svg.BAD)
            .encode(across, up, description="label:N")
        )
    chart = alt.layer(*layers).properties(width=WIDTH, height=height)
    return _drawn(chart, title, rows, x, y, series, names, note)


def bar(
    rows: Rows,
    x: Field,
    y: Field,
    *,
    title: Text,
    series: Field | None = None,
    horizontal: bool = False,
    note: Text = "",
    height: int = HEIGHT,
) -> Drawing:
    """Draw values of categories or times as bars, stacked by series; `horizontal` suits long names.

    `x` is the category and `y` the value, whichever way the bars lie. Raises ValueError for more than
    `SERIES` series.
    """
    data, names = _prepared(rows, x, y, series, None)
    if horizontal:
        height = max(60, 26 * len({str(row.get("x")) for row in data}))
        places: list[Any] = [
            alt.Y(
                "x:N",
                title=None,
                sort=None,
                axis=alt.Axis(labelLimit=220, ticks=False, domain=False, minExtent=110),
            ),
            alt.X("y:Q", title=_unit(y), axis=_axis(y), stack="zero"),
        ]
    else:
        places = [_x(x), alt.Y("y:Q", title=_unit(y), axis=_axis(y), stack="zero")]
    chart = (
        alt.Chart(source(data))
        .transform_filter("isValid(datum.y)")
        .mark_bar(binSpacing=1)
        .encode(*places, _colours(names), description="label:N")
        .properties(width=WIDTH, height=height)
    )
    return _drawn(chart, title, rows, x, y, series, names, note)


def from_altair(
    chart: Any,
    *,
    title: Text,
    header: Sequence[Text],
    rows: Sequence[Sequence[Any]],
    note: Text = "",
    legend: Sequence[LegendEntry] = (),
    fits: bool = False,
) -> Drawing:
    """Draw any Altair chart.

    Colour it with `web.drawing.svg.SERIES` and `RAMP`, which become class names, and give each mark a
    `description` with a sentence.
    """
    return Drawing(title, _markup(chart, str(title)), header, rows, note, legend, fits)


def source(values: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows as Altair takes them in: written into the specification, fetched from nowhere."""
    return alt.Data(values=list(values))  # type: ignore[no-untyped-call]


def _prepared(
    rows: Rows,
    x: Field,
    y: Field,
    series: Field | None,
    band: tuple[float | Decimal | None, float | Decimal | None] | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    names: list[str] = []
    data = []
    low, high = band or (None, None)
    for row in rows:
        name = str(row.get(series.name, "")) if series else ""
        if name not in names:
            names.append(name)
        value = row.get(y.name)
        label = f"{svg.said(row.get(x.name))}: {svg.said(value)}{' ' if y.unit else ''}{y.unit}"
        outside = value is not None and (
            (low is not None and value < low) or (high is not None and value > high)
        )
        if outside:
            label += " · " + _("outside the reference range")
        data.append(
            {
                "x": svg.encoded(row.get(x.name)),
                "y": svg.encoded(value),
                "series": name,
                "label": f"{name}, {label}" if name else label,
                "outside": outside,
            }
        )
    if len(names) > SERIES:
        raise ValueError(f"{len(names)} series; a chart tells {SERIES} apart")
    return data, names


def _x(x: Field) -> alt.X:
    if x.kind == "temporal":
        axis = alt.Axis(
            format=x.format or svg.date_format(),
            labelOverlap="greedy",
            labelSeparation=14,
            labelFlush=False,
            grid=False,
        )
        return alt.X("x:T", title=None, axis=axis)
    kind = {"quantitative": "Q", "ordinal": "O", "nominal": "N"}[x.kind]
    return alt.X(
        f"x:{kind}", title=str(x.title), sort=None, axis=alt.Axis(labelAngle=0, labelOverlap=True, grid=False)
    )


def _axis(y: Field) -> alt.Axis:
    return alt.Axis(format=y.format or ",.4~f", tickCount=5)


def _unit(y: Field) -> str:
    return f"{y.title} ({y.unit})" if y.unit else str(y.title)


def _colours(names: Sequence[str]) -> alt.Color:
    return alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(names) or [""], range=list(svg.SERIES[: max(1, len(names))])),
        legend=None,
    )


def _band(band: tuple[float | Decimal | None, float | Decimal | None]) -> Any:
    low, high = band
    row: dict[str, float] = {}
    places: dict[str, Any] = {}
    if low is not None:
        row["low"] = float(low)
        places["y"] = alt.Y("low:Q")
    if high is not None:
        row["high"] = float(high)
        places["y2" if low is not None else "y"] = alt.Y2("high:Q") if low is not None else alt.Y("high:Q")
    base = alt.Chart(source([row]))
    if low is not None and high is not None:
        return base.mark_rect(color=svg.BAND, aria=False).encode(**places)
    return base.mark_rule(color=svg.AXIS, strokeDash=[4, 3], aria=False).encode(**places)


def _drawn(
    chart: Any,
    title: Text,
    rows: Rows,
    x: Field,
    y: Field,
    series: Field | None,
    names: Sequence[str],
    note: Text,
) -> Drawing:
    columns = [series, x, y] if series else [x, y]
    legend = [LegendEntry(f"fill-s{number}", name) for number, name in enumerate(names, 1)] if series else []
    return Drawing(
        title,
        _markup(chart, str(title)),
        [_unit(column) for column in columns],
        [[row.get(column.name) for column in columns] for row in rows],
        note,
        legend,
    )


def _markup(chart: Any, title: str) -> SafeString:
    return mark_safe(svg.draw(chart.to_dict(validate=False), title))  # noqa: S308 - rebuilt from a list of allowed parts
