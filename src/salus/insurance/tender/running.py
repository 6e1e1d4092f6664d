"""A whole tender from its files: every group decided and shared out, or nothing when a row is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from salus.insurance.tender import files
from salus.insurance.tender.files import BidRow, DemandRow, Faults, GroupRow
from salus.insurance.tender.qualifying import Criterion, unmet
from salus.insurance.tender.rules import RuleSet
from salus.insurance.tender.saving import Benefit, Saving, savings
from salus.insurance.tender.selecting import Bid, Group, Outcome, comparable_price, select_winners
from salus.insurance.tender.supplying import Agreed, Need, Region, agree_volumes, choose_regions
from salus.insurance.tender.units import common_reference, reference_units
from salus.kernel.errors import Invalid, SalusError


@dataclass(frozen=True, slots=True)
class GroupResult:
    """Everything decided for one group."""

    group: Group
    outcome: Outcome
    bids: tuple[Bid, ...]
    agreed: tuple[Agreed, ...]
    regions: tuple[Region, ...]
    saving: Saving | None


class Refused(Exception):
    """Rows were wrong; `faults` are one typed error each."""

    def __init__(self, faults: Sequence[SalusError]) -> None:
        super().__init__(f"{len(faults)} rows were refused")
        self.faults = list(faults)


def decide_group(
    group: Group,
    bids: Sequence[Bid],
    needs: Iterable[Need],
    rules: RuleSet,
    benefits: Sequence[Benefit],
    *,
    seed: str | None = None,
) -> GroupResult:
    """Decide one group whole: winners, agreed volumes, regions, and the saving when an old price is known.

    The saving counts the agreed volume at the price of the region's main supplier; raises what
    `select_winners` raises.
    """
    outcome = select_winners(group, bids, rules, seed=seed)
    agreed = agree_volumes(needs, outcome.share)
    volumes: dict[str, int] = defaultdict(int)
    for one in agreed:
        volumes[one.region] += one.agreed
    regions = choose_regions(outcome, bids, volumes, rules) if outcome.winners else []
    saving = None
    if group.old_price is not None and outcome.winners and benefits:
        offers = {bid.supplier: bid for bid in bids}
        suppliers = {one.region: one.main for one in regions if one.main}
        prices = {region: _price_paid(offers[supplier], group) for region, supplier in suppliers.items()}
        saving = savings(
            group.code,
            {one.institution: (one.agreed, prices[one.region]) for one in agreed if one.region in prices},
            Fraction(group.old_price, group.pack),
            benefits,
        )
    return GroupResult(group, outcome, tuple(bids), tuple(agreed), tuple(regions), saving)


def _price_paid(bid: Bid, group: Group) -> Fraction:
    """Return what a reference unit really costs, exact: fen a pack over the reference units in it."""
    return Fraction(bid.price, bid.pack) / bid.strength.over(group.reference)


def run(
    bids: Path,
    rules: RuleSet,
    *,
    groups: Path | None = None,
    demand: Path | None = None,
    benefits: Sequence[Benefit] = (),
    criteria: Sequence[Criterion] = (),
    on: date,
    seed: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[GroupResult]:
    """Decide every group of a bids file, in the order of their codes.

    Args:
        bids: CSV as `files.BIDS`.
        rules: the published rules.
        groups: CSV as `files.GROUPS`; without it there is no ceiling and no old price.
        demand: CSV as `files.DEMAND`.
        benefits: schemes for the effect on fund and residents.
        criteria: those whose code is a column of the bids are judged.
        on: the day of the announcement, on which criteria are in force.
        seed: for drawing lots.
        progress: told how many groups are decided, of how many.

    Raises:
        Refused: with one typed error for each row that is wrong.
    """
    faults = Faults()
    rows: list[BidRow] = files.read(bids, "bids", files.bid_row, faults)
    stated: list[GroupRow] = files.read(groups, "groups", files.group_row, faults) if groups else []
    wanted: list[DemandRow] = files.read(demand, "demand", files.demand_row, faults) if demand else []
    by_group: dict[str, list[BidRow]] = defaultdict(list)
    for row in rows:
        by_group[row.group].append(row)
    needed: dict[str, list[DemandRow]] = defaultdict(list)
    for row_of_demand in wanted:
        needed[row_of_demand.group].append(row_of_demand)
    known = {row.group: row for row in stated}
    if len(known) != len(stated):
        faults.add((groups or bids).name, 0, Invalid("group-twice", "A group stands twice"))
    results: list[GroupResult] = []
    codes = sorted(by_group)
    for done, code in enumerate(codes, 1):
        try:
            made = _group(code, by_group[code], needed[code], known.get(code))
            needs = _needs(made, needed[code], demand, faults)
            base = sum(need.units for need in needs)
            offers = _offers(made, by_group[code], criteria, rules, base, on, bids, faults)
            results.append(decide_group(made, offers, needs, rules, benefits, seed=seed))
        except SalusError as error:
            line = by_group[code][0].line
            faults.add(
                bids.name, line, Invalid(error.code, error.message, where=f"group {code}", fix=error.fix)
            )
        if progress:
            progress(done, len(codes))
    if faults.found:
        raise Refused(faults.found)
    return results


def _group(code: str, rows: list[BidRow], needs: list[DemandRow], stated: GroupRow | None) -> Group:
    reference = stated.reference if stated else None
    if reference is None:
        reference = common_reference([*(row.strength for row in rows), *(need.strength for need in needs)])
    if stated is None:
        return Group(code, reference)
    return Group(code, reference, stated.pack, stated.ceiling, stated.old_price)


def _needs(group: Group, rows: list[DemandRow], file: Path | None, faults: Faults) -> list[Need]:
    units: dict[tuple[str, str], int] = defaultdict(int)
    homes: dict[str, str] = {}
    for row in rows:
        try:
            if homes.setdefault(row.institution, row.region) != row.region:
                raise Invalid("region-differs", "An institution is in one region", where="region")
            volume = reference_units(row.strength, row.pack, row.packs, group.reference)
        except SalusError as error:
            faults.add(file.name if file else "demand", row.line, error)
            continue
        units[row.institution, row.region] += volume
    return [Need(institution, region, volume) for (institution, region), volume in sorted(units.items())]


def _offers(
    group: Group, rows: list[BidRow], criteria: Sequence[Criterion], rules: RuleSet, base: int, on: date,
    file: Path, faults: Faults,
) -> list[Bid]:  # fmt: skip
    found: list[Bid] = []
    seen: set[str] = set()
    for row in rows:
        answers: dict[str, Any] = dict(row.answers)
        asked = [one for one in criteria if one.code in answers]
        missing = unmet(answers, asked, on=on, base=base)
        bid = Bid(
            row.supplier, row.strength, row.pack, row.price,
            missing if row.qualified else ("qualified", *missing),
            row.evaluated, row.demand, row.capacity, row.regions,
        )  # fmt: skip
        try:
            comparable_price(bid, group, rules)
            if row.supplier in seen:
                raise Invalid("bid-twice", "A supplier bids twice for one group", where="supplier")
        except SalusError as error:
            faults.add(file.name, row.line, error)
            continue
        seen.add(row.supplier)
        found.append(bid)
    return found
