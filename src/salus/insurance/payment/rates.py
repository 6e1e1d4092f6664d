"""Base rates from the budget: the money of one unit of weight, by insured group and tier.

Source: NHSA, CHS-DRG technical specification (2019): the budget over the share that the fund paid the year
before gives the year's charges; these over the year's expected weight give the rate of each tier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pyarrow as pa

from salus.engine.contract import Engine
from salus.insurance.payment.amounts import PARTS
from salus.insurance.payment.parameters import Parameters
from salus.insurance.payment.reading import job
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen, share, split

SCHEMA = pa.schema(
    [
        ("insured", pa.string()),
        ("tier", pa.string()),
        ("rate", pa.int64()),
        ("budget", pa.int64()),
        ("cases", pa.int64()),
        ("weight", pa.int64()),
        ("fund_share", pa.int64()),
    ]
)
"""A row a pool: `rate` fen for a weight of one, `budget` of the fund in fen, expected `weight` and the fund's
`fund_share` of charges in ten-thousandths; `tier` is "" where rates do not differ by tier."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The fund's money for a year's stays of an insured group: what is for payment, and what is kept back."""

    insured: str
    total: int
    reserve: int

    @property
    def payable(self) -> int:
        """The budget without the reserve."""
        return self.total - self.reserve


def budgets(given: Mapping[str, int], rule: Parameters) -> dict[str, Budget]:
    """Return each insured group's budget (fen) with its reserve set aside.

    Raises:
        Invalid: a group is unknown or a budget is not above zero.
    """
    for insured, total in given.items():
        if insured not in ("resident", "employee"):
            raise Invalid("budget-insured", f"{insured} is no insured group", fix="resident or employee")
        if total <= 0:
            raise Invalid("budget-amount", "A budget must be above zero", where=insured)
    reserve = Fraction(rule.reserve, PARTS)
    return {insured: Budget(insured, total, share(total, reserve)) for insured, total in given.items()}


def base_rates(
    engine: Engine, weights: pa.Table, factors: pa.Table, budget: Mapping[str, Budget], rule: Parameters
) -> pa.Table:
    """Return the base rates for the budgets, from the engine's `cases` as the expected year; see `SCHEMA`.

    Args:
        engine: holds the cases of the year before in `cases`.
        weights: as `weights.SCHEMA`.
        factors: institution, factor (ten-thousandths); an institution that is not named has 1.
        budget: of each insured group that has cases.
        rule: the parameters.

    Raises:
        Invalid: a group with cases has no budget, or a pool has no case with a weight.
    """
    return rated(totals(engine, weights, factors, rule), budget, rule)


def totals(engine: Engine, weights: pa.Table, factors: pa.Table, rule: Parameters) -> list[dict[str, Any]]:
    """Return the rows of the job `totals` over the engine's `cases`."""
    rows: list[dict[str, Any]] = job("totals").run(
        engine,
        {"weights": weights.select(["drg", "weight"]), "factors": factors},
        {"by_tier": int("tier" in rule.rate_by), "shortest": rule.shortest, "longest": rule.longest},
    ).to_pylist()  # fmt: skip
    return rows


def rated(rows: Sequence[Mapping[str, Any]], budget: Mapping[str, Budget], rule: Parameters) -> pa.Table:
    """Return the rates from rows of the job `totals`."""
    lines: list[dict[str, Any]] = []
    for insured in sorted({row["insured"] for row in rows}):
        if insured not in budget:
            raise Invalid(
                "budget-missing", f"There are cases of {insured} and no budget for them", fix="Give one"
            )
        pools = [row for row in rows if row["insured"] == insured]
        # each tier takes of the budget what it took of the fund's payments in the year before
        took = [int(row["fund"]) for row in pools]
        parts = split(budget[insured].payable, took if any(took) else [int(row["charges"]) for row in pools])
        for row, part in zip(pools, parts, strict=True):
            where = f"{insured} {row['tier']}".strip()
            weight, charges, fund = int(row["weights"]), int(row["charges"]), int(row["fund"])
            if not weight or not fund:
                raise Invalid(
                    "rate-no-weight",
                    "A pool has no case with a weight, or the fund paid nothing",
                    where=where,
                )
            charges_next = Fraction(part * charges, fund)
            # what is paid by item is paid first; it takes of the charges what it took in the year before
            by_weight = charges_next * int(row["weighed_charges"]) / charges
            expected = Fraction(weight * rule.growth, PARTS)
            lines.append(
                {
                    "insured": insured,
                    "tier": row["tier"],
                    "rate": round_fen(by_weight * PARTS / expected),
                    "budget": part,
                    "cases": int(row["cases"]),
                    "weight": round_fen(expected),
                    "fund_share": round_fen(Fraction(fund * PARTS, charges)),
                }
            )
    return pa.Table.from_pylist(lines, SCHEMA)
