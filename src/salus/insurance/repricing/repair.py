"""The last yuan: few steps of small services that bring revenue and fund to neutral in whole numbers.

A residual of two numbers is met by one to four steps: pairs of steps are sorted by what they change in
revenue, and for each single step or pair the fitting pairs are found in that order (meet in the middle,
Horowitz and Sahni 1974). Everything is whole numbers; of those that fit, the cheapest is taken, the first of
equals.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salus.insurance.repricing.basis import Integers
from salus.insurance.repricing.lines import FUND, REVENUE
from salus.insurance.repricing.relaxation import Problem

_STEPS = 1100
"""Single steps that are combined; their pairs are some 600,000."""
_TRIED = 4000
"""Fitting combinations whose full cost and limits are looked at, cheapest first."""
_TURNS = 20
_GOOD = 2e-5
"""A gap that is good enough to stop bettering."""
_SIZES = ((1, 3_000 * 10**6), (2, 30_000 * 10**6))
"""How many steps a service may take, and how much revenue it may move (ten-thousandths of a fen), in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moves:
    """Single steps: service, place it goes to, change in revenue and fund, and cost at the duals' prices."""

    service: Integers
    place: Integers
    revenue: Integers
    fund: Integers
    cost: npt.NDArray[np.float64]


def cost_of(problem: Problem, closeness: int, places: Integers) -> int:
    """Return the cost of prices with all penalties, in millionths of a fen, exactly."""
    own = 0
    for place, change, distance in zip(places, problem.costs.change, problem.costs.distance, strict=True):
        own += (100 - closeness) * int(change[place]) + closeness * int(distance[place])
    return own * 10_000 + 100 * problem.lines.penalty(problem.lines.left(change_of(problem, places)))


def change_of(problem: Problem, places: Integers) -> Integers:
    """Return the change of each price in fen."""
    return prices_at(problem, places) - problem.price


def prices_at(problem: Problem, places: Integers) -> Integers:
    """Return the prices at places of the grids, fen."""
    return np.array(
        [int(grid[place]) for grid, place in zip(problem.grids, places, strict=True)], dtype=np.int64
    )


def ordered(problem: Problem, places: Integers) -> bool:
    """Tell whether no family's prices cross."""
    price = prices_at(problem, places)
    return all(price[a] <= price[b] for a, b in problem.order)


def kept(problem: Problem, places: Integers) -> bool:
    """Tell whether prices keep every limit, neutrality and order; in whole numbers."""
    return ordered(problem, places) and problem.lines.kept(problem.lines.left(change_of(problem, places)))


def repair(problem: Problem, closeness: int, places: Integers, bound: float) -> Integers | None:
    """Return places near `places` that are neutral and keep every limit, or None when none was found.

    What is found is bettered by further combinations of steps until it costs hardly more than `bound`
    (hundredths of a fen), or no combination betters it.
    """
    now: Integers | None = places.copy()
    for _ in range(_TURNS):
        if now is None:
            return None
        for reach, largest in _SIZES:
            found = now if kept(problem, now) else _fine(problem, closeness, now, reach, largest)
            if found is not None:
                return _bettered(problem, closeness, found, bound)
        now = _closer(problem, closeness, now)
    return None


def _bettered(problem: Problem, closeness: int, places: Integers, bound: float) -> Integers:
    """Return places that cost less and are as neutral, as far as few steps better them."""
    cost = cost_of(problem, closeness, places)
    for reach, largest in _SIZES * 2:
        if cost <= bound * 10_000 * (1 + _GOOD):
            break
        found = _fine(problem, closeness, places, reach, largest)
        if found is not None and (less := cost_of(problem, closeness, found)) < cost:
            places, cost = found, less
    return places


