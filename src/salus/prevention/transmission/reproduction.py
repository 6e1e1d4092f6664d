"""Reproduction numbers from counts of cases by day of onset and the serial interval.

Methods: the instantaneous reproduction number of Cori, Ferguson, Fraser and Cauchemez (Am J Epidemiol
2013; 178: 1505–12; the discrete serial interval is their Web Appendix 11), and the cohort reproduction
number of Wallinga and Teunis (Am J Epidemiol 2004; 160: 509–16).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Reproduction numbers of sliding windows.

    `first` and `last` (W,) count days from 0, both inclusive. `mean` and `sd` have shape (…, W), `quantiles`
    (…, W, Q) at `levels`. NaN where a window says nothing. `observed` (W,) is the share of the secondary
    cases that can have shown up by the last day: 1 for Cori's number, below 1 at the end of a cohort's.
    """

    first: Ints
    last: Ints
    mean: Floats
    sd: Floats
    levels: tuple[float, ...]
    quantiles: Floats
    observed: Floats


def discretised_gamma(mean: float, sd: float, length: int) -> Floats:
    """Return the probabilities of serial intervals 0 … length − 1 days from a gamma shifted by one day.

    Args:
        mean: mean serial interval in days, above 1.
        sd: standard deviation in days, above 0.
        length: how many lags, lag 0 (always 0) among them. They are not scaled to add up to 1.

    Raises:
        Invalid: `mean` or `sd` cannot be.
    """
    if not (mean > 1 and sd > 0 and np.isfinite(mean) and np.isfinite(sd)):
        raise Invalid(
            "serial-interval", "A serial interval has a mean above 1 day and a standard deviation above 0",
            fix="Give both in days",
        )  # fmt: skip
    shape, scale = ((mean - 1) / sd) ** 2, sd**2 / (mean - 1)
    lag = np.arange(-2, length, dtype=np.float64)
    below = np.maximum(lag, 0) / scale
    share, longer = special.gammainc(shape, below), special.gammainc(shape + 1, below)
    k, now, one, two = lag[2:], slice(2, None), slice(1, -1), slice(None, -2)
    weight = k * share[now] - 2 * (k - 1) * share[one] + (k - 2) * share[two]
    weight += shape * scale * (2 * longer[one] - longer[two] - longer[now])
    found: Floats = np.maximum(weight, 0)
    found[:1] = 0
    return found


def infectivity(incidence: ArrayLike, interval: ArrayLike) -> Floats:
    """Return the total infectiousness of earlier cases on each day.

    Args:
        incidence: cases by day, shape (…, T).
        interval: probabilities of serial intervals of 0, 1, … days; that of 0 is 0.
    """
    cases, weight = np.asarray(incidence, dtype=np.float64), _interval(interval)
    found = np.zeros_like(cases)
    for lag in range(1, min(len(weight), cases.shape[-1])):
        found[..., lag:] += weight[lag] * cases[..., :-lag]
    return found


def cori(
    incidence: ArrayLike,
    interval: ArrayLike,
    *,
    imported: ArrayLike | None = None,
    window: int = 7,
    prior_mean: float = 5.0,
    prior_sd: float = 5.0,
    levels: Sequence[float] = LEVELS,
) -> Reproduction:
    """Return the instantaneous reproduction number of each window of days (Cori et al. 2013).

    Args:
        incidence: all cases by day of onset, shape (…, T): many series at once.
        interval: probabilities of serial intervals of 0, 1, … days, shape (L,); or (K, L) for K candidates
            that are equally likely, over which the answer is then averaged.
        imported: those of the cases who were infected elsewhere, same shape: they infect but are not
            counted as infected here. The first day's cases always count as imported.
        window: days in a window; the first ends on day `window` counted from 0.
        prior_mean: mean of the gamma prior.
        prior_sd: its standard deviation.
        levels: which quantiles of the posterior.

    Returns:
        NaN for windows that end before a mean serial interval has gone by.

    Raises:
        Invalid: something cannot be, with what.
    """
    cases = _counts(incidence, "incidence")
    local = cases - (_counts(imported, "imported") if imported is not None else 0)
    if np.any(local < 0):
        raise Invalid("reproduction-imported", "More imported cases than cases", where="imported")
    local[..., 0] = 0
    first, last = _windows(cases.shape[-1], window)
    if not (prior_mean > 0 and prior_sd > 0):
        raise Invalid("reproduction-prior", "The prior's mean and standard deviation lie above 0")
    _levels(levels)
    weights = np.atleast_2d(np.asarray(interval, dtype=np.float64))
    shape = (prior_mean / prior_sd) ** 2 + _sums(local, first, last)
    rates, known = [], []
    for weight in weights:
        pressure = _sums(infectivity(cases, weight), first, last)
        rates.append(prior_mean / prior_sd**2 + pressure)
        known.append(last + 1 > float(weight @ np.arange(len(weight))))
    rate = np.stack(rates)
    told = np.all(known, axis=0)
    mean = np.where(told, (shape / rate).mean(axis=0), np.nan)
    second = (shape * (shape + 1) / rate**2).mean(axis=0)
    spread = (shape / rate**2)[0] if len(rate) == 1 else second - (shape / rate).mean(axis=0) ** 2
    return Reproduction(
        first,
        last,
        mean,
        np.where(told, np.sqrt(spread), np.nan),
        tuple(levels),
        np.where(told[:, None], _posterior(shape, rate, levels), np.nan),
        np.ones(len(first)),
    )


