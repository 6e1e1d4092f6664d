"""From relaxed prices to steps: a mixed programme over the few services that are free to move."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from salus.insurance.repricing.basis import Integers
from salus.insurance.repricing.lines import FUND, REVENUE
from salus.insurance.repricing.programme import Programme
from salus.insurance.repricing.relaxation import UNIT, Problem, Relaxed, edges

_NEAR = 1e-4
"""Fen from a step that count as on it (the programme's own tolerance)."""
_AROUND = 4
"""Steps that a service between two steps may take to either side."""
_TURNS = (
    (40, 1.0), (120, 1.0), (400, 2.0), (120, 10.0), (400, 3.0), (400, 10.0), (120, 100.0), (400, 100.0)
)  # fmt: skip
"""Services beside those that may move one step to either side, and how dear it is to miss the window: so many
of the cheapest to move, and as many of the cheapest for the revenue that they move. Each turn goes on from
the best before, as long as revenue or fund is outside the window: with many services the programme may end
at its most nodes with less than it began with, with few it finds what there is."""
_DEAR = 2.0
"""How dear it is to miss the window when neutral places are bettered."""
_NODES = 400
_GAP = 1e-7
_OUTSIDE = 4.0
"""What revenue or fund outside the window costs the mixed programme, in what neutrality is worth at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Rounded:
    """Places in the grids, and a proven least cost in hundredths of a fen where all prices were free."""

    places: Integers
    bound: float | None
    impossible: bool = False


def nearest(problem: Problem, relaxed: Relaxed) -> tuple[Integers, list[int]]:
    """Return the place of each relaxed price in its grid, and the services that lie between two steps."""
    places, between = np.zeros(len(problem.grids), dtype=np.int64), []
    for service, (grid, price) in enumerate(zip(problem.grids, relaxed.prices, strict=True)):
        place = int(np.searchsorted(grid, price))
        if place == grid.size or (place > 0 and price - grid[place - 1] <= grid[place] - price):
            place -= 1
        places[service] = place
        if abs(float(grid[place]) - float(price)) > _NEAR:
            between.append(service)
    return places, between


def round_relaxed(problem: Problem, closeness: int, relaxed: Relaxed, window: int) -> Rounded:
    """Return places near the relaxed prices that keep every limit, revenue and fund within `window` if they
    can.

    Args:
        problem, closeness, relaxed: what was relaxed.
        window: how far revenue and fund may be off, in ten-thousandths of a fen; beyond it costs dear.
    """
    places, between = nearest(problem, relaxed)
    free = _cheapest(problem, closeness, relaxed, places, set(between))
    for others, dear in _TURNS:
        chosen = _around(problem, closeness, relaxed, places, (between, *free), others, window, dear)
        if chosen is not None and _off(problem, chosen) < _off(problem, places):
            places = chosen
        if _off(problem, places) <= 2 * window:
            break
    return Rounded(places, None)


def better(
    problem: Problem, closeness: int, relaxed: Relaxed, places: Integers, others: int, window: int
) -> Integers | None:
    """Return places around neutral ones that cost less, revenue and fund within `window` if they can."""
    _, between = nearest(problem, relaxed)
    free = _cheapest(problem, closeness, relaxed, places, set(between))
    return _around(problem, closeness, relaxed, places, (between, *free), others, window, _DEAR)


def _around(
    problem: Problem,
    closeness: int,
    relaxed: Relaxed,
    places: Integers,
    free: tuple[list[int], list[int], list[int]],
    others: int,
    window: int,
    dear: float,
) -> Integers | None:
    """Return the best places found around others: services between steps move farther, so many others one."""
    between, cheap, yielding = free
    last = np.array([grid.size - 1 for grid in problem.grids])
    outside = _OUTSIDE * (1.0 + float(np.abs(relaxed.line_duals[: FUND + 1]).max()))
    low, high = places.copy(), places.copy()
    for services, reach in ((cheap[:others], 1), (yielding[:others], 1), (between, _AROUND)):
        low[services] = np.maximum(0, places[services] - reach)
        high[services] = np.minimum(last[services], places[services] + reach)
    return _mixed(problem, closeness, low, high, window, dear * outside, _NODES)[0]


def _off(problem: Problem, places: Integers) -> int:
    """Return by how much revenue or fund misses neutrality, in ten-thousandths of a fen."""
    price = [int(grid[place]) for grid, place in zip(problem.grids, places, strict=True)]
    left = problem.lines.left(np.array(price, dtype=np.int64) - problem.price)
    return max(abs(amount) for amount in left[: FUND + 1])


def round_all(problem: Problem, closeness: int, nodes: int) -> Rounded:
    """Return the best places of all, exactly neutral: for problems small enough to be solved whole."""
    low = np.zeros(len(problem.grids), dtype=np.int64)
    high = np.array([grid.size - 1 for grid in problem.grids], dtype=np.int64)
    window = problem.lines.high[REVENUE]
    chosen, bound, proven = _mixed(problem, closeness, low, high, window, None, nodes)
    return Rounded(low if chosen is None else chosen, bound, impossible=chosen is None and proven)


def _cheapest(
    problem: Problem, closeness: int, relaxed: Relaxed, places: Integers, known: set[int]
) -> tuple[list[int], list[int]]:
    """Return the services whose price moves a step at the least cost, and at the least for what it moves.

    Costs are those at the prices that the duals set on revenue, fund and limits.
    """
    effect = problem.lines.effect.astype(np.float64)
    pull = (relaxed.line_duals @ effect) / 100.0
    by_step, by_yield = [], []
    for service, (grid, cost) in enumerate(zip(problem.grids, problem.costs.at(closeness), strict=True)):
        place = int(places[service])
        around = slice(max(0, place - 1), place + 2)
        own = cost[around] - pull[service] * grid[around]
        if service not in known and own.size > 1:
            least = float(np.partition(own - own.min(), 1)[1])
            moved = effect[REVENUE, service] * float(grid[around][1] - grid[around][0])
            by_step.append((least, service))
            by_yield.append((least / max(moved, 1.0), service))
    return [service for _, service in sorted(by_step)], [service for _, service in sorted(by_yield)]


def _mixed(
    problem: Problem,
    closeness: int,
    low: Integers,
    high: Integers,
    window: int,
    outside: float | None,
    nodes: int,
) -> tuple[Integers | None, float | None, bool]:
    """Solve over places from `low` to `high`; returns places, the proven least cost, and whether it was
    proven.

    `outside` is what a unit of revenue or fund beyond the window costs; None allows none.
    """
    lines, values = problem.lines, problem.costs.at(closeness)
    start = np.array(
        [int(grid[place]) for grid, place in zip(problem.grids, low, strict=True)], dtype=np.int64
    )
    constant = sum(int(cost[place]) for cost, place in zip(values, low, strict=True))
    service = np.repeat(np.arange(len(low)), high - low)
    first = np.cumsum(high - low) - (high - low)
    step_place = np.arange(service.size) - first[service] + low[service]
    length = np.array(
        [
            int(problem.grids[s][p + 1] - problem.grids[s][p])
            for s, p in zip(service, step_place, strict=True)
        ],
        dtype=np.int64,
    )
    cost = np.array(
        [int(values[s][p + 1] - values[s][p]) for s, p in zip(service, step_place, strict=True)],
        dtype=np.float64,
    )
    rows, many = len(lines.kinds), service.size
    free_low, free_high, over, under = edges(problem, start - problem.price)
    weight = np.array(lines.weight, dtype=np.float64)
    for row in (REVENUE, FUND):
        # A hair inside, so that what the programme takes for neutral is neutral in whole numbers.
        spare = (window - lines.high[row]) / UNIT - (0.0 if outside else 2e-10)
        free_low[row] -= spare
        free_high[row] += spare
        over[row] = under[row] = np.inf if outside else 0.0
        weight[row] = outside or 0.0
    effect = lines.effect[:, service] * (length / UNIT)
    watched = sparse.hstack([sparse.csr_matrix(effect), -sparse.identity(rows), sparse.identity(rows)])
    chain = np.flatnonzero(service[1:] == service[:-1])
    follow = sparse.csr_matrix(
        (
            np.concatenate([np.ones(chain.size), -np.ones(chain.size)]),
            (np.tile(np.arange(chain.size), 2), np.concatenate([chain, chain + 1])),
        ),
        shape=(chain.size, many + 2 * rows),
    )
    pairs = [(a, b) for a, b in problem.order if high[a] > low[a] or high[b] > low[b]]
    order = sparse.lil_matrix((len(pairs), many + 2 * rows))
    for number, (a, b) in enumerate(pairs):
        for one, sign in ((a, -1.0), (b, 1.0)):
            inside = slice(int(first[one]), int(first[one] + high[one] - low[one]))
            order[number, inside] = sign * length[inside] / 100.0
    gap = np.array([(start[a] - start[b]) / 100.0 for a, b in pairs])
    matrix = sparse.vstack([watched, follow, order.tocsr()])
    solved = Programme(
        matrix,
        np.concatenate([cost / 1e8, weight, weight]),
        np.zeros(many + 2 * rows),
        np.concatenate([np.ones(many), over, under]),
        np.concatenate([free_low, np.zeros(chain.size), gap]),
        np.concatenate([free_high, np.full(chain.size + len(pairs), np.inf)]),
        whole=np.concatenate([np.ones(many, dtype=bool), np.zeros(2 * rows, dtype=bool)]),
        most_nodes=nodes,
        gap=_GAP if outside else 0.0,
    ).solve()
    if not solved.feasible or not solved.columns.size:
        return None, None, solved.proven
    taken = np.bincount(service, weights=np.round(solved.columns[:many]), minlength=len(low))
    return low + taken.astype(np.int64), solved.bound * 1e8 + constant, solved.optimal
