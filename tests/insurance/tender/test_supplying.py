"""Volumes, regions, savings and units: everything adds up, by hand-worked figures and by properties."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.insurance.tender import (
    Bid,
    Group,
    Strength,
    common_reference,
    load_rulesets,
    savings,
    select_winners,
)
from salus.insurance.tender.saving import Benefit, load_benefits
from salus.insurance.tender.supplying import Need, agree_volumes, choose_regions
from salus.insurance.tender.units import reference_units
from salus.kernel.errors import Invalid

FIVE = Strength.parse("5 mg")
RULES = load_rulesets()["national-2021"]
GROUP = Group("g", FIVE)


def test_packs_of_several_strengths_become_one_volume() -> None:
    """100 packs of 28 x 10 mg and 50 packs of 30 x 2.5 mg: 28,000 + 3,750 mg = 5,600 + 750 units of 5 mg."""
    assert reference_units(Strength.parse("10 mg"), 28, 100, FIVE) == 5600
    assert reference_units(Strength.parse("2.5mg"), 30, 50, FIVE) == 750
    assert reference_units(Strength.parse("0.01 g"), 28, 100, FIVE) == 5600
    assert reference_units(Strength.parse("160mg/25mg"), 7, 3, Strength.parse("80mg/12.5mg")) == 42
    with pytest.raises(Invalid) as refused:
        reference_units(Strength.parse("2.5 mg"), 1, 1, FIVE)
    assert refused.value.code == "volume-not-whole"


@pytest.mark.parametrize(
    ("texts", "reference"),
    [
        (["10 mg", "25 mg"], "5 mg"),
        (["0.1 mg", "0.25mg", "0.5 mg"], "0.05 mg"),
        (["80mg/12.5mg", "160mg/25mg"], "80 mg/12.5 mg"),
        (["1g"], "1000 mg"),
    ],
)
def test_the_common_reference_divides_all(texts: list[str], reference: str) -> None:
    assert str(common_reference([Strength.parse(text) for text in texts])) == reference


@pytest.mark.parametrize("text", ["", "5", "mg", "5 stone", "0 mg", "-5 mg", "5 mg/", "1e3 mg", "٥ mg"])
def test_what_is_no_strength_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Strength.parse(text)


def test_other_substances_and_proportions_are_not_compared() -> None:
    for one, other in (("5 mg", "5 ml"), ("80mg/12.5mg", "80mg/25mg"), ("5 mg", "5mg/1mg")):
        with pytest.raises(Invalid):
            Strength.parse(one).over(Strength.parse(other))


@given(st.lists(st.fractions(Fraction(1, 1000), 1000, max_denominator=1000), min_size=1, max_size=6))
def test_volumes_in_the_common_reference_are_whole(amounts: list[Fraction]) -> None:
    given_strengths = [Strength(((amount, "mg"),)) for amount in amounts]
    reference = common_reference(given_strengths)
    ratios = [one.over(reference) for one in given_strengths]
    assert all(ratio.denominator == 1 for ratio in ratios)
    from math import gcd

    assert gcd(*(ratio.numerator for ratio in ratios)) == 1, "no larger one would do"


def test_seventy_percent_of_three_institutions_by_hand() -> None:
    """1,000 + 501 + 2 = 1,503; 70 % is 1,052.1 → 1,052; exact 700, 350.7, 1.4 → 700 + 351 + 1."""
    needs = [Need("a", "n", 1000), Need("b", "n", 501), Need("c", "s", 2)]
    made = {one.institution: (one.agreed, one.free) for one in agree_volumes(needs, Fraction(7, 10))}
    assert made == {"a": (700, 300), "b": (351, 150), "c": (1, 1)}


needs = st.lists(
    st.builds(Need, st.uuids().map(str), st.sampled_from("nswe"), st.integers(0, 10**9)), max_size=30,
    unique_by=lambda need: need.institution,
)  # fmt: skip


@given(needs, st.sampled_from(["1/2", "3/5", "7/10", "4/5", "1"]))
def test_agreed_and_free_add_up_to_the_base(given_needs: list[Need], text: str) -> None:
    share = Fraction(text)
    made = agree_volumes(given_needs, share)
    base = sum(need.units for need in given_needs)
    assert sum(one.agreed + one.free for one in made) == base == sum(one.base for one in made)
    assert abs(sum(one.agreed for one in made) - share * base) <= Fraction(1, 2)
    for one in made:
        assert 0 <= one.agreed <= one.base
        assert abs(one.agreed - share * one.base) <= 1


def bid(supplier: str, price: int, **more: object) -> Bid:
    return Bid(supplier, FIVE, 10, price, **more)  # type: ignore[arg-type]


def test_the_lowest_chooses_first_and_seconds_are_others() -> None:
    """Two winners, five regions: a takes its wish, b the largest left, and so on in turn."""
    bids = [bid("a", 100, regions=("e",)), bid("b", 101, regions=())]
    outcome = select_winners(GROUP, bids, RULES)
    made = {
        one.region: one
        for one in choose_regions(outcome, bids, {"n": 50, "s": 40, "w": 30, "e": 20, "m": 10}, RULES)
    }
    assert {name: one.main for name, one in made.items()} == {
        "e": "a",
        "n": "b",
        "s": "a",
        "w": "b",
        "m": "a",
    }
    assert {name: one.pick for name, one in made.items()} == {"e": 1, "n": 2, "s": 3, "w": 4, "m": 5}
    assert all(one.second == ("b" if one.main == "a" else "a") for one in made.values())


def test_one_winner_has_all_and_no_second() -> None:
    bids = [bid("a", 100)]
    made = choose_regions(select_winners(GROUP, bids, RULES), bids, {"n": 1, "s": 2}, RULES)
    assert {(one.main, one.second) for one in made} == {("a", "")}


def test_capacity_lets_a_winner_pass_and_a_region_stay_open() -> None:
    bids = [bid("a", 100, capacity=60), bid("b", 101, capacity=35)]
    made = choose_regions(select_winners(GROUP, bids, RULES), bids, {"n": 50, "s": 40, "w": 30}, RULES)
    assert {one.region: one.main for one in made} == {"n": "a", "w": "b", "s": ""}
    assert {one.region: one.second for one in made} == {"n": "b", "w": "a", "s": ""}


volumes = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 1000), max_size=10)


@given(
    st.lists(st.tuples(st.integers(100, 180), st.none() | st.integers(0, 3000)), min_size=1, max_size=12),
    volumes,
)
@settings(deadline=None)
def test_every_region_has_one_main_and_nobody_exceeds_the_capacity(
    offers: list[tuple[int, int | None]], given_volumes: dict[str, int]
) -> None:
    bids = [bid(f"s{n}", price, capacity=capacity) for n, (price, capacity) in enumerate(offers)]
    outcome = select_winners(GROUP, bids, RULES, seed="00" * 32)
    made = choose_regions(outcome, bids, given_volumes, RULES)
    assert sorted(one.region for one in made) == sorted(given_volumes)
    assert sum(one.units for one in made) == sum(given_volumes.values())
    for one in made:
        assert one.main in {"", *outcome.winners} and one.second in {"", *outcome.winners}
        assert not one.main or one.main != one.second
        assert not one.second or one.main
    by_name = {one.supplier: one for one in bids}
    for name in outcome.winners:
        capacity = by_name[name].capacity
        load = sum(one.units for one in made if one.main == name)
        assert capacity is None or load <= capacity
        if capacity is None:
            assert all(one.main for one in made), "an unbounded winner leaves nothing open"


# --- savings ---------------------------------------------------------------------------------------


def test_a_saving_by_hand() -> None:
    """1,000 + 500 units fall from 2.00 yuan to 0.30: 1.70 x 1,500 = 2,550 yuan, by the schemes' shares."""
    shares = [Benefit("e", Fraction(1, 2), Fraction(3, 4)), Benefit("r", Fraction(1, 2), Fraction(1, 2))]
    made = savings("g", {"a": (1000, Fraction(30)), "b": (500, Fraction(30))}, Fraction(200), shares)
    assert (made.total, made.units) == (255_000, 1500)
    assert made.by_institution == {"a": 170_000, "b": 85_000}
    assert made.by_scheme == {"e": 127_500, "r": 127_500}
    assert (made.fund, made.residents) == (95_625 + 63_750, 31_875 + 63_750)


prices = st.fractions(0, 1000, max_denominator=997)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3), st.tuples(st.integers(0, 10**6), prices), min_size=1, max_size=9
    ),
    prices,
)
def test_savings_add_up_whether_prices_fall_or_rise(
    bought: dict[str, tuple[int, Fraction]], old: Fraction
) -> None:
    made = savings("g", bought, old, load_benefits())
    exact = sum(units * (old - new) for units, new in bought.values())
    assert abs(made.total - exact) <= Fraction(1, 2)
    assert sum(made.by_institution.values()) == made.total == sum(made.by_scheme.values())
    assert made.fund + made.residents == made.total
    for name, (units, new) in bought.items():
        assert abs(made.by_institution[name] - units * (old - new)) <= 1
