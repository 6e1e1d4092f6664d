"""What holds of every answer: bounds, steps, neutrality to the fen, order, limits; and the same each time."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.city.insurance.prices import PriceCity, price_city
from salus.insurance.repricing import Basis, Rules, reprice, trade_off
from salus.insurance.repricing.basis import NONE
from salus.insurance.repricing.explaining import REASONS, explain
from salus.insurance.repricing.impact import impact, whole
from salus.insurance.repricing.solving import Outcome, Study
from salus.kernel.errors import Invalid
from tests.insurance.repricing.making import LIMITS, Reckoning, bounds, city_rules, drawn, grid, small_rules


def holds(basis: Basis, rules: Rules, outcome: Outcome) -> None:
    """Hold an answer against everything it must keep, reckoned anew in whole numbers and fractions."""
    prices = [int(one) for one in outcome.prices]
    for place, price in enumerate(prices):
        low, high = bounds(basis, rules, place)
        assert low <= price <= high
        assert price in grid(price, price, rules), "on its step"
    reckoning = Reckoning(basis, rules, [int(one) for one in outcome.target])
    left = reckoning.sums(prices)
    assert left["revenue", ""] == outcome.revenue_left and abs(outcome.revenue_left) <= rules.tolerance
    assert left["fund", ""] == outcome.fund_left and abs(outcome.fund_left) <= rules.tolerance
    assert reckoning.keeps(prices)
    assert 0 <= outcome.gap <= 1
    assert outcome.bound <= outcome.cost * (1 + 1e-9)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6), services=st.integers(30, 50), hospitals=st.integers(1, 6),
    closeness=st.integers(0, 100), limited=st.booleans(),
)  # fmt: skip
def test_every_answer_keeps_everything(
    seed: int, services: int, hospitals: int, closeness: int, limited: bool
) -> None:
    basis = drawn(seed, services=2 * (services // 2), hospitals=hospitals, groups=3, scale=200)
    rules = small_rules(tolerance=100, closeness=closeness, limits=LIMITS if limited else {})
    try:
        outcome = reprice(basis, rules)
    except Invalid as refused:
        assert refused.code in {"reprice-infeasible", "reprice-steps"}
        assert limited or refused.code == "reprice-steps"
        return
    holds(basis, rules, outcome)


@pytest.fixture(scope="module")
def city() -> PriceCity:
    return price_city(5, services=300, hospitals=12)


@pytest.fixture(scope="module")
def basis(city: PriceCity) -> Basis:
    return city_basis(city)


def city_basis(city: PriceCity) -> Basis:
    def column(name: str) -> np.ndarray:
        return np.array([getattr(service, name) for service in city.services], dtype=np.int64)

    none = np.full(len(city.services), NONE, dtype=np.int64)
    return Basis(
        codes=tuple(one.code for one in city.services), names=tuple(one.name for one in city.services),
        departments=tuple(one.department for one in city.services), tiers=("",) * len(city.services),
        family=tuple(one.family for one in city.services), rank=column("rank"), price=column("price"),
        cost=column("cost"), labour=column("labour") * 100, difficulty=column("difficulty"),
        risk=column("risk"), lowest=none, highest=none, target=none,
        hospitals=tuple(code for code, _ in city.hospitals),
        hospital_tiers=tuple(tier for _, tier in city.hospitals), groups=city.groups, volumes=city.volumes,
        freed=city.freed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def outcome(basis: Basis) -> Outcome:
    return reprice(basis, city_rules())


def test_a_city_is_neutral_to_the_yuan_and_close_to_the_best(basis: Basis, outcome: Outcome) -> None:
    holds(basis, city_rules(), outcome)
    assert outcome.gap < 0.01


@pytest.mark.slow
def test_neutral_prices_are_found_where_few_steps_leave_millions_over() -> None:
    """A city of full size in which one step of a large service moves millions, and little change is asked."""
    large = city_basis(price_city(6))
    outcome = Study(large, city_rules()).at(20)
    holds(large, city_rules(), outcome)
    assert outcome.gap < 0.01


def test_labour_is_raised_and_machines_are_cut(basis: Basis, outcome: Outcome) -> None:
    """The point of it: labour of 60 % and more gains, services of machines lose, in money of the year."""
    change = (outcome.prices - basis.price) * basis.totals
    assert change[basis.labour >= 6_000].sum() > 0
    assert change[basis.labour < 3_000].sum() < 0
    assert not ((outcome.prices < basis.price) & (basis.labour >= 6_000)).any()


def test_the_same_question_has_the_same_answer(basis: Basis, outcome: Outcome) -> None:
    again = reprice(basis, city_rules())
    assert again.prices.tolist() == outcome.prices.tolist()
    assert (again.cost, again.bound) == (outcome.cost, outcome.bound)
    assert price_city(5, services=300, hospitals=12).volumes.tolist() == basis.volumes.tolist()


def test_the_trade_off_is_a_trade_off(basis: Basis, outcome: Outcome) -> None:
    points = trade_off(basis, city_rules(), (10, 90))
    assert [one.closeness for one in points] == [10, 90]
    assert points[0].change < points[1].change
    assert points[0].distance > points[1].distance


def test_reasons_agree_with_the_prices_and_pulls_balance(basis: Basis, outcome: Outcome) -> None:
    moves = explain(outcome)
    assert [one.new for one in moves] == outcome.prices.tolist()
    assert {one.reason for one in moves} <= set(REASONS)
    relaxed = outcome.relaxed.prices
    for place, move in enumerate(moves):
        if move.reason == "highest":
            assert move.new == move.highest != move.target
        if move.reason == "lowest":
            assert move.new == move.lowest != move.target
        # Where the step is the relaxed price, a step up must not pay (Karush, Kuhn and Tucker).
        if abs(relaxed[place] - move.new) < 1e-4 and move.new < move.highest:
            size = sum(abs(value) for value in move.pulls.values())
            assert sum(move.pulls.values()) >= -1e-6 * size - 0.1


def test_impacts_add_up_in_every_column(basis: Basis, outcome: Outcome) -> None:
    rows = impact(basis, outcome.rules, outcome.prices)
    (total,) = [one for one in rows if one.kind == "total"]
    assert total.change - (total.returned or 0) == outcome.revenue_left
    assert abs(total.fund - (total.returned_fund or 0) - outcome.fund_left) <= 1  # each rounded once
    for kind in ("tier", "group", "department", "hospital"):
        parts = [one for one in rows if one.kind == kind]
        for name in ("services", "change", "fund", "own"):
            assert sum(getattr(one, name) for one in parts) == getattr(total, name), (kind, name)
        if kind != "department":
            assert sum(one.returned or 0 for one in parts) == total.returned
            assert sum(one.returned_own or 0 for one in parts) == total.returned_own
    assert all(one.fund + one.own == one.change for one in rows)
    assert all(one.fund == 0 for one in rows if one.key == "uninsured")


def test_the_bound_does_not_rest_on_the_solver(basis: Basis, outcome: Outcome) -> None:
    """Any duals give a bound; those of the solver give the one that the programme itself claims."""
    from salus.insurance.repricing.relaxation import lagrangian

    study = Study(basis, city_rules())
    duals, order = outcome.relaxed.line_duals, outcome.relaxed.order_duals
    tight = lagrangian(study.problem, 50, duals, order)
    slack = lagrangian(study.problem, 50, duals * 0.5, order * 0.0)
    assert slack < tight <= outcome.cost / 10_000


@given(st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 10**4)), min_size=1, max_size=30))
def test_rounded_parts_add_up(amounts: list[tuple[int, int]]) -> None:
    parts = whole(amounts)
    exact = [Fraction(*one) for one in amounts]
    assert abs(sum(parts) - sum(exact)) <= Fraction(1, 2)
    assert all(abs(part - one) < 1 for part, one in zip(parts, exact, strict=True))
