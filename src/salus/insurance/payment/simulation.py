"""Comparison of payment methods on the same cases: by item, by DRG, by DIP, and a pilot in some hospitals.

Behaviour is held as it was: the comparison says who gains and who loses before anybody changes what they do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from salus.engine.contract import Engine
from salus.engine.jobs import Progress
from salus.insurance.dip import grouping as dip_grouping
from salus.insurance.dip import settling as dip_settling
from salus.insurance.dip.parameters import Catalogues, DipParameters
from salus.insurance.payment import settling
from salus.insurance.payment.parameters import Parameters
from salus.insurance.payment.rates import Budget, base_rates, budgets
from salus.insurance.payment.reading import job
from salus.insurance.payment.weights import weigh
from salus.kernel.errors import Invalid

Neutrality = Literal["neutral", "budget"]
PilotMoney = Literal["pilot", "city"]


@dataclass(frozen=True, slots=True)
class Pilot:
    """Hospitals that go over first, by `method` (`drg` or `dip`).

    `money` says what they share: `pilot`, what the fund paid them by item, so that the rest of the city is
    not touched; `city`, the whole city's value of a point, as if all had gone over.
    """

    institutions: tuple[str, ...]
    method: Literal["drg", "dip"] = "drg"
    money: PilotMoney = "pilot"


@dataclass(frozen=True, slots=True)
class Simulated:
    """The rows of the job `compare`, and the fund's money by insured group that DRG and DIP shared (fen)."""

    compared: pa.Table
    money: Mapping[str, int]


def simulate(
    engine: Engine,
    rule: Parameters,
    dip_rule: DipParameters,
    catalogues: Catalogues,
    *,
    budget: Mapping[str, int] | None = None,
    pilot: Pilot | None = None,
    factors: pa.Table | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Compare the methods on the engine's `cases`, which have `drg`, `dx` and `tier`.

    Without a budget the comparison is neutral: DRG and DIP share what the fund paid by item, an insured group
    at a time, to the last fen. With a budget (fen by insured group) they share that, without the reserve.

    Raises:
        Invalid: a pilot's institution has no case (`pilot-unknown`), or as for weights, rates and points.
    """
    factors = settling.no_factors() if factors is None else factors
    item = _item_totals(engine)
    if pilot:
        known = set(engine.run("select distinct institution from cases").column(0).to_pylist())
        if unknown := sorted(set(pilot.institutions) - known):
            raise Invalid("pilot-unknown", f"{unknown[0]} has no case", fix="Name institutions of the cases")
    payable = {insured: one.payable for insured, one in budgets(budget, rule).items()} if budget else item
    if missing := sorted(set(item) - set(payable)):
        raise Invalid("budget-missing", f"There are cases of {missing[0]} and no budget for them")
    _drg_points(engine, rule, factors, payable, progress)
    _dip_points(engine, dip_rule, catalogues, progress)
    for method in ("drg", "dip"):
        _share(engine, method, payable, (), f"{method}_paid", progress)
    _pilot(engine, pilot, progress)
    return Simulated(job("compare").run(engine, progress=progress), payable)


def _item_totals(engine: Engine) -> dict[str, int]:
    rows = engine.run(
        "select insured, cast(sum(fund) as bigint) as fund from cases group by insured"
    ).to_pylist()
    return {row["insured"]: row["fund"] for row in rows}


def _drg_points(
    engine: Engine,
    rule: Parameters,
    factors: pa.Table,
    payable: Mapping[str, int],
    progress: Progress | None,
) -> None:
    """Find each case's weight and what of it is paid by item; the rate only decides who is an outlier."""
    weights = weigh(engine, rule.weighting, rule.ungrouped)
    money = {insured: Budget(insured, fen, 0) for insured, fen in payable.items()}
    rates = base_rates(engine, weights, factors, money, rule)
    settling.settle_cases(engine, weights, rates, factors, rule, progress=progress)
    # With rates by tier a point of a dear tier is worth more: it counts by its rate.
    engine.keep(
        "drg_points",
        "select id, institution, insured, own, fund, points * coalesce(rate, 0) as points, fixed"
        " from settled",
    )


def _dip_points(
    engine: Engine,
    rule: DipParameters,
    catalogues: Catalogues,
    progress: Progress | None,
) -> None:
    built = dip_grouping.build(engine, rule, catalogues, progress=progress)
    dip_settling.count_points(engine, built.groups, built.means, rule, catalogues, progress=progress)
    engine.keep(
        "dip_points",
        "select id, institution, insured, own, fund, points,"
        " case when points = 0 then charge else 0 end as fixed from pointed",
    )


def _share(
    engine: Engine,
    method: str,
    payable: Mapping[str, int],
    only: Sequence[str],
    name: str,
    progress: Progress | None,
) -> None:
    """Share each insured group's money over the cases, or over those of some institutions."""
    source = f"{method}_points"
    if only:
        engine.register("pilots", pa.table({"institution": pa.array(sorted(only), pa.string())}))
        source = f"(select c.* from {source} c semi join pilots p on c.institution = p.institution) s"  # noqa: S608
    engine.keep("sharing", f"select id, insured as pool, own, points, fixed from {source}")  # noqa: S608
    pools = pa.table(
        {
            "pool": pa.array(list(payable), pa.string()),
            "budget": pa.array(list(payable.values()), pa.int64()),
        }
    )
    without = "select pool from sharing group by pool having sum(points) = 0"
    if engine.run(without).num_rows:
        raise Invalid("points-none", "An insured group has no case that is paid by group", where=method)
    engine.register(name, job("share").run(engine, {"pools": pools}, progress=progress))


def _pilot(engine: Engine, pilot: Pilot | None, progress: Progress | None) -> None:
    if pilot is None or not pilot.institutions:
        engine.keep("pilot_paid", "select id, fund_pay from drg_paid where id is null")
        return
    engine.register("pilots", pa.table({"institution": pa.array(sorted(pilot.institutions), pa.string())}))
    if pilot.money == "city":
        engine.keep(
            "pilot_paid",
            f"select a.id, a.fund_pay from {pilot.method}_paid a join cases c on a.id = c.id"  # noqa: S608
            " semi join pilots p on c.institution = p.institution",
        )
        return
    rows = engine.run(
        "select insured, cast(sum(fund) as bigint) as fund from cases c"
        " semi join pilots p on c.institution = p.institution group by insured"
    ).to_pylist()
    theirs = {row["insured"]: row["fund"] for row in rows}
    _share(engine, pilot.method, theirs, pilot.institutions, "pilot_paid", progress)
