"""The combined score: its baseline, its tails, its fit, and what it finds on a few simulated series."""

import numpy as np
import pytest
from scipy import stats

from salus.kernel.errors import Invalid
from salus.prevention.detection.combined import WEEKS, Baseline, evidence, fit, normal_score, seasonal
from salus.prevention.detection.combining import LEVELS, calibrated, combined, judge, pieces
from salus.prevention.detection.comparing import found_at
from salus.prevention.detection.counts import Counts
from salus.prevention.detection.result import Reason
from salus.prevention.detection.scenarios import measure, published, simulate

AT = np.arange(575, 624)


def test_the_baseline_recovers_trend_season_and_dispersion() -> None:
    """Scenario 29 (mean about 20, variance three times that): the true mean is known."""
    scenario = published()[28]
    made = simulate([scenario], 12, 4)
    found = seasonal(made.quiet.astype(float), AT[::12], period=52.0)
    true = scenario.mean(624)[AT[::12]]
    assert np.abs(found.expected[:, :, -1] / true - 1).mean() < 0.1
    assert scenario.phi * 0.8 < np.median(found.phi) < scenario.phi * 1.2
    assert (found.error > 0).all() and (found.error < 0.05).all()


def test_past_outbreaks_hardly_raise_the_baseline() -> None:
    rng = np.random.default_rng(3)
    calm = rng.poisson(5.0, (20, 400)).astype(float)
    struck = calm.copy()
    struck[:, 200:204] += 60
    one, other = (seasonal(y, [399], period=52.0).expected[:, 0, -1] for y in (calm, struck))
    assert np.abs(other / one - 1).mean() < 0.05


def test_weeks_not_reported_are_no_zeros() -> None:
    counts = np.full((1, 300), 20.0)
    counts[0, 100:220] = np.nan
    assert seasonal(counts, [299], period=52.0).expected[0, 0] == pytest.approx(20.0, rel=0.02)


def test_tails_are_those_of_the_negative_binomial() -> None:
    mean, variance = 6.0, 15.0
    size = mean**2 / (variance - mean)
    p = size / (size + mean)
    for count in (0, 3, 9, 21):
        tail = stats.nbinom.sf(count, size, p) + 0.5 * stats.nbinom.pmf(count, size, p)
        found = normal_score(np.array(float(count)), np.array(mean), np.array(variance))
        assert found == pytest.approx(-stats.norm.ppf(tail), abs=1e-6)
    poisson = normal_score(np.array(4.0), np.array(2.0), np.array(2.0))
    tail = stats.poisson.sf(4, 2.0) + 0.5 * stats.poisson.pmf(4, 2.0)
    assert poisson == pytest.approx(-stats.norm.ppf(tail), abs=0.01)


def test_more_cases_are_more_evidence() -> None:
    at = [299]
    baseline = Baseline(np.full((1, 1, WEEKS), 4.0), np.full((1, 1), 1.5), np.zeros((1, 1)))
    before = -np.inf
    for added in (0, 4, 8, 16):
        counts = np.full((1, 300), 4.0)
        counts[0, -2:] += added
        found = evidence(counts, at, baseline)
        assert found["factor"][0, 0] > before
        before = found["factor"][0, 0]
    assert before > 3


def test_the_fit_stands_at_the_likelihood_s_maximum() -> None:
    """With outbreaks of one week the fit is plain logistic regression: weights known, up to chance."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 1, (4_000, 10))
    odds = -4 + 1.5 * x
    outbreak = rng.random(x.shape) < 1 / (1 + np.exp(-odds))
    alone = outbreak & (outbreak.cumsum(axis=1) == 1)
    found = fit({"x": np.where(outbreak & ~alone, -9.0, x)}, alone, rounds=1, ridge=1e-6)
    assert found.weights["x"] == pytest.approx(1.5, abs=0.15)


def test_an_outbreak_counts_by_its_best_week() -> None:
    """Of an outbreak's two weeks only the first shows: the second must not dilute the fit."""
    rng = np.random.default_rng(6)
    x = rng.normal(0, 1, (600, 20))
    outbreak = np.zeros(x.shape, dtype=bool)
    outbreak[:, 5:7] = True
    x[:, 5] += 4
    weights = [fit({"x": x}, outbreak, rounds=rounds).weights["x"] for rounds in (1, 6)]
    assert weights[1] > 1.5 * weights[0]


def test_what_cannot_be_judged_raises_no_alarm() -> None:
    counts = np.zeros((3, 320))
    counts[1, -1] = np.nan
    counts[2] = 3
    judged = combined(Counts(counts), [50, 319], period=52.0)
    assert not judged.alarm.any()
    assert (judged.reason[:, 0] == Reason.SHORT_HISTORY).all()
    assert judged.reason[1, 1] == Reason.NO_COUNT
    assert np.isnan(judged.score[:, 0]).all()
    with pytest.raises(Invalid, match="threshold"):
        combined(Counts(counts), [319], 0.3)


def test_a_clear_outbreak_is_found_and_a_score_above_one_is_an_alarm() -> None:
    rng = np.random.default_rng(7)
    counts = rng.poisson(4.0, (6, 624)).astype(float)
    counts[:, 600:603] += np.array([9, 8, 2])
    judged = combined(Counts(counts), np.arange(590, 610), period=52.0)
    assert judged.alarm[:, 10:13].any(axis=1).all()
    assert ((judged.score > 1) == judged.alarm).all()
    assert judged.alarm[:, :10].mean() < 0.06
    assert judged.expected[:, 10].mean() == pytest.approx(4.0, rel=0.15)


def test_looser_rates_have_lower_thresholds() -> None:
    limits = [calibrated().thresholds[level] for level in LEVELS]
    assert limits == sorted(limits, reverse=True)


def test_found_at_by_hand() -> None:
    """Ten quiet weeks scored 0 to 9: at a rate of 0.1 one is above 8; at 0.15 half of those above 7 too."""
    quiet = np.arange(10.0).reshape(1, 10)
    loud = np.array([[8.5, 0.0], [7.5, 0.0]])
    truth = np.array([[True, False], [True, False]])
    assert found_at(loud, quiet, truth, 0.1) == pytest.approx(0.5)
    assert found_at(loud, quiet, truth, 0.15) == pytest.approx(0.75)
    assert found_at(loud, quiet, truth, 0.2) == pytest.approx(1.0)


def test_the_combination_finds_more_than_its_parts_on_unseen_series() -> None:
    """One series a scenario, of another seed than the weights': the direction only; figures in bench."""
    judged = judge(1, 777)
    known = calibrated()
    loud, quiet = (known.combination.score(part) for part in (judged.loud, judged.quiet))
    found = measure(loud > known.thresholds[0.01], quiet > known.thresholds[0.01], judged.truth)
    assert found.fpr < 0.025
    assert found.pod > 0.4
    at_one = {
        name: found_at(judged.loud[name], judged.quiet[name], judged.truth, 0.025) for name in judged.loud
    }
    assert found_at(loud, quiet, judged.truth, 0.025) > at_one["noufaily"] - 0.02
    assert found_at(loud, quiet, judged.truth, 0.025) > at_one["original"]


def test_pieces_know_nothing_of_what_comes_after() -> None:
    made = simulate(published()[:1], 2, 8).observed.astype(float)
    changed = made.copy()
    changed[:, 601:] = 500
    one, other = (pieces(Counts(y), [600], period=52.0) for y in (made, changed))
    for name in one:
        assert np.array_equal(one[name], other[name]), name
