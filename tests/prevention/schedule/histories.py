"""Random residents whose dates crowd around the boundaries of the rules."""

import random
from datetime import date, timedelta

from salus.prevention.schedule import Bar, Episode, Given, Resident, Rules

ANCHORS = (
    "discharge", "lmp", "delivery", "discharge-mother", "hypertension", "type2-diabetes",
    "severe-mental-illness", "tuberculosis",
)  # fmt: skip
LEAP = date(2020, 2, 29)


def residents(rules: Rules, seed: int, count: int, today: date) -> list[Resident]:
    """Return residents with doses and visits days before and after every boundary of each step."""
    chance = random.Random(seed)
    return [_resident(rules, chance, today) for _ in range(count)]


def _resident(rules: Rules, chance: random.Random, today: date) -> Resident:
    years = chance.choice((0, 1, 2, 3, 5, 6, 7, 12, 18, 34, 35, 64, 65, 66, 90))
    birth = date(today.year - years, chance.randint(1, 12), 1) + timedelta(days=chance.randint(-3, 31))
    if chance.random() < 0.1:
        birth = LEAP
    episodes = []
    for anchor in ANCHORS:
        for _ in range(chance.choice((0, 0, 1, 2))):
            day = today - timedelta(days=chance.randint(-5, 500))
            ended = day + timedelta(days=chance.randint(0, 300)) if chance.random() < 0.4 else None
            episodes.append(Episode(anchor, day, ended))
    given = []
    for service in rules.services:
        anchors = (
            [birth] if service.anchor == "birth" else [e.day for e in episodes if e.anchor == service.anchor]
        )
        for anchored in anchors:
            for step in chance.choice(service.paths).steps:
                for _ in range(chance.choice((0, 1, 1, 2, 3))):
                    start = chance.choice(
                        [s for s in (step.due, step.earliest, step.until, step.overdue) if s]
                    )
                    day = start.after(anchored) + timedelta(
                        days=chance.choice((-40, -5, -4, -1, 0, 1, 3, 27, 28, 29, 90))
                    )
                    if abs((day - today).days) < 40000 and chance.random() < 0.9:
                        given.append(Given(chance.choice(service.products), day))
    bars = []
    for service in rules.services:
        for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 1, 2))):
            day = today - timedelta(days=chance.randint(-60, 400))
            end = None if chance.random() < 0.3 else day + timedelta(days=chance.randint(0, 400))
            bars.append(Bar(chance.choice((service.code, *service.products)), day, end))
    chance.shuffle(given)
    return Resident(birth, episodes, given, bars)
