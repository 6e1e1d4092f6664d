"""One score from several detectors: how likely is it that an outbreak has begun in the last few weeks?

Three steps, all pure. `seasonal` fits trend and season to the whole history (quasi-Poisson, past outbreaks
weighted down), where Farrington's method takes a few weeks of five years. `evidence` weighs the last four
weeks against it: how far their sums reach (negative binomial tails) and by how much the weeks are likelier
under outbreaks of many sizes that began up to three weeks ago (a Bayes factor over starts, sizes, shapes).
`Combination` adds these and the p-values of other detectors with weights that were fitted on simulated series
with known outbreaks; an alarm is a score above a threshold that kept a chosen rate of false alarms there.

The shapes are those of the simulation study that also judges the result: on outbreaks of another shape the
gain over a single detector is smaller.

Sources: McCullagh and Nelder 1989 (quasi-likelihood); Farrington et al. 1996 (weights of past outbreaks);
Neill, Moore and Cooper 2006 (Bayesian scan: sizes and windows integrated rather than maximised); the weights
are fitted by logistic regression on each outbreak's best week (multiple-instance learning, Maron 1998).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln, ndtr, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEEKS = 4
"""How many weeks, the current one included, are looked at together."""
SKIP = 10
"""Weeks before the current one that are not fitted, so that an outbreak under way is not its own baseline."""
SIZES = (1.0, 2.0, 3.5, 5.0, 7.0, 10.0)
"""Outbreak sizes tried, in standard deviations of a week's count."""
SHAPES = (0.5, 0.9)
"""Spreads of the lognormal in time: half the cases in the first week and nearly all in two, or over four."""
FAR = 1.5
"""Normal score from which on the tails weigh differently."""
EARLIEST = 104
"""Least weeks of history for a season."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the last `WEEKS` weeks before and at each time point lead to expect without an outbreak.

    `expected` (S, K, WEEKS), the current week last; `phi` (S, K) variance over mean, at least 1; `error`
    (S, K) variance of the log of the expected count. NaN where the history is too short.
    """

    expected: Floats
    phi: Floats
    error: Floats


def design(t: Floats, period: float, harmonics: int) -> Floats:
    """Return the columns 1, time in years, and cosine and sine of each harmonic, shape (weeks, columns)."""
    columns = [np.ones_like(t), t / period]
    for j in range(1, harmonics + 1):
        columns += [np.cos(2 * np.pi * j * t / period), np.sin(2 * np.pi * j * t / period)]
    return np.stack(columns, axis=1)


def seasonal(
    observed: Floats,
    at: Sequence[int] | Ints,
    *,
    period: float = 365.25 / 7,
    harmonics: int = 2,
    skip: int = SKIP,
    most: float = 2.58,
) -> Baseline:
    """Fit each series' whole history before each time point, and predict the last weeks.

    `observed` (S, T) counts a week, NaN where none was reported; `at` the time points, 0-based; `most` the
    standardised residual above which a past week's weight falls with the square of it.
    """
    y_all = np.asarray(observed, float)
    points = np.asarray(at, np.int64)
    shape = (len(y_all), len(points))
    expected = np.full((*shape, WEEKS), np.nan)
    phi, error = np.full(shape, np.nan), np.full(shape, np.nan)
    start: Floats | None = None
    for k, now in enumerate(points.tolist()):
        last = now - skip
        if last < EARLIEST:
            continue
        t = np.arange(last, dtype=float) - last
        x = design(t, period, harmonics)
        y = y_all[:, :last]
        known = np.isfinite(y).astype(float)
        y = np.where(known > 0, y, 0.0)
        beta, phi[:, k], cov = _fit(x, y, known, most, start)
        start = _shifted(beta, x.shape[1], period, int(points[k + 1]) - now if k + 1 < len(points) else 0)
        ahead = design(np.arange(now - WEEKS + 1, now + 1, dtype=float) - last, period, harmonics)
        expected[:, k] = np.exp(np.clip(beta @ ahead.T, -12, 16))
        error[:, k] = np.einsum("i,sij,j->s", ahead[-1], cov, ahead[-1])
    return Baseline(expected, phi, np.minimum(error, 1.0))


