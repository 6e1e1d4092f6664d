"""Clusters of cases in space that are alive today: the prospective space-time scan statistic.

Kulldorff (J R Stat Soc A 2001; 164: 61–72). Cylinders stand on each district: its nearest districts up to a
share of the population, by the last 1 … D periods. Each is scored by the likelihood ratio of a higher rate
inside under a Poisson model given all cases; the p-value is the place of the score among the highest scores
of simulated data, so that having looked at every cylinder is paid for. For p-values beyond what so many
simulations can tell, a Gumbel distribution is fitted to them (Abrams, Kulldorff and Kleinman, Int J Health
Geogr 2010; 9: 61).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salus.kernel.errors import Invalid

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

Drawn = NDArray[np.signedinteger]
Progress = Callable[[str, int, int], None]

EARTH_KM = 6371.0088
_PILOT = 48
_BLOCK = 200_000  # bytes that stay in a processor's second cache


@dataclass(frozen=True, slots=True)
class Cluster:
    """Districts whose counts since `first` are together too high.

    `districts` are numbered from 0, the centre first, then by distance; `radius` is in the unit of the
    coordinates (km on the sphere); `first` is the period, from 0, since which; `ratio` is the relative risk
    inside against outside (infinite if every case lies inside). `score` is the log likelihood ratio, `p` from
    the simulations, `tail` the Gumbel p-value. `recurrence` says once in how many periods chance alone
    makes such a cluster, 1 / p.
    """

    districts: tuple[int, ...]
    radius: float
    first: int
    cases: float
    expected: float
    ratio: float
    score: float
    p: float
    tail: float
    recurrence: float


@dataclass(frozen=True, slots=True)
class Scan:
    """Clusters from the likeliest on, no two with a district in common; `highest` (R,) of the simulations."""

    clusters: tuple[Cluster, ...]
    highest: Floats


def scan(
    cases: ArrayLike,
    population: ArrayLike,
    coordinates: ArrayLike,
    *,
    longest: int | None = None,
    share: float = 0.5,
    replications: int = 999,
    seed: int = 1,
    sphere: bool = False,
    most: int = 10,
    progress: Progress | None = None,
) -> Scan:
    """Return the clusters that reach to the last period.

    Args:
        cases: cases by district and period, whole numbers, (N, T).
        population: what cases are expected in proportion to, (N,) or (N, T): residents, or the counts that
            a model expects, which take out season and weekday.
        coordinates: of the districts' centres, (N, 2): x and y in any unit, or longitude and latitude in
            degrees with `sphere`.
        longest: D, the longest duration in periods; half of all by default.
        share: the largest share of the population in a circle.
        replications: how many simulations; with 999 the smallest p-value is 0.001.
        seed: the same seed gives the same answer.
        sphere: distances on the earth.
        most: return at most so many clusters.
        progress: told what is done, how much of it and of how much.

    Raises:
        Invalid: something cannot be, with what.
    """
    seen, base, places = _checked(cases, population, coordinates)
    periods = seen.shape[1]
    span = longest if longest is not None else max(1, periods // 2)
    if not (1 <= span <= periods and 0 < share <= 1 and replications >= 0 and most >= 1):
        raise Invalid("scan-settings", "Duration, share, simulations or clusters asked for cannot be")
    total = seen.sum()
    base = base * (total / base.sum())
    distance = _distances(places, sphere)
    zones = _zones(distance, base.sum(axis=1), share)
    observed, expected = _backwards(seen, span), _backwards(base, span)
    scores, spans = _observed(observed, expected, zones, total)
    highest = np.zeros(0)
    if replications and total > 0:
        drawn = _simulated(expected, total, replications, seed)
        highest = _highest(drawn, expected, zones, total, progress)
    found = []
    for centre, size in _apart(scores, zones, most):
        inside = zones[centre][: size + 1]
        lasting = int(spans[centre, size])
        count, mean = observed[inside, lasting].sum(), expected[inside, lasting].sum()
        score = float(scores[centre, size])
        p = float((1 + (highest >= score - 1e-9).sum()) / (len(highest) + 1))
        found.append(
            Cluster(
                tuple(int(one) for one in inside),
                float(distance[centre, inside[-1]]),
                periods - 1 - lasting,
                float(count),
                float(mean),
                _ratio(count, mean, total),
                score,
                p,
                _tail(score, highest),
                1 / p,
            )
        )
    return Scan(tuple(found), highest)


def log_likelihood_ratio(cases: ArrayLike, expected: ArrayLike, total: float) -> Floats:
    """Return how much likelier a higher rate inside is than one rate everywhere, as a logarithm, 0 if not.

    Args:
        cases: cases inside, any shape.
        expected: cases expected inside, when all `total` cases are shared out by population, same shape.
        total: all cases.
    """
    count, mean = np.asarray(cases, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    rest, other = total - count, total - mean
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(count > 0, count * np.log(count / mean), 0.0)
        outside = np.where(rest > 0, rest * np.log(rest / other), 0.0)
    found: Floats = np.where((count > mean) & (mean > 0), inside + outside, 0.0)
    return found


def _observed(observed: Floats, expected: Floats, zones: list[Ints], total: float) -> tuple[Floats, Ints]:
    """Return each circle's best score over durations and that duration (from 0), both (N, largest zone)."""
    width = max(len(zone) for zone in zones)
    scores = np.full((len(zones), width), -np.inf)
    spans = np.zeros((len(zones), width), dtype=np.intp)
    for centre, zone in enumerate(zones):
        each = log_likelihood_ratio(
            np.cumsum(observed[zone], axis=0), np.cumsum(expected[zone], axis=0), total
        )
        spans[centre, : len(zone)] = each.argmax(axis=1)
        scores[centre, : len(zone)] = each.max(axis=1)
    return scores, spans


