"""Relative weights of groups from the history of cases: trimmed, over years, normalised to a mean of one.

Source: NHSA, CHS-DRG technical specification (2019): the weight of a group is the mean charge of its cases
over the mean charge of all cases. Trimming: Tukey's fences or k standard deviations on the log charge, as the
charges of a group are near log-normal (J. Tukey, Exploratory Data Analysis, 1977).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt
from typing import Any

import pyarrow as pa

from salus.engine.contract import Engine
from salus.insurance.payment.amounts import PARTS
from salus.insurance.payment.parameters import Weighting
from salus.insurance.payment.reading import job
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen

SCHEMA = pa.schema(
    [
        ("drg", pa.string()),
        ("adrg", pa.string()),
        ("weight", pa.int64()),
        ("status", pa.string()),
        ("cases", pa.int64()),
        ("kept", pa.int64()),
        ("below", pa.int64()),
        ("above", pa.int64()),
        ("low", pa.int64()),
        ("high", pa.int64()),
        ("mean", pa.int64()),
        ("cv", pa.int64()),
    ]
)
"""A row a group: `weight`, `cv` in ten-thousandths; bounds and mean charge in fen; `status` says where the
weight is from: `own`, `adrg` (too few or unsteady cases: the adjacent group's mean) or `by_item` (none)."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The charges (fen) that count towards a group's mean, both included."""

    low: int
    high: int


def bounds(row: Mapping[str, Any], rule: Weighting) -> Bounds:
    """Return the bounds of a group from a row of the job `spread`, exactly: no rounding decides a case.

    Tukey's fences on the logarithm are powers of the quartiles: ln q1 - k (ln q3 - ln q1) is the logarithm of
    q1 (q1 / q3)^k, and quantiles of a rising function are the function of the quantiles.
    """
    if rule.trim == "none":
        return Bounds(0, _BEYOND)
    if rule.trim == "iqr":
        q1, q3 = int(row["q1"]), int(row["q3"])
        # low^d * q3^n >= q1^(n + d) for k = n / d; the least such low, and the largest such high
        n, d = rule.k.numerator, rule.k.denominator
        low = _root_up(Fraction(q1 ** (n + d), q3**n), d)
        high = _root_down(Fraction(q3 ** (n + d), q1**n), d)
        return Bounds(low, min(high, _BEYOND))
    count, total, squares = int(row["cases"]), int(row["logs"]), int(row["squares"])
    if count < 2:
        return Bounds(0, _BEYOND)
    with localcontext() as context:
        context.prec = 40
        mean = Decimal(total) / count / _MICRO
        variance = Decimal(count * squares - total * total) / (count * (count - 1)) / (_MICRO * _MICRO)
        reach = variance.sqrt() * rule.k.numerator / rule.k.denominator
        # ln was rounded to millionths: half of one more keeps a group of equal charges whole
        slack = Decimal("0.0000005")
        low = int((mean - reach - slack).exp().to_integral_value("ROUND_CEILING"))
        high = int((mean + reach + slack).exp().to_integral_value("ROUND_FLOOR"))
    return Bounds(low, min(high, _BEYOND))


_MICRO = 1_000_000
_BEYOND = 10**15  # fen; more than any charge that is read


def _root_down(value: Fraction, degree: int) -> int:
    """Return the largest whole number whose power is at most the value."""
    if degree == 1:
        return value.numerator // value.denominator
    if degree == 2:
        return isqrt(value.numerator // value.denominator)
    whole = value.numerator // value.denominator
    low, high = 0, 1 << (whole.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= whole else (low, middle - 1)
    return low


def _root_up(value: Fraction, degree: int) -> int:
    """Return the least whole number whose power is at least the value."""
    down = _root_down(value, degree)
    return down if Fraction(down**degree) == value else down + 1


def weigh(engine: Engine, rule: Weighting, ungrouped: Sequence[str] = ()) -> pa.Table:
    """Return the weights of the groups of the engine's table `cases`; see `SCHEMA`.

    Groups whose code has one of the endings `ungrouped` hold no like cases and get no weight. Years count by
    `rule.year_weights`, the latest year by the last; a group's mean is the mean of its years' means under
    these. Weights are scaled so that the latest year's kept cases weigh one on average.

    Raises:
        Invalid: no group has enough cases.
    """
    spreads = job("spread").run(engine).to_pylist()
    limits = {row["drg"]: bounds(row, rule) for row in spreads if row["drg"]}
    engine.register("bounds", _bounds_table(limits))
    history = job("history").run(engine).to_pylist()
    found = {row["drg"]: int(row["cases"]) for row in spreads}
    return weighed(history, limits, found, rule, ungrouped)


def _bounds_table(limits: Mapping[str, Bounds]) -> pa.Table:
    return pa.table(
        {
            "drg": pa.array(list(limits), pa.string()),
            "low": pa.array([limit.low for limit in limits.values()], pa.int64()),
            "high": pa.array([limit.high for limit in limits.values()], pa.int64()),
        }
    )


def weighed(
    history: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Bounds],
    found: Mapping[str, int],
    rule: Weighting,
    ungrouped: Sequence[str] = (),
) -> pa.Table:
    """Return the weights from rows of the job `history`; exact but for the last rounding to four decimals."""
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    families: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in history:
        groups[row["drg"]].append(row)
        if row["adrg"]:
            families[row["adrg"]].append(row)
    latest = max((row["year"] for row in history), default=0)
    means: dict[str, tuple[Fraction, str]] = {}
    spread: dict[str, int] = {}
    for drg, rows in groups.items():
        spread[drg] = _cv(rows)
        if drg.endswith(tuple(ungrouped)):
            continue
        steady = _count(rows) >= max(1, rule.min_cases) and spread[drg] <= rule.max_cv
        family = families.get(rows[0]["adrg"], [])
        if steady and (mean := _mean(rows, latest, rule)):
            means[drg] = (mean, "own")
        elif (
            rule.small_groups == "adrg"
            and _count(family) >= max(1, rule.min_cases)
            and _cv(family) <= rule.max_cv
            and (mean := _mean(family, latest, rule))
        ):
            means[drg] = (mean, "adrg")
    if not means:
        raise Invalid(
            "weights-no-group",
            "No group has enough steady cases for a weight",
            fix="Give more years, or lower min_cases",
        )
    unit = _unit(groups, means, latest)
    lines = []
    for drg in sorted(groups):
        rows = groups[drg]
        mean, status = means.get(drg, (None, "by_item"))
        lines.append(
            {
                "drg": drg,
                "adrg": rows[0]["adrg"],
                "weight": None if mean is None else max(1, round_fen(mean / unit * PARTS)),
                "status": status,
                "cases": found[drg],
                "kept": _count(rows),
                "below": sum(int(row["below"]) for row in rows),
                "above": sum(int(row["above"]) for row in rows),
                "low": limits[drg].low,
                "high": limits[drg].high,
                "mean": None if mean is None else round_fen(mean),
                "cv": spread[drg],
            }
        )
    return pa.Table.from_pylist(lines, SCHEMA)


def _count(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(row["cases"]) for row in rows)


def _mean(rows: Sequence[Mapping[str, Any]], latest: int, rule: Weighting) -> Fraction | None:
    """Return the mean charge over years, each by its weight; years before the first weight do not count."""
    years: dict[int, tuple[int, int]] = {}
    for row in rows:
        count, total = years.get(row["year"], (0, 0))
        years[row["year"]] = (count + int(row["cases"]), total + int(row["charges"]))
    top = bottom = Fraction(0)
    for year, (count, total) in years.items():
        back = latest - year
        weight = rule.year_weights[-1 - back] if back < len(rule.year_weights) else 0
        if weight and count:
            top += weight * Fraction(total, count)
            bottom += weight
    return top / bottom if bottom else None


def _cv(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the coefficient of variation of the kept charges, in ten-thousandths, rounded down."""
    count, total = _count(rows), sum(int(row["charges"]) for row in rows)
    squares = sum(int(row["squares"]) for row in rows)
    if count < 2 or not total:
        return 0
    variance = Fraction(count * squares - total * total, count * (count - 1))
    ratio = variance * count * count * PARTS * PARTS / (total * total)
    return isqrt(ratio.numerator // ratio.denominator)


def _unit(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    means: Mapping[str, tuple[Fraction, str]],
    latest: int,
) -> Fraction:
    """Return the charge that a weight of one stands for: the mean over the latest year's kept cases."""
    cases = 0
    total = Fraction(0)
    for drg, (mean, _) in means.items():
        count = sum(int(row["cases"]) for row in groups[drg] if row["year"] == latest)
        cases += count
        total += mean * count
    if not cases:  # every group with a weight is of earlier years alone
        cases = sum(_count(groups[drg]) for drg in means)
        total = sum((mean * _count(groups[drg]) for drg, (mean, _) in means.items()), Fraction(0))
    return total / cases