def _shifted(beta: Floats, columns: int, period: float, step: int) -> Floats:
    """Return coefficients as they read when time is counted from `step` weeks later."""
    moved = beta.copy()
    moved[:, 0] += beta[:, 1] * step / period
    for j in range(1, (columns - 2) // 2 + 1):
        angle = 2 * np.pi * j * step / period
        a, b = beta[:, 2 * j], beta[:, 2 * j + 1]
        moved[:, 2 * j] = a * np.cos(angle) + b * np.sin(angle)
        moved[:, 2 * j + 1] = b * np.cos(angle) - a * np.sin(angle)
    return moved


def _fit(
    x: Floats, y: Floats, known: Floats, most: float, start: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """Fit all series by iterated least squares, weigh outlying weeks down, fit again.

    Returns coefficients (S, p), dispersion (S,) and covariance (S, p, p).
    """
    width = x.shape[1]
    pairs = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    ridge = np.diag([1e-6, *([0.05] * (width - 1))])
    rounds = 4 if start is not None else 25
    if start is None:
        start = np.zeros((len(y), width))
        start[:, 0] = np.log((y * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1) + 0.02)
    beta, omega = start, known
    for _ in range(2):
        beta, mu = _iterate(x, y, omega, beta, pairs, ridge, rounds)
        residual = (y - mu) / np.sqrt(mu)
        free = np.maximum(omega.sum(axis=1) - width, 1.0)
        phi = np.maximum((omega * residual**2).sum(axis=1) / free, 1.0)
        standard = np.maximum(residual / np.sqrt(phi)[:, None], 0.0)
        omega = known * np.where(standard > most, (most / np.maximum(standard, most)) ** 2, 1.0)
    beta, mu = _iterate(x, y, omega, beta, pairs, ridge, rounds)
    residual = (y - mu) / np.sqrt(mu)
    phi = np.maximum((omega * residual**2).sum(axis=1) / np.maximum(omega.sum(axis=1) - width, 1.0), 1.0)
    gram = ((omega * mu) @ pairs).reshape(-1, width, width) + ridge
    return beta, phi, phi[:, None, None] * np.linalg.inv(gram)


def _iterate(
    x: Floats, y: Floats, omega: Floats, beta: Floats, pairs: Floats, ridge: Floats, rounds: int
) -> tuple[Floats, Floats]:
    width = x.shape[1]
    for _ in range(rounds):
        mu = np.exp(np.clip(beta @ x.T, -12, 16))
        gram = ((omega * mu) @ pairs).reshape(-1, width, width) + ridge
        slope = (omega * (y - mu)) @ x - beta @ ridge
        step = np.clip(np.linalg.solve(gram, slope[:, :, None])[:, :, 0], -2.0, 2.0)
        beta = beta + step
        if np.abs(step).max(initial=0.0) < 1e-3:
            break
    return beta, np.exp(np.clip(beta @ x.T, -12, 16))


def evidence(observed: Floats, at: Sequence[int] | Ints, baseline: Baseline) -> dict[str, Floats]:
    """Return what speaks for an outbreak at each time point, each (S, K): higher is more suspicious.

    `tail_1` to `tail_4`: the normal score of the chance of a sum as high over the last 1 to 4 weeks; `far_1`
    to `far_3`: by how much it passes 1.5; `before`: that of last week alone; `factor`: the log of the Bayes
    factor of an outbreak against none; `level`: the log of a week's expected count. Zero where the baseline
    is missing.
    """
    y_all = np.where(np.isfinite(observed), observed, 0.0)
    points = np.asarray(at, np.int64)
    back = np.arange(WEEKS - 1, -1, -1)
    y = y_all[:, np.maximum(points[:, None] - back, 0)]
    mu = np.maximum(baseline.expected, 1e-4)
    phi, error = baseline.phi[:, :, None], baseline.error[:, :, None]
    found: dict[str, Floats] = {}
    for weeks in range(1, WEEKS + 1):
        total, mean = y[:, :, -weeks:].sum(axis=2), mu[:, :, -weeks:].sum(axis=2)
        spread = phi[:, :, 0] * mean + mean**2 * error[:, :, 0]
        found[f"tail_{weeks}"] = normal_score(total, mean, spread)
    deviation = np.sqrt(phi[:, :, 0] * mu[:, :, -1])
    plain = _log_chance(y, mu, phi * mu + mu**2 * error)
    terms = []
    for shape in SHAPES:
        edges = ndtr(np.log(np.maximum(np.arange(WEEKS + 1), 1e-9)) / shape)
        share = np.diff(edges)
        for begun in range(WEEKS):
            for size in SIZES:
                added = size * deviation[:, :, None] * share[: begun + 1]
                where = slice(WEEKS - 1 - begun, WEEKS)
                mean = mu[:, :, where] + added
                spread = phi * mu[:, :, where] + added + mu[:, :, where] ** 2 * error
                terms.append((_log_chance(y[:, :, where], mean, spread) - plain[:, :, where]).sum(axis=2))
    stacked = np.stack(terms)
    top = stacked.max(axis=0)
    found["factor"] = top + np.log(np.exp(stacked - top).mean(axis=0))
    found["level"] = np.log(mu[:, :, -1])
    found["before"] = normal_score(
        y[:, :, -2], mu[:, :, -2], phi[:, :, 0] * mu[:, :, -2] + mu[:, :, -2] ** 2 * error[:, :, 0]
    )
    for weeks in range(1, WEEKS):
        found[f"far_{weeks}"] = np.maximum(found[f"tail_{weeks}"] - FAR, 0.0)
    missing = ~np.isfinite(baseline.phi)
    return {name: np.where(missing, 0.0, values) for name, values in found.items()}


def _log_chance(y: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return the log chance of counts under a negative binomial of this mean and variance."""
    over = np.maximum(variance - mean, 1e-3 * mean)
    r = mean**2 / over
    return np.asarray(
        gammaln(y + r)
        - gammaln(r)
        - gammaln(y + 1)
        + r * np.log(r / (r + mean))
        + y * np.log(mean / (r + mean))
    )


def normal_score(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return the normal score of a count's upper tail: 2.33 where a count as high has a chance of 1 %.

    The tail of a negative binomial of this mean and variance, half of the count's own chance included.
    """
    over = np.maximum(variance - mean, 1e-3 * mean)
    r = mean**2 / over
    q = mean / (r + mean)
    above = betainc(count + 1, r, q)  # the chance of more than `count`
    tail = above + 0.5 * np.exp(_log_chance(count, mean, variance))
    return np.asarray(-ndtri(np.clip(tail, 1e-15, 1 - 1e-9)))


@dataclass(frozen=True, slots=True)
class Combination:
    """Weights of pieces of evidence by name: an outbreak's log odds are `constant` and the weighted sum."""

    constant: float
    weights: Mapping[str, float]

    def score(self, pieces: Mapping[str, Floats]) -> Floats:
        """Return the log odds; the arrays have one shape. Raises `KeyError` where a piece is missing."""
        total: Floats = np.full(next(iter(pieces.values())).shape, self.constant)
        for name, weight in self.weights.items():
            total = total + weight * pieces[name]
        return total


def fit(
    pieces: Mapping[str, Floats], outbreak: NDArray[np.bool_], rounds: int = 6, ridge: float = 1.0
) -> Combination:
    """Fit the weights on series of which it is known which weeks lie in an outbreak.

    All arrays have one shape (S, K). It is enough to find an outbreak once, so each outbreak counts by its
    most suspicious weeks: weights are fitted, the outbreak's weeks weighed by their scores, and fitted
    again, `rounds` times. `ridge` shrinks the weights of the standardised pieces.
    """
    names = list(pieces)
    x = np.stack([np.asarray(pieces[name], float).ravel() for name in names], axis=1)
    middle, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    z = np.concatenate([np.ones((len(x), 1)), (x - middle) / spread], axis=1)
    share = np.where(outbreak, 1.0 / np.maximum(outbreak.sum(axis=1, keepdims=True), 1), 1.0)
    beta = np.zeros(z.shape[1])
    for _ in range(rounds):
        beta = _logistic(z, outbreak.ravel().astype(float), share.ravel(), beta, ridge)
        score = (z @ beta).reshape(outbreak.shape)
        best = np.where(outbreak, score, -np.inf).max(axis=1, keepdims=True)
        near = np.where(
            outbreak, np.exp(2 * np.minimum(score - np.where(np.isfinite(best), best, 0), 0)), 0.0
        )
        share = np.where(outbreak, near / np.maximum(near.sum(axis=1, keepdims=True), 1e-300), 1.0)
    weights = beta[1:] / spread
    named = dict(zip(names, weights.tolist(), strict=True))
    return Combination(float(beta[0] - weights @ middle), named)


def _logistic(z: Floats, y: Floats, weight: Floats, beta: Floats, ridge: float) -> Floats:
    """Return the coefficients of a weighted logistic regression; the first column's is not shrunk."""
    penalty = np.diag([0.0, *([ridge] * (z.shape[1] - 1))])
    for _ in range(40):
        chance = np.exp(-np.logaddexp(0.0, -(z @ beta)))
        hessian = (z * (weight * np.maximum(chance * (1 - chance), 1e-9))[:, None]).T @ z + penalty
        step = np.linalg.solve(hessian, z.T @ (weight * (y - chance)) - penalty @ beta)
        beta = beta + np.clip(step, -3, 3)
        if np.abs(step).max() < 1e-8:
            break
    return beta
