"""Methods that compare a count with those of the same season of past years: RKI, Bayes, CDC, moving
percentile.

Sources: RKI and Bayes, Höhle, Computational Statistics 22 (2007) 571-582, with Riebler, Diploma thesis, LMU
Munich (2004); CDC, Stroup, Williamson, Herndon and Karon, Statist. Med. 8 (1989) 323-329; moving percentile,
Yang et al., PLoS ONE 6 (2011) e17849 (China's automated alert and response system).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Floats, Indexes, checked_range
from salus.prevention.detection.reference import anchors
from salus.prevention.detection.result import Detection, Reason, score_of
from salus.prevention.detection.settings import of_method
from salus.prevention.detection.thresholds import at_least, quantile

MANY = 20  # the mean above which RKI takes the normal law instead of the table


@dataclass(frozen=True, slots=True)
class WindowControl:
    """History of RKI and Bayes: `years` back, `half_window` points on either side, and this year's last if
    asked.

    `alpha` is the one-sided level of Bayes; RKI takes two standard deviations, or a table's 95 % limit.
    """

    years: int = 2
    half_window: int = 4
    this_year: bool = False
    alpha: float = 0.05

    def __post_init__(self) -> None:
        _check(self.years >= 0 and self.half_window >= 0 and 0 < self.alpha < 1)
        _check(self.years > 0 or (self.this_year and self.half_window > 0))


@dataclass(frozen=True, slots=True)
class CdcControl:
    """CDC: `years` back, `months` (of four weeks) on either side, the two-sided level `alpha`."""

    years: int = 5
    months: int = 1
    alpha: float = 0.025

    def __post_init__(self) -> None:
        _check(self.years > 0 and self.months >= 0 and 0 < self.alpha < 1)


@dataclass(frozen=True, slots=True)
class PercentileControl:
    """Moving percentile: sums of `length` points, and `around` of them on either side, of up to `years`.

    A count above the `percentile` of those sums is an alarm; at least `least_years` must be there. `length`
    None is seven days, or one point where points are weeks or months.
    """

    years: int = 5
    least_years: int = 3
    around: int = 2
    length: int | None = None
    percentile: float = 0.8

    def __post_init__(self) -> None:
        _check(1 <= self.least_years <= self.years and self.around >= 0)
        _check(0 < self.percentile < 1 and (self.length is None or self.length >= 1))

    @classmethod
    def published(cls) -> "PercentileControl":
        """Return the settings of the national system."""
        return cls(**{**of_method("moving_percentile"), "length": None})


Baseline = Callable[[Floats, Floats], tuple[Floats, Floats, Floats, Floats]]


def rki(
    counts: Counts, control: WindowControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge counts by the mean of past seasons plus two deviations, or a Poisson limit where it is at most
    20."""
    control = control or WindowControl()
    table = np.array(of_method("poisson_limits")["upper"])

    def judge(past: Floats, now: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        mean = past.mean(axis=1)
        deviation = past.std(axis=1, ddof=1) if past.shape[1] > 1 else np.full(len(past), np.nan)
        whole = np.where(np.isnan(mean), 0, np.minimum(mean, MANY)).astype(np.int64)
        many = mean > MANY
        bound = np.where(many, mean + 2 * deviation, np.where(np.isnan(mean), np.nan, table[whole]))
        pvalue = np.where(
            many, ndtr((mean - now) / deviation), at_least(now, mean, np.full(len(now), np.inf))
        )
        return mean, bound, pvalue, now

    return _over_window(counts, "rki", control, at, judge, whole=True)


def bayes(
    counts: Counts, control: WindowControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge counts by the predictive negative binomial of past ones under Jeffreys' prior."""
    control = control or WindowControl(years=0, half_window=6, this_year=True)

    def judge(past: Floats, now: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        size = np.nansum(past, axis=1) + 0.5
        number = np.count_nonzero(~np.isnan(past), axis=1).astype(float)
        mean = np.where(number > 0, size / number, np.nan)
        return mean, quantile(1 - control.alpha, mean, size), at_least(now, mean, size), now

    return _over_window(counts, "bayes", control, at, judge, whole=False)


def cdc(
    counts: Counts, control: CdcControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge sums of four weeks by mean and spread of such sums of past years.

    Raises `Invalid` (detection-frequency) for points that are not weeks.
    """
    control = control or CdcControl()
    if counts.freq != 52:
        raise Invalid(
            "detection-frequency", "CDC's method needs weeks", where="freq", fix="Give weekly counts."
        )
    side = 4 * control.months
    steps = np.arange(-side - 3, side + 1)

    def rows(now: int) -> Indexes | None:
        back = 52 * np.arange(control.years, 0, -1)
        where = now - back[:, None] + steps
        return where.ravel() if where.min() >= 0 else None

    def judge(past: Floats, now: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        sums = past.reshape(len(past), -1, 4).sum(axis=2)
        mean, deviation = sums.mean(axis=1), sums.std(axis=1, ddof=1)
        error = deviation * np.sqrt(1 + 1 / sums.shape[1])
        return mean, mean + ndtri(1 - control.alpha / 2) * error, ndtr((mean - now) / error), now

    first = 52 * control.years + side + 3
    return _judged(counts, "cdc", checked_range(counts, at, first), rows, judge, whole=True, length=4)


def moving_percentile(
    counts: Counts, control: PercentileControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge sums of a few days by a percentile of the same days of past years; the p-value is their
    rank's."""
    control = control or PercentileControl.published()
    length = control.length or (7 if counts.freq >= 300 else 1)
    around = length * np.arange(-control.around, control.around + 1)
    least = control.least_years * len(around)

    def rows(now: int) -> Indexes | None:
        for years in range(control.years, control.least_years - 1, -1):
            back = anchors(counts, now, years)
            if back is not None:
                ends = (now - back[1:, None] + around).ravel()
                ends = ends[(ends >= length - 1) & (ends <= now - length)]
                if len(ends) >= least:
                    return np.asarray((ends[:, None] - np.arange(length)).ravel())
        return None

    def judge(past: Floats, now: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        sums = past.reshape(len(past), -1, length).sum(axis=2)
        number = np.count_nonzero(~np.isnan(sums), axis=1)
        known = number >= least
        middle, bound = np.full(len(sums), np.nan), np.full(len(sums), np.nan)
        if known.any():
            middle[known], bound[known] = np.nanquantile(sums[known], (0.5, control.percentile), axis=1)
        reached = np.count_nonzero(sums >= now[:, None], axis=1)
        return middle, bound, np.where(known, (reached + 1) / (number + 1), np.nan), now

    first = counts.freq * control.least_years + control.around * length + length - 1
    return _judged(
        counts, "moving-percentile", checked_range(counts, at, first), rows, judge, whole=False, length=length
    )


def _over_window(
    counts: Counts, method: str, control: WindowControl, at: Sequence[int] | Indexes | None, judge: Baseline,
    *, whole: bool,
) -> Detection:  # fmt: skip
    half = control.half_window
    steps = [np.arange(-half, 0)] if control.this_year else []
    steps += [np.arange(-half, half + 1) - year * counts.freq for year in range(1, control.years + 1)]
    back = np.concatenate(steps)
    first = control.years * counts.freq + half

    def rows(now: int) -> Indexes | None:
        return now + back if now >= first else None

    return _judged(counts, method, checked_range(counts, at, first), rows, judge, whole=whole, length=1)


def _judged(
    counts: Counts, method: str, at: Indexes, rows: Callable[[int], Indexes | None], judge: Baseline, *,
    whole: bool, length: int,
) -> Detection:  # fmt: skip
    """Judge each time point by the rows of its history; `whole` where none of them may be missing."""
    history = counts.history()
    shape = (counts.series, len(at))
    expected, bound, pvalue, observed = (np.full(shape, np.nan) for _ in range(4))
    reason = np.full(shape, Reason.SHORT_HISTORY, np.int8)
    for place, now in enumerate(at):
        if now >= length - 1:
            observed[:, place] = counts.observed[:, now - length + 1 : now + 1].sum(axis=1)
        where = rows(int(now))
        if where is None:
            continue
        past = history[:, where]
        with np.errstate(all="ignore"):
            expected[:, place], bound[:, place], pvalue[:, place], _ = judge(past, observed[:, place])
        gaps = np.isnan(past).any(axis=1)
        reason[:, place] = np.where(np.nansum(past, axis=1) > 0, Reason.COMPARED, Reason.ALL_ZERO)
        reason[gaps, place] = Reason.GAP if whole else Reason.REDUCED_HISTORY
        reason[np.isnan(bound[:, place]), place] = Reason.GAP
    reason[np.isnan(observed)] = Reason.NO_COUNT
    judged = np.isin(reason, [one for one in Reason if one.judged])
    for values in (expected, bound, pvalue):
        values[~judged] = np.nan
    with np.errstate(invalid="ignore"):
        alarm = observed > bound
    return Detection(
        counts,
        method,
        at,
        observed,
        expected,
        bound,
        pvalue,
        score_of(observed, expected, bound),
        alarm,
        reason,
    )


def _check(holds: bool) -> None:
    if not holds:
        raise Invalid(
            "detection-control", "These settings cannot be", where="windows", fix="See docs/detection.md."
        )
