"""The detectors side by side on the published scenarios: by their own thresholds, and at equal rates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from salus.prevention.detection.combining import calibrated, pieces
from salus.prevention.detection.counts import Counts, Floats, Indexes
from salus.prevention.detection.cusum import CusumControl, cusum
from salus.prevention.detection.ears import EarsControl, ears
from salus.prevention.detection.farrington import farrington_flexible, with_settings
from salus.prevention.detection.glr import ChartControl, glr, nb_cusum
from salus.prevention.detection.result import Detection
from salus.prevention.detection.scenarios import (
    Bools,
    Measures,
    Simulated,
    design,
    measure,
    published,
    simulate,
    threshold,
)
from salus.prevention.detection.windows import bayes, cdc, moving_percentile, rki

COMBINED = "combined"


@dataclass(frozen=True, slots=True)
class Compared:
    """One detector's alarms by its own settings, and its scores at the current weeks; each (S, K).

    A chart has no score: what it has summed depends on the threshold at which it starts again.
    """

    alarm: Bools
    score: Floats | None


def singles(counts: Counts, at: Indexes) -> dict[str, Compared]:
    """Run every single detector with its usual settings; Farrington's also without its least number of cases.

    A detector's score is what it compares with its threshold: for those with a p-value how small that is.
    """
    found: dict[str, Compared] = {}
    for name in ("original", "noufaily"):
        judged = farrington_flexible(counts, with_settings(name), at)
        free = farrington_flexible(counts, with_settings(name, limit_cases=0.0), at)
        found[f"farrington-{name}"] = Compared(judged.alarm, _surprise(free))
    for variant in ("C1", "C2", "C3"):
        judged = ears(counts, EarsControl(variant), at)
        found[f"ears-{variant.lower()}"] = Compared(judged.alarm, _plain(judged.score))
    windows: dict[str, Callable[..., Detection]] = {
        "rki": rki,
        "bayes": bayes,
        "cdc": cdc,
        "moving-percentile": moving_percentile,
    }
    for name, run in windows.items():
        judged = run(counts, None, at)
        found[name] = Compared(judged.alarm, _surprise(judged))
    found["cusum"] = Compared(cusum(counts, CusumControl(expected="season", reset=True), at).alarm, None)
    found["nb-cusum"] = Compared(nb_cusum(counts, None, at).alarm, None)
    for name, alpha in (("glr-poisson", 0.0), ("glr-nb", None)):
        found[name] = Compared(glr(counts, ChartControl(alpha=alpha), at).alarm, None)
    return found


def _plain(score: Floats) -> Floats:
    """Return scores with what has no value below all others, ties broken towards none."""
    return np.where(np.isfinite(score), score, -1e9)


def _surprise(judged: Detection) -> Floats:
    """Return minus the log of the p-value, nought where no case was counted."""
    chance = np.where(np.isfinite(judged.pvalue), np.clip(judged.pvalue, 1e-15, 1.0), 1.0)
    return np.where(judged.observed > 0, -np.log10(chance), -1.0)


@dataclass(frozen=True, slots=True)
class Study:
    """The detectors on unseen series. `own`: by their own settings; `equal[rate]`: at equal false alarms.

    Thresholds of `equal` come from the training series alone; the combined one's from the rules. Charts stand
    in `own` alone.
    """

    outbreaks: int
    own: Mapping[str, Measures]
    equal: Mapping[float, Mapping[str, Measures]]
    exact: Mapping[float, Mapping[str, float]]
    """Outbreaks found with each threshold set on the unseen series themselves, so that rates are equal."""


def run_all(simulated: Simulated) -> tuple[Bools, dict[str, Compared], dict[str, Compared]]:
    """Return the truth, and every detector on the series with and without their last outbreak."""
    plan = design()
    counts = Counts(np.concatenate([simulated.observed, simulated.quiet]).astype(float))
    at = np.arange(plan.weeks - plan.current, plan.weeks)
    half = len(simulated.observed)
    found = singles(counts, at)
    known = calibrated()
    score = known.combination.score(pieces(counts, at, period=plan.period))
    found[COMBINED] = Compared(score > known.thresholds[0.01], score)
    return (
        simulated.truth(plan.current),
        {name: _part(one, slice(0, half)) for name, one in found.items()},
        {name: _part(one, slice(half, None)) for name, one in found.items()},
    )


def _part(one: Compared, rows_: slice) -> Compared:
    return Compared(one.alarm[rows_], None if one.score is None else one.score[rows_])


def study(replicates: int, training: int, unseen: int, levels: tuple[float, ...] = (0.01, 0.025)) -> Study:
    """Compare the detectors on `replicates` series a scenario; `training` and `unseen` are seeds."""
    _, _, trained = run_all(simulate(published(), replicates, training))
    truth, loud, quiet = run_all(simulate(published(), replicates, unseen))
    own = {name: measure(loud[name].alarm, quiet[name].alarm, truth) for name in loud}
    equal: dict[float, dict[str, Measures]] = {}
    exact: dict[float, dict[str, float]] = {}
    for level in levels:
        equal[level], exact[level] = {}, {}
        for name in loud:
            before, one, other = trained[name].score, loud[name].score, quiet[name].score
            if before is None or one is None or other is None:
                continue
            limit = calibrated().thresholds[level] if name == COMBINED else threshold(before, level)
            equal[level][name] = measure(one > limit, other > limit, truth)
            exact[level][name] = found_at(one, other, truth, level)
    return Study(len(truth), own, equal, exact)


def found_at(loud: Floats, quiet: Floats, truth: Bools, level: float) -> float:
    """Return the share of outbreaks found at exactly a rate of false alarms.

    Where ties keep a threshold from reaching the rate, the two next to it are mixed.
    """
    values = np.sort(np.unique(quiet))
    rates = 1 - np.searchsorted(np.sort(quiet.ravel()), values, side="right") / quiet.size
    place = int(np.searchsorted(-rates, -level, side="left"))
    place = min(max(place, 0), len(values) - 1)
    best = np.where(truth, loud, -np.inf).max(axis=1)
    below = float((best > values[place]).mean())
    if place == 0 or rates[place] >= level:
        return below
    above = float((best > values[place - 1]).mean())
    part = (level - rates[place]) / max(rates[place - 1] - rates[place], 1e-12)
    return below + float(part) * (above - below)


def rows(study_: Study) -> list[tuple[object, ...]]:
    """Return the table: how, detector, then the measures in the order of `Measures`."""
    made: list[tuple[object, ...]] = []
    for how, table in (("own settings", study_.own), *((f"{k:.1%}", v) for k, v in study_.equal.items())):
        for name, one in table.items():
            made.append((
                how, name, one.fpr, one.pod, one.pod_week1, one.sensitivity, one.specificity, one.ppv,
                one.npv, one.f1, one.delay,
            ))  # fmt: skip
    return made


__all__ = ["COMBINED", "Compared", "Study", "found_at", "rows", "run_all", "singles", "study"]
