"""Waiting, lapse, transfer, special status and premiums, case by case, as the published rules say."""

from datetime import date

import pytest

from salus.insurance.eligibility import (
    Contract,
    Filing,
    Person,
    Spell,
    Status,
    decide,
    employee_contribution,
    load_rules,
    resident_premium,
    spans,
)
from salus.insurance.eligibility.dates import add_months, months_between
from salus.insurance.eligibility.rules import Rules, check
from salus.kernel.errors import Invalid, NotFound

RULES = load_rules()
HERE = [
    Contract("440100", s, date(2020, 1, 1))
    for s in ("inpatient", "outpatient", "emergency", "maternity", "pharmacy")
]


def year(number: int, paid: date, category: str = "adult", repaired: int = 0) -> Spell:
    return Spell("resident", category, "440100", date(number, 1, 1), date(number, 12, 31), paid, repaired)


def month(y: int, m: int, category: str = "worker", paid: date | None = None) -> Spell:
    start = date(y, m, 1)
    return Spell("employee", category, "440100", start, add_months(start, 1).replace(day=1), paid or start)


def asked(person: Person, day: date, service: str = "inpatient", contracts: list[Contract] = HERE) -> str:
    return decide(person, contracts, day, service, RULES).reason


def test_who_paid_in_the_period_before_the_year_is_covered_from_its_first_day_to_its_last() -> None:
    person = Person([year(2025, date(2024, 11, 20))])
    assert [asked(person, d) for d in (date(2024, 12, 31), date(2025, 1, 1), date(2025, 12, 31))] == [
        "not-enrolled",
        "covered",
        "covered",
    ]
    assert asked(person, date(2026, 1, 1)) == "lapsed"


def test_who_pays_late_waits_three_months_from_the_payment() -> None:
    person = Person([year(2024, date(2023, 11, 1)), year(2025, date(2025, 2, 10))])
    assert asked(person, date(2025, 2, 9)) == "unpaid"
    assert asked(person, date(2025, 2, 10)) == "waiting"
    assert asked(person, date(2025, 5, 9)) == "waiting"
    assert asked(person, date(2025, 5, 10)) == "covered"


@pytest.mark.parametrize(
    ("last_paid", "repaired", "months"),
    [(2024, 0, 3), (2023, 0, 4), (2022, 0, 5), (2021, 0, 6), (2020, 0, 7), (2022, 1, 4), (2019, 5, 6)],
)
def test_each_whole_year_of_a_break_adds_a_month_unless_repaid_and_four_years_leave_six_at_least(
    last_paid: int, repaired: int, months: int
) -> None:
    person = Person(
        [year(last_paid, date(last_paid - 1, 11, 1)), year(2025, date(2025, 6, 1), repaired=repaired)]
    )
    assert spans(person, RULES)[-1].waiting_months == months


def test_who_is_spared_by_a_status_does_not_wait() -> None:
    late = [year(2025, date(2025, 2, 10))]
    assert asked(Person(late), date(2025, 3, 1)) == "waiting"
    for status in ("extreme_poverty", "low_income", "severe_disability"):
        assert asked(Person(late, [Status(status, date(2025, 1, 1))]), date(2025, 3, 1)) == "covered"
    for status in ("illness_poverty", "maternity"):
        assert asked(Person(late, [Status(status, date(2025, 1, 1))]), date(2025, 3, 1)) == "waiting"


def test_a_status_that_comes_during_the_wait_ends_it_and_its_end_does_not_cover_what_was_awaited() -> None:
    person = Person(
        [year(2025, date(2025, 2, 10))], [Status("low_income", date(2025, 3, 1), date(2025, 3, 31))]
    )
    days = (date(2025, 2, 28), date(2025, 3, 1), date(2025, 4, 1), date(2025, 5, 10))
    assert [asked(person, day) for day in days] == ["waiting", "covered", "waiting", "covered"]


def test_a_newborn_enrolled_within_ninety_days_is_covered_from_birth() -> None:
    born = date(2025, 4, 10)
    within = Spell("resident", "newborn", "440100", born, date(2025, 12, 31), date(2025, 7, 9))
    after = Spell("resident", "newborn", "440100", born, date(2025, 12, 31), date(2025, 7, 10))
    assert asked(Person([within]), born) == "covered"
    assert asked(Person([after]), date(2025, 7, 9)) == "unpaid"
    assert asked(Person([after]), date(2025, 7, 10)) == "covered"


def test_going_from_one_scheme_to_the_other_within_three_months_keeps_the_cover() -> None:
    worked = [month(2025, m) for m in range(1, 4)]  # paid to 31 March, and the first of April
    flexible = [
        Spell("employee", "flexible", "440100", date(2025, m, 2), date(2025, m + 3, 1), date(2025, m, 2))
        for m in (4, 7)
    ]
    assert asked(Person([*worked, *flexible]), date(2025, 4, 2)) == "covered"
    later = [Spell("employee", "flexible", "440100", date(2025, 7, 3), date(2026, 7, 1), date(2025, 7, 3))]
    assert asked(Person([*worked, *later]), date(2025, 7, 3)) == "waiting"
    assert asked(Person([*worked, *later]), date(2026, 1, 3)) == "covered"


