"""Every job gives the same on DuckDB and Spark, to the fen."""

from datetime import date
from functools import partial

import pyarrow as pa

from salus.engine.contract import Engine
from salus.insurance.dip import parameters as dip_parameters
from salus.insurance.dip import settling as dip_settling
from salus.insurance.payment import parameters, rates, reports, settling, simulation, weights
from salus.insurance.payment.reading import read_cases
from tests.engine.parity import Both, both, on_spark  # noqa: F401 - a fixture
from tests.insurance.payment.cases import case, drawn, table

pytestmark = on_spark
DAY = date(2025, 12, 31)
CASES = pa.concat_tables([drawn(600, 5, groups=20), table(case("bad", 0), case("worse", 5, drg=""))])
RULE = parameters.parameters("rate", on=DAY)
DIP, TABLES = dip_parameters.parameters(on=DAY), dip_parameters.catalogues()


_held: dict[int, dict[str, pa.Table]] = {}


def chain(engine: Engine) -> dict[str, pa.Table]:
    """Run every job of payment and DIP on one engine, once, and return their tables."""
    if id(engine) in _held:
        return _held[id(engine)]
    found: dict[str, pa.Table] = {}
    faults = read_cases(engine, CASES, needs=("drg", "dx", "tier"), skip_bad=True)
    found["faults"] = pa.table({"row": [f.row for f in faults], "code": [f.code for f in faults]})
    points = parameters.parameters("points", on=DAY)
    found["weights"] = weights.weigh(engine, points.weighting, points.ungrouped)
    factors = pa.table({"institution": ["H03", "H10"], "factor": [10_250, 9_870]})
    pilot = simulation.Pilot(("H03", "H10", "H30"))
    simulated = simulation.simulate(engine, RULE, DIP, TABLES, pilot=pilot, factors=factors)
    found["compared"] = simulated.compared
    for name in ("settled", "assigned", "catalogue", "pointed", "drg_paid", "dip_paid", "pilot_paid"):
        found[name] = engine.run(f"select * from {name}")  # noqa: S608 - names of ours
    found["months"] = settling.by_month(engine)
    found["report"] = reports.report(engine, found["weights"])
    budget = {insured: rates.Budget(insured, fen, 0) for insured, fen in simulated.money.items()}
    found["values"] = dip_settling.point_values(engine, budget, DIP)
    dip_settling.settle_cases(engine, found["values"], DIP)
    found["dip"] = engine.run("select * from settled")
    _held[id(engine)] = found
    return found


def forget() -> None:
    """Drop the tables held of engines."""
    _held.clear()


def one_of(name: str, engine: Engine) -> pa.Table:
    return chain(engine)[name]


def test_the_whole_chain_is_equal(both: Both) -> None:  # noqa: F811 - the fixture
    forget()
    names = chain(both.duckdb)
    for name, rows in names.items():
        assert rows.num_rows, name
        both.same(partial(one_of, name))
    assert set(names["settled"]["method"].to_pylist()) >= {"by_weight", "low", "high", "high_beyond"}
    assert set(names["dip"]["method"].to_pylist()) >= {"by_points", "under", "over"}
    assert names["faults"]["code"].to_pylist() == ["case-charge", "case-group-missing"]
    forget()
