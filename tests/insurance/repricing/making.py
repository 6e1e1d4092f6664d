"""Bases small enough to be solved by trying everything, and a second, plain reckoning of what they cost."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import Any

import numpy as np

from salus.insurance.repricing import Basis, Rules, default_rules
from salus.insurance.repricing.basis import NONE
from salus.insurance.repricing.rules import Band, Bound, Limit, Step

TIERS = ("tier3", "tier2", "tier1")
GROUPS = ("employee", "resident", "uninsured")
RATES = {
    "tier3": {"employee": 8000, "resident": 6000, "uninsured": 0},
    "tier2": {"employee": 8500, "resident": 7000, "uninsured": 0},
    "tier1": {"employee": 9000, "resident": 8000, "uninsured": 0},
}


def small_rules(**changes: Any) -> Rules:
    """Rules with yuan steps, wide bounds, no limits and a tolerance that small bases can meet."""
    rules = Rules(
        steps=(Step(1_000, 50), Step(10**10, 100)),
        bounds=(Bound(Fraction(0), Fraction(3, 10), Fraction(3, 10)),),
        bands=(Band(Fraction(1, 10), 1), Band(Fraction(1), 3)),
        limits={},
        rates=RATES,
        tolerance=20_000,
        least_volume=0,
    )
    return replace(rules, **changes)


def basis_of(price: list[int], volumes: Any, **columns: Any) -> Basis:
    """Make a basis; columns that are not given are plain."""
    n = len(price)
    volumes = np.array(volumes, dtype=np.int64)
    plain: dict[str, Any] = {
        "codes": tuple(f"s{place}" for place in range(n)),
        "names": ("",) * n, "departments": ("",) * n, "tiers": ("",) * n, "family": ("",) * n,
        "hospitals": tuple(f"h{place}" for place in range(volumes.shape[1])),
        "hospital_tiers": tuple(TIERS[place % 3] for place in range(volumes.shape[1])),
        "groups": GROUPS[: volumes.shape[2]],
        "cost": price, "labour": [5000] * n, "difficulty": [0] * n, "risk": [0] * n, "rank": [0] * n,
        "lowest": [NONE] * n, "highest": [NONE] * n, "target": [NONE] * n,
        "freed": np.zeros(volumes.shape[1:], dtype=np.int64),
    }  # fmt: skip
    whole = {"cost", "labour", "difficulty", "risk", "rank", "lowest", "highest", "target", "freed"}
    given = plain | columns
    for name in whole:
        given[name] = np.array(given[name], dtype=np.int64)
    return Basis(price=np.array(price, dtype=np.int64), volumes=volumes, **given)


def drawn(seed: int, services: int = 4, hospitals: int = 2, groups: int = 2, scale: int = 40) -> Basis:
    """Draw a basis: half its services cheap and full of labour, half dear; families of two; money freed."""
    random = np.random.default_rng(seed)
    price = (random.integers(6, 25, services) * 100).tolist()
    for low in range(0, services - 1, 2):  # a family's prices rise with their rank
        price[low : low + 2] = sorted(price[low : low + 2])
    volumes = random.integers(1, scale, (services, hospitals, groups))
    worth = [int(one * random.uniform(0.7, 1.5)) for one in price]
    return basis_of(
        price,
        volumes,
        cost=worth,
        labour=random.integers(1000, 9000, services),
        difficulty=random.integers(0, 100, services),
        risk=random.integers(0, 100, services),
        family=tuple(f"f{place // 2}" for place in range(services)),
        rank=[place % 2 for place in range(services)],
        freed=random.integers(0, 4 * scale * 100, (hospitals, groups)),
    )


def grid(low: int, high: int, rules: Rules) -> list[int]:
    """Every price on a step, found by trying every fen."""
    found = []
    for fen in range(max(1, low), high + 1):
        step = next(band.step for band in rules.steps if fen < band.below)
        if fen % step == 0:
            found.append(fen)
    return found


def bounds(basis: Basis, rules: Rules, place: int) -> tuple[int, int]:
    """The lowest and highest fen of a service, by the letter of the rules."""
    price = int(basis.price[place])
    band = [one for one in rules.bounds if Fraction(int(basis.labour[place]), 10_000) >= one.labour][-1]
    low, high = int(basis.lowest[place]), int(basis.highest[place])
    least = low if low != NONE else ceil(price * (1 - band.down))
    most = high if high != NONE else floor(price * (1 + band.up))
    return least, most


@cache
def weighed(away: int, centre: int, bands: tuple[Band, ...]) -> int:
    """A deviation weighed band by band, walking a fen at a time."""
    return sum(
        next((band.weight for band in bands if at < int(centre * band.to)), bands[-1].weight)
        for at in range(away)
    )


class Reckoning:
    """The sums of a basis, reckoned cell by cell with fractions."""

    def __init__(self, basis: Basis, rules: Rules, target: list[int]) -> None:
        self.basis, self.rules, self.target = basis, rules, target
        self.cells = [
            (i, h, g, int(v))
            for (i, h, g), v in np.ndenumerate(basis.volumes)
            if v
        ]  # fmt: skip

    def rate(self, hospital: int, group: int) -> Fraction:
        tier, name = self.basis.hospital_tiers[hospital], self.basis.groups[group]
        return Fraction(self.rules.rates[tier][name], 10_000)

    def freed(self, hospital: int, group: int) -> Fraction:
        return int(self.basis.freed[hospital, group]) * self.rules.returned

    def sums(self, prices: list[int]) -> dict[tuple[str, str], Fraction]:
        """What remains in each row, fen."""
        basis = self.basis
        found: dict[tuple[str, str], Fraction] = {}

        def add(kind: str, key: str, amount: Fraction) -> None:
            found[kind, key] = found.get((kind, key), Fraction(0)) + amount

        places = itertools.product(range(len(basis.hospitals)), range(len(basis.groups)))
        moved = [(h, g, v * (prices[i] - int(basis.price[i]))) for i, h, g, v in self.cells]
        moved += [(h, g, -self.freed(h, g)) for h, g in places]
        for h, g, amount in moved:
            rate = self.rate(h, g)
            add("revenue", "", Fraction(amount))
            add("fund", "", amount * rate)
            add("hospital", basis.hospitals[h], Fraction(amount))
            add("tier", basis.hospital_tiers[h], Fraction(amount))
            add("group", basis.groups[g], amount * (1 - rate))
        return found

    def today(self) -> dict[tuple[str, str], Fraction]:
        basis = self.basis
        found: dict[tuple[str, str], Fraction] = {}
        for i, h, g, v in self.cells:
            amount, rate = v * int(basis.price[i]), self.rate(h, g)
            for key, part in (
                (("hospital", basis.hospitals[h]), Fraction(amount)),
                (("tier", basis.hospital_tiers[h]), Fraction(amount)),
                (("group", basis.groups[g]), amount * (1 - rate)),
            ):
                found[key] = found.get(key, Fraction(0)) + part
        return found

    def keeps(self, prices: list[int]) -> bool:
        """Whether prices keep neutrality, limits and the order of families."""
        left, today, basis = self.sums(prices), self.today(), self.basis
        if abs(left["revenue", ""]) > self.rules.tolerance or abs(left["fund", ""]) > self.rules.tolerance:
            return False
        for a, b in itertools.combinations(range(len(prices)), 2):
            for low, high in ((a, b), (b, a)):
                same = basis.family[low] and basis.family[low] == basis.family[high]
                if same and basis.rank[low] < basis.rank[high] and prices[low] > prices[high]:
                    return False
        for (kind, key), amount in left.items():
            limit = self.rules.limits.get(kind)
            if limit is None:
                continue
            most = limit.most * today.get((kind, key), 0)
            if amount > most or (kind != "group" and -amount > most):
                return False
        return True

    def cost(self, prices: list[int]) -> Fraction:
        """What prices cost, in weighted fen times a hundred."""
        near, total = self.rules.closeness, Fraction(0)
        for i, price in enumerate(prices):
            old, aim = int(self.basis.price[i]), self.target[i]
            weight = int(self.basis.volumes[i].sum()) + self.rules.least_volume
            total += (100 - near) * weight * weighed(abs(price - old), old, self.rules.bands)
            total += near * weight * weighed(abs(price - aim), aim, self.rules.bands)
        today = self.today()
        for (kind, key), amount in self.sums(prices).items():
            limit = self.rules.limits.get(kind)
            if limit is not None:
                free = limit.free * today.get((kind, key), 0)
                out = max(Fraction(0), amount - free, (-amount - free) if kind != "group" else Fraction(0))
                total += 100 * limit.weight * out
        return total

    def every(self) -> Iterator[list[int]]:
        """Every choice of prices on steps within bounds."""
        choices = [grid(*bounds(self.basis, self.rules, i), self.rules) for i in range(len(self.basis.codes))]
        return (list(one) for one in itertools.product(*choices))


LIMITS = {
    "hospital": Limit(Fraction(1, 100), Fraction(6, 100), 2),
    "tier": Limit(Fraction(1, 200), Fraction(5, 100), 2),
    "group": Limit(Fraction(0), Fraction(6, 100), 4),
}


def city_rules(**changes: Any) -> Rules:
    """The rules that come with the programme, changed."""
    return replace(default_rules(), **changes)
