"""The published simulation study by which outbreak detectors are compared: 42 scenarios of weekly counts.

A series has 624 weeks: a negative binomial baseline with trend and season, four outbreaks in weeks 313 to
575, and one in the last 49 weeks, by which detectors are judged. Each series also comes without that last
outbreak, so that false alarms can be counted where nothing is to be found.

Source: Noufaily, Enki, Farrington, Garthwaite, Andrews, Charlett 2013, Statistics in Medicine 32:1206-1222;
measures as in Bédubourg and Le Strat 2017, PLoS ONE 12(7):e0181227.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def _rows(name: str) -> list[dict[str, str]]:
    text = files("salus.prevention").joinpath("rules", f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A baseline: log mean = theta + beta t + the sum of gamma1 cos(2 pi j t/52) + gamma2 sin(2 pi j t/52).

    `phi` is variance over mean (1: Poisson), `harmonics` the number of j, `beta` is per week (0: no trend).
    """

    number: int
    theta: float
    phi: float
    beta: float
    gamma1: float
    gamma2: float
    harmonics: int

    def mean(self, weeks: int, period: float = 52.0) -> Floats:
        """Return the expected counts of weeks 1 to `weeks`, shape (weeks,)."""
        t = np.arange(1, weeks + 1)
        log = self.theta + self.beta * t
        for j in range(1, self.harmonics + 1):
            angle = 2 * np.pi * j * t / period
            log = log + self.gamma1 * np.cos(angle) + self.gamma2 * np.sin(angle)
        return np.asarray(np.exp(log))


@dataclass(frozen=True, slots=True)
class Design:
    """How long a series is, where its outbreaks lie and how large they are; weeks count from 1.

    Sizes are multiples of the standard deviation of the count in the week in which an outbreak starts.
    """

    weeks: int
    current: int
    past_from: int
    past_to: int
    past_outbreaks: int
    past_sizes: tuple[float, ...]
    current_sizes: tuple[float, ...]
    least_cases: int
    log_mean: float
    log_deviation: float
    period: float


@cache
def published() -> tuple[Scenario, ...]:
    """Return the 42 scenarios."""
    return tuple(
        Scenario(
            int(row["scenario"]), float(row["theta"]), float(row["phi"]), float(row["beta"]),
            float(row["gamma1"]), float(row["gamma2"]), int(row["harmonics"]),
        )
        for row in _rows("detection_scenarios")
    )  # fmt: skip


