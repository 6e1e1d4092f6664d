"""The city keeps to the rates that its rules state."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from salus.city.blocks import City, plan_city
from salus.city.care import EMERGENCY, INPATIENT, Care, care, season
from salus.city.facts import by_age, diagnoses, rate, rows, table
from salus.city.people import NEVER, Population, Window, people

WINDOW = Window.of(date(2024, 1, 1), date(2026, 1, 1))


@pytest.fixture(scope="module")
def city() -> City:
    return plan_city(3, 20_000, WINDOW)


@pytest.fixture(scope="module")
def blocks(city: City) -> list[Population]:
    return [people(3, city.ground, number, city.quota(number), WINDOW) for number in range(city.blocks)]


@pytest.fixture(scope="module")
def cares(city: City, blocks: list[Population]) -> list[Care]:
    return [care(3, city.ground, city.registers, block, WINDOW, city.outbreak) for block in blocks[:4]]


def joined(blocks: list[Population], name: str) -> np.ndarray:
    return np.concatenate([getattr(block, name) for block in blocks])


def test_ages_follow_the_pyramid(blocks: list[Population]) -> None:
    entry, birth, sex = (joined(blocks, name) for name in ("entry", "birth", "sex"))
    there = entry == WINDOW.start
    there &= birth < WINDOW.start
    age = (WINDOW.start - birth[there]) / 365.25
    assert there.sum() == 20_000
    for row in rows("age_pyramid"):
        inside = (age >= int(row["age_from"])) & (age < int(row["age_to"]) + 1)
        for value, name in enumerate(("male_percent", "female_percent")):
            share = 100 * (inside & (sex[there] == value)).mean()
            assert share == pytest.approx(float(row[name]), abs=0.5)


def test_births_and_deaths_are_at_their_rates(blocks: list[Population]) -> None:
    sex, birth, entry, exit_, death = (joined(blocks, n) for n in ("sex", "birth", "entry", "exit", "death"))
    born = joined(blocks, "born_here").sum()
    age = np.clip(((WINDOW.start + WINDOW.end) / 2 - birth) // 365.25, 0, 120).astype(int)
    years = (exit_ - entry).clip(0) / 365.25
    fertility = by_age("fertility", "births_per_1000_women")[age, 0] / 1000
    expected = (fertility * years * (sex == 1)).sum()
    assert born == pytest.approx(expected, rel=0.2)
    mortality = by_age("mortality", "male_per_1000", "female_per_1000")[age, sex] / 1000
    assert (death != NEVER).sum() == pytest.approx((mortality * years).sum(), rel=0.2)


def test_nobody_does_anything_before_coming_or_after_leaving(
    blocks: list[Population], cares: list[Care]
) -> None:
    for block, drawn in zip(blocks, cares, strict=False):
        visits = drawn.visits
        assert (visits.start >= block.entry[visits.resident] * 1440).all()
        assert (visits.end <= block.exit[visits.resident] * 1440).all()
        assert (visits.end > visits.start).all()
        assert (np.diff(visits.start) >= 0).all()
        assert (visits.start < WINDOW.end * 1440).all()


def test_families_hang_together(blocks: list[Population]) -> None:
    for block in blocks[:3]:
        children = np.flatnonzero(block.mother != NEVER)
        gap = (block.birth[children] - block.birth[block.mother[children]]) / 365.25
        assert ((gap > 14) & (gap < 55)).all()
        assert (block.sex[block.mother[children]] == 1).all()
        fathers = children[block.father[children] != NEVER]
        assert (block.sex[block.father[fathers]] == 0).all()
        same = sum(block.surname[c] == block.surname[block.father[c]] for c in fathers.tolist())
        assert same / len(fathers) > 0.85


def test_surnames_and_marks_follow_the_rules(blocks: list[Population]) -> None:
    surnames = Counter(s for block in blocks for s in block.surname)
    shares = {row["surname"]: float(row["percent"]) for row in rows("surnames")}
    total = sum(shares.values())
    for surname in ("李", "王", "张"):
        share = 100 * surnames[surname] / surnames.total()
        assert share == pytest.approx(100 * shares[surname] / total, abs=1.0)
    insured = joined(blocks, "insurance") != 2
    assert insured.mean() == pytest.approx(rate("status_rates", "insured"), abs=0.01)
    assert joined(blocks, "poverty").mean() == pytest.approx(rate("status_rates", "poverty"), abs=0.02)


def test_visits_and_admissions_are_at_the_published_rates(
    blocks: list[Population], cares: list[Care]
) -> None:
    years = sum(((b.exit - b.entry).clip(0) / 365.25).sum() for b in blocks[:4])
    kinds = np.concatenate([c.visits.kind for c in cares])
    assert (kinds != INPATIENT).sum() / years == pytest.approx(6.8, rel=0.08)
    assert 100 * (kinds == INPATIENT).sum() / years == pytest.approx(21.4, rel=0.1)
    assert 0.04 < (kinds == EMERGENCY).mean() < 0.13
    stays = np.concatenate([(c.visits.end - c.visits.start)[c.visits.kind == INPATIENT] for c in cares])
    assert 5.5 < stays.mean() / 1440 < 9.5


def test_care_depends_on_age_and_season(blocks: list[Population], cares: list[Care]) -> None:
    known = diagnoses()
    influenza = next(i for i, d in enumerate(known) if d.code == "J11.1")
    winter = summer = 0
    for drawn in cares:
        days = drawn.visits.start[drawn.visits.diagnosis == influenza] // 1440
        of_year = days % 365.25
        winter += ((of_year < 60) | (of_year > 335)).sum()
        summer += ((of_year > 150) & (of_year < 240)).sum()
    assert winter > 2.5 * summer
    assert season(np.array([15]), np.array([1]), np.array([0.5]))[0] == pytest.approx(1.5, abs=0.01)
    chronic = [d.code for d in known if d.chronic]
    hypertension = chronic.index("I10")
    for block, drawn in zip(blocks, cares, strict=False):
        age = (WINDOW.start - block.birth) / 365.25
        assert drawn.conditions[age >= 65, hypertension].mean() > 0.35
        assert drawn.conditions[age < 13, hypertension].sum() == 0


def test_the_outbreak_is_where_and_when_it_was_planned(
    blocks: list[Population], cares: list[Care], city: City
) -> None:
    cases = 0
    for block, drawn in zip(blocks, cares, strict=False):
        visits = drawn.visits
        planted = visits.planted
        cases += planted.sum()
        days = visits.start[planted] // 1440
        assert ((days >= city.outbreak.first_day) & (days <= city.outbreak.first_day + 25)).all()
        assert np.isin(
            block.home_street[block.household[visits.resident[planted]]], city.outbreak.streets
        ).all()
    assert cases > 10


def test_every_fact_has_its_source() -> None:
    from importlib.resources import files

    for path in files("salus.city").joinpath("rules").iterdir():
        name = path.name.removesuffix(".csv")
        for row in rows(name):
            assert row["source"], name
            assert row["checked"] in {"read", "memory"}, name
    assert table("surnames", "percent").sum() < 100
