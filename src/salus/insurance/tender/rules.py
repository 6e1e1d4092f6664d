"""Rule sets of tenders: read from data, checked, and found by name and day."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid, NotFound

TIES = ("demand", "evaluated", "capacity", "draw")
COUNTED = ("valid", "qualified")
DEFAULT = "national-2021"


@dataclass(frozen=True, slots=True)
class Band:
    """From how many to how many (None: no end), both included."""

    low: int
    high: int | None

    def holds(self, number: int) -> bool:
        """Say whether a number lies in the band."""
        return self.low <= number and (self.high is None or number <= self.high)


@dataclass(frozen=True, slots=True)
class Term:
    """What is promised: the share of the base volume, and for how many years."""

    share: Fraction
    years: int


@dataclass(frozen=True, slots=True)
class Exclusion:
    """When a bid is too dear beside the lowest, and what saves it; None: no such exception.

    `multiple` of the lowest comparable price; `cut` the least fraction of the ceiling; `unit_price` in fen.
    """

    multiple: Fraction
    cut: Fraction | None = None
    unit_price: Fraction | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Published rules of choosing winners; `table` is what they were read from."""

    name: str
    valid_from: date
    valid_to: date | None
    winners: tuple[tuple[Band, int], ...]
    terms: tuple[tuple[Band, Term], ...]
    exclusion: Exclusion | None
    counted: str
    exclude_first: bool
    decimals: int | None
    doubling: Fraction | None
    price_ratios: Mapping[Fraction, Fraction]
    ties: tuple[str, ...]
    picks: int
    second_supplier: bool
    table: Mapping[str, Any] = field(repr=False, compare=False)

    def winners_allowed(self, bidders: int) -> int:
        """Return how many bids at most are shortlisted; none without bidders."""
        return next((number for band, number in self.winners if band.holds(bidders)), 0)

    def term(self, winners: int) -> Term | None:
        """Return what so many winners are promised; None without winners."""
        return next((term for band, term in self.terms if band.holds(winners)), None)

    def price_factor(self, ratio: Fraction) -> Fraction:
        """Return how many times the price of the reference a strength `ratio` times as large may cost.

        Raises:
            Invalid: the ratio is no power of two and the rule set states no factor for it.
        """
        if self.doubling is None or ratio == 1:
            return ratio
        if ratio in self.price_ratios:
            return self.price_ratios[ratio]
        larger, smaller = max(ratio, 1 / ratio), ratio < 1
        if larger.denominator != 1 or larger.numerator & (larger.numerator - 1):
            raise Invalid(
                "price-ratio-unknown",
                f"The rules give no exact price factor for a strength {ratio} times the reference",
                where="strength",
                fix="State it in the rule set: [[ruleset.price_ratios]] ratio, factor",
            )
        factor = self.doubling ** (larger.numerator.bit_length() - 1)
        return 1 / factor if smaller else factor


def _fraction(value: object, where: str) -> Fraction:
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return Fraction(Decimal(str(value))) if "/" not in str(value) else Fraction(str(value))
    except (InvalidOperation, ValueError, OverflowError, ZeroDivisionError):
        raise Invalid(
            "rules-number", "This is no exact number", where=where, fix='Write it as text: "1.8"'
        ) from None


def _bands(rows: object, low: str, high: str, where: str) -> list[tuple[Band, Mapping[str, Any]]]:
    """Read bands and see that they cover 1, 2, 3 … without a gap or an overlap."""
    found: list[tuple[Band, Mapping[str, Any]]] = []
    expected: int | None = 1
    if not isinstance(rows, list) or not rows:
        raise Invalid("rules-bands", "The table of bands is missing", where=where)
    for row in rows:
        start, end = row.get(low), row.get(high)
        if (
            expected is None
            or start != expected
            or (end is not None and (type(end) is not int or end < start))
        ):
            raise Invalid("rules-bands", "The bands must follow each other from 1 without a gap", where=where)
        found.append((Band(start, end), row))
        expected = None if end is None else end + 1
    if expected is not None:
        raise Invalid("rules-bands", "The last band must have no end", where=where)
    return found


