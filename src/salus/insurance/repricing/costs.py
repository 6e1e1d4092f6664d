"""What a price costs against the goal: convex in the price, exact on each step, in hundredths of a fen."""

from dataclasses import dataclass

import numpy as np

from salus.insurance.repricing.basis import Integers
from salus.insurance.repricing.rules import Band


def deviation(prices: Integers, centre: int, bands: tuple[Band, ...]) -> Integers:
    """Return the weighted fen between each price and `centre`; beyond the last band its weight goes on."""
    away = np.abs(prices - centre)
    total = np.zeros_like(away)
    reached, weight = 0, 0
    for band in bands:
        total += np.maximum(0, away - reached) * (band.weight - weight)
        reached, weight = int(centre * band.to), band.weight
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """For each service, at each of its prices: the weighted change and the weighted distance to the target.

    Both are in fen times the weight of the service (how often it is done, and a little more).
    """

    change: tuple[Integers, ...]
    distance: tuple[Integers, ...]

    def at(self, closeness: int) -> list[Integers]:
        """Return the cost at each price in hundredths of a fen, for a closeness in percent."""
        pairs = zip(self.change, self.distance, strict=True)
        return [(100 - closeness) * change + closeness * distance for change, distance in pairs]


def costs(
    grids: list[Integers], price: Integers, target: Integers, weight: Integers, bands: tuple[Band, ...]
) -> Costs:
    """Work out the costs of every price of every service."""
    change, distance = [], []
    for place, grid in enumerate(grids):
        change.append(deviation(grid, int(price[place]), bands) * int(weight[place]))
        distance.append(deviation(grid, int(target[place]), bands) * int(weight[place]))
    return Costs(tuple(change), tuple(distance))


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The convex costs as straight pieces: each belongs to a service, begins at a price of its grid, has a
    length.

    `service`, `start` and `length` (fen) and `slope` (hundredths of a fen a fen) are arrays over the pieces;
    the pieces of a service follow each other. A cost is exact at every price of the grid.
    """

    service: Integers
    start: Integers
    length: Integers
    slope: np.ndarray


def breaks(grids: list[Integers], parts: Costs) -> list[Integers]:
    """Return the places in each grid where the slope of change or distance turns, with both ends."""
    found = []
    for grid, change, distance in zip(grids, parts.change, parts.distance, strict=True):
        if grid.size < 3:
            found.append(np.arange(grid.size))
            continue
        gap = np.diff(grid)
        turn = np.zeros(grid.size, dtype=bool)
        turn[[0, -1]] = True
        for values in (change, distance):
            rise = np.diff(values)
            turn[1:-1] |= rise[1:] * gap[:-1] != rise[:-1] * gap[1:]
        found.append(np.flatnonzero(turn))
    return found


def pieces(grids: list[Integers], values: list[Integers], turns: list[Integers]) -> Pieces:
    """Return the pieces of the costs between the turns."""
    service, start, length, slope = [], [], [], []
    for place, (grid, value, turn) in enumerate(zip(grids, values, turns, strict=True)):
        at, cost = grid[turn], value[turn]
        service.append(np.full(max(0, at.size - 1), place))
        start.append(at[:-1])
        length.append(np.diff(at))
        slope.append(np.diff(cost) / np.diff(at))
    return Pieces(
        np.concatenate(service), np.concatenate(start), np.concatenate(length), np.concatenate(slope)
    )
