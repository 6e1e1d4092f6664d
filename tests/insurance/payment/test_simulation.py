"""Comparison of methods: neutral to the fen, pilots beside the rest; and hospitals compared by hand."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from salus.engine import duckdb_engine
from salus.engine.contract import Engine
from salus.insurance.dip import parameters as dip_parameters
from salus.insurance.payment import parameters, reports
from salus.insurance.payment.reading import job, read_cases
from salus.insurance.payment.simulation import Pilot, Simulated, simulate
from salus.kernel.errors import Invalid
from salus.kernel.money import split
from tests.insurance.payment.cases import case, drawn, table

DAY = date(2025, 12, 31)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb_engine(threads=2) as one:
        yield one


def run(engine: Engine, **more: Any) -> Simulated:
    read_cases(engine, drawn(4_000, 2, groups=60), needs=("drg", "dx", "pr", "tier"))
    return simulate(
        engine, parameters.parameters("rate", on=DAY), dip_parameters.parameters(on=DAY),
        dip_parameters.catalogues(), **more,
    )  # fmt: skip


def rows(found: Simulated, dimension: str) -> list[dict[str, Any]]:
    return [row for row in found.compared.to_pylist() if row["dimension"] == dimension]


def test_without_a_budget_the_fund_pays_the_same_by_every_method(engine: Engine) -> None:
    found = run(engine)
    for row in (*rows(found, "city"), *rows(found, "insured")):
        assert row["drg"] == row["dip"] == row["pilot"] == row["item"]
    assert {row["insured"]: row["item"] for row in rows(found, "insured")} == found.money
    (city,) = rows(found, "city")
    for dimension in ("institution", "department", "tier", "institution_department", "institution_insured"):
        for method in ("cases", "charge", "item", "drg", "dip"):
            assert sum(row[method] for row in rows(found, dimension)) == city[method], (dimension, method)
    assert any(row["drg"] != row["item"] for row in rows(found, "institution"))
    assert any(row["dip"] != row["item"] for row in rows(found, "institution"))


def test_with_a_budget_drg_and_dip_pay_it_less_the_reserve(engine: Engine) -> None:
    found = run(engine, budget={"employee": 2_000_000_000, "resident": 1_000_000_001})
    for row in rows(found, "insured"):
        assert (
            row["drg"] == row["dip"] == {"employee": 1_900_000_000, "resident": 950_000_001}[row["insured"]]
        )


def test_nine_pilots_share_what_they_cost_and_leave_the_rest_alone(engine: Engine) -> None:
    nine = tuple(f"H{n:02d}" for n in (0, 3, 8, 14, 20, 27, 33, 41, 55))
    found = run(engine, pilot=Pilot(nine))
    for row in rows(found, "institution"):
        if row["institution"] not in nine:
            assert row["pilot"] == row["item"] and row["pilot_cases"] == 0
    inside = [row for row in rows(found, "institution_insured") if row["institution"] in nine]
    assert any(row["pilot"] != row["item"] for row in inside)
    for insured in ("employee", "resident"):
        mine = [row for row in inside if row["insured"] == insured]
        assert sum(row["pilot"] for row in mine) == sum(row["item"] for row in mine)


def test_pilots_at_the_citys_value_are_paid_as_if_all_had_gone_over(engine: Engine) -> None:
    found = run(engine, pilot=Pilot(("H03", "H14"), "dip", "city"))
    for row in rows(found, "institution"):
        assert row["pilot"] == (row["dip"] if row["institution"] in ("H03", "H14") else row["item"])


def test_an_unknown_pilot_is_an_error(engine: Engine) -> None:
    with pytest.raises(Invalid) as error:
        run(engine, pilot=Pilot(("H99",)))
    assert error.value.code == "pilot-unknown"


def test_sharing_by_points_adds_up_and_is_never_a_fen_off(engine: Engine) -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        count = int(rng.integers(1, 40))
        points = rng.integers(0, 10**7, count).tolist()
        points[0] += 1
        own, fixed = rng.integers(0, 10**4, (2, count)).tolist()
        budget = int(rng.integers(10**7, 10**10))
        ids = [f"{n:03d}" for n in range(count)]
        pointed = pa.table({"id": ids, "pool": ["p"] * count, "own": own, "points": points, "fixed": fixed})
        paid = job("share").run(
            engine, {"sharing": pointed, "pools": pa.table({"pool": ["p"], "budget": [budget]})}
        )
        found = {row["id"]: row for row in paid.to_pylist()}
        assert sum(row["fund_pay"] for row in found.values()) == budget
        exact = split(budget + sum(own) - sum(fixed), points)
        for id, expected, extra in zip(ids, exact, fixed, strict=True):
            assert abs(found[id]["amount"] - extra - expected) <= 1


def test_the_comparison_of_hospitals_by_hand(engine: Engine) -> None:
    """Two groups of weight 2 and 0.5. City means: A 20,000 yuan and 10 days, B 5,000 yuan and 4 days."""
    rows = [
        case("1", 2_400_000, drg="A", los=12), case("2", 1_600_000, drg="A", los=8, institution="H2"),
        case("3", 600_000, drg="B", los=4), case("4", 400_000, drg="B", los=4, institution="H2"),
        case("5", 500_000, drg="BQY", los=9),
    ]  # fmt: skip
    read_cases(engine, table(*rows), needs=("drg",))
    weights = pa.table({"drg": ["A", "B"], "weight": [20_000, 5_000]})
    found = {(row["level"], row["institution"]): row for row in reports.report(engine, weights).to_pylist()}
    one, two = found["institution", "H1"], found["institution", "H2"]
    assert (one["cases"], one["weighed"], one["groups"], one["weight"]) == (3, 2, 2, 25_000)
    assert one["case_mix_index"] == 1.25
    assert one["cost_index"] == pytest.approx((24 / 20 + 6 / 5) / 2)
    assert two["cost_index"] == pytest.approx((16 / 20 + 4 / 5) / 2)
    assert one["time_index"] == pytest.approx((12 / 10 + 1) / 2)
    assert found["city", ""]["cost_index"] == pytest.approx(1) and found["city", ""]["cases"] == 5


def test_low_risk_groups_are_those_far_under_the_mean_of_log_mortality(engine: Engine) -> None:
    """Mortality 1/400, 1/20, 1/16, 1/10: mean of logs -3.52, deviation 1.70; only the first is lower."""
    rows = []
    for drg, size in (("L", 400), ("M", 20), ("N", 16), ("O", 10), ("P", 30)):
        rows += [case(f"{drg}{n}", 100, drg=drg, died=n == 0 and drg != "P") for n in range(size)]
    read_cases(engine, table(*rows), needs=("drg",))
    weights = pa.table({"drg": list("LMNOP"), "weight": [10_000] * 5})
    city = reports.report(engine, weights).to_pylist()[0]
    assert (city["low_risk"], city["low_risk_deaths"]) == (400, 1)


def test_readmission_counts_the_next_stay_of_who_left_alive(engine: Engine) -> None:
    def stay(id: str, person: str | None, begun: date, los: int, **more: Any) -> dict[str, Any]:
        return case(
            id, 100, person=person, los=los, discharged=date.fromordinal(begun.toordinal() + los), **more
        )

    rows = [
        stay("a1", "a", date(2025, 1, 1), 5), stay("a2", "a", date(2025, 2, 6), 3),  # 31 days after the 6th
        stay("b1", "b", date(2025, 1, 1), 5), stay("b2", "b", date(2025, 2, 7), 3),  # 32 days
        stay("c1", "c", date(2025, 1, 1), 5), stay("c2", "c", date(2025, 1, 10), 3, institution="H2"),
        stay("d1", "d", date(2025, 1, 1), 5, died=True), stay("e1", None, date(2025, 1, 1), 5),
    ]  # fmt: skip
    read_cases(engine, table(*rows), needs=("drg",))
    weights = pa.table({"drg": ["GD25"], "weight": [10_000]})
    city = reports.report(engine, weights).to_pylist()[0]
    assert (city["at_risk"], city["readmitted"]) == (6, 1)
    anywhere = reports.report(engine, weights, same_institution=False).to_pylist()[0]
    assert anywhere["readmitted"] == 2
