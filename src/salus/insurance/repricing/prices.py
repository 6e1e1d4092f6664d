"""The prices each service may have: on their steps, within their bounds; and the price it is worth."""

from fractions import Fraction
from math import ceil, floor

import numpy as np

from salus.insurance.repricing.basis import NONE, WHOLE, Basis, Integers
from salus.insurance.repricing.rules import Rules, Step
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen, to_yuan

MOST_PRICES = 20_000
"""Prices a service may choose from; more means that a step is far too small for its price."""


def on_step(price: int, steps: tuple[Step, ...]) -> bool:
    """Tell whether a price is a multiple of the step of its own band."""
    for band in steps:
        if price < band.below:
            return price % band.step == 0
    return False


def between(low: int, high: int, steps: tuple[Step, ...]) -> Integers:
    """Return every price on a step from `low` to `high` fen, both included, rising.

    Raises:
        Invalid: there are too many.
    """
    parts, begins = [], 1
    for band in steps:
        first, last = max(low, begins), min(high, band.below - 1)
        if first <= last:
            first_step = -(-first // band.step) * band.step
            if (last - first_step) // band.step > MOST_PRICES:
                raise Invalid(
                    "reprice-step", "The step is too small for prices in this range",
                    where=f"{to_yuan(first)} to {to_yuan(last)}", fix="Set a larger step",
                )  # fmt: skip
            parts.append(np.arange(first_step, last + 1, band.step, dtype=np.int64))
        begins = band.below
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def bounds(basis: Basis, rules: Rules) -> tuple[Integers, Integers]:
    """Return the lowest and highest fen of each service: its own, or its share of labour's."""
    low, high = basis.lowest.copy(), basis.highest.copy()
    for place, price in enumerate(int(one) for one in basis.price):
        reached = [b for b in rules.bounds if Fraction(int(basis.labour[place]), WHOLE) >= b.labour][-1]
        if low[place] == NONE:
            low[place] = ceil(price * (1 - reached.down))
        if high[place] == NONE:
            high[place] = floor(price * (1 + reached.up))
    return low, high


def grids(basis: Basis, rules: Rules) -> tuple[list[Integers], list[str]]:
    """Return each service's possible prices, and the labels of services that have none."""
    low, high = bounds(basis, rules)
    found = [between(int(a), int(b), rules.steps) for a, b in zip(low, high, strict=True)]
    return found, [basis.label(place) for place, grid in enumerate(found) if not grid.size]


def targets(basis: Basis, rules: Rules) -> tuple[Integers, Fraction]:
    """Return the price each service is worth in fen, and what a fen of its labour is worth.

    Worth is the cost that is no labour, plus labour times a factor that rises with difficulty and risk; the
    common factor makes the worth of all services together what they bring in today plus what is returned.
    """
    goal = basis.revenue + round_fen(rules.returned * int(basis.freed.sum()))
    totals = basis.totals
    plain = given = Fraction(0)
    weighted: list[Fraction] = []
    for place in range(len(basis.codes)):
        labour = Fraction(int(basis.labour[place]), WHOLE) * int(basis.cost[place])
        harder = rules.difficulty * int(basis.difficulty[place]) + rules.risk * int(basis.risk[place])
        weight = labour * (100 + harder) / 100
        weighted.append(weight)
        if basis.target[place] == NONE:
            plain += int(totals[place]) * (int(basis.cost[place]) - labour)
            given += int(totals[place]) * weight
        else:
            goal -= int(totals[place]) * int(basis.target[place])
    factor = max(Fraction(0), (goal - plain) / given) if given else Fraction(0)
    found = basis.target.copy()
    for place, weight in enumerate(weighted):
        if found[place] == NONE:
            rest = int(basis.cost[place]) * Fraction(WHOLE - int(basis.labour[place]), WHOLE)
            found[place] = round_fen(rest + factor * weight)
    return found, factor
