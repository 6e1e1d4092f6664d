"""The linear relaxation: each price anywhere within its bounds, its cost the convex hull over its steps.

A corner of this programme lies between two steps in no more services than rows are tight, so almost every
price is on its step already. Its duals say what a yuan of neutrality, of a limit and of a family's order is
worth, and give a bound that is worked out again from the costs at the steps and so does not rest on the
solver's word.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from salus.insurance.repricing.basis import Basis, Integers
from salus.insurance.repricing.costs import Costs, Pieces, breaks, costs, pieces
from salus.insurance.repricing.lines import Lines, lines, within_reach
from salus.insurance.repricing.programme import Programme, Reals, Solved
from salus.insurance.repricing.rules import Rules

UNIT = 1e10
"""Ten-thousandths of a fen in the programme's unit of money, 10,000 yuan; prices are in yuan."""
_FEN_A_YUAN = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A re-pricing in numbers: prices to choose from, their costs, the rows, and the order in families."""

    price: Integers
    grids: list[Integers]
    costs: Costs
    lines: Lines
    order: list[tuple[int, int]]
    above: list[list[int]]
    below: list[list[int]]


def problem_of(basis: Basis, rules: Rules, grids: list[Integers], target: Integers) -> Problem:
    """Put a basis with its possible prices and targets into numbers."""
    order = basis.order()
    above: list[list[int]] = [[] for _ in grids]
    below: list[list[int]] = [[] for _ in grids]
    for low, high in order:
        above[low].append(high)
        below[high].append(low)
    worth = costs(grids, basis.price, target, basis.totals + rules.least_volume, rules.bands)
    watched = lines(basis, rules)
    ends = np.array([[grid[0], grid[-1]] for grid in grids])
    within_reach(watched, np.abs(ends - basis.price[:, None]).max(axis=1))
    return Problem(basis.price, grids, worth, watched, order, above, below)


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """A relaxed answer: prices in fen (reals), the duals of lines (fen of cost a fen) and of the order, the
    bound.

    `bound` is a proven least cost in hundredths of a fen.
    """

    prices: Reals
    line_duals: Reals
    order_duals: Reals
    bound: float


class Relaxation:
    """The relaxation of a problem, solved for one closeness after another."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._turns = breaks(problem.grids, problem.costs)
        self._programme: Programme | None = None
        self._count = 0

    def parts(self, closeness: int) -> Pieces:
        """Return the straight pieces of the costs."""
        return pieces(self.problem.grids, list(self.problem.costs.at(closeness)), self._turns)

    def solve(self, closeness: int) -> Relaxed | None:
        """Return the relaxed answer, or None when there is none."""
        part = self.parts(closeness)
        if self._programme is None:
            self._programme, self._count = build(self.problem, part)
        else:
            self._programme.set_cost(_cost(self.problem, part))
        solved = self._programme.solve()
        return self._read(solved, closeness) if solved.optimal else None

    def _read(self, solved: Solved, closeness: int) -> Relaxed:
        n, rows = len(self.problem.grids), len(self.problem.lines.kinds)
        start = np.array([grid[0] for grid in self.problem.grids], dtype=np.float64)
        prices = start + solved.columns[:n] * _FEN_A_YUAN
        line_duals = solved.duals[n : n + rows]
        order_duals = np.maximum(0.0, solved.duals[n + rows :])
        for row, kind in enumerate(self.problem.lines.kinds):
            if kind == "group":
                line_duals[row] = min(0.0, line_duals[row])
        bound = lagrangian(self.problem, closeness, line_duals, order_duals)
        return Relaxed(prices, line_duals, order_duals, bound)


