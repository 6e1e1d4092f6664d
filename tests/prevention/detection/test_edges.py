"""Histories that are short, empty, broken, or of another definition; weeks of years with 53."""

import numpy as np
import pytest

from salus.kernel.errors import Invalid
from salus.prevention.detection import Counts, Reason, detect
from salus.prevention.detection.reference import Window, reference, years_back

WEEKS = np.datetime64("2008-12-29") + 7 * np.arange(420)  # 2009 and 2015 have an ISO week 53


def steady(points: int = 320) -> np.ndarray:
    return np.random.default_rng(3).poisson(8.0, (1, points)).astype(float)


def test_a_week_of_a_53_week_year_is_compared_with_the_same_days_of_other_years() -> None:
    last = int(np.searchsorted(WEEKS, np.datetime64("2015-12-28")))  # 2015-W53
    back = years_back(WEEKS, last, 5, 52)
    # the Mondays nearest to 28 December of 2014 (a Sunday), 2013, 2012, 2011, 2010
    assert [str(day) for day in back[1:]] == [
        "2014-12-29", "2013-12-30", "2012-12-31", "2011-12-26", "2010-12-27",
    ]  # fmt: skip
    weekly = Counts(steady(420), 52, WEEKS)
    rows = reference(weekly, last, Window(5, 3, 1, 3))
    assert rows is not None
    assert len(rows.back) == 35
    assert detect(weekly, at=[last]).reason.tolist() == [[Reason.COMPARED]]


def test_29_february_is_compared_with_1_march() -> None:
    days = np.datetime64("2015-01-01") + np.arange(2000)
    leap = int(np.searchsorted(days, np.datetime64("2020-02-29")))
    assert [str(day) for day in years_back(days, leap, 4, 365)[1:]] == [
        "2019-03-01", "2018-03-01", "2017-03-01", "2016-02-29",
    ]  # fmt: skip


def test_a_short_history_is_told() -> None:
    found = detect(Counts(steady(100)), at=[50, 99])
    assert found.reason.tolist() == [[Reason.SHORT_HISTORY] * 2]
    assert not found.alarm.any()
    assert found.table()["words"].to_pylist()[0] == "the history is too short"


def test_no_case_ever_before() -> None:
    observed = np.zeros((1, 320))
    observed[0, -1] = 9
    found = detect(Counts(observed), at=[318, 319])
    assert found.reason.tolist() == [[Reason.BELOW_LIMIT, Reason.ALL_ZERO]]
    assert found.alarm.tolist() == [[False, True]]
    assert 0 <= found.bound[0, 1] < 1


def test_a_missing_count_now_is_no_alarm() -> None:
    observed = steady()
    observed[0, -1] = np.nan
    found = detect(Counts(observed), at=[319])
    assert found.reason.tolist() == [[Reason.NO_COUNT]]
    assert not found.alarm.any()


def test_missing_weeks_of_history_are_left_out_and_told() -> None:
    observed = steady()
    observed[0, 200:262] = np.nan
    found = detect(Counts(observed), at=[319])
    assert found.reason.tolist() == [[Reason.REDUCED_HISTORY]]
    assert np.isfinite(found.bound).all()


def test_history_before_a_new_definition_does_not_count() -> None:
    observed = steady()
    observed[0, :180] *= 20  # the old definition counted far more
    old = detect(Counts(observed), at=[319])
    new = detect(Counts(observed, usable_from=np.array([180])), at=[319])
    assert new.reason.tolist() == [[Reason.REDUCED_HISTORY]]
    assert new.bound[0, 0] < 25 < old.bound[0, 0]
    nothing = detect(Counts(observed, usable_from=np.array([315])), at=[319])
    assert nothing.reason.tolist() == [[Reason.SHORT_HISTORY]]


def test_textbook_and_r_differ_only_where_a_trend_is_tested() -> None:
    rng = np.random.default_rng(8)
    observed = rng.negative_binomial(3, 0.2, (200, 320)).astype(float)
    by_r = detect(Counts(observed), at=[319], dispersion="r")
    by_book = detect(Counts(observed), at=[319], dispersion="textbook")
    assert not np.array_equal(by_r.bound, by_book.bound)
    plain = {"trend": False, "reweight": False}
    np.testing.assert_array_equal(
        detect(Counts(observed), at=[319], dispersion="r", **plain).bound,
        detect(Counts(observed), at=[319], dispersion="textbook", **plain).bound,
    )


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: Counts(np.array([[-1.0]])), "detection-shape"),
        (lambda: Counts(np.ones((1, 3)), dates=np.array(["2020-01-06"], "datetime64[D]")), "detection-shape"),
        (lambda: detect(Counts(np.ones((1, 300))), at=[300]), "detection-range"),
        (lambda: detect(Counts(np.ones((1, 300))), seasons=60), "detection-seasons"),
        (lambda: detect(Counts(np.ones((1, 300))), population_offset=True), "detection-population"),
        (lambda: detect(Counts(np.ones((1, 300)), 12), "cdc"), "detection-frequency"),
        (lambda: detect(Counts(np.ones((1, 300))), "cusum", at=[200, 202]), "detection-range"),
    ],
)
def test_what_cannot_be_is_refused(made: object, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        made()  # type: ignore[operator]
    assert refused.value.code == code