@cache
def design() -> Design:
    """Return the study's design."""
    value = {row["name"]: row["value"] for row in _rows("detection_simulation")}
    sizes = [tuple(float(size) for size in value[f"{when}_sizes"].split(";")) for when in ("past", "current")]
    return Design(
        int(value["weeks"]), int(value["current_weeks"]), int(value["past_from"]), int(value["past_to"]),
        int(value["past_outbreaks"]), sizes[0], sizes[1], int(value["least_cases"]),
        float(value["lognormal_mean"]), float(value["lognormal_deviation"]), float(value["period"]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simulated:
    """Series with their truth. Arrays have shape (series, weeks) unless said otherwise.

    `quiet` is the count without the last outbreak, `outbreak` the cases of that outbreak alone, and
    `observed` their sum. `mean` is the true baseline. `size` (series,) is the last outbreak's size in
    standard deviations, `scenario` (series,) the scenario's number.
    """

    scenario: Ints
    mean: Floats
    quiet: Ints
    outbreak: Ints
    past: Ints
    size: Floats

    @property
    def observed(self) -> Ints:
        """The counts with the last outbreak."""
        return self.quiet + self.outbreak

    def truth(self, current: int) -> Bools:
        """Return which of the last `current` weeks lie between the outbreak's first and last case."""
        cases = self.outbreak[:, -current:] > 0
        begun = np.maximum.accumulate(cases, axis=1)
        ahead = np.maximum.accumulate(cases[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(begun & ahead)


def baseline(mean: Floats, phi: float, rng: np.random.Generator) -> Ints:
    """Draw counts of a mean with variance `phi` times the mean: negative binomial, for `phi` 1 Poisson."""
    if phi <= 1:
        return rng.poisson(mean)
    return rng.poisson(rng.gamma(mean / (phi - 1), phi - 1))


def outbreak(start: int, deviation: float, size: float, weeks: int, rng: np.random.Generator) -> Ints:
    """Return an outbreak's cases a week, shape (weeks,), from week index `start` (0-based) on.

    Its number of cases is Poisson of `size` times `deviation`, drawn again until it has the least number;
    each falls a lognormal number of weeks after the start. Cases after the last week are not seen.
    """
    plan = design()
    cases = 0
    while cases < plan.least_cases:
        cases = int(rng.poisson(size * deviation))
    when = start + np.floor(rng.lognormal(plan.log_mean, plan.log_deviation, cases)).astype(np.int64)
    return np.bincount(when[when < weeks], minlength=weeks).astype(np.int64)


def simulate(chosen: Sequence[Scenario], replicates: int, seed: int) -> Simulated:
    """Simulate `replicates` series of each scenario; the same seed gives the same series.

    Returns series in the order of the scenarios, the replicates of one together.
    """
    plan = design()
    parts: list[tuple[Ints, Floats, Ints, Ints, Ints, Floats]] = []
    for scenario in chosen:
        rng = np.random.default_rng(np.random.SeedSequence([seed, scenario.number]))
        mean = scenario.mean(plan.weeks, plan.period)
        deviation = np.sqrt(mean * scenario.phi)
        counts = baseline(np.broadcast_to(mean, (replicates, plan.weeks)), scenario.phi, rng)
        past, last = np.zeros_like(counts), np.zeros_like(counts)
        size = rng.choice(plan.current_sizes, replicates)
        for one in range(replicates):
            starts = rng.choice(
                np.arange(plan.past_from - 1, plan.past_to), plan.past_outbreaks, replace=False
            )
            for start in starts.tolist():
                amount = float(rng.choice(plan.past_sizes))
                past[one, : plan.past_to] += outbreak(start, deviation[start], amount, plan.past_to, rng)
            while not last[one].any():
                start = int(rng.integers(plan.weeks - plan.current, plan.weeks))
                last[one] = outbreak(start, deviation[start], float(size[one]), plan.weeks, rng)
        parts.append((
            np.full(replicates, scenario.number), np.broadcast_to(mean, counts.shape).copy(), counts + past,
            last, past, size,
        ))  # fmt: skip
    return Simulated(*(np.concatenate([part[k] for part in parts]) for k in range(6)))


@dataclass(frozen=True, slots=True)
class Measures:
    """How well a detector does; shares between 0 and 1, the delay in weeks.

    `fpr`: alarms a week where no current outbreak was planted. `pod`: outbreaks with an alarm in any of their
    weeks, `pod_week1` in the first. `sensitivity` and `specificity`, `ppv`, `npv` and `f1` count weeks of the
    series with an outbreak. `delay`: weeks from the first case's to the first alarm, of the outbreaks found.
    """

    fpr: float
    pod: float
    pod_week1: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    f1: float
    delay: float


def measure(alarms: Bools, quiet_alarms: Bools, truth: Bools) -> Measures:
    """Return a detector's measures over series; every array has shape (series, weeks).

    `alarms` are those in the series with an outbreak, `quiet_alarms` those in the same series without it,
    `truth` says which weeks lie in the outbreak. Each series weighs the same for `fpr` and `pod`; the other
    shares are of all weeks together. A share of nothing is NaN.
    """
    there = truth.any(axis=1)
    first = truth.argmax(axis=1)
    hits = alarms & truth
    found = hits.any(axis=1)
    each = np.arange(len(truth))
    true_positive, false_positive = int(hits.sum()), int((alarms & ~truth).sum())
    false_negative, true_negative = int((~alarms & truth).sum()), int((~alarms & ~truth).sum())
    sensitivity = _share(true_positive, true_positive + false_negative)
    ppv = _share(true_positive, true_positive + false_positive)
    delays = hits.argmax(axis=1) - first
    return Measures(
        float(quiet_alarms.mean()), _share(int((found & there).sum()), int(there.sum())),
        _share(int((hits[each, first] & there).sum()), int(there.sum())), sensitivity,
        _share(true_negative, true_negative + false_positive), ppv,
        _share(true_negative, true_negative + false_negative),
        _share(2 * true_positive, 2 * true_positive + false_positive + false_negative),
        float(delays[found].mean()) if found.any() else float("nan"),
    )  # fmt: skip


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def threshold(quiet_scores: Floats, fpr: float) -> float:
    """Return the score above which a share `fpr` of weeks without an outbreak lies (ties count as below)."""
    return float(np.quantile(quiet_scores, 1 - fpr, method="higher"))