def lagrangian(problem: Problem, closeness: int, line_duals: Reals, order_duals: Reals) -> float:
    """Return the bound that duals prove: the least cost of each service alone, and of each row alone.

    In hundredths of a fen. Source: Lagrangian duality; any duals of the right sign give a bound.
    """
    watched = problem.lines
    pull = (
        line_duals @ watched.effect.astype(np.float64)
    ) / 100.0  # hundredths of a fen of cost a fen of price
    ordered = np.zeros(len(problem.grids))
    for (low, high), dual in zip(problem.order, order_duals, strict=True):
        ordered[low] -= dual * 1e6 / _FEN_A_YUAN * 100.0
        ordered[high] += dual * 1e6 / _FEN_A_YUAN * 100.0
    total = 0.0
    for place, (grid, cost) in enumerate(zip(problem.grids, problem.costs.at(closeness), strict=True)):
        own = cost - pull[place] * (grid - problem.price[place]) - ordered[place] * grid
        total += float(own.min())
    for row, dual in enumerate(line_duals):
        ends = (watched.low[row], watched.free_low[row], watched.free_high[row], watched.high[row])
        outside = (
            watched.weight[row] * (max(0, end - watched.free_high[row]) + max(0, watched.free_low[row] - end))
            for end in ends
        )
        total += min((out + dual * end) / 100.0 for out, end in zip(outside, ends, strict=True))
        total += dual * watched.offset[row] / 100.0
    return total


def build(problem: Problem, part: Pieces) -> tuple[Programme, int]:
    """Return the linear programme of a problem and its number of columns.

    Columns: a price above its lowest (yuan), the pieces that make it up, what lies over and under the free
    range of each row. Rows: a price is its pieces; the lines; the order.
    """
    n = len(problem.grids)
    rows, many = len(problem.lines.kinds), len(part.service)
    start = np.array([grid[0] for grid in problem.grids], dtype=np.int64)
    link = sparse.hstack(
        [
            sparse.identity(n),
            sparse.csr_matrix((-np.ones(many), (part.service, np.arange(many))), shape=(n, many)),
            sparse.csr_matrix((n, 2 * rows)),
        ]
    )
    effect = problem.lines.effect * (_FEN_A_YUAN / UNIT)
    watched = sparse.hstack(
        [
            sparse.csr_matrix(effect), sparse.csr_matrix((rows, many)),
            -sparse.identity(rows), sparse.identity(rows),
        ]
    )  # fmt: skip
    pairs = len(problem.order)
    low_of = np.array([a for a, _ in problem.order], dtype=np.int64)
    high_of = np.array([b for _, b in problem.order], dtype=np.int64)
    places = np.concatenate([np.arange(pairs), np.arange(pairs)])
    order = sparse.csr_matrix(
        (np.concatenate([-np.ones(pairs), np.ones(pairs)]), (places, np.concatenate([low_of, high_of]))),
        shape=(pairs, n + many + 2 * rows),
    )
    matrix = sparse.vstack([link, watched, order])
    free_low, free_high, over, under = edges(problem, start - problem.price)
    row_low = np.concatenate([np.zeros(n), free_low, (start[low_of] - start[high_of]) / _FEN_A_YUAN])
    row_high = np.concatenate([np.zeros(n), free_high, np.full(pairs, np.inf)])
    high = np.concatenate([np.full(n, np.inf), part.length / _FEN_A_YUAN, over, under])
    made = Programme(matrix, _cost(problem, part), np.zeros(len(high)), high, row_low, row_high)
    return made, len(high)


def edges(problem: Problem, change: Integers) -> tuple[Reals, Reals, Reals, Reals]:
    """Return each row's free range after a change of prices, and how far it may be left over and under."""
    rows = problem.lines
    left = rows.left(change)
    free_low = np.array([(low - now) / UNIT for low, now in zip(rows.free_low, left, strict=True)])
    free_high = np.array([(high - now) / UNIT for high, now in zip(rows.free_high, left, strict=True)])
    over = np.array([(a - b) / UNIT for a, b in zip(rows.high, rows.free_high, strict=True)])
    under = np.array([(b - a) / UNIT for a, b in zip(rows.low, rows.free_low, strict=True)])
    return free_low, free_high, over, under


def _cost(problem: Problem, part: Pieces) -> Reals:
    weight = np.array(problem.lines.weight, dtype=np.float64)
    return np.concatenate([np.zeros(len(problem.grids)), part.slope / 1e6, weight, weight])
