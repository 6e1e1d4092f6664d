"""Farrington's method as first published and as R's `algo.farrington` has it: two-sided, residuals above 1
weigh less.

Source: Farrington, Andrews, Beale and Catchpole, J. R. Statist. Soc. A 159 (1996) 547-563.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Indexes, checked_range
from salus.prevention.detection.farrington import Progress, predict_all, recent_cases
from salus.prevention.detection.model import Rules
from salus.prevention.detection.reference import Reference, Window
from salus.prevention.detection.result import Detection, Reason, score_of
from salus.prevention.detection.thresholds import EXPONENTS, delta_bound

TREND_P = 0.05


@dataclass(frozen=True, slots=True)
class ClassicControl:
    """`years` back, `half_window` points on either side, the two-sided level `alpha`, `power` as for
    flexible.

    `limit_cases` in the last `limit_points` are needed to judge.
    """

    years: int = 5
    half_window: int = 3
    alpha: float = 0.05
    power: str = "2/3"
    trend: bool = True
    reweight: bool = True
    limit_cases: float = 5
    limit_points: int = 4
    population_offset: bool = False

    def __post_init__(self) -> None:
        good = (
            self.years >= 1 and self.half_window >= 0 and 0 < self.alpha < 1 and self.power in EXPONENTS
            and self.limit_cases >= 0 and self.limit_points > 0
        )  # fmt: skip
        if not good:
            raise Invalid("detection-control", "These settings cannot be", where="classic", fix="See --help.")


def farrington_classic(
    counts: Counts,
    control: ClassicControl | None = None,
    at: Sequence[int] | Indexes | None = None,
    *,
    threads: int = 2,
    progress: Progress | None = None,
) -> Detection:
    """Judge each series at each time point `at`; history before the start is left out, as in R."""
    control = control or ClassicControl()
    chosen = checked_range(counts, at, counts.freq * control.years + control.half_window)
    window = Window(control.years, control.half_window, 1, 0)
    rules = Rules(control.trend, TREND_P, control.reweight, 1.0, "textbook", control.years)
    found = predict_all(
        counts, chosen, window, rules, control.population_offset, threads, progress, _reference
    )
    one = found.prediction
    observed = counts.observed.T[chosen]
    reason = found.reason.copy()
    with np.errstate(all="ignore"):
        expected = np.exp(one.eta)
        error = np.sqrt(one.phi * one.unit) * expected
        bound, pvalue = delta_bound(expected, error, one.phi, control.power, control.alpha / 2, observed)
    enough = recent_cases(counts.observed, control.limit_points)[:, chosen].T >= control.limit_cases
    answered = reason < Reason.SHORT_HISTORY
    reason[answered & ~enough] = Reason.BELOW_LIMIT
    reason[np.isnan(observed)] = Reason.NO_COUNT
    judged = answered & enough & ~np.isnan(observed)
    for values in (expected, bound, pvalue):
        values[~judged] = np.nan
    with np.errstate(invalid="ignore"):
        alarm = observed > bound
    return Detection(
        counts, "farrington-classic", chosen, observed.T, expected.T, bound.T, pvalue.T,
        score_of(observed, expected, bound).T, alarm.T, reason.T, {"phi": one.phi.T, "trend": one.trend.T},
    )  # fmt: skip


def _reference(counts: Counts, now: int, window: Window) -> Reference | None:
    """Return the windows around the same time of past years, as far as they are there."""
    steps = np.arange(-window.half, window.half + 1)
    if counts.dates is None:
        rows = np.concatenate([now - counts.freq * year + steps for year in range(window.years, 0, -1)])
        rows = rows[rows >= 0]
    else:
        day = counts.dates[now]
        month = day.astype("datetime64[M]")
        of_month = (day - month.astype("datetime64[D]")).astype(np.int64)
        years = np.arange(1, window.years + 1)
        if counts.freq == 12:
            months = (month - 12 * years)[:, None] + steps
            wanted = (months.astype("datetime64[D]") + of_month).ravel()
        else:
            same = (month - 12 * years).astype("datetime64[D]") + of_month
            wanted = (same[:, None] + steps * (7 if counts.freq == 52 else 1)).ravel()
        if counts.freq == 52:
            behind = (day.astype(np.int64) - wanted.astype(np.int64)) % 7
            wanted = wanted + np.where(behind < (-behind) % 7, behind, -((-behind) % 7))
        place = np.searchsorted(counts.dates, wanted)
        place = np.minimum(place, counts.points - 1)
        rows = np.unique(place[counts.dates[place] == wanted])
    rows = rows[rows < now]
    if rows.size <= 2:
        return None
    return Reference(now - rows, np.ones(len(rows), np.int64), (rows - now).astype(float))
