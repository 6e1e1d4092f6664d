"""Write a document as PDF: set by Typst from a page layout that a city can replace.

Tagged and archivable: PDF/A-2a (ISO 19005-2) and PDF/UA-1 (ISO 14289-1), which the typesetter checks.
"""

import json
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import typst
from django.utils import translation
from django.utils.translation import gettext as _

from salus.kernel.errors import SalusError
from salus.web.documents import drawings, fonts
from salus.web.documents.parts import (
    Bullets,
    Chart,
    Document,
    Facts,
    Heading,
    KeyFigures,
    PageBreak,
    Paragraph,
    Part,
    Table,
    chart_table,
    checked,
    figures_across,
    numeric_columns,
    written,
)

LAYOUT = Path(__file__).with_name("page.typ")
STANDARDS: list[Any] = ["a-2a", "ua-1"]


def pdf(document: Document) -> bytes:
    """Return the document as PDF.

    Raises:
        SalusError: code `document-font` when Chinese characters have no face on this machine;
            `document-layout` when the city's own layout does not set.
        ValueError: a part that cannot be set, see `parts.checked`.
    """
    with translation.override(document.language):
        described = _described(checked(document))
    text = json.dumps(described, ensure_ascii=False)
    described["font"] = fonts.chosen(text)
    own = fonts.city_folder() / "page.typ"
    layout = own if own.is_file() else LAYOUT
    try:
        made = typst.compile(
            layout,
            root=layout.parent,
            font_paths=fonts.available(),
            format="pdf",
            sys_inputs={"document": json.dumps(described, ensure_ascii=False)},
            pdf_standards=STANDARDS,
            timestamp=datetime.combine(document.date, time(), UTC),
        )
    except typst.TypstError as error:
        raise SalusError(
            "document-layout",
            "the document could not be set",
            where=str(layout.name),
            fix=f"Correct the page layout: {error.message}",
        ) from error
    if not isinstance(made, bytes):
        raise SalusError("document-layout", "the document has no page", where=str(layout.name))
    return made


def _described(document: Document) -> dict[str, Any]:
    return {
        "title": str(document.title),
        "subtitle": str(document.subtitle),
        "issuer": str(document.issuer),
        "number": document.number,
        "marking": str(document.marking),
        "day": document.date.isoformat(),
        "language": document.language.partition("-")[0],
        "script": "hans" if document.language == "zh-hans" else "latn",
        "page": _("Page %(page)s of %(pages)s") % {"page": "\u0001", "pages": "\u0002"},
        "parts": [made for part in document.parts for made in _part(part)],
    }


def _part(part: Part) -> list[dict[str, Any]]:
    match part:
        case Heading():
            return [{"kind": "heading", "text": str(part.text), "level": part.level}]
        case Paragraph():
            return [{"kind": "paragraph", "text": str(part.text), "tone": part.tone}]
        case Bullets():
            return [{"kind": "list", "items": [str(item) for item in part.items], "numbered": part.numbered}]
        case Facts():
            return [{"kind": "facts", "pairs": [[str(term), written(value)] for term, value in part.pairs]}]
        case Table():
            return [_table(part)]
        case KeyFigures():
            figures = [[written(f.value), str(f.label), str(f.note)] for f in part.figures]
            return [{"kind": "figures", "figures": figures, "across": figures_across(len(figures))}]
        case Chart():
            behind = chart_table(part)
            return [_chart(part), *([_table(behind)] if behind else [])]
        case PageBreak():
            return [{"kind": "break"}]


def _table(table: Table) -> dict[str, Any]:
    return {
        "kind": "table",
        "header": [str(title) for title in table.header],
        "rows": [[written(value) for value in row] for row in table.rows],
        "numeric": numeric_columns(table),
        "caption": str(table.caption),
        "widths": list(table.widths),
        "note": str(table.note),
        "total": table.total,
        "none": _("Nothing to show"),
    }


def _chart(chart: Chart) -> dict[str, Any]:
    drawing = chart.drawing
    return {
        "kind": "chart",
        "title": str(drawing.title),
        "note": str(drawing.note),
        "said": chart_said(chart),
        "svg": drawings.for_print(drawing),
        "legend": drawings.legend(drawing),
    }


def chart_said(chart: Chart) -> str:
    """Return what is read out for a chart: its title and its figures, shortened when there are many."""
    rows = ["; ".join(written(value) for value in row) for row in chart.drawing.rows[:40]]
    more = len(chart.drawing.rows) - len(rows)
    tail = [_("and %(count)s more") % {"count": more}] if more > 0 else []
    return f"{chart.drawing.title}. " + " | ".join([*rows, *tail])
