"""Bases that can be solved by trying every combination of prices: the engine finds the same best cost."""

from fractions import Fraction

import pytest

from salus.insurance.repricing import Conflicting, reprice
from salus.insurance.repricing.prices import targets
from salus.insurance.repricing.rules import Limit
from salus.kernel.errors import Invalid
from tests.insurance.repricing.making import LIMITS, Reckoning, basis_of, drawn, small_rules


def best(reckoning: Reckoning) -> Fraction | None:
    costs = [reckoning.cost(prices) for prices in reckoning.every() if reckoning.keeps(prices)]
    return min(costs, default=None)


@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["free", "limited"])
@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_all_combinations_is_found(seed: int, limits: dict[str, object]) -> None:
    basis = drawn(seed, services=3, scale=12)
    rules = small_rules(
        limits=limits, tolerance=3_000 + 1_000 * seed, closeness=(0, 30, 50, 70, 90, 100)[seed]
    )
    target = [int(one) for one in targets(basis, rules)[0]]
    reckoning = Reckoning(basis, rules, target)
    known = best(reckoning)
    if known is None:
        with pytest.raises(Invalid) as raised:
            reprice(basis, rules)
        assert raised.value.code in {"reprice-infeasible", "reprice-steps"}
        return
    outcome = reprice(basis, rules)
    prices = [int(one) for one in outcome.prices]
    assert reckoning.keeps(prices)
    assert Fraction(outcome.cost, 10_000) == reckoning.cost(prices), "the engine's own cost is the plain one"
    assert reckoning.cost(prices) == known
    assert outcome.bound / 10_000 <= float(known) * (1 + 1e-9), "a bound is no bound above the best"
    assert outcome.gap < 1e-6


def test_what_is_freed_goes_to_the_service_worth_more() -> None:
    """Two services done equally often for one group: the one paid too little gets what is freed."""
    basis = basis_of(
        [5_000, 5_000], [[[100]], [[100]]], cost=[5_000, 5_000], labour=[9_000, 1_000], freed=[[10_000]]
    )
    outcome = reprice(basis, small_rules(tolerance=0, closeness=100))
    assert outcome.prices.tolist() == [5_100, 5_000]
    assert outcome.revenue_left == 0 and outcome.fund_left == 0


def test_targets_by_hand() -> None:
    """Costs 60 with half labour, 40 with a tenth: difficulty 100 and risk 50 add 60 % and 20 % of labour.

    Weighted labour 30 × 1.8 = 54 and 4; the rest 30 + 36 = 66; the goal for one of each is 100 + 20 freed,
    so labour is worth 54/58 and the targets are 30 + 54·54/58 = 80.28 and 36 + 4·54/58 = 39.72 yuan.
    """
    basis = basis_of(
        [6_000, 4_000], [[[1]], [[1]]], cost=[6_000, 4_000], labour=[5_000, 1_000], difficulty=[100, 0],
        risk=[50, 0], freed=[[2_000]],
    )  # fmt: skip
    target, factor = targets(basis, small_rules())
    assert factor == Fraction(54, 58)
    assert target.tolist() == [8_028, 3_972]


def test_a_contradiction_is_named_with_its_size() -> None:
    """Nothing may rise, yet 100 yuan are to be returned: the revenue is short by 100 less its yuan."""
    basis = basis_of(
        [5_000, 5_000], [[[10]], [[10]]], highest=[5_000, 5_000], groups=("uninsured",), freed=[[10_000]]
    )
    with pytest.raises(Conflicting) as raised:
        reprice(basis, small_rules(tolerance=100))
    assert raised.value.code == "reprice-infeasible"
    found = [(one.kind, one.low, one.high, one.alone) for one in raised.value.conflicts]
    assert found == [("revenue", -100, 100, 9_900)]
    assert "¥99.00" in str(raised.value)


def test_the_hospital_that_cannot_be_made_whole_is_named_and_no_other() -> None:
    """One hospital loses 60 yuan and its price is fixed; the other makes up for the city, not for it."""
    basis = basis_of(
        [10_000, 10_000], [[[30], [0]], [[0], [300]]], hospital_tiers=("tier3",) * 2, groups=("uninsured",),
        highest=[10_000, 12_000], lowest=[10_000, 8_000], freed=[[6_000], [0]],
    )  # fmt: skip
    limits = {"hospital": Limit(Fraction(0), Fraction(1, 100), 1)}
    with pytest.raises(Conflicting) as raised:
        reprice(basis, small_rules(limits=limits, tolerance=100))
    named = {(one.kind, one.key) for one in raised.value.conflicts}
    # h0 loses 60 yuan of 3,000 and its service is fixed: it alone breaks its limit of 30 yuan, by 30.
    assert named == {("hospital", "h0")}
    assert raised.value.conflicts[0].alone == 3_000


def test_steps_that_pass_over_neutrality_are_refused_with_the_distance() -> None:
    """Every change is a multiple of 100 times a yuan, 10,000 fen; 4,000 fen are to be returned."""
    basis = basis_of([5_000], [[[100]]], groups=("uninsured",), freed=[[4_000]])
    with pytest.raises(Invalid) as raised:
        reprice(basis, small_rules(tolerance=100))
    assert raised.value.code == "reprice-steps"
    assert "¥40.00" in str(raised.value)


def test_a_service_without_a_price_on_a_step_is_named() -> None:
    basis = basis_of([5_010, 5_000], [[[1]], [[1]]], lowest=[5_010, 4_000], highest=[5_020, 6_000])
    with pytest.raises(Invalid) as raised:
        reprice(basis, small_rules())
    assert (raised.value.code, raised.value.where) == ("reprice-no-price", "s0")
