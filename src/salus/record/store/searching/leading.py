"""Where a search starts: at the condition that few resources meet, found by looking and not by statistics.

Statistics go stale while a city's data grows, and a wrong start reads the whole table. The look costs a few
short reads of an index.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper

from salus.record.identity import rows
from salus.record.store.searching.conditions import Condition

FEW, SOME = 200, 5_000
"""Index rows read of each condition at most, in the first look and in the second."""
ENOUGH = 24
"""So few resources are read at once rather than looking for a condition that fewer meet."""


@dataclass(frozen=True, slots=True)
class Lead:
    """The condition to start at; `rids`, the numbers of all resources that meet it, where they are known."""

    condition: Condition
    rids: tuple[int, ...] | None = None

    @property
    def few(self) -> bool:
        """Whether the resources are so few that one statement takes them all."""
        return self.rids is not None and len(self.rids) <= FEW

    def walkable(self, vendor: str) -> bool:
        """Whether resources are better read stretch by stretch than left to the database's planner.

        PostgreSQL guesses what conditions leave over and, guessing wrong, reads a whole table for one page.
        """
        if self.rids is not None:
            return not self.few
        return vendor == "postgresql" and self.condition.single

    def stretch(self, cursor: CursorWrapper, after: int, size: int) -> list[int]:
        """Return the next numbers after one, about `size` of them, in rising order; none at the end."""
        if self.rids is not None:
            start = bisect_right(self.rids, after)
            return list(self.rids[start : start + size])
        # Path and value are fixed, so the key's index gives the numbers in their order.
        cursor.execute(
            f"select x.rid from record_{self.condition.table} x where {self.condition.where} and x.rid > %s"  # noqa: S608 - our own names, values are parameters
            f" order by x.rid limit {size}",
            [*self.condition.params, after],
        )
        return sorted({row[0] for row in cursor.fetchall()})


def lead(cursor: CursorWrapper, conditions: Sequence[Condition]) -> Lead:
    """Return where to start among conditions, of which there is at least one.

    PostgreSQL is not left to guess how few resources meet a condition that stands alone, either.
    """
    ranked = sorted(conditions, key=lambda one: (not one.bounded, one.rank, not one.single))
    choice = [one for one in ranked if one.bounded]
    alone = len(choice) == 1 and cursor.db.vendor == "postgresql"
    if len(choice) > 1 or alone:
        for most in (FEW,) if alone else (FEW, SOME):
            best: Lead | None = None
            for one in choice:
                if (rids := _few(cursor, one, most)) is not None:
                    best, most = Lead(one, rids), len(rids)
                    if most <= ENOUGH:
                        break
            if best is not None:
                return best
    return Lead(ranked[0])


def _few(cursor: CursorWrapper, condition: Condition, most: int) -> tuple[int, ...] | None:
    """Return the numbers of the resources that meet a condition; None if it has `most` rows or more."""
    looked = f"select x.rid from record_{condition.table} x where {condition.where} limit {most}"  # noqa: S608 - our own names, values are parameters
    if cursor.db.vendor == "sqlite":
        # One row instead of many: each step of a statement lets go of the interpreter and asks for it again.
        ((count, listed),) = rows.fetch(
            cursor,
            f"select count(*), group_concat(rid) from ({looked})",  # noqa: S608 - as above
            condition.params,
        )
        return tuple(sorted(set(map(int, listed.split(","))) if count else ())) if count < most else None
    found = rows.fetch(cursor, looked, condition.params)
    return tuple(sorted({row[0] for row in found})) if len(found) < most else None
