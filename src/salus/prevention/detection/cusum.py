"""Sums of excess: Poisson CUSUM on transformed counts, and likelihood-ratio and GLR charts that start again.

Sources: Rossi, Lampugnani and Marchi, Statist. Med. 18 (1999) 2111-2122 (CUSUM on transformed counts); Höhle
and Paul, Comput. Statist. Data Anal. 52 (2008) 4357-4368 (likelihood-ratio and generalised likelihood-ratio
charts for Poisson and negative binomial counts with a seasonal mean).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Floats, Indexes, checked_range
from salus.prevention.detection.result import Detection, Reason
from salus.prevention.detection.seasonal import fit_seasonal, waves
from salus.prevention.detection.settings import of_method

TRANSFORMS = ("standard", "rossi", "anscombe", "anscombe-2", "pearson-nb", "none")


@dataclass(frozen=True, slots=True)
class CusumControl:
    """`k` reference value and `h` threshold, in deviations; `transform` of the counts.

    `expected` is "mean" (of the counts before), "season" (a wave fitted to them) or a number of cases;
    `alpha` the overdispersion of "pearson-nb". `reset` starts the sum again after an alarm, as R's
    `algo.cusum` does not."""

    k: float = field(default_factory=lambda: float(of_method("cusum")["k"]))
    h: float = field(default_factory=lambda: float(of_method("cusum")["h"]))
    transform: str = "standard"
    expected: str | float = "mean"
    alpha: float = 0.1
    reset: bool = False

    def __post_init__(self) -> None:
        known = self.expected in ("mean", "season") or (
            not isinstance(self.expected, str) and self.expected > 0
        )
        if self.transform not in TRANSFORMS or self.h <= 0 or self.alpha < 0 or not known:
            raise Invalid(
                "detection-control", "These are no settings of a CUSUM", where=self.transform,
                fix=f"A transform of {', '.join(TRANSFORMS)}; h above 0; expected mean, season or a number.",
            )  # fmt: skip


def cusum(
    counts: Counts, control: CusumControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Sum how far counts exceed what is expected; an alarm when the sum reaches `h`.

    `at` are the points summed over, without a break; what lies before the first is the training period.
    `more["statistic"]` is the sum, `bound` the count at which it would have reached `h`.
    """
    control = control or CusumControl()
    chosen = _stretch(counts, at, counts.freq)
    expected, short = _expected(counts, chosen, control)
    observed = counts.observed[:, chosen]
    standard = _standardised(observed, expected, control)
    sums, alarm = np.zeros(observed.shape), np.zeros(observed.shape, bool)
    before = np.zeros(observed.shape)
    running = np.zeros(counts.series)
    for place in range(len(chosen)):
        before[:, place] = running
        moved = np.maximum(0.0, running + (standard[:, place] - control.k))
        running = np.where(np.isnan(moved), running, moved)
        sums[:, place], alarm[:, place] = running, (running >= control.h) & ~np.isnan(moved)
        if control.reset:
            running = np.where(alarm[:, place], 0.0, running)
    bound = _reach(expected, control, before, sums)
    reason = np.full(observed.shape, Reason.COMPARED, np.int8)
    reason[np.broadcast_to(expected <= 0, observed.shape)] = Reason.ALL_ZERO
    silent = np.isnan(standard)
    reason[silent & (reason == Reason.COMPARED)] = Reason.NO_VARIATION
    reason[np.isnan(observed)] = Reason.NO_COUNT
    reason[short] = Reason.SHORT_HISTORY
    silent |= short[:, None]
    bound[silent], alarm[silent] = np.nan, False
    statistic = np.where(silent, np.nan, sums)
    return Detection(
        counts, "cusum", chosen, observed, np.where(silent, np.nan, expected), bound,
        np.where(silent, np.nan, ndtr(-standard)), statistic / control.h, alarm, reason,
        {"statistic": statistic},
    )  # fmt: skip


def _stretch(counts: Counts, at: Sequence[int] | Indexes | None, first: int) -> Indexes:
    chosen = checked_range(counts, at, first)
    if len(chosen) > 1 and np.any(np.diff(chosen) != 1):
        raise Invalid(
            "detection-range", "A chart needs time points without a break", where="range",
            fix="Give the first and the last, as in 261:312.",
        )  # fmt: skip
    return chosen


def _expected(counts: Counts, chosen: Indexes, control: CusumControl) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (S, K) expected counts, and which series have too short a training period."""
    shape = (counts.series, len(chosen))
    if not isinstance(control.expected, str):
        return np.full(shape, float(control.expected)), np.zeros(counts.series, bool)
    training = counts.history()[:, : chosen[0]]
    known = np.count_nonzero(~np.isnan(training), axis=1)
    if control.expected == "season":
        offset = counts.start[1] - 1
        time = np.arange(1, counts.points + 1, dtype=float) + offset
        if chosen[0] < 4:
            return np.full(shape, np.nan), np.ones(counts.series, bool)
        design = waves(time, counts.freq, 1, trend=False)
        fit = fit_seasonal(training, design[: chosen[0]], design[chosen])
        return fit.mean, ~fit.fitted
    total = np.nansum(training, axis=1)
    mean = np.divide(total, known, out=np.full(counts.series, np.nan), where=known > 0)
    return np.broadcast_to(mean[:, None], shape).copy(), known == 0


def _standardised(x: Floats, m: Floats, control: CusumControl) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        match control.transform:
            case "rossi":
                out = (x - 3 * m + 2 * np.sqrt(x * m)) / (2 * np.sqrt(m))
            case "standard":
                out = (x - m) / np.sqrt(m)
            case "anscombe":
                out = 1.5 * (x ** (2 / 3) - m ** (2 / 3)) / m ** (1 / 6)
            case "anscombe-2":
                out = (x ** (2 / 3) - (m ** (2 / 3) - m ** (-1 / 3) / 9)) / (2 / 3 * m ** (1 / 6))
            case "pearson-nb":
                out = (x - m) / np.sqrt(m + control.alpha * m * m)
            case _:
                out = x.copy()
    return np.where(np.isfinite(out), out, np.nan)


def _reach(m: Floats, control: CusumControl, before: Floats, sums: Floats) -> Floats:
    """Return the count at which the sum reaches the threshold, never below 0."""
    left = control.h + control.k - before
    with np.errstate(divide="ignore", invalid="ignore"):
        match control.transform:
            case "rossi":
                root = np.sqrt(m)
                out = 2 * root * left + 5 * m - 2 * np.sqrt(4 * m * m + 2 * m * root * left)
            case "standard":
                out = np.ceil(np.sqrt(m) * left + m)
            case "anscombe":
                out = np.maximum(2 / 3 * m ** (1 / 6) * left + m ** (2 / 3), 0.0) ** 1.5
            case "anscombe-2":
                out = np.maximum(2 / 3 * m ** (1 / 6) * left + (m ** (2 / 3) - m ** (1 / 3) / 9), 0.0) ** 1.5
            case "pearson-nb":
                out = np.sqrt(m + control.alpha * m * m) * left + m
            case _:
                out = control.h - sums
    return np.asarray(np.maximum(np.nan_to_num(out, nan=0.0), 0.0))
