"""The winners of one group: counted, ranked, shortlisted, the too dear left out; every bid gets its reason.

Source: the published rules named in `rules/tender_rulesets.toml`; nothing of them stands here but their form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Any

from salus.insurance.tender.rules import RuleSet
from salus.insurance.tender.units import Strength
from salus.kernel.commit_reveal import draws
from salus.kernel.errors import Invalid
from salus.kernel.money import Fen

WINNER = "winner"
REASONS = {
    "winner": "Shortlisted, and within the price limit",
    "not-qualified": "A qualification criterion is not met",
    "above-ceiling": "The price is above the ceiling",
    "beyond-number": "More bids were cheaper than there may be winners",
    "above-multiple": "Dearer than the allowed multiple of the lowest price, and no exception holds",
}
"""Why a bid won or did not: the codes of decisions, in words."""


@dataclass(frozen=True, slots=True)
class Group:
    """What is bought together; the ceiling and the price up to now are fen for the reference pack.

    `reference` is the strength and `pack` the number of units that these prices are stated for.
    """

    code: str
    reference: Strength
    pack: int = 1
    ceiling: Fen | None = None
    old_price: Fen | None = None

    def unit_ceiling(self) -> Fraction | None:
        """Return the ceiling in fen a reference unit."""
        return None if self.ceiling is None else Fraction(self.ceiling, self.pack)


@dataclass(frozen=True, slots=True)
class Bid:
    """One supplier's offer for a group: fen for a pack of so many units of a strength.

    `unmet` names the qualification criteria that are not met; `demand` is what institutions reported of
    this supplier's product, `capacity` what it can make a year, both in reference units; `regions` are the
    supplier's wishes, the dearest wish first.
    """

    supplier: str
    strength: Strength
    pack: int
    price: Fen
    unmet: tuple[str, ...] = ()
    evaluated: date | None = None
    demand: int = 0
    capacity: int | None = None
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one bid, and why.

    `comparable` is fen a reference unit; `rank` counts the valid bids from 1; `limit` is the price that the
    multiple of the lowest allows; `kept_by` says what let a winner through: multiple, cut or unit-price;
    `tie` what decided between it and a bid of the same price.
    """

    supplier: str
    reason: str
    rank: int | None = None
    comparable: Fraction | None = None
    limit: Fraction | None = None
    kept_by: str = ""
    tie: str = ""
    unmet: tuple[str, ...] = ()

    @property
    def won(self) -> bool:
        """Whether the bid won."""
        return self.reason == WINNER


@dataclass(frozen=True, slots=True)
class Outcome:
    """A group's decisions, the winners first in the order of price; what they are promised."""

    group: str
    bidders: int
    allowed: int
    lowest: Fraction | None
    share: Fraction
    years: int
    decisions: tuple[Decision, ...]
    winners: tuple[str, ...] = field(default=())


