"""Grading: the norm's thresholds at their edges, monotone in counts, replayed by the rules of the day.

Expected grades are written out from the national grading (see `rules/emergency_grades.toml`, `clause`).
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.surveillance import grading as g
from salus.prevention.surveillance.response_rules import may_end, read_response

BOOK = g.read_rules()
DAY = date(2026, 3, 10)
EAST, WEST, OTHER_CITY, OTHER_PROVINCE = "440104", "440105", "440605", "430102"


def counted(
    cases: int, deaths: int = 0, *, day: date = DAY, at: str = EAST, **more: Any
) -> g.Count:  # fmt: skip
    return g.Count(day, at, cases, deaths, **more)


def graded(kind: str, *counts: g.Count, day: date = DAY, **more: Any) -> g.Grade | None:
    return g.grade(counts, BOOK, day, kind=kind, district=EAST, **more).grade


@pytest.mark.parametrize(
    ("cases", "deaths", "grade"),
    [
        (29, 0, None), (30, 0, g.Grade.IV), (99, 0, g.Grade.IV),  # IV(3): 30 to 99, nobody died
        (100, 0, g.Grade.III), (101, 0, g.Grade.III),  # III(6): over 100, 100 included
        (2, 1, g.Grade.III), (99, 9, g.Grade.III), (100, 1, g.Grade.III),  # III(6): a death
        (101, 1, g.Grade.II), (100, 10, g.Grade.II), (12, 10, g.Grade.II),  # II(10)
    ],
)  # fmt: skip
def test_food_poisoning(cases: int, deaths: int, grade: g.Grade | None) -> None:
    assert graded("food_poisoning", counted(cases, deaths)) == grade


@pytest.mark.parametrize(
    ("unit", "cases", "grade"),
    [("East School", 4, None), ("East School", 5, g.Grade.NOTICE), ("", 29, None), ("", 5, None)],
)
def test_food_poisoning_below_the_grades_is_reported_from_5_in_a_school(
    unit: str, cases: int, grade: g.Grade | None
) -> None:
    assert graded("food_poisoning", counted(cases, unit=unit)) == grade


@pytest.mark.parametrize(
    ("cases", "deaths", "grade"),
    [
        (1, 0, g.Grade.IV), (9, 0, g.Grade.IV),  # IV(4): up to 9, nobody died
        (10, 0, g.Grade.III), (49, 0, g.Grade.III), (5, 1, g.Grade.III), (9, 4, g.Grade.III),  # III(8)
        (50, 0, g.Grade.II), (6, 5, g.Grade.II),  # II(11)
    ],
)  # fmt: skip
def test_occupational_poisoning(cases: int, deaths: int, grade: g.Grade) -> None:
    assert graded("occupational_poisoning", counted(cases, deaths)) == grade


@pytest.mark.parametrize(
    ("counts", "grade"),
    [
        ([counted(1)], g.Grade.IV),
        ([counted(9)], g.Grade.IV),  # IV(2): up to 9 in a county within a week
        ([counted(10)], g.Grade.III),  # III(3): 10 to 29
        ([counted(5, day=DAY - timedelta(days=6)), counted(5)], g.Grade.III),  # 7 days are a week
        ([counted(5, day=DAY - timedelta(days=7)), counted(5)], g.Grade.IV),  # 8 days are not
        ([counted(29)], g.Grade.III),
        ([counted(1), counted(1, at=WEST)], g.Grade.III),  # III(3): two counties
        ([counted(30)], g.Grade.II),  # II(4): 30 in a prefecture within a week
        ([counted(15), counted(15, at=WEST)], g.Grade.II),  # two counties of one prefecture
        ([counted(15), counted(15, at=OTHER_CITY)], g.Grade.III),  # two prefectures, not said to spread
    ],
)
def test_cholera(counts: list[g.Count], grade: g.Grade) -> None:
    assert graded("infectious", *counts, disease="cholera", class_="A") == grade


def test_cholera_by_what_a_person_states() -> None:
    two = [counted(1), counted(1, at=OTHER_CITY)]
    assert graded("infectious", *two, disease="cholera", flags=["spreading"]) == g.Grade.II
    assert graded("infectious", counted(1), disease="cholera", flags=["first_here"]) == g.Grade.III


@pytest.mark.parametrize(
    ("form", "counts", "flags", "grade"),
    [
        ("pneumonic", [1], [], g.Grade.III),  # III(1)
        ("pneumonic", [4], [], g.Grade.III),
        ("pneumonic", [5], [], g.Grade.II),  # II(1): 5 or more within 6 days in a county
        ("pneumonic", [1], ["urban", "spreading"], g.Grade.I),  # I(1)
        ("pneumonic", [1], ["urban"], g.Grade.III),
        ("bubonic", [1], [], g.Grade.IV),  # IV(1)
        ("bubonic", [9], [], g.Grade.IV),
        ("bubonic", [10], [], g.Grade.III),  # III(2)
        ("bubonic", [19], [], g.Grade.III),
        ("bubonic", [20], [], g.Grade.II),  # II(3)
    ],
)
def test_plague(form: str, counts: list[int], flags: list[str], grade: g.Grade) -> None:
    rows = [counted(n, form=form) for n in counts]
    assert graded("infectious", *rows, disease="plague", class_="A", flags=flags) == grade


def test_plague_by_place_and_window() -> None:
    def plague(form: str, *rows: g.Count, **more: Any) -> g.Grade | None:
        made = [g.Count(r.day, r.district, r.cases, r.deaths, r.unit, form) for r in rows]
        return graded("infectious", *made, disease="plague", **more)

    spread = [counted(1), counted(1, at=WEST)]
    assert plague("pneumonic", *spread) == g.Grade.II  # II(1): related, in two counties
    assert plague("bubonic", *spread) == g.Grade.III  # III(2): in two counties
    assert plague("bubonic", counted(1), counted(1, at=OTHER_CITY)) == g.Grade.II  # II(3)
    far = [counted(1), counted(1, at=OTHER_PROVINCE)]
    assert plague("pneumonic", *far, flags=["spreading"]) == g.Grade.I  # I(1): two provinces
    slow = [counted(3, day=DAY - timedelta(days=6)), counted(2)]
    assert plague("pneumonic", *slow) == g.Grade.III  # 5 in 7 days: the window is 6
    assert plague("pneumonic", counted(3, day=DAY - timedelta(days=5)), counted(2)) == g.Grade.II


def test_anthrax_pulmonary_is_graded_and_cutaneous_reported_in_a_group() -> None:
    one = counted(1, form="pneumonic")
    assert graded("infectious", one, disease="anthrax", class_="B") == g.Grade.III
    village: dict[str, Any] = {"form": "cutaneous", "unit": "North Village"}
    assert graded("infectious", counted(2, **village), disease="anthrax", class_="B") is None
    assert graded("infectious", counted(3, **village), disease="anthrax", class_="B") == g.Grade.NOTICE


def test_sars_suspected_is_ii_and_a_spreading_case_i() -> None:
    suspected = counted(1, status="suspected")
    assert graded("infectious", suspected, disease="sars", class_="B") == g.Grade.II
    assert graded("infectious", suspected, disease="sars", flags=["spreading"]) == g.Grade.II
    assert graded("infectious", counted(1), disease="sars", flags=["spreading"]) == g.Grade.I


@pytest.mark.parametrize(
    ("east", "west", "grade"),
    [
        (19, 0, None),  # mean 10: below twice the mean
        (20, 0, g.Grade.III),  # III(4): over the mean by 1 time: twice
        (30, 0, g.Grade.III),  # one county only, however many
        (30, 29, g.Grade.III),
        (30, 30, g.Grade.II),  # II(5): two counties over the mean by 2 times: three times
    ],
)
def test_class_b_and_c_against_the_mean_of_five_years(east: int, west: int, grade: g.Grade | None) -> None:
    means = {EAST: g.Mean(10.0, 5), WEST: g.Mean(10.0, 5)}
    rows = [counted(east), counted(west, at=WEST)]
    assert graded("infectious", *rows, disease="influenza", class_="C", means=means) == grade


def test_an_unknown_mean_grades_nothing_and_says_so() -> None:
    short = {EAST: g.Mean(10.0, 4)}
    found = g.grade(
        [counted(500)], BOOK, DAY, kind="infectious", district=EAST, disease="influenza", class_="C",
        means=short,
    )  # fmt: skip
    assert found.grade is None
    assert {one.lacking for one in found.beyond if one.rule.ratio} == {("mean",)}


def test_a_rare_disease_needs_five_cases() -> None:
    none = {EAST: g.Mean(0.0, 5)}
    assert graded("infectious", counted(4), disease="measles", class_="B", means=none) is None
    assert graded("infectious", counted(5), disease="measles", class_="B", means=none) == g.Grade.III


@pytest.mark.parametrize(
    ("cases", "more", "grade"),
    [(2, 0, None), (3, 0, g.Grade.III), (2, 1, g.Grade.II)],  # III(5) from 3; II(7) beyond the county
)
def test_unknown_cause(cases: int, more: int, grade: g.Grade | None) -> None:
    assert graded("unexplained", counted(cases), counted(more, at=WEST)) == grade


def test_others_of_the_norm() -> None:
    assert graded("vaccination", counted(1, 1)) == g.Grade.II  # II(9): a death
    assert graded("vaccination", counted(3), flags=["group_reaction"]) == g.Grade.III  # III(7)
    assert graded("pathogen_loss", flags=["virulent"]) == g.Grade.I  # I(5)
    assert graded("pathogen_loss") is None
    assert graded("other_poisoning", counted(2)) is None
    assert graded("other_poisoning", counted(3)) == g.Grade.NOTICE


def test_the_evidence_names_rule_counts_window_and_place() -> None:
    rows = [counted(4, day=DAY - timedelta(days=20)), counted(7, day=DAY - timedelta(days=2)), counted(5)]
    found = g.grade(rows, BOOK, DAY, kind="infectious", district=EAST, disease="cholera", class_="A")
    top = found.met[0]
    assert (top.rule.id, top.rule.clause, top.area) == ("III-3a", "III(3)", EAST)
    assert (top.cases, top.first, top.last) == (12, DAY - timedelta(days=2), DAY)
    assert top.rule.source and top.rule.checked == "read"
    assert {one.rule.id for one in found.beyond} >= {"II-4a", "II-4b"}
    assert next(one for one in found.beyond if one.rule.id == "II-4a").lacking == ("cases",)


COUNTS = st.lists(
    st.builds(
        g.Count,
        st.integers(0, 20).map(lambda n: DAY - timedelta(days=n)),
        st.sampled_from([EAST, WEST, OTHER_CITY, OTHER_PROVINCE]),
        st.integers(0, 60), st.integers(0, 12), st.sampled_from(["", "School"]),
        st.sampled_from(["", "pneumonic", "bubonic"]), st.sampled_from(["suspected", "confirmed"]),
    ),
    max_size=6,
)  # fmt: skip
EVENTS = st.sampled_from(
    [
        ("food_poisoning", "", ""), ("occupational_poisoning", "", ""), ("unexplained", "", ""),
        ("infectious", "cholera", "A"), ("infectious", "plague", "A"), ("infectious", "influenza", "C"),
        ("infectious", "measles", "B"), ("vaccination", "", ""), ("radiation", "", ""),
    ]
)  # fmt: skip
MEANS = {place: g.Mean(7.4, 5) for place in (EAST, WEST, OTHER_CITY, OTHER_PROVINCE)}


@settings(max_examples=150, deadline=None)
@given(
    EVENTS, COUNTS, COUNTS, st.sets(st.sampled_from(sorted(BOOK.flags))), st.sampled_from(sorted(BOOK.flags))
)
def test_more_persons_or_statements_never_lower_a_grade(
    event: tuple[str, str, str], counts: list[g.Count], more: list[g.Count], flags: set[str], flag: str
) -> None:
    kind, disease, class_ = event

    def of(rows: list[g.Count], said: set[str]) -> int:
        found = g.grade(
            rows, BOOK, DAY, kind=kind, district=EAST, disease=disease, class_=class_, flags=said, means=MEANS
        )
        return 9 if found.grade is None else int(found.grade)

    before = of(counts, flags)
    assert of([*counts, *more], flags) <= before
    assert of(counts, {*flags, flag}) <= before


@settings(max_examples=60, deadline=None)
@given(EVENTS, COUNTS, st.integers(0, 20))
def test_a_past_day_is_judged_by_what_was_there(
    event: tuple[str, str, str], counts: list[g.Count], back: int
) -> None:
    kind, disease, class_ = event
    day = DAY - timedelta(days=back)

    def of(rows: list[g.Count]) -> g.Assessment:
        return g.grade(rows, BOOK, day, kind=kind, district=EAST, disease=disease, class_=class_, means=MEANS)

    assert of(counts) == of([one for one in counts if one.day <= day])


OWN = """
[[rule]]
id = "IV-3"
grade = 4
kind = "food_poisoning"
cases = 20
clause = "own"
words = "20 or more"
words_zh = "20人以上"
from = 2020-01-01
to = 2022-12-31
jurisdiction = "4401"
source = "the city's plan"
checked = "read"
"""


def test_a_citys_rule_holds_there_for_as_long_as_it_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    book = g.read_rules((*g.STANDARD, tmp_path / "own.toml"))

    def of(cases: int, day: date, at: str) -> g.Grade | None:
        return g.grade([counted(cases, day=day)], book, day, kind="food_poisoning", district=at).grade

    assert of(20, date(2022, 12, 31), EAST) == g.Grade.IV
    assert of(20, date(2023, 1, 1), EAST) is None
    assert of(20, date(2019, 12, 31), EAST) is None
    assert of(20, date(2022, 6, 1), OTHER_CITY) is None
    assert of(30, date(2023, 1, 1), EAST) == g.Grade.IV
    versions = {g.version_of(book.on(day, EAST)) for day in (date(2022, 12, 31), date(2023, 1, 1))}
    assert len(versions) == 2
    assert not book.on(date(2005, 1, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [("kind = \"food_poisoning\"", "kind = \"fire\""), ("grade = 4", "grade = 6"), ("cases = 20", ""),
     ("words = \"20 or more\"", ""), ("cases = 20", "flags = [\"nobody\"]"),
     ("from = 2020-01-01", "from = \"x\"")],
)  # fmt: skip
def test_a_wrong_rule_is_named(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "own.toml").write_text(OWN.replace(old, new, 1))
    with pytest.raises(Invalid, match="IV-3") as wrong:
        g.read_rules((*g.STANDARD, tmp_path / "own.toml"))
    assert wrong.value.code == "grading-rule"


def test_the_mean_of_the_same_week_in_five_years() -> None:
    day = date(2024, 2, 29)  # the same day of other years is 28 February
    history = [
        g.Count(date(2023, 2, 28), EAST, 4), g.Count(date(2023, 2, 22), EAST, 6),  # the week's ends
        g.Count(date(2023, 2, 21), EAST, 100), g.Count(date(2023, 3, 1), EAST, 100),  # outside
        g.Count(date(2020, 2, 29), EAST, 5),
        g.Count(date(2018, 2, 25), EAST, 50),  # six years ago
    ]  # fmt: skip
    assert g.means_of(history, day) == {EAST: g.Mean(3.0, 5)}
    assert g.means_of(history, day, known_from=date(2021, 1, 1)) == {EAST: g.Mean(10 / 3, 3)}


def test_the_end_needs_the_longest_incubation_without_a_case() -> None:
    ending = read_response().ending("infectious", DAY)
    assert ending.clear_days(5) == 5  # cholera
    last = date(2026, 3, 1)
    assert not may_end(last, date(2026, 3, 6), 5)
    assert may_end(last, date(2026, 3, 7), 5)
    assert read_response().ending("food_poisoning", DAY).statement


def test_each_grade_has_a_level_and_a_plan_and_a_city_replaces_tasks(tmp_path: Path) -> None:
    response = read_response()
    assert [response.level(grade, DAY).action for grade in g.Grade] == [
        "approve", "approve", "decide", "decide", "decide",
    ]  # fmt: skip
    for kind in g.KINDS:
        plan = response.plan(kind, g.Grade.II, DAY)
        assert plan[0].hours == 2 and {"report", "command"} <= {task.code for task in plan}
    own = tmp_path / "tasks.csv"
    head = "code,kinds,grades,hours,role,title,title_zh,from,to,jurisdiction,source,checked\n"
    own.write_text(f"{head}report,*,12345,1,planner,Ring the mayor,致电市长,2020-01-01,,4401,own,read\n")
    from salus.prevention.surveillance.response_rules import TASKS

    there = read_response(tasks=(TASKS, own))
    assert there.plan("food_poisoning", g.Grade.IV, DAY, EAST)[0].title == "Ring the mayor"
    assert there.plan("food_poisoning", g.Grade.IV, DAY, OTHER_CITY)[0].hours == 2
