"""The other detectors against R's surveillance 1.20.3 (`r_methods.csv`: its bounds and alarms), and by
hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from salus.kernel.errors import Invalid
from salus.prevention.detection import METHODS, Counts, Reason, detect
from salus.prevention.detection.thresholds import at_least, quantile
from tests.prevention.detection.reference import differing, number, read, series_of

ROWS = read(Path(__file__).with_name("r_methods.csv"))
RATIO = float(np.log(1.2))
RUNS: dict[str, tuple[str, dict[str, object]]] = {
    "farrington": ("farrington-classic", {"years": 3, "half_window": 3, "alpha": 0.01}),
    "rki": ("rki", {"years": 2, "half_window": 4}),
    "rki_act": ("rki", {"years": 1, "half_window": 5, "this_year": True}),
    "bayes": ("bayes", {"years": 2, "half_window": 4, "this_year": True}),
    "bayes0": ("bayes", {"years": 0, "half_window": 6, "this_year": True}),
    "cusum_standard": ("cusum", {}),
    "cusum_rossi": ("cusum", {"transform": "rossi"}),
    "cusum_anscombe": ("cusum", {"transform": "anscombe"}),
    "cusum_anscombe2nd": ("cusum", {"transform": "anscombe-2"}),
    "cusum_pearsonNegBin": ("cusum", {"transform": "pearson-nb"}),
    "cusum_none": ("cusum", {"transform": "none"}),
    "cusum_glm": ("cusum", {"transform": "rossi", "expected": "season"}),
    "cdc": ("cdc", {"years": 2, "months": 1}),
    "glrnb_theta": ("nb-cusum", {}),
    "glrnb_ml": ("glr", {"alpha": None}),
    "glrnb_a0.2": ("glr", {"alpha": 0.2}),
    "glrpois": ("glr", {}),
    "glrpois_cases": ("glr", {}),
    "glrpois_theta": ("nb-cusum", {"kappa": RATIO, "alpha": 0.0}),
    "glrpois_theta_cases": ("nb-cusum", {"kappa": RATIO, "alpha": 0.0}),
}


@pytest.mark.parametrize("run", RUNS)
def test_agrees_with_r(shared: Path, run: str) -> None:
    method, settings = RUNS[run]
    checked = 0
    for dataset, series in (("salmonella_agona", "observed1"), ("influMen", "meningococcus")):
        rows = [
            row for row in ROWS if (row["dataset"], row["series"], row["method"]) == (dataset, series, run)
        ]
        whole = series_of(dataset)
        place = list(whole.names).index(series)
        counts = Counts(whole.observed[place : place + 1], whole.freq, start=whole.start)
        found = detect(counts, method, [int(row["t"]) - 1 for row in rows], **settings)
        wanted = np.array([number(row["upperbound"]) for row in rows])
        charted = run.startswith("glr") and not run.endswith("cases")
        got = (found.more["statistic"] if charted else found.bound)[0].astype(float)
        if run == "farrington":
            got = np.nan_to_num(got)  # R has 0 where too few cases were counted
        assert differing(wanted, got) == 0
        assert [float(row["alarm"]) for row in rows] == found.alarm[0].tolist()
        checked += len(rows)
    assert checked == 104


def test_ears_c1_by_hand() -> None:
    # mean of 1 to 7 is 4, standard deviation sqrt(28 / 6) = 2.1602, normal quantile of 0.999 is 3.0902
    found = detect(Counts(np.array([[1.0, 2, 3, 4, 5, 6, 7, 11]])), "ears-c1")
    assert found.bound[0, 0] == pytest.approx(4 + 3.090232306 * 2.160246899, rel=1e-8)
    assert found.alarm.tolist() == [[True]]
    assert found.score[0, 0] == pytest.approx(7 / (3.090232306 * 2.160246899), rel=1e-8)


def test_cusum_by_hand() -> None:
    # mean 4, so deviations are (x - 4) / 2: 0, 2, 3; sums with k = 1: 0, 1, 3; then from 0 after an alarm: 0
    counts = Counts(np.array([[4.0, 4, 4, 4, 4, 8, 10, 4]]))
    found = detect(counts, "cusum", range(4, 8), k=1.0, h=2.0, reset=True)
    assert found.more["statistic"].tolist() == [[0, 1, 3, 0]]
    assert found.alarm.tolist() == [[False, False, True, False]]
    carried = detect(counts, "cusum", range(4, 8), k=1.0, h=2.0)
    assert carried.more["statistic"].tolist() == [[0, 1, 3, 2]]


def test_likelihood_ratio_chart_by_hand_and_its_restart() -> None:
    # Poisson, mean 2, rate doubled: each count adds x log 2 - 2; 6 adds 2.158883, so two of them reach 3
    counts = Counts(np.array([[2.0, 2, 2, 2, 6, 6, 6]]))
    found = detect(
        counts, "nb-cusum", range(4, 7), kappa=float(np.log(2)), alpha=0.0, expected=2.0, threshold=3.0
    )
    step = 6 * np.log(2) - 2
    np.testing.assert_allclose(found.more["statistic"], [[step, 2 * step, step]], rtol=1e-12)
    assert found.alarm.tolist() == [[False, True, False]]
    np.testing.assert_allclose(found.bound[0, 0], 5 / np.log(2), rtol=1e-12)  # x log 2 - 2 = 3


def test_glr_by_hand() -> None:
    # one count of 8 where 2 are expected: 8 log 4 - 6
    found = detect(Counts(np.array([[2.0, 2, 2, 2, 8]])), "glr", [4], expected=2.0)
    assert found.more["statistic"][0, 0] == pytest.approx(8 * np.log(4) - 6, rel=1e-12)


def test_moving_percentile_by_hand() -> None:
    # weeks 1 to 260 counted 1 to 260; for week 261 the blocks are weeks 207 to 211, 155 to 159, ...
    found = detect(Counts(np.arange(1.0, 262.0)[None, :]), "moving-percentile", [260])
    blocks = np.concatenate([np.arange(261 - 52 * year - 2, 261 - 52 * year + 3) for year in range(1, 6)])
    blocks = blocks[blocks >= 1]  # five years ago only weeks 1 to 3 are there
    assert found.bound[0, 0] == pytest.approx(np.quantile(blocks, 0.8))
    assert found.expected[0, 0] == np.median(blocks)
    assert found.pvalue[0, 0] == pytest.approx(1 / (len(blocks) + 1))
    assert found.alarm.all()


@pytest.mark.parametrize("probability", [0.5, 0.95, 0.999])
def test_quantile_and_tail_agree_with_scipy(probability: float) -> None:
    mean = np.geomspace(1e-3, 1e5, 60)
    for size in (0.3, 5.0, 400.0):
        law = stats.nbinom(size, size / (size + mean))
        got = quantile(probability, mean, np.full(60, size))
        np.testing.assert_array_equal(got, law.ppf(probability))
        np.testing.assert_allclose(at_least(got, mean, np.full(60, size)), law.sf(got - 1), rtol=1e-9)
    np.testing.assert_array_equal(
        quantile(probability, mean, np.full(60, np.inf)), stats.poisson(mean).ppf(probability)
    )


def test_a_setting_of_another_method_is_refused() -> None:
    counts = Counts(np.ones((1, 60)))
    with pytest.raises(Invalid, match="has no setting baseline") as refused:
        detect(counts, "rki", baseline=7)
    assert refused.value.code == "detection-option"
    with pytest.raises(Invalid) as unknown:
        detect(counts, "cusumm")
    assert unknown.value.code == "detection-method"
    with pytest.raises(Invalid) as impossible:
        detect(counts, "farrington", alpha=2.0)
    assert impossible.value.code == "detection-control"


def test_each_method_tells_what_it_is() -> None:
    for method in METHODS.values():
        assert method.about and method.settings
    assert {one.code for one in Reason} >= {"short-history", "all-zero", "gap", "no-count"}
