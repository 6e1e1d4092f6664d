"""Why each price moved: what holds it where it is, and what pulls it which way."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from salus.insurance.repricing.solving import Outcome

REASONS = {
    "lowest": "held at the lowest price allowed",
    "highest": "held at the highest price allowed",
    "target": "at the price it is worth, to the step",
    "unchanged": "a change would cost more than it brings",
    "family": "held by the order of prices in its family",
    "weight": "a yuan more would weigh more than it brings",
    "balance": "set so that fund and revenue come out neutral",
}
"""What can hold a price, in plain words."""

_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class Move:
    """A service's move and its reasons.

    Prices in fen. `pulls` says what a yuan more on this price would cost (positive) or save (negative), in
    weighted
    yuan a year, at the margin: change, target, revenue, fund, hospital, tier, group, family. What is saved
    and what is cost are even at the price given unless a bound holds it.
    """

    code: str
    tier: str
    old: int
    new: int
    target: int
    lowest: int
    highest: int
    volume: int
    reason: str
    pulls: dict[str, float]

    @property
    def share(self) -> Fraction:
        """The change as a share of the old price."""
        return Fraction(self.new - self.old, self.old)


def explain(outcome: Outcome) -> list[Move]:
    """Return the moves of all services, in the order of the basis."""
    problem, basis, rules = outcome.problem, outcome.basis, outcome.rules
    by_kind: dict[str, np.ndarray] = {}
    for row, kind in enumerate(problem.lines.kinds):
        part = -outcome.relaxed.line_duals[row] * problem.lines.effect[row].astype(np.float64) / 10_000
        by_kind[kind] = by_kind.get(kind, 0.0) + part
    family = np.zeros(len(basis.codes))
    for (low, high), dual in zip(problem.order, outcome.relaxed.order_duals, strict=True):
        family[low] += dual * 10_000
        family[high] -= dual * 10_000
    near = (100 - rules.closeness), rules.closeness
    moves, totals = [], basis.totals
    for place, grid in enumerate(problem.grids):
        at = int(np.searchsorted(grid, outcome.prices[place]))
        own = [
            weight * _slope(grid, values[place], at) / 100
            for weight, values in zip(near, (problem.costs.change, problem.costs.distance), strict=True)
        ]
        pulls = {"change": own[0], "target": own[1]}
        pulls |= {kind: float(part[place]) for kind, part in by_kind.items()}
        pulls["family"] = float(family[place])
        moves.append(
            Move(
                code=basis.codes[place], tier=basis.tiers[place], old=int(basis.price[place]),
                new=int(outcome.prices[place]), target=int(outcome.target[place]),
                lowest=int(grid[0]), highest=int(grid[-1]), volume=int(totals[place]),
                reason=_reason(outcome, place, at, bool(abs(family[place]) > _NOTHING)),
                pulls={name: round(value, 2) + 0.0 for name, value in pulls.items()},
            )
        )  # fmt: skip
    return moves


def _slope(grid: np.ndarray, values: np.ndarray, at: int) -> float:
    """Return what a fen more costs, from this price to the next step (to the last one at the end)."""
    if grid.size == 1:
        return 0.0
    low, high = (at, at + 1) if at + 1 < grid.size else (at - 1, at)
    return float(values[high] - values[low]) / float(grid[high] - grid[low])


def _reason(outcome: Outcome, place: int, at: int, held: bool) -> str:
    grid = outcome.problem.grids[place]
    price, old, target = int(grid[at]), int(outcome.basis.price[place]), int(outcome.target[place])
    if (at == 0 and target < price) or (at == grid.size - 1 and target > price):
        return "lowest" if target < price else "highest"
    if price == _closest(grid, target):
        return "target"
    if price == _closest(grid, old):
        return "unchanged"
    if at in (0, grid.size - 1):
        return "lowest" if at == 0 else "highest"
    if held:
        return "family"
    if abs(float(outcome.relaxed.prices[place]) - price) > _NOTHING * 100:
        return "balance"
    return "weight"


def _closest(grid: np.ndarray, price: int) -> int:
    """Return the price of the grid closest to another, the lower of two."""
    return int(grid[int(np.argmin(np.abs(grid - price)))])
