"""Likelihood-ratio and generalised likelihood-ratio charts for Poisson and negative binomial counts.

A chart compares a mean of exp(kappa) times what is expected with what is expected, from each possible start
of the change. With `kappa` given it is the negative binomial (or Poisson) CUSUM; without, kappa is estimated
for each start (GLR). After an alarm the chart starts again at zero with the next count.

Source: Höhle and Paul, Comput. Statist. Data Anal. 52 (2008) 4357-4368.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Floats, Indexes
from salus.prevention.detection.cusum import _stretch
from salus.prevention.detection.result import Detection, Reason
from salus.prevention.detection.seasonal import fit_seasonal, waves

CLOSE = 1e-12
TRIES = 60


@dataclass(frozen=True, slots=True)
class ChartControl:
    """`threshold` of the statistic; `kappa` the log rate ratio to find (None: estimated).

    `alpha` is the overdispersion, variance mean + alpha mean² (0 Poisson, None estimated). `direction`
    "increase" or "decrease". A change lasts at least `least` points and began at most `most` points ago
    (None: since the last alarm). `expected` is "season" (`harmonics` waves, `trend` if asked, fitted to the
    points before the first judged), "mean" of them, or a number of cases.
    """

    threshold: float = 5.0
    kappa: float | None = None
    alpha: float | None = 0.0
    direction: str = "increase"
    least: int = 1
    most: int | None = None
    expected: str | float = "season"
    harmonics: int = 1
    trend: bool = False

    def __post_init__(self) -> None:
        good = (
            self.threshold > 0 and self.direction in ("increase", "decrease")
            and (self.kappa is None or self.kappa > 0) and (self.alpha is None or self.alpha >= 0)
            and self.least >= 1 and (self.most is None or self.most >= self.least) and self.harmonics >= 0
            and (self.expected in ("season", "mean")
                 or (not isinstance(self.expected, str) and self.expected > 0))
        )  # fmt: skip
        if not good:
            raise Invalid(
                "detection-control", "These are no settings of a chart", where="glr", fix="See --help."
            )


def nb_cusum(
    counts: Counts, control: ChartControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge by the negative binomial CUSUM for a given rate ratio; it starts again after an alarm.

    By default the ratio is 1.2 and the overdispersion estimated.
    """
    return glr(counts, control or ChartControl(kappa=float(np.log(1.2)), alpha=None), at)


