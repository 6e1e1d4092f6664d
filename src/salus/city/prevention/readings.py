"""What is measured at visits of the programme: blood pressure, glucose, weight, height, weeks pregnant."""

from dataclasses import dataclass

import numpy as np

from salus.city.facts import Floats, Ints, table
from salus.city.people import Bools, Population
from salus.city.prevention.programme import Enrolled
from salus.city.prevention.purposes import ANTENATAL, CHILD, DIABETES, HYPERTENSION, NEWBORN
from salus.city.streams import substream

MONTH = 30.4375
PRESSED = (ANTENATAL, HYPERTENSION, DIABETES)
"""Purposes at which the blood pressure is always taken."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of reading; `digits` after the point."""

    suffix: str
    loinc: str
    zh: str
    unit: str
    ucum: str
    category: str
    digits: int


WEIGHT = Kind("wt", "29463-7", "体重", "kg", "kg", "vital-signs", 1)
HEIGHT = Kind("ht", "8302-2", "身长(身高)", "cm", "cm", "vital-signs", 1)
GLUCOSE = Kind("glu", "14743-9", "末梢血糖", "mmol/L", "mmol/L", "laboratory", 1)
WEEKS = Kind("ga", "18185-9", "孕周", "周", "wk", "exam", 0)
KINDS = (WEIGHT, HEIGHT, GLUCOSE, WEEKS)


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of a block: arrays with one element a reading; `kind` is an index into KINDS.

    `systolic` and `diastolic` have one element a visit, in mm[Hg], zero where none is taken.
    """

    visit: Ints
    kind: Ints
    value: Floats
    systolic: Ints
    diastolic: Ints


def readings(
    seed: int,
    block: Population,
    resident: Ints,
    purpose: Ints,
    detail: Ints,
    latent: Floats,
    enrolled: Enrolled,
) -> Readings:
    """Return what is measured at each visit; the arrays have one element a visit.

    `latent` (residents, 32) is each person's own standing, standard normal, so that readings of one person
    resemble each other.
    """
    rng = substream(seed, "readings", block.number)
    noise = rng.normal(0, 1, (len(resident), 4))
    own = latent[resident]
    parts: list[tuple[Ints, Ints, Floats]] = []

    def add(chosen: Ints, kind: Kind, values: Floats) -> None:
        parts.append((chosen, np.full(len(chosen), KINDS.index(kind)), np.round(values, kind.digits)))

    child = np.flatnonzero((purpose == CHILD) | (purpose == NEWBORN))
    kg, cm = growth(detail[child] / MONTH, block.sex[resident[child]])
    add(child, WEIGHT, kg * np.exp(0.115 * (0.85 * own[child, 3] + 0.25 * noise[child, 0])))
    add(child, HEIGHT, cm * (1 + 0.035 * (0.85 * own[child, 4] + 0.2 * noise[child, 1])))
    mother = np.flatnonzero(purpose == ANTENATAL)
    weeks = detail[mother] // 7
    add(mother, WEEKS, weeks.astype(float))
    gained = np.maximum(weeks - 10, 0) * 0.42 * np.exp(0.25 * own[mother, 6])
    add(mother, WEIGHT, 55 + 8 * own[mother, 3] + gained + 0.4 * noise[mother, 0])
    sweet = np.flatnonzero(purpose == DIABETES)
    calm = _controlled(len(block), enrolled, DIABETES)
    level = np.where(calm[resident[sweet]], 6.1, 8.6)
    add(sweet, GLUCOSE, np.maximum(3.2, level + 0.7 * own[sweet, 7] + 0.9 * noise[sweet, 2]))
    pressed = np.isin(purpose, PRESSED)
    high = np.zeros(len(block), dtype=bool)
    high[enrolled.resident[enrolled.purpose == HYPERTENSION]] = True
    calm = _controlled(len(block), enrolled, HYPERTENSION)
    mean = np.where(purpose == ANTENATAL, 112, np.where(high, np.where(calm, 129, 150), 126)[resident])
    upper = mean + 7 * own[:, 8] + 6.5 * noise[:, 3]
    lower = 0.46 * upper + 19 + 4 * own[:, 9]
    visit, kind, value = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.lexsort((kind, visit))
    return Readings(
        visit[order], kind[order], value[order],
        np.where(pressed, np.clip(np.round(upper), 80, 230), 0).astype(np.int64),
        np.where(pressed, np.clip(np.round(lower), 45, 130), 0).astype(np.int64),
    )  # fmt: skip


def _controlled(count: int, enrolled: Enrolled, purpose: int) -> Bools:
    found = np.zeros(count, dtype=bool)
    mine = enrolled.purpose == purpose
    found[enrolled.resident[mine]] = enrolled.controlled[mine]
    return found


def growth(months: Floats, sex: Ints) -> tuple[Floats, Floats]:
    """Return the median weight (kg) and height (cm) by age in months and sex (0 boy, 1 girl)."""
    median = table("growth_medians", "month", "boy_kg", "girl_kg", "boy_cm", "girl_cm")
    kg, cm = (
        np.where(
            sex == 0, np.interp(months, median[:, 0], median[:, k]),
            np.interp(months, median[:, 0], median[:, k + 1]),
        )
        for k in (1, 3)
    )  # fmt: skip
    return np.asarray(kg), np.asarray(cm)
