"""One resident's answers and a city's are the same, on histories that crowd around every boundary."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.prevention.schedule import City, Finding, Resident, Rules, assess, city_of, findings, load_rules
from salus.prevention.schedule.city import as_date
from salus.prevention.schedule.person import REASONS, STATUSES
from salus.prevention.schedule.rules import compose, parse
from tests.prevention.schedule.histories import residents

TODAY = date(2026, 11, 30)

OTHER = """
schedule = "made-up"
jurisdiction = "XX"
valid_from = 2000-01-01
month_end = "roll"
source = "made up for this test: every setting that the national schedules do not use"
checked = "read"

[[service]]
code = "A"
name_en = "A"
name_zh = "A"
kind = "series"
anchor = "birth"
products = ["A1", "A2", "L1"]
grace = 4
spaced_from = "given"
age_to = "20y"
paths = [
  { name = "late", first_from = "12m", steps = [{ due = "12m" }, { due = "12m", interval = "8w" }] },
  { name = "cohort", anchor_from = 2020-02-29, anchor_to = 2024-12-31, steps = [
    { due = "1m", earliest = "3w" }, { due = "2m", interval = "28d", interval_due = "2m" },
    { due = "6m", interval = "28d", interval_first = "4m", earliest_of = { A2 = "8m" }, product = "A2" },
  ] },
  { name = "usual", products = ["A1"], default = true, steps = [
    { due = "1m", product = "L1" }, { due = "5y", until = "18y", interval = "3y" },
  ] },
]

[[service]]
code = "L"
name_en = "L"
name_zh = "L"
kind = "series"
anchor = "birth"
products = ["L2", "L3"]
age_from = "9m"
after = [{ products = ["A1", "A2"], interval = "1m" }]
steps = [{ due = "1m" }, { due = "4y", until = "30y" }]

[[service]]
code = "weekly"
name_en = "W"
name_zh = "W"
kind = "recurring"
anchor = "tuberculosis"
period = "week"
late = "5d"
steps = [{ due = "3d", interval = "4d", until = "9m" }]

[[service]]
code = "monthly"
name_en = "M"
name_zh = "M"
kind = "recurring"
anchor = "hypertension"
period = "month"
late = "20d"
grace = 2
age_from = "35y"
age_to = "80y"
steps = [{ due = "1m" }]

[[service]]
code = "rolling"
name_en = "R"
name_zh = "R"
kind = "recurring"
anchor = "lmp"
every = "1m"
steps = [{ due = "1m", earliest = "0d", interval = "14d" }]

[[service]]
code = "quarterly"
name_en = "Q"
name_zh = "Q"
kind = "recurring"
anchor = "type2-diabetes"
period = "quarter"
steps = [{ due = "0d" }]

[[conflict]]
name = "live"
products = ["L1", "L2", "L3"]
days = 28
same_day = false
source = "made up"
checked = "read"
"""


def other() -> Rules:
    return compose(*parse(OTHER, "made up"), ("XX",), TODAY)


def rows(rules: Rules, people: list[Resident], today: date) -> list[tuple[int, Finding]]:
    return [(n, f) for n, person in enumerate(people) for f in assess(rules, person, today)]


def told(person: int, finding: Finding) -> tuple[object, ...]:
    return (
        person, finding.service, finding.anchor_on, finding.status, finding.step, finding.counted,
        finding.missed, finding.due_on, finding.overdue_on, finding.closes_on, finding.reason,
    )  # fmt: skip


def batched(
    rules: Rules, city: City, today: date, statuses: tuple[str, ...] | None
) -> list[tuple[object, ...]]:
    found = findings(rules, city, today, statuses=statuses)
    names = found.services
    return [
        (
            int(found.person[n]), names[found.service[n]], as_date(found.anchor_on[n]),
            STATUSES[found.status[n]], int(found.step[n]), int(found.counted[n]), int(found.missed[n]),
            as_date(found.due_on[n]), as_date(found.overdue_on[n]), as_date(found.closes_on[n]),
            REASONS[found.reason[n]],
        )
        for n in range(len(found))
    ]  # fmt: skip


@pytest.mark.parametrize("which", ["CN", "WHO", "other"])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.sampled_from((0, 1, 31, 91, 92, 28, 35, 29)))
def test_row_wise_and_set_wise_answers_are_equal(which: str, seed: int, shift: int) -> None:
    today = TODAY + timedelta(days=shift)
    rules = other() if which == "other" else load_rules(today, (which,))
    people = residents(rules, seed, 12, today)
    expected = sorted(map(str, (told(*row) for row in rows(rules, people, today))))
    city = city_of(people)
    assert sorted(map(str, batched(rules, city, today, None))) == expected
    open_only = [told(n, f) for n, f in rows(rules, people, today) if f.status in ("due", "overdue")]
    assert sorted(map(str, batched(rules, city, today, ("due", "overdue")))) == sorted(map(str, open_only))
