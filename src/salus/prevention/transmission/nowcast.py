"""Nowcasts: how many cases of each recent period there will be once all reports are in, with intervals.

The delay is estimated from right-truncated reports by its reverse-time hazards (Lawless, Can J Stat 1994;
22: 15–31; the chain ladder of actuaries has the same mean). The hazards of a period vary about their mean
(generalised Dirichlet-multinomial: Stoner and Economou, Biometrics 2020; 76: 789–98). Cases arise at a rate
that drifts (a gamma filter with a discount: West and Harrison, Bayesian Forecasting, 1997), so that a period
with no report yet is not taken for one without cases, as in the Bayesian nowcast of Höhle and an der
Heiden (Biometrics 2014; 70: 993–1002). Both are combined by a particle filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from salus.kernel.errors import Invalid
from salus.prevention.transmission.scoring import QUANTILES
from salus.prevention.transmission.triangle import Triangle

Floats = NDArray[np.float64]

_DISCOUNTS = (0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.82, 0.88, 0.93, 0.97)


@dataclass(frozen=True, slots=True)
class Nowcast:
    """What each period comes to, all of shape (T,) but `quantiles` (T, Q) at `levels`.

    `reported` is what is known; `share` the expected share of it in all; `ladder` = reported / share, the
    plain chain ladder, for comparison (NaN while nothing of a period can be known); `mean` and `quantiles`
    of the nowcast. `discount` is how much of what earlier periods told still counts a period later.
    """

    reported: Floats
    share: Floats
    ladder: Floats
    mean: Floats
    levels: tuple[float, ...]
    quantiles: Floats
    discount: float


@dataclass(frozen=True, slots=True)
class Delay:
    """Reverse-time hazards of the delay: of the cases reported within d periods, the share at d exactly.

    `hazard` and `spread` have shape (D + 1,), entry 0 unused; `spread` is the correlation within a period (0
    for independent reports). `factor` (C,) multiplies the hazard by the report's place in the cycle.
    `weight` (D + 1,) counts the reports behind each hazard, `size` the cases, in independent ones.
    """

    hazard: Floats
    spread: Floats
    factor: Floats
    weight: Floats
    size: Floats

    @property
    def reached(self) -> Floats:
        """Share of cases reported within 0 … D periods, (D + 1,)."""
        open_ = np.concatenate([1 - self.hazard[1:], [1.0]])
        found: Floats = np.cumprod(open_[::-1])[::-1]
        return found


def delay(reports: Triangle, *, window: int | None = None, cycle: int | None = None) -> Delay:
    """Return the delay's hazards as the triangle's reports tell them.

    Args:
        reports: the triangle.
        window: use only the reports of so many latest periods; twice the longest delay by default, since
            reporting changes.
        cycle: 7 for daily counts whose reporting depends on the day of the week.

    Raises:
        Invalid: the window is too short for the longest delay.
    """
    counts = reports.counts
    rows, longest = len(counts), counts.shape[1] - 1
    window = max(2 * longest, 14) if window is None else window
    if window < 2:
        raise Invalid("nowcast-window", "A window has at least two periods")
    row, lag = np.arange(rows)[:, None], np.arange(longest + 1)[None, :]
    seen = np.isfinite(counts) & (row + lag > rows - 1 - window)
    cell = np.where(seen, counts, 0)
    within = np.where(seen, np.nancumsum(counts, axis=1), 0)
    hit, base = cell.sum(axis=0), within.sum(axis=0)
    hazard = np.divide(hit, base, out=np.zeros(longest + 1), where=base > 0)
    factor = np.ones(cycle or 1)
    if cycle:
        place = np.broadcast_to((row + lag) % cycle, cell.shape)
        late = np.broadcast_to(lag > 0, cell.shape)
        for one in range(cycle):
            chosen = late & (place == one)
            due = float((within * hazard)[chosen].sum())
            # A pseudo-count of 5 keeps a rarely seen day near 1.
            factor[one] = (float(cell[chosen].sum()) + 5) / (due + 5)
        expected = np.minimum(hazard[None, :] * factor[(row + lag) % cycle], 0.999)
        scale = np.divide(hit, (within * expected).sum(axis=0), out=np.ones(longest + 1), where=hit > 0)
        hazard = hazard * scale
    fitted = np.minimum(hazard[None, :] * factor[(row + lag) % len(factor)], 0.999)
    spread = _spread(cell, within, fitted)
    mean_size = np.divide((within**2).sum(axis=0), base, out=np.ones(longest + 1), where=base > 0)
    inflation = 1 + np.maximum(mean_size - 1, 0) * spread
    return Delay(hazard, spread, factor, hit / inflation, base / inflation)


def _spread(cell: Floats, within: Floats, fitted: Floats) -> Floats:
    """Return the moment estimate of each hazard's correlation within a period, drawn to that of all."""
    odds = fitted * (1 - fitted)
    square = np.divide((cell - within * fitted) ** 2, odds, out=np.zeros_like(cell), where=odds > 1e-9)
    told = np.where(odds > 1e-9, within, 0)
    above = (square - told).sum(axis=0)[1:]
    below = (told * np.maximum(told - 1, 0)).sum(axis=0)[1:]
    if below.sum() <= 0:
        return np.zeros(cell.shape[1])
    common = max(float(above.sum() / below.sum()), 0.0)
    own = np.divide(above, below, out=np.full(len(above), common, dtype=np.float64), where=below > 0)
    found = np.clip((own + common) / 2, 0, 0.9)
    return np.concatenate([[0.0], found])