def _moves(problem: Problem, closeness: int, places: Integers, reach: int, largest: float) -> _Moves:
    """Return the steps of services up to `reach` steps that change revenue by no more than `largest`."""
    lines = problem.lines
    rows: list[tuple[float, int, int, int, int]] = []
    values = problem.costs.at(closeness)
    for service, (grid, cost) in enumerate(zip(problem.grids, values, strict=True)):
        here = int(places[service])
        revenue, fund = int(lines.effect[REVENUE, service]), int(lines.effect[FUND, service])
        for place in range(max(0, here - reach), min(grid.size, here + reach + 1)):
            fen = int(grid[place] - grid[here])
            if fen and abs(revenue * fen) <= largest and _stays(problem, places, service, int(grid[place])):
                rows.append((float(cost[place] - cost[here]), service, place, revenue * fen, fund * fen))
    rows.sort(key=lambda row: (abs(row[3]), row[0], row[1], row[2]))
    if len(rows) > _STEPS:  # small and large ones alike: the small for the last fen, the large to get there
        rows = [rows[place * len(rows) // _STEPS] for place in range(_STEPS)]
    table = rows
    columns = list(zip(*table, strict=True)) if table else [(), (), (), (), ()]
    whole = [np.array(column, dtype=np.int64) for column in columns[1:]]
    return _Moves(whole[0], whole[1], whole[2], whole[3], np.array(columns[0], dtype=np.float64))


def _stays(problem: Problem, places: Integers, service: int, price: int) -> bool:
    """Tell whether a service at another price keeps the order beside its neighbours as they stand."""
    for other in problem.above[service]:
        if price > problem.grids[other][places[other]]:
            return False
    return all(price >= problem.grids[other][places[other]] for other in problem.below[service])


def _fine(problem: Problem, closeness: int, places: Integers, reach: int, largest: float) -> Integers | None:
    """Return places after one to four steps of small services that make all neutral, the cheapest found."""
    left = problem.lines.left(change_of(problem, places))
    tolerance = (problem.lines.high[REVENUE], problem.lines.high[FUND])
    need = (-left[REVENUE], -left[FUND])
    widest = max(largest, 1.5 * abs(need[0]), 1.5 * abs(need[1]))
    moves = _moves(problem, closeness, places, reach, widest)
    count = moves.service.size
    if not count:
        return None
    first, second = np.triu_indices(count, 1)
    differ = moves.service[first] != moves.service[second]
    first, second = first[differ], second[differ]
    revenue = np.concatenate([[0], moves.revenue, moves.revenue[first] + moves.revenue[second]])
    order = np.argsort(revenue, kind="stable")
    members = np.concatenate(
        [[[-1, -1]], np.stack([np.arange(count), np.full(count, -1)], 1), np.stack([first, second], 1)]
    )[order]
    revenue = revenue[order]
    fund = np.concatenate([[0], moves.fund, moves.fund[first] + moves.fund[second]])[order]
    cost = np.concatenate([[0.0], moves.cost, moves.cost[first] + moves.cost[second]])[order]
    found: list[tuple[float, tuple[int, ...]]] = []
    for other in _partners(moves, members, revenue, need):
        at = sum(int(moves.revenue[one]) for one in other), sum(int(moves.fund[one]) for one in other)
        begin = int(np.searchsorted(revenue, need[0] - at[0] - tolerance[0], side="left"))
        end = int(np.searchsorted(revenue, need[0] - at[0] + tolerance[0], side="right"))
        fits = begin + np.flatnonzero(np.abs(fund[begin:end] + at[1] - need[1]) <= tolerance[1])
        own = sum(float(moves.cost[one]) for one in other)
        for place in fits:
            found.append(
                (own + float(cost[place]), tuple(sorted({*other, *map(int, members[place])} - {-1})))
            )
        if len(found) >= _TRIED:
            break
    return _best(problem, closeness, places, moves, found)


def _partners(
    moves: _Moves, members: Integers, revenue: Integers, need: tuple[int, int]
) -> list[tuple[int, ...]]:
    """Return what is combined with pairs: nothing, each single step, then pairs from the middle outwards."""
    singles: list[tuple[int, ...]] = [(), *((one,) for one in range(moves.service.size))]
    middle = int(np.searchsorted(revenue, need[0] // 2))
    spread = np.arange(max(0, middle - 2_000), min(len(revenue), middle + 2_000))
    pairs = [tuple(int(one) for one in members[place] if one >= 0) for place in spread]
    return singles + [pair for pair in pairs if len(pair) == 2]


def _best(
    problem: Problem, closeness: int, places: Integers, moves: _Moves,
    found: list[tuple[float, tuple[int, ...]]],
) -> Integers | None:  # fmt: skip
    """Return the cheapest combination that keeps every limit, with all penalties counted."""
    rows = problem.lines
    left = np.array(rows.left(change_of(problem, places)), dtype=np.int64)
    low, high = np.array(rows.low), np.array(rows.high)
    best: tuple[int, tuple[int, ...]] | None = None
    tried = 0
    for own, combination in sorted(set(found)):
        services = [int(moves.service[one]) for one in combination]
        if len(set(services)) < len(services):
            continue
        tried += 1
        if tried > _TRIED:
            break
        then = left.copy()
        for one, service in zip(combination, services, strict=True):
            grid = problem.grids[service]
            then += rows.effect[:, service] * int(grid[moves.place[one]] - grid[places[service]])
        if (then < low).any() or (then > high).any():
            continue
        total = int(own) * 10_000 + 100 * rows.penalty(then.tolist())
        if (best is None or (total, combination) < best) and ordered(
            problem, _moved(moves, places, combination)
        ):
            best = (total, combination)
    return _moved(moves, places, best[1]) if best else None


def _moved(moves: _Moves, places: Integers, combination: tuple[int, ...]) -> Integers:
    then = places.copy()
    for one in combination:
        then[moves.service[one]] = moves.place[one]
    return then


def _closer(problem: Problem, closeness: int, places: Integers) -> Integers | None:
    """Return places after the one or two steps that bring revenue and fund closest to neutral."""
    left = problem.lines.left(change_of(problem, places))
    need = np.array([-left[REVENUE], -left[FUND]], dtype=np.float64)
    moves = _moves(problem, closeness, places, 1, float("inf"))
    if not moves.service.size:
        return None
    away = float(np.abs(need).sum())
    closer: list[tuple[float, tuple[int, ...]]] = []
    for one in range(moves.service.size):
        rest = np.abs(need[0] - moves.revenue[one] - moves.revenue) + np.abs(
            need[1] - moves.fund[one] - moves.fund
        )
        service = int(moves.service[one])
        beside = [service, *problem.above[service], *problem.below[service]]
        rest[np.isin(moves.service, beside)] = np.inf
        other = int(np.argmin(rest))
        alone = abs(need[0] - moves.revenue[one]) + abs(need[1] - moves.fund[one])
        closer += [(float(rest[other]), (one, other)), (float(alone), (one,))]
    broken = _broken(problem, left)
    for rest_left, steps in sorted(closer):
        if rest_left >= away:
            break
        then = _moved(moves, places, steps)
        if _broken(problem, problem.lines.left(change_of(problem, then))) <= broken:
            return then
    return None


def _broken(problem: Problem, left: list[int]) -> int:
    """Return by how much limits other than neutrality are overstepped."""
    rows = zip(left, problem.lines.low, problem.lines.high, strict=True)
    return sum(max(0, low - value, value - high) for value, low, high in list(rows)[FUND + 1 :])
