"""Reporting triangles: how many cases of each period had been reported after how many periods."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Triangle:
    """Counts by period of onset and delay of the report.

    `counts` (T, D + 1): cases with onset in period t that were reported d periods later. The last row is the
    period of the report's day; a cell is NaN while t + d lies after it. `late` counts the cases that were
    reported later than D periods after onset: they are in no row.
    """

    counts: Floats
    late: int = 0

    @property
    def ages(self) -> Ints:
        """How many periods have gone by since each row's, (T,)."""
        return np.arange(len(self.counts) - 1, -1, -1, dtype=np.int64)

    @property
    def reported(self) -> Floats:
        """Cases reported so far by period of onset, (T,)."""
        found: Floats = np.nansum(self.counts, axis=1)
        return found


def triangle(
    onset: ArrayLike,
    report: ArrayLike,
    *,
    start: int,
    today: int,
    longest: int,
    step: int = 1,
) -> Triangle:
    """Return the triangle of a line list as it stood at the end of `today`.

    Args:
        onset: day of onset of each case, (N,), as whole days from any origin.
        report: day of its report, same origin. Cases reported after `today` are not known yet.
        start: first day of the first period. Cases with an earlier onset are left out.
        today: last day on which reports were seen; the last period ends on it, so earlier days that do not
            fill a period are left out at the start.
        longest: D, the longest delay in periods that is waited for.
        step: days in a period: 1, or 7 for weeks.

    Raises:
        Invalid: a report comes before its onset, or the period is too short.
    """
    begun, told = np.asarray(onset, dtype=np.int64), np.asarray(report, dtype=np.int64)
    if begun.shape != told.shape or begun.ndim != 1:
        raise Invalid("triangle-shape", "There is one report for each onset")
    if np.any(told < begun):
        bad = int(np.argmax(told < begun))
        raise Invalid(
            "triangle-order", "A report comes before the onset", where=f"case {bad + 1}",
            fix="Correct the dates, or leave such cases out",
        )  # fmt: skip
    periods = (today - start + 1) // step
    if longest < 1 or step < 1 or periods < longest + 2:
        raise Invalid(
            "triangle-short", "The history is shorter than the longest delay and two periods",
            fix="Begin earlier, or wait for shorter delays",
        )  # fmt: skip
    origin = today + 1 - periods * step
    known = (begun >= origin) & (told <= today)
    row = (begun[known] - origin) // step
    delay = (told[known] - origin) // step - row
    kept = delay <= longest
    counts = np.zeros((periods, longest + 1))
    np.add.at(counts, (row[kept], delay[kept]), 1)
    return Triangle(_masked(counts), int((~kept).sum()))


def from_revisions(totals: ArrayLike, *, longest: int) -> Triangle:
    """Return the triangle of a series that was published again and again, one period apart.

    Args:
        totals: (A, T): row a is the series as known at the end of period T − A + a, NaN where a period was
            not known yet. A series must have been published in each of the last `longest` + 2 periods or
            more; rows that were first published older than at once begin with what was known then.
        longest: D, the longest delay that is waited for.

    Raises:
        Invalid: too few revisions, or a gap between them.
    """
    seen = np.asarray(totals, dtype=np.float64)
    if seen.ndim != 2 or len(seen) < longest + 2 or seen.shape[1] < len(seen):
        raise Invalid(
            "triangle-short", "There are fewer revisions than the longest delay and two",
            fix="Give more revisions, or wait for shorter delays",
        )  # fmt: skip
    published, periods = seen.shape
    rows = published
    counts = np.zeros((rows, longest + 1))
    for row in range(rows):
        period = periods - published + row
        values = seen[row:, period][: longest + 1]
        if not np.all(np.isfinite(values)):
            raise Invalid("triangle-gap", "A revision lacks a period", where=f"period {period + 1}")
        counts[row, : len(values)] = np.diff(values, prepend=0.0)
    return Triangle(_masked(_settled(counts)))


def _settled(counts: Floats) -> Floats:
    """Take corrections downwards from the reports before them, so that no cell lies below 0."""
    found = counts.copy()
    for delay in range(found.shape[1] - 1, 0, -1):
        short = np.minimum(found[:, delay], 0)
        found[:, delay] -= short
        found[:, delay - 1] += short
    return np.maximum(found, 0)


def _masked(counts: Floats) -> Floats:
    age = np.arange(len(counts) - 1, -1, -1)[:, None]
    found: Floats = np.where(np.arange(counts.shape[1])[None, :] <= age, counts, np.nan)
    return found


def final(onset: Sequence[int] | Ints, report: Sequence[int] | Ints, rows: int, **like: int) -> Floats:
    """Return what the rows of `triangle(…)` come to once every report within the longest delay is in, (T,).

    Args:
        onset: as in `triangle`.
        report: as in `triangle`.
        rows: how many rows the triangle has.
        like: `today`, `longest` and `step` of the triangle.
    """
    begun, told = np.asarray(onset, dtype=np.int64), np.asarray(report, dtype=np.int64)
    step = like.get("step", 1)
    origin = like["today"] + 1 - rows * step
    row = (begun - origin) // step
    delay = (told - origin) // step - row
    kept = (row >= 0) & (row < rows) & (delay <= like["longest"]) & (delay >= 0)
    return np.bincount(row[kept], minlength=rows).astype(np.float64)
