"""Expected counts of many series by one seasonal regression each: Poisson, or negative binomial.

log E(y) = level (+ trend) + waves of a year, fitted by the same steps as R's `glm` and `glm.nb` take, all
series at once. Sources: McCullagh and Nelder, Generalized Linear Models (1989); Venables and Ripley, Modern
Applied Statistics with S (2002), section 7.4, for alternating the mean and the dispersion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, polygamma

from salus.prevention.detection.counts import Floats
from salus.prevention.detection.fitting import EPSILON, STEPS, TINY

STILL = TINY**0.25  # the step of the dispersion that counts as none


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Fits of S series: `mean` (S, T) expected counts, `size` (S,) (infinite: Poisson), `fitted` (S,)."""

    mean: Floats
    size: Floats
    fitted: NDArray[np.bool_]


def waves(time: Floats, period: float, harmonics: int, trend: bool) -> Floats:
    """Return the (T, q) design: level, trend if asked, cosine and sine of each harmonic."""
    columns = [np.ones_like(time)]
    if trend:
        columns.append(time)
    for harmonic in range(1, harmonics + 1):
        angle = 2 * harmonic * np.pi / period * time
        columns += [np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1)


def fit_seasonal(observed: Floats, design: Floats, ahead: Floats, alpha: float | None = 0.0) -> Seasonal:
    """Fit (S, T) counts on a (T, q) design and predict the (K, q) design `ahead`.

    `alpha` is the overdispersion (variance mean + alpha mean²): 0 for Poisson, None to estimate it. Missing
    counts are left out.
    """
    mask = (~np.isnan(observed)).astype(float).T
    y = np.where(mask > 0, observed.T, 0.0)
    width = y.shape[1]
    if alpha is None:
        coefficients, size, fitted = _alternate(y, mask, design)
    else:
        size = np.full(width, np.inf if alpha == 0 else 1 / alpha)
        start = y + 0.1 if alpha == 0 else y + (y == 0) / 6
        coefficients, _, fitted = _iterate(y, mask, design, np.log(start), size)
    with np.errstate(over="ignore"):
        mean = np.maximum(np.exp(_product(ahead, coefficients)), TINY)
    fitted &= np.isfinite(mean).all(axis=0) & (mask.sum(axis=0) > design.shape[1])
    return Seasonal(mean.T, size, fitted)


def _product(design: Floats, coefficients: Floats) -> Floats:
    return np.asarray(np.einsum("tq,qs->ts", design, coefficients))