def parse_ruleset(table: Mapping[str, Any]) -> RuleSet:
    """Make a rule set of a table as in `rules/tender_rulesets.toml`.

    Raises:
        Invalid: something is missing, unknown, not exact or has a gap; `where` names it.
    """
    name = str(table.get("name", ""))
    if not name:
        raise Invalid("rules-name", "A rule set needs a name", where="ruleset")
    winners = _bands(table.get("winners"), "bidders_from", "bidders_to", f"{name}.winners")
    terms = _bands(table.get("terms"), "winners_from", "winners_to", f"{name}.terms")
    ties = tuple(table.get("ties", ()))
    counted = table.get("bidders_counted", "valid")
    decimals = table.get("comparable_decimals")
    if unknown := [one for one in ties if one not in TIES]:
        raise Invalid("rules-ties", f"There is no such tie rule: {unknown[0]}", where=f"{name}.ties")
    if counted not in COUNTED:
        raise Invalid(
            "rules-counted", "Bidders are counted valid or qualified", where=f"{name}.bidders_counted"
        )
    if decimals is not None and (type(decimals) is not int or not 0 <= decimals <= 9):
        raise Invalid("rules-decimals", "Digits are a whole number to 9", where=f"{name}.comparable_decimals")
    for band, row in winners:
        if type(row.get("winners")) is not int or not 1 <= row["winners"] <= band.low:
            raise Invalid(
                "rules-winners", "There are 1 to as many winners as bidders", where=f"{name}.winners"
            )
    read_terms = []
    for band, row in terms:
        share = _fraction(row.get("share"), f"{name}.terms.share") / 100
        if not 0 < share <= 1 or type(row.get("years")) is not int or row["years"] < 1:
            raise Invalid(
                "rules-terms", "A share is over 0 to 100 %, a term whole years", where=f"{name}.terms"
            )
        read_terms.append((band, Term(share, row["years"])))
    strength = table.get("strength_price", "linear")
    ratios = {
        _fraction(row.get("ratio"), f"{name}.price_ratios"): _fraction(
            row.get("factor"), f"{name}.price_ratios"
        )
        for row in table.get("price_ratios", ())
    }
    regions = table.get("regions", {})
    starts, ends = table.get("valid_from"), table.get("valid_to")
    starts = date.fromisoformat(starts) if isinstance(starts, str) else starts
    ends = date.fromisoformat(ends) if isinstance(ends, str) else ends
    if not isinstance(starts, date) or (ends is not None and not isinstance(ends, date)):
        raise Invalid(
            "rules-dates", "A rule set needs the day from which it is valid", where=f"{name}.valid_from"
        )
    return RuleSet(
        name=name, valid_from=starts, valid_to=ends,
        winners=tuple((band, row["winners"]) for band, row in winners), terms=tuple(read_terms),
        exclusion=_exclusion(table.get("exclusion"), name), counted=counted,
        exclude_first=bool(table.get("exclude_first", False)), decimals=decimals,
        doubling=None if strength == "linear" else _fraction(strength, f"{name}.strength_price"),
        price_ratios=ratios, ties=ties, picks=max(1, int(regions.get("picks", 1))),
        second_supplier=bool(regions.get("second_supplier", True)), table=dict(table),
    )  # fmt: skip


def _exclusion(table: Mapping[str, Any] | None, name: str) -> Exclusion | None:
    if table is None:
        return None

    def optional(key: str) -> Fraction | None:
        return None if key not in table else _fraction(table[key], f"{name}.exclusion.{key}")

    cut, price = optional("cut_at_least"), optional("unit_price_at_most")
    return Exclusion(
        multiple=_fraction(table.get("multiple"), f"{name}.exclusion.multiple"),
        cut=None if cut is None else cut / 100,
        unit_price=None if price is None else price * 100,
    )


def load_rulesets(path: Path | None = None) -> dict[str, RuleSet]:
    """Read the rule sets of a TOML file, or those that Salus brings, by name.

    Raises:
        Invalid: the file is no TOML or a rule set is faulty.
    """
    try:
        text = (
            files("salus.insurance").joinpath("rules/tender_rulesets.toml").read_text("utf-8")
            if path is None
            else path.read_text("utf-8")
        )
        tables = tomllib.loads(text).get("ruleset", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("rules-toml", f"The rules are no TOML: {error}", where=str(path)) from None
    if not isinstance(tables, list) or not tables:
        raise Invalid("rules-empty", "The file holds no [[ruleset]]", where=str(path))
    found = [parse_ruleset(table) for table in tables]
    return {one.name: one for one in found}


def ruleset_on(day: date, *, jurisdiction: str = "CN", path: Path | None = None) -> RuleSet:
    """Return the rule set that is valid on a day; raises NotFound when none is."""
    valid = [
        one
        for one in load_rulesets(path).values()
        if one.valid_from <= day
        and (one.valid_to is None or day <= one.valid_to)
        and one.table.get("jurisdiction", "CN") == jurisdiction
    ]
    if not valid:
        raise NotFound("rules-none", "No rule set is valid on this day", where=day.isoformat())
    return max(valid, key=lambda one: one.valid_from)
