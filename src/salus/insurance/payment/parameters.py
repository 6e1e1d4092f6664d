"""Parameters of payment by DRG: named, dated sets, from `rules/payment_parameters.toml` or a city's file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from salus.insurance.payment.amounts import PARTS, parts
from salus.kernel.errors import Invalid, NotFound

Band = tuple[int | None, int]
"""Where a band ends (ten-thousandths; None for no end) and the share in it."""


@dataclass(frozen=True, slots=True)
class Weighting:
    """How weights come from history; `k` is the multiple of the spread, `max_cv` in ten-thousandths."""

    trim: str
    k: Fraction
    year_weights: tuple[int, ...]
    min_cases: int
    max_cv: int
    small_groups: str


@dataclass(frozen=True, slots=True)
class Outlier:
    """When a case of a tier is an outlier and what is paid; ratios in ten-thousandths."""

    tier: str
    low: int
    high: int
    high_share: int
    high_most: int


@dataclass(frozen=True, slots=True)
class Parameters:
    """One set of parameters; ratios are whole ten-thousandths."""

    name: str
    title: str
    valid_from: date
    source: str
    checked: str
    weighting: Weighting
    rate_by: tuple[str, ...]
    reserve: int
    growth: int
    outliers: tuple[Outlier, ...]
    longest: int
    shortest: int
    ungrouped: tuple[str, ...]
    ungrouped_share: int
    fund_side: str
    deposit: int
    prepaid_months: int
    closing: str
    surplus: tuple[Band, ...]
    overspend: tuple[Band, ...]


def parameters(name: str = "rate", *, on: date, path: Path | None = None) -> Parameters:
    """Return the set of a name that is in force on a day: the latest that has begun.

    Raises:
        NotFound: no set of the name is in force.
        Invalid: the file or the set breaks the form.
    """
    sets = _sets(path)
    return _read(_chosen(sets, name, on), sets, on)


def names(path: Path | None = None) -> list[str]:
    """Return the names of the sets, each once, in order."""
    return list(dict.fromkeys(str(one.get("name")) for one in _sets(path)))


def _sets(path: Path | None) -> list[dict[str, Any]]:
    where = str(path.name) if path else "payment_parameters.toml"
    text = (
        path.read_text(encoding="utf-8")
        if path
        else files("salus.insurance").joinpath("rules/payment_parameters.toml").read_text(encoding="utf-8")
    )
    try:
        found = tomllib.loads(text).get("set", [])
    except tomllib.TOMLDecodeError as error:
        raise Invalid("payment-parameters", f"The file is no TOML: {error}", where=where) from None
    if not isinstance(found, list) or not found:
        raise Invalid("payment-parameters", "The file holds no [[set]]", where=where)
    return cast("list[dict[str, Any]]", found)


def _chosen(sets: Sequence[dict[str, Any]], name: str, on: date) -> dict[str, Any]:
    valid = [
        one
        for one in sets
        if one.get("name") == name and isinstance(one.get("valid_from"), date) and one["valid_from"] <= on
        and (not isinstance(one.get("valid_to"), date) or on <= one["valid_to"])
    ]  # fmt: skip
    if not valid:
        known = ", ".join(dict.fromkeys(str(one.get("name")) for one in sets))
        raise NotFound(
            "payment-parameters-none", f"No parameters {name} are in force on {on}", fix=f"There are: {known}"
        )
    return max(valid, key=lambda one: one["valid_from"])


def _read(one: dict[str, Any], sets: Sequence[dict[str, Any]], on: date) -> Parameters:
    name = str(one["name"])
    if base := one.get("base"):
        one = {**_chosen([s for s in sets if s is not one], str(base), on), **one}
    weighting, rate, cases, settlement = (
        _table(one, key, name) for key in ("weights", "rate", "cases", "settlement")
    )
    outliers = tuple(
        Outlier(
            str(row.get("tier", "")),
            *(parts(_value(row, key, name), where=f"{name}.outlier.{key}") for key in _OUTLIER),
        )
        for row in one.get("outlier", [])
    )
    if not any(row.tier == "" for row in outliers):
        raise _invalid(f"{name}.outlier", 'Give one [[set.outlier]] with tier = "" for every other tier')
    if any(row.low >= row.high for row in outliers):
        raise _invalid(f"{name}.outlier", "low must be under high")
    by = tuple(str(key) for key in _value(rate, "by", name))
    if not set(by) <= {"insured", "tier"} or "insured" not in by:
        raise _invalid(f"{name}.rate.by", 'Write ["insured"] or ["insured", "tier"]')
    closing = _word(settlement, "closing", name, ("fixed", "floating"))
    if closing == "floating" and "tier" in by:
        raise _invalid(
            f"{name}.rate.by", "All tiers' points have one value: no tiers with a floating closing"
        )
    years = tuple(int(y) for y in _value(weighting, "year_weights", name))
    if not years or min(years) < 0 or max(years) == 0:
        raise _invalid(f"{name}.weights.year_weights", "Give whole numbers, one of them above zero")
    return Parameters(
        name=name,
        title=str(one.get("title", "")),
        valid_from=one["valid_from"],
        source=str(one.get("source", "")),
        checked=str(one.get("checked", "")),
        weighting=Weighting(
            _word(weighting, "trim", name, ("iqr", "sd", "none")),
            Fraction(parts(_value(weighting, "k", name), where=f"{name}.weights.k"), PARTS),
            years,
            _count(weighting, "min_cases", name),
            parts(_value(weighting, "max_cv", name), where=f"{name}.weights.max_cv"),
            _word(weighting, "small_groups", name, ("adrg", "by_item")),
        ),
        rate_by=by,
        reserve=_part_of_one(rate, "reserve", name),
        growth=parts(_value(rate, "growth", name), where=f"{name}.rate.growth"),
        outliers=outliers,
        longest=_count(cases, "longest", name),
        shortest=_count(cases, "shortest", name),
        ungrouped=tuple(str(end) for end in _value(cases, "ungrouped", name)),
        ungrouped_share=_part_of_one(cases, "ungrouped_share", name),
        fund_side=_word(settlement, "fund_side", name, ("rest", "ratio")),
        deposit=_part_of_one(settlement, "deposit", name),
        prepaid_months=parts(_value(settlement, "prepaid_months", name), where=f"{name}.prepaid_months"),
        closing=closing,
        surplus=bands(one.get("surplus", []), f"{name}.surplus"),
        overspend=bands(one.get("overspend", []), f"{name}.overspend"),
    )


_OUTLIER = ("low", "high", "high_share", "high_most")


def bands(rows: Sequence[Mapping[str, Any]], where: str) -> tuple[Band, ...]:
    """Read bands that rise and end with one without an end; none at all is one band with share 0."""
    found: list[Band] = [
        (parts(row["to"], where=where) if row.get("to") else None, parts(row.get("share", "0"), where=where))
        for row in rows
    ] or [(None, 0)]
    ends = [end for end, _ in found[:-1]]
    if found[-1][0] is not None or None in ends or ends != sorted(set(cast("list[int]", ends))):
        raise _invalid(where, 'Bands must rise, and the last one has to = ""')
    if any(share > PARTS for _, share in found):
        raise _invalid(where, "A share is at most 1")
    return tuple(found)


def _invalid(where: str, message: str) -> Invalid:
    return Invalid("payment-parameters", message, where=where)


def _table(one: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    table = one.get(key)
    if not isinstance(table, dict):
        raise _invalid(f"{name}.{key}", f"The set lacks its table [set.{key}]")
    return table


def _value(table: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in table:
        raise _invalid(f"{name}.{key}", f"The set lacks {key}")
    return table[key]


def _word(table: Mapping[str, Any], key: str, name: str, words: tuple[str, ...]) -> str:
    value = str(_value(table, key, name))
    if value not in words:
        raise _invalid(f"{name}.{key}", f"{key} is one of: {', '.join(words)}")
    return value


def _count(table: Mapping[str, Any], key: str, name: str) -> int:
    value = _value(table, key, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _invalid(f"{name}.{key}", f"{key} is a whole number, not negative")
    return value


def _part_of_one(table: Mapping[str, Any], key: str, name: str) -> int:
    value = parts(_value(table, key, name), where=f"{name}.{key}")
    if value > PARTS:
        raise _invalid(f"{name}.{key}", f"{key} is at most 1")
    return value