def comparable_price(bid: Bid, group: Group, rules: RuleSet) -> Fraction:
    """Return a bid's price in fen a reference unit, rounded (half up) only if the rules say to.

    Raises:
        Invalid: the strength cannot be compared with the group's, or the rules give no factor for it.
    """
    if bid.pack < 1 or bid.price < 1:
        raise Invalid("bid-range", "A bid has a price and a pack over zero", where="price")
    exact = Fraction(bid.price, bid.pack) / rules.price_factor(bid.strength.over(group.reference))
    if rules.decimals is None:
        return exact
    scale = 10**rules.decimals
    return Fraction((exact / 100 * scale + Fraction(1, 2)) // 1, scale) * 100


def select_winners(group: Group, bids: Iterable[Bid], rules: RuleSet, *, seed: str | None = None) -> Outcome:
    """Decide a group; the order in which the bids are given makes no difference.

    Args:
        group: what is bought.
        bids: one a supplier.
        rules: the published rules.
        seed: 64 hex digits for drawing lots between bids that nothing else tells apart.

    Raises:
        Invalid: a supplier bids twice, a price cannot be compared, or lots must be drawn without a seed.
    """
    given = sorted(bids, key=lambda bid: bid.supplier)
    for one, other in zip(given, given[1:], strict=False):
        if one.supplier == other.supplier:
            raise Invalid(
                "bid-twice", "A supplier bids twice for one group", where=f"{group.code} {one.supplier}"
            )
    prices = {bid.supplier: comparable_price(bid, group, rules) for bid in given}
    ceiling = group.unit_ceiling()
    qualified = [bid for bid in given if not bid.unmet]
    valid = [bid for bid in qualified if ceiling is None or prices[bid.supplier] <= ceiling]
    ranked, ties = _ranked(valid, prices, group, rules, seed)
    bidders = len(valid) if rules.counted == "valid" else len(qualified)
    allowed = rules.winners_allowed(bidders)
    lowest = prices[ranked[0].supplier] if ranked else None
    limit = None if lowest is None or rules.exclusion is None else rules.exclusion.multiple * lowest
    decisions: list[Decision] = []
    places = 0
    for rank, bid in enumerate(ranked, 1):
        price = prices[bid.supplier]
        kept = _kept_by(price, limit, ceiling, rules)
        within = places < allowed
        if rules.exclude_first:
            reason = "above-multiple" if not kept else WINNER if within else "beyond-number"
            places += bool(kept)
        else:
            reason = "beyond-number" if not within else WINNER if kept else "above-multiple"
            places += 1
        decisions.append(
            Decision(
                bid.supplier,
                reason,
                rank,
                price,
                limit,
                kept if reason == WINNER else "",
                ties.get(bid.supplier, ""),
            )  # fmt: skip
        )
    for bid in given:
        if bid.unmet:
            decisions.append(Decision(bid.supplier, "not-qualified", None, None, unmet=bid.unmet))
        elif bid not in valid:
            decisions.append(Decision(bid.supplier, "above-ceiling", None, prices[bid.supplier], ceiling))
    winners = tuple(one.supplier for one in decisions if one.won)
    term = rules.term(len(winners))
    return Outcome(
        group.code, bidders, allowed, lowest, term.share if term else Fraction(0), term.years if term else 0,
        tuple(sorted(decisions, key=lambda one: not one.won)), winners,
    )  # fmt: skip


def _kept_by(price: Fraction, limit: Fraction | None, ceiling: Fraction | None, rules: RuleSet) -> str:
    """Return what lets a price through beside the lowest; an empty text when nothing does."""
    exclusion = rules.exclusion
    if exclusion is None or limit is None or price <= limit:
        return "multiple"
    if exclusion.cut is not None and ceiling and ceiling - price >= exclusion.cut * ceiling:
        return "cut"
    if exclusion.unit_price is not None and price <= exclusion.unit_price:
        return "unit-price"
    return ""


def _ranked(
    bids: Sequence[Bid], prices: dict[str, Fraction], group: Group, rules: RuleSet, seed: str | None
) -> tuple[list[Bid], dict[str, str]]:
    """Return bids in the order of price, ties decided by the rules, and what decided each tie."""
    found: list[Bid] = []
    decided: dict[str, str] = {}
    by_price = sorted(bids, key=lambda bid: prices[bid.supplier])
    for _price, equals in groupby(by_price, key=lambda bid: prices[bid.supplier]):
        found += _untie(list(equals), rules.ties, group, seed, decided)
    return found, decided


def _untie(
    bids: list[Bid], ties: Sequence[str], group: Group, seed: str | None, decided: dict[str, str]
) -> list[Bid]:
    if len(bids) == 1:
        return bids
    if not ties:
        raise Invalid("tie-open", "The rules leave bids of one price undecided", where=group.code)
    name, rest = ties[0], ties[1:]
    if name == "draw":
        if seed is None:
            raise Invalid(
                "tie-draw",
                "Lots must be drawn between bids of one price",
                where=group.code,
                fix="Give a seed",
            )
        lots = draws.order(seed, [f"{group.code}/{bid.supplier}" for bid in bids])
        place = {name: number for number, name in enumerate(lots)}
        decided.update({bid.supplier: "draw" for bid in bids})
        return sorted(bids, key=lambda bid: place[f"{group.code}/{bid.supplier}"])
    found: list[Bid] = []
    for _key, equals in groupby(sorted(bids, key=_TIE_KEYS[name]), key=_TIE_KEYS[name]):
        same = list(equals)
        if len(same) < len(bids):
            decided.update({bid.supplier: name for bid in same})
        found += _untie(same, rest, group, seed, decided)
    return found


def _by_demand(bid: Bid) -> int:
    return -bid.demand


def _by_capacity(bid: Bid) -> int:
    return -(bid.capacity or 0)


def _by_evaluation(bid: Bid) -> date:
    return bid.evaluated or date.max


_TIE_KEYS: dict[str, Callable[[Bid], Any]] = {
    "demand": _by_demand,
    "evaluated": _by_evaluation,
    "capacity": _by_capacity,
}
