"""The simulation study draws what it says, and measures as the published evaluation does."""

import math

import numpy as np
import pytest

from salus.prevention.detection.scenarios import (
    baseline,
    design,
    measure,
    outbreak,
    published,
    simulate,
    threshold,
)


def test_there_are_42_scenarios_half_with_trend_and_a_third_of_each_season() -> None:
    assert [one.number for one in published()] == list(range(1, 43))
    assert sum(one.beta > 0 for one in published()) == 21
    assert [sum(one.harmonics == m for one in published()) for m in (0, 1, 2)] == [14, 14, 14]
    assert len({(one.theta, one.phi) for one in published()}) == 7
    assert min(one.phi for one in published()) == 1


def test_the_mean_is_the_published_log_linear_one() -> None:
    """Scenario 5 by hand: exp(0.1 + 0.0025*13 + 0.6 cos(pi/2) + 0.6 sin(pi/2)) in week 13."""
    scenario = published()[4]
    assert (scenario.theta, scenario.beta, scenario.gamma1, scenario.harmonics) == (0.1, 0.0025, 0.6, 1)
    assert scenario.mean(624)[12] == pytest.approx(math.exp(0.1 + 0.0025 * 13 + 0.6))
    two = published()[5]
    assert two.mean(624)[12] == pytest.approx(math.exp(0.1 + 0.0025 * 13 + 0.6 - 0.6))


@pytest.mark.parametrize("phi", [1.0, 1.1, 1.5, 5.0])
def test_counts_have_the_mean_and_dispersion_asked_for(phi: float) -> None:
    counts = baseline(np.full(400_000, 6.0), phi, np.random.default_rng(1))
    assert counts.mean() == pytest.approx(6.0, rel=0.01)
    assert counts.var() / counts.mean() == pytest.approx(phi, rel=0.02)


def test_outbreaks_are_poisson_in_size_and_lognormal_in_time() -> None:
    """Half of a lognormal(0, 0.5) lies below 1, and 0.9172 below 2 (standard normal tables at ln 2 / 0.5)."""
    rng = np.random.default_rng(2)
    cases = np.array([outbreak(3, 4.0, 5.0, 40, rng) for _ in range(4_000)])
    assert not cases[:, :3].any()
    assert cases.sum(axis=1).mean() == pytest.approx(20.0, rel=0.02)
    shares = cases.sum(axis=0) / cases.sum()
    assert shares[3] == pytest.approx(0.5, abs=0.01)
    assert shares[3:5].sum() == pytest.approx(0.9172, abs=0.01)
    assert cases.sum(axis=1).min() >= design().least_cases


def test_a_seed_gives_the_same_series_whatever_else_is_simulated() -> None:
    alone = simulate(published()[7:8], 3, 9)
    among = simulate(published()[:9], 3, 9)
    assert np.array_equal(alone.observed, among.observed[21:24])
    assert not np.array_equal(alone.observed, simulate(published()[7:8], 3, 10).observed)


def test_the_last_outbreak_lies_in_the_current_weeks_and_the_four_before_in_theirs() -> None:
    made = simulate(published(), 2, 3)
    plan = design()
    assert made.observed.shape == (84, 624)
    assert not made.outbreak[:, : plan.weeks - plan.current].any()
    assert made.outbreak.sum(axis=1).min() >= 1
    past = np.flatnonzero(made.past.any(axis=0))
    assert past.min() >= plan.past_from - 1 and past.max() < plan.past_to
    truth = made.truth(plan.current)
    assert truth.any(axis=1).all()
    assert not (made.outbreak[:, -plan.current :][~truth]).any()
    changes = np.abs(np.diff(truth.astype(int), axis=1)).sum(axis=1)
    assert changes.max() <= 2  # one stretch of weeks


def test_measures_by_hand() -> None:
    """Two series of five weeks: the first outbreak is found in its second week, the second is missed."""
    truth = np.array([[0, 1, 1, 1, 0], [0, 0, 0, 1, 1]], dtype=bool)
    alarms = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    quiet = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=bool)
    found = measure(alarms, quiet, truth)
    assert found.fpr == pytest.approx(0.1)
    assert (found.pod, found.pod_week1, found.delay) == (0.5, 0.0, 1.0)
    assert found.sensitivity == pytest.approx(1 / 5)
    assert found.specificity == pytest.approx(4 / 5)
    assert found.ppv == pytest.approx(1 / 2)
    assert found.npv == pytest.approx(4 / 8)
    assert found.f1 == pytest.approx(2 / (2 + 1 + 4))


def test_nothing_found_is_nan_not_a_crash() -> None:
    none = np.zeros((2, 3), dtype=bool)
    found = measure(none, none, none)
    assert math.isnan(found.pod) and math.isnan(found.ppv) and math.isnan(found.delay)


def test_a_threshold_keeps_the_rate_of_false_alarms() -> None:
    scores = np.random.default_rng(4).normal(size=(100, 49))
    for fpr in (0.01, 0.05):
        assert (scores > threshold(scores, fpr)).mean() <= fpr
        assert (scores > threshold(scores, fpr)).mean() > fpr - 0.002
