"""What the schedules say, by hand: dates written out from the norms' own words."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.schedule import (
    Bar,
    Episode,
    Finding,
    Given,
    Resident,
    Rules,
    assess,
    compose,
    load_rules,
    parse,
)
from salus.prevention.schedule.offsets import Span, span
from salus.prevention.schedule.periods import period_of
from tests.prevention.schedule.histories import residents

CN = load_rules(date(2026, 11, 30))


def of(service: str, resident: Resident, today: date, rules: Rules = CN) -> Finding:
    found = [f for f in assess(rules.only([service]), resident, today) if f.service == service]
    assert len(found) == 1
    return found[0]


def codes(finding: Finding) -> list[str]:
    return [verdict.code for verdict in finding.verdicts]


@pytest.mark.parametrize(
    ("start", "length", "clip", "roll"),
    [
        ("2024-02-29", "1y", "2025-02-28", "2025-03-01"),
        ("2024-02-29", "4y", "2028-02-29", "2028-02-29"),
        ("2025-01-31", "1m", "2025-02-28", "2025-03-01"),
        ("2023-12-31", "2m", "2024-02-29", "2024-03-01"),
        ("2025-08-31", "1m", "2025-09-30", "2025-10-01"),
        ("2025-11-30", "3m", "2026-02-28", "2026-03-01"),
        ("2025-12-15", "1y1m1w1d", "2027-01-23", "2027-01-23"),
        ("1900-02-28", "0d", "1900-02-28", "1900-02-28"),
    ],
)
def test_a_month_ends_by_the_calendar(start: str, length: str, clip: str, roll: str) -> None:
    day = date.fromisoformat(start)
    assert span(length).after(day) == date.fromisoformat(clip)
    assert span(length).after(day, roll=True) == date.fromisoformat(roll)


@given(
    day=st.dates(date(1850, 1, 1), date(2150, 12, 31)),
    months=st.integers(0, 1300), days=st.integers(0, 400),
)  # fmt: skip
def test_a_span_lies_between_its_bounds(day: date, months: int, days: int) -> None:
    length = Span(months, days)
    for roll in (False, True):
        assert length.least <= (length.after(day, roll) - day).days <= length.most


@pytest.mark.parametrize("text", ["", "1", "m", "1d1m", "-1d", "1.5m", "1 m"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        span(text)


def test_week_53_is_a_week() -> None:
    # ISO 8601: 2020 and 2026 have 53 weeks; week 53 of 2026 is 28 December to 3 January.
    assert period_of("week", date(2026, 12, 31)) == (date(2026, 12, 28), date(2027, 1, 4))
    assert period_of("week", date(2027, 1, 3)) == (date(2026, 12, 28), date(2027, 1, 4))
    assert date(2027, 1, 3).isocalendar()[:2] == (2026, 53)
    assert period_of("quarter", date(2026, 12, 31)) == (date(2026, 10, 1), date(2027, 1, 1))
    assert period_of("month", date(2028, 2, 29)) == (date(2028, 2, 1), date(2028, 3, 1))


def test_hepatitis_b_is_given_at_0_1_and_6_months() -> None:
    born = date(2026, 1, 31)
    child = Resident(born)
    assert (of("HepB", child, born).status, of("HepB", child, born).overdue_on) == ("due", date(2026, 2, 1))
    child = Resident(born, given=[Given("HepB", born)])
    assert of("HepB", child, born).due_on == date(2026, 2, 28)
    child = Resident(born, given=[Given("HepB", born), Given("HepB", date(2026, 2, 28))])
    assert of("HepB", child, born).status == "upcoming"
    assert of("HepB", child, date(2026, 7, 31)).due_on == date(2026, 7, 31)


def test_a_third_dose_keeps_60_days_from_the_second_and_4_months_from_the_first() -> None:
    born = date(2024, 3, 1)
    late = [Given("HepB", date(2026, 1, 10)), Given("HepB", date(2026, 2, 10))]
    found = of("HepB", Resident(born, given=late), date(2026, 3, 1))
    assert (found.due_on, found.reason) == (date(2026, 5, 10), "first")
    late = [Given("HepB", date(2026, 1, 10)), Given("HepB", date(2026, 4, 1))]
    found = of("HepB", Resident(born, given=late), date(2026, 4, 1))
    assert (found.due_on, found.reason) == (date(2026, 5, 31), "interval")


def test_a_dose_before_its_age_does_not_count() -> None:
    born = date(2026, 1, 1)
    found = of("MMR", Resident(born, given=[Given("MMR", date(2026, 8, 31))]), date(2026, 9, 1))
    assert codes(found) == ["too-young"]
    assert (found.status, found.step) == ("due", 1)
    found = of("MMR", Resident(born, given=[Given("MMR", date(2026, 9, 1))]), date(2026, 9, 1))
    assert codes(found) == ["counted"]


def test_injected_live_vaccines_go_together_or_28_days_apart() -> None:
    born = date(2026, 1, 1)
    first = Given("MMR", date(2026, 9, 1))
    same = Resident(born, given=[first, Given("JE-L", date(2026, 9, 1))])
    assert codes(of("JE", same, date(2026, 11, 30))) == ["counted"]
    near = Resident(born, given=[first, Given("JE-L", date(2026, 9, 28))])
    assert codes(of("JE", near, date(2026, 11, 30))) == ["conflict"]
    apart = Resident(born, given=[first, Given("JE-L", date(2026, 9, 29))])
    assert codes(of("JE", apart, date(2026, 11, 30))) == ["counted"]
    waiting = of("JE", Resident(born, given=[first]), date(2026, 9, 2))
    assert (waiting.status, waiting.due_on, waiting.reason) == ("upcoming", date(2026, 9, 29), "conflict")
    assert of("JE", Resident(born, given=[first]), date(2026, 9, 1)).status == "due"


def test_the_inactivated_vaccine_has_its_own_doses() -> None:
    born = date(2024, 1, 15)
    doses = [Given("JE-I", date(2024, 9, 15)), Given("JE-I", date(2024, 9, 22))]
    found = of("JE", Resident(born, given=doses), date(2026, 1, 15))
    assert (found.path, found.step, found.due_on) == ("inactivated", 3, date(2026, 1, 15))


def test_bcg_ends_at_four_years_and_group_a_at_24_months() -> None:
    born = date(2022, 2, 28)
    assert of("BCG", Resident(born), date(2026, 2, 27)).status == "overdue"
    assert of("BCG", Resident(born), date(2026, 2, 28)).status == "closed"
    assert of("MPSV-A", Resident(born), date(2024, 2, 28)).status == "closed"
    assert of("MPSV-AC", Resident(born), date(2024, 2, 28)).status == "due"
    full = [Given("MPSV-A", date(2022, 9, 1)), Given("MPSV-A", date(2022, 12, 1))]
    assert of("MPSV-AC", Resident(born, given=full), date(2024, 2, 28)).due_on == date(2025, 2, 28)


@pytest.mark.parametrize(
    ("doses", "needed", "due"),
    [
        ([], 3, "2024-01-10"),
        (["2019-01-01"], 2, "2024-01-10"),
        (["2019-01-01", "2019-02-01", "2023-12-01"], 1, "2024-06-01"),
        (["2018-04-10", "2018-05-10", "2018-06-10", "2023-12-01"], 1, "2024-12-01"),
    ],
)
def test_diphtheria_and_tetanus_complete_what_is_missing_at_six(
    doses: list[str], needed: int, due: str
) -> None:
    # The schedule of 2021, on a day on which it held: DTaP at 3, 4, 5, 18 months, DT at 6 years.
    rules = load_rules(date(2024, 12, 31))
    child = Resident(date(2018, 1, 10), given=[Given("DTaP", date.fromisoformat(day)) for day in doses])
    found = of("DT", child, date(2024, 1, 10), rules)
    assert found.due_on == date.fromisoformat(due)
    path = next(path for path in rules.of("DT").paths if path.name == found.path)
    assert len(path.steps) == needed


def test_a_changed_schedule_holds_from_its_day_on() -> None:
    # From 2025-01-01 on DTaP is given at 2, 4, 6, 18 months and 6 years.
    born = date(2024, 12, 1)
    before, after = load_rules(date(2024, 12, 31)), load_rules(date(2025, 1, 1))
    assert of("DTaP", Resident(born), date(2024, 12, 31), before).due_on == date(2025, 3, 1)
    assert of("DTaP", Resident(born), date(2025, 1, 1), after).due_on == date(2025, 2, 1)
    old = [Given("DTaP", date(2022, month, 1)) for month in (4, 5, 6)]
    found = of("DTaP", Resident(date(2022, 1, 1), given=old), date(2026, 11, 30))
    assert (found.counted, found.due_on) == (3, date(2023, 7, 1))
    complete = [*old, Given("DTaP", date(2023, 7, 1)), Given("DTaP", date(2028, 1, 1))]
    found = of("DTaP", Resident(date(2022, 1, 1), given=complete), date(2030, 1, 1))
    assert found.status == "complete"


def test_contraindications_hold_for_good_or_until_they_end() -> None:
    born = date(2026, 1, 1)
    for_good = Resident(born, bars=[Bar("MMR", date(2026, 5, 1))])
    assert of("MMR", for_good, date(2026, 10, 1)).status == "contraindicated"
    fever = Resident(born, bars=[Bar("MMR", date(2026, 8, 25), date(2026, 9, 10))])
    found = of("MMR", fever, date(2026, 9, 5))
    assert (found.status, found.due_on, found.reason) == ("upcoming", date(2026, 9, 11), "bar")


def test_visits_have_windows_with_exact_ends() -> None:
    home = Resident(date(2026, 3, 1), [Episode("discharge", date(2026, 3, 4))])
    assert of("newborn-visit", home, date(2026, 3, 10)).status == "due"
    assert of("newborn-visit", home, date(2026, 3, 11)).status == "overdue"
    pregnant = Resident(date(1995, 5, 5), [Episode("lmp", date(2026, 1, 1))])
    # 13 weeks after 1 January 2026 is 2 April: from then on the first visit is missed.
    assert of("antenatal-visit", pregnant, date(2026, 4, 1)).step == 1
    found = of("antenatal-visit", pregnant, date(2026, 4, 2))
    assert (found.step, found.missed, found.due_on) == (2, 1, date(2026, 4, 23))
    delivered = Resident(date(1995, 5, 5), [Episode("lmp", date(2026, 1, 1), date(2026, 9, 1))])
    assert of("antenatal-visit", delivered, date(2026, 9, 2)).status == "ended"


def test_the_elderly_are_checked_once_a_year_from_their_65th_birthday() -> None:
    leap = Resident(date(1960, 2, 29))
    assert of("elderly-check", leap, date(2025, 2, 27)).status == "upcoming"
    assert of("elderly-check", leap, date(2025, 2, 28)).status == "due"
    checked = Resident(date(1950, 6, 1), given=[Given("elderly-check", date(2025, 12, 31))])
    assert of("elderly-check", checked, date(2025, 12, 31)).status == "upcoming"
    assert of("elderly-check", checked, date(2026, 1, 1)).status == "due"
    assert of("elderly-check", checked, date(2026, 12, 1)).status == "overdue"


def test_hypertension_is_seen_each_quarter_from_35_years_on() -> None:
    young = Resident(date(1992, 1, 1), [Episode("hypertension", date(2026, 1, 1))])
    assert of("hypertension-visit", young, date(2026, 12, 31)).due_on == date(2027, 1, 1)
    old = Resident(
        date(1960, 1, 1), [Episode("hypertension", date(2026, 1, 1))],
        [Given("hypertension-visit", date(2026, 8, 31))],
    )  # fmt: skip
    found = of("hypertension-visit", old, date(2026, 11, 30))
    assert (found.status, found.due_on, found.overdue_on) == ("due", date(2026, 11, 30), date(2026, 12, 14))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_catch_up_keeps_ages_and_intervals_and_ends_with_nothing_due(seed: int) -> None:
    start = date(2026, 11, 30)
    series = CN.only([s.code for s in CN.services if s.kind == "series"])
    for person in residents(series, seed, 3, start):
        today = max(start, person.birth)
        doses = [g for g in person.given if g.day <= today]
        for _ in range(60):
            child = Resident(person.birth, (), doses)
            waiting = [f for f in assess(series, child, today) if f.due_on is not None]
            if not waiting:
                break
            following = min(waiting, key=lambda f: f.due_on or date.max)
            assert following.due_on is not None
            today = max(today, following.due_on)
            service = series.of(following.service)
            path = next(path for path in service.paths if path.name == following.path)
            step = path.steps[following.step - 1]
            before = [v.day for v in following.verdicts if v.code == "counted"]
            assert today >= step.earliest.after(person.birth)
            if before and step.interval:
                assert today >= step.interval.after(max(before))
            if before and step.interval_first:
                assert today >= step.interval_first.after(min(before))
            doses = [*doses, Given(following.product, today)]
            after = next(
                f
                for f in assess(series, Resident(person.birth, (), doses), today)
                if f.service == service.code
            )
            assert after.counted == following.counted + 1, (following, after)
        ended = assess(series, Resident(person.birth, (), doses), today + timedelta(days=365))
        assert {f.status for f in ended} <= {"complete", "closed"}


def test_a_schedule_that_the_engine_would_misread_is_refused() -> None:
    good = """
    schedule = "s"
    jurisdiction = "XX"
    valid_from = 2020-01-01
    source = "made up"
    checked = "read"
    [[service]]
    code = "A"
    name_en = "A"
    name_zh = "A"
    kind = "series"
    anchor = "birth"
    steps = [{ due = "2m", until = "4m" }]
    """
    assert parse(good, "x")[0][0].code == "A"
    for old, new, code in (
        ('"series"', '"serial"', "schedule-rule"),
        ('due = "2m"', 'due = "2 months"', "schedule-span"),
        ('until = "4m"', 'until = "1m"', "schedule-rule"),
        ('until = "4m"', 'unitl = "4m"', "schedule-key"),
        ('anchor = "birth"', "", "schedule-key"),
        ('checked = "read"', 'checked = "sure"', "schedule-rule"),
        ("[[service]]", "[[service", "schedule-toml"),
    ):
        with pytest.raises(Invalid) as raised:
            parse(good.replace(old, new), "x")
        assert raised.value.code == code
    twice = parse(good, "x")[0] * 2
    with pytest.raises(Invalid, match="Two versions"):
        compose(twice, [], ("XX",), date(2026, 1, 1))
