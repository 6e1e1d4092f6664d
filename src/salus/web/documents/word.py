"""Write a document as Word (ISO/IEC 29500): real headings, repeated table heads, page fields.

A city that wants its own letterhead puts a `page.docx` into the folder `documents` of the data folder: its
styles, margins, header and footer are kept.
"""

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _
from docx import Document as open_docx
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Emu, Pt, RGBColor

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
from salus.web.documents.pdf import chart_said

LATIN, CHINESE = "Arial", "Microsoft YaHei"
_BRAND, _MUTED, _BAD = RGBColor(0x0B, 0x5D, 0x66), RGBColor(0x4E, 0x5D, 0x69), RGBColor(0xA3, 0x23, 0x1C)
_TAGS = {"en": "en-GB", "zh-hans": "zh-CN"}
_WIDTH = 16.6  # cm between the margins


def docx(document: Document) -> bytes:
    """Return the document as a Word file.

    Raises:
        SalusError: code `document-layout` when the city's own `page.docx` cannot be read.
        ValueError: a part that cannot be set, see `parts.checked`.
    """
    with translation.override(document.language):
        made = _Writer(checked(document)).finished()
    return _steady(made)


class _Writer:
    """One Word file in the making."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.breaks = False  # whether the next part begins a page
        own = fonts.city_folder() / "page.docx"
        self.has_own_page = own.is_file()
        try:
            self.file = open_docx(str(own)) if self.has_own_page else open_docx()
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise SalusError(
                "document-layout",
                "the page layout for Word cannot be read",
                where=own.name,
                fix="Save it again as .docx",
            ) from error
        if not self.has_own_page:
            self._set_page()
        section = self.file.sections[0]
        edges = (section.left_margin or Cm(2.2)) + (section.right_margin or Cm(2.2))
        self.width = (section.page_width or Cm(21)) - edges
        self._set_styles()
        self._set_properties()

    def finished(self) -> bytes:
        """Write every part and return the file."""
        document = self.document
        self.file.add_paragraph(str(document.title), style="Title")
        if document.subtitle:
            self.file.add_paragraph(str(document.subtitle), style="Subtitle")
        line = "  ·  ".join(
            part for part in (str(document.issuer), document.date.isoformat(), document.number) if part
        )
        self._small(line)
        for part in document.parts:
            self._part(part)
        kept = io.BytesIO()
        self.file.save(kept)
        return kept.getvalue()

    def _set_page(self) -> None:
        section = self.file.sections[0]
        section.page_width, section.page_height = Cm(21), Cm(29.7)
        section.left_margin = section.right_margin = Cm(2.2)
        section.top_margin, section.bottom_margin = Cm(2.6), Cm(2.2)
        document = self.document
        head = section.header.paragraphs[0]
        head.style = plain = self.file.styles["Normal"]
        head.text = "\t".join(
            (
                str(document.issuer),
                "  ".join(x for x in (str(document.marking), document.date.isoformat()) if x),
            )
        )
        foot = section.footer.paragraphs[0]
        foot.style = plain
        foot.add_run(f"{document.title}\t")
        words = _("Page %(page)s of %(pages)s") % {"page": "\u0001", "pages": "\u0002"}
        before, _mark, rest = words.partition("\u0001")
        between, _mark, after = rest.partition("\u0002")
        foot.add_run(before)
        _field(foot, "PAGE")
        foot.add_run(between)
        _field(foot, "NUMPAGES")
        foot.add_run(after)
        for paragraph in (head, foot):
            paragraph.paragraph_format.tab_stops.add_tab_stop(Cm(_WIDTH), WD_TAB_ALIGNMENT.RIGHT)
            for run in paragraph.runs:
                run.font.size, run.font.color.rgb = Pt(8.5), _MUTED

    def _set_styles(self) -> None:
        styles = self.file.styles
        tag = _TAGS.get(self.document.language, self.document.language)
        looks: tuple[tuple[str, float, RGBColor | None, bool], ...] = (
            ("Normal", 10, None, False),
            ("Title", 20, _BRAND, True),
            ("Subtitle", 12, None, False),
            ("Heading 1", 14, _BRAND, True),
            ("Heading 2", 11.5, None, True),
            ("Heading 3", 10, _MUTED, True),
            ("Caption", 9.5, None, True),
        )
        there = {style.name for style in styles}
        for name, size, colour, bold in looks:
            if name not in there:
                continue
            style: Any = styles[name]
            if not self.has_own_page:
                style.font.size, style.font.bold, style.font.italic = Pt(size), bold, False
                style.font.color.rgb = colour or RGBColor(0x15, 0x20, 0x2A)
                faces = style.element.get_or_add_rPr().get_or_add_rFonts()
                for name_of in list(faces.attrib):
                    del faces.attrib[name_of]
                for face, value in (("ascii", LATIN), ("hAnsi", LATIN), ("cs", LATIN), ("eastAsia", CHINESE)):
                    faces.set(qn(f"w:{face}"), value)
            if name == "Normal":
                properties = style.element.get_or_add_rPr()
                for old in properties.findall(qn("w:lang")):
                    properties.remove(old)
                language = OxmlElement("w:lang")
                language.set(qn("w:val"), tag)
                language.set(qn("w:eastAsia"), "zh-CN")
                properties.append(language)

    def _set_properties(self) -> None:
        document = self.document
        properties = self.file.core_properties
        day = datetime.combine(document.date, time())
        properties.title, properties.author = str(document.title), str(document.issuer)
        properties.created = properties.modified = day
        properties.last_modified_by = str(document.issuer)
        properties.language = _TAGS.get(document.language, document.language)
        properties.revision, properties.comments, properties.keywords = 1, "", ""

    def _part(self, part: Part) -> None:
        if self.breaks and not isinstance(part, Heading | PageBreak):
            self.file.add_page_break()  # type: ignore[no-untyped-call]
            self.breaks = False
        match part:
            case Heading():
                heading = self.file.add_heading(str(part.text), level=part.level)
                heading.paragraph_format.page_break_before = self.breaks or None
                self.breaks = False
            case Paragraph(tone="note"):
                self._small(str(part.text))
            case Paragraph(tone="warn"):
                paragraph = self.file.add_paragraph()
                run = paragraph.add_run(str(part.text))
                run.bold, run.font.color.rgb = True, _BAD
            case Paragraph():
                self.file.add_paragraph(str(part.text))
            case Bullets():
                for item in part.items:
                    self.file.add_paragraph(
                        str(item), style="List Number" if part.numbered else "List Bullet"
                    )
            case Facts():
                self._facts(part)
            case Table():
                self._table(part)
            case KeyFigures():
                self._figures(part)
            case Chart():
                self._chart(part)
                if behind := chart_table(part):
                    self._table(behind)
            case PageBreak():
                self.breaks = True

    def _small(self, words: str) -> None:
        run = self.file.add_paragraph().add_run(words)
        run.font.size, run.font.color.rgb = Pt(8.5), _MUTED

    def _caption(self, words: str) -> None:
        if words:
            paragraph = self.file.add_paragraph(words, style="Caption")
            paragraph.paragraph_format.keep_with_next = True

    def _grid(self, rows: int, columns: int, style: str = "Table Grid") -> Any:
        table = self.file.add_table(rows=rows, cols=columns)
        if style in {found.name for found in self.file.styles}:
            table.style = style
        table.alignment = WD_TABLE_ALIGNMENT.CENTER
        if not self.has_own_page and style == "Table Grid":
            _rule(table)
        return table

    def _table(self, part: Table) -> None:
        self._caption(str(part.caption))
        table = self._grid(1 + len(part.rows), len(part.header))
        numeric = numeric_columns(part)
        for row, values in zip(table.rows, [part.header, *part.rows], strict=True):
            heading = values is part.header
            last = part.total and not heading and values is part.rows[-1]
            for cell, value, right in zip(row.cells, values, numeric, strict=True):
                _write(cell, str(value) if heading else written(value), bold=heading or last, right=right)
                if heading:
                    _shade(cell, "E6F0F1")
            properties = row._tr.get_or_add_trPr()
            properties.append(OxmlElement("w:cantSplit"))
            if heading:
                properties.append(OxmlElement("w:tblHeader"))
        if part.widths:
            _share(table, part.widths, self.width)
        if not part.rows:
            self._small(_("Nothing to show"))
        self._small(str(part.note))

    def _facts(self, part: Facts) -> None:
        table = self._grid(len(part.pairs), 2, style="Normal Table")
        _share(table, (0.32, 0.68), self.width)
        for row, (term, value) in zip(table.rows, part.pairs, strict=True):
            _write(row.cells[0], str(term), bold=True, right=False)
            _write(row.cells[1], written(value), bold=False, right=False)
        self._small("")

    def _figures(self, part: KeyFigures) -> None:
        across = figures_across(len(part.figures))
        for start in range(0, len(part.figures), across or 1):
            some = part.figures[start : start + across]
            table = self._grid(1, len(some))
            for cell, figure in zip(table.rows[0].cells, some, strict=True):
                run = cell.paragraphs[0].add_run(written(figure.value))
                run.bold, run.font.size, run.font.color.rgb = True, Pt(17), _BRAND
                cell.add_paragraph(str(figure.label))
                if figure.note:
                    note = cell.add_paragraph().add_run(str(figure.note))
                    note.font.size, note.font.color.rgb = Pt(8), _MUTED
        self._small("")

    def _chart(self, part: Chart) -> None:
        drawing = part.drawing
        self._caption(str(drawing.title))
        picture = self.file.add_picture(io.BytesIO(drawings.png(drawing)), width=Emu(self.width))
        described = picture._inline.docPr
        described.set("descr", chart_said(part))
        described.set("title", str(drawing.title))
        if drawing.legend:
            paragraph = self.file.add_paragraph()
            for entry in drawings.legend(drawing):
                mark = paragraph.add_run("■ ")
                mark.font.color.rgb = RGBColor.from_string(entry["colour"].lstrip("#").upper())
                paragraph.add_run(f"{entry['text']}    ").font.size = Pt(8.5)
        if drawing.note:
            self._small(str(drawing.note))


def _write(cell: Any, words: str, *, bold: bool, right: bool) -> None:
    paragraph = cell.paragraphs[0]
    run = paragraph.add_run(words)
    run.font.size, run.bold = Pt(9), bold
    paragraph.paragraph_format.space_after = Pt(2)
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _share(table: Any, shares: Sequence[float], across: int) -> None:
    """Give each column its share of the width; Word reads it from the cells, others from the columns."""
    table.autofit = False
    for column, share in zip(table.columns, shares, strict=True):
        column.width = width = Emu(int(across * share / sum(shares)))
        for cell in column.cells:
            cell.width = width


def _rule(table: Any) -> None:
    """Draw thin lines between rows and none between columns, as in the PDF."""
    borders = OxmlElement("w:tblBorders")
    for edge in ("top", "left", "bottom", "right", "insideH", "insideV"):
        line = OxmlElement(f"w:{edge}")
        drawn = edge in {"top", "bottom", "insideH"}
        line.set(qn("w:val"), "single" if drawn else "nil")
        if drawn:
            line.set(qn("w:sz"), "4")
            line.set(qn("w:color"), "C3CCD2")
        borders.append(line)
    table._tbl.tblPr.append(borders)


def _shade(cell: Any, colour: str) -> None:
    shade = OxmlElement("w:shd")
    shade.set(qn("w:val"), "clear")
    shade.set(qn("w:fill"), colour)
    cell._tc.get_or_add_tcPr().append(shade)


def _field(paragraph: Any, code: str) -> None:
    """Add a field that Word works out itself, such as the page's number."""
    for kind, words in (("begin", ""), ("", code), ("separate", ""), ("text", "1"), ("end", "")):
        run = paragraph.add_run()
        if kind == "":
            made = OxmlElement("w:instrText")
            made.set(qn("xml:space"), "preserve")
            made.text = words
        elif kind == "text":
            run.text = words
            continue
        else:
            made = OxmlElement("w:fldChar")
            made.set(qn("w:fldCharType"), kind)
        run._r.append(made)


def _steady(made: bytes) -> bytes:
    """Return the file packed anew with one date for each entry: the library writes the time of day."""
    kept = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(made)) as source,
        zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            steady = zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0))
            steady.compress_type, steady.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            target.writestr(steady, source.read(entry))
    return kept.getvalue()
