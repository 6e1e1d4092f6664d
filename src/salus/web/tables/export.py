"""Export a table whole, as CSV or Excel, a chunk at a time."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

from salus.web.tables.columns import Column

_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?%?")


def neutral(text: str) -> str:
    """Return the text so that no spreadsheet reads it as a formula.

    A text that begins with =, +, -, @, a tab or a line end gets an apostrophe in front, unless it is a
    plain number. Source: OWASP, "CSV Injection".
    """
    if text and (text[0] in "=@\t\r\n" or (text[0] in "+-" and not _NUMBER.fullmatch(text))):
        return "'" + text
    return text


def plain(value: Any) -> Any:
    """Return a cell's value without mark-up; instants in the city's zone, without the zone."""
    if isinstance(value, SafeString):
        return strip_tags(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        return timezone.localtime(value).replace(tzinfo=None)
    return value


def values(columns: Sequence[Column], rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the columns' plain values row by row."""
    for row in rows:
        yield [plain(column.read(row)) for column in columns]


def csv_chunks(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a CSV file (RFC 4180, UTF-8 with a byte order mark so that Excel reads hanzi)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer.writerow([neutral(str(title)) for title in header])
    for number, row in enumerate(rows, 1):
        writer.writerow(["" if value is None else _csv(value) for value in row])
        if number % 1000 == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _csv(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, int | float | Decimal):
        return value
    return neutral(str(value))
