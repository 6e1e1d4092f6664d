"""WHO's tables of L, M and S, with their bounds and classes; read from `rules/growth_*.csv`."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from salus.kernel.errors import Invalid

Numbers = NDArray[np.float64]
DAYS_IN_MONTH = 30.4375
"""Days of a month in WHO's tables (365.25 / 12)."""
INDICATORS = ("weight-for-age", "height-for-age", "weight-for-height", "bmi-for-age", "head-for-age")


@dataclass(frozen=True, slots=True)
class Table:
    """L, M and S of an indicator by age or length: `x` is ascending and even, `lms` is (2, 3, rows).

    The first axis is boys, girls. `unit` of x is day, month or cm. `lower` and `upper` are the z beyond
    which a measurement is implausible. `tails`: beyond 3 SD the distance of 2 to 3 SD is carried on.
    """

    indicator: str
    position: str
    unit: str
    x: Numbers
    lms: NDArray[np.float64]
    lower: float
    upper: float
    tails: bool

    def at(self, sex: NDArray[np.integer], x: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return L, M and S, linear between rows; NaN where x lies outside the table or is NaN.

        A table by months holds to the end of its last month.

        Args:
            sex: 0 for boys, 1 for girls.
            x: age in days or months, or length in cm.
        """
        step = self.x[1] - self.x[0]
        place = np.round((x - self.x[0]) / step, 9)
        last = len(self.x) - 1
        inside = (place >= 0) & ((place < last + 1) if self.unit == "month" else (place <= last))
        place = np.where(inside, np.minimum(place, last), 0.0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, last)
        part = place - low
        found = [
            np.where(inside, self.lms[sex, n, low] * (1 - part) + self.lms[sex, n, high] * part, np.nan)
            for n in range(3)
        ]
        return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True)
class Class:
    """What a z beyond a bound is called, for ages from a day to a day; the first that fits holds."""

    indicator: str
    first_day: int
    last_day: int
    below: bool
    z: float
    code: str
    name_en: str
    name_zh: str


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files("salus.prevention").joinpath(f"rules/{name}").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


@lru_cache(maxsize=1)
def tables() -> tuple[Table, ...]:
    """Read all tables once.

    Raises:
        Invalid: a table is not evenly spaced.
    """
    found = []
    for row in _rows("growth_tables.csv"):
        values = np.array([[float(v) for v in line.values()] for line in _rows(row["table"])])
        x = values[:, 0]
        if not np.allclose(np.diff(x), x[1] - x[0]):
            raise Invalid("growth-table", "A table is not evenly spaced", where=row["table"])
        found.append(
            Table(
                row["indicator"], row["position"], row["unit"], x,
                np.ascontiguousarray(values[:, 1:].T.reshape(2, 3, len(x))),
                float(row["lower"]), float(row["upper"]), row["tails"] == "yes",
            )
        )  # fmt: skip
    return tuple(found)


@lru_cache(maxsize=1)
def classes() -> tuple[Class, ...]:
    """Read what z-scores are called."""
    return tuple(
        Class(
            row["indicator"], int(row["first_day"]), int(row["last_day"]), row["side"] == "below",
            float(row["z"]), row["code"], row["name_en"], row["name_zh"],
        )
        for row in _rows("growth_classes.csv")
    )  # fmt: skip


def table_of(indicator: str, unit: str, position: str = "") -> Table:
    """Return one table.

    Raises:
        Invalid: there is none.
    """
    for table in tables():
        if (table.indicator, table.unit, table.position) == (indicator, unit, position):
            return table
    raise Invalid("growth-indicator", "There is no such table", where=f"{indicator} by {unit} {position}")
