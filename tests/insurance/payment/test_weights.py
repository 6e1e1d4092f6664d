"""Weights and base rates: by hand from the definitions, and against brute force."""

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from salus.engine import duckdb_engine
from salus.engine.contract import Engine
from salus.insurance.payment import parameters, rates, settling, weights
from salus.insurance.payment.parameters import Weighting
from salus.insurance.payment.reading import read_cases
from salus.kernel.errors import Invalid
from tests.insurance.payment.cases import case, drawn, table

PLAIN = Weighting("none", Fraction(0), (1,), 1, 10**9, "by_item")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb_engine(threads=2) as one:
        yield one


def weigh(engine: Engine, rule: Weighting, *rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    read_cases(engine, table(*rows))
    return {row["drg"]: row for row in weights.weigh(engine, rule, ("0000", "QY")).to_pylist()}


def test_a_weight_is_the_groups_mean_over_the_mean_of_all(engine: Engine) -> None:
    """Means 6,000, 12,000 and 30,000 yuan over 3, 2 and 1 cases: the mean of all is 12,000 yuan."""
    found = weigh(
        engine, PLAIN,
        *(case(f"a{n}", charge, drg="A") for n, charge in enumerate((500_000, 600_000, 700_000))),
        case("b1", 1_000_000, drg="B"), case("b2", 1_400_000, drg="B"), case("c", 3_000_000, drg="C"),
    )  # fmt: skip
    assert {drg: row["weight"] for drg, row in found.items()} == {"A": 5000, "B": 10_000, "C": 25_000}
    assert found["B"]["mean"] == 1_200_000


def test_years_count_one_to_two_to_seven(engine: Engine) -> None:
    """(1 x 8,000 + 2 x 9,000 + 7 x 10,000) / 10 = 9,600 yuan against a group of 4,800 every year."""
    rule = Weighting("none", Fraction(0), (1, 2, 7), 1, 10**9, "by_item")
    rows = [
        case(f"{drg}{year}", charge, drg=drg, discharged=date(year, 5, 1))
        for drg, charges in (("A", (800_000, 900_000, 1_000_000)), ("B", (480_000,) * 3))
        for year, charge in zip((2023, 2024, 2025), charges, strict=True)
    ]
    rows.append(case("old", 99_000_000, drg="A", discharged=date(2020, 1, 1)))  # before the three years
    found = weigh(engine, rule, *rows)
    assert found["A"]["mean"] == 960_000
    assert found["A"]["weight"] == round(Fraction(960, 720) * 10_000)
    assert found["B"]["weight"] == round(Fraction(480, 720) * 10_000)


def test_few_or_unsteady_cases_take_the_adjacent_groups_mean_or_none(engine: Engine) -> None:
    rows = [case(f"a{n}", 1_000_000, drg="AB13", adrg="AB1") for n in range(5)]
    rows += [case(f"b{n}", 2_000_000, drg="AB11", adrg="AB1") for n in range(2)]
    rows += [case(f"x{n}", 10_000 if n else 9_000_000, drg="XY19", adrg="XY1") for n in range(9)]
    rows += [case(f"q{n}", 1_000_000, drg="BQY", adrg="BQY") for n in range(9)]
    found = weigh(engine, Weighting("none", Fraction(0), (1,), 5, 10_000, "adrg"), *rows)
    assert (found["AB13"]["status"], found["AB11"]["status"]) == ("own", "adrg")
    assert found["AB11"]["mean"] == 1_285_714  # (5 x 10,000 + 2 x 20,000) / 7 yuan
    assert found["XY19"]["cv"] > 10_000 and found["XY19"]["weight"] is None  # nor is its family steady
    assert (found["BQY"]["status"], found["BQY"]["weight"]) == ("by_item", None)
    alone = weigh(engine, Weighting("none", Fraction(0), (1,), 5, 10_000, "by_item"), *rows)
    assert alone["XY19"]["weight"] is None and alone["AB11"]["weight"] is None


def test_no_steady_group_is_an_error(engine: Engine) -> None:
    with pytest.raises(Invalid) as error:
        weigh(engine, Weighting("none", Fraction(0), (1,), 5, 10_000, "by_item"), case("a", 100))
    assert error.value.code == "weights-no-group"


@pytest.mark.parametrize("k", [Fraction(3, 2), Fraction(3), Fraction(1, 4)])
def test_fences_are_those_of_the_logarithm(k: Fraction) -> None:
    """The least and largest whole fen within the fences, tried against logarithms of 50 digits."""
    rng = np.random.default_rng(5)
    rule = Weighting("iqr", k, (1,), 1, 10**9, "by_item")
    for _ in range(200):
        q1, q3 = sorted(int(n) for n in np.exp(rng.uniform(5, 17, 2)))
        found = weights.bounds({"q1": q1, "q3": q3}, rule)
        with localcontext() as context:
            context.prec = 50
            low, high = Decimal(q1).ln(), Decimal(q3).ln()
            reach = (high - low) * k.numerator / k.denominator
            assert Decimal(found.low).ln() >= low - reach - Decimal(10) ** -40
            assert found.low == 1 or Decimal(found.low - 1).ln() < low - reach
            if found.high < 10**15:
                assert Decimal(found.high).ln() <= high + reach + Decimal(10) ** -40
                assert Decimal(found.high + 1).ln() > high + reach


def test_trimming_by_deviation_leaves_out_what_brute_force_does(engine: Engine) -> None:
    cases = drawn(3_000, 4, groups=12)
    read_cases(engine, cases)
    rule = Weighting("sd", Fraction(2), (1,), 1, 10**9, "by_item")
    found = weights.weigh(engine, rule).to_pylist()
    assert sum(row["below"] + row["above"] for row in found) > 50
    for row in found:
        charges = [
            c
            for c, d in zip(cases["charge"].to_pylist(), cases["drg"].to_pylist(), strict=True)
            if d == row["drg"]
        ]
        logs = [math.log(charge) for charge in charges]
        mean, deviation = np.mean(logs), np.std(logs, ddof=1)
        assert row["above"] == sum(log > mean + 2 * deviation for log in logs)
        assert row["below"] == sum(log < mean - 2 * deviation for log in logs)


def test_equal_charges_stay_whole(engine: Engine) -> None:
    rule = Weighting("sd", Fraction(3), (1,), 1, 10**9, "by_item")
    found = weigh(engine, rule, *(case(f"a{n}", 1_234_567) for n in range(7)))
    assert found["GD25"]["kept"] == 7 and found["GD25"]["weight"] == 10_000


def test_the_base_rate_is_the_years_charges_over_the_years_weight(engine: Engine) -> None:
    """Budget 7,200 yuan less 5 %; the fund paid 72 % of charges; so 9,500 yuan over a weight of 5."""
    rows = [case(f"a{n}", 200_000, fund=144_000, drg="A") for n in range(5)]
    read_cases(engine, table(*rows))
    rule = parameters.parameters("points", on=date(2025, 1, 1))
    given = weights.weigh(engine, PLAIN)
    budget = rates.budgets({"employee": 720_000}, rule)
    assert budget["employee"].reserve == 36_000
    (row,) = rates.base_rates(engine, given, settling.no_factors(), budget, rule).to_pylist()
    assert row == {
        "insured": "employee", "tier": "", "rate": 190_000, "budget": 684_000, "cases": 5, "weight": 50_000,
        "fund_share": 7200,
    }  # fmt: skip


def test_tiers_share_the_budget_as_they_did_and_factors_count(engine: Engine) -> None:
    """The tertiary hospital took 3/4 of the fund's money; its factor is 1.25."""
    rows = [
        case("a", 900_000, fund=600_000, drg="A"),
        case("b", 300_000, fund=200_000, drg="A", tier="primary", institution="H2"),
    ]
    read_cases(engine, table(*rows))
    rule = parameters.parameters("rate", on=date(2025, 1, 1))
    factors = pa.table({"institution": ["H1"], "factor": [12_500]})
    given = pa.table({"drg": ["A"], "weight": [10_000]})
    budget = {"employee": rates.Budget("employee", 800_000, 0)}
    low, high = rates.base_rates(engine, given, factors, budget, rule).to_pylist()
    assert (low["tier"], low["budget"], low["rate"]) == ("primary", 200_000, 300_000)
    assert (high["tier"], high["budget"], high["rate"]) == ("tertiary", 600_000, 720_000)  # 9,000 / 1.25 yuan


def test_a_group_without_budget_and_a_pool_without_weight_are_errors(engine: Engine) -> None:
    rule = parameters.parameters("points", on=date(2025, 1, 1))
    read_cases(engine, table(case("a", 100)))
    none = pa.table({"drg": pa.array([], pa.string()), "weight": pa.array([], pa.int64())})
    for budget, code in (({}, "budget-missing"), ({"employee": 100}, "rate-no-weight")):
        with pytest.raises(Invalid) as error:
            rates.base_rates(engine, none, settling.no_factors(), rates.budgets(budget, rule), rule)
        assert error.value.code == code
    for budget, code in (({"army": 1}, "budget-insured"), ({"resident": 0}, "budget-amount")):
        with pytest.raises(Invalid) as error:
            rates.budgets(budget, rule)
        assert error.value.code == code
