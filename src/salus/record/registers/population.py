"""The living residents by district, age group and sex, as planners may see them: small cells withheld."""

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.core.cache import cache

from salus.kernel import policy, suppression
from salus.kernel.models import District
from salus.kernel.policy import Principal, Target
from salus.record.registers import queries

AGES = (0, 15, 45, 60, 75)
"""The lower ends of the age groups, in years."""
OLD = 60
SEXES = ("female", "male", "other")
KEPT = 600
"""Seconds for which a count is kept: it reads every person."""

Cells = Counter[tuple[str, int, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """The residents of a district: by (age group, sex) and in all; None where the count is withheld."""

    district: str
    cells: dict[tuple[int, str], int | None]
    total: int | None

    def aged(self, low: int) -> int | None:
        """Return how many are `low` years or older; None where one of the cells is withheld."""
        found = [count for (age, _sex), count in self.cells.items() if age >= low]
        return None if None in found else sum(count or 0 for count in found)


@dataclass(frozen=True, slots=True)
class Population:
    """A line for each district ("" for persons whose district is not known) and one for the whole city."""

    on: date
    lines: list[Line]
    whole: Line
    withheld: bool

    @property
    def columns(self) -> list[tuple[int, str]]:
        """The age groups and sexes, in order."""
        return list(self.whole.cells)


def population(principal: Principal, on: date) -> Population:
    """Count the residents alive at the end of a day, by district, age group and sex.

    Whoever may see counts only with suppression gets no cell under 10, and none from which one could be
    reckoned by the totals of districts or of age groups (`kernel.suppression.hidden_table`). Whose grants
    all name districts sees those districts only.

    Raises:
        NotAllowed: the principal may not read counts of residents.
    """
    counts, withheld = _allowed(principal, _counted(on))
    columns = [
        (age, sex)
        for age in AGES
        for sex in SEXES
        if sex != "other" or any(s == "other" for _, _, s in counts)
    ]
    districts = sorted({district for district, _age, _sex in counts}, key=lambda code: (not code, code))
    table = np.array(
        [[counts[district, age, sex] for age, sex in columns] for district in districts], dtype=np.int64
    ).reshape(len(districts), len(columns))
    none = np.zeros_like(table, dtype=bool)
    cells = suppression.hidden_table(table) if withheld and table.size else none
    rows, sums = (table.sum(axis) for axis in (1, 0))
    hide = suppression.hidden_cells if withheld else (lambda values: np.zeros(len(values), dtype=bool))
    lines = [
        _line(district, columns, table[n], cells[n], int(rows[n]), bool(hide(rows)[n]))
        for n, district in enumerate(districts)
    ]
    total = int(table.sum())
    whole = _line(
        "", columns, sums, hide(sums), total, withheld and suppression.suppress_total(total) is None
    )
    return Population(on, lines, whole, withheld)


def _allowed(principal: Principal, counts: Cells) -> tuple[Cells, bool]:
    """Return the counts that the principal may read, and whether small ones must be withheld."""
    whole = policy.decide(principal, "read", Target("aggregate"))
    if whole.allowed:
        return counts, "suppress" in whole.flags
    codes = sorted(principal.district_codes) or [""]
    parts = [policy.require(principal, "read", Target("aggregate", district_code=code)) for code in codes]
    mine = Counter({cell: n for cell, n in counts.items() if cell[0] in codes})
    return mine, any("suppress" in part.flags for part in parts)


def _line(
    district: str, columns: list[tuple[int, str]], counts: object, hidden: object, total: int, hide: bool
) -> Line:
    values = zip(columns, np.asarray(counts).tolist(), np.asarray(hidden).tolist(), strict=True)
    return Line(
        district, {column: None if dark else count for column, count, dark in values}, None if hide else total
    )


def _counted(on: date) -> Cells:
    """Return the counts by district of six digits, lower end of the age group and sex, kept for a while."""
    key = f"population:{on.isoformat()}"
    kept: Cells | None = cache.get(key)
    if kept is None:
        known = set(District.objects.filter(level="district").values_list("code", flat=True))
        kept = Counter()
        for (age, sex, district), count in queries.count_at_risk(on):
            group = max(low for low in AGES if low <= int(age))
            place = district[:6] if district[:6] in known else ""
            kept[place, group, sex if sex in SEXES else "other"] += count
        cache.set(key, kept, KEPT)
    return kept
