"""Rows of CSV files and workbooks, streamed; an unreadable row is a fault, never the end of the file."""

import codecs
import csv
import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from salus.connect.errors import Untranslatable
from salus.connect.tabular.mapping import Mapping, Table
from salus.kernel.errors import Invalid

LARGEST_CELL = 1_000_000
LARGEST_WORKBOOK = 1_000_000_000
LARGEST_RATIO = 200
_EXACT_IN_EXCEL = 10**15
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the file from 1, its cells as text, or what is wrong with it."""

    table: Table
    number: int
    cells: dict[str, str | None]
    fault: Untranslatable | None = None


def _encoding(start: bytes, declared: str) -> str:
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return "utf-8-sig" if encoding == "utf-8" else encoding
    return declared


def _check_header(table: Table, names: Sequence[str], file_name: str) -> None:
    missing = sorted(table.columns - set(names))
    if missing:
        raise Invalid(
            "missing-column",
            f"the file lacks columns that its mapping reads: {', '.join(missing)}",
            where=f"{file_name}, table {table.name}",
            fix="Correct the file or the mapping; write {COLUMN?} for a column that may be absent.",
        )
    repeated = sorted({name for name in names if name in table.columns and list(names).count(name) > 1})
    if repeated:
        raise Invalid("repeated-column", f"a column stands twice: {', '.join(repeated)}", where=file_name)


class _Kept:
    """Lines for the csv reader, remembering those of the row in hand so that a bad one can be kept whole."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.row: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        if len(self.row) < 1000:
            self.row.append(line)
        return line


def _undecoded(cells: Sequence[str]) -> bool:
    return any("\udc80" <= letter <= "\udcff" for cell in cells if not cell.isascii() for letter in cell)


def _faulty(table: Table, number: int, lines: Sequence[str], fault: Untranslatable) -> Row:
    text = "".join(lines).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Row(table, number, {"line": text[:LARGEST_CELL]}, fault)


def csv_rows(stream: BinaryIO, table: Table, file_name: str) -> Iterator[Row]:
    """Yield the rows of a CSV file.

    Bytes outside the encoding, a wrong number of cells or an endless quote make a faulty row.
    Raises Invalid if the file lacks a column that the mapping reads.
    """
    start = stream.read(4)
    stream.seek(-len(start), io.SEEK_CUR)
    encoding = _encoding(start, table.encoding)
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    try:
        yield from _text_rows(text, table, file_name, encoding)
    finally:
        text.detach()  # the file belongs to the caller


def _text_rows(text: io.TextIOWrapper, table: Table, file_name: str, encoding: str) -> Iterator[Row]:
    csv.field_size_limit(LARGEST_CELL)
    kept = _Kept(iter(text))
    for _ in range(table.header - 1):
        next(kept, None)
    kept.row.clear()
    if table.quote:
        reader = csv.reader(kept, delimiter=table.delimiter, quotechar=table.quote)
    else:
        reader = csv.reader(kept, delimiter=table.delimiter, quoting=csv.QUOTE_NONE)
    names: list[str] | None = None
    left_out = table.skip_after
    while True:
        kept.row.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _faulty(
                table, kept.number, kept.row, Untranslatable("not-csv", f"the line is not CSV: {error}")
            )
            continue
        if not cells:
            continue
        if names is None:
            names = (
                [name.strip() for name in cells] if table.header else [f"c{i + 1}" for i in range(len(cells))]
            )
            _check_header(table, names, file_name)
            if table.header:
                continue
        if left_out:
            left_out -= 1
            continue
        number = kept.number
        if _undecoded(cells):
            fault = Untranslatable(
                "bad-encoding",
                f"the row holds bytes that are not {encoding}",
                fix="Correct the mapping's encoding.",
            )
            yield _faulty(table, number, kept.row, fault)
        elif len(cells) != len(names):
            fault = Untranslatable("row-shape", f"the row has {len(cells)} cells, the header {len(names)}")
            yield _faulty(table, number, kept.row, fault)
        else:
            yield Row(table, number, dict(zip(names, cells, strict=True)))


