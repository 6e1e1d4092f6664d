"""EARS C1, C2 and C3: this count against the mean and spread of the last few, for series without long
history.

Source: Hutwagner, Thompson, Seeman and Treadwell, J. Urban Health 80 (2003) i89-i96; C3's bound as in
Fricker, Hegler and Dunfee, Statist. Med. 27 (2008) 3407-3429.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Floats, Indexes, checked_range
from salus.prevention.detection.result import Detection, Reason, score_of

LAGS = {
    "C1": (0, 0),
    "C2": (2, 0),
    "C3": (2, 2),
}  # points between baseline and count; statistics summed before
ALPHAS = {"C1": 0.001, "C2": 0.001, "C3": 0.025}


@dataclass(frozen=True, slots=True)
class EarsControl:
    """`variant` C1, C2 or C3; `baseline` points; the least standard deviation; `alpha` (None: the usual
    one)."""

    variant: str = "C1"
    baseline: int = 7
    least_deviation: float = 0.0
    alpha: float | None = None

    def __post_init__(self) -> None:
        good = (
            self.variant in LAGS and self.baseline >= 3 and self.least_deviation >= 0
            and (self.alpha is None or 0 < self.alpha < 1)
        )  # fmt: skip
        if not good:
            raise Invalid(
                "detection-control", "These are no settings of EARS", where=self.variant,
                fix="C1, C2 or C3; a baseline of 3 or more; a deviation of 0 or more; alpha between 0 and 1.",
            )  # fmt: skip


def ears(
    counts: Counts, control: EarsControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge each series at each time point `at` (0-based; all with a baseline if None)."""
    control = control or EarsControl()
    lag, before = LAGS[control.variant]
    chosen = checked_range(counts, at, control.baseline + lag + before)
    alpha = ALPHAS[control.variant] if control.alpha is None else control.alpha
    z = float(ndtri(1 - alpha))
    mean, deviation = _baseline(counts.history(), control.baseline, lag)
    deviation = np.fmax(deviation, np.where(np.isnan(deviation), np.nan, control.least_deviation))
    observed = counts.observed[:, chosen]
    expected, spread = mean[:, chosen], deviation[:, chosen]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (observed - expected) / spread
        if control.variant == "C3":
            each = np.maximum((counts.observed - mean) / deviation - 1, 0.0)
            past = np.zeros(observed.shape)
            for back in (2, 1):
                past += np.where(chosen >= back, each[:, np.maximum(chosen - back, 0)], np.nan)
            bound = np.maximum(observed + spread * (z - past), 0.0)
            pvalue = ndtr(-past)
        else:
            bound = expected + z * spread
            pvalue = ndtr(-statistic)
    with np.errstate(invalid="ignore"):
        alarm = observed > bound
    reason = np.full(observed.shape, Reason.COMPARED, np.int8)
    reason[expected == 0] = Reason.ALL_ZERO
    reason[np.isnan(bound)] = Reason.NO_VARIATION
    reason[np.isnan(expected)] = Reason.GAP
    if control.variant == "C3":
        gone = np.isnan(mean) | np.isnan(counts.observed)
        for back in (2, 1):
            reason[gone[:, np.maximum(chosen - back, 0)]] = Reason.GAP
    reason[:, chosen < control.baseline + lag + before] = Reason.SHORT_HISTORY
    reason[np.isnan(observed)] = Reason.NO_COUNT
    silent = ~np.isin(reason, (Reason.COMPARED, Reason.ALL_ZERO))
    bound[silent], pvalue[silent], alarm[silent] = np.nan, np.nan, False
    expected = np.where(silent, np.nan, expected)
    score = score_of(observed, expected, bound)
    return Detection(
        counts,
        f"ears-{control.variant.lower()}",
        chosen,
        observed,
        expected,
        bound,
        pvalue,
        score,
        alarm,
        reason,
    )


def _baseline(history: Floats, length: int, lag: int) -> tuple[Floats, Floats]:
    """Return (S, T) mean and standard deviation of the `length` counts that end `lag` points before each."""
    mean, deviation = np.full(history.shape, np.nan), np.full(history.shape, np.nan)
    first = length + lag
    if first < history.shape[1]:
        for low in range(0, history.shape[0], 1024):
            windows = np.lib.stride_tricks.sliding_window_view(history[low : low + 1024], length, axis=1)
            windows = windows[:, : history.shape[1] - first]
            mean[low : low + 1024, first:] = windows.mean(axis=2)
            deviation[low : low + 1024, first:] = windows.std(axis=2, ddof=1)
    return mean, deviation
