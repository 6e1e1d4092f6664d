"""Following a lead: the resources that meet one condition, stretch by stretch, until the page is full."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.record.store.searching.cursor import fingerprint, seal, unseal
from salus.record.store.searching.leading import Lead
from salus.record.store.searching.query import SearchQuery

STRETCH, STRETCH_MOST = 64, 1_024
"""Resources tried at once: at first, and after doubling with each stretch."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A lead to follow in the order of the resources' numbers, and the condition on each resource `r`."""

    lead: Lead
    where: str
    params: Sequence[Any]


def walked(
    cursor: CursorWrapper, walk: Walk, query: SearchQuery, resource_type: str, count: int, after: str
) -> tuple[list[int], str | None]:
    """Return the numbers of a page's resources in order, and the cursor of the next page.

    `after` is the cursor of the page before, "" for the first. Raises `SearchError` ("bad-cursor").
    """
    mark = fingerprint(resource_type, query.parameters)
    last = int(unseal(mark, after)[0]) if after else 0
    found: list[int] = []
    size = max(STRETCH, count + 1)
    while len(found) <= count and (stretch := walk.lead.stretch(cursor, last, size)):
        cursor.execute(
            f"select r.rid from record_resource r where r.rid in ({', '.join(map(str, stretch))})"  # noqa: S608 - our own names, values are parameters
            f" and {walk.where} order by r.rid limit {count + 1 - len(found)}",
            walk.params,
        )
        found += [row[0] for row in cursor.fetchall()]
        last, size = stretch[-1], min(2 * size, STRETCH_MOST)
    page = found[:count]
    return page, seal(mark, [page[-1]]) if len(found) > count else None