def text_of(value: Any) -> str | None:
    """Return a native cell value (workbook or database) as the text that a mapping reads.

    Raises Untranslatable for bytes and for numbers too long for a workbook to hold exactly.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if abs(value) >= _EXACT_IN_EXCEL:
            raise Untranslatable(
                "number-too-long",
                "a long number stands as a number and has lost its last digits",
                fix="Format the column as text before exporting.",
            )
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        raise Untranslatable("binary-cell", "the cell holds bytes, not text")
    return str(value)


def refuse_bomb(archive: ZipFile) -> None:
    """Raise Invalid if the archive would grow beyond reason when unpacked."""
    total = sum(info.file_size for info in archive.infolist())
    packed = sum(info.compress_size for info in archive.infolist()) or 1
    if total > LARGEST_WORKBOOK or (total > 50_000_000 and total / packed > LARGEST_RATIO):
        raise Invalid(
            "archive-too-large", "the archive would unpack to an unreasonable size", fix="Split it."
        )


def _sheet_row(table: Table, names: Sequence[str], cells: Sequence[Any], number: int) -> Row:
    found: dict[str, str | None] = {}
    fault: Untranslatable | None = None
    for name, cell in zip(names, cells, strict=False):
        if not name:
            continue
        value = cell.value
        if cell.data_type == "f":
            fault = Untranslatable(
                "formula-cell",
                "a cell holds a formula, not a value",
                where=name,
                fix="Paste values before exporting.",
            )
            value = str(value)
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT_IN_EXCEL:
            value = float(value)
        elif cell.data_type == "e":
            fault = Untranslatable("error-cell", f"a cell holds the error {value}", where=name)
            value = str(value)
        try:
            found[name] = text_of(value)
        except Untranslatable as problem:
            problem.where = name
            fault, found[name] = problem, str(value)
    return Row(table, number, found, fault)


def workbook_rows(stream: BinaryIO, tables: Sequence[Table], file_name: str) -> Iterator[Row]:
    """Yield the rows of the sheets of a workbook (.xlsx) that the tables read.

    Formula cells make a faulty row. Raises Invalid if it is no workbook, is a zip bomb or lacks a sheet
    or column.
    """
    import openpyxl

    try:
        with ZipFile(stream) as archive:
            refuse_bomb(archive)
        stream.seek(0)
        book = openpyxl.load_workbook(stream, read_only=True, data_only=False, keep_links=False)
    except (BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise Invalid(
            "not-a-workbook",
            "the file is not an Excel workbook (.xlsx)",
            where=file_name,
            fix="Save it as .xlsx.",
        ) from error
    with closing(book):
        for table in tables:
            wanted = table.sheet if table.sheet is not None else 1
            try:
                sheet = book[wanted] if isinstance(wanted, str) else book.worksheets[wanted - 1]
            except (KeyError, IndexError):
                raise Invalid(
                    "missing-sheet", f"the workbook has no sheet {wanted}", where=file_name
                ) from None
            sheet.reset_dimensions()
            names: list[str] | None = None
            first = max(table.header, 1)
            for number, cells in enumerate(sheet.iter_rows(min_row=first), start=first):
                if all(cell.value is None for cell in cells):
                    continue
                if names is None:
                    if table.header:
                        names = [str(cell.value).strip() if cell.value is not None else "" for cell in cells]
                        _check_header(table, names, file_name)
                        continue
                    names = [f"c{i + 1}" for i in range(len(cells))]
                    _check_header(table, names, file_name)
                if number <= table.header + table.skip_after:
                    continue
                padded = _sheet_row(table, names, cells, number)
                for name in names[len(cells) :]:
                    padded.cells.setdefault(name, None)
                yield padded


def file_rows(stream: BinaryIO, file_name: str, mapping: Mapping) -> Iterator[Row]:
    """Yield the rows of an open file under a mapping; the file's name says which tables read it.

    Raises Invalid if no table fits, or the file cannot be read as the table says.
    """
    tables = mapping.tables_for(file_name)
    if not tables:
        raise Invalid(
            "no-table",
            "no table of the mapping reads a file of this name",
            where=file_name,
            fix="Give a [[table]] its glob.",
        )
    start = stream.read(4)
    stream.seek(0)
    if start == b"PK\x03\x04":
        yield from workbook_rows(stream, tables, file_name)
    else:
        yield from csv_rows(stream, tables[0], file_name)
