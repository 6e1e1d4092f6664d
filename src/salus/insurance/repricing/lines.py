"""The sums that a re-pricing watches: revenue, fund, each hospital, tier and group, as exact rows."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from salus.insurance.repricing.basis import WHOLE, Basis, Integers
from salus.insurance.repricing.rules import Limit, Rules
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen

REVENUE, FUND = 0, 1
"""Places of the two rows that must come out neutral."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Rows over the changes of prices, in ten-thousandths of a fen; exact whole numbers.

    Attributes:
        kinds, keys: what each row is of: ("revenue", ""), ("fund", ""), ("hospital", code), ….
        effect: what a fen more of each service changes in each row, (rows, n).
        offset: what the change must make up for (what was freed), rows.
        base: what the row's amount is today, rows.
        low, high: least and most that change less offset may be, rows.
        free_low, free_high: within these it weighs nothing, rows.
        weight: what a fen outside weighs, rows.
    """

    kinds: tuple[str, ...]
    keys: tuple[str, ...]
    effect: Integers
    offset: tuple[int, ...]
    base: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    free_low: tuple[int, ...]
    free_high: tuple[int, ...]
    weight: tuple[int, ...]

    def name(self, row: int) -> str:
        """Return what names a row: its kind, and which one."""
        return f"{self.kinds[row]} {self.keys[row]}".strip()

    def left(self, change: Integers) -> list[int]:
        """Return each row's change less its offset for changes of price in fen.

        Exact, as `within_reach` has seen to it that no sum leaves 64 bits.
        """
        totals: Integers = self.effect @ change
        return [int(total) - offset for total, offset in zip(totals, self.offset, strict=True)]

    def penalty(self, left: list[int]) -> int:
        """Return what lies outside the free ranges, weighed, in ten-thousandths of a fen."""
        return sum(
            weight * (max(0, value - high) + max(0, low - value))
            for value, low, high, weight in zip(left, self.free_low, self.free_high, self.weight, strict=True)
        )

    def kept(self, left: list[int]) -> bool:
        """Tell whether every row lies within its limits."""
        return all(low <= value <= high for value, low, high in zip(left, self.low, self.high, strict=True))


def rates_of(basis: Basis, rules: Rules) -> Integers:
    """Return what the fund pays, in ten-thousandths, by hospital and group.

    Raises:
        Invalid: the rules give no rate for a tier or a group.
    """
    found = np.zeros((len(basis.hospitals), len(basis.groups)), dtype=np.int64)
    for place, tier in enumerate(basis.hospital_tiers):
        for number, group in enumerate(basis.groups):
            rate = rules.rates.get(tier, {}).get(group)
            if rate is None:
                raise Invalid(
                    "reprice-rate", "The rules do not say what the fund pays",
                    where=f"rates.{tier}.{group}", fix="Add the rate to the rules",
                )  # fmt: skip
            found[place, number] = rate
    return found


def freed_fund(basis: Basis, rates: Integers) -> Integers:
    """Return the fund's part of the freed money in ten-thousandths of a fen, by hospital and group."""
    return basis.freed * rates if basis.freed_fund is None else basis.freed_fund * WHOLE


def lines(basis: Basis, rules: Rules) -> Lines:
    """Return the rows of a basis under rules.

    Raises:
        Invalid: a rate is missing, or the sums are too large for whole numbers of 64 bits.
    """
    rates = rates_of(basis, rules)
    worth = float((basis.totals.astype(np.float64) * basis.price).sum()) * WHOLE
    if worth * 4 > 2**62:
        raise Invalid(
            "reprice-range", "The city's revenue is out of proportion", fix="Check volumes and prices"
        )
    fund_freed = freed_fund(basis, rates)
    own_rate = WHOLE - rates
    made = _Rows(basis.price, rules)
    made.add("revenue", "", basis.totals * WHOLE, basis.freed.sum() * WHOLE, None)
    fund = np.einsum("ihg,hg->i", basis.volumes, rates)
    made.add("fund", "", fund, fund_freed.sum(), None)
    by_hospital = basis.volumes.sum(axis=2)
    lost = basis.freed.sum(axis=1)
    for place, code in enumerate(basis.hospitals):
        made.add(
            "hospital", code, by_hospital[:, place] * WHOLE, lost[place] * WHOLE, rules.limits.get("hospital")
        )
    for tier in sorted(set(basis.hospital_tiers)):
        inside = np.array([one == tier for one in basis.hospital_tiers])
        effect = by_hospital[:, inside].sum(axis=1) * WHOLE
        made.add("tier", tier, effect, lost[inside].sum() * WHOLE, rules.limits.get("tier"))
    own = np.einsum("ihg,hg->ig", basis.volumes, own_rate)
    for number, group in enumerate(basis.groups):
        freed = (basis.freed[:, number] * WHOLE - fund_freed[:, number]).sum()
        made.add("group", group, own[:, number], freed, rules.limits.get("group"))
    return made.done()


def within_reach(watched: Lines, furthest: Integers) -> None:
    """Refuse changes up to `furthest` fen whose sums would not be exact in 64 bits.

    Raises:
        Invalid: they are too large.
    """
    most = (watched.effect.astype(np.float64) @ furthest.astype(np.float64)).max()
    if most > 2**62:
        raise Invalid(
            "reprice-range", "Volumes times changes of price are out of proportion", fix="Check both"
        )


class _Rows:
    """Gathers rows."""

    def __init__(self, price: Integers, rules: Rules) -> None:
        self._price, self._rules = price, rules
        self._effect: list[Integers] = []
        self._rows: list[tuple[str, str, int, int, int, int, int, int, int]] = []

    def add(self, kind: str, key: str, effect: Integers, freed: int, limit: Limit | None) -> None:
        base = sum(int(a) * int(p) for a, p in zip(effect, self._price, strict=True))
        if kind in ("revenue", "fund"):
            tolerance = self._rules.tolerance * WHOLE
            low, high, free_low, free_high, weight = -tolerance, tolerance, -tolerance, tolerance, 0
        elif limit is None:
            return
        else:
            most, free = (int(Fraction(base) * share) for share in (limit.most, limit.free))
            open_end = -4 * base - abs(int(freed)) - 1
            low, free_low = (open_end, open_end) if kind == "group" else (-most, -free)
            high, free_high, weight = most, free, limit.weight
        offset = round_fen(self._rules.returned * int(freed))
        self._effect.append(effect)
        self._rows.append((kind, key, offset, base, low, high, free_low, free_high, weight))

    def done(self) -> Lines:
        kinds, keys, offset, base, low, high, free_low, free_high, weight = zip(*self._rows, strict=True)
        return Lines(
            kinds, keys, np.stack(self._effect), offset, base, low, high, free_low, free_high, weight
        )
