"""Thousands of quasi-Poisson regressions of one design at once, iterated as R's `glm.fit` iterates each.

A fit is log E(y) = offset + level of its season + slope * time, or the same without slope. Columns are fits,
rows their reference values, sorted by season. Seasons make the normal equations an arrow: levels are
eliminated by hand and one number, the slope, is left, so no matrix is ever formed. After the first step the
response is needed only through its sums; a fit without slope needs nothing else. Columns that have converged
leave the iteration.

Method: iteratively reweighted least squares (McCullagh and Nelder, Generalized Linear Models, 1989, 2.5);
start at y + 0.1, stop when the deviance moves by less than 1e-8 of itself + 0.1, at most 25 steps; standard
errors and leverages from the weights of the last step. Anscombe residuals and weights: Farrington et al.,
J. R. Statist. Soc. A 159 (1996) 547-563, and Noufaily et al., Statist. Med. 32 (2013) 1206-1222.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.prevention.detection.counts import Floats

EPSILON = 1e-8
STEPS = 25
START = 0.1
TINY = float(np.finfo(float).eps)
RUN = 16  # rows whose exponentials are products of two
LESS = 0.7  # products are taken where they leave at most this share of the exponentials
COMPACT = 0.75  # columns are dropped when fewer than this share still moves

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Design:
    """Rows of a regression: `time` (n,), and `bounds` (G + 1,) where each season's rows start."""

    time: Floats
    bounds: tuple[int, ...]
    runs: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def of(cls, time: Floats, bounds: tuple[int, ...]) -> "Design":
        """Make a design, noting runs of rows of one season a time step apart as (start, stop, season)."""
        runs: list[tuple[int, int, int]] = []
        for season, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
            breaks = low + 1 + np.flatnonzero(np.diff(time[low:high]) != 1)
            edges = [low, *(int(one) for one in breaks), high]
            for start, stop in zip(edges, edges[1:], strict=False):
                runs += [(part, min(part + RUN, stop), season) for part in range(start, stop, RUN)]
        longest = max(stop - start for start, stop, _ in runs)
        return cls(time, bounds, tuple(runs) if len(runs) + longest < LESS * len(time) else ())

    @property
    def seasons(self) -> int:
        """How many levels."""
        return len(self.bounds) - 1

    def sums(self, rows: Floats) -> Floats:
        """Return (G, B): the sum of (n, B) over each season's rows."""
        out = np.empty((self.seasons, rows.shape[1]))
        for season in range(self.seasons):
            np.add.reduce(rows[self.bounds[season] : self.bounds[season + 1]], axis=0, out=out[season])
        return out

    def spread(self, levels: Floats, out: Floats) -> Floats:
        """Write (G, B) levels to (n, B) rows."""
        for season in range(self.seasons):
            out[self.bounds[season] : self.bounds[season + 1]] = levels[season]
        return out


@dataclass(slots=True)
class Response:
    """Reference counts of B fits: `y` (n, B) with 0 where missing, and what is needed of them again.

    `mask` is (n, B), 0 where missing, or None; `offset` (n, B) log population and `people` its exponential,
    or None."""

    y: Floats
    y23: Floats  # y ** (2/3)
    log0: Floats  # log(y + 0.1)
    ylogy: Floats
    mask: Floats | None
    offset: Floats | None
    people: Floats | None

    def columns(self, chosen: NDArray[np.int64]) -> "Response":
        """Return the response of some of the fits."""
        return Response(
            self.y[:, chosen], self.y23[:, chosen], self.log0[:, chosen], self.ylogy[:, chosen],
            None if self.mask is None else self.mask[:, chosen],
            None if self.offset is None else self.offset[:, chosen],
            None if self.people is None else self.people[:, chosen],
        )  # fmt: skip


@dataclass(slots=True)
class Fit:
    """B fits: `level` (G, B), `slope` (B,), and the last step's sums that errors and leverages need."""

    level: Floats
    slope: Floats
    mean: Floats  # (n, B), or (G, B) for fits without slope and offset
    weight: Floats  # the last step's mean, the same shape
    total: Floats  # (G, B): the last step's weights summed
    centre: Floats  # (G, B): their mean time
    inertia: Floats  # (B,): their squared deviation in time; infinite without slope
    converged: Bools


@dataclass(slots=True)
class _Start:
    """The first step from y + 0.1, and constants of the deviance."""

    level: Floats
    slope: Floats
    total: Floats
    first: Floats  # (G, B) weights times time
    inertia: Floats
    cases: Floats  # (G, B)
    cases_time: Floats  # (B,)
    log_mean: Floats  # (G, B)
    constant: Floats  # (B,)
    deviance: Floats  # (B,)


