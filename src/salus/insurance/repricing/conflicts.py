"""When no prices will do: which limits contradict each other, and by how much each would have to give.

Every limit may give at a cost (elastic programme); those with a dual then form a contradiction, from which
all are taken that are not needed for it (deletion filter, Chinneck and Dravnieks 1991). Bounds of prices do
not give.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from salus.insurance.repricing.basis import Basis
from salus.insurance.repricing.programme import Programme, Reals
from salus.insurance.repricing.relaxation import UNIT, Problem
from salus.kernel.errors import Invalid
from salus.kernel.money import format_yuan

_NOTHING = 1e-7
"""Units of 10,000 yuan (and yuan of a price) that count as nothing."""
_NAMED = 6


@dataclass(frozen=True, slots=True)
class Conflict:
    """A limit of a contradiction.

    `kind` is revenue, fund, hospital, tier, group or family; `key` which one. `low` and `high` are what is
    allowed, fen (None: no end). `alone` is by how many fen it must give when no other gives, None when that
    does not help.
    """

    kind: str
    key: str
    low: int | None
    high: int | None
    alone: int | None

    def words(self) -> str:
        """Return the limit in words."""
        name = f"{self.kind} {self.key}".strip()
        if self.kind == "family":
            return f"{name} (order of prices)"
        ends = " to ".join("…" if end is None else format_yuan(end) for end in (self.low, self.high))
        more = "cannot mend it alone" if self.alone is None else f"must give {format_yuan(self.alone)} alone"
        return f"{name} ({ends}; {more})"


class Conflicting(Invalid):
    """No prices within bounds keep every limit; `conflicts` contradict each other, and no fewer do."""

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        named = "; ".join(one.words() for one in conflicts[:_NAMED])
        more = f"; and {len(conflicts) - _NAMED} more" if len(conflicts) > _NAMED else ""
        super().__init__(
            "reprice-infeasible", f"No prices within their bounds keep these limits together: {named}{more}",
            fix="Widen one of them, widen the bounds of prices, or return less of the freed money",
        )  # fmt: skip
        self.conflicts = conflicts


def contradiction(basis: Basis, problem: Problem) -> tuple[Conflict, ...]:
    """Return the limits that contradict each other within the bounds of prices; none when there are none."""
    elastic = _Elastic(problem)
    least, duals = elastic.solve(range(elastic.count))
    if least <= _NOTHING:
        return ()
    members = [row for row in range(elastic.count) if abs(duals[row]) > 1e-9]
    if elastic.solve(members)[0] <= _NOTHING:
        members = list(range(elastic.count))
    for row in reversed(members.copy()):  # what is particular is left out first, revenue and fund last
        fewer = [one for one in members if one != row]
        if elastic.solve(fewer)[0] > _NOTHING:
            members = fewer
    return tuple(_conflict(basis, problem, row, elastic.alone(row)) for row in members)


def _conflict(basis: Basis, problem: Problem, row: int, alone: float | None) -> Conflict:
    rows = problem.lines
    if row >= len(rows.kinds):
        low, high = problem.order[row - len(rows.kinds)]
        key = f"{basis.label(low)} ≤ {basis.label(high)}"
        return Conflict("family", key, None, None, None if alone is None else round(alone * 100))
    fen = None if alone is None else round(alone * UNIT / 10_000)
    low_end = None if rows.kinds[row] == "group" else rows.low[row] // 10_000
    return Conflict(rows.kinds[row], rows.keys[row], low_end, rows.high[row] // 10_000, fen)


class _Elastic:
    """Prices within bounds; every line and order may give, over or under, and giving costs."""

    def __init__(self, problem: Problem) -> None:
        rows, n, pairs = problem.lines, len(problem.grids), len(problem.order)
        self.count = len(rows.kinds) + pairs
        start = np.array([grid[0] for grid in problem.grids], dtype=np.int64)
        width = np.array([(grid[-1] - grid[0]) / 100 for grid in problem.grids])
        order = sparse.lil_matrix((pairs, n))
        for number, (low, high) in enumerate(problem.order):
            order[number, low], order[number, high] = -1.0, 1.0
        effect = sparse.vstack([sparse.csr_matrix(rows.effect * (100 / UNIT)), order.tocsr()])
        matrix = sparse.hstack([effect, -sparse.identity(self.count), sparse.identity(self.count)])
        left = rows.left(start - problem.price)
        low_end = [(low - now) / UNIT for low, now in zip(rows.low, left, strict=True)]
        high_end = [(high - now) / UNIT for high, now in zip(rows.high, left, strict=True)]
        gap = [(int(start[a]) - int(start[b])) / 100 for a, b in problem.order]
        self._n = n
        self._free = np.full(2 * self.count, np.inf)
        self._programme = Programme(
            matrix, self._cost(range(self.count)), np.zeros(n + 2 * self.count),
            np.concatenate([width, self._free]),
            np.array(low_end + gap), np.concatenate([high_end, np.full(pairs, np.inf)]),
        )  # fmt: skip

    def _cost(self, members: "range | list[int]") -> Reals:
        cost = np.zeros(self._n + 2 * self.count)
        for row in members:
            cost[self._n + row] = cost[self._n + self.count + row] = 1.0
        return cost

    def solve(self, members: "range | list[int]") -> tuple[float, Reals]:
        """Return how much the members must give in all when the others do not matter, and the duals."""
        self._programme.set_cost(self._cost(members))
        solved = self._programme.solve()
        return solved.objective, solved.duals

    def alone(self, row: int) -> float | None:
        """Return by how much one row must give when no other gives, None when that is not enough."""
        places = np.arange(self._n, self._n + 2 * self.count, dtype=np.int64)
        zero = np.zeros(2 * self.count)
        high = zero.copy()
        high[[row, self.count + row]] = np.inf
        self._programme.set_columns(places, zero, high)
        self._programme.set_cost(self._cost([row]))
        solved = self._programme.solve()
        self._programme.set_columns(places, zero, self._free)
        return solved.objective if solved.optimal else None
