"""Filters of a table: a choice from a list, or days from and to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from django.utils import timezone
from django.utils.functional import Promise

Text = str | Promise


class Filter(Protocol):
    """What a table asks of a filter."""

    @property
    def name(self) -> str:
        """The filter's name in addresses."""

    @property
    def title(self) -> Text:
        """What the reader chooses by."""

    def read(self, values: Mapping[str, str], prefix: str) -> dict[str, str]:
        """Return the filter's own valid parameters found in an address."""

    def apply(self, rows: Any, chosen: Mapping[str, str]) -> Any:
        """Narrow a queryset to what was chosen."""


@dataclass(frozen=True, slots=True)
class ChoiceFilter:
    """One value out of a list.

    `choices` are (value, title) or a function that returns them. The rows are narrowed by
    `field`=value, or by `narrow(queryset, value)` when that does not say it.
    """

    name: str
    title: Text
    choices: Sequence[tuple[str, Text]] | Callable[[], Sequence[tuple[str, Text]]]
    field: str = ""
    narrow: Callable[[Any, str], Any] | None = None
    template: str = "web/tables/choice.html"

    def options(self) -> Sequence[tuple[str, Text]]:
        """Return the values with their titles."""
        return self.choices() if callable(self.choices) else self.choices

    def read(self, values: Mapping[str, str], prefix: str) -> dict[str, str]:
        """Return the chosen value when it is one of the choices."""
        value = values.get(prefix + self.name, "")
        return {self.name: value} if value and value in {key for key, _title in self.options()} else {}

    def apply(self, rows: Any, chosen: Mapping[str, str]) -> Any:
        """Narrow a queryset to the chosen value."""
        value = chosen.get(self.name)
        if not value:
            return rows
        return self.narrow(rows, value) if self.narrow else rows.filter(**{self.field or self.name: value})


@dataclass(frozen=True, slots=True)
class DateFilter:
    """Days from and to, both included, in the city's zone.

    `field` is an ORM path to an instant; `unit` is "moment" for a DateTimeField, "day" for a
    DateField, "microseconds" for an integer of microseconds since 1970 (UTC).
    """

    name: str
    title: Text
    field: str = ""
    unit: str = "moment"
    template: str = "web/tables/dates.html"

    def read(self, values: Mapping[str, str], prefix: str) -> dict[str, str]:
        """Return the valid days among the parameters."""
        found = {}
        for side in ("from", "to"):
            value = values.get(f"{prefix}{self.name}_{side}", "")
            try:
                found[f"{self.name}_{side}"] = date.fromisoformat(value).isoformat()
            except ValueError:
                continue
        return found

    def apply(self, rows: Any, chosen: Mapping[str, str]) -> Any:
        """Narrow a queryset to the days chosen."""
        path = self.field or self.name
        if first := chosen.get(f"{self.name}_from"):
            rows = rows.filter(**{f"{path}__gte": self.bound(date.fromisoformat(first))})
        if last := chosen.get(f"{self.name}_to"):
            day = date.fromisoformat(last)
            if day < date.max:
                rows = rows.filter(**{f"{path}__lt": self.bound(day + timedelta(days=1))})
        return rows

    def bound(self, day: date) -> date | datetime | int:
        """Return where a day begins, in the filter's unit."""
        if self.unit == "day":
            return day
        try:
            start = datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
            utc = start.astimezone(UTC)
        except OverflowError:  # the first or last day of the calendar, moved across a zone
            utc = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if self.unit == "microseconds":
            return (utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        return utc