def _start(design: Design, response: Response, prior: Floats | None, slope: bool) -> _Start:
    y, offset = response.y, response.offset
    mean = y + START
    z = response.log0 - START / mean
    if offset is not None:
        z -= offset
    weight = mean if prior is None else prior * mean
    total = design.sums(weight)
    wz = weight * z
    total_z = design.sums(wz)
    weighted = y if prior is None else prior * y
    cases = design.sums(weighted)
    rows = design.sums(np.ones_like(y)) if prior is None else design.sums(prior)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_mean = np.where(cases > 0, np.log(cases / rows), 0.0)
        if slope:
            time = design.time[:, None]
            weight = weight * time
            first = design.sums(weight)
            second = np.add.reduce(weight * time, axis=0)
            cross = np.add.reduce(wz * time, axis=0)
            inertia = second - np.add.reduce(_over(first * first, total), axis=0)
            beta = (cross - np.add.reduce(_over(first * total_z, total), axis=0)) / inertia
            level = _over(total_z - beta * first, total)
            cases_time = np.add.reduce(weighted * time, axis=0)
        else:
            first, beta = np.zeros_like(total), np.zeros(y.shape[1])
            inertia, cases_time = np.full(y.shape[1], np.inf), np.zeros(y.shape[1])
            level = _over(total_z, total)
    ylogy = response.ylogy if prior is None else prior * response.ylogy
    own = np.add.reduce(ylogy, axis=0)
    at_start = own - np.add.reduce(weighted * response.log0, axis=0)
    deviance = 2 * (at_start + START * np.add.reduce(rows, axis=0))
    constant = own - np.add.reduce(cases * (log_mean + 1), axis=0)
    if offset is not None:
        constant -= np.add.reduce(weighted * offset, axis=0)
    return _Start(level, beta, total, first, inertia, cases, cases_time, log_mean, constant, deviance)


def fit_slope(design: Design, response: Response, prior: Floats | None) -> Fit:
    """Fit levels and a slope. `prior` is (n, B) weights, None for ones."""
    begun = _start(design, response, prior, slope=True)
    n, width = response.y.shape
    time = design.time[:, None]
    level, slope = begun.level, begun.slope
    total, first, inertia = begun.total, begun.first, begun.inertia
    end = Fit(
        np.empty_like(level), np.empty(width), np.empty((n, width)), np.empty((n, width)),
        np.empty_like(level), np.empty_like(level), np.empty(width), np.zeros(width, bool),
    )  # fmt: skip
    before_level, before_slope = np.full_like(level, np.nan), np.full(width, np.nan)
    stopped_level, stopped_slope = np.empty_like(level), np.empty(width)
    one_step = np.zeros(width, bool)
    active = np.arange(width)
    old = begun.deviance
    constant, cases, cases_time, log_mean = begun.constant, begun.cases, begun.cases_time, begun.log_mean
    weights, people = prior, response.people
    work, buffer = np.empty((n, width)), np.empty((n, width))
    moving = np.ones(width, bool)
    with np.errstate(all="ignore"):
        for step in range(1, STEPS + 1):
            mean, new_total, deviance = _means(
                design, level, slope, weights, people, constant, cases, cases_time, log_mean, work
            )
            if not np.isfinite(deviance).all() and step > 1:
                for _ in range(STEPS):
                    wild = ~np.isfinite(deviance)
                    if not wild.any():
                        break
                    level = np.where(wild, (level + before_level) / 2, level)
                    slope = np.where(wild, (slope + before_slope) / 2, slope)
                    mean, new_total, deviance = _means(
                        design, level, slope, weights, people, constant, cases, cases_time, log_mean, work,
                    )  # fmt: skip
            still = np.abs(deviance - old) / (START + np.abs(deviance)) < EPSILON
            done = moving & (still | ~np.isfinite(deviance) | (step == STEPS))
            if done.any():
                where = active[done]
                end.level[:, where], end.slope[where] = level[:, done], slope[done]
                end.total[:, where], end.inertia[where] = total[:, done], inertia[done]
                end.centre[:, where] = _over(first[:, done], total[:, done])
                stopped_level[:, where], stopped_slope[where] = before_level[:, done], before_slope[done]
                end.converged[where] = still[done]
                one_step[where] = step == 1
                moving &= ~done
                left = np.count_nonzero(moving)
                if left == 0:
                    break
                if left < COMPACT * len(moving):
                    keep = np.flatnonzero(moving)
                    active, moving = active[keep], np.ones(len(keep), bool)
                    level, slope, new_total = level[:, keep], slope[keep], new_total[:, keep]
                    before_level, before_slope = before_level[:, keep], before_slope[keep]
                    cases, cases_time, log_mean = cases[:, keep], cases_time[keep], log_mean[:, keep]
                    constant, deviance, mean = constant[keep], deviance[keep], mean[:, keep]
                    weights = None if weights is None else weights[:, keep]
                    people = None if people is None else people[:, keep]
                    work, buffer = np.empty((n, len(keep))), np.empty((n, len(keep)))
            old, total = deviance, new_total
            np.multiply(mean, time, out=buffer)
            first = design.sums(buffer)
            buffer *= time
            second = np.add.reduce(buffer, axis=0)
            inertia = second - np.add.reduce(_over(first * first, total), axis=0)
            excess = cases - total
            moved = (cases_time - np.add.reduce(first + _over(excess * first, total), axis=0)) / inertia
            before_level, before_slope = level, slope
            slope = slope + moved
            level = level + _over(excess - moved * first, total)
        rows_of(design, end.level, end.slope, response.people, end.mean)
        rows_of(design, stopped_level, stopped_slope, response.people, end.weight)
        if one_step.any():
            end.weight[:, one_step] = response.y[:, one_step] + START
    return end


