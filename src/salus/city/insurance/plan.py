"""What all blocks share: how hospitals differ, and where which habit of fraud lives."""

from dataclasses import dataclass

import numpy as np

from salus.city.blocks import City
from salus.city.facts import Floats, Ints, rows
from salus.city.insurance.frame import TIERS, codes
from salus.city.people import Bools, Window
from salus.city.streams import substream

FRAUDS = tuple(row["kind"] for row in rows("insurance_fraud"))
UNIT_KINDS = (
    "upcoding", "principal_switch", "split_stay", "phantom_service", "phantom_claim", "unbundling",
    "excess_quantity", "hangbed",
)  # fmt: skip
STRENGTHS = 5
FAVOURITES = 4
"""How many services a unit bills without giving them."""


def effect(kind: str, strength: Ints | int) -> Floats:
    """Return the effect of strengths 1 to 5 of a kind."""
    row = next(row for row in rows("insurance_fraud") if row["kind"] == kind)
    return np.array([0.0, *(float(row[f"effect_{s}"]) for s in range(1, STRENGTHS + 1))])[strength]


def share(kind: str) -> float:
    """Return the share of units, claims or persons that a kind concerns."""
    return float(next(row for row in rows("insurance_fraud") if row["kind"] == kind)["units"])


def value(name: str) -> float:
    """Return one of the city's insurance rates."""
    return float(next(row for row in rows("insurance_rates") if row["rate"] == name)["value"])


@dataclass(frozen=True, slots=True)
class Plan:
    """Arrays have one element an institution; those of units the shape (institutions, departments)."""

    city: City
    period: Window
    fraud: bool
    tier: Ints
    caring: Bools
    """Whether an institution treats patients (agencies do not)."""
    district: Ints
    cost: Floats
    coding: Floats
    strength: dict[str, Ints]
    """Per kind the strength of each unit's habit, 0 where there is none."""
    onset: Ints
    """The day from which a unit has its habits, shape (institutions, departments)."""
    favourite: Ints
    """What a unit bills without giving it: places in a pool, favourites on the third axis."""

    def habit(self, kind: str, place: Ints, department: Ints, day: Ints) -> Ints:
        """Return the strength of a unit's habit on a day."""
        there = day >= self.onset[place, department]
        return np.where(there, self.strength[kind][place, department], 0)


def plan(city: City, period: Window, fraud: bool) -> Plan:
    """Draw what all blocks share; without `fraud` no unit has a habit."""
    places, departments = city.registers.places, len(codes().departments)
    rng = substream(city.seed, "insurance-plan")
    shape = (len(places), departments)
    strength = {}
    for kind in UNIT_KINDS:
        lots, level = rng.random(shape), rng.integers(1, STRENGTHS + 1, shape)
        strength[kind] = np.where((lots < share(kind)) & fraud, level, 0)
    drift = rng.random(shape) < 0.5
    onset = np.where(drift, period.start + (rng.uniform(0.2, 0.6, shape) * period.days).astype(np.int64), 0)
    return Plan(
        city, period, fraud,
        np.array([TIERS.get(p.tier, 0) for p in places]), np.array([p.tier in TIERS for p in places]),
        np.array([p.district for p in places]),
        np.exp(rng.normal(0, value("hospital_deviation"), len(places))),
        np.exp(rng.normal(0, value("coding_deviation"), len(places))),
        strength, onset, rng.integers(0, 1 << 30, (*shape, FAVOURITES)),
    )  # fmt: skip
