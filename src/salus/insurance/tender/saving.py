"""What a tender saves: volume times the fall of the price, and how much of it the fund and residents keep."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files

from salus.kernel.money import Fen, percent, round_fen, split


@dataclass(frozen=True, slots=True)
class Benefit:
    """A scheme's part of what is used (`use`) and the fund's part of its payments (`fund`), as ratios."""

    scheme: str
    use: Fraction
    fund: Fraction


@dataclass(frozen=True, slots=True)
class Saving:
    """A group's saving in fen: the whole, by institution, by scheme, and who keeps it; each adds up."""

    group: str
    units: int
    total: Fen
    by_institution: Mapping[str, Fen]
    by_scheme: Mapping[str, Fen]
    fund: Fen
    residents: Fen


def load_benefits() -> tuple[Benefit, ...]:
    """Read the schemes' shares that Salus brings (`rules/tender_benefits.csv`); a city states its own."""
    text = files("salus.insurance").joinpath("rules/tender_benefits.csv").read_text("utf-8")
    return tuple(
        Benefit(row["scheme"], percent(row["use_share"]), percent(row["fund_share"]))
        for row in csv.DictReader(text.splitlines())
    )


def savings(
    group: str,
    volumes: Mapping[str, tuple[int, Fraction]],
    old_price: Fraction,
    benefits: Sequence[Benefit],
) -> Saving:
    """Return what a group saves; it is negative where the price rose.

    The saving is Σ volume × (old − new), exact, rounded to a fen once; every split adds up to it.

    Args:
        group: the group's code.
        volumes: reference units bought by each institution, and the new price in fen a reference unit.
        old_price: fen a reference unit up to now.
        benefits: schemes with their part of use; their parts need not add up to one.
    """
    exact = {name: units * (old_price - new) for name, (units, new) in volumes.items()}
    total = round_fen(sum(exact.values(), Fraction(0)))
    parts = _whole(exact, total)
    schemes = dict(
        zip((one.scheme for one in benefits), split(total, [one.use for one in benefits]), strict=True)
    )
    fund = sum(split(schemes[one.scheme], [one.fund, 1 - one.fund])[0] for one in benefits)
    return Saving(
        group, sum(units for units, _ in volumes.values()), total, parts, schemes, fund, total - fund
    )


def _whole(exact: Mapping[str, Fraction], total: Fen) -> dict[str, Fen]:
    """Round parts that may be gains or losses so that they add up: floors, then the largest remainders."""
    parts = {name: value.__floor__() for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (parts[name] - exact[name], name))
    for name in order[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
