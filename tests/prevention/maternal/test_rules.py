"""Risks, dates and anaemia by the rules, against hand calculation and as invariants."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.prevention.queries.maternal import rules

DAY = date(2026, 3, 5)
CODES = sorted(rules.table("maternal_risk", DAY))
RANK = {"green": 0, "yellow": 1, "orange": 2, "red": 3}


def test_naegele_counts_280_days() -> None:
    assert rules.expected(date(2025, 9, 1)) == date(2026, 6, 8)
    assert rules.gestation(date(2026, 6, 8), date(2026, 3, 5)) == (26, 3)  # 185 days
    assert rules.gestation(date(2026, 6, 8), date(2026, 6, 8)) == (40, 0)


# The norm's bounds: age 35, 40; body mass 18.5, 25, 28; haemoglobin 110, 60, 40; platelets 100, 50, 30.
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"age": 34}, set()),
        ({"age": 35}, {"age-35"}),
        ({"age": 40}, {"age-40"}),
        ({"age": 18}, {"age-18"}),
        ({"age": 19}, set()),
        ({"bmi": 18.4}, {"bmi-low"}),
        ({"bmi": 18.5}, set()),
        ({"bmi": 25.0}, set()),
        ({"bmi": 25.1}, {"bmi-25"}),
        ({"bmi": 28.0}, {"bmi-28"}),
        ({"haemoglobin": 110}, set()),
        ({"haemoglobin": 109}, {"anaemia"}),
        ({"haemoglobin": 59}, {"severe-anaemia"}),
        ({"haemoglobin": 39}, {"extreme-anaemia"}),
        ({"platelets": 99}, {"platelets-50"}),
        ({"platelets": 49}, {"platelets-30"}),
        ({"platelets": 29}, {"platelets-low"}),
        ({}, set()),
        ({"age": None, "bmi": None}, set()),
    ],
)
def test_factors_follow_from_values(values: dict[str, float | None], expected: set[str]) -> None:
    assert rules.factors_of(values, DAY) == expected


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(CODES), max_size=8), st.sampled_from(CODES))
def test_another_factor_never_lowers_the_risk(factors: set[str], more: str) -> None:
    before, after = rules.judge(factors, DAY), rules.judge(factors | {more}, DAY)
    assert RANK[after.colour] >= RANK[before.colour]
    assert after.infectious >= before.infectious
    its = rules.table("maternal_risk", DAY)[more].row["colour"]
    assert after.infectious if its == "purple" else RANK[after.colour] >= RANK[its]
    then, now = rules.follow_on(before, DAY), rules.follow_on(after, DAY)
    assert then is None or (now is not None and now <= then)


def test_purple_stands_beside_another_colour() -> None:
    found = rules.judge({"hiv", "twins"}, DAY)
    assert (found.colour, found.infectious) == ("yellow", True)
    assert rules.judge({"syphilis"}, DAY) == rules.Risk("green", True)


def test_red_is_reported_within_a_day_and_orange_within_three() -> None:
    at = datetime(2026, 3, 5, 9, tzinfo=UTC)
    assert rules.report_by(rules.Risk("red", False), at) == datetime(2026, 3, 6, 9, tzinfo=UTC)
    assert rules.report_by(rules.Risk("orange", False), at) == datetime(2026, 3, 8, 9, tzinfo=UTC)
    assert rules.report_by(rules.Risk("yellow", True), at) is None


# WHO 2011: 6 to 59 months 110, 100, 70; 5 to 11 years 115, 110, 80; pregnant 110, 100, 70.
@pytest.mark.parametrize(
    ("value", "age", "pregnant", "expected"),
    [
        (110, 300, False, "none"),
        (109, 300, False, "mild"),
        (99, 300, False, "moderate"),
        (69, 300, False, "severe"),
        (114, 2200, False, "mild"),
        (109, 2200, False, "moderate"),
        (100, 100, False, ""),
        (109, None, True, "mild"),
        (99.9, None, True, "moderate"),
        (119, 11000, False, "mild"),
    ],
)
def test_anaemia_by_age(value: float, age: int | None, pregnant: bool, expected: str) -> None:
    assert rules.anaemia(value, DAY, age_days=age, pregnant=pregnant) == expected