def fit_level(design: Design, response: Response, prior: Floats | None) -> Fit:
    """Fit levels only. `mean` and `weight` of the answer are (G, B); a row's is times its population."""
    begun = _start(design, response, prior, slope=False)
    level, total, cases = begun.level, begun.total, begun.cases
    width = level.shape[1]
    if response.people is None:
        size = design.sums(np.ones_like(response.y)) if prior is None else design.sums(prior)
    else:
        people = response.people
        size = design.sums(people if prior is None else prior * people)
    end_level, end_total, end_weight = np.empty_like(level), np.empty_like(level), np.empty_like(level)
    converged, moving = np.zeros(width, bool), np.ones(width, bool)
    old, before = begun.deviance, np.zeros_like(level)
    with np.errstate(all="ignore"):
        for step in range(1, STEPS + 1):
            new_total = np.exp(level) * size
            deviance = 2 * (
                begun.constant
                + np.add.reduce(new_total, axis=0)
                - np.add.reduce(cases * (level - begun.log_mean), axis=0)
            )
            still = np.abs(deviance - old) / (START + np.abs(deviance)) < EPSILON
            done = moving & (still | ~np.isfinite(deviance) | (step == STEPS))
            if done.any():
                end_level[:, done], end_total[:, done] = level[:, done], total[:, done]
                end_weight[:, done] = np.exp(before[:, done])
                converged[done] = still[done]
                moving &= ~done
                if not moving.any():
                    break
            old, total, before = deviance, new_total, level
            level = level + _over(cases - total, total)
    return Fit(
        end_level, np.zeros(width), np.exp(end_level), end_weight, end_total, np.zeros_like(level),
        np.full(width, np.inf), converged,
    )  # fmt: skip


def _means(
    design: Design, level: Floats, slope: Floats, weights: Floats | None, people: Floats | None,
    constant: Floats, cases: Floats, cases_time: Floats, log_mean: Floats, work: Floats,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return the weighted means (n, B), their sums (G, B) and the deviance (B,) of given coefficients."""
    mean = rows_of(design, level, slope, people, work)
    if weights is not None:
        mean *= weights
    total = design.sums(mean)
    deviance = 2 * (
        constant
        + np.add.reduce(total, axis=0)
        - np.add.reduce(cases * (level - log_mean), axis=0)
        - slope * cases_time
    )
    return mean, total, deviance


def rows_of(design: Design, level: Floats, slope: Floats, people: Floats | None, out: Floats) -> Floats:
    """Return people * exp(level + slope * time), never below the smallest relative step, in (n, B).

    Rows of a run are exp(first) * exp(slope * steps): few exponentials, and a product is ten times as fast.
    """
    time = design.time[:, None]
    if design.runs:
        starts = np.array([start for start, _, _ in design.runs])
        seasons = np.array([season for _, _, season in design.runs])
        first = np.exp(level[seasons] + time[starts] * slope)
        longest = max(stop - start for start, stop, _ in design.runs)
        steps = np.exp(np.arange(longest, dtype=float)[:, None] * slope)
        for number, (start, stop, _) in enumerate(design.runs):
            np.multiply(steps[: stop - start], first[number], out=out[start:stop])
    else:
        np.multiply(time, slope, out=out)
        for season in range(design.seasons):
            out[design.bounds[season] : design.bounds[season + 1]] += level[season]
        np.exp(out, out=out)
    if people is not None:
        out *= people
    return np.maximum(out, TINY, out=out)


def _over(above: Floats, below: Floats) -> Floats:
    """Divide; 0 where a season has no rows."""
    return np.divide(
        above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0
    )
