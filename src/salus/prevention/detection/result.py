"""What every detector answers: one row a series and time point, with the reason for it."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salus.prevention.detection.counts import Counts, Floats, Indexes

if TYPE_CHECKING:
    import pyarrow as pa


class Reason(IntEnum):
    """Why a time point got the answer it has."""

    COMPARED = 0
    BELOW_LIMIT = 1
    ALL_ZERO = 2
    REDUCED_HISTORY = 3
    SHORT_HISTORY = 4
    NO_COUNT = 5
    NO_POPULATION = 6
    NO_CONVERGENCE = 7
    NO_VARIATION = 8
    GAP = 9

    @property
    def code(self) -> str:
        """The name by which tables and programs know it."""
        return self.name.lower().replace("_", "-")

    @property
    def judged(self) -> bool:
        """Whether a count with this reason was compared to a bound."""
        return self in (Reason.COMPARED, Reason.ALL_ZERO, Reason.REDUCED_HISTORY)


WORDS: dict[Reason, str] = {
    Reason.COMPARED: "compared with the bound",
    Reason.BELOW_LIMIT: "too few cases in the last weeks to judge",
    Reason.ALL_ZERO: "compared; no case in all of the history",
    Reason.REDUCED_HISTORY: "compared; part of the history is missing or of another definition",
    Reason.SHORT_HISTORY: "the history is too short",
    Reason.NO_COUNT: "no count was reported for this time point",
    Reason.NO_POPULATION: "the population is missing or zero",
    Reason.NO_CONVERGENCE: "the model could not be fitted",
    Reason.GAP: "a count that the method needs is missing or of another definition",
    Reason.NO_VARIATION: "the history does not vary, so the statistic has no value",
}


@dataclass(frozen=True, slots=True)
class Detection:
    """Answers for S series at K time points; each array is (S, K).

    `observed` is the count judged (a sum where the method sums), `expected` and `bound` cases, `pvalue` the
    probability of a count at least as high without an outbreak, `score` how far the count reached from the
    expected count to the bound (for CUSUM and GLR: the statistic over its threshold); above 1 it is an alarm.
    NaN where a method has no such number; an alarm never rests on NaN. `reason` holds `Reason`s, `at` (K,)
    the 0-based time points, `more` further arrays of the method by name.
    """

    counts: Counts
    method: str
    at: Indexes
    observed: Floats
    expected: Floats
    bound: Floats
    pvalue: Floats
    score: Floats
    alarm: NDArray[np.bool_]
    reason: NDArray[np.int8]
    more: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def table(self) -> "pa.Table":
        """Return an Arrow table with one row a series and time point, series by series."""
        import pyarrow as pa

        series, points = self.alarm.shape
        labels = self.counts.marks
        columns: dict[str, object] = {
            "series": pa.array(np.repeat(np.array(self.counts.names, object), points), pa.string()),
            "t": np.tile(labels[self.at], series),
        }
        if self.counts.dates is not None:
            columns["date"] = np.tile(self.counts.dates[self.at], series)
        columns["method"] = pa.array([self.method] * (series * points), pa.string())
        for name in ("observed", "expected", "bound", "pvalue", "score"):
            columns[name] = pa.array(getattr(self, name).ravel(), from_pandas=True)
        columns["alarm"] = self.alarm.ravel()
        for name, values in self.more.items():
            columns[name] = pa.array(values.ravel(), from_pandas=True)
        codes = np.array([one.code for one in Reason], object)
        words = np.array([WORDS[one] for one in Reason], object)
        columns["reason"] = pa.array(codes[self.reason.ravel()], pa.string())
        columns["words"] = pa.array(words[self.reason.ravel()], pa.string())
        return pa.table(columns)


def score_of(observed: Floats, expected: Floats, bound: Floats) -> Floats:
    """Return (observed - expected) / (bound - expected); NaN where a part is missing.

    Where the bound is no more than what is expected, infinite for a count above it and 0 for another.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (observed - expected) / (bound - expected)
        above = np.where(observed > bound, np.inf, 0.0)
    missing = np.isnan(observed) | np.isnan(expected) | np.isnan(bound)
    return np.where(missing, np.nan, np.where(bound > expected, score, above))
