"""Settlement of cases by weight at the base rate, case by case and by month.

Source: NHSA, CHS-DRG technical specification (2019), settlement: standard = weight x rate; cases far under it
are paid what they cost, cases far over it the standard and what is beyond a multiple.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.payment.parameters import Parameters
from salus.insurance.payment.reading import job

METHODS = {
    "by_weight": "within the limits: paid the standard, weight x factor x rate",
    "low": "the charge is under the lower limit: paid what the case cost",
    "high": "the charge is over the upper limit: paid the standard and a share of what is beyond the limit",
    "high_beyond": "over the upper limit, but the institution has too many such cases: paid the standard",
    "no_group": "the code holds no like cases: paid by item",
    "no_weight": "the group has too few steady cases for a weight: paid by item",
    "no_rate": "there is no base rate for this insured group and tier: paid by item",
    "short_stay": "the stay is shorter than payment by group covers: paid by item",
    "long_stay": "the stay is longer than payment by group covers: paid by item",
}
"""Each way in which a case is paid, and what it means."""


def no_factors() -> pa.Table:
    """Return a table of institutions' factors that names none: each has 1."""
    return pa.table({"institution": pa.array([], pa.string()), "factor": pa.array([], pa.int64())})


def settle_cases(
    engine: Engine,
    weights: pa.Table,
    rates: pa.Table,
    factors: pa.Table,
    rule: Parameters,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
) -> int:
    """Settle the engine's `cases`, register the result as `settled`, and return how many cases it holds.

    Args:
        engine: holds the cases.
        weights: drg, weight (ten-thousandths or null).
        rates: insured, tier, rate (fen).
        factors: institution, factor (ten-thousandths).
        rule: the parameters.
        out: where the result is written as Parquet; in memory without it.
        progress: called before each step.
    """
    inputs = {
        "weights": weights.select(["drg", "weight"]),
        "rates": rates.select(["insured", "tier", "rate"]),
        "factors": factors,
        "outliers": _outliers(rule),
        "ungrouped": pa.table({"ending": pa.array(rule.ungrouped, pa.string())}),
    }
    params = {
        "by_tier": int("tier" in rule.rate_by),
        "shortest": rule.shortest,
        "longest": rule.longest,
        "ungrouped_share": rule.ungrouped_share,
        "by_ratio": int(rule.fund_side == "ratio"),
    }
    if out is None:
        settled = job("settle").run(engine, inputs, params, progress=progress)
        engine.register("settled", settled)
        return int(settled.num_rows)
    count: int = job("settle").write(engine, out, inputs, params, progress=progress)
    engine.register("settled", out)
    return count


def by_month(engine: Engine) -> pa.Table:
    """Return the engine's `settled` by institution, insured group and month."""
    return job("months").run(engine)


def _outliers(rule: Parameters) -> pa.Table:
    columns = ("low", "high", "high_share", "high_most")
    rows = [{"tier": one.tier, **{name: getattr(one, name) for name in columns}} for one in rule.outliers]
    types = [("tier", pa.string()), *((name, pa.int64()) for name in columns)]
    return pa.Table.from_pylist(rows, pa.schema(types))


def explain(case: Mapping[str, object]) -> list[str]:
    """Return the steps by which a settled case (a row of `settled`) came to its amount, in plain words."""

    def of(name: str) -> int:
        value = case[name]
        return value if isinstance(value, int) else 0

    method = str(case["method"])
    lines = [f"group {case['drg']}: {METHODS[method]}"]
    if case["standard"] is not None:
        lines.append(
            f"standard = weight {_ratio(of('weight'))} x factor {_ratio(of('factor'))}"
            f" x rate {_yuan(of('rate'))} = {_yuan(of('standard'))}; the charge is {_yuan(of('charge'))}"
        )
    if method == "high":
        lines.append(f"beyond the limit: {_yuan(of('fixed'))} more")
    lines.append(
        f"amount {_yuan(of('amount'))}; patient and others paid {_yuan(of('own'))};"
        f" the fund pays {_yuan(of('fund_pay'))}"
    )
    return lines


def _yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"


def _ratio(parts: int) -> str:
    return f"{parts // 10_000}.{parts % 10_000:04d}"
