"""Drawings of the kit on paper: the classes that a page's style sheet colours become the light colours."""

import re
from typing import Any

import vl_convert
from lxml import etree

from salus.web.charts import Drawing
from salus.web.documents import fonts

_INK, _MUTED, _SURFACE, _SUNKEN, _LINE = "#15202a", "#4e5d69", "#ffffff", "#eceff1", "#7b8994"
_SERIES = ("#0b6b75", "#b4541a", "#5b4b9a", "#3c7a2e", "#a82e5b", "#44617b", "#8a6a00", "#1f5fa8")
_RAMP = ("#dcecec", "#a9d0d1", "#6fb0b3", "#2f8a90", "#0a5a63")
_BAD, _BAND, _GRID = "#a3231c", "#e0f2e6", "#e1e6e9"
# The same colours as `static/web/base.css` and `chart.css` give in light.
PAINT: dict[str, tuple[str, str]] = {
    **{f"fill-s{n}": ("fill", colour) for n, colour in enumerate(_SERIES, 1)},
    **{f"line-s{n}": ("stroke", colour) for n, colour in enumerate(_SERIES, 1)},
    **{f"fill-r{n}": ("fill", colour) for n, colour in enumerate(_RAMP, 1)},
    "fill-none": ("fill", _SUNKEN),
    "fill-hatched": ("fill", _SUNKEN),
    "hatch-ground": ("fill", _SUNKEN),
    "hatch-line": ("stroke", _LINE),
    "fill-bad": ("fill", _BAD),
    "line-bad": ("stroke", _BAD),
    "fill-band": ("fill", _BAND),
    "ink-grid": ("stroke", _GRID),
    "ink-axis": ("stroke", _LINE),
    "ink-text": ("fill", _INK),
    "fill-surface": ("fill", _SURFACE),
    "line-surface": ("stroke", _SURFACE),
}
PNG_SCALE = 2.5  # pixels a unit: 240 dots an inch at the width of a page


def for_print(drawing: Drawing) -> str:
    """Return the drawing as an SVG that stands alone: colours and a face in it, ids that do not count up."""
    markup = re.sub(r"drawing-\d+-", "drawing-", str(drawing.markup))
    root = etree.fromstring(markup.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    for part in root.iter():
        if not isinstance(part.tag, str):
            continue
        for css in (part.get("class") or "").split():
            if css in PAINT and not str(part.get("fill") or "").startswith("url("):
                part.set(*PAINT[css])
        for name in list(map(str, part.attrib)):
            if name in {"class", "role", "tabindex"} or name.startswith(("aria-", "data-")):
                del part.attrib[name]
        if etree.QName(part).localname == "text":
            part.set("font-family", fonts.family() or "sans-serif")
            if part.get("fill") is None:
                part.set("fill", _MUTED)
    if root.nsmap.get(None) != "http://www.w3.org/2000/svg":
        root.set("xmlns", "http://www.w3.org/2000/svg")
    return etree.tostring(root, encoding="unicode")


def png(drawing: Drawing) -> bytes:
    """Return the drawing as PNG, for files that cannot hold SVG."""
    return bytes(vl_convert.svg_to_png(for_print(drawing), scale=PNG_SCALE))


def legend(drawing: Drawing) -> list[dict[str, Any]]:
    """Return each entry of the legend as colour and text."""
    return [
        {"colour": PAINT.get(entry.css, ("fill", _LINE))[1], "text": str(entry.text)}
        for entry in drawing.legend
    ]
