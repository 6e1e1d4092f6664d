"""Transmission, space and the tree of signals: agreement with R, scores against baselines, calibration."""

import csv
import datetime as dt
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import Measured, figure

Floats = NDArray[np.float64]

SHARED = (
    Path(os.environ.get("SALUS_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    / "prevention"
)
NO_DATA = "reference data absent; set SALUS_SHARED_DATA"

_R = """
suppressMessages(library(EpiEstim))
folder <- commandArgs(trailingOnly = TRUE)[1]
asked <- read.csv(file.path(folder, "asked.csv"))
for (i in seq_len(nrow(asked))) {
  a <- asked[i, ]
  cases <- read.csv(file.path(folder, paste0("cases_", a$id, ".csv")))$cases
  starts <- seq(2, length(cases) - a$window + 1)
  config <- make_config(list(mean_si = a$mean, std_si = a$sd, t_start = starts,
    t_end = starts + a$window - 1, mean_prior = a$prior_mean, std_prior = a$prior_sd))
  found <- suppressWarnings(suppressMessages(estimate_R(cases, method = "parametric_si", config = config)))$R
  names(found) <- gsub("[()]", "", names(found))
  write.csv(format(found, digits = 17), file.path(folder, paste0("cori_", a$id, ".csv")), row.names = FALSE)
  config <- list(mean_si = a$mean, std_si = a$sd, t_start = starts, t_end = starts + a$window - 1, n_sim = 0)
  found <- suppressWarnings(suppressMessages(
    wallinga_teunis(cases, method = "parametric_si", config = config)))$R
  names(found) <- gsub("[()]", "", names(found))
  write.csv(format(found, digits = 17), file.path(folder, paste0("wt_", a$id, ".csv")), row.names = FALSE)
}
"""
_QUANTILES = (
    "Quantile.0.025R", "Quantile.0.05R", "Quantile.0.25R", "MedianR", "Quantile.0.75R", "Quantile.0.95R",
    "Quantile.0.975R",
)  # fmt: skip


def column(path: Path, name: str) -> Floats:
    """Return a column of a CSV file, NaN for what is empty or NA."""
    with path.open(encoding="utf-8") as file:
        texts = [(row[name] or "").strip() for row in csv.DictReader(file)]
    return np.array([float("nan") if text in ("", "NA", "NaN") else float(text) for text in texts])


def apart(found: Floats, expected: Floats) -> float:
    """Return the largest relative difference; infinite where only one of two says nothing."""
    if found.shape != expected.shape or np.any(np.isnan(found) != np.isnan(expected)):
        return float("inf")
    told = ~np.isnan(expected)
    scale = np.maximum(np.abs(expected[told]), 1e-12)
    return float(np.max(np.abs(found[told] - expected[told]) / scale, initial=0.0))


def against_files() -> tuple[float, int]:
    """Return the largest difference from the stored outputs of EpiEstim, and how many files there were."""
    from salus.prevention.transmission import reproduction as engine

    folder, worst, files = SHARED / "epiestim_ref", 0.0, 0
    for path in sorted(folder.glob("incidence_*.csv")):
        disease = path.stem.removeprefix("incidence_")
        cases, weight = column(path, "I"), column(folder / f"si_{disease}.csv", "p")
        made = {"nonparam": engine.cori(cases, weight)}
        made["nonparam_w14_prior2_3"] = engine.cori(cases, weight, window=14, prior_mean=2, prior_sd=3)
        for mean, sd in ((2.6, 1.5), (8.4, 3.8)):
            shaped = engine.discretised_gamma(mean, sd, len(cases))
            made[f"param_{mean}_{sd}"] = engine.cori(cases, shaped)
        for name, found in made.items():
            told = folder / f"R_{disease}__{name}.csv"
            columns = [found.mean, found.sd, *found.quantiles.T]
            names = ["MeanR", "StdR", *(one.replace(".", "_") for one in _QUANTILES)]
            worst = max([worst, *(apart(a, column(told, b)) for a, b in zip(columns, names, strict=True))])
            files += 1
        cohort = engine.wallinga_teunis(cases, weight).mean
        worst = max(worst, apart(cohort[~np.isnan(cohort)], column(folder / f"WT_{disease}.csv", "MeanR")))
        files += 1
    return worst, files


def against_r(number: int) -> tuple[float, float, float]:
    """Return the largest difference from R on random series, and both programs' seconds."""
    from salus.prevention.transmission import reproduction as engine

    random = np.random.default_rng(20)
    asked, series = [], []
    for place in range(number):
        days = int(random.integers(25, 150))
        rate = np.exp(np.cumsum(random.normal(0.02, 0.25, days)))
        cases = random.poisson(np.clip(rate, 0, 2000))
        cases[0] = max(cases[0], 1)
        mean = float(random.uniform(1.5, 14))
        asked.append(
            (
                place, round(mean, 3), round(mean * float(random.uniform(0.3, 0.9)), 3),
                int(random.choice([3, 7, 14])), round(float(random.uniform(1, 6)), 2), 3.5,
            )
        )  # fmt: skip
        series.append(cases)
    worst = 0.0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "asked.csv").write_text(
            "id,mean,sd,window,prior_mean,prior_sd\n"
            + "".join(",".join(str(one) for one in row) + "\n" for row in asked)
        )
        for place, cases in enumerate(series):
            lines = "\n".join(str(count) for count in cases)
            (folder / f"cases_{place}.csv").write_text("cases\n" + lines + "\n")
        (folder / "run.R").write_text(_R)
        began = time.perf_counter()
        subprocess.run(
            ["Rscript", str(folder / "run.R"), str(folder)], check=True, capture_output=True, timeout=600
        )
        theirs = time.perf_counter() - began
        began = time.perf_counter()
        made_here = []
        for (_, mean, sd, window, prior_mean, prior_sd), cases in zip(asked, series, strict=True):
            weight = engine.discretised_gamma(mean, sd, len(cases))
            made_here.append(
                (
                    engine.cori(cases, weight, window=window, prior_mean=prior_mean, prior_sd=prior_sd),
                    engine.wallinga_teunis(cases, weight, window=window).mean,
                )
            )
        ours = time.perf_counter() - began
        for place, (found, cohort) in enumerate(made_here):
            told = folder / f"cori_{place}.csv"
            columns = [found.mean, found.sd, *found.quantiles.T]
            names = ["MeanR", "StdR", *_QUANTILES]
            worst = max([worst, *(apart(a, column(told, b)) for a, b in zip(columns, names, strict=True))])
            told_cohort = column(folder / f"wt_{place}.csv", "MeanR")
            worst = max(worst, apart(cohort[~np.isnan(cohort)], told_cohort[~np.isnan(told_cohort)]))
    return worst, ours, theirs


@figure("reproduction-equal", room="prevention", unit="relative", target=1e-6, better="lower")
def reproduction_equal(quick: bool) -> Measured:
    """Largest difference of Cori's and Wallinga-Teunis numbers from R's EpiEstim, random series too."""
    worst, note = 0.0, ""
    if (SHARED / "epiestim_ref").is_dir():
        worst, files = against_files()
        note = f"{files} stored files: {worst:.1e}"
    if shutil.which("Rscript") is None:
        if not note:
            return Measured([], peer_missing="neither reference numbers nor Rscript", note=NO_DATA)
        return Measured([worst], note=note + "; no Rscript for random series")
    number = 10 if quick else 60
    random, ours, theirs = against_r(number)
    note += f"; {number} random series by R: {random:.1e}, {ours:.2f} s here, {theirs:.1f} s R"
    return Measured([max(worst, random)], note=note.lstrip("; "))


def ebola() -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return days of onset and of the test of the confirmed cases of Sierra Leone, 2014–15."""
    path = SHARED / "outbreaks" / "ebola_sierraleone_2014_confirmed.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as file:
        days = [
            [
                dt.datetime.strptime(row[name].strip(), "%d-%b-%y").toordinal()
                for name in ("Date of symptom onset ", "Date of sample tested")
            ]
            for row in csv.DictReader(file)
        ]
    onset, report = np.array(days).T
    return onset, report


def nowcasts(quick: bool) -> dict[str, float] | None:
    """Return scores on weekly nowcasts of an Ebola epidemic's last 14 days, each with what was known then."""
    from salus.prevention.transmission.forecast import random_walk
    from salus.prevention.transmission.nowcast import nowcast
    from salus.prevention.transmission.scoring import QUANTILES, coverage, interval_score
    from salus.prevention.transmission.triangle import final, triangle

    cases = ebola()
    if cases is None:
        return None
    onset, report = cases
    longest, ages = 21, 14
    told: list[Floats] = []
    carried: list[Floats] = []
    walked: list[Floats] = []
    truth: list[Floats] = []
    ladder: list[Floats] = []
    reported: list[Floats] = []
    for today in range(int(onset.min()) + 90, int(onset.max()) - 60, 28 if quick else 7):
        reports = triangle(onset, report, start=int(onset.min()), today=today, longest=longest)
        found = nowcast(reports)
        came = final(onset, report, len(reports.counts), today=today, longest=longest)
        settled = found.reported[:-longest]
        for logarithmic, into in ((True, walked), (False, carried)):
            ahead = random_walk(settled[-60:], horizons=longest, logarithmic=logarithmic)
            into.append(ahead.quantiles[0, -ages:])
        told.append(found.quantiles[-ages:])
        truth.append(came[-ages:])
        reported.append(np.abs(found.reported - came)[-ages:])
        ladder.append(np.abs(np.nan_to_num(found.ladder) - came)[-ages:])
    score: Callable[[list[Floats]], float] = lambda made: float(  # noqa: E731  one use, three times
        interval_score(np.array(made), QUANTILES, np.array(truth)).total.mean()
    )
    return {
        "wis": score(told),
        "persistence": min(score(walked), score(carried)),
        "ladder": float(np.mean(ladder)),
        "reported": float(np.mean(reported)),
        "covered": coverage(np.array(told), QUANTILES, np.array(truth), 0.95),
        "half": coverage(np.array(told), QUANTILES, np.array(truth), 0.5),
        "days": float(np.size(truth)),
    }


@figure("nowcast-wis", room="prevention", unit="WIS", target=3.5, better="lower", peer="persistence")
def nowcast_wis(quick: bool) -> Measured:
    """Weighted interval score of nowcasts of the last 14 days of onset, Ebola in Sierra Leone by the week."""
    found = nowcasts(quick)
    if found is None:
        return Measured([], peer_missing="it needs the line list", note=NO_DATA)
    note = (
        f"{found['days']:.0f} days; plain chain ladder {found['ladder']:.3g}, as reported"
        f" {found['reported']:.3g}; 95 % intervals hold {found['covered']:.1%}, 50 % {found['half']:.1%}"
    )
    return Measured([found["wis"]], [found["persistence"]], note=note)


@figure("nowcast-coverage", room="prevention", unit="share", target=0.9)
def nowcast_coverage(quick: bool) -> Measured:
    """Share of days whose final count lies in the nowcast's 95 % interval (Ebola, as nowcast-wis)."""
    found = nowcasts(quick)
    if found is None:
        return Measured([], peer_missing="it needs the line list", note=NO_DATA)
    return Measured([found["covered"]])


@figure(
    "nowcast-revision-wis", room="prevention", unit="WIS", target=1400, better="lower",
    peer="the published interval",
)  # fmt: skip
def nowcast_revision_wis(quick: bool) -> Measured:
    """Score of what archived COVID-19 nowcasts (last 14 days) are revised to, learnt from earlier ones."""
    from salus.prevention.transmission.revisions import revise
    from salus.prevention.transmission.scoring import coverage, interval_score

    files = sorted((SHARED / "rki_nowcast").glob("Nowcast_R_20*.csv"))
    if not files:
        return Measured([], peer_missing="it needs the archived nowcasts", note=NO_DATA)
    levels, names = (0.025, 0.5, 0.975), ("UG_PI_COVID_Faelle", "PS_COVID_Faelle", "OG_PI_COVID_Faelle")
    archives = []
    for path in files:
        with path.open(encoding="utf-8-sig") as file:
            archives.append(
                {
                    dt.date.fromisoformat(row["Datum"]): [float(row[name]) for name in names]
                    for row in csv.DictReader(file)
                }
            )
    earlier: list[Floats] = []
    later: list[Floats] = []
    told: list[Floats] = []
    published: list[Floats] = []
    truth: list[Floats] = []
    kept: list[Floats] = []
    for now, then in zip(archives, archives[1:], strict=False):
        days = [max(now) - dt.timedelta(age) for age in range(14)]
        latest, came = np.array([now[day] for day in days]), np.array([then[day][1] for day in days])
        if len(earlier) >= 4:
            told.append(revise(earlier, later, latest[:, 1], levels=levels).quantiles)
            published.append(latest)
            truth.append(came)
            kept.append(np.abs(now[days[-1] - dt.timedelta(7)][1] - came))
        earlier.append(latest[:, 1])
        later.append(came)
    ours, theirs = (
        interval_score(np.array(made), levels, np.array(truth)).total.mean() for made in (told, published)
    )
    held, claimed = (coverage(np.array(made), levels, np.array(truth), 0.95) for made in (told, published))
    note = (
        f"{len(told)} archives; last settled day carried on {np.mean(kept):,.0f};"
        f" 95 % intervals hold {held:.1%},"
        f" the published {claimed:.1%}"
    )
    return Measured([float(ours)], [float(theirs)], note=note)


def influenza() -> Floats | None:
    """Return weekly influenza cases of the 16 German states since 2020."""
    path = SHARED / "rki_influenza" / "IfSG_Influenzafaelle.tsv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8-sig") as file:
        rows = [
            (row["Region"], row["Meldewoche"], int(row["Fallzahl"]))
            for row in csv.DictReader(file, delimiter="\t")
            if row["Altersgruppe"] == "00+" and row["Region_Id"] != "00"
        ]
    weeks, states = sorted({row[1] for row in rows}), sorted({row[0] for row in rows})
    found = np.zeros((len(states), len(weeks)))
    for state, week, count in rows:
        found[states.index(state), weeks.index(week)] = count
    return found


