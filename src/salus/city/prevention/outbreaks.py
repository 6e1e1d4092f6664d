"""The planted outbreaks of a city: where, when and how hard; only the truth names them.

The salmonella outbreak of `salus.city.outbreak` stands beside these.
"""

from dataclasses import dataclass

import numpy as np

from salus.city.facts import Ints, rows
from salus.city.geography import Ground
from salus.city.people import Population, Window
from salus.city.streams import substream


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted outbreak.

    `attack` is the share of those of its streets and ages who fall ill, of the unprotected alone where
    `unprotected`. Onsets fall in `generations` of `generation_days`, each spread around by `spread_days`.
    """

    number: int
    name: str
    disease: str
    code: str
    streets: tuple[int, ...]
    first_day: int
    age: tuple[int, int]
    attack: float
    unprotected: bool
    generations: int
    generation_days: float
    spread_days: float

    def ill(
        self, block: Population, ground: Ground, protected: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """Return who of a block falls ill, and the days of onset. `protected` is since when, by resident."""
        home = block.home_street[block.household]
        age = (self.first_day - block.birth) / 365.25
        there = np.isin(home, self.streets) & (age >= self.age[0]) & (age < self.age[1] + 1)
        there &= (block.entry <= self.first_day) & (block.exit > self.first_day + 60)
        if self.unprotected:
            there &= protected > self.first_day
        who = np.flatnonzero(there & (rng.random(len(block)) < self.attack))
        growth = 1.6 ** np.arange(self.generations)
        turn = rng.choice(self.generations, len(who), p=growth / growth.sum())
        spread = np.abs(rng.normal(0, self.spread_days, len(who))) if self.generations == 1 else (
            rng.normal(0, self.spread_days, len(who))
        )  # fmt: skip
        day = self.first_day + np.maximum(0, np.round(turn * self.generation_days + spread))
        return who, day.astype(np.int64)


def _month_day(window: Window, month: int, day: int) -> int:
    """Return the last such day of a month that still has two months of the window after it, or its middle."""
    found = window.start + window.days // 2
    for year in range(1970 + window.start // 365, 1971 + window.end // 365):
        moment = int(
            (np.datetime64(f"{year}-{month:02d}-{day:02d}") - np.datetime64("1970-01-01")).astype(int)
        )
        if window.start + 30 <= moment <= window.end - 60:
            found = moment
    return found


UNPROTECTED = 0.06
"""About which share of the young are not safe from measles; only outbreaks' sizes depend on it."""


def plan_outbreaks(seed: int, ground: Ground, window: Window, residents: int) -> tuple[Planted, ...]:
    """Draw the places and days of the outbreaks that the rules name; in large cities fewer of the exposed
    fall ill, so that an outbreak keeps about the size that the rules call its most.
    """
    rng = substream(seed, "outbreaks-plan")
    planned = []
    for number, row in enumerate(rows("planted_outbreaks")):
        street = int(rng.integers(len(ground.streets)))
        lot = float(rng.random())
        same = [i for i, a in enumerate(ground.streets) if a.parent == ground.streets[street].parent]
        streets = {"street": [street], "district": same, "city": list(range(len(ground.streets)))}[
            row["area"]
        ]
        low, high = float(row["from_share"]), float(row["to_share"])
        if low == -1:  # an influenza winter
            first = _month_day(window, 12, 20)
        elif low == -2:  # a dengue autumn
            first = _month_day(window, 9, 1)
        else:
            first = window.start + int((low + (high - low) * lot) * window.days)
        planned.append(Planted(
            number, row["outbreak"], row["disease"], row["code"], tuple(streets), first,
            (int(row["age_from"]), int(row["age_to"])), _attack(row, ground, streets, residents),
            row["unprotected"] == "1",
            int(row["generations"]), float(row["generation_days"]), float(row["spread_days"]),
        ))  # fmt: skip
    return tuple(planned)


def _attack(row: dict[str, str], ground: Ground, streets: list[int], residents: int) -> float:
    """Return which share of the exposed fall ill: as the rules say, or less where there are many."""
    share = float(ground.street_weights[streets].sum() / ground.street_weights.sum())
    years = min(int(row["age_to"]) + 1, 85) - int(row["age_from"])
    exposed = residents * share * years / 85 * (UNPROTECTED if row["unprotected"] == "1" else 1.0)
    most = float(row["most"])
    return min(float(row["attack"]), most / exposed) if most else float(row["attack"])
