"""Z-scores of children's measurements, thousands at once.

Sources: WHO Child Growth Standards: methods and development (2006), chapter 7 (restricted LMS beyond 3 SD,
0.7 cm between lying and standing); WHO Reference 2007 (de Onis et al., Bulletin of the WHO 2007;85:660).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from salus.kernel.errors import Invalid
from salus.prevention.growth.tables import DAYS_IN_MONTH, INDICATORS, Numbers, Table, classes, table_of

LAST_DAY = 1856
"""The last day of the standards of 0 to 5 years; from the next one on the reference of 2007 holds."""
STANDING_FROM = 731
"""The day of age from which height is measured standing."""
LYING_MORE = 0.7
"""By how many centimetres a child is longer lying than standing."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Z-scores of n children: a column for each of `INDICATORS`, NaN where it cannot be told.

    `implausible` says where a score lies beyond WHO's bounds: the measurement, age or sex is then probably
    wrong and the score is not to be used. `height` is length to 730 days and height after, in cm, corrected
    for how it was measured; `bmi` is in kg/m².
    """

    age: NDArray[np.int64]
    z: dict[str, Numbers]
    implausible: dict[str, NDArray[np.bool_]]
    height: Numbers
    bmi: Numbers

    def __len__(self) -> int:
        return len(self.age)

    def classed(self, indicator: str) -> list[str]:
        """Return for each child what the score is called, such as `stunted`; "" for none or no score."""
        z = self.z[indicator]
        codes = np.full(len(self), -1, np.int64)
        for place, one in enumerate(classes()):
            if one.indicator == indicator:
                beyond = z < one.z if one.below else z > one.z
                fits = beyond & (self.age >= one.first_day) & (self.age <= one.last_day)
                codes[fits & (codes < 0) & ~self.implausible[indicator]] = place
        return [classes()[code].code if code >= 0 else "" for code in codes]

    def to_arrow(self) -> pa.Table:
        """Return a column of each score, its flag and its class; null where there is no score."""
        columns: dict[str, Any] = {"height_cm": _nullable(self.height), "bmi": _nullable(self.bmi)}
        for indicator in INDICATORS:
            name = indicator.replace("-", "_")
            columns[f"z_{name}"] = _nullable(self.z[indicator])
            columns[f"implausible_{name}"] = pa.array(self.implausible[indicator])
            columns[f"class_{name}"] = pa.array(self.classed(indicator))
        return pa.table(columns)


def _nullable(column: Numbers) -> pa.Array:
    return pa.array(column, mask=np.isnan(column))


def lms_z(y: Numbers, power: Numbers, median: Numbers, spread: Numbers, *, tails: bool) -> Numbers:
    """Return the z-score of measurements by the LMS method.

    Args:
        y: measurements, in the unit of the table.
        power: L.
        median: M, in the unit of y.
        spread: S, a coefficient of variation.
        tails: beyond 3 SD, count in distances between 2 and 3 SD (weight and what is made of it).
    """
    with np.errstate(all="ignore"):
        z = np.where(
            power == 0, np.log(y / median) / spread, (np.power(y / median, power) - 1) / (power * spread)
        )
        if tails:
            for side in (1.0, -1.0):
                at3, at2 = (_value(side * n, power, median, spread) for n in (3.0, 2.0))
                far = side * z > 3
                z = np.where(far, side * 3 + (y - at3) / np.abs(at3 - at2), z)
    return np.where(y > 0, z, np.nan)


def _value(z: Numbers | float, power: Numbers, median: Numbers, spread: Numbers) -> Numbers:
    with np.errstate(all="ignore"):
        found: Numbers = np.where(
            power == 0, median * np.exp(spread * z), median * np.power(1 + power * spread * z, 1 / power)
        )
    return found


def lms_value(
    z: Numbers | float, power: Numbers, median: Numbers, spread: Numbers, *, tails: bool
) -> Numbers:
    """Return the measurement that has a z-score: the inverse of `lms_z`."""
    z = np.asarray(z, dtype=np.float64)
    found = _value(np.clip(z, -3, 3) if tails else z, power, median, spread)
    if tails:
        for side in (1.0, -1.0):
            at3, at2 = (_value(side * n, power, median, spread) for n in (3.0, 2.0))
            found = np.where(side * z > 3, at3 + (z - side * 3) * np.abs(at3 - at2), found)
    return found


def z_scores(
    sex: ArrayLike,
    age_days: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    height: ArrayLike | None = None,
    head: ArrayLike | None = None,
    lying: ArrayLike | None = None,
) -> Scores:
    """Return the z-scores of n children.

    Args:
        sex: 1 for boys, 2 for girls (GB/T 2261.1); others have no score.
        age_days: age in whole days, 0 or more; children of 19 years and more have no score.
        weight: kilograms; NaN for not measured.
        height: centimetres, lying or standing.
        head: centimetres around the head.
        lying: 1 measured lying, 0 standing, -1 not said: as is usual at the age.

    Raises:
        Invalid: the columns are not of one length.
    """
    age = np.asarray(age_days, dtype=np.int64).reshape(-1)
    size = len(age)
    code = np.asarray(sex, dtype=np.int64).reshape(-1)
    columns = {"sex": code}
    measures: dict[str, Numbers] = {}
    for name, column in (("weight", weight), ("height", height), ("head", head)):
        measures[name] = (
            np.full(size, np.nan) if column is None else np.asarray(column, dtype=np.float64).reshape(-1)
        )
    how = np.full(size, -1) if lying is None else np.asarray(lying, dtype=np.int64).reshape(-1)
    for name, values in {**columns, **measures, "lying": how}.items():
        if len(values) != size:
            raise Invalid("growth-length", "The columns are not of one length", where=name)
    known = (code == 1) | (code == 2)
    girl = np.where(code == 2, 1, 0)
    young = age < STANDING_FROM
    tall = measures["height"]
    tall = np.where(young & (how == 0), tall + LYING_MORE, tall)
    tall = np.where(~young & (how == 1), tall - LYING_MORE, tall)
    tall = np.where((tall > 0.1) & np.isfinite(tall), tall, np.nan)
    mass = np.where((measures["weight"] > 0) & np.isfinite(measures["weight"]), measures["weight"], np.nan)
    bmi = mass / np.square(tall / 100)
    scores: dict[str, Numbers] = {}
    flags: dict[str, NDArray[np.bool_]] = {}
    days = np.where(known & (age >= 0), age, np.nan).astype(np.float64)
    early = np.where(age <= LAST_DAY, days, np.nan)
    later = np.where(age > LAST_DAY, days / DAYS_IN_MONTH, np.nan)
    parts: dict[str, list[tuple[Table, Numbers, Numbers]]] = {
        "weight-for-age": [
            (table_of("weight-for-age", "day"), early, mass),
            (table_of("weight-for-age", "month"), later, mass),
        ],
        "height-for-age": [
            (table_of("height-for-age", "day"), early, tall),
            (table_of("height-for-age", "month"), later, tall),
        ],
        "bmi-for-age": [
            (table_of("bmi-for-age", "day"), early, bmi),
            (table_of("bmi-for-age", "month"), later, bmi),
        ],
        "head-for-age": [(table_of("head-for-age", "day"), early, measures["head"])],
        "weight-for-height": [
            (table_of("weight-for-height", "cm", "lying"), np.where(young, tall, np.nan), mass),
            (table_of("weight-for-height", "cm", "standing"), np.where(young, np.nan, tall), mass),
        ],
    }
    for indicator in INDICATORS:
        z = np.full(size, np.nan)
        wrong = np.zeros(size, np.bool_)
        for table, x, y in parts[indicator]:
            if indicator == "weight-for-height":
                x = np.where(np.isnan(early), np.nan, x)
            here = np.flatnonzero(~np.isnan(x) & ~np.isnan(y))
            power, median, spread = table.at(girl[here], x[here])
            z[here] = lms_z(y[here], power, median, spread, tails=table.tails)
            wrong[here] = (z[here] < table.lower) | (z[here] > table.upper)
        scores[indicator], flags[indicator] = z, wrong
    return Scores(age, scores, flags, tall, bmi)


def curves(
    indicator: str, sex: int, z: ArrayLike, *, x: ArrayLike | None = None, later: bool = False,
    position: str = "",
) -> tuple[Numbers, Numbers]:  # fmt: skip
    """Return the curves of some z-scores: x (rows) and measurements (len(z), rows).

    Args:
        indicator: one of `INDICATORS`.
        sex: 1 for boys, 2 for girls.
        z: z-scores; of a centile it is `scipy.special.ndtri(centile / 100)`.
        x: ages in days (months if `later`) or lengths in cm; the table's own without it.
        later: the reference of 5 to 19 years, by months.
        position: `lying` or `standing` for weight for height.

    Raises:
        Invalid: there is no such table or sex.
    """
    if sex not in (1, 2):
        raise Invalid("growth-sex", "The sex is neither 1 (boys) nor 2 (girls)", where=str(sex))
    unit = "cm" if indicator == "weight-for-height" else "month" if later else "day"
    table = table_of(indicator, unit, position)
    at = table.x if x is None else np.asarray(x, dtype=np.float64).reshape(-1)
    power, median, spread = table.at(np.full(len(at), sex - 1), at)
    wanted = np.asarray(z, dtype=np.float64).reshape(-1, 1)
    return at, lms_value(wanted, power, median, spread, tails=table.tails)


def centile(z: ArrayLike) -> Numbers:
    """Return the centiles of z-scores, in percent."""
    from scipy.special import ndtr

    found: Numbers = 100 * ndtr(np.asarray(z, dtype=np.float64))
    return found