def nowcast(
    reports: Triangle,
    *,
    window: int | None = None,
    cycle: int | None = None,
    levels: Sequence[float] = QUANTILES,
    draws: int = 2000,
    seed: int = 1,
) -> Nowcast:
    """Return what each period's cases will come to once reports of the longest delay are in.

    Args:
        reports: the triangle as known today.
        window: learn the delay from the reports of so many latest periods only; twice the longest delay
            (14 at least) by default, since reporting changes.
        cycle: 7 for daily counts whose reporting depends on the day of the week.
        levels: which quantiles.
        draws: particles; more make the quantiles smoother.
        seed: the same seed gives the same answer.

    Raises:
        Invalid: the triangle has no reports, or something cannot be.
    """
    if not levels or not all(0 < level < 1 for level in levels):
        raise Invalid("quantile-levels", "Quantile levels lie between 0 and 1")
    if draws < 100:
        raise Invalid("nowcast-draws", "A nowcast needs 100 draws or more")
    known, ages = reports.reported, reports.ages
    rows, longest = len(known), reports.counts.shape[1] - 1
    if known.sum() <= 0:
        raise Invalid("nowcast-empty", "No case has been reported", fix="Begin earlier")
    told = delay(reports, window=window, cycle=cycle)
    full = ages >= longest
    settled = known[full]
    discount = _discount(settled[-max(4 * longest, 60) :])
    shape, rate = _settled(settled, discount)
    share = np.ones(rows)
    mean, quantiles = known.copy(), np.repeat(known[:, None], len(levels), axis=1)
    random = np.random.default_rng(seed)
    shapes, rates = np.full(draws, shape), np.full(draws, rate)
    common = _common(told, draws, random)
    for row in np.flatnonzero(~full):
        lags = np.arange(ages[row] + 1, longest + 1)
        factor = told.factor[(row + lags) % len(told.factor)]
        share[row] = np.prod(1 - np.minimum(told.hazard[lags] * factor, 0.999))
        reached = _reached(common[:, lags] * factor, told.spread[lags], random)
        shapes, rates = shapes * discount, rates * discount
        chance = rates / (rates + reached)
        weight = (
            special.gammaln(shapes + known[row]) - special.gammaln(shapes)
            + shapes * np.log(chance) + known[row] * np.log1p(-np.minimum(chance, 1 - 1e-12))
        )  # fmt: skip
        chosen = _resampled(weight, random)
        shapes, rates, reached, common = shapes[chosen], rates[chosen], reached[chosen], common[chosen]
        shapes, rates = shapes + known[row], rates + reached
        pending = random.poisson(random.gamma(shapes, 1 / rates) * (1 - reached))
        total = known[row] + pending
        mean[row] = total.mean()
        quantiles[row] = np.quantile(total, levels, method="inverted_cdf")
    with np.errstate(divide="ignore", invalid="ignore"):
        ladder = np.where(share > 0, known / share, np.nan)
    return Nowcast(known, share, ladder, mean, tuple(levels), quantiles, discount)


def _common(told: Delay, draws: int, random: np.random.Generator) -> Floats:
    """Draw the hazards common to all periods, (draws, D + 1)."""
    found: Floats = random.beta(
        told.weight + 0.5, np.maximum(told.size - told.weight, 0) + 0.5, size=(draws, len(told.hazard))
    )
    return found


def _reached(hazard: Floats, spread: Floats, random: np.random.Generator) -> Floats:
    """Draw the share reported so far of one period, (draws,), its hazards varying about the common ones."""
    own = np.clip(hazard, 1e-6, 0.999)
    loose = spread > 1e-9
    if loose.any():
        size = (1 - spread[loose]) / spread[loose]
        own[:, loose] = random.beta(own[:, loose] * size, (1 - own[:, loose]) * size)
    found: Floats = np.maximum(np.prod(1 - own, axis=1), 1e-9)
    return found


def _resampled(weight: Floats, random: np.random.Generator) -> NDArray[np.intp]:
    """Draw particles anew by their log weights (systematic resampling)."""
    share = np.exp(weight - weight.max())
    edges = np.cumsum(share / share.sum())
    edges[-1] = 1.0
    return np.searchsorted(edges, (np.arange(len(weight)) + random.random()) / len(weight))


def _settled(counts: Floats, discount: float) -> tuple[float, float]:
    """Return shape and rate of the gamma for the rate of cases after periods that are complete."""
    shape, rate = _start(counts)
    for count in counts:
        shape, rate = shape * discount + count, rate * discount + 1
    return shape, rate


def _discount(counts: Floats) -> float:
    """Return the discount under which complete periods foretold each other best."""
    best, found = -np.inf, _DISCOUNTS[-1]
    for discount in _DISCOUNTS:
        shape, rate = _start(counts)
        total = 0.0
        for count in counts:
            shape, rate = shape * discount, rate * discount
            total += (
                special.gammaln(shape + count) - special.gammaln(shape)
                + shape * np.log(rate / (rate + 1)) - count * np.log(rate + 1)
            )  # fmt: skip
            shape, rate = shape + count, rate + 1
        if total > best:
            best, found = total, discount
    return found


def _start(counts: Floats) -> tuple[float, float]:
    return float(counts[:7].mean()) * 0.5 + 0.5, 0.5
