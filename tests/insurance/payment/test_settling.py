"""Settlement of cases: each way of being paid by hand; what adds up always adds up."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from salus.engine import duckdb_engine
from salus.engine.contract import Engine
from salus.insurance.payment import parameters, rates, settling, weights
from salus.insurance.payment.reading import FAULTS, read_cases
from salus.kernel.errors import Invalid
from tests.insurance.payment.cases import case, drawn, table

DAY = date(2025, 12, 31)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb_engine(threads=2) as one:
        yield one


def settled(
    engine: Engine, *rows: dict[str, Any], name: str = "rate", factor: int = 10_000
) -> dict[str, dict[str, Any]]:
    """Settle with a weight of 1.5 for GD25 and a rate of 8,000 yuan: the standard is 12,000 yuan."""
    read_cases(engine, table(*rows), needs=("drg", "tier"))
    rule = parameters.parameters(name, on=DAY)
    tiers = ["tertiary", "secondary", "primary"] if "tier" in rule.rate_by else [""]
    rate = pa.table({"insured": ["employee"] * len(tiers), "tier": tiers, "rate": [800_000] * len(tiers)})
    factors = pa.table({"institution": ["H1"], "factor": [factor]})
    given = pa.table({"drg": ["GD25", "BQY"], "weight": [15_000, 10_000]})
    settling.settle_cases(engine, given, rate, factors, rule)
    return {row["id"]: row for row in engine.run("select * from settled").to_pylist()}


def test_each_way_of_being_paid(engine: Engine) -> None:
    """Tertiary: low under 40 % of 12,000, high over three times it; the fund pays what others did not."""
    more = [case(f"n{n}", 1_200_000) for n in range(33)]
    found = settled(
        engine,
        case("usual", 1_000_000, fund=700_000),
        case("edge-low", 480_000), case("low", 479_999, fund=300_000),
        case("edge-high", 3_600_000), case("high", 4_000_000, fund=3_000_000), case("higher", 5_000_000),
        case("highest", 6_000_000, fund=5_000_000),
        case("long", 3_000_000, los=61, fund=2_000_000),
        case("none", 500_000, drg="BQY", fund=1), case("unknown", 500_000, drg="ZZ19"),
        *more,
    )  # fmt: skip
    methods = {id: row["method"] for id, row in found.items() if not id.startswith("n") or id == "none"}
    assert methods == {
        "usual": "by_weight", "edge-low": "by_weight", "low": "low", "edge-high": "by_weight",
        "high": "high_beyond", "higher": "high", "highest": "high", "long": "long_stay", "none": "no_group",
        "unknown": "no_weight",
    }  # fmt: skip  # 40 comparable cases: 5 % is two
    assert found["usual"]["standard"] == 1_200_000
    assert (found["usual"]["amount"], found["usual"]["fund_pay"]) == (1_200_000, 900_000)
    assert (found["low"]["amount"], found["low"]["fund_pay"]) == (479_999, 300_000)
    assert (found["high"]["amount"], found["high"]["fund_pay"]) == (1_200_000, 200_000)
    # the standard, and what is beyond three times it: 12,000 + (60,000 - 36,000) yuan
    assert (found["highest"]["amount"], found["highest"]["fund_pay"]) == (3_600_000, 2_600_000)
    assert found["long"]["fund_pay"] == 2_000_000 and found["none"]["fund_pay"] == 1
    words = settling.explain(found["highest"])
    assert "standard = weight 1.5000 x factor 1.0000 x rate 8,000.00 = 12,000.00" in words[1]
    assert words[2] == "beyond the limit: 24,000.00 more"
    assert set(settling.METHODS) >= {row["method"] for row in found.values()}


def test_limits_follow_the_tier_and_the_factor_the_institution(engine: Engine) -> None:
    found = settled(
        engine, case("a", 2_500_000, tier="primary"), case("b", 2_500_000, tier="city's own"),
        factor=9_000,
    )  # fmt: skip
    assert found["a"]["standard"] == 1_080_000  # 1.35 x 8,000 yuan
    assert found["a"]["method"] == "high_beyond"  # over twice 10,800, and one case has no 5 %
    assert found["b"]["method"] == "no_rate" and found["b"]["amount"] == 2_500_000


def test_short_stays_are_paid_by_item_where_the_city_says_so(engine: Engine) -> None:
    found = settled(engine, case("a", 500_000, los=2), case("b", 500_000, los=3), name="qingyang")
    assert (found["a"]["method"], found["b"]["method"]) == ("short_stay", "by_weight")


def test_what_others_paid_is_never_paid_again(engine: Engine) -> None:
    found = settled(engine, case("a", 2_000_000, fund=500_000))
    assert found["a"]["own"] == 1_500_000 and found["a"]["fund_pay"] == 0


def test_amounts_and_months_add_up(engine: Engine) -> None:
    cases = drawn(8_000, 11)
    read_cases(engine, cases, needs=("drg", "tier"))
    rule = parameters.parameters("rate", on=DAY)
    given = weights.weigh(engine, rule.weighting, rule.ungrouped)
    item = engine.run(
        "select insured, cast(sum(fund) as bigint) as f from cases group by insured"
    ).to_pylist()
    budget = rates.budgets({row["insured"]: row["f"] for row in item}, rule)
    rate = rates.base_rates(engine, given, settling.no_factors(), budget, rule)
    assert settling.settle_cases(engine, given, rate, settling.no_factors(), rule) == 8_000
    rows = engine.run("select * from settled").to_pylist()
    assert {row["method"] for row in rows} >= {"by_weight", "low", "high", "high_beyond", "no_group"}
    for row in rows:
        assert row["own"] + row["fund"] == row["charge"]
        paid = row["standard"] if row["points"] else 0
        assert row["amount"] == paid + row["fixed"]
        assert row["fund_pay"] == max(0, row["amount"] - row["own"])
        if row["method"] == "low":
            assert row["charge"] * 10 < row["standard"] * 4
    months = settling.by_month(engine).to_pylist()
    for name in ("cases", "charge", "fund_pay", "points", "fixed"):
        expected = len(rows) if name == "cases" else sum(row[name] for row in rows)
        assert sum(month[name] for month in months) == expected


def test_each_fault_is_one_typed_error_a_row_and_the_rest_can_go_on(engine: Engine) -> None:
    bad = [
        case("", 1), case("twice", 1), case("twice", 1), case("b", 1, institution=""),
        case("c", 1, insured="army"), case("d", 1, discharged=None), case("e", 1, los=-1), case("f", 0),
        case("g", 100, fund=101), case("h", 1, drg=""), case("i", 1, dx=[]), case("good", 1),
    ]  # fmt: skip
    faults = read_cases(engine, table(*bad), needs=("drg", "dx"), skip_bad=True)
    assert [fault.code for fault in faults] == [
        "case-id-missing", "case-repeated", "case-repeated", "case-institution-missing",
        "case-insured-unknown", "case-discharged-missing", "case-stay-length", "case-charge",
        "case-fund-share", "case-group-missing", "case-diagnosis-missing",
    ]  # fmt: skip
    assert {fault.code for fault in faults} == set(FAULTS)
    assert [fault.row for fault in faults] == list(range(1, 12))
    error = faults[3].error()
    assert (error.code, error.where) == ("case-institution-missing", "row 4, institution")
    assert engine.run("select id from cases").to_pylist() == [{"id": "good"}]


def test_columns_that_do_not_fit_are_refused(engine: Engine) -> None:
    good = table(case("a", 100))
    float_charge = good.set_column(good.column_names.index("charge"), "charge", pa.array([1.5]))
    text_days = good.set_column(good.column_names.index("los"), "los", pa.array(["7"]))
    for cases, code in (
        (float_charge, "money-float"),
        (text_days, "cases-column"),
        (good.drop_columns(["fund"]), "cases-column"),
        (good.slice(0, 0), "cases-empty"),
    ):
        with pytest.raises(Invalid) as error:
            read_cases(engine, cases)
        assert error.value.code == code
    with pytest.raises(Invalid):
        read_cases(engine, good.drop_columns(["drg"]), needs=("drg",))


def test_numbers_as_ids_and_smaller_integers_are_read(engine: Engine) -> None:
    cases = pa.table(
        {
            "id": [7], "institution": ["H"], "insured": ["resident"], "discharged": [date(2025, 1, 1)],
            "los": pa.array([3], pa.int16()), "charge": pa.array([5], pa.int32()),
            "fund": pa.array([4], pa.int32()),
        }
    )  # fmt: skip
    assert read_cases(engine, cases) == []
    assert engine.run("select id, los, died, drg from cases").to_pylist() == [
        {"id": "7", "los": 3, "died": None, "drg": None}
    ]
