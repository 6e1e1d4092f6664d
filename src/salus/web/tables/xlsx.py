"""Write an Excel workbook as a stream: memory stays flat and no row is ever left out.

A sheet holds 1,048,576 rows (ECMA-376, Excel's limit); what comes after goes on to the next sheet.
Texts are inline strings, which Excel never reads as formulas.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import RawIOBase
from typing import Any
from xml.sax.saxutils import escape

ROWS_A_SHEET = 1_048_576
_EPOCH = date(1899, 12, 30).toordinal()  # Excel's day 0, counting its 29 February 1900
_TEXT_LIMIT = 32_767  # characters in a cell
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


class _Pipe(RawIOBase):
    """What zipfile writes to; emptied after each chunk."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.place = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self.parts.append(part)
        self.place += len(part)
        return len(part)

    def tell(self) -> int:
        return self.place

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


def cell(value: Any) -> str:
    """Return one value as a cell: numbers and days as such, everything else as text."""
    match value:
        case None | "":
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{int(value)}</v></c>'
        case int() if abs(value) < 10**15:
            return f"<c><v>{value}</v></c>"
        case float() if value == value and abs(value) != float("inf"):
            return f"<c><v>{value!r}</v></c>"
        case Decimal() if value.is_finite() and abs(value) < 10**15:
            return f"<c><v>{value:f}</v></c>"
        case datetime() if value.year >= 1901:
            day = value.toordinal() - _EPOCH
            part = (value.hour * 3600 + value.minute * 60 + value.second) / 86400
            return f'<c s="3"><v>{day + part:.9f}</v></c>'
        case date() if value.year >= 1901:
            return f'<c s="2"><v>{value.toordinal() - _EPOCH}</v></c>'
        case _:
            return _text(str(value))


def _text(value: str, style: int = 0) -> str:
    clean = escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value))
    if len(value) > _TEXT_LIMIT:
        raise ValueError(f"a cell holds {_TEXT_LIMIT} characters; this text has {len(value)}")
    mark = f' s="{style}"' if style else ""
    return f'<c{mark} t="inlineStr"><is><t xml:space="preserve">{clean}</t></is></c>'


def _row(cells: Iterable[str]) -> str:
    return f"<row>{''.join(cells)}</row>"


def stream(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    sheet: str,
    about: Sequence[tuple[str, str]],
    about_title: str,
    rows_title: str,
    rows_a_sheet: int = ROWS_A_SHEET,
) -> Iterator[bytes]:
    """Yield the bytes of a workbook.

    Args:
        header: the headings.
        rows: values; instants without zone, as they should be read.
        sheet: the name of the first sheet; further ones get a number.
        about: (title, value) pairs for a last sheet that says what the file holds.
        about_title: that sheet's name.
        rows_title: what the number of rows is called there.
        rows_a_sheet: how many rows a sheet may hold, the heading included.
    """
    pipe = _Pipe()
    names: list[str] = []
    total = 0
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        source = iter(rows)
        waiting = next(source, None)
        while not names or waiting is not None:
            names.append(sheet if not names else f"{sheet} {len(names) + 1}")
            with book.open(f"xl/worksheets/sheet{len(names)}.xml", "w", force_zip64=True) as part:
                part.write(_open_sheet(header))
                held = 1
                lines: list[str] = []
                while waiting is not None and held < rows_a_sheet:
                    lines.append(_row(map(cell, waiting)))
                    held += 1
                    total += 1
                    if len(lines) == 1000:
                        part.write("".join(lines).encode())
                        lines.clear()
                        if chunk := pipe.take():
                            yield chunk
                    waiting = next(source, None)
                part.write(("".join(lines) + "</sheetData></worksheet>").encode())
            yield pipe.take()
        names.append(about_title)
        told = [*about, (rows_title, total)]
        book.writestr(
            f"xl/worksheets/sheet{len(names)}.xml",
            f'{_HEAD}<worksheet xmlns="{_MAIN}"><cols><col min="1" max="2" width="36"/></cols><sheetData>'
            + "".join(_row((_text(str(title), 1), cell(value))) for title, value in told)
            + "</sheetData></worksheet>",
        )
        _write_frame(book, names)
    yield pipe.take()


def _open_sheet(header: Sequence[str]) -> bytes:
    frozen = '<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" state="frozen"/>'
    return (
        f'{_HEAD}<worksheet xmlns="{_MAIN}">{frozen}</sheetView></sheetViews>'
        f'<cols><col min="1" max="{max(1, len(header))}" width="20"/></cols><sheetData>'
        + _row(_text(str(title), 1) for title in header)
    ).encode()


def _write_frame(book: zipfile.ZipFile, names: Sequence[str]) -> None:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(names) + 1)
    book.writestr("xl/styles.xml", _STYLES)
    book.writestr(
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        + "".join(
            f'<sheet name="{_sheet_name(names[n - 1], n)}" sheetId="{n}" r:id="r{n}"/>' for n in numbers
        )
        + "</sheets></workbook>",
    )
    book.writestr(
        "xl/_rels/workbook.xml.rels",
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        + f'<Relationship Id="s" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    )
    book.writestr(
        "_rels/.rels",
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="b" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    )
    book.writestr(
        "[Content_Types].xml",
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>'
            for n in numbers
        )
        + "</Types>",
    )


def _sheet_name(name: str, number: int) -> str:
    clean = re.sub(r"[\[\]:*?/\\']", " ", name).strip()[:25]
    return escape(clean, {'"': "&quot;"}) or str(number)
