"""Who supplies where, and how much each institution has agreed to buy. Whole reference units throughout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from salus.insurance.tender.rules import RuleSet
from salus.insurance.tender.selecting import Bid, Outcome
from salus.kernel.money import round_fen, split


@dataclass(frozen=True, slots=True)
class Need:
    """What one institution of a region reported for a year, in reference units."""

    institution: str
    region: str
    units: int


@dataclass(frozen=True, slots=True)
class Agreed:
    """An institution's base volume, cut into what is agreed and what it may buy freely (they add up)."""

    institution: str
    region: str
    base: int
    agreed: int

    @property
    def free(self) -> int:
        """What is left to the institution's own choice."""
        return self.base - self.agreed


@dataclass(frozen=True, slots=True)
class Region:
    """A region with its agreed volume and its suppliers; an empty name where nobody was left to supply."""

    region: str
    units: int
    main: str
    second: str
    pick: int


def agree_volumes(needs: Iterable[Need], share: Fraction) -> list[Agreed]:
    """Cut every institution's reported volume; the parts agreed add up to the share of the whole.

    The share of the whole is rounded to a whole unit (half up) and split by largest remainders, so that no
    institution is more than a unit away from its own share.
    """
    rows = sorted(needs, key=lambda need: (need.region, need.institution))
    total = sum(row.units for row in rows)
    if not total:
        return [Agreed(row.institution, row.region, row.units, 0) for row in rows]
    parts = split(round_fen(share * total), [row.units for row in rows])
    return [
        Agreed(row.institution, row.region, row.units, part) for row, part in zip(rows, parts, strict=True)
    ]


def choose_regions(
    outcome: Outcome, bids: Iterable[Bid], volumes: Mapping[str, int], rules: RuleSet
) -> list[Region]:
    """Let winners choose regions in rounds, the lowest price first, then second suppliers in the same way.

    A winner takes the region it wishes most among those left, then the largest; it passes where the
    capacity it stated does not reach. A region that nobody can take is returned without a supplier.

    Args:
        outcome: the group's winners in the order of price.
        bids: with their wishes and capacities.
        volumes: agreed reference units of each region.
        rules: how many regions a winner takes a round, and whether there is a second supplier.
    """
    by_supplier = {bid.supplier: bid for bid in bids}
    winners = [by_supplier[name] for name in outcome.winners]
    mains, picks = _rounds(winners, volumes, rules.picks, {}, charged=True)
    seconds: dict[str, str] = {}
    if rules.second_supplier and len(winners) > 1:
        supplied = {name: volumes[name] for name in mains}
        seconds, _ = _rounds(winners, supplied, rules.picks, mains, charged=False)
    return [
        Region(name, volumes[name], mains.get(name, ""), seconds.get(name, ""), picks.get(name, 0))
        for name in sorted(volumes, key=lambda name: (picks.get(name, len(volumes) + 1), name))
    ]


def _rounds(
    winners: Sequence[Bid], volumes: Mapping[str, int], picks: int, mains: Mapping[str, str], *, charged: bool
) -> tuple[dict[str, str], dict[str, int]]:
    """Let the winners choose until all is taken or nobody can; returns who took what, and as which pick."""
    taken: dict[str, str] = {}
    numbers: dict[str, int] = {}
    left = {bid.supplier: bid.capacity for bid in winners}
    moved = True
    while moved and len(taken) < len(volumes):
        moved = False
        for bid in winners:
            for _ in range(picks):
                name = _wish(bid, volumes, taken, mains, left[bid.supplier] if charged else None)
                if name is None:
                    break
                taken[name], numbers[name], moved = bid.supplier, len(taken) + 1, True
                capacity = left[bid.supplier]
                if charged and capacity is not None:
                    left[bid.supplier] = capacity - volumes[name]
    return taken, numbers


def _wish(
    bid: Bid, volumes: Mapping[str, int], taken: Mapping[str, str], mains: Mapping[str, str], left: int | None
) -> str | None:
    wishes = {name: place for place, name in reversed(list(enumerate(bid.regions)))}
    able = [
        name
        for name in volumes
        if name not in taken and mains.get(name) != bid.supplier and (left is None or volumes[name] <= left)
    ]
    return min(
        able,
        key=lambda name: (wishes.get(name, len(wishes) + len(bid.regions)), -volumes[name], name),
        default=None,
    )
