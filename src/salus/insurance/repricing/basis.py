"""What a re-pricing starts from: services, how often they are done where for whom, and the money freed."""

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from salus.kernel.errors import Invalid

Integers = npt.NDArray[np.int64]
NONE = -1
"""In `lowest`, `highest` and `target`: not given."""
WHOLE = 10_000
"""Ten-thousandths in one."""
LARGEST = 10**12
"""Fen; no price or amount is larger, so that sums of products stay whole numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """A year of services; n services, h hospitals, g insured groups.

    Attributes:
        codes, names, departments: of the services, n texts each.
        tiers: the hospital tier whose price it is, or "" for every tier's; n texts.
        price, cost: fen, n each.
        labour: ten-thousandths of the cost that are labour, n.
        difficulty, risk: 0 to 100, n.
        family, rank: within a family a price is not below one of lower rank; "" is no family.
        lowest, highest: fen that the new price must keep to, NONE where the rules say; n.
        target: fen aimed at, NONE where it follows from labour, difficulty and risk; n.
        hospitals, hospital_tiers, groups: texts, h, h and g.
        volumes: how often each was done in a year, (n, h, g).
        freed: fen that mark-ups or procurement took from each hospital's patients of a group, (h, g).
        freed_fund: what of it the fund used to pay, (h, g); None for the rate that the fund pays of services.
    """

    codes: tuple[str, ...]
    price: Integers
    volumes: Integers
    hospitals: tuple[str, ...]
    hospital_tiers: tuple[str, ...]
    groups: tuple[str, ...]
    freed: Integers
    cost: Integers
    labour: Integers
    difficulty: Integers
    risk: Integers
    lowest: Integers
    highest: Integers
    target: Integers
    rank: Integers
    family: tuple[str, ...]
    names: tuple[str, ...]
    departments: tuple[str, ...]
    tiers: tuple[str, ...]
    freed_fund: Integers | None = None
    name: str = field(default="")

    def __post_init__(self) -> None:
        n, h, g = len(self.codes), len(self.hospitals), len(self.groups)
        if not (n and h and g):
            raise Invalid("reprice-empty", "There must be at least one service, hospital and group")
        shapes: dict[str, tuple[int, ...]] = {"volumes": (n, h, g), "freed": (h, g), "freed_fund": (h, g)}
        for one in fields(self):
            value: Any = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                if value.dtype != np.int64:
                    raise Invalid("reprice-type", "Amounts and volumes are whole numbers", where=one.name)
                if value.shape != shapes.get(one.name, (n,)):
                    raise Invalid("reprice-shape", "An array has the wrong shape", where=one.name)
                if value.size and (value.min() < NONE or value.max() > LARGEST):
                    raise Invalid(
                        "reprice-range", "A number is negative or out of proportion", where=one.name
                    )
        for name in ("names", "departments", "tiers", "family"):
            if len(getattr(self, name)) != n:
                raise Invalid("reprice-shape", "A list has the wrong length", where=name)
        if len(self.hospital_tiers) != h:
            raise Invalid("reprice-shape", "Each hospital has a tier", where="hospital_tiers")
        keys = [*zip(self.codes, self.tiers, strict=True)]
        if len(set(keys)) != n:
            raise Invalid("reprice-duplicate", "A service stands twice", where="codes")
        for name in ("price", "volumes", "freed", "cost"):
            if getattr(self, name).min() < 0:
                raise Invalid("reprice-range", "A number is negative", where=name)
        if self.price.min() == 0:
            raise Invalid("reprice-free", "A service without a price cannot be re-priced", where="price")

    @property
    def totals(self) -> Integers:
        """How often each service was done, n."""
        found: Integers = self.volumes.sum(axis=(1, 2))
        return found

    @property
    def revenue(self) -> int:
        """What the services brought in at today's prices, fen."""
        return sum(int(v) * int(p) for v, p in zip(self.totals, self.price, strict=True))

    def label(self, place: int) -> str:
        """Return what names a service in a message: its code, and its tier where it has one."""
        tier = self.tiers[place]
        return f"{self.codes[place]} ({tier})" if tier else self.codes[place]

    def order(self) -> list[tuple[int, int]]:
        """Return the pairs (lower, higher) of services whose prices must not cross.

        Within a family each rank is held against the next; of one service, a tier against the next by name.
        """
        families: dict[tuple[str, str], list[int]] = {}
        same: dict[str, list[int]] = {}
        for place, code in enumerate(self.codes):
            if self.family[place]:
                families.setdefault((self.family[place], self.tiers[place]), []).append(place)
            same.setdefault(code, []).append(place)
        pairs: list[tuple[int, int]] = []
        for members in families.values():
            ranks = sorted({int(self.rank[one]) for one in members})
            for low, high in zip(ranks, ranks[1:], strict=False):
                pairs += [
                    (a, b) for a in members if self.rank[a] == low for b in members if self.rank[b] == high
                ]
        for members in same.values():
            members.sort(key=lambda one: self.tiers[one])
            pairs += [*zip(members, members[1:], strict=False)]
        return pairs