@figure("forecast-wis", room="prevention", unit="WIS", target=150, better="lower", peer="random walk")
def forecast_wis(quick: bool) -> Measured:
    """Score of influenza forecasts 1 to 4 weeks ahead, 16 German states, each week of 2022 to 2026 unseen."""
    from salus.prevention.transmission.forecast import forecast, random_walk
    from salus.prevention.transmission.scoring import QUANTILES, coverage, interval_score

    counts = influenza()
    if counts is None:
        return Measured([], peer_missing="it needs the influenza weeks", note=NO_DATA)
    told, walks, linear, truth = [], [], [], []
    for origin in range(106, counts.shape[1] - 4, 4 if quick else 1):
        seen = counts[:, : origin + 1]
        told.append(forecast(seen).quantiles)
        walks.append(random_walk(seen).quantiles)
        linear.append(random_walk(seen, logarithmic=False).quantiles)
        truth.append(counts[:, origin + 1 : origin + 5])
    came = np.array(truth)
    ours, walk, flat = (
        interval_score(np.array(made), QUANTILES, came).total for made in (told, walks, linear)
    )
    logs = [
        interval_score(np.log1p(np.array(made)), QUANTILES, np.log1p(came)).total.mean()
        for made in (told, walks)
    ]
    better = int((ours.mean(axis=(0, 2)) < walk.mean(axis=(0, 2))).sum())
    note = (
        f"{len(told)} weeks; better in {better} of {counts.shape[0]} states;"
        f" walk of counts {flat.mean():.4g};"
        f" log scale {logs[0]:.3f} against {logs[1]:.3f}; 95 % intervals hold"
        f" {coverage(np.array(told), QUANTILES, came, 0.95):.1%}, 50 %"
        f" {coverage(np.array(told), QUANTILES, came, 0.5):.1%}"
    )
    return Measured([float(ours.mean())], [float(walk.mean())], note=note)