def _iterate(
    y: Floats, mask: Floats, design: Floats, eta: Floats, size: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return (q, S) coefficients, (T, S) linear predictors, and which series converged."""
    q, width = design.shape[1], y.shape[1]
    pairs = np.einsum("tp,tq->tpq", design, design).reshape(len(design), -1)
    coefficients, last = np.zeros((q, width)), eta.copy()
    converged = np.zeros(width, bool)
    active = np.arange(width)
    mean = np.maximum(np.exp(eta), TINY)
    old = _deviance(y, mask, mean, size)
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            now, weights = y[:, active], mask[:, active]
            weight = weights * mean / (1 + mean / size[active])
            left = np.einsum("tp,ts->sp", pairs, weight).reshape(-1, q, q)
            right = np.einsum("tq,ts->sq", design, weight * (eta + (now - mean) / mean))
            solvable = np.isfinite(left).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
            solvable &= np.linalg.cond(np.where(solvable[:, None, None], left, np.eye(q))) < 1e14
            solved = np.full((len(active), q), np.nan)
            solved[solvable] = np.linalg.solve(left[solvable], right[solvable][..., None])[..., 0]
            eta = _product(design, solved.T)
            mean = np.maximum(np.exp(eta), TINY)
            deviance = _deviance(now, weights, mean, size[active])
            still = np.abs(deviance - old) / (0.1 + np.abs(deviance)) < EPSILON
            coefficients[:, active], last[:, active] = solved.T, eta
            converged[active[still]] = True
            moving = ~still & np.isfinite(deviance)
            active, eta, mean, old = active[moving], eta[:, moving], mean[:, moving], deviance[moving]
            if not active.size:
                break
    return coefficients, last, converged


def _deviance(y: Floats, mask: Floats, mean: Floats, size: Floats) -> Floats:
    with np.errstate(all="ignore"):
        poisson = np.where(y > 0, y * np.log(y / mean), 0.0) - (y - mean)
        if np.isinf(size).all():
            return np.asarray(2 * np.add.reduce(mask * poisson, axis=0))
        one = np.where(y > 0, y * np.log(np.maximum(y, 1) / mean), 0.0)
        negative = one - (y + size) * np.log((y + size) / (mean + size))
        return np.asarray(2 * np.add.reduce(mask * np.where(np.isinf(size), poisson, negative), axis=0))


def _alternate(y: Floats, mask: Floats, design: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Fit mean and size in turn until neither moves."""
    width = y.shape[1]
    infinite = np.full(width, np.inf)
    coefficients, eta, fitted = _iterate(y, mask, design, np.log(y + 0.1), infinite)
    mean = np.maximum(np.exp(eta), TINY)
    size = _size(y, mask, mean)
    step = np.sqrt(2 * np.maximum(1.0, mask.sum(axis=0) - design.shape[1]))
    likelihood = _likelihood(y, mask, mean, size)
    before, moved = likelihood + 2 * step, np.ones(width)
    active = np.flatnonzero(fitted & np.isfinite(size) & (size > 0))
    fitted = np.zeros(width, bool)
    fitted[active] = True
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            change = np.abs(before[active] - likelihood[active]) / step[active] + np.abs(moved[active])
            active = active[change > EPSILON]
            if not active.size:
                break
            part, weights = y[:, active], mask[:, active]
            found, eta, good = _iterate(part, weights, design, np.log(mean[:, active]), size[active])
            coefficients[:, active] = found
            new = _size(part, weights, mean[:, active])
            mean[:, active] = np.maximum(np.exp(eta), TINY)
            moved[active] = size[active] - new
            size[active] = new
            before[active] = likelihood[active]
            likelihood[active] = _likelihood(part, weights, mean[:, active], new)
            fitted[active[~good | ~np.isfinite(new) | ~(new > 0)]] = False
            active = active[fitted[active]]
    return coefficients, size, fitted


def _size(y: Floats, mask: Floats, mean: Floats) -> Floats:
    """Return the maximum-likelihood size of each series for given means, by Newton's steps from its
    moments."""
    with np.errstate(all="ignore"):
        size = mask.sum(axis=0) / np.add.reduce(mask * (y / mean - 1) ** 2, axis=0)
        active = np.arange(y.shape[1])
        for _ in range(1, STEPS):
            t, part, m, w = np.abs(size[active]), y[:, active], mean[:, active], mask[:, active]
            score = digamma(t + part) - digamma(t) + np.log(t) + 1 - np.log(t + m) - (part + t) / (m + t)
            information = (
                polygamma(1, t) - polygamma(1, t + part) - 1 / t + 2 / (m + t) - (part + t) / (m + t) ** 2
            )
            step = np.add.reduce(w * score, axis=0) / np.add.reduce(w * information, axis=0)
            size[active] = t + step
            active = active[np.abs(step) > STILL]
            if not active.size:
                break
    return np.asarray(np.maximum(size, 0.0))


def _likelihood(y: Floats, mask: Floats, mean: Floats, size: Floats) -> Floats:
    with np.errstate(all="ignore"):
        one = (
            gammaln(size + y) - gammaln(size) - gammaln(y + 1) + size * np.log(size)
            + y * np.log(mean + (y == 0)) - (size + y) * np.log(size + mean)
        )  # fmt: skip
        return np.asarray(np.add.reduce(mask * one, axis=0))
