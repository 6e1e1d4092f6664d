"""What a published series will be revised to, learnt from how earlier publications were revised.

For series of which only a publication now and then is kept (so that there is no reporting triangle), and
whose values may also be revised downwards. For each age of a value, the logarithm of later over earlier is
taken as normal about a mean, with the predictive Student t distribution of so few revisions; neighbouring
ages lend each other their spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from salus.kernel.errors import Invalid
from salus.prevention.transmission.scoring import QUANTILES

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Revised:
    """What the latest values will become: `quantiles` (G, Q) at `levels`, youngest value first."""

    levels: tuple[float, ...]
    quantiles: Floats


def revise(
    earlier: ArrayLike,
    later: ArrayLike,
    latest: ArrayLike,
    *,
    levels: Sequence[float] = QUANTILES,
) -> Revised:
    """Return what the values of the latest publication will be revised to.

    Args:
        earlier: values of past publications by age, youngest first, (A, G); NaN where one is missing.
        later: what the same values were revised to, (A, G).
        latest: values of the latest publication by age, (G,).
        levels: which quantiles.

    Raises:
        Invalid: fewer than three past publications for an age, or values below 0.
    """
    before, after = np.asarray(earlier, dtype=np.float64), np.asarray(later, dtype=np.float64)
    now = np.asarray(latest, dtype=np.float64)
    if before.ndim != 2 or before.shape != after.shape or now.shape != before.shape[1:]:
        raise Invalid("revisions-shape", "Each past value has a later one, and each age a latest value")
    if any(np.any(one < 0) for one in (before, after, now)) or not np.all(np.isfinite(now)):
        raise Invalid("revisions-values", "Values are numbers from 0 up")
    ratio = np.log1p(after) - np.log1p(before)
    known = np.isfinite(ratio)
    times = known.sum(axis=0)
    if not len(ratio) or times.min() < 3:
        raise Invalid(
            "revisions-few", "There are fewer than three past revisions of an age",
            fix="Give more publications, or leave that age out",
        )  # fmt: skip
    mean = np.where(known, ratio, 0).sum(axis=0) / times
    square = np.where(known, (ratio - mean) ** 2, 0).sum(axis=0)
    near = np.abs(np.arange(len(now))[:, None] - np.arange(len(now))[None, :]) <= 1
    # The middle age counts as much as both its neighbours, which are revised with it and tell little more.
    weight = np.where(np.eye(len(now), dtype=bool), 1.0, np.where(near, 0.5, 0.0))
    spread = np.sqrt((weight @ square) / (weight @ (times - 1)))
    told = stdtrit((times - 1)[:, None], np.asarray(levels))
    wide = spread * np.sqrt(1 + 1 / times)
    found = np.expm1((np.log1p(now) + mean)[:, None] + wide[:, None] * told)
    return Revised(tuple(levels), np.maximum(found, 0))