def wallinga_teunis(
    incidence: ArrayLike,
    interval: ArrayLike,
    *,
    window: int = 7,
    draws: int = 0,
    seed: int = 1,
    levels: Sequence[float] = (0.025, 0.975),
) -> Reproduction:
    """Return how many cases those with onset in each window infected (Wallinga and Teunis 2004).

    Args:
        incidence: cases by day of onset, whole numbers, shape (T,).
        interval: probabilities of serial intervals of 0, 1, … days, shape (L,).
        window: days in a window.
        draws: who infected whom is drawn so often, for `sd` and `quantiles`; NaN with 0.
        seed: the same seed gives the same draws.
        levels: which quantiles of the draws.

    Returns:
        NaN for windows without cases. Late windows are too low, because those whom they infected have not
        fallen ill yet: `observed` says by how much, and mean / observed corrects for it on average
        (Cauchemez et al., Emerg Infect Dis 2006; 12: 110–3).
    """
    cases = _counts(incidence, "incidence")
    if cases.ndim != 1:
        raise Invalid("reproduction-shape", "Wallinga and Teunis's number takes one series at a time")
    if np.any(cases != np.floor(cases)):
        raise Invalid("reproduction-counts", "Cases are whole numbers here", where="incidence")
    weight = _interval(interval)
    _levels(levels)
    days = len(cases)
    first, last = _windows(days, window)
    lag = np.arange(days)[:, None] - np.arange(days)[None, :]
    heavy = np.where((lag > 0) & (lag < len(weight)), weight[np.clip(lag, 0, len(weight) - 1)], 0.0)
    share = heavy * cases[None, :]
    total = share.sum(axis=1, keepdims=True)
    share = np.divide(share, total, out=np.zeros_like(share), where=total > 0)
    infected = cases @ share
    size = _sums(cases, first, last)
    seen = np.concatenate([np.cumsum(weight), np.full(max(0, days - len(weight)), weight.sum())])
    ripe = seen[days - 1 - np.arange(days)] / weight.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(infected, first, last) / size
        observed = _sums(cases * ripe, first, last) / size
    sd = np.full(len(first), np.nan)
    quantiles = np.full((len(first), len(levels)), np.nan)
    if draws:
        drawn = _drawn(cases, share, draws, seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            each = _sums(drawn, first, last) / size
        told = size > 0
        sd[told] = each[:, told].std(axis=0, ddof=1)
        quantiles[told] = np.quantile(each[:, told], levels, axis=0).T
    return Reproduction(first, last, mean, sd, tuple(levels), quantiles, observed)


def _drawn(cases: Floats, share: Floats, draws: int, seed: int) -> Floats:
    """Draw an infector's day for every case; return how many each day's cases infected, (draws, T)."""
    random = np.random.default_rng(seed)
    found = np.zeros((draws, len(cases)))
    for day in np.flatnonzero((cases > 0) & (share.sum(axis=1) > 0)):
        who = np.flatnonzero(share[day])
        found[:, who] += random.multinomial(int(cases[day]), share[day, who], size=draws)
    return found


def _posterior(shape: Floats, rate: Floats, levels: Sequence[float]) -> Floats:
    """Return quantiles of an equal mixture of gammas, shape (…, W, Q); `rate` is (K, …, W)."""
    asked = np.asarray(levels)
    if len(rate) == 1:
        one: Floats = special.gammaincinv(shape[..., None], asked) / rate[0][..., None]
        return one
    standard = special.gammaincinv(shape[..., None], asked)
    low = standard / rate.max(axis=0)[..., None]
    high = standard / rate.min(axis=0)[..., None]
    for _ in range(60):
        middle = (low + high) / 2
        reached = special.gammainc(shape[..., None], rate[..., None] * middle).mean(axis=0) < asked
        low, high = np.where(reached, middle, low), np.where(reached, high, middle)
    found: Floats = (low + high) / 2
    return found


def _sums(values: Floats, first: Ints, last: Ints) -> Floats:
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    found: Floats = total[..., last + 1] - total[..., first]
    return found


def _windows(days: int, window: int) -> tuple[Ints, Ints]:
    if window < 1 or days < window + 1:
        raise Invalid(
            "reproduction-window", "The series is shorter than one window and a day",
            fix=f"Give at least {window + 1} days, or a shorter window",
        )  # fmt: skip
    first = np.arange(1, days - window + 1, dtype=np.int64)
    return first, first + window - 1


def _counts(values: ArrayLike, name: str) -> Floats:
    found = np.array(values, dtype=np.float64)
    if found.ndim == 0 or not np.all(np.isfinite(found)) or np.any(found < 0):
        raise Invalid(
            "reproduction-counts", "Cases are numbers from 0 up, one for every day", where=name,
            fix="Fill days without cases with 0",
        )  # fmt: skip
    return found


def _interval(values: ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.all(np.isfinite(found)) or np.any(found < 0):
        raise Invalid("serial-interval", "A serial interval is a list of probabilities from 0 up")
    if found[0] != 0 or not 0 < found.sum() <= 1 + 1e-4:
        raise Invalid(
            "serial-interval", "A serial interval has no weight on 0 days and adds up to at most 1",
            fix="Begin the list with lag 0, whose probability is 0",
        )  # fmt: skip
    return found


def _levels(levels: Sequence[float]) -> None:
    if not levels or not all(0 < level < 1 for level in levels):
        raise Invalid("quantile-levels", "Quantile levels lie between 0 and 1")
