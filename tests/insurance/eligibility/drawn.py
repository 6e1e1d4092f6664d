"""A drawn world of persons, institutions and questions, for comparisons too large for hypothesis."""

from datetime import date, timedelta
from random import Random
from typing import Any

from salus.insurance.eligibility import CATEGORIES, SERVICES, Contract, Filing, Person, Spell, Status

AREAS = ("440100", "440300")
FIRST = date(2023, 1, 1)


def person(random: Random) -> Person:
    """Draw somebody with some years of spells, late and broken ones among them."""
    scheme = random.choice(sorted(CATEGORIES))
    category = random.choice(CATEGORIES[scheme])
    area = random.choice(AREAS)
    found = []
    if scheme == "resident":
        for year in (2023, 2024, 2025, 2026):
            if random.random() < 0.75:
                start = date(year, 1, 1)
                paid = start + timedelta(days=random.choice([-60, -10, 20, 100, 150]))
                found.append(
                    Spell(scheme, category, area, start, date(year, 12, 31), paid, random.randint(0, 1))
                )
    else:
        for n in range(48):
            if random.random() < 0.85:
                start = date(2023 + n // 12, n % 12 + 1, 1)
                end = date(start.year + start.month // 12, start.month % 12 + 1, 1) - timedelta(days=1)
                found.append(
                    Spell(
                        scheme,
                        category,
                        area,
                        start,
                        end,
                        start + timedelta(days=random.choice([5, 20, 130])),
                    )
                )
    statuses = [Status("low_income", date(2024, 5, 1))] if random.random() < 0.2 else []
    filings = [Filing(random.choice(AREAS), date(2024, 1, 1))] if random.random() < 0.3 else []
    return Person(found, statuses, filings)


def world(random: Random, *, persons: int, asked: int) -> Any:
    """Draw persons, the contracts of two institutions, and questions."""
    institutions = [
        [Contract(AREAS[0], service, FIRST) for service in SERVICES],
        [Contract(AREAS[1], service, FIRST) for service in SERVICES[:4]],
    ]
    questions = [
        (
            random.randrange(persons + 2), FIRST + timedelta(days=random.randrange(1500)),
            random.choice(SERVICES), random.randrange(2),
        )
        for _ in range(asked)
    ]  # fmt: skip
    return [person(random) for _ in range(persons)], institutions, questions