def test_first_flexible_employment_waits_six_months_and_the_months_that_follow_wait_with_it() -> None:
    paid = [month(2025, m, "flexible") for m in range(1, 12)]
    person = Person(paid)
    assert asked(person, date(2025, 6, 30)) == "waiting"
    assert asked(person, date(2025, 7, 1)) == "covered"


def test_maternity_asks_for_months_without_a_break() -> None:
    person = Person([month(2025, m) for m in range(1, 10)])
    assert asked(person, date(2025, 6, 30), "maternity") == "too-few-months"
    assert asked(person, date(2025, 7, 1), "maternity") == "covered"
    retired = Person([month(2025, m, "retired") for m in range(1, 10)])
    assert asked(retired, date(2025, 7, 1), "maternity") == "service-not-covered"


def test_elsewhere_is_covered_with_a_filing_or_as_an_emergency() -> None:
    other = [Contract("440300", s, date(2020, 1, 1)) for s in ("inpatient", "emergency")]
    paid = [year(2025, date(2024, 10, 1))]
    day = date(2025, 5, 1)
    assert asked(Person(paid), day, "inpatient", other) == "other-area"
    assert asked(Person(paid), day, "emergency", other) == "covered"
    filed = Person(paid, filings=[Filing("440300", date(2025, 5, 1), date(2025, 5, 31))])
    assert asked(filed, day, "inpatient", other) == "covered"
    assert decide(filed, other, day, "inpatient", RULES).away
    assert asked(filed, date(2025, 6, 1), "inpatient", other) == "other-area"
    assert asked(filed, day, "outpatient", other) == "not-contracted"


def test_the_employees_scheme_comes_first_where_both_are_paid() -> None:
    person = Person([year(2025, date(2024, 11, 1)), month(2025, 3)])
    assert decide(person, HERE, date(2025, 3, 5), "inpatient", RULES).scheme == "employee"
    assert decide(person, HERE, date(2025, 5, 5), "inpatient", RULES).scheme == "resident"


def test_the_premium_of_the_poor_is_paid_by_aid_and_adds_up() -> None:
    plain = resident_premium(RULES, "adult", 2025, [])
    assert (plain.own, plain.aid, plain.finance) == (40_000, 0, 70_000)
    destitute = resident_premium(RULES, "adult", 2025, ["low_income", "extreme_poverty"])
    assert (destitute.own, destitute.aid, destitute.status) == (0, 40_000, "extreme_poverty")
    allowance = resident_premium(RULES, "child", 2025, ["low_income"])
    assert (allowance.own, allowance.aid) == (10_000, 30_000)
    assert plain.total == destitute.total == allowance.total == 110_000
    with pytest.raises(NotFound):
        resident_premium(RULES, "adult", 1999, [])


def test_an_employee_pays_on_a_base_between_its_bounds() -> None:
    day = date(2025, 3, 1)
    assert employee_contribution(RULES, "worker", day, 1_000_000).own == 20_000  # 2 % of 10,000 yuan
    assert employee_contribution(RULES, "worker", day, 0).own == 9_600  # 2 % of 60 % of 8,000 yuan
    assert employee_contribution(RULES, "worker", day, 10_000_000).employer == 192_000  # 8 % of 24,000 yuan
    with pytest.raises(Invalid):
        employee_contribution(RULES, "worker", day, -1)


def test_words_of_the_record_become_statuses() -> None:
    words = {
        "最低生活保障": "low_income", "最低生活保障边缘家庭": "low_income_edge",
        "特困供养": "extreme_poverty",
        "返贫致贫人口": "poverty_return", "因病致贫": "illness_poverty",
    }  # fmt: skip
    assert {text: RULES.status_of("poverty", text) for text in words} == words
    assert RULES.status_of("disability", "肢体残疾二级") == "severe_disability"
    assert RULES.status_of("disability", "听力残疾四级") == "disability"
    assert RULES.status_of("departed", "") is None


def test_two_rules_for_one_day_are_refused() -> None:
    twice = Rules(
        (*RULES.waiting, RULES.waiting[0]), RULES.offers, RULES.statuses, RULES.status_map, RULES.premiums,
        RULES.subsidies, RULES.rates, RULES.wages,
    )  # fmt: skip
    with pytest.raises(Invalid, match="Two rules"):
        check(twice)


def test_months_end_where_a_month_lacks_the_day() -> None:
    assert add_months(date(2024, 11, 30), 3) == date(2025, 2, 28)
    assert months_between(date(2025, 1, 31), date(2025, 2, 28)) == 1
    assert months_between(date(2025, 1, 15), date(2025, 2, 14)) == 0
