"""What a document consists of: its parts, in reading order, and how their values are written out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise

from salus.web.charts import Drawing

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; `level` 1 to 3, without gaps, so that readers' tables of contents stand."""

    text: Text
    level: int = 1


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; `tone` is "", note (small, grey) or warn (a box that stands out)."""

    text: Text
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, numbered or not."""

    items: Sequence[Text]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what is said of each, in two columns."""

    pairs: Sequence[tuple[Text, Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose header row stands again at the top of each page.

    Attributes:
        header: the titles of the columns.
        rows: one sequence of values a row, as many as there are titles; numbers, days, instants, texts, None.
        caption: what the table shows.
        widths: the columns' shares of the width; equal to what the contents need when empty.
        note: a line under the table, for the source or a caveat.
        total: whether the last row is a sum and set apart.
    """

    header: Sequence[Text]
    rows: Sequence[Sequence[Any]]
    caption: Text = ""
    widths: Sequence[float] = ()
    note: Text = ""
    total: bool = False


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure shown large, what it counts, and a remark."""

    value: Any
    label: Text
    note: Text = ""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Up to six figures side by side."""

    figures: Sequence[KeyFigure]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of `web.charts` or `web.maps`; `table` adds the figures behind it as a table."""

    drawing: Drawing
    table: bool = False


@dataclass(frozen=True, slots=True)
class PageBreak:
    """The next part begins a page."""


Part = Heading | Paragraph | Bullets | Facts | Table | KeyFigures | Chart | PageBreak


@dataclass(frozen=True, slots=True)
class Document:
    """A document ready to be written.

    Attributes:
        title: the document's name.
        issuer: who issues it, as it stands at the head of each page.
        date: the day it is issued; also the date inside the file, whose bytes so do not depend on the clock.
        parts: what it says.
        language: `en` or `zh-hans`; texts that are translated lazily, numbers and page numbers follow it.
        subtitle: a second line, such as the period.
        number: the issuer's own number of the document.
        marking: who may read it, at the head of each page, such as "Internal".
    """

    title: Text
    issuer: Text
    date: date
    parts: Sequence[Part]
    language: str = "en"
    subtitle: Text = ""
    number: str = ""
    marking: Text = ""


def written(value: Any) -> str:
    """Return a value as it stands in a document: numbers grouped, the city's time, a dash for none.

    A float is shown with four decimals at most; hand over a Decimal where the number of digits matters.
    """
    match value:
        case None | "":
            return "–"
        case bool():
            return str(value)
        case int():
            return str(number_format(value, use_l10n=True, force_grouping=True))
        case float():
            if not math.isfinite(value):
                return "–"
            near = round(value, 4)
            return str(
                number_format(int(near) if near == int(near) else near, use_l10n=True, force_grouping=True)
            )
        case Decimal():
            places = max(0, -int(value.as_tuple().exponent)) if value.is_finite() else 0
            return str(number_format(value, places, force_grouping=True))
        case datetime():
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            return local.strftime("%Y-%m-%d %H:%M")
        case date():
            return value.isoformat()
        case _:
            return str(value)


def numeric_columns(table: Table) -> list[bool]:
    """Return for each column whether it holds numbers only, which are set to the right."""
    found = []
    for column in range(len(table.header)):
        values = [row[column] for row in table.rows if row[column] is not None]
        found.append(
            bool(values)
            and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values)
        )
    return found


def checked(document: Document) -> Document:
    """Return the document when it can be set.

    Raises:
        ValueError: a table's row has another length than its header, or a heading's level is not 1 to 3.
    """
    for part in document.parts:
        match part:
            case Table():
                wrong = next((n for n, row in enumerate(part.rows, 1) if len(row) != len(part.header)), None)
                if wrong is not None:
                    raise ValueError(f"row {wrong} of a table does not have {len(part.header)} values")
                if part.widths and len(part.widths) != len(part.header):
                    raise ValueError(f"{len(part.widths)} widths for {len(part.header)} columns")
            case Heading(level=level) if level not in (1, 2, 3):
                raise ValueError(f"a heading of level {level}; there are 1 to 3")
            case _:
                pass
    return document


def figures_across(count: int) -> int:
    """Return how many key figures stand side by side, so that no row is left nearly empty."""
    return count if count <= 4 else 3


def chart_table(chart: Chart) -> Table | None:
    """Return the table behind a chart when the document shows it."""
    if not chart.table or not chart.drawing.rows:
        return None
    return Table(chart.drawing.header, chart.drawing.rows, caption=chart.drawing.title)
