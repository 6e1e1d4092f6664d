"""One disease judged in one week by every method in use: its nodes' numbers, alarms and clusters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from salus.prevention.detection.counts import Counts, Floats
from salus.prevention.detection.result import Detection, Reason
from salus.prevention.detection.space import Cluster, scan
from salus.prevention.detection.uses import Use, Uses
from salus.prevention.models import Alarm, SignalLevel
from salus.prevention.queries.signals.grid import Grid

BASE = 0.05
"""Cases expected at least in a district and week of the scan, so that none counts as impossible."""


@dataclass(slots=True)
class Judged:
    """What was found for the N nodes of a disease in a week; counts are those known (thinned), each (N,).

    `use` is the shown method that judged the node, None where none could; `share` of the week is known.
    """

    grid: Grid
    share: float
    reported: Floats
    expected: Floats
    bound: Floats
    p: Floats
    phi: Floats
    use: list[Use | None]
    reason: list[str]
    alarms: list[Alarm] = field(default_factory=list)
    clusters: list[tuple[Cluster, tuple[str, ...], int]] = field(default_factory=list)


def judge(grid: Grid, share: Floats, week: date, told: Uses) -> Judged:
    """Judge all nodes of a disease in the last week of the grid.

    Args:
        grid: the counts known.
        share: which share of each of the last weeks is known, (W,), the last week last.
        week: the last week's Monday.
        told: the methods in use.
    """
    size = len(grid.nodes)
    nothing = np.full(size, np.nan)
    found = Judged(
        grid, float(share[-1]), grid.observed[:, -1].copy(), nothing.copy(), nothing.copy(), nothing.copy(),
        np.ones(size), [None] * size, [Reason.SHORT_HISTORY.code] * size,
    )  # fmt: skip
    if share[-1] < float(told.delay["least_share"]):
        found.reason = [Reason.NO_COUNT.code] * size
        return found
    length = min(grid.age + 1, grid.observed.shape[1] - grid.usable_from)
    open_ = np.ones(size, dtype=bool)
    for use in told.shown(grid.disease, week):
        chosen = np.flatnonzero(open_)
        if len(chosen) and length >= use.least_weeks:
            made = _detected(use, grid, chosen, share)
            _take(found, use, made, chosen, open_, week)
    coarse = np.flatnonzero(grid.levels != SignalLevel.INSTITUTION)
    for use in told.silent(grid.disease, week):
        if length >= use.least_weeks:
            found.alarms += _alarms(found, use, _detected(use, grid, coarse, share), coarse, week)
    # A node that nothing judged still needs a number to share an excess out by: the mean of the past year.
    mean = grid.observed[:, -53:-1].mean(axis=1) if grid.observed.shape[1] > 1 else found.reported
    found.expected = np.where(np.isnan(found.expected), mean * share[-1], found.expected)
    return found


def _detected(use: Use, grid: Grid, chosen: Any, share: Floats) -> Detection:
    """Judge some nodes in the last week, on counts thinned to what is known of that week.

    Farrington's model takes the share as an offset; for the others the history is scaled to it.
    """
    observed = grid.observed[chosen]
    points = observed.shape[1]
    known = np.ones(points)
    known[-len(share) :] = share[-points:]
    usable = np.full(len(chosen), grid.usable_from)
    more: dict[str, Any] = {"dates": grid.mondays, "usable_from": usable}
    if use.method == "farrington" and share[-1] < 0.995:
        counts = Counts(observed, population=np.broadcast_to(known, observed.shape), **more)
        offset = Use(
            use.name, use.disease, use.shadow, use.method, {**use.options, "population_offset": True},
            use.paper, use.least_weeks, use.first, use.last, use.source, use.checked,
        )  # fmt: skip
        return offset.judge(counts, [points - 1])
    thinned = observed * (known[-1] / np.maximum(known, 1e-6))
    return use.judge(Counts(np.round(thinned, 6), **more), [points - 1])


def _take(found: Judged, use: Use, made: Detection, chosen: Any, open_: Any, week: date) -> None:
    reasons = made.reason[:, 0]
    for place, node in enumerate(chosen):
        reason = Reason(int(reasons[place]))
        if reason in (Reason.SHORT_HISTORY, Reason.NO_CONVERGENCE):
            continue
        open_[node] = False
        found.use[node] = use
        found.reason[node] = reason.code
        if reason.judged:
            found.expected[node] = made.expected[place, 0]
            found.bound[node] = made.bound[place, 0]
            p = made.pvalue[place, 0]
            found.p[node] = float(np.clip(p, 0.0, 1.0)) if np.isfinite(p) else np.nan
            if "phi" in made.more:
                phi = float(np.asarray(made.more["phi"])[place, 0])
                found.phi[node] = max(1.0, phi) if np.isfinite(phi) else 1.0
        else:
            found.p[node] = 1.0 if reason is Reason.BELOW_LIMIT else np.nan
    found.alarms += _alarms(found, use, made, chosen, week)


def _alarms(found: Judged, use: Use, made: Detection, chosen: Any, week: date) -> list[Alarm]:
    grid = found.grid

    def number(values: Floats, place: int, whole: bool = False) -> float | None:
        value = float(values[place, 0])
        if not np.isfinite(value):
            return None
        return value / found.share if whole else value

    return [
        Alarm(
            week=week, use=use.name, shadow=use.shadow, disease=grid.disease,
            level=grid.nodes[chosen[place]].level, district_code=grid.nodes[chosen[place]].district,
            institution_code=grid.nodes[chosen[place]].institution,
            observed=float(grid.observed[chosen[place], -1]) / found.share,
            expected=number(made.expected, place, True), bound=number(made.bound, place, True),
            pvalue=number(made.pvalue, place), score=number(made.score, place),
        )
        for place in np.flatnonzero(made.alarm[:, 0]).tolist()
    ]  # fmt: skip


def clusters(
    found: Judged, centres: dict[str, tuple[float, float]], share: Floats, told: Uses
) -> list[tuple[Cluster, tuple[str, ...], int]]:
    """Return clusters of two districts or more that are alive in the last week, and since how many weeks.

    Each district's expected cases are those of its own past year, thinned to what is known, so that
    only where and when a disease grew counts, not where it is always frequent.
    """
    rule, grid = told.scan, found.grid
    weeks = int(rule["weeks"])
    rows = [
        n
        for n, node in enumerate(grid.nodes)
        if node.level == SignalLevel.DISTRICT and node.district in centres
    ]
    if (
        len(rows) < 3
        or grid.observed.shape[1] < 2 * weeks + 8
        or share[-1] < float(told.delay["least_share"])
    ):
        return []
    cases = np.round(grid.observed[rows, -weeks:])
    if cases.sum() < float(rule["least_cases"]):
        return []
    past = grid.observed[rows, :-weeks]
    base = np.maximum(past[:, -52:].mean(axis=1), BASE)[:, None] * share[-weeks:][None, :]
    codes = [grid.nodes[row].district for row in rows]
    made = scan(
        cases, base, [centres[code] for code in codes], longest=weeks, share=float(rule["share"]),
        replications=int(rule["replications"]), sphere=True, most=3,
    )  # fmt: skip
    return [
        (one, tuple(codes[place] for place in one.districts), weeks - one.first)
        for one in made.clusters
        if len(one.districts) > 1 and one.cases - one.expected > 0
    ]
