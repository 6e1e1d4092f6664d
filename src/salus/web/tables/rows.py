"""Where a table's rows come from: a queryset, a list, or any object with these four methods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import Q, QuerySet

CHUNK = 2000
"""Rows fetched at a time while exporting: memory stays flat however many there are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader asked a table for.

    `sort` is the `sort` of the chosen column, or empty; `after`/`before` are keyset marks, or None.
    """

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    descending: bool = False
    after: str | None = None
    before: str | None = None


class Rows(Protocol):
    """What a table asks of its rows."""

    def count(self, asked: Asked, limit: int | None) -> int:
        """Return how many rows match, counting no further than `limit`."""

    def page(self, asked: Asked, offset: int, size: int) -> Sequence[Any]:
        """Return `size` rows from `offset`, always in the same order for the same question."""

    def every(self, asked: Asked) -> Iterator[Any]:
        """Return all rows that match, in order, a chunk at a time."""

    def key(self, row: Any) -> str:
        """Return what names the row in a bulk action."""


class QuerySetRows:
    """Rows of a Django queryset.

    Args:
        queryset: every row that the reader may see.
        search: ORM paths in which each word of the search must occur (any of them, in any case).
        searched: replaces that search: takes the queryset and the words, returns a queryset.
        apply: narrows the queryset to the filters chosen.
        keyset: a unique, indexed ORM column; rows are then paged by it instead of by offset, so the
            last page of millions is as fast as the first.
    """

    def __init__(
        self,
        queryset: "QuerySet[Any]",
        *,
        search: Sequence[str] = (),
        searched: Callable[["QuerySet[Any]", str], "QuerySet[Any]"] | None = None,
        apply: Callable[["QuerySet[Any]", Asked], "QuerySet[Any]"] | None = None,
        keyset: str = "",
    ) -> None:
        self.queryset = queryset
        self._search = tuple(search)
        self._searched = searched
        self._apply = apply
        self.keyset = keyset

    def matching(self, asked: Asked) -> "QuerySet[Any]":
        """Return the queryset narrowed to the search and the filters."""
        rows = self.queryset
        if asked.search:
            if self._searched is not None:
                rows = self._searched(rows, asked.search)
            else:
                for word in asked.search.split()[:8]:
                    either = Q()
                    for path in self._search:
                        either |= Q(**{f"{path}__icontains": word})
                    rows = rows.filter(either)
        return self._apply(rows, asked) if self._apply is not None else rows

    def ordered(self, asked: Asked) -> "QuerySet[Any]":
        """Return the matching rows in a total order: ties are broken by the primary key."""
        rows = self.matching(asked)
        sign = "-" if asked.descending else ""
        if self.keyset:
            return rows.order_by(f"{sign}{self.keyset}")
        if asked.sort:
            return rows.order_by(f"{sign}{asked.sort}", f"{sign}pk")
        if rows.query.order_by or rows.query.extra_order_by:
            return rows.order_by(*rows.query.order_by, "pk")
        return rows.order_by(*(rows.model._meta.ordering or ()), "pk")

    def count(self, asked: Asked, limit: int | None) -> int:
        """Return how many rows match, counting no further than `limit`."""
        rows = self.matching(asked).order_by()
        return rows.count() if limit is None else rows[:limit].count()

    def page(self, asked: Asked, offset: int, size: int) -> Sequence[Any]:
        """Return a page: by offset, or by the keyset marks when the rows have a keyset."""
        rows = self.ordered(asked)
        if not self.keyset or (asked.after is None and asked.before is None):
            return list(rows[offset : offset + size])
        forward = asked.after is not None
        mark = asked.after if forward else asked.before
        rising = forward != asked.descending
        rows = rows.filter(**{f"{self.keyset}__{'gt' if rising else 'lt'}": mark})
        if forward:
            return list(rows[:size])
        return list(reversed(rows.reverse()[:size]))

    def every(self, asked: Asked) -> Iterator[Any]:
        """Return all matching rows from one statement, a chunk at a time."""
        return iter(self.ordered(asked).iterator(chunk_size=CHUNK))

    def key(self, row: Any) -> str:
        """Return the primary key."""
        return str(row["pk"] if isinstance(row, Mapping) else row.pk)


class ListRows:
    """Rows that are already in memory: a few hundred at most. Sorted by the value of the column.

    Args:
        rows: mappings or objects.
        key: what names a row in a bulk action.
    """

    def __init__(self, rows: Sequence[Any], *, key: str = "id") -> None:
        self._rows = rows
        self._key = key

    def _read(self, row: Any, name: str) -> Any:
        return row.get(name) if isinstance(row, Mapping) else getattr(row, name, None)

    def _matching(self, asked: Asked) -> list[Any]:
        words = asked.search.casefold().split()

        def matches(row: Any) -> bool:
            values = row.values() if isinstance(row, Mapping) else vars(row).values()
            text = " ".join(str(value) for value in values).casefold()
            return all(word in text for word in words) and all(
                str(self._read(row, name)) == value for name, value in asked.filters.items()
            )

        found = [row for row in self._rows if matches(row)]
        if asked.sort:
            present = [row for row in found if self._read(row, asked.sort) is not None]
            absent = [row for row in found if self._read(row, asked.sort) is None]
            present.sort(key=lambda row: self._read(row, asked.sort), reverse=asked.descending)
            found = present + absent
        return found

    def count(self, asked: Asked, limit: int | None) -> int:
        """Return how many rows match."""
        found = len(self._matching(asked))
        return found if limit is None else min(found, limit)

    def page(self, asked: Asked, offset: int, size: int) -> Sequence[Any]:
        """Return a page by offset."""
        return self._matching(asked)[offset : offset + size]

    def every(self, asked: Asked) -> Iterator[Any]:
        """Return all matching rows."""
        return iter(self._matching(asked))

    def key(self, row: Any) -> str:
        """Return the row's key."""
        return str(self._read(row, self._key))
