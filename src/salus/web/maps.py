"""Maps of districts shaded by a figure; small cells are shown as withheld, not as nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from salus.kernel.lazy import lazy_module
from salus.web.charts import Drawing, LegendEntry, from_altair, source
from salus.web.drawing import svg

if TYPE_CHECKING:
    import altair as alt
else:
    alt = lazy_module("altair")  # large, and only pages that draw need it

Text = str | Promise
WIDTH, HEIGHT = 520, 400
NAMED = 40
"""With more areas than this their names would cover the map; the label of each still says it."""


class Suppressed:
    """The figure of a district that may not be shown because too few people stand behind it."""


SUPPRESSED = Suppressed()
Figure = float | int | None | Suppressed


@dataclass(frozen=True, slots=True)
class Area:
    """A district with its name in the reader's language and its boundary (GeoJSON geometry, degrees)."""

    code: str
    name: str
    geometry: str | Mapping[str, Any]


def choropleth(
    areas: Sequence[Area],
    figures: Mapping[str, Figure],
    *,
    title: Text,
    measure: Text,
    unit: Text = "",
    note: Text = "",
    digits: int = 1,
) -> Drawing:
    """Shade each district by its figure, in five classes of equal count.

    Args:
        areas: the districts; those without a figure are drawn grey.
        figures: by district code: a number, None (not known) or `SUPPRESSED` (hatched, never
            named: the count is small, or would tell a small one).
        measure: what the figure is; unit: follows each value.
        digits: decimals shown.
    """
    known = sorted(value for value in figures.values() if isinstance(value, int | float))
    limits = breaks(known)
    features, rows = [], []
    for area in areas:
        figure = figures.get(area.code)
        text, colour = _shade(figure, limits, unit, digits)
        features.append(
            {
                "type": "Feature",
                "geometry": wound(_geometry(area)),
                "properties": {"colour": colour, "label": f"{area.name}: {text}"},
            }
        )
        rows.append([area.name, text])
    shapes = (
        alt.Chart(source(features))
        .mark_geoshape(stroke=svg.SURFACE, strokeWidth=1)
        .encode(
            color=alt.Color("properties.colour:N", scale=None, legend=None), description="properties.label:N"
        )
    )
    layers: list[Any] = [shapes, *(_names(areas) if len(areas) <= NAMED else ())]
    chart = alt.layer(*layers).project("mercator").properties(width=WIDTH, height=HEIGHT)
    return from_altair(
        chart, title=title, header=[_("District"), str(measure)], rows=rows, note=note,
        legend=_legend(limits, known, figures.values(), digits), fits=True,
    )  # fmt: skip


def _names(areas: Sequence[Area]) -> list[Any]:
    """Return the areas' names at their centres, each on a halo that keeps it legible on any shade."""
    places = [{"x": x, "y": y, "name": area.name} for area in areas for x, y in [centre(_geometry(area))]]
    base = alt.Chart(source(places)).encode(longitude="x:Q", latitude="y:Q", text="name:N")
    return [
        base.mark_text(
            fontSize=13, aria=False, fill=svg.SURFACE, stroke=svg.SURFACE, strokeWidth=4, strokeJoin="round"
        ),
        base.mark_text(fontSize=13, aria=False, fill=svg.INK),
    ]


def _geometry(area: Area) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(area.geometry) if isinstance(area.geometry, str) else area.geometry
    return found


def centre(geometry: Mapping[str, Any]) -> tuple[float, float]:
    """Return the centroid of a polygon's outer ring, or of a multipolygon's largest, in degrees."""
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    best, largest = (0.0, 0.0), -1.0
    for ring in (polygon[0] for polygon in polygons):
        area = x = y = 0.0
        for (ax, ay, *_a), (bx, by, *_b) in zip(ring, [*ring[1:], ring[0]], strict=True):
            cross = ax * by - bx * ay
            area, x, y = area + cross, x + (ax + bx) * cross, y + (ay + by) * cross
        if abs(area) > largest:
            largest = abs(area)
            best = (x / (3 * area), y / (3 * area)) if area else (ring[0][0], ring[0][1])
    return best


def breaks(values: Sequence[float]) -> list[float]:
    """Return up to four rising limits that part sorted values into classes of about equal count."""
    distinct = sorted(set(values))
    if len(distinct) <= 1:
        return []
    classes = min(len(svg.RAMP), len(distinct))
    found = {distinct[len(distinct) * n // classes] for n in range(1, classes)}
    return sorted(found)


def _shade(figure: Figure, limits: Sequence[float], unit: Text, digits: int) -> tuple[str, str]:
    if isinstance(figure, Suppressed):
        return _("withheld"), svg.HATCH
    if figure is None:
        return _("not known"), svg.NONE
    place = sum(figure >= limit for limit in limits)
    return f"{svg.said(round(figure, digits))}{' ' if unit else ''}{unit}", svg.RAMP[
        _step(place, len(limits))
    ]


def _step(place: int, limits: int) -> int:
    """Spread the classes over the ramp, so that two classes are its ends."""
    return place * (len(svg.RAMP) - 1) // limits if limits else len(svg.RAMP) // 2


def _legend(limits: Sequence[float], known: Sequence[float], figures: Any, digits: int) -> list[LegendEntry]:
    found: list[LegendEntry] = []
    if known:
        ends = [known[0], *limits, known[-1]]
        for place in range(len(limits) + 1):
            low, high = svg.said(round(ends[place], digits)), svg.said(round(ends[place + 1], digits))
            text = low if low == high else f"{low} – {high}" if place == len(limits) else f"{low} – <{high}"
            found.append(LegendEntry(f"fill-r{_step(place, len(limits)) + 1}", text))
    values = list(figures)
    if any(isinstance(value, Suppressed) for value in values):
        found.append(LegendEntry("fill-hatched", _("withheld")))
    if any(value is None for value in values):
        found.append(LegendEntry("fill-none", _("not known")))
    return found


def wound(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a polygon wound as d3 expects it (outer rings clockwise), else the whole globe is filled.

    RFC 7946 asks for the opposite; both are accepted.
    """
    kind = geometry.get("type")
    if kind == "Polygon":
        return {"type": "Polygon", "coordinates": _rings(geometry["coordinates"])}
    if kind == "MultiPolygon":
        return {"type": "MultiPolygon", "coordinates": [_rings(part) for part in geometry["coordinates"]]}
    return dict(geometry)


def _rings(rings: Sequence[Sequence[Sequence[float]]]) -> list[list[Sequence[float]]]:
    made = []
    for number, ring in enumerate(rings):
        pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
        area = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairs)  # positive when clockwise
        made.append(list(ring) if (area > 0) == (number == 0) else list(reversed(ring)))
    return made
