"""What detection is measured by: agreement with R's surveillance, speed beside it, a year and a week of a
city."""

import csv
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
SERIES, WEEKS, HISTORY = 5_000, 52, 316
R_PEER = "surveillance::farringtonFlexible"
R_SERIES, R_WEEKS = 20, 6
CONFIGS: dict[str, dict[str, Any]] = {
    "default5": {},
    "original4": {"years": 4, "weights_threshold": 1.0, "alpha": 0.01},
    "noufaily_nb4": {
        "years": 4, "alpha": 0.01, "trend_p": 1.0, "seasons": 10, "skip": 26, "bound": "nb-plugin",
    },
    "muan4": {"years": 4, "alpha": 0.01, "trend_p": 1.0, "seasons": 10, "skip": 26, "bound": "muan"},
    "seasonal_delta3": {"years": 3, "seasons": 10, "skip": 26},
    "notrend_noreweight3": {
        "years": 3, "half_window": 2, "reweight": False, "alpha": 0.025, "trend": False, "limit_cases": 0,
        "power": "1/2", "skip": 2,
    },
}  # fmt: skip
SAME = 1e-6
NOTHING = 1e-9  # a number smaller than this is R's rounding error of zero

R_SPEED = """
suppressMessages(library(surveillance))
given <- commandArgs(trailingOnly = TRUE)
counts <- as.matrix(read.csv(given[1], header = FALSE))
weeks <- as.integer(given[2])
control <- list(range = (nrow(counts) - weeks + 1):nrow(counts), glmWarnings = FALSE)
if (given[3] == "noufaily") control <- c(control, list(alpha = 0.01, pThresholdTrend = 1, noPeriods = 10,
  pastWeeksNotIncluded = 26, thresholdMethod = "nbPlugin"))
series <- sts(counts, frequency = 52, start = c(2000, 1))
cat(system.time(suppressWarnings(farringtonFlexible(series, control)))[["elapsed"]])
"""


@cache
def city() -> Any:
    """Return 5,000 weekly series of a city, from rare to frequent, with seasons and overdispersion."""
    from salus.prevention.detection import Counts

    rng = np.random.default_rng(20)
    mean = np.exp(rng.uniform(np.log(0.3), np.log(60), SERIES))[:, None]
    phase = rng.uniform(0, 2 * np.pi, SERIES)[:, None]
    season = 1 + 0.4 * np.sin(2 * np.pi * np.arange(HISTORY) / 52 + phase)
    return Counts(rng.negative_binomial(5, 1 / (1 + mean * season / 5)).astype(float))


def seconds(name: str, weeks: int, series: int = SERIES) -> float:
    """Return how long the last weeks of so many series take."""
    from salus.prevention.detection import Counts, detect

    counts = Counts(city().observed[:series])  # drawn before the clock starts
    started = time.perf_counter()
    detect(counts, at=range(HISTORY - weeks, HISTORY), paper=name)
    return time.perf_counter() - started


