"""From an expected count and its uncertainty to a bound and a p-value."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammainc, gammaincc, ndtr, ndtri

from salus.prevention.detection.counts import Floats

EXPONENTS = {"2/3": 2 / 3, "1/2": 1 / 2, "none": 1.0}
SMALL = 64 * float(np.finfo(float).eps)  # a probability this near to the level counts as reaching it


def delta_bound(
    expected: Floats, error: Floats, phi: Floats, power: str, alpha: float, observed: Floats
) -> tuple[Floats, Floats]:
    """Return bound and p-value by the normal law of a power of the count.

    `expected` and its standard `error` are cases, `phi` the dispersion; `power` "2/3" removes skewness, "1/2"
    steadies the variance, "none" does neither. Source: Farrington et al. (1996), section 3.6.
    """
    exponent = EXPONENTS[power]
    tau = phi + error * error / expected
    spread = {
        "2/3": lambda: np.sqrt(4 / 9 * np.cbrt(expected) * tau),
        "1/2": lambda: np.sqrt(tau / 4),
        "none": lambda: np.sqrt(expected * tau),
    }[power]()
    middle = expected**exponent
    reach = ndtri(1 - alpha) * spread
    upper, lower = (middle + reach) ** (1 / exponent), (middle - reach) ** (1 / exponent)
    return np.fmax(upper, lower), ndtr((middle - observed**exponent) / spread)


def negative_binomial_bound(
    mean: Floats, phi: Floats, alpha: float, observed: Floats
) -> tuple[Floats, Floats]:
    """Return the 1 - alpha quantile and P(Y >= observed) with that mean and variance phi times the mean.

    Poisson where `phi` is 1. NaN where the mean is not finite. Source: Noufaily et al. (2013).
    """
    finite = np.isfinite(mean)
    size = np.where(phi > 1, mean / (phi - 1), np.inf)
    bound = np.where(finite, quantile(1 - alpha, np.where(finite, mean, 1.0), size), np.nan)
    return bound, np.where(finite, at_least(observed, mean, size), np.nan)


def at_least(observed: Floats, mean: Floats, size: Floats) -> Floats:
    """Return P(Y >= observed), negative binomial of that mean and size; Poisson where the size is
    infinite."""
    poisson = np.isinf(size)
    shape = np.where(observed > 0, observed, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tail = np.where(
            poisson,
            gammainc(shape, mean),
            betainc(shape, np.where(poisson, 1.0, size), mean / (mean + np.where(poisson, 1.0, size))),
        )
    tail = np.where(np.isnan(mean) | (mean < 0), np.nan, tail)
    return np.where(
        np.isnan(observed), np.nan, np.where(observed > 0, tail, np.where(np.isnan(mean), np.nan, 1.0))
    )


def quantile(probability: float, mean: Floats, size: Floats) -> Floats:
    """Return the least whole number with P(Y <= it) >= probability; as `at_least`, by a search from a normal
    guess."""
    mean, size = np.broadcast_arrays(np.asarray(mean, float), np.asarray(size, float))
    flat, sizes = mean.ravel(), size.ravel()
    out = np.full(flat.shape, np.nan)
    known = np.flatnonzero(np.isfinite(flat) & (flat >= 0) & ~np.isnan(sizes))
    m, s = flat[known], sizes[known]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        deviation = np.sqrt(m + np.where(np.isinf(s), 0.0, m * m / s))
        skew = np.where(np.isinf(s), 1.0, (s + 2 * m) / s) / np.where(deviation > 0, deviation, 1.0)
        z = ndtri(probability)
        guess = np.floor(m + deviation * (z + skew * (z * z - 1) / 6) + 0.5)
    guess = np.maximum(np.where(np.isfinite(guess), guess, m), 0.0)
    out[known] = _search(probability, m, s, guess)
    return out.reshape(mean.shape)


def _search(probability: float, mean: Floats, size: Floats, guess: Floats) -> Floats:
    """Double the stride away from the guess until the answer is between, then halve the interval."""
    wanted = probability * (1 - SMALL)
    reached = _at_most(guess, mean, size) >= wanted
    low = np.where(reached, -1.0, guess)  # not reached here
    high = np.where(reached, guess, np.inf)  # reached here
    stride = np.ones_like(guess)
    open_ = np.flatnonzero(np.where(reached, guess > 0, True))
    while open_.size:
        down = reached[open_]
        trial = np.where(down, np.maximum(high[open_] - stride[open_], -1.0), low[open_] + stride[open_])
        inside = trial >= 0
        good = np.zeros(open_.size, bool)
        good[inside] = _at_most(trial[inside], mean[open_[inside]], size[open_[inside]]) >= wanted
        high[open_[good]] = trial[good]
        low[open_[~good]] = np.maximum(low[open_[~good]], trial[~good])
        stride[open_] *= 2
        more = (good == down) & (trial >= 0) & np.isfinite(trial)
        open_ = open_[more]
    wide = np.flatnonzero(high - low > 1)
    while wide.size:
        middle = np.floor(low[wide] / 2 + high[wide] / 2)
        between = (middle > low[wide]) & (middle < high[wide]) & np.isfinite(high[wide])
        wide, middle = wide[between], middle[between]  # past 2 ** 53 there is no number between
        good = _at_most(middle, mean[wide], size[wide]) >= wanted
        high[wide[good]], low[wide[~good]] = middle[good], middle[~good]
        wide = wide[high[wide] - low[wide] > 1]
    return high


def _at_most(count: Floats, mean: Floats, size: Floats) -> Floats:
    poisson: NDArray[np.bool_] = np.isinf(size)
    out = np.empty_like(count)
    out[poisson] = gammaincc(count[poisson] + 1, mean[poisson])
    rest = ~poisson
    m, s = mean[rest], size[rest]
    with np.errstate(invalid="ignore", divide="ignore"):
        out[rest] = betainc(s, count[rest] + 1, s / (s + m))
    out[mean == 0] = 1.0
    return np.nan_to_num(out, nan=1.0)
