"""One person at the till and a million at once get the same answers, on either engine."""

from datetime import date, timedelta
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.engine import duckdb_engine
from salus.insurance.eligibility import (
    CATEGORIES,
    REASONS,
    SERVICES,
    Contract,
    Filing,
    Person,
    Spell,
    Status,
    batch,
    coverage,
    decide,
    load_rules,
)
from salus.insurance.eligibility.tables import INPUTS
from tests.engine.parity import Both, both, on_spark
from tests.insurance.eligibility import drawn

__all__ = ["both"]

AREAS = ("440100", "440300")
DAYS = st.dates(date(2023, 1, 1), date(2026, 12, 31))
LIKELY = st.one_of(
    DAYS, st.sampled_from([date(2024, 12, 31), date(2025, 1, 1), date(2025, 2, 28), date(2024, 2, 29)])
)


@st.composite
def spells(draw: Any) -> Spell:
    scheme = draw(st.sampled_from(sorted(CATEGORIES)))
    start = draw(LIKELY)
    end = start + timedelta(days=draw(st.sampled_from([0, 27, 30, 364, 365])))
    paid = start + timedelta(days=draw(st.integers(-120, 200)))
    return Spell(
        scheme, draw(st.sampled_from(CATEGORIES[scheme])), draw(st.sampled_from(AREAS)), start, end, paid,
        draw(st.integers(0, 2)),
    )  # fmt: skip


def ranged(cls: Any, values: Any) -> Any:
    return st.builds(
        lambda value, start, days: cls(value, start, None if days < 0 else start + timedelta(days=days)),
        values, DAYS, st.integers(-1, 500),
    )  # fmt: skip


PERSONS = st.builds(
    Person,
    st.lists(spells(), max_size=6),
    st.lists(ranged(Status, st.sampled_from(sorted(load_rules().statuses))), max_size=2),
    st.lists(ranged(Filing, st.sampled_from(AREAS)), max_size=1),
)
CONTRACTS = st.lists(
    st.builds(
        lambda area, service, start: Contract(area, service, start),
        st.sampled_from(AREAS), st.sampled_from(SERVICES), st.dates(date(2023, 1, 1), date(2024, 6, 1)),
    ),
    max_size=12,
)  # fmt: skip
WORLDS = st.tuples(
    st.lists(PERSONS, min_size=1, max_size=20),
    st.lists(CONTRACTS, min_size=1, max_size=2),
    st.lists(
        st.tuples(st.integers(0, 19), LIKELY, st.sampled_from(SERVICES), st.integers(0, 1)),
        min_size=1, max_size=60,
    ),
)  # fmt: skip


def tables(world: Any) -> dict[str, pa.Table]:
    persons, institutions, asked = world
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in INPUTS}
    for n, person in enumerate(persons):
        for s in person.spells:
            rows["spells"].append(
                {
                    "person_id": f"p{n}", "scheme": s.scheme, "category": s.category, "area": s.area,
                    "start_date": s.start, "end_date": s.end, "paid_on": s.paid_on,
                    "repair_years": s.repair_years,
                }
            )  # fmt: skip
        for status in person.statuses:
            rows["statuses"].append(
                {
                    "person_id": f"p{n}",
                    "status": status.status,
                    "start_date": status.start,
                    "end_date": status.end,
                }
            )
        for f in person.filings:
            rows["filings"].append(
                {"person_id": f"p{n}", "area": f.area, "start_date": f.start, "end_date": f.end}
            )
    for n, held in enumerate(institutions):
        for c in held:
            rows["contracts"].append(
                {
                    "institution": f"h{n}", "area": c.area, "service": c.service, "start_date": c.start,
                    "end_date": c.end,
                }
            )  # fmt: skip
    for n, (who, day, service, where) in enumerate(asked):
        rows["asked"].append(
            {"ask_id": n, "person_id": f"p{who}", "day": day, "service": service, "institution": f"h{where}"}
        )
    return {name: batch.table_of(INPUTS[name], found) for name, found in rows.items()}


def singly(world: Any) -> list[dict[str, Any]]:
    persons, institutions, asked = world
    found = []
    for n, (who, day, service, where) in enumerate(asked):
        person = persons[who] if who < len(persons) else Person()
        held = institutions[where] if where < len(institutions) else []
        a = decide(person, held, day, service, load_rules())
        found.append(
            {
                "ask_id": n, "covered": a.covered, "reason": a.reason, "scheme": a.scheme,
                "category": a.category, "area": a.area, "statuses": " ".join(a.statuses),
                "entitled_from": a.entitled_from, "entitled_to": a.entitled_to,
                "waiting_until": a.waiting_until, "away": a.away, "rule": a.rule,
            }
        )  # fmt: skip
    return found


@settings(max_examples=12, deadline=None, derandomize=True)
@given(WORLDS)
def test_one_at_a_time_is_all_at_once(world: Any) -> None:
    with duckdb_engine(threads=1) as engine:
        together = batch.run(engine, tables(world), load_rules()).to_pylist()
    assert together == singly(world)


def test_thousands_of_drawn_questions_get_the_same_answers_and_reach_every_reason() -> None:
    world = drawn.world(Random(4), persons=800, asked=8000)
    with duckdb_engine(threads=1) as engine:
        together = batch.run(engine, tables(world), load_rules()).to_pylist()
    assert together == singly(world)
    assert {row["reason"] for row in together} == set(REASONS)


def test_the_periods_of_cover_say_of_each_day_what_the_question_says() -> None:
    random = Random(6)
    here = [Contract(area, "inpatient", date(2020, 1, 1)) for area in AREAS]
    for _ in range(60):
        person = drawn.person(random)
        periods = coverage(person, load_rules())
        for n in range(0, 1500, 11):
            day = drawn.FIRST + timedelta(days=n)
            answer = decide(person, here, day, "inpatient", load_rules())
            held = [p for p in periods if p.start <= day <= p.end]
            assert len(held) <= 1
            if answer.reason in ("covered", "waiting"):
                assert (held[0].scheme, held[0].area) == (answer.scheme, answer.area)
                assert held[0].waiting_until == answer.waiting_until
            else:
                assert not held


@on_spark
def test_spark_answers_the_same(both: Both) -> None:
    world = tables(drawn.world(Random(5), persons=40, asked=200))
    found = both.same(lambda engine: batch.run(engine, world, load_rules()), ordered=True)
    assert set(found.column("reason").to_pylist()) >= set(REASONS) - {"not-enrolled"}