@figure("scan-seconds", room="prevention", unit="CPU s", target=15, better="lower")
def scan_seconds(quick: bool) -> Measured:
    """Processor seconds of a scan: 1,000 districts by 52 weeks, clusters to 8 weeks, 999 simulations."""
    from salus.prevention.detection.space import scan

    random = np.random.default_rng(1)
    districts = 200 if quick else 1000
    places, people = random.uniform(0, 100, (districts, 2)), random.lognormal(10, 0.6, districts)
    cases = random.poisson(np.repeat(people[:, None] / people.mean() * 0.5, 52, axis=1))
    began, used = time.perf_counter(), time.process_time()
    scan(cases, people, places, longest=8)
    spent, took = time.process_time() - used, time.perf_counter() - began
    return Measured([spent], note=f"{districts} districts, {cases.sum():,} cases; {took:.1f} s by the clock")


@figure("scan-calibration", room="prevention", unit="share", target=0.08, better="lower")
def scan_calibration(quick: bool) -> Measured:
    """Share of data sets without any cluster whose likeliest has p of 0.05 or less (0.05 is right)."""
    from salus.prevention.detection.space import scan

    random = np.random.default_rng(3)
    places, people = random.uniform(0, 1, (20, 2)), random.uniform(1, 4, 20)
    found = []
    for run in range(200 if quick else 600):
        cases = random.poisson(np.repeat(people[:, None], 10, axis=1))
        found.append(scan(cases, people, places, longest=5, replications=99, seed=run).clusters[0].p)
    return Measured([float(np.mean(np.array(found) <= 0.05))], note=f"mean p {np.mean(found):.3f}")


