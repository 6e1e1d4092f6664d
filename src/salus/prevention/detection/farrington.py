"""Farrington flexible: is this week's count above what the same season of past years leads to expect?

Sources: Farrington, Andrews, Beale and Catchpole, J. R. Statist. Soc. A 159 (1996) 547-563 (settings
"original"); Noufaily, Enki, Farrington, Garthwaite, Andrews and Charlett, Statist. Med. 32 (2013) 1206-1222
(settings "noufaily"). Numbers agree with `farringtonFlexible` of the R package surveillance; where that
package departs from the papers, `dispersion` chooses.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Floats, Indexes, checked_range
from salus.prevention.detection.fitting import START, TINY, Design, Response
from salus.prevention.detection.model import Prediction, Rules, predict
from salus.prevention.detection.reference import Reference, Window, reference
from salus.prevention.detection.result import Detection, Reason
from salus.prevention.detection.settings import farrington_settings
from salus.prevention.detection.thresholds import delta_bound, negative_binomial_bound

CELLS = 131_072  # reference values worked on at once: about what a second cache holds
Progress = Callable[[int, int], None]


def _need(holds: bool, where: str, wanted: str) -> None:
    if not holds:
        raise Invalid("detection-control", f"{where} must be {wanted}", where=where, fix="See --help.")


@dataclass(frozen=True, slots=True)
class FarringtonControl:
    """Settings. `years` back with `half_window` points on either side; `seasons` (1: only those windows).

    `skip` points before the one judged are no history (None: as many as `half_window`). `alpha` is the
    one-sided level of the bound; `bound` is "delta", "nb-plugin" or "muan"; `power` "2/3", "1/2" or "none".
    `limit_cases` in the last `limit_points` are needed to judge. `population_offset` models rates.
    `dispersion`: see `Rules`.
    """

    years: int = 5
    half_window: int = 3
    seasons: int = 1
    skip: int | None = None
    alpha: float = 0.05
    bound: str = "delta"
    power: str = "2/3"
    trend: bool = True
    trend_p: float = 0.05
    reweight: bool = True
    weights_threshold: float = 2.58
    limit_cases: float = 5
    limit_points: int = 4
    population_offset: bool = False
    dispersion: str = "r"

    def __post_init__(self) -> None:
        _need(self.years >= 1, "years", "at least 1")
        _need(self.half_window >= 0, "half_window", "0 or more")
        _need(self.seasons >= 1, "seasons", "at least 1")
        _need(self.skip is None or self.skip >= 0, "skip", "0 or more")
        _need(0 < self.alpha < 1, "alpha", "between 0 and 1")
        _need(self.bound in ("delta", "nb-plugin", "muan"), "bound", "delta, nb-plugin or muan")
        _need(self.power in ("2/3", "1/2", "none"), "power", "2/3, 1/2 or none")
        _need(0 <= self.trend_p <= 1, "trend_p", "between 0 and 1")
        _need(self.weights_threshold > 0, "weights_threshold", "above 0")
        _need(self.limit_cases >= 0 and self.limit_points > 0, "limit", "cases 0 or more, points above 0")
        _need(self.dispersion in ("r", "textbook"), "dispersion", "r or textbook")

    @property
    def window(self) -> Window:
        """The choice of history."""
        skip = self.half_window if self.skip is None else self.skip
        return Window(self.years, self.half_window, self.seasons, skip)


def farrington_flexible(
    counts: Counts,
    control: FarringtonControl | None = None,
    at: Sequence[int] | Indexes | None = None,
    *,
    threads: int = 2,
    progress: Progress | None = None,
) -> Detection:
    """Judge each series at each of the time points `at` (0-based; all with enough history if None).

    Returns a `Detection`; its `more` has `phi`, `trend`, `trend_slope` and `mu0`. The same input gives the
    same bits, whatever the number of threads. Raises `Invalid` for settings or ranges that cannot be.
    """
    control = control or FarringtonControl()
    window = control.window
    if 2 * window.half + 1 > counts.freq:
        raise Invalid(
            "detection-control", "The window is wider than a year", where="half_window", fix="Narrow it."
        )
    first = counts.freq * window.years + window.half
    chosen = checked_range(counts, at, first)
    rules = Rules(
        control.trend, control.trend_p, control.reweight, control.weights_threshold, control.dispersion,
        control.years,
    )  # fmt: skip
    found = predict_all(counts, chosen, window, rules, control.population_offset, threads, progress)
    return _judged(counts, control, chosen, found)


@dataclass(slots=True)
class Predictions:
    """A `Prediction` for each time point and series, as (K, S) arrays, with the reason where there is
    none."""

    prediction: Prediction
    reason: NDArray[np.int8]


def predict_all(
    counts: Counts, at: Indexes, window: Window, rules: Rules, population: bool, threads: int,
    progress: Progress | None, rows_of: Callable[[Counts, int, Window], Reference | None] = reference,
) -> Predictions:  # fmt: skip
    """Fit and predict every series at every time point, fits of one design together."""
    if population and counts.population is None:
        raise Invalid("detection-population", "Rates need the population", where="population", fix="Give it.")
    shape = (len(at), counts.series)
    whole = Prediction(
        np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan),
        np.zeros(shape, bool), np.full(shape, np.nan), np.zeros(shape, bool),
    )  # fmt: skip
    reason = np.zeros(shape, np.int8)
    designs: dict[bytes, tuple[Reference, list[int]]] = {}
    for place, now in enumerate(at):
        rows = rows_of(counts, int(now), window)
        if rows is None:
            reason[place] = Reason.SHORT_HISTORY
        else:
            designs.setdefault(rows.key, (rows, []))[1].append(place)
    used = np.zeros(counts.points, bool)
    for rows, places in designs.values():
        used[at[places][:, None] - rows.back] = True
    tables = _Tables.of(counts, used, population)
    blocks = [block for rows, places in designs.values() for block in _blocks(rows, places, counts.series)]
    total, done = len(at) * counts.series, int(np.count_nonzero(reason))

    def work(block: "_Block") -> int:
        return _work(block, counts, tables, at, rules, whole, reason)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for size in pool.map(work, blocks):
            done += size
            if progress is not None:
                progress(done, total)
    return Predictions(whole, reason)


@dataclass(frozen=True, slots=True)
class _Block:
    rows: Reference
    places: Indexes
    series: slice


def _blocks(rows: Reference, places: list[int], series: int) -> list[_Block]:
    """Cut time points and series with one design into parts that fit the cache."""
    width = max(64, CELLS // len(rows.back))
    if series >= width:
        parts = -(-series // width)
        edges = [series * part // parts for part in range(parts + 1)]
        return [
            _Block(rows, np.array([place]), slice(low, high))
            for place in places
            for low, high in zip(edges, edges[1:], strict=False)
        ]
    step = max(1, width // series)
    return [
        _Block(rows, np.array(places[start : start + step]), slice(0, series))
        for start in range(0, len(places), step)
    ]


@dataclass(frozen=True, slots=True)
class _Tables:
    """What is needed of each count that a design uses, time points first, so that a design's rows lie
    together.

    `place` is (T,) where a time point stands in them.
    """

    place: Indexes
    y: Floats
    y23: Floats
    log0: Floats
    ylogy: Floats
    missing: NDArray[np.bool_] | None
    offset: Floats | None
    people: Floats | None

    @classmethod
    def of(cls, counts: Counts, used: NDArray[np.bool_], population: bool) -> "_Tables":
        history = np.ascontiguousarray(counts.history()[:, used].T)
        missing = np.isnan(history)
        offset = people = None
        if population and counts.population is not None:
            people = np.ascontiguousarray(counts.population[:, used].T)
            missing |= ~(people > 0)
            people = np.where(missing, 1.0, people)
            offset = np.log(people)
        y = np.where(missing, 0.0, history)
        whole = y.astype(np.int64)
        top = int(whole.max(initial=0))
        if top < whole.size and np.array_equal(whole, y):
            parts = [table[whole] for table in _functions(np.arange(top + 1, dtype=float))]
        else:
            parts = _functions(y)
        place = np.cumsum(used) - 1
        gone = missing if missing.any() else None
        return cls(place, y, parts[0], parts[1], parts[2], gone, offset, people)


def _functions(y: Floats) -> list[Floats]:
    """Return y ** (2/3), log(y + 0.1) and y log(y)."""
    root = np.cbrt(y)
    return [root * root, np.log(y + START), y * np.log(np.where(y > 0, y, 1.0))]


def _work(
    block: "_Block", counts: Counts, tables: _Tables, at: Indexes, rules: Rules, whole: Prediction,
    reason: NDArray[np.int8],
) -> int:  # fmt: skip
    rows, series = block.rows, block.series
    now = at[block.places]
    where = tables.place[now[None, :] - rows.back[:, None]]
    n, width = len(rows.back), len(now) * int(series.stop - series.start)

    def taken(table: Floats) -> Floats:
        return table[where, series].reshape(n, width)

    y = taken(tables.y)
    mask: Floats | None = None
    time_now = np.zeros(width)
    if tables.missing is not None:
        gone = tables.missing[where, series].reshape(n, width)
        if gone.any():
            mask = (~gone).astype(float)
            if counts.dates is not None and rules.dispersion == "r":
                time_now = _early_origin(rows, ~gone)
    offset = people = offset_now = None
    if tables.offset is not None and tables.people is not None and counts.population is not None:
        offset, people = taken(tables.offset), taken(tables.people)
        with np.errstate(divide="ignore"):
            offset_now = np.log(counts.population[series, now].T.reshape(width))
    response = Response(y, taken(tables.y23), taken(tables.log0), taken(tables.ylogy), mask, offset, people)
    found = predict(Design.of(rows.time, rows.bounds), response, time_now, offset_now, rules)
    part = (block.places, series)
    shape = (len(now), series.stop - series.start)
    for name in ("eta", "unit", "phi", "dispersion", "trend", "slope", "fitted"):
        getattr(whole, name)[part] = getattr(found, name).reshape(shape)
    codes = np.zeros(width, np.int8)
    codes[~np.any(y > 0, axis=0)] = Reason.ALL_ZERO
    if mask is not None:
        codes[np.any(mask == 0, axis=0)] = Reason.REDUCED_HISTORY
    codes[~found.fitted] = Reason.NO_CONVERGENCE
    if mask is not None:
        rank = len(rows.bounds) - 1
        codes[~found.fitted & (np.add.reduce(mask, axis=0) <= rank)] = Reason.SHORT_HISTORY
    if offset_now is not None:
        codes[~np.isfinite(offset_now)] = Reason.NO_POPULATION
    reason[part] = codes.reshape(shape)
    return width


def _early_origin(rows: Reference, present: NDArray[np.bool_]) -> Floats:
    """Return the time R predicts at: it counts time from the first count that is there, rows from the
    first."""
    order = np.argsort(rows.time, kind="stable")
    sorted_time = rows.time[order]
    first = np.argmax(present[order], axis=0)
    return np.asarray(sorted_time[0] - sorted_time[first])


def _judged(counts: Counts, control: FarringtonControl, at: Indexes, found: Predictions) -> Detection:
    """Turn predictions into bounds, p-values and alarms."""
    one = found.prediction
    observed = counts.observed.T[at]
    reason = found.reason.copy()
    with np.errstate(all="ignore"):
        error = np.sqrt(one.dispersion * one.unit)
        if control.bound == "delta":
            expected = np.maximum(np.exp(one.eta), TINY)
            spread = error * expected
            fit, bound, pvalue = (
                expected,
                *delta_bound(expected, spread, one.phi, control.power, control.alpha, observed),
            )
            mu0 = np.exp(fit + ndtri(1 - control.alpha) * spread)
        else:
            fit, expected = one.eta, np.exp(one.eta)
            mu0 = expected if control.bound == "nb-plugin" else np.exp(fit + ndtri(1 - control.alpha) * error)
            bound, pvalue = negative_binomial_bound(mu0, one.phi, control.alpha, observed)
        score = (observed - fit) / (bound - fit)
    recent = recent_cases(counts.observed, control.limit_points)[:, at].T
    enough = recent >= control.limit_cases
    answered = reason < Reason.SHORT_HISTORY
    bound = np.where(enough & answered, bound, np.nan)
    answered &= ~(enough & np.isnan(bound))  # an expected count beyond all numbers
    reason[(reason < Reason.SHORT_HISTORY) & ~answered] = Reason.NO_CONVERGENCE
    reason[answered & ~enough] = Reason.BELOW_LIMIT
    reason[np.isnan(observed)] = Reason.NO_COUNT
    alarm = enough & answered & (score > 1) & (observed > 0)
    for values in (pvalue, score, mu0, one.phi, one.slope):
        values[~found.prediction.fitted] = np.nan
    more = {
        "phi": one.phi.T, "trend": one.trend.T, "trend_slope": np.where(one.trend, one.slope, np.nan).T,
        "mu0": mu0.T,
    }  # fmt: skip
    return Detection(
        counts, "farrington", at, observed.T, np.where(np.isnan(bound), np.nan, expected).T, bound.T,
        pvalue.T, score.T, alarm.T, reason.T, more,
    )  # fmt: skip


def recent_cases(observed: Floats, points: int) -> Floats:
    """Return (S, T) sums of the last `points` of (S, T) counts; NaN where one is missing or before the
    start."""
    out = np.full(observed.shape, np.nan)
    if points <= observed.shape[1]:
        windows = np.lib.stride_tricks.sliding_window_view(observed, points, axis=1)
        out[:, points - 1 :] = windows.sum(axis=2)
    return out


def with_settings(name: str, **changes: Any) -> FarringtonControl:
    """Return the settings of a paper (`default`, `original` or `noufaily`) with some changed.

    Raises `Invalid` (detection-control) for another name.
    """
    found = farrington_settings(name)
    if found is None:
        raise Invalid(
            "detection-control",
            "There are no such settings",
            where=name,
            fix="default, original or noufaily.",
        )
    return FarringtonControl(**{**found, **changes})
