"""The weighted interval score by hand, and its identity with the quantile score."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.transmission.scoring import QUANTILES, coverage, interval_score


def test_one_interval_by_hand() -> None:
    # Median 10, 80 % interval 6 to 15 (alpha 0.2). Observed 18: interval score 9 + 2/0.2 × 3 = 39, weighted
    # by 0.2/2 = 3.9; absolute error 8 weighted by 1/2 = 4; divided by 1 + 1/2.
    found = interval_score([6, 10, 15], [0.1, 0.5, 0.9], 18)
    assert found.total == pytest.approx((3.9 + 4) / 1.5)
    assert found.width == pytest.approx(0.1 * 9 / 1.5)
    assert found.over == 0
    assert found.under == pytest.approx((3 + 4) / 1.5)


def test_one_value_is_scored_by_its_error() -> None:
    assert interval_score([7] * 23, QUANTILES, 4).total == pytest.approx(3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=23, max_size=23), st.floats(0, 1000))
def test_it_is_the_mean_quantile_score(values: list[float], truth: float) -> None:
    told, level = np.sort(values), np.array(QUANTILES)
    pinball = np.where(truth < told, (1 - level) * (told - truth), level * (truth - told))
    found = interval_score(told, QUANTILES, truth)
    assert found.total == pytest.approx(2 * pinball.mean(), abs=1e-9)
    assert found.total == pytest.approx(found.width + found.over + found.under)


def test_coverage_counts_bounds_in_and_unknown_out() -> None:
    told = np.array([[1, 2, 3]] * 4)
    assert coverage(told, [0.1, 0.5, 0.9], [1, 3, 4, np.nan], 0.8) == pytest.approx(2 / 3)


@pytest.mark.parametrize("levels", [[0.1, 0.9], [0.5, 0.1, 0.9], [0.1, 0.5, 0.8]])
def test_levels_must_be_pairs(levels: list[float]) -> None:
    with pytest.raises(Invalid):
        interval_score(levels, levels, 1)
    with pytest.raises(Invalid):
        coverage([[1, 2, 3]], [0.1, 0.5, 0.9], [1], 0.5)
