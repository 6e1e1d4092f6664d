"""Counts of many series on one time axis: what every detector reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
Dates = NDArray[np.datetime64]
Indexes = NDArray[np.int64]

FREQUENCIES = {365: "day", 52: "week", 12: "month"}


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of S series at T time points.

    `observed` is (S, T), one case a unit, NaN where no count was reported. `freq` is the number of time
    points in a year (52, 12, 365 or another). `dates` is (T,) where the axis has calendar days, as for weeks
    of years with 53 of them; without, a year is `freq` points. `population` is (S, T) or (S, 1), any unit.
    `usable_from` is (S,): the index of the first time point that may serve as history, after a definition
    changed. `start` is year and period of the first time point, `labels` (T,) what the source calls the
    points (1 to T if not given).

    Raises `Invalid` (detection-shape) where the parts do not fit together.
    """

    observed: Floats
    freq: int = 52
    dates: Dates | None = None
    population: Floats | None = None
    usable_from: Indexes | None = None
    names: Sequence[str] = field(default=())
    start: tuple[int, int] = (2000, 1)
    labels: Indexes | None = None

    def __post_init__(self) -> None:
        observed = np.atleast_2d(np.asarray(self.observed, float))
        _need(observed.ndim == 2 and observed.size > 0, "observed", "Give counts as (series, time points)")
        _need(not np.any(observed < 0), "observed", "A count is negative")
        _need(not np.isinf(observed).any(), "observed", "A count is infinite")
        _need(self.freq >= 1, "freq", "Give the time points of a year")
        series, points = observed.shape
        object.__setattr__(self, "observed", observed)
        if self.dates is not None:
            dates = np.asarray(self.dates, "datetime64[D]")
            _need(dates.shape == (points,), "dates", "Give one date a time point")
            _need(bool(np.all(np.diff(dates.astype(np.int64)) > 0)), "dates", "Dates must rise")
            object.__setattr__(self, "dates", dates)
        if self.population is not None:
            population = np.broadcast_to(np.asarray(self.population, float), (series, points))
            _need(not np.any(population < 0), "population", "A population is negative")
            object.__setattr__(self, "population", population)
        if self.usable_from is not None:
            usable = np.broadcast_to(np.asarray(self.usable_from, np.int64), (series,))
            object.__setattr__(self, "usable_from", usable)
        names = tuple(self.names) or tuple(str(number + 1) for number in range(series))
        _need(len(names) == series, "names", "Give one name a series")
        object.__setattr__(self, "names", names)
        labels = np.arange(1, points + 1) if self.labels is None else np.asarray(self.labels, np.int64)
        _need(labels.shape == (points,), "labels", "Give one label a time point")
        object.__setattr__(self, "labels", labels)

    @property
    def series(self) -> int:
        """How many series."""
        return int(self.observed.shape[0])

    @property
    def points(self) -> int:
        """How many time points."""
        return int(self.observed.shape[1])

    @property
    def marks(self) -> Indexes:
        """What the source calls the time points, (T,)."""
        return np.arange(1, self.points + 1) if self.labels is None else self.labels

    def history(self) -> Floats:
        """Return (S, T) counts that may serve as history: NaN before the definition changed."""
        if self.usable_from is None:
            return self.observed
        early = np.arange(self.points)[None, :] < self.usable_from[:, None]
        return np.where(early, np.nan, self.observed)


def checked_range(counts: Counts, at: Sequence[int] | Indexes | None, first: int) -> Indexes:
    """Return the time points (0-based, rising) to look at: `at`, or all from `first` on.

    Raises `Invalid` (detection-range) for a point outside the axis.
    """
    if at is None:
        return np.arange(min(first, counts.points - 1), counts.points, dtype=np.int64)
    chosen = np.unique(np.asarray(at, np.int64))
    if chosen.size == 0 or chosen[0] < 0 or chosen[-1] >= counts.points:
        raise Invalid(
            "detection-range", "The time points asked for are not on the axis", where=f"1 to {counts.points}",
            fix="Choose points between the first and the last.",
        )  # fmt: skip
    return chosen


def _need(holds: bool, where: str, message: str) -> None:
    if not holds:
        raise Invalid("detection-shape", message, where=where, fix="See docs/detection.md.")
