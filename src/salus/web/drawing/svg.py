"""Draw Vega-Lite by vl-convert and rebuild the SVG from allowed parts: no style, no script, no colours."""

import math
import threading
from collections import OrderedDict
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson
import vl_convert
from django.utils import timezone, translation
from django.utils.formats import number_format
from lxml import etree

SERIES = ("#a00001", "#a00002", "#a00003", "#a00004", "#a00005", "#a00006", "#a00007", "#a00008")
RAMP = ("#b00001", "#b00002", "#b00003", "#b00004", "#b00005")
NONE, HATCH, BAD, BAND = "#c00001", "#c00002", "#c00003", "#c00004"
GRID, AXIS, INK, SURFACE = "#c00005", "#c00006", "#c00007", "#c00008"
"""Colours that stand for classes: `draw` replaces each, so none of them is ever seen."""

_CLASSES = {
    **{colour: (f"fill-s{n}", f"line-s{n}") for n, colour in enumerate(SERIES, 1)},
    **{colour: (f"fill-r{n}", "") for n, colour in enumerate(RAMP, 1)},
    NONE: ("fill-none", ""),
    HATCH: ("fill-hatch", ""),
    BAD: ("fill-bad", "line-bad"),
    BAND: ("fill-band", ""),
    GRID: ("", "ink-grid"),
    AXIS: ("", "ink-axis"),
    INK: ("ink-text", ""),
    SURFACE: ("fill-surface", "line-surface"),
}
_CONFIG: dict[str, Any] = {
    "background": None,
    "padding": 4,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "gridColor": GRID,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "titlePadding": 8,
    },
    "axisY": {
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "start",
        "titleY": -12,
        "domain": False,
        "ticks": False,
    },
}
_ELEMENTS = {"svg", "g", "path", "text", "tspan", "line", "rect", "circle", "defs", "clipPath", "title"}
_ATTRIBUTES = {
    "width", "height", "viewBox",
    "transform", "d", "x", "y", "x1", "x2", "y1", "y2", "dx", "dy", "cx", "cy", "r",
    "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "fill-opacity", "opacity",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "text-anchor", "font-size", "font-weight", "id",
    "clip-path", "display", "aria-label", "dominant-baseline",
}  # fmt: skip
_KEPT = 400  # drawings, about 10–30 KB each

_cache: "OrderedDict[bytes, str]" = OrderedDict()
_lock = threading.Lock()
_numbers = {"next": 0}


def draw(specification: dict[str, Any], title: str) -> str:
    """Return the drawing as SVG mark-up, kept for the next request that asks for the same.

    Args:
        specification: Vega-Lite, as a mapping; its colours from this module's constants.
        title: read out as the name of the picture.
    """
    config = {**_CONFIG, **specification.get("config", {})}
    config["view"] = {**_CONFIG["view"]}
    asked = {**specification, "config": config}
    asked.pop("$schema", None)
    key = orjson.dumps((asked, title, translation.get_language()), option=orjson.OPT_SORT_KEYS)
    with _lock:
        if (held := _cache.get(key)) is not None:
            _cache.move_to_end(key)
            return held
    drawn = clean(vl_convert.vegalite_to_svg(asked), title)
    with _lock:
        _cache[key] = drawn
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    return drawn


def clean(markup: str, title: str) -> str:
    """Rebuild an SVG from allowed elements and attributes, with classes for colours and names for marks."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    source = etree.fromstring(markup.encode(), parser)
    with _lock:
        _numbers["next"] += 1
        prefix = f"drawing-{_numbers['next']}-"
    root = _rebuilt(source, prefix)
    if root is None:
        raise ValueError("the drawing holds nothing")
    root.set("class", "marks")
    root.set("role", "group")
    root.set("aria-label", title)
    root.insert(0, _hatch(prefix))
    for part in root.iter():
        if "fill-hatch" in (part.get("class") or ""):
            part.set("fill", f"url(#{prefix}hatch)")
    return etree.tostring(root, encoding="unicode")


def _rebuilt(source: Any, prefix: str) -> Any:
    if not isinstance(source.tag, str):
        return None
    name = etree.QName(source).localname
    if name not in _ELEMENTS or source.get("display") == "none" or source.get("opacity") == "0":
        return None
    made = etree.Element(name)
    classes: list[str] = []
    for key, value in source.attrib.items():
        if key not in _ATTRIBUTES or key == "aria-label":
            continue
        if key in {"fill", "stroke"} and value.lower() in _CLASSES:
            css = _CLASSES[value.lower()][0 if key == "fill" else 1]
            if css:
                classes.append(css)
                continue
        if key == "id":
            value = prefix + value
        elif key == "clip-path":
            value = value.replace("url(#", f"url(#{prefix}")
        made.set(key, value)
    if classes:
        made.set("class", " ".join(classes))
    label = source.get("aria-label")
    if label and name in {"path", "rect", "circle", "line"}:
        made.set("data-mark", "")
        made.set("role", "img")
        made.set("aria-label", label)
    if name in {"text", "tspan", "title"}:
        made.text = source.text
    for child in source:
        kept = _rebuilt(child, prefix)
        if kept is not None:
            made.append(kept)
            if name == "text":
                kept.tail = child.tail
    if name == "g" and len(made) == 0:
        return None
    if name == "path" and not made.get("d"):
        return None
    return made


def _hatch(prefix: str) -> Any:
    """Return the pattern of places whose figure is suppressed: visible without colour."""
    defs = etree.Element("defs")
    pattern = etree.SubElement(
        defs, "pattern", id=f"{prefix}hatch", width="7", height="7", patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )  # fmt: skip
    etree.SubElement(pattern, "rect", {"width": "7", "height": "7", "class": "hatch-ground"})
    etree.SubElement(pattern, "line", {"x1": "0", "y1": "0", "x2": "0", "y2": "7", "class": "hatch-line"})
    return defs


def encoded(value: Any) -> Any:
    """Return a value as Vega-Lite reads it; instants in the city's zone, without the zone."""
    if isinstance(value, datetime):
        return (
            (timezone.localtime(value) if timezone.is_aware(value) else value)
            .replace(tzinfo=None)
            .isoformat()
        )
    if isinstance(value, date):
        return value.isoformat() + "T00:00:00"
    if isinstance(value, Decimal):
        near = float(value)
        return near if math.isfinite(near) else None
    return value if isinstance(value, int | float | str) or value is None else str(value)


def said(value: Any) -> str:
    """Return a value as it is read out."""
    if isinstance(value, datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return (
            local.strftime("%Y-%m-%d %H:%M") if (local.hour or local.minute) else local.strftime("%Y-%m-%d")
        )
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return number_format(value, use_l10n=True, force_grouping=True)  # all its digits: they were measured
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        exact = round(value, 4)
        return number_format(int(exact) if exact == int(exact) else exact, use_l10n=True, force_grouping=True)
    return "–" if value is None else str(value)


def date_format() -> str:
    """Return the d3 format of days on an axis: the same in every language."""
    return "%Y-%m-%d"