@figure("scan-power", room="prevention", unit="share", target=0.8)
def scan_power(quick: bool) -> Measured:
    """Share of planted clusters (9 of 100 districts doubled for 3 weeks) found at p 0.05, half in place."""
    from salus.prevention.detection.space import scan

    random = np.random.default_rng(4)
    places = np.array([(a, b) for a in range(10) for b in range(10)], dtype=np.float64)
    hits, runs = 0, 20 if quick else 60
    for run in range(runs):
        centre = places[int(random.integers(100))].clip(1, 8)
        inside = np.hypot(*(places - centre).T) <= 1.5
        rate = np.full((100, 26), 2.0)
        rate[inside, -3:] *= 2
        found = scan(random.poisson(rate), np.ones(100), places, longest=6, replications=99, seed=run)
        told = np.isin(np.arange(100), found.clusters[0].districts)
        hits += found.clusters[0].p <= 0.05 and (inside & told).sum() >= (inside | told).sum() / 2
    return Measured([hits / runs], note=f"{runs} data sets")


@figure("hierarchy-signals", room="prevention", unit="signals", target=15, better="lower")
def hierarchy_signals(quick: bool) -> Measured:
    """Signals a week of a city with 40 diseases, 10 districts, 200 institutions and 10 planted outbreaks."""
    from scipy import stats

    from salus.prevention.detection.hierarchy import signals

    random = np.random.default_rng(5)
    parent = np.concatenate(
        [np.full(40, -1), np.repeat(np.arange(40), 10), np.repeat(40 + np.arange(400), 20)]
    )
    leaves, counted, found_of, naive, false = np.arange(440, 8440), [], [], [], 0
    for _ in range(5 if quick else 30):
        expected = np.zeros(len(parent))
        expected[leaves] = random.gamma(1.0, 1.0, len(leaves))
        planted = [int(one) for one in random.choice(np.arange(40, 440), 10, replace=False)]
        observed = np.zeros(len(parent))
        observed[leaves] = random.poisson(expected[leaves])
        observed[leaves] += np.isin(parent[leaves], planted) * random.poisson(2.0 * expected[leaves])
        for node in range(len(parent) - 1, 39, -1):
            observed[parent[node]] += observed[node]
            expected[parent[node]] += expected[node]
        p = stats.poisson.sf(observed - 1, expected)
        made = signals(parent, p, observed=observed, expected=expected)
        counted.append(len(made))
        naive.append(int(np.count_nonzero(p <= 0.01)))
        true = {*planted, *(int(parent[one]) for one in planted)}
        true |= {int(one) for one in leaves if parent[one] in planted}
        told = {node for one in made for node in (one.node, *one.explains)}
        found_of.append(len(told & set(planted)) / 10)
        false += sum(one.node not in true for one in made)
    note = (
        f"{np.mean(found_of):.0%} of the planted found,"
        f" {false / max(sum(counted), 1):.1%} of the signals false;"
        f" {np.mean(naive):.0f} nodes with p up to 0.01"
    )
    return Measured([float(np.median(counted))], note=note)
