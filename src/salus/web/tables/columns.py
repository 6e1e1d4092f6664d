"""A column of a table: where its value comes from, how it is shown, sorted and exported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

Text = str | Promise
_NONE = mark_safe('<span class="muted" aria-hidden="true">–</span>')  # noqa: S308 - a constant


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: the column's name in addresses and, by default, the attribute, key or ORM path
            (`institution__name`) that holds the value.
        title: the heading.
        kind: text, number, moment (an instant, to the minute), second (to the second), day, or code
            (shown in a fixed-width face).
        sort: the ORM path to sort by; empty when the column cannot be sorted.
        value: works the value out of a row when the name does not.
        link: gives the address that the value links to, or None.
        tone: gives "", ok, warn, bad or info; the value is then shown as a status.
        optional: shown only when the reader chooses it. Exports hold what is shown.
        wide: may take the room that is left and wrap.
    """

    name: str
    title: Text
    kind: str = "text"
    sort: str = ""
    value: Callable[[Any], Any] | None = None
    link: Callable[[Any], str | None] | None = None
    tone: Callable[[Any], str] | None = None
    optional: bool = False
    wide: bool = False

    def read(self, row: Any) -> Any:
        """Return the value of this column in a row, as a number, instant, day or text."""
        if self.value is not None:
            return self.value(row)
        found: Any = row
        for part in self.name.split("__"):
            if found is None:
                return None
            found = found.get(part) if isinstance(found, Mapping) else getattr(found, part)
        return found

    def shown(self, row: Any) -> SafeString | str:
        """Return the cell as HTML."""
        value = self.read(row)
        if self.kind == "code" and isinstance(value, int):
            value = str(value)  # a number that names a row is not grouped like a quantity
        text = display(value, seconds=self.kind == "second")
        if self.tone is not None and value not in (None, ""):
            text = format_html('<span class="tag tag-{}">{}</span>', self.tone(row), text)
        if self.link is not None and (address := self.link(row)):
            return format_html('<a href="{}">{}</a>', address, text)
        return text


def display(value: Any, *, seconds: bool = False) -> SafeString | str:
    """Return a value as a reader expects it: numbers grouped, the city's time, a dash for none."""
    match value:
        case None | "":
            return _NONE
        case SafeString():
            return value
        case bool():
            return str(value)
        case int() | float():
            return number_format(value, use_l10n=True, force_grouping=True)
        case Decimal():
            places = max(0, -int(value.as_tuple().exponent)) if value.is_finite() else 0
            return number_format(value, places, force_grouping=True)
        case datetime():
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            shown = local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
            return format_html('<time datetime="{}">{}</time>', local.isoformat(timespec="seconds"), shown)
        case date():
            return format_html('<time datetime="{}">{}</time>', value.isoformat(), value.isoformat())
        case _:
            return str(value)
