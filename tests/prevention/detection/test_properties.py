"""What holds for any series: an answer for each count, no alarm without a comparison, the same bits each
time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.prevention.detection import METHODS, WORDS, Counts, Detection, Reason, detect, farrington_flexible
from salus.prevention.detection.farrington import with_settings

HARD = settings(max_examples=10, deadline=None)


@st.composite
def any_counts(draw: st.DrawFn) -> Counts:
    """Return series short or long, of zeros or not, with gaps, with and without dates, weeks of 53-week
    years too."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    points = draw(st.sampled_from([1, 2, 9, 60, 170, 330]))
    series = draw(st.integers(1, 4))
    mean = np.exp(rng.uniform(-4, 5, (series, 1)))
    observed = rng.negative_binomial(
        rng.uniform(0.3, 30, (series, 1)), 1 / (1 + mean), (series, points)
    ).astype(float)
    observed[rng.random(series) < 0.2] = 0
    if draw(st.booleans()):
        observed[rng.random(observed.shape) < draw(st.sampled_from([0.02, 0.3, 0.9]))] = np.nan
    dates = None
    if draw(st.booleans()):
        dates = np.datetime64("2008-12-29") + 7 * np.arange(points)
    usable = rng.integers(0, points, series) if draw(st.booleans()) else None
    population = np.where(rng.random((series, points)) < 0.02, 0.0, 1000.0) if draw(st.booleans()) else None
    return Counts(observed, 52, dates, population, usable)


def sound(found: Detection) -> None:
    """Check what each answer promises."""
    shape = (found.counts.series, len(found.at))
    for table in (found.observed, found.expected, found.bound, found.pvalue, found.score, found.alarm):
        assert table.shape == shape
    assert found.alarm.dtype == bool
    judged = np.isin(found.reason, [one for one in Reason if one.judged])
    assert not found.alarm[~judged].any()
    assert not np.isnan(found.observed[found.alarm]).any()
    if found.method not in ("glr", "nb-cusum", "cusum", "combined"):  # these have a score and no bound
        assert not np.isnan(found.bound[judged]).any()
        assert (found.observed[found.alarm] > found.bound[found.alarm]).all()
        assert np.isnan(found.bound[~judged]).all()
    else:
        assert (found.score[found.alarm] >= 1).all()
    assert not np.isinf(found.bound).any()
    inside = found.pvalue[~np.isnan(found.pvalue)]
    assert ((inside >= 0) & (inside <= 1)).all()
    assert found.table().num_rows == shape[0] * shape[1]
    assert set(found.table()["words"].to_pylist()) <= set(WORDS.values())


@pytest.mark.parametrize("method", METHODS)
@HARD
@given(counts=any_counts())
def test_each_count_gets_an_answer(method: str, counts: Counts) -> None:
    sound(detect(counts, method, threads=1))
    sound(detect(counts, method, range(max(0, counts.points - 60), counts.points), threads=1))
    sound(detect(counts, method, range(min(9, counts.points)), threads=1))


@HARD
@given(
    counts=any_counts(),
    bound=st.sampled_from(["delta", "nb-plugin", "muan"]),
    seasons=st.sampled_from([1, 4, 10]),
    offset=st.booleans(),
    dispersion=st.sampled_from(["r", "textbook"]),
)
def test_farrington_answers_with_any_settings(
    counts: Counts, bound: str, seasons: int, offset: bool, dispersion: str
) -> None:
    control = with_settings(
        "default", years=3, bound=bound, seasons=seasons, dispersion=dispersion, limit_cases=0,
        population_offset=offset and counts.population is not None,
    )  # fmt: skip
    sound(farrington_flexible(counts, control, threads=1))


@HARD
@given(seed=st.integers(0, 1000), method=st.sampled_from(["farrington", "farrington-classic"]))
def test_threads_and_company_change_nothing(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.poisson(np.exp(rng.uniform(-2, 4, (40, 1))), (40, 290)).astype(float)
    at = range(280, 290)
    one = detect(Counts(observed), method, at, threads=1)
    two = detect(Counts(observed), method, at, threads=2)
    for name in ("expected", "bound", "pvalue", "score", "alarm", "reason"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    alone = detect(Counts(observed[7:8]), method, at)
    np.testing.assert_allclose(alone.bound[0], one.bound[7], rtol=1e-9)
    np.testing.assert_array_equal(alone.alarm[0], one.alarm[7])


@HARD
@given(seed=st.integers(0, 1000))
def test_more_cases_never_lower_the_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.poisson(6.0, (5, 300)).astype(float)
    more = observed.copy()
    more[:, -1] += 10
    for method in ("farrington", "ears-c1", "rki", "bayes", "moving-percentile"):
        low, high = (detect(Counts(x), method, [299]) for x in (observed, more))
        assert (high.pvalue <= low.pvalue).all()
        assert (high.alarm >= low.alarm).all()