def _apart(scores: Floats, zones: list[Ints], most: int) -> list[tuple[int, int]]:
    """Return centre and place of the likeliest circles of which no two share a district."""
    left, found = scores.copy(), []
    for _ in range(most):
        centre, size = np.unravel_index(int(left.argmax()), left.shape)
        if not left[centre, size] > 1e-9:
            break
        found.append((int(centre), int(size)))
        taken = np.zeros(len(zones), dtype=bool)
        taken[zones[int(centre)][: int(size) + 1]] = True
        for one, zone in enumerate(zones):
            hit = taken[zone]
            if hit.any():
                left[one, int(hit.argmax()) :] = -np.inf
    return found


def _simulated(expected: Floats, total: float, replications: int, seed: int) -> Drawn:
    """Draw all cases anew by population, (N, D, R), summed over the last 1 … D periods."""
    random = np.random.default_rng(seed)
    cells = np.diff(expected, axis=1, prepend=0.0).ravel()
    chance = np.append(cells, max(total - cells.sum(), 0.0)) / max(total, cells.sum())
    shape = (replications, *expected.shape)
    drawn = random.multinomial(int(total), chance / chance.sum(), size=replications)[:, :-1]
    most = int(drawn.sum(axis=1).max(initial=0))
    kind = np.int16 if most < np.iinfo(np.int16).max else np.int32
    summed = np.cumsum(drawn.astype(kind).reshape(shape), axis=2, dtype=kind)
    return np.ascontiguousarray(np.moveaxis(summed, 0, 2))


def _highest(
    drawn: Drawn,
    expected: Floats,
    zones: list[Ints],
    total: float,
    progress: Progress | None = None,
) -> Floats:
    """Return the highest score of each simulation, (R,).

    A score rises with the cases inside, so that a cylinder reaches a given score only if its cases reach a
    number that follows from its expected cases. Sweeping with a score that most simulations reach somewhere
    passes almost all cylinders over by one comparison; simulations that nowhere reached it are swept again
    with a lower one.
    """
    best = np.zeros(drawn.shape[2])
    for lone in range(len(drawn)):
        score = log_likelihood_ratio(drawn[lone], expected[lone, :, None], total).max(axis=0)
        np.maximum(best, score, out=best)
    pilot = np.arange(min(_PILOT, len(best)))
    best[pilot] = _sweep(drawn[:, :, pilot], expected, zones, total, float(best[pilot].min()), best[pilot])
    steps = [float(np.quantile(best[pilot], 0.3)), float(best[pilot].min()) * 0.9, 0.0]
    left = np.arange(len(pilot), len(best))
    for number, step in enumerate(steps):
        if not len(left):
            break
        least = max(step, float(best[left].min()))
        part = drawn[:, :, left] if len(left) < len(best) else drawn
        best[left] = _sweep(part, expected, zones, total, least, best[left], None if number else progress)
        left = left[best[left] < least]
    return best


