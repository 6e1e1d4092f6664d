"""The city's facts, read once from `rules/`: each row there carries its source and whether it was read."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BAND_EDGES = np.array([0, 5, 15, 45, 65])
"""Lower ages of the five bands in which diagnoses are given."""


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """Return a rules table as dictionaries of text, in file order."""
    text = files("salus.city").joinpath("rules", f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def table(name: str, *columns: str) -> Floats:
    """Return numeric columns of a rules table, shape (rows, columns)."""
    return np.array([[float(row[column] or "nan") for column in columns] for row in rows(name)])


def by_age(name: str, *columns: str) -> Floats:
    """Return a rates table by single years of age, shape (121, columns); zero where no row applies."""
    spread = np.zeros((121, len(columns)))
    values = table(name, *columns)
    for row, value in zip(rows(name), values, strict=True):
        spread[int(row["age_from"]) : int(row["age_to"]) + 1] = value
    return spread


@cache
def rate(name: str, key: str, group: str = "") -> float:
    """Return one rate of `identity_errors` or `status_rates`, by its first column (and group)."""
    for row in rows(name):
        first = next(iter(row.values()))
        if first == key and (not group or row.get("group") == group):
            return float(row["rate"])
    raise KeyError(f"{name} has no rate {key} {group}")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the city needs to know of a diagnosis: how often, where treated, what is asked and given."""

    code: str
    zh: str
    en: str
    chronic: bool
    bands: tuple[float, ...]
    male_multiplier: float
    peak_month: int
    amplitude: float
    emergency_share: float
    admit: tuple[float, ...]
    visits_per_year: float
    panels: tuple[str, ...]
    drugs: tuple[str, ...]
    department: str
    procedure: str
    stay_days: float
    sensitive: str


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)


@cache
def diagnoses() -> tuple[Diagnosis, ...]:
    """Return every diagnosis: the acute ones first, then the chronic ones, in file order."""
    suffixes = ("0_4", "5_14", "15_44", "45_64", "65")
    acute = [
        Diagnosis(
            row["code"], row["zh"], row["en"], False, tuple(float(row[f"weight_{s}"]) for s in suffixes),
            float(row["male_multiplier"]), int(row["peak_month"]), float(row["amplitude"]),
            float(row["emergency_share"]), tuple(float(row[f"admit_{s}"]) for s in suffixes), 0.0,
            _split(row["panels"]), _split(row["drugs"]), row["department"], row["procedure"],
            float(row["stay_days"]), "",
        )
        for row in rows("acute_diagnoses")
    ]  # fmt: skip
    chronic = [
        Diagnosis(
            row["code"], row["zh"], row["en"], True,
            tuple(float(row[f"per_1000_{s}"]) / 1000 for s in suffixes),
            float(row["male_multiplier"]), 0, 0.0, 0.03, (float(row["admission_weight"]),) * 5,
            float(row["visits_per_year"]), _split(row["panels"]), _split(row["drugs"]), row["department"],
            row["procedure"], float(row["stay_days"]), row["sensitive"],
        )
        for row in rows("chronic_diagnoses")
    ]  # fmt: skip
    return tuple(acute + chronic)


@cache
def diagnosis_index(code: str) -> int:
    """Return a diagnosis' place in `diagnoses()`."""
    return next(i for i, diagnosis in enumerate(diagnoses()) if diagnosis.code == code)


@dataclass(frozen=True, slots=True)
class Test:
    """A laboratory test or vital sign; values are in its UCUM unit."""

    panel: str
    loinc: str
    local: str
    zh: str
    en: str
    ucum: str
    low: float
    high: float
    mean_male: float
    mean_female: float
    deviation: float
    digits: int
    effects: tuple[tuple[str, float], ...]


@cache
def tests_of(panel: str) -> tuple[Test, ...]:
    """Return the tests of a panel."""
    return tuple(
        Test(
            row["panel"], row["loinc"], row["local"], row["zh"], row["en"], row["ucum"], float(row["low"]),
            float(row["high"]), float(row["mean_male"]), float(row["mean_female"]), float(row["deviation"]),
            int(row["digits"]),
            tuple((effect.split(":")[0], float(effect.split(":")[1])) for effect in _split(row["effects"])),
        )
        for row in rows("laboratory_tests")
        if row["panel"] == panel
    )  # fmt: skip


@cache
def names_of(name: str, key: str) -> dict[str, tuple[str, str]]:
    """Return {code: (Chinese, English)} of a rules table."""
    return {row[key]: (row["zh"], row["en"]) for row in rows(name)}


def cumulative(weights: Sequence[float] | Floats) -> Floats:
    """Return the cumulative shares of weights, for drawing by `searchsorted`."""
    sums = np.cumsum(np.asarray(weights, dtype=float))
    return np.asarray(sums / sums[-1])


def draw(rng: np.random.Generator, weights: Sequence[float] | Floats, size: int) -> Ints:
    """Draw `size` indices with chances proportional to `weights`."""
    picked: Any = np.searchsorted(cumulative(weights), rng.random(size), side="right")
    return np.asarray(np.minimum(picked, len(weights) - 1), dtype=np.int64)