def r_seconds(name: str) -> float:
    """Return how long R takes for the last weeks of a sample of the series."""
    chosen = city().observed[:: SERIES // R_SERIES][:R_SERIES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.csv"
        np.savetxt(path, chosen.T, fmt="%d", delimiter=",")
        done = subprocess.run(
            ["Rscript", "-e", R_SPEED, str(path), str(R_WEEKS), name],
            capture_output=True,
            text=True,
            check=True,
        )
    return float(done.stdout)


def without_r() -> str:
    """Return why R cannot be run, nothing if it can."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    tried = subprocess.run(["Rscript", "-e", "library(surveillance)"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "R's package surveillance is not installed"


def speed(name: str, quick: bool) -> Measured:
    """Return how many times as many series-weeks a second as R in the same run, in turns."""
    missing = without_r()
    if missing:
        return Measured([], peer_missing=missing)
    weeks = 4 if quick else WEEKS
    ours, theirs = [], []
    for _ in range(1 if quick else 3):
        theirs.append(r_seconds(name) / (R_SERIES * R_WEEKS))
        ours.append(seconds(name, weeks) / (SERIES * weeks))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    note = (
        f"a series-week takes {1e6 * float(np.median(ours)):.1f} µs here (of {SERIES:,} series, "
        f"{weeks} weeks, 2 threads), {1e3 * float(np.median(theirs)):.1f} ms in R (of {R_SERIES} series, "
        f"{R_WEEKS} weeks); each fitted in full"
    )
    return Measured(ratios, note=note)


@figure("detect-farrington-default-speed", room="prevention", unit="times R", target=500, peer=R_PEER)
def default_speed(quick: bool) -> Measured:
    """Farrington's method with R's default settings: series-weeks a second against R's."""
    return speed("default", quick)


@figure("detect-farrington-noufaily-speed", room="prevention", unit="times R", target=80, peer=R_PEER)
def noufaily_speed(quick: bool) -> Measured:
    """Farrington's method with Noufaily's settings: series-weeks a second against R's."""
    return speed("noufaily", quick)


@figure("detect-year-5000", room="prevention", unit="s", target=5, better="lower")
def year(quick: bool) -> Measured:
    """52 weeks of 5,000 series by the default settings."""
    weeks = 4 if quick else WEEKS
    worked = time.process_time()
    taken = [seconds("default", weeks) for _ in range(1 if quick else 3)]
    worked = (time.process_time() - worked) / len(taken)
    return Measured(taken, note=f"{weeks} weeks; {worked:.1f} s of a processor, 2 threads")


@figure("detect-year-5000-noufaily", room="prevention", unit="s", target=30, better="lower")
def year_noufaily(quick: bool) -> Measured:
    """52 weeks of 5,000 series by Noufaily's settings."""
    weeks = 4 if quick else WEEKS
    worked = time.process_time()
    taken = seconds("noufaily", weeks)
    worked = time.process_time() - worked
    return Measured([taken], note=f"{weeks} weeks; {worked:.1f} s of a processor, 2 threads")


@figure("detect-week-5000", room="prevention", unit="s", target=1, better="lower")
def week(quick: bool) -> Measured:
    """This week of 5,000 series by Noufaily's settings, the slower ones."""
    city()
    taken = [seconds("noufaily", 1) for _ in range(1 if quick else 5)]
    return Measured(taken, note=f"by the default settings {seconds('default', 1):.2f} s")


@figure("detect-r-equal", room="prevention", unit="%", target=100)
def r_equal(quick: bool) -> Measured:
    """Share of bounds, expected counts, dispersions and p-values of R's reference within 1e-6."""
    from tests.prevention.detection.reference import REFERENCE, compared

    if not REFERENCE.is_dir():
        return Measured([], peer_missing="the reference is the measure", note=f"no data at {REFERENCE}")
    values = differ = alarms = 0
    files = sorted(REFERENCE.glob("ff_*.csv"))
    for path in files:
        got = compared(path, CONFIGS[path.stem.partition("__")[2]])
        values, differ, alarms = values + got[0], differ + got[1], alarms + got[2]
    note = f"{len(files)} files, {values:,} values, {alarms} alarms differ"
    return Measured([100 * (1 - differ / values)], peer_missing="the reference is the measure", note=note)


@figure("detect-r-random", room="prevention", unit="%", target=99.9, peer=R_PEER)
def r_random(quick: bool) -> Measured:
    """Share of values within 1e-6 of R's, for series and settings drawn by a seed and run in R now."""
    from salus.prevention.detection import farrington_flexible

    missing = without_r()
    if missing:
        return Measured([], peer_missing=missing)
    values = differ = alarms = judged = 0
    told: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = Path(__file__).with_suffix(".R")
        subprocess.run(
            ["Rscript", str(script), "7", "12" if quick else "80", name], check=True, capture_output=True
        )
        for setting, counts, control, answers in drawn(folder):
            at = sorted({int(row["t"]) - 1 for row in answers})
            found = farrington_flexible(counts, control, at)
            columns = {
                "upperbound": found.bound, "expected": found.expected, "pvalue": found.pvalue,
                "score": found.score, "phi": found.more["phi"], "mu0": found.more["mu0"],
                "trendcoef": found.more["trend_slope"],
            }  # fmt: skip
            for row in answers:
                here = (int(row["series"]) - 1, at.index(int(row["t"]) - 1))
                judged += 1
                alarms += bool(float(row["alarm"] or 0)) != bool(found.alarm[here])
                for column, table in columns.items():
                    if column == "expected" and row["phi"] == "":
                        continue  # not converged: R leaves a 0 there, ours is empty
                    values += 1
                    if not same(number(row[column]), float(table[here])):
                        differ += 1
                        told.append(f"setting {setting} {column} t {row['t']}")
    note = (
        f"{judged:,} series-weeks, {values:,} values, {differ} differ, {alarms} alarms; {'; '.join(told[:4])}"
    )
    return Measured([100 * (1 - differ / values)], note=note)


def drawn(folder: Path) -> Iterator[tuple[str, Any, Any, list[dict[str, str]]]]:
    """Yield each setting that R drew: its number, the series, the control and R's answers."""
    from salus.prevention.detection import Counts, FarringtonControl

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    counts, answers = rows("counts.csv"), rows("answers.csv")
    for control in rows("controls.csv"):
        here = [row for row in counts if row["setting"] == control["setting"]]
        of = [[row for row in here if row["series"] == str(series)] for series in range(1, 5)]
        dates = np.array([row["date"] for row in of[0]], "datetime64[D]") if of[0][0]["date"] else None
        found = [row for row in answers if row["setting"] == control["setting"]]
        if not found:
            continue  # R stopped with an error at each of its points
        yield control["setting"], Counts(
            np.array([[number(row["observed"]) for row in rows] for rows in of]), int(float(here[0]["freq"])),
            dates, np.array([[number(row["population"]) for row in rows] for rows in of]),
        ), FarringtonControl(
            years=int(control["b"]), half_window=int(control["w"]), seasons=int(float(control["noPeriods"])),
            skip=int(float(control["pastWeeksNotIncluded"])), alpha=float(control["alpha"]),
            bound={"nbPlugin": "nb-plugin"}.get(control["thresholdMethod"], control["thresholdMethod"]),
            power=control["powertrans"], trend=control["trend"] == "TRUE",
            trend_p=float(control["pThresholdTrend"]), reweight=control["reweight"] == "TRUE",
            weights_threshold=float(control["weightsThreshold"]), limit_cases=float(control["cases"]),
            limit_points=int(float(control["points"])),
            population_offset=control["populationOffset"] == "TRUE",
        ), found  # fmt: skip


def number(text: str) -> float:
    """Return a number of R, NaN for none."""
    return float(text) if text not in ("", "NA", "NaN") else float("nan")


def same(wanted: float, got: float) -> bool:
    """Say whether two numbers agree, or neither is there."""
    if np.isnan(wanted) or np.isnan(got):
        return bool(np.isnan(wanted) and np.isnan(got))
    return wanted == got or abs(wanted - got) <= SAME * abs(wanted) + NOTHING
