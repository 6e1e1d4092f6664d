"""Choosing winners: each published band at its edges, the exclusion to a fraction, ties, properties."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.insurance.tender import (
    Bid,
    Group,
    Outcome,
    RuleSet,
    Strength,
    load_rulesets,
    ruleset_on,
    select_winners,
)
from salus.insurance.tender.rules import parse_ruleset
from salus.kernel.errors import Invalid, NotFound

FIVE = Strength.parse("5 mg")
RULES = load_rulesets()["national-2021"]
EXACT = replace(RULES, decimals=None)
GROUP = Group("amlodipine", FIVE)
SEED = "5a" * 32

# The published tables, written down here apart from the data under test.
WINNERS = {
    0: 0, 1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5, 9: 6, 10: 6, 20: 6, 100: 6,
}  # fmt: skip
SHARES = {1: "1/2", 2: "3/5", 3: "7/10", 4: "4/5", 5: "4/5", 6: "4/5"}
YEARS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 3, 6: 3}


def bid(supplier: str, price: int, pack: int = 10, strength: Strength = FIVE, **more: object) -> Bid:
    return Bid(supplier, strength, pack, price, **more)  # type: ignore[arg-type]


def reasons(outcome: Outcome) -> dict[str, str]:
    return {one.supplier: one.reason for one in outcome.decisions}


@pytest.mark.parametrize(("bidders", "winners"), WINNERS.items())
def test_each_band_of_winners_at_its_edges(bidders: int, winners: int) -> None:
    bids = [bid(f"s{n:03}", 1000 + n) for n in range(bidders)]
    outcome = select_winners(GROUP, bids, RULES)
    assert (outcome.bidders, outcome.allowed) == (bidders, winners)
    assert list(outcome.winners) == [f"s{n:03}" for n in range(winners)]
    assert list(reasons(outcome).values()).count("beyond-number") == bidders - winners


@pytest.mark.parametrize(("winners", "share"), SHARES.items())
def test_each_share_and_term_by_the_number_of_winners(winners: int, share: str) -> None:
    """As many bids as give so many winners: the least number of bidders of each band."""
    bidders = {1: 1, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9}[winners]
    outcome = select_winners(GROUP, [bid(f"s{n}", 1000 + n) for n in range(bidders)], RULES)
    assert len(outcome.winners) == winners
    assert (outcome.share, outcome.years) == (Fraction(share), YEARS[winners])


def test_share_and_term_follow_who_really_won_and_not_who_might_have() -> None:
    """Five bidders allow four winners; the exclusion leaves one: half the base for one year."""
    group = replace(GROUP, ceiling=10_000, pack=10)
    bids = [bid("low", 1000), *(bid(f"dear{n}", 6000 + n) for n in range(4))]
    outcome = select_winners(group, bids, RULES)
    assert outcome.allowed == 4
    assert outcome.winners == ("low",)
    assert (outcome.share, outcome.years) == (Fraction(1, 2), 1)
    assert sorted(reasons(outcome).values()) == ["above-multiple"] * 3 + ["beyond-number", "winner"]


def test_rules_of_a_day() -> None:
    assert ruleset_on(date(2021, 1, 15)).name == "national-2021"
    assert ruleset_on(date(2021, 1, 14)).name == "national-2020"
    two = select_winners(GROUP, [bid("a", 100), bid("b", 101)], ruleset_on(date(2020, 6, 1)))
    assert (two.share, two.years) == (Fraction(3, 5), 2)
    with pytest.raises(NotFound):
        ruleset_on(date(2018, 1, 1))


# --- the exclusion: 1.8 times the lowest, half the ceiling, 0.10 yuan ------------------------------


@pytest.mark.parametrize(
    ("price", "reason"),
    [(18_000, "winner"), (18_001, "above-multiple"), (17_999, "winner")],
)
def test_a_price_of_exactly_the_multiple_stays_in(price: int, reason: str) -> None:
    """Lowest 100.00 yuan a pack: 180.00 wins, 180.01 does not (the same pack, so fen decide)."""
    outcome = select_winners(GROUP, [bid("low", 10_000, 1), bid("b", price, 1)], EXACT)
    assert reasons(outcome)["b"] == reason


@pytest.mark.parametrize(("pack", "won"), [(1999, False), (2000, True), (2001, True)])
def test_the_multiple_holds_to_a_fraction_of_a_fen(pack: int, won: bool) -> None:
    """3.60 yuan for 2,000 units is 0.18 fen a unit: 1.8 times 0.10 fen (1.00 yuan for 1,000), exactly."""
    group = Group("g", FIVE)
    rules = replace(EXACT, exclusion=replace(EXACT.exclusion, unit_price=None))  # type: ignore[type-var]
    outcome = select_winners(group, [bid("low", 100, 1000), bid("b", 360, pack)], rules)
    assert (reasons(outcome)["b"] == "winner") is won


@pytest.mark.parametrize(("ceiling", "kept"), [(40_000, "cut"), (39_999, ""), (40_001, "cut")])
def test_half_the_ceiling_saves_a_dear_bid(ceiling: int, kept: str) -> None:
    """200.00 yuan against a lowest of 100.00: dearer than 1.8 times, but 50 % under a ceiling of 400.00."""
    group = replace(GROUP, ceiling=ceiling)
    outcome = select_winners(group, [bid("low", 10_000, 1), bid("b", 20_000, 1)], EXACT)
    dear = next(one for one in outcome.decisions if one.supplier == "b")
    assert (dear.kept_by, dear.reason) == (kept, "winner" if kept else "above-multiple")
    assert dear.limit == 18_000


@pytest.mark.parametrize(("fen", "pack", "kept"), [(100, 10, "unit-price"), (101, 10, ""), (1001, 100, "")])
def test_ten_fen_a_unit_saves_a_dear_bid(fen: int, pack: int, kept: str) -> None:
    """0.05 yuan is the lowest; 0.10 yuan a tablet is twice as much and stays in, 0.1001 does not."""
    outcome = select_winners(GROUP, [bid("low", 50, 10), bid("b", fen, pack)], EXACT)
    assert next(one for one in outcome.decisions if one.supplier == "b").kept_by == kept


def test_rounding_to_four_decimals_is_the_rule_sets_own() -> None:
    """1.00 yuan for 1,001 tablets is 0.000999 yuan; the national rules compare 0.0010."""
    one, other = bid("a", 100, 1001), bid("b", 100, 1000)
    assert select_winners(GROUP, [one, other], EXACT).winners == ("a", "b")
    rounded = select_winners(GROUP, [one, other], RULES, seed=SEED)
    assert {made.comparable for made in rounded.decisions} == {Fraction(1, 10)}
    assert {made.tie for made in rounded.decisions} == {"draw"}


def test_nobody_moves_up_for_an_excluded_bid_unless_the_rules_exclude_first() -> None:
    """Three bidders, two places: the second is excluded, and the third does not take its place."""
    bids = [bid("a", 1000), bid("b", 5000), bid("c", 6000)]
    outcome = select_winners(GROUP, bids, RULES)
    assert reasons(outcome) == {"a": "winner", "b": "above-multiple", "c": "beyond-number"}
    first = select_winners(GROUP, bids, replace(RULES, exclude_first=True))
    assert reasons(first) == {"a": "winner", "b": "above-multiple", "c": "above-multiple"}


def test_ceiling_and_qualification_take_a_bidder_out_of_the_count() -> None:
    group = replace(GROUP, ceiling=2000, pack=10)
    bids = [bid("a", 2000), bid("b", 2001), bid("c", 1500, unmet=("gmp",)), bid("d", 1900)]
    outcome = select_winners(group, bids, RULES)
    assert outcome.bidders == 2 and outcome.winners == ("d", "a")
    assert reasons(outcome) == {"a": "winner", "b": "above-ceiling", "c": "not-qualified", "d": "winner"}
    assert next(one for one in outcome.decisions if one.supplier == "c").unmet == ("gmp",)
    counted = select_winners(group, bids, replace(RULES, counted="qualified"))
    assert counted.bidders == 3


def test_one_bidder_wins_alone_and_none_is_no_error() -> None:
    alone = select_winners(GROUP, [bid("a", 123_456)], RULES)
    assert (alone.winners, alone.share, alone.years) == (("a",), Fraction(1, 2), 1)
    none = select_winners(GROUP, [], RULES)
    assert (none.winners, none.share, none.years, none.lowest) == ((), 0, 0, None)


def test_a_supplier_bids_once() -> None:
    with pytest.raises(Invalid) as refused:
        select_winners(GROUP, [bid("a", 1), bid("a", 2)], RULES)
    assert refused.value.code == "bid-twice"


# --- strengths -------------------------------------------------------------------------------------


def test_double_strength_may_cost_as_much_more_as_the_published_factor() -> None:
    """10 mg at 17.00 yuan a pack equals 5 mg at 10.00 (factor 1.7); a quarter strength by 1.7 squared."""
    ten, small = Strength.parse("10mg"), Strength.parse("1.25 mg")
    outcome = select_winners(GROUP, [bid("a", 1000), bid("b", 1700, strength=ten)], EXACT, seed=SEED)
    assert {one.comparable for one in outcome.decisions} == {Fraction(100)}
    quarter = select_winners(GROUP, [bid("c", 1000, strength=small)], EXACT)
    assert quarter.lowest == 100 * Fraction(17, 10) ** 2
    linear = select_winners(GROUP, [bid("b", 1700, strength=ten)], replace(EXACT, doubling=None))
    assert linear.lowest == 85


def test_a_factor_that_no_rule_states_is_refused_until_one_does() -> None:
    odd = [bid("a", 1000, strength=Strength.parse("7.5 mg"))]
    with pytest.raises(Invalid) as refused:
        select_winners(GROUP, odd, RULES)
    assert refused.value.code == "price-ratio-unknown"
    stated = parse_ruleset({**RULES.table, "price_ratios": [{"ratio": "1.5", "factor": "1.3636"}]})
    assert select_winners(GROUP, odd, stated).decisions[0].won


# --- ties ------------------------------------------------------------------------------------------


def test_ties_go_by_demand_then_by_date_then_by_lot() -> None:
    same = [
        bid("a", 1000, demand=5, evaluated=date(2020, 1, 2)),
        bid("b", 1000, demand=9),
        bid("c", 1000, demand=5, evaluated=date(2020, 1, 1)),
        bid("d", 1000, demand=5),
    ]
    outcome = select_winners(GROUP, same, RULES)
    assert outcome.winners == ("b", "c", "a")
    assert {one.supplier: one.tie for one in outcome.decisions}["b"] == "demand"
    assert {one.supplier: one.tie for one in outcome.decisions}["c"] == "evaluated"


def test_lots_need_a_seed_and_are_the_same_for_everybody() -> None:
    same = [bid(name, 1000) for name in "abcde"]
    with pytest.raises(Invalid) as refused:
        select_winners(GROUP, same, RULES)
    assert refused.value.code == "tie-draw"
    drawn = select_winners(GROUP, same, RULES, seed=SEED)
    assert drawn == select_winners(GROUP, same[::-1], RULES, seed=SEED)
    first = {select_winners(GROUP, same, RULES, seed=f"{n:064x}").winners[0] for n in range(60)}
    assert first == set("abcde")
    with pytest.raises(Invalid) as open_tie:
        select_winners(GROUP, same, replace(RULES, ties=()), seed=SEED)
    assert open_tie.value.code == "tie-open"


# --- properties ------------------------------------------------------------------------------------

strengths = st.sampled_from([Strength.parse(text) for text in ("2.5 mg", "5 mg", "10 mg", "20 mg")])
bids = st.lists(
    st.builds(
        Bid, st.uuids().map(str), strengths, st.integers(1, 100), st.integers(1, 5000),
        unmet=st.sampled_from([(), (), (), ("gmp",)]),
        evaluated=st.none() | st.integers(0, 3).map(lambda n: date(2020, 1, 1) + timedelta(n)),
        demand=st.integers(0, 3),
    ),
    max_size=24, unique_by=lambda one: one.supplier,
)  # fmt: skip
groups = st.builds(Group, st.just("g"), st.just(FIVE), st.integers(1, 50), st.none() | st.integers(1, 5000))
rule_sets = st.sampled_from(
    [RULES, EXACT, replace(EXACT, exclude_first=True), replace(RULES, counted="qualified")]
)


@given(groups, bids, rule_sets, st.randoms())
@settings(max_examples=300, deadline=None)
def test_whatever_is_bid(group: Group, given: list[Bid], rules: RuleSet, random: object) -> None:
    outcome = select_winners(group, given, rules, seed=SEED)
    assert len(outcome.decisions) == len(given)
    assert len(outcome.winners) <= WINNERS[min(outcome.bidders, 9)] or outcome.bidders == 0
    assert {one.supplier for one in outcome.decisions} == {one.supplier for one in given}
    shuffled = list(given)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert select_winners(group, shuffled, rules, seed=SEED) == outcome
    by_name = {one.supplier: one for one in given}
    ceiling = group.unit_ceiling()
    for one in outcome.decisions:
        if not one.won:
            continue
        assert one.comparable is not None and outcome.lowest is not None
        assert not by_name[one.supplier].unmet
        assert ceiling is None or one.comparable <= ceiling
        cut = ceiling is not None and 2 * one.comparable <= ceiling
        assert 10 * one.comparable <= 18 * outcome.lowest or cut or one.comparable <= 10
    if outcome.bidders and any(one.rank == 1 for one in outcome.decisions):
        assert outcome.winners, "the lowest valid bid always wins"


def test_every_order_of_five_bids_gives_the_same_decisions() -> None:
    five = [bid("a", 1000), bid("b", 1000, demand=1), bid("c", 1801), bid("d", 1700), bid("e", 900)]
    made = {select_winners(GROUP, order, RULES, seed=SEED) for order in permutations(five)}
    assert len(made) == 1


# --- rule sets are data that is checked ------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "rules-name"),
        ({"winners": []}, "rules-bands"),
        ({"winners": [{"bidders_from": 2, "winners": 1}]}, "rules-bands"),
        ({"winners": [{"bidders_from": 1, "bidders_to": 3, "winners": 1}]}, "rules-bands"),
        ({"winners": [{"bidders_from": 1, "winners": 2}]}, "rules-winners"),
        ({"terms": [{"winners_from": 1, "share": 50.5, "years": 1}]}, "rules-number"),
        ({"terms": [{"winners_from": 1, "share": "101", "years": 1}]}, "rules-terms"),
        ({"ties": ["beauty"]}, "rules-ties"),
        ({"bidders_counted": "all"}, "rules-counted"),
        ({"exclusion": {"multiple": 1.8}}, "rules-number"),
        ({"valid_from": None}, "rules-dates"),
        ({"comparable_decimals": 12}, "rules-decimals"),
    ],
)
def test_a_faulty_rule_set_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_ruleset({**RULES.table, **change})
    assert refused.value.code == code
