"""The whole of a re-pricing: possible prices, relaxation, steps, exact neutrality, how good the answer is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np

from salus.insurance.repricing import prices
from salus.insurance.repricing.basis import Basis, Integers
from salus.insurance.repricing.conflicts import Conflicting, contradiction
from salus.insurance.repricing.lines import FUND, REVENUE
from salus.insurance.repricing.relaxation import Problem, Relaxation, Relaxed, problem_of
from salus.insurance.repricing.repair import change_of, cost_of, kept, prices_at, repair
from salus.insurance.repricing.rounding import better, round_all, round_relaxed
from salus.insurance.repricing.rules import Rules
from salus.kernel.errors import Invalid
from salus.kernel.money import format_yuan

Progress = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, and of how much."""

_WINDOW = 100
"""Yuan by which the mixed programme may leave revenue and fund to the exact repair."""
_SMALL = 260
"""Prices of all services together up to which the problem is solved whole, to a proven optimum."""
_NODES = 20_000
_CLOSE = 1e-3
"""What prices may cost more than the bound before they are bettered."""
_BETTER = (120, 240, 400)
"""Services of each kind that may move a step when they are."""
_POINTS = tuple(range(0, 101, 10))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """New prices and how they were come by.

    Attributes:
        basis, rules, problem: what was solved; `rules.closeness` is the balance that was asked for.
        prices, target, low, high: fen, n each: the new price, what it aimed at, and the lowest and highest
            allowed prices on a step.
        factor: what a fen of labour is worth in the targets.
        cost, bound: what the answer costs and a proven least, in millionths of a weighted fen.
        left: each line's change less its offset, ten-thousandths of a fen.
        relaxed: the relaxed answer with its duals.
    """

    basis: Basis
    rules: Rules
    problem: Problem
    prices: Integers
    target: Integers
    low: Integers
    high: Integers
    factor: Fraction
    cost: int
    bound: float
    left: tuple[int, ...]
    relaxed: Relaxed

    @property
    def gap(self) -> float:
        """How far the cost can lie above the best there is, as a share of the cost."""
        return max(0.0, self.cost - self.bound) / self.cost if self.cost else 0.0

    @property
    def revenue_left(self) -> Fraction:
        """By how many fen revenue misses what is returned to it."""
        return Fraction(self.left[REVENUE], 10_000)

    @property
    def fund_left(self) -> Fraction:
        """By how many fen the fund misses neutrality."""
        return Fraction(self.left[FUND], 10_000)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the trade-off: how much changes, how far from the targets, and at what balance.

    `change`, `distance` and `burden` are weighted fen; `raised` and `cut` count services.
    """

    closeness: int
    change: int
    distance: int
    burden: int
    raised: int
    cut: int
    gap: float


class Study:
    """A re-pricing prepared once and answered for any balance of change against targets."""

    def __init__(self, basis: Basis, rules: Rules, progress: Progress = lambda stage, done, of: None) -> None:
        """Prepare it.

        Raises:
            Invalid: a rate is missing, or services have no price on a step within their bounds.
        """
        self.basis, self.rules, self._progress = basis, rules, progress
        progress("prices", 0, 1)
        grids, without = prices.grids(basis, rules)
        if without:
            named = ", ".join(without[:10]) + (f" and {len(without) - 10} more" if len(without) > 10 else "")
            raise Invalid(
                "reprice-no-price", "No price on a step lies within these services' bounds", where=named,
                fix="Widen their bounds or take a smaller step",
            )  # fmt: skip
        self.target, self.factor = prices.targets(basis, rules)
        self.problem = problem_of(basis, rules, grids, self.target)
        self._relaxation = Relaxation(self.problem)
        progress("prices", 1, 1)

    def at(self, closeness: int) -> Outcome:
        """Return the new prices for a balance.

        Raises:
            Conflicting: limits contradict each other; it names them.
            Invalid: no prices on their steps are neutral to within the tolerance, or none were found.
        """
        self._progress("relaxing", 0, 1)
        relaxed = self._relaxation.solve(closeness)
        self._progress("relaxing", 1, 1)
        if relaxed is None:
            self._progress("conflicts", 0, 1)
            raise Conflicting(contradiction(self.basis, self.problem))
        self._progress("rounding", 0, 1)
        places, bound = self._whole(closeness, relaxed)
        self._progress("rounding", 1, 1)
        problem = self.problem
        left = problem.lines.left(change_of(problem, places))
        if not kept(problem, places):  # pragma: no cover - every way to here has looked
            raise RuntimeError("prices that break a limit were about to be given")
        return Outcome(
            basis=self.basis, rules=self.rules.at(closeness), problem=problem,
            prices=prices_at(problem, places), target=self.target,
            low=np.array([grid[0] for grid in problem.grids]),
            high=np.array([grid[-1] for grid in problem.grids]),
            factor=self.factor, cost=cost_of(problem, closeness, places), bound=float(bound) * 10_000,
            left=tuple(left), relaxed=relaxed,
        )  # fmt: skip

    def _whole(self, closeness: int, relaxed: Relaxed) -> tuple[Integers, float]:
        """Return places that keep everything, and the best bound known in hundredths of a fen."""
        problem, bound = self.problem, relaxed.bound
        self._divisible()
        tried: list[Integers] = []
        if sum(grid.size for grid in problem.grids) <= _SMALL:
            whole = round_all(problem, closeness, _NODES)
            if whole.impossible:
                raise _no_steps("No prices on their steps are neutral and keep every limit", "")
            if whole.bound is not None:
                bound = max(bound, whole.bound)
            if kept(problem, whole.places):
                tried.append(whole.places)
        if not tried:
            near = round_relaxed(problem, closeness, relaxed, _WINDOW * 1_000_000)
            mended = repair(problem, closeness, near.places, bound)
            if mended is None:
                left = problem.lines.left(change_of(problem, near.places))
                worst = max(abs(left[REVENUE]), abs(left[FUND])) // 10_000
                raise _no_steps(
                    "No neutral prices were found on these steps", f"nearest is {format_yuan(worst)} off"
                )
            tried.append(self._bettered(closeness, relaxed, mended, bound))
        return tried[0], bound

    def _bettered(self, closeness: int, relaxed: Relaxed, places: Integers, bound: float) -> Integers:
        """Return neutral places that cost less, as long as they cost clearly more than the bound."""
        problem, cost = self.problem, cost_of(self.problem, closeness, places)
        for others in _BETTER:
            if cost <= bound * 10_000 * (1 + _CLOSE):
                break
            near = better(problem, closeness, relaxed, places, others, _WINDOW * 1_000_000)
            found = None if near is None else repair(problem, closeness, near, bound)
            if found is not None and (less := cost_of(problem, closeness, found)) < cost:
                places, cost = found, less
        return places

    def _divisible(self) -> None:
        """Refuse steps whose changes of revenue have a common divisor that passes over neutrality.

        Raises:
            Invalid: whatever the prices, revenue or fund misses by more than the tolerance.
        """
        rows, problem = self.problem.lines, self.problem
        start = np.array([grid[0] for grid in problem.grids], dtype=np.int64)
        left = rows.left(start - problem.price)
        steps = [int(np.gcd.reduce(np.diff(grid))) if grid.size > 1 else 0 for grid in problem.grids]
        for row in (REVENUE, FUND):
            common = gcd(*(int(e) * s for e, s in zip(rows.effect[row], steps, strict=True)))
            miss = left[row] if common == 0 else min(left[row] % common, -left[row] % common)
            if abs(miss) > rows.high[row]:
                raise _no_steps(
                    "No prices on their steps are neutral: every change is a multiple of one amount",
                    f"{rows.name(row)}, at best {format_yuan(abs(miss) // 10_000)} off",
                )


def _no_steps(message: str, where: str) -> Invalid:
    fix = "Take smaller steps, widen bounds, or allow a larger tolerance"
    return Invalid("reprice-steps", message, where=where, fix=fix)


def reprice(basis: Basis, rules: Rules, progress: Progress = lambda stage, done, of: None) -> Outcome:
    """Return new prices that keep every bound, step, limit and order, neutral for fund and revenue.

    The same basis and rules always give the same prices.

    Raises:
        Conflicting: limits contradict each other; `conflicts` names them and by how much they must give.
        Invalid: a rate is missing, a service has no price on a step, or no steps are neutral.
    """
    return Study(basis, rules, progress).at(rules.closeness)


def trade_off(
    basis: Basis, rules: Rules, closeness: Sequence[int] = _POINTS,
    progress: Progress = lambda stage, done, of: None,
) -> list[Point]:  # fmt: skip
    """Return how change and distance to the targets trade against each other, with exact prices at each
    point.

    Raises as `reprice` does.
    """
    study = Study(basis, rules)
    points = []
    for number, one in enumerate(closeness):
        progress("curve", number, len(closeness))
        points.append(point(study.at(one)))
    progress("curve", len(closeness), len(closeness))
    return points


def point(outcome: Outcome) -> Point:
    """Return an outcome as a point of the trade-off."""
    problem, change = outcome.problem, outcome.prices - outcome.basis.price
    moved = distance = 0
    pairs = zip(problem.grids, problem.costs.change, problem.costs.distance, outcome.prices, strict=True)
    for grid, own, far, price in pairs:
        place = int(np.searchsorted(grid, price))
        moved += int(own[place])
        distance += int(far[place])
    burden = problem.lines.penalty(list(outcome.left)) // 10_000
    raised, cut = int((change > 0).sum()), int((change < 0).sum())
    return Point(outcome.rules.closeness, moved, distance, burden, raised, cut, outcome.gap)
