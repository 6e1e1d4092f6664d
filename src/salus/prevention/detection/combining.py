"""The combined detector on counts: its pieces, its weights from the rules, and their fit on simulations."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.prevention.detection.combined import EARLIEST, SKIP, Combination, evidence, fit, seasonal
from salus.prevention.detection.counts import Counts, Floats, Indexes, checked_range
from salus.prevention.detection.farrington import farrington_flexible, with_settings
from salus.prevention.detection.result import Detection, Reason
from salus.prevention.detection.scenarios import Simulated, design, published, simulate, threshold

LEVELS = (0.005, 0.01, 0.025, 0.05)
"""Rates of false alarms a week for which the rules hold a threshold."""
SINGLE = ("original", "noufaily")
"""Farrington's method by these settings gives p-values that are among the pieces."""
YEAR = 365.25 / 7
"""Weeks of a calendar year."""


def pieces(counts: Counts, at: Sequence[int] | Indexes, *, period: float = YEAR) -> dict[str, Floats]:
    """Return all that the combined score is made of, each (S, K), and `expected` for the reader.

    `period` is the weeks of a year.
    """
    points = np.asarray(at, np.int64)
    baseline = seasonal(counts.history(), points, period=period)
    found = evidence(counts.observed, points, baseline)
    for name in SINGLE:
        judged = farrington_flexible(counts, with_settings(name, limit_cases=0.0), points)
        chance = np.where(np.isfinite(judged.pvalue), np.clip(judged.pvalue, 1e-12, 1.0), 1.0)
        found[name] = np.where(judged.observed > 0, -np.log10(chance), 0.0)
    found["expected"] = baseline.expected[:, :, -1]
    return found


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Weights with the thresholds that keep rates of false alarms: {rate: score}."""

    combination: Combination
    thresholds: Mapping[float, float]


@cache
def calibrated() -> Calibrated:
    """Return the weights and thresholds of the rules."""
    text = files("salus.prevention").joinpath("rules", "detection_combination.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    of = {
        kind: {r["name"]: float(r["value"]) for r in rows if r["kind"] == kind}
        for kind in ("weight", "threshold")
    }
    weights = dict(of["weight"])
    return Calibrated(
        Combination(weights.pop("constant"), weights), {float(k): v for k, v in of["threshold"].items()}
    )


@dataclass(frozen=True, slots=True)
class CombinedControl:
    """Settings of the combined score: the rate of false alarms a week, and the weeks of a year."""

    false_alarms: float = 0.01
    year_weeks: float = YEAR


def judge_combined(
    counts: Counts, control: CombinedControl | None = None, at: Sequence[int] | Indexes | None = None
) -> Detection:
    """Judge by the combined score, called as every method is; raises `Invalid` if counts are not weekly."""
    control = control or CombinedControl()
    if not 52 <= counts.freq <= 53:
        raise Invalid("detection-control", "The combined score is made for weekly counts", where="freq")
    return combined(counts, at, control.false_alarms, period=control.year_weeks)


def combined(
    counts: Counts,
    at: Sequence[int] | Indexes | None = None,
    false_alarms: float = 0.01,
    *,
    period: float = YEAR,
) -> Detection:
    """Judge each series at each of the time points `at` by the combined score; weekly counts.

    `false_alarms` is the rate a week at which the threshold stood in simulations, one of `LEVELS`. The score
    is the odds of an outbreak over those at the threshold: above 1 it is an alarm; there is no bound.

    Raises `Invalid` for another rate.
    """
    known = calibrated()
    if false_alarms not in known.thresholds:
        raise Invalid(
            "detection-control", "No threshold is known for this rate of alarms", where=str(false_alarms),
            fix=f"Choose among {', '.join(str(level) for level in sorted(known.thresholds))}.",
        )  # fmt: skip
    points = checked_range(counts, at, EARLIEST + SKIP)
    found = pieces(counts, points, period=period)
    log_odds = known.combination.score(found)
    observed = counts.observed[:, points]
    nothing = np.full(observed.shape, np.nan)
    judged = np.isfinite(found["expected"]) & np.isfinite(observed)
    score = np.where(judged, np.exp(np.clip(log_odds - known.thresholds[false_alarms], -60, 60)), np.nan)
    alarm = judged & (log_odds > known.thresholds[false_alarms]) & (observed > 0)
    reason = np.where(
        judged, Reason.COMPARED, np.where(np.isfinite(observed), Reason.SHORT_HISTORY, Reason.NO_COUNT)
    )
    return Detection(
        counts, "combined", points, observed, found.pop("expected"), nothing, nothing.copy(), score, alarm,
        reason.astype(np.int8), dict(found),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """Simulated series with the pieces of evidence at their current weeks.

    `truth` (S, K): in the outbreak; `loud` pieces of the series with it, `quiet` of the same without it.
    """

    truth: NDArray[np.bool_]
    loud: dict[str, Floats]
    quiet: dict[str, Floats]


def both(simulated: Simulated) -> tuple[Counts, Indexes, int]:
    """Return the series with, then those without their last outbreak, the current weeks, how many of each."""
    plan = design()
    counts = Counts(np.concatenate([simulated.observed, simulated.quiet]).astype(float))
    return counts, np.arange(plan.weeks - plan.current, plan.weeks), len(simulated.observed)


def judge(replicates: int, seed: int) -> Judged:
    """Simulate the published scenarios and return the pieces of evidence."""
    simulated = simulate(published(), replicates, seed)
    counts, at, half = both(simulated)
    found = pieces(counts, at, period=design().period)
    found.pop("expected")
    return Judged(
        simulated.truth(design().current), {name: values[:half] for name, values in found.items()},
        {name: values[half:] for name, values in found.items()},
    )  # fmt: skip


def calibrate(judged: Judged) -> Calibrated:
    """Fit weights and thresholds on simulated series."""
    whole = {name: np.concatenate([judged.loud[name], judged.quiet[name]]) for name in judged.loud}
    combination = fit(whole, np.concatenate([judged.truth, np.zeros_like(judged.truth)]))
    quiet = combination.score(judged.quiet)
    return Calibrated(combination, {level: threshold(quiet, level) for level in LEVELS})
