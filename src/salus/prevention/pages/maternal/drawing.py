"""A child's growth against the standard's lines, as the kit's drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from salus.kernel.lazy import lazy_module
from salus.prevention.growth import centile
from salus.prevention.pages.maternal import words
from salus.prevention.queries.maternal import children
from salus.prevention.queries.maternal.children import Child
from salus.web import charts
from salus.web.charts import Drawing, LegendEntry
from salus.web.drawing import svg

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazy_module("altair")  # large, and only pages that draw need it

_UNITS = {
    "weight-for-age": ("weight", "kg"),
    "height-for-age": ("height", "cm"),
    "head-for-age": ("head", "cm"),
}


def growth(child: Child, indicator: str) -> Drawing | None:
    """Return the child's measurements between the standard's lines; None without measurements or sex."""
    name, unit = _UNITS[indicator]
    sex = children.sex_code(child.person.sex)
    points = [one for one in child.measured if getattr(one, name) is not None and one.age_days <= 1856]
    if not points or not sex:
        return None
    months, lines = children.lines(indicator, sex, max(one.age_days for one in points))
    standard, ends = [], []
    for z, values in lines.items():
        for month, value in zip(months, values, strict=True):
            standard.append({"x": month, "y": value, "line": f"{z:+g}", "size": str(int(abs(z)))})
        share = float(centile([z])[0])
        ends.append({"x": months[-1], "y": values[-1], "text": f"{share:.3g} %"})
    said = _("%(day)s: %(value)s %(unit)s, z-score %(z)s")
    data, table = [], []
    for one in points:
        value = float(getattr(one, name))
        z, code, implausible = one.scores.get(indicator, (float("nan"), "", False))
        shown = "–" if z != z else f"{z:+.1f}"
        label = said % {"day": one.day.isoformat(), "value": f"{value:g}", "unit": unit, "z": shown}
        data.append({"x": round(one.age_days / children.DAYS_IN_MONTH, 2), "y": value, "label": label})
        judged = _("implausible") if implausible else children.class_name(code) if code else _("usual")
        rank = "–" if z != z else f"{float(centile([z])[0]):.1f}"
        table.append([one.day, value, shown, rank, judged])
    across = alt.X("x:Q", title=_("Age (months)"), scale=alt.Scale(nice=False), axis=alt.Axis(grid=False))
    up = alt.Y("y:Q", title=unit, scale=alt.Scale(zero=False))
    colours = alt.Color(
        "size:N", legend=None, scale=alt.Scale(domain=["0", "1", "2", "3"], range=list(svg.SERIES[1:5]))
    )
    drawn: Any = alt.layer(
        alt.Chart(charts.source(standard))
        .mark_line(strokeWidth=1.2, aria=False)
        .encode(across, up, colours, detail="line:N"),
        alt.Chart(charts.source(ends))
        .mark_text(align="right", dy=-6, fontSize=10, color=svg.INK, aria=False)
        .encode(across, up, text="text:N"),
        alt.Chart(charts.source(data))
        .mark_line(strokeWidth=2, color=svg.SERIES[0], aria=False)
        .encode(across, up),
        alt.Chart(charts.source(data))
        .mark_point(filled=True, size=70, opacity=1, color=svg.SERIES[0])
        .encode(across, up, description="label:N"),
    ).properties(width=charts.WIDTH, height=300)
    named = [
        ("fill-s1", _("The child")),
        ("fill-s2", _("Median")),
        ("fill-s3", _("1 SD")),
        ("fill-s4", _("2 SD")),
        ("fill-s5", _("3 SD")),
    ]
    return charts.from_altair(
        drawn,
        title=words.INDICATORS[indicator],
        header=[_("Day"), unit, _("z-score"), _("Centile (%)"), _("Finding")],
        rows=table,
        note=_("Lines: WHO Child Growth Standards, with the centile at their end."),
        legend=[LegendEntry(css, str(text)) for css, text in named],
    )