def glr(
    counts: Counts, control: ChartControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge by a likelihood-ratio chart; an alarm when its statistic reaches the threshold.

    `at` are the points charted, without a break; those before the first train the mean. `more["statistic"]`
    is the statistic, `bound` the count that would have reached the threshold (NaN where kappa is estimated
    with overdispersion), `score` the statistic over the threshold.
    """
    control = control or ChartControl()
    chosen = _stretch(counts, at, 2 * counts.freq)
    mean, size, fitted = _expected(counts, chosen, control)
    observed = counts.observed[:, chosen]
    usable = ~np.isnan(observed) & np.isfinite(mean) & (mean > 0)
    x, m = np.where(usable, observed, 0.0), np.where(usable, mean, 0.0)
    alpha = np.where(np.isinf(size), 0.0, 1 / np.where(size > 0, size, np.inf))
    if control.kappa is not None:
        statistic, alarm, bound = _ratio_chart(x, m, alpha, control, usable)
        name = "nb-cusum"
    else:
        statistic, alarm, bound = _glr_chart(x, m, alpha, control, usable)
        name = "glr"
    reason = np.full(observed.shape, Reason.COMPARED, np.int8)
    reason[np.nansum(counts.history()[:, : chosen[0]], axis=1) == 0] = Reason.ALL_ZERO
    reason[~fitted] = Reason.NO_CONVERGENCE if chosen[0] > 2 * control.harmonics + 2 else Reason.SHORT_HISTORY
    reason[np.isnan(observed)] = Reason.NO_COUNT
    silent = ~fitted[:, None] | np.isnan(observed)
    alarm &= ~silent
    statistic = np.where(silent, np.nan, np.maximum(statistic, 0.0))
    return Detection(
        counts, name, chosen, observed, np.where(silent, np.nan, mean), np.where(silent, np.nan, bound),
        np.full(observed.shape, np.nan), statistic / control.threshold, alarm, reason,
        {"statistic": statistic, "alpha": np.broadcast_to(alpha[:, None], observed.shape)},
    )  # fmt: skip


def _expected(
    counts: Counts, chosen: Indexes, control: ChartControl
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return (S, K) expected counts, (S,) sizes, and which series have both."""
    shape, series = (counts.series, len(chosen)), counts.series
    size = np.full(series, np.inf if not control.alpha else 1 / control.alpha)
    if not isinstance(control.expected, str):
        return np.full(shape, float(control.expected)), size, np.ones(series, bool)
    harmonics = control.harmonics if control.expected == "season" else 0
    design = waves(
        np.arange(1, counts.points + 1, dtype=float), counts.freq, harmonics,
        control.trend and control.expected == "season",
    )  # fmt: skip
    training = counts.history()[:, : chosen[0]]
    if chosen[0] <= design.shape[1]:
        return np.full(shape, np.nan), size, np.zeros(series, bool)
    fit = fit_seasonal(training, design[: chosen[0]], design[chosen], control.alpha)
    return fit.mean, fit.size, fit.fitted


def _ratio_chart(
    x: Floats, m: Floats, alpha: Floats, control: ChartControl, usable: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Sum log likelihood ratios of a given change, never below 0."""
    size = control.kappa or 0.0
    kappa = size if control.direction == "increase" else -size
    slope, shift = _ratio(m, alpha[:, None], kappa)
    statistic, alarm, bound = (np.zeros(x.shape) for _ in range(3))
    running = np.zeros(len(x))
    for place in range(x.shape[1]):
        with np.errstate(divide="ignore", invalid="ignore"):
            bound[:, place] = (control.threshold - running - shift[:, place]) / slope[:, place]
        moved = np.maximum(0.0, running + slope[:, place] * x[:, place] + shift[:, place])
        running = np.where(usable[:, place], moved, running)
        statistic[:, place] = running
        over = usable[:, place] & (running > control.threshold)
        alarm[:, place] = over
        running = np.where(over, 0.0, running)
    return statistic, alarm.astype(bool), bound


def _ratio(m: Floats, alpha: Floats, kappa: float | Floats) -> tuple[Floats, Floats]:
    """Return the log likelihood ratio of a count x as slope * x + shift."""
    rate = np.exp(kappa)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.log1p(alpha * m) - np.log1p(alpha * m * rate)
        shift = np.where(alpha > 0, each / np.where(alpha > 0, alpha, 1.0), m * (1 - rate))
    return kappa + each, shift


def _glr_chart(
    x: Floats, m: Floats, alpha: Floats, control: ChartControl, usable: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Take the largest log likelihood ratio over the start of the change and its size."""
    series, points = x.shape
    statistic, bound = np.zeros(x.shape), np.full(x.shape, np.nan)
    alarm = np.zeros(x.shape, bool)
    since = np.zeros(series, np.int64)  # where the chart last began
    negative = bool(np.any(alpha > 0))
    zero = np.zeros((series, 1))
    all_cases = np.concatenate([zero, np.cumsum(x, axis=1)], axis=1)
    all_expected = np.concatenate([zero, np.cumsum(m, axis=1)], axis=1)
    for place in range(points):
        oldest = int(since.min()) if control.most is None else max(int(since.min()), place - control.most)
        starts = np.arange(oldest, place - control.least + 2)
        if starts.size == 0:
            best = np.full(series, -np.inf)
        elif negative:
            best = np.full(series, -np.inf)
            for start in starts[::-1]:
                value = _nb_ratio(x[:, start : place + 1], m[:, start : place + 1], alpha, control.direction)
                best = np.where(since <= start, np.fmax(best, value), best)
        else:
            value = _poisson_ratio(
                all_cases[:, place + 1, None] - all_cases[:, starts],
                all_expected[:, place + 1, None] - all_expected[:, starts], control.direction,
            )  # fmt: skip
            best = np.max(np.where(since[:, None] <= starts, value, -np.inf), axis=1)
            if control.direction == "increase":
                before = all_cases[:, place, None] - all_cases[:, starts]
                expected = all_expected[:, place + 1, None] - all_expected[:, starts]
                needed = _needed(expected, control.threshold) - before
                least = np.min(np.where(since[:, None] <= starts, needed, np.inf), axis=1)
                bound[:, place] = np.where(np.isfinite(least), np.maximum(np.ceil(least), 0.0), np.nan)
        statistic[:, place] = np.where(np.isfinite(best), best, 0.0)
        alarm[:, place] = usable[:, place] & (best > control.threshold)
        since = np.where(alarm[:, place], place + 1, since)
    return statistic, alarm, bound


def _poisson_ratio(cases: Floats, expected: Floats, direction: str) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = np.log(cases / expected)
        kappa = np.maximum(kappa, 0.0) if direction == "increase" else np.minimum(kappa, 0.0)
        out = np.where(cases > 0, kappa * cases, 0.0) + (1 - np.exp(kappa)) * expected
    return np.where(expected > 0, out, 0.0)


def _needed(expected: Floats, threshold: float) -> Floats:
    """Return the cases n at which n log(n / e) - n + e reaches the threshold, by Newton from above."""
    cases = expected + np.sqrt(2 * expected * threshold) + threshold
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(TRIES):
            rate = np.log(cases / expected)
            step = (cases * rate - cases + expected - threshold) / rate
            cases = cases - step
            if not np.any(np.abs(step) > CLOSE * cases):
                break
    return np.where(expected > 0, np.maximum(cases, 0.0), np.inf)


def _nb_ratio(x: Floats, m: Floats, alpha: Floats, direction: str) -> Floats:
    """Return the log likelihood ratio at the best kappa, found by guarded Newton steps."""
    a = alpha[:, None]
    with np.errstate(all="ignore"):
        kappa = np.log(np.maximum(x.sum(axis=1), 1e-3) / m.sum(axis=1))
        active = np.arange(len(x))
        for _ in range(TRIES):
            xs, ms, al, k = x[active], m[active], a[active], kappa[active][:, None]
            mean = ms * np.exp(k)
            score = np.sum((xs - mean) / (1 + al * mean), axis=1)
            slope = np.sum(mean * (1 + al * xs) / (1 + al * mean) ** 2, axis=1)
            step = np.clip(np.where(slope > 0, score / slope, 0.0), -1.0, 1.0)
            kappa[active] += step
            active = active[np.abs(step) > CLOSE]
            if not active.size:
                break
        kappa = np.maximum(kappa, 0.0) if direction == "increase" else np.minimum(kappa, 0.0)
        slope, shift = _ratio(m, a, kappa[:, None])
        out = np.sum(slope * x + shift, axis=1)
    return np.where(np.isfinite(out), out, 0.0)
