"""Scores of forecasts given as quantiles.

The weighted interval score is that of Bracher, Ray, Gneiting and Reich (PLoS Comput Biol 2021; 17: e1008618):
in the unit of the counts, 0 is perfect, and for a forecast of one value it is the absolute error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]

QUANTILES = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
    0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99,
)  # fmt: skip
"""The 23 levels of the forecast hubs: the median and eleven central intervals, from 10 % to 98 %."""


@dataclass(frozen=True, slots=True)
class Score:
    """Weighted interval scores, each of shape (…): `total` = `width` + `over` + `under`.

    `width` is what the intervals cost by their width, `over` what forecasting too much cost, `under` what
    forecasting too little cost.
    """

    total: Floats
    width: Floats
    over: Floats
    under: Floats


def interval_score(quantiles: ArrayLike, levels: Sequence[float], observed: ArrayLike) -> Score:
    """Return the weighted interval score of each forecast.

    Args:
        quantiles: shape (…, Q), rising along the last axis.
        levels: their levels (Q,): 0.5, and the others in pairs α/2 and 1 − α/2.
        observed: what came true, shape (…). NaN gives NaN.

    Raises:
        Invalid: the levels are not so.
    """
    told, asked = np.asarray(quantiles, dtype=np.float64), _paired(levels)
    truth = np.asarray(observed, dtype=np.float64)
    pairs = len(asked) // 2
    middle = told[..., pairs]
    width = np.zeros(np.broadcast_shapes(truth.shape, middle.shape))
    over, under = np.maximum(middle - truth, 0) / 2, np.maximum(truth - middle, 0) / 2
    for place in range(pairs):
        low, high = told[..., place], told[..., -1 - place]
        width = width + asked[place] * (high - low)
        over = over + np.maximum(low - truth, 0)
        under = under + np.maximum(truth - high, 0)
    parts = [part / (pairs + 0.5) for part in (width + 0 * truth, over, under)]
    return Score(parts[0] + parts[1] + parts[2], *parts)


def coverage(quantiles: ArrayLike, levels: Sequence[float], observed: ArrayLike, share: float) -> float:
    """Return which share of the observed values lie in the central interval of `share`, bounds included.

    Args:
        quantiles: shape (…, Q).
        levels: their levels (Q,).
        observed: shape (…); NaN is left out.
        share: such as 0.95; its two levels must be among `levels`.

    Raises:
        Invalid: the interval is not among the levels, or nothing was observed.
    """
    asked, truth = np.asarray(levels), np.asarray(observed, dtype=np.float64)
    places = [np.flatnonzero(np.abs(asked - level) < 1e-9) for level in ((1 - share) / 2, (1 + share) / 2)]
    if not all(len(place) for place in places):
        raise Invalid("quantile-levels", "No such interval among the quantiles", where=f"{share:g}")
    told, known = np.asarray(quantiles, dtype=np.float64), np.isfinite(truth)
    if not known.any():
        raise Invalid("score-empty", "Nothing was observed that could be compared")
    low, high = told[..., places[0][0]], told[..., places[1][0]]
    return float(((low <= truth) & (truth <= high))[known].mean())


def _paired(levels: Sequence[float]) -> Floats:
    asked = np.asarray(levels, dtype=np.float64)
    if (
        asked.ndim != 1 or len(asked) % 2 == 0 or np.any(np.diff(asked) <= 0)
        or np.any(np.abs(asked + asked[::-1] - 1) > 1e-9) or asked[0] <= 0
    ):  # fmt: skip
        raise Invalid(
            "quantile-levels", "Levels rise, have 0.5 in the middle and lie the same way on both sides",
            fix="For example 0.025, 0.25, 0.5, 0.75, 0.975",
        )  # fmt: skip
    return asked
