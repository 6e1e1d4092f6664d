"""Short forecasts of counts, as quantiles, for many series at once.

`forecast` learns from every past week of all series together how the logarithm of counts grew over the next
1 … H steps: from the latest growth of the series and of all series, its level and the season, by ridge
regression that shrinks towards no change, so that with little history it becomes a random walk. Quantiles are
those of the past errors, scaled by how uncertain so small or large a count is. `random_walk` is the baseline
that the forecast hubs compare with (Cramer et al., PNAS 2022; 119: e2113561119).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.kernel.errors import Invalid
from salus.prevention.transmission.scoring import QUANTILES

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast counts of each series: `quantiles` (S, H, Q) at `levels` and `median` (S, H)."""

    levels: tuple[float, ...]
    quantiles: Floats
    median: Floats


def random_walk(
    counts: ArrayLike,
    *,
    horizons: int = 4,
    levels: Sequence[float] = QUANTILES,
    logarithmic: bool = True,
) -> Forecast:
    """Forecast that nothing changes, with the past changes, made symmetric, as errors.

    Args:
        counts: counts by period, (S, T) or (T,).
        horizons: H, how many steps ahead.
        levels: which quantiles.
        logarithmic: take changes of log(count + 1), otherwise of counts.

    Raises:
        Invalid: the history is shorter than H + 2.
    """
    seen = _counts(counts, horizons + 2)
    asked = _asked(levels)
    scaled = np.log1p(seen) if logarithmic else seen
    found = np.empty((len(seen), horizons, len(asked)))
    for ahead in range(1, horizons + 1):
        change = scaled[:, ahead:] - scaled[:, :-ahead]
        both = np.concatenate([change, -change], axis=1)
        found[:, ahead - 1] = scaled[:, -1:] + np.quantile(both, asked, axis=1).T
    return _told(np.expm1(found) if logarithmic else found, levels)


def forecast(
    counts: ArrayLike,
    *,
    horizons: int = 4,
    period: int | None = 52,
    levels: Sequence[float] = QUANTILES,
    penalty: float = 1.0,
) -> Forecast:
    """Forecast the next periods of each series from what all series did before.

    Args:
        counts: counts by period, (S, T) or (T,), of one disease in several places.
        horizons: H, how many steps ahead.
        period: steps in a year; the season is learnt once two years are there. None: no season.
        levels: which quantiles.
        penalty: how strongly to shrink towards no change.

    Raises:
        Invalid: the history is shorter than H + 12.
    """
    seen = _counts(counts, horizons + 12)
    asked = _asked(levels)
    scaled = np.log1p(seen)
    features = _features(scaled, period)
    found = np.empty((len(seen), horizons, len(asked)))
    for ahead in range(1, horizons + 1):
        found[:, ahead - 1] = _ahead(scaled, features, ahead, asked, penalty)
    return _told(np.expm1(found), levels)


_LAGS = 4


def _features(scaled: Floats, period: int | None) -> Floats:
    """Return what is known at each time, (S, T, F); the first times lack some and are not learnt from."""
    series, times = scaled.shape
    growth = np.diff(scaled, axis=1, prepend=scaled[:, :1])
    common = np.log(np.expm1(scaled).sum(axis=0) + series)
    shared = np.diff(common, prepend=common[:1])
    columns = [growth, _back(growth, 1), _back(growth, 2)]
    columns += [np.broadcast_to(one, scaled.shape) for one in (shared, _back(shared[None], 1)[0])]
    columns.append(scaled - common)
    mean = np.cumsum(scaled, axis=1) / np.arange(1, times + 1)
    columns.append(scaled - mean)
    if period and times >= 2 * period:
        turn = 2 * np.pi * np.arange(times) / period
        for wave in (1, 2):
            columns += [
                np.broadcast_to(np.sin(wave * turn), scaled.shape),
                np.broadcast_to(np.cos(wave * turn), scaled.shape),
            ]
    return np.stack(columns, axis=-1)


def _back(values: Floats, steps: int) -> Floats:
    return np.concatenate([np.repeat(values[:, :1], steps, axis=1), values[:, :-steps]], axis=1)


def _ahead(scaled: Floats, features: Floats, ahead: int, asked: Floats, penalty: float) -> Floats:
    """Return quantiles of log(count + 1) `ahead` steps on, (S, Q)."""
    series = len(scaled)
    known = features[:, _LAGS:-ahead].reshape(-1, features.shape[-1])
    grown = (scaled[:, _LAGS + ahead :] - scaled[:, _LAGS:-ahead]).reshape(-1)
    centre, width = known.mean(axis=0), known.std(axis=0)
    width = np.where(width > 1e-9, width, np.inf)
    design = (known - centre) / width
    # Ridge: places go through the same epidemic, so that S series tell less than S times one.
    weight = penalty * series * (4 + ahead)
    square = design.T @ design + weight * np.eye(design.shape[1])
    slope = np.linalg.solve(square, design.T @ (grown - grown.mean()))
    shift = grown.mean() * len(grown) / (len(grown) + weight)
    fitted = design @ slope + shift
    error = grown - fitted
    base = scaled[:, _LAGS:-ahead].reshape(-1)
    scale = _scale(error, base + fitted)
    latest = scaled[:, -1] + ((features[:, -1] - centre) / width) @ slope + shift
    standard = np.quantile(error / scale(base + fitted), asked)
    found: Floats = latest[:, None] + scale(latest)[:, None] * standard
    return found


def _scale(error: Floats, expected: Floats) -> Callable[[Floats], Floats]:
    """Learn the errors' standard deviation: one part for any count, one that falls as counts grow."""
    parts = np.stack([np.ones_like(expected), _small(expected)], axis=1)
    from scipy.optimize import nnls  # large, and only a fit needs it

    share, _ = nnls(parts, error**2)

    def scale(at: Floats) -> Floats:
        found: Floats = np.sqrt(1e-4 + share[0] + share[1] * _small(at))
        return found

    return scale


def _small(expected: Floats) -> Floats:
    found: Floats = 1 / np.maximum(np.exp(expected), 1.0)
    return found


def _told(quantiles: Floats, levels: Sequence[float]) -> Forecast:
    found = np.maximum.accumulate(np.maximum(quantiles, 0), axis=-1)
    median = np.stack([np.interp(0.5, levels, one) for one in found.reshape(-1, found.shape[-1])])
    return Forecast(tuple(levels), found, median.reshape(found.shape[:-1]))


def _counts(counts: ArrayLike, needed: int) -> Floats:
    found = np.atleast_2d(np.asarray(counts, dtype=np.float64))
    if found.ndim != 2 or not np.all(np.isfinite(found)) or np.any(found < 0):
        raise Invalid(
            "forecast-counts", "Counts are numbers from 0 up, one for every period",
            fix="Fill periods without cases with 0; nowcast the latest ones first",
        )  # fmt: skip
    if found.shape[1] < needed:
        raise Invalid("forecast-short", "The history is too short", fix=f"Give {needed} periods or more")
    return found


def _asked(levels: Sequence[float]) -> Floats:
    asked = np.asarray(levels, dtype=np.float64)
    if not len(asked) or np.any((asked <= 0) | (asked >= 1)) or np.any(np.diff(asked) <= 0):
        raise Invalid("quantile-levels", "Quantile levels rise and lie between 0 and 1")
    return asked
