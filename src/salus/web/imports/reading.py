"""Read rows from CSV (UTF-8 or GB 18030) and Excel files that anybody may have made."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from salus.kernel.errors import Invalid
from salus.web.imports.importers import ImportColumn

LARGEST = 20 * 1024 * 1024  # bytes of a file
UNPACKED = 300 * 1024 * 1024  # bytes of an Excel file's parts once unpacked
MOST_ROWS = 50_000
CELL = 4000  # characters

Line = tuple[int, dict[str, str]]


def read_rows(content: bytes, columns: Sequence[ImportColumn]) -> list[Line]:
    """Return the rows of a file as (line number, cells by column name); empty rows are left out.

    Raises:
        Invalid: the file is too large, is no table, or lacks a column; nothing is cut silently.
    """
    if len(content) > LARGEST:
        raise Invalid("import-size", _("The file is larger than 20 MiB."), fix=_("Split it."))
    lines = _excel(content) if content[:4] == b"PK\x03\x04" else _csv(content)
    header = next(lines, None)
    if header is None:
        raise Invalid("import-empty", _("The file is empty."))
    places = _places(header[1], columns)
    found: list[Line] = []
    for number, cells in lines:
        row = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
        if not any(row.values()):
            continue
        if any(len(value) > CELL for value in row.values()):
            raise Invalid("import-cell", _("A cell holds more than 4,000 characters."), where=str(number))
        if len(found) == MOST_ROWS:
            raise Invalid("import-rows", _("The file has more than 50,000 rows."), fix=_("Split it."))
        found.append((number, row))
    if not found:
        raise Invalid("import-empty", _("The file has a heading but no rows."))
    return found


def _places(header: Sequence[str], columns: Sequence[ImportColumn]) -> dict[str, int]:
    names = [name.strip().casefold() for name in header]
    places: dict[str, int] = {}
    for column in columns:
        for name in (column.name, str(column.title), *column.also):
            if name.casefold() in names:
                places[column.name] = names.index(name.casefold())
                break
        else:
            if column.required:
                raise Invalid(
                    "import-column",
                    _("The column %(name)s is missing.") % {"name": column.name},
                    where=column.name,
                )
    return places


def _csv(content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(content)
    if "\0" in text:
        raise Invalid("import-format", _("The file is neither CSV nor an Excel workbook."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        raise Invalid("import-format", _("The file is no proper CSV."), where=str(reader.line_num)) from None


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid(
        "import-encoding", _("The file is in no known character set."), fix=_("Save it as UTF-8 or GB 18030.")
    )


def _excel(content: bytes) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook  # half a second, and only Excel files need it

    broken = Invalid("import-format", _("The Excel workbook cannot be read."))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            if sum(part.file_size for part in package.infolist()) > UNPACKED:
                raise Invalid(
                    "import-size", _("The workbook unpacks to more than 300 MiB."), fix=_("Split it.")
                )
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except Invalid:
        raise
    except Exception:  # noqa: BLE001 - a hostile package makes the reader raise anything
        raise broken from None
    try:
        sheet = book.worksheets[0] if book.worksheets else None
        if sheet is None:
            raise broken
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            yield number, [_cell(value) for value in row]
    except Invalid:
        raise
    except Exception:  # noqa: BLE001 - as above, while the rows are read
        raise broken from None
    finally:
        book.close()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime() if (value.hour, value.minute, value.second) == (0, 0, 0):
            return value.date().isoformat()
        case datetime() | date():
            return value.isoformat()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
