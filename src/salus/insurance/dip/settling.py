"""Settlement by DIP points: scores, deviation, factors, and the money of a point.

Source: NHSA, DIP technical specification (2020), settlement; deviation as published for Guangzhou (2018): a
case under half of the mean counts by its actual multiple, one over twice the mean by its multiple less one.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.dip.parameters import Catalogues, DipParameters
from salus.insurance.payment.amounts import PARTS
from salus.insurance.payment.rates import Budget
from salus.insurance.payment.reading import job
from salus.kernel.errors import Invalid
from salus.kernel.money import round_fen

_PACKAGE = "salus.insurance.dip"
METHODS = {
    "by_points": "within the limits: the group's score",
    "under": "the charge is under the lower limit: the score times charge over mean",
    "over": "the charge is over the upper limit: the score times (charge over mean less limit plus one)",
    "no_group": "the catalogue has no group for the case: paid by item",
}
"""Each way in which a case comes to its points."""


def count_points(
    engine: Engine,
    groups: pa.Table,
    means: pa.Table,
    rule: DipParameters,
    catalogues: Catalogues,
    *,
    progress: Progress | None = None,
) -> None:
    """Give each of the engine's `cases` (grouped in `assigned`) its points; registered as `pointed`.

    `groups` and `means` are those of `grouping.build`.
    """
    pointed = job("points", _PACKAGE).run(
        engine,
        {
            "scores": groups.select(["dip", "score", "mean"]),
            "means": means.select(["dip", "tier", "mean"]),
            "tiers": catalogues.tiers,
            "ages": catalogues.ages,
            "severities": catalogues.severities,
        },
        {"low": rule.low, "high": rule.high},
        progress=progress,
    )
    engine.register("pointed", pointed)


def point_values(engine: Engine, budget: Mapping[str, Budget], rule: DipParameters) -> pa.Table:
    """Return the money of 1,000 points (fen) by insured group, from the engine's `pointed`.

    The budget without its reserve, over the share of the charges that the fund pays, less what is paid by
    item, over all points: the settlement point value of the specification.

    Raises:
        Invalid: an insured group has no budget, no points, or nothing is left for points.
    """
    rows: list[dict[str, Any]] = []
    for pool in job("pools", _PACKAGE).run(engine).to_pylist():
        insured = pool["insured"]
        if insured not in budget:
            raise Invalid(
                "budget-missing", f"There are cases of {insured} and no budget for them", fix="Give one"
            )
        if not pool["points"] or not pool["fund"]:
            raise Invalid("points-none", "No case has points, or the fund paid nothing", where=insured)
        charges = Fraction(budget[insured].payable * pool["charges"], pool["fund"])
        left = charges - pool["fixed"]
        if left <= 0:
            raise Invalid("closing-budget", "What is paid by item takes the whole budget", where=insured)
        rows.append(
            {
                "insured": insured,
                "value": round_fen(left * PARTS / pool["points"]),
                "budget": budget[insured].payable,
                "cases": pool["cases"],
                "points": pool["points"],
                "fund_share": round_fen(Fraction(pool["fund"] * PARTS, pool["charges"])),
            }
        )
    names = [(name, pa.int64()) for name in ("value", "budget", "cases", "points", "fund_share")]
    return pa.Table.from_pylist(rows, pa.schema([("insured", pa.string()), *names]))


def settle_cases(
    engine: Engine,
    values: pa.Table,
    rule: DipParameters,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Pay each case of the engine's `pointed` at the point values; registered as `settled`.

    Returns how many cases there are; with `out` the result is written there as Parquet.
    """
    inputs = {"point_values": values.select(["insured", "value"])}
    params = {"by_ratio": int(rule.payment.fund_side == "ratio")}
    settle = job("settle", _PACKAGE)
    if out is None:
        settled = settle.run(engine, inputs, params, progress=progress)
        engine.register("settled", settled)
        return int(settled.num_rows)
    count: int = settle.write(engine, out, inputs, params, progress=progress)
    engine.register("settled", out)
    return count


def explain(case: Mapping[str, Any]) -> list[str]:
    """Return the steps by which a settled case (a row of `settled`) came to its amount, in plain words."""
    lines = [f"group {case['dip'] or 'none'}: {METHODS[case['method']]}"]
    if case["score"] is not None:
        lines.append(
            f"score {_tenths(case['score'])}, charge {_yuan(case['charge'])}, mean {_yuan(case['mean'])}:"
            f" {_tenths(case['base'])} points, times factor {case['factor'] / PARTS:.4f}"
            f" = {_tenths(case['points'])} points at {_yuan(case['value'])} for 1,000"
        )
    lines.append(
        f"amount {_yuan(case['amount'])}; patient and others paid {_yuan(case['own'])};"
        f" the fund pays {_yuan(case['fund_pay'])}"
    )
    return lines


def _tenths(score: int) -> str:
    return f"{score // 10:,}.{score % 10}"


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"