def _sweep(
    drawn: Drawn,
    expected: Floats,
    zones: list[Ints],
    total: float,
    least: float,
    known: Floats,
    progress: Progress | None = None,
) -> Floats:
    """Return the highest of `known` and of all scores from `least` up, by simulation, (R,)."""
    best, runs = known.copy(), drawn.shape[2]
    drawn = np.ascontiguousarray(drawn)
    reach = _reach(least, int(drawn[:, -1].sum(axis=0, dtype=np.int64).max(initial=0)), total)
    block = max(2, _BLOCK // (drawn[0].size * drawn.itemsize))
    inside = np.empty((block, *drawn[0].shape), drawn.dtype)
    passed = np.empty(inside.shape, dtype=bool)
    ceiling = np.iinfo(drawn.dtype).max
    for centre, zone in enumerate(zones):
        mean = np.cumsum(expected[zone], axis=0)
        needed = np.minimum(np.searchsorted(reach, mean) + 1, ceiling).astype(drawn.dtype)[:, :, None]
        where, counts, means = [], [], []
        before = np.zeros(drawn[0].shape, drawn.dtype)
        for first in range(0, len(zone), block):
            part = zone[first : first + block]
            for place, district in enumerate(part):
                np.add(inside[place - 1] if place else before, drawn[district], out=inside[place])
            size = len(part)
            np.greater_equal(inside[:size], needed[first : first + size], out=passed[:size])
            before[:] = inside[size - 1]
            if passed[:size].any():
                hit = np.flatnonzero(passed[:size])
                where.append(hit % runs)
                counts.append(inside.reshape(-1)[hit])
                means.append(mean[first : first + size].reshape(-1)[hit // runs])
        if where:
            score = log_likelihood_ratio(np.concatenate(counts), np.concatenate(means), total)
            np.maximum.at(best, np.concatenate(where), score)
        if progress is not None and centre % 20 == 0:
            progress("simulating", centre, len(zones))
    return best


def _reach(score: float, most: int, total: float) -> Floats:
    """Return the largest expected number for which 1 … `most` cases still score `score`, rising."""
    count = np.arange(1, most + 1, dtype=np.float64)
    low, high = np.zeros(most), count.copy()
    for _ in range(45):
        middle = (low + high) / 2
        enough = log_likelihood_ratio(count, middle, total) >= score
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    # A hair more, so that rounding never passes a cylinder over.
    found: Floats = np.maximum.accumulate(high * (1 + 1e-9))
    return found


def _tail(score: float, highest: Floats) -> float:
    """Return the p-value by a Gumbel distribution fitted to the highest scores by their moments."""
    if len(highest) < 2 or highest.std() == 0:
        return 1.0
    scale = highest.std(ddof=1) * np.sqrt(6) / np.pi
    centre = highest.mean() - np.euler_gamma * scale
    return float(-np.expm1(-np.exp(-(score - centre) / scale)))


def _ratio(count: float, mean: float, total: float) -> float:
    if count >= total:
        return float("inf")
    return float((count / mean) / ((total - count) / (total - mean)))


def _backwards(values: Floats, span: int) -> Floats:
    """Return sums over the last 1 … `span` periods, (N, D)."""
    found: Floats = np.cumsum(values[:, ::-1][:, :span], axis=1)
    return found


def _zones(distance: Floats, size: Floats, share: float) -> list[Ints]:
    """Return each district's neighbours by distance, itself first, up to a share of the population."""
    found, limit = [], share * size.sum() * (1 + 1e-12)
    for centre in range(len(distance)):
        order = np.lexsort((np.arange(len(distance)), distance[centre], np.arange(len(distance)) != centre))
        fits = int(np.searchsorted(np.cumsum(size[order]), limit, side="right"))
        found.append(order[: max(fits, 1)])
    return found


def _distances(places: Floats, sphere: bool) -> Floats:
    if not sphere:
        found: Floats = np.hypot(*(places[:, None, :] - places[None, :, :]).transpose(2, 0, 1))
        return found
    if np.any(np.abs(places[:, 1]) > 90) or np.any(np.abs(places[:, 0]) > 360):
        raise Invalid(
            "scan-coordinates", "Longitude or latitude is out of range",
            fix="Give longitude first, then latitude, in degrees",
        )  # fmt: skip
    lon, lat = np.radians(places).T
    half = (
        np.sin((lat[:, None] - lat[None, :]) / 2) ** 2
        + np.cos(lat)[:, None] * np.cos(lat)[None, :] * np.sin((lon[:, None] - lon[None, :]) / 2) ** 2
    )
    on_earth: Floats = 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1)))
    return on_earth


def _checked(
    cases: ArrayLike, population: ArrayLike, coordinates: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    seen, base = np.asarray(cases, dtype=np.float64), np.asarray(population, dtype=np.float64)
    places = np.asarray(coordinates, dtype=np.float64)
    if seen.ndim != 2 or not seen.size or places.shape != (len(seen), 2):
        raise Invalid("scan-shape", "Cases are districts by periods, with two coordinates for each district")
    if not np.all(np.isfinite(seen)) or np.any(seen < 0) or np.any(seen != np.floor(seen)):
        raise Invalid("scan-cases", "Cases are whole numbers from 0 up", fix="Fill gaps before")
    if base.ndim == 1:
        base = np.repeat(base[:, None], seen.shape[1], axis=1)
    if base.shape != seen.shape or not np.all(np.isfinite(base)) or np.any(base < 0) or base.sum() <= 0:
        raise Invalid("scan-population", "Population is above 0, for each district and period")
    if np.any((base == 0) & (seen > 0)):
        bad = int(np.argmax(((base == 0) & (seen > 0)).any(axis=1)))
        raise Invalid("scan-population", "Cases where nobody lives", where=f"district {bad + 1}")
    if not np.all(np.isfinite(places)):
        raise Invalid("scan-coordinates", "Coordinates are numbers")
    return seen, base, places
