"""Nowcasts: a triangle worked by hand, simulated delays with known truth, and a real epidemic."""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.transmission.nowcast import delay, nowcast
from salus.prevention.transmission.scoring import QUANTILES, coverage, interval_score
from salus.prevention.transmission.triangle import Triangle, final, from_revisions, triangle

NAN = float("nan")
BY_HAND = np.array([[4, 2, 2], [6, 3, 1], [5, 5, NAN], [10, NAN, NAN]], dtype=float)


def test_hazards_and_chain_ladder_by_hand() -> None:
    # Reported after 1 period of those within 1: (2 + 3 + 5) / (6 + 9 + 10) = 0.4; after 2 of those within 2:
    # (2 + 1) / (8 + 10) = 1/6. So 5/6 of the third row's cases are known, and 0.6 × 5/6 of the last's.
    told = delay(Triangle(BY_HAND))
    np.testing.assert_allclose(told.hazard[1:], [0.4, 1 / 6])
    np.testing.assert_allclose(told.reached, [0.5, 5 / 6, 1])
    found = nowcast(Triangle(BY_HAND))
    np.testing.assert_allclose(found.ladder, [8, 10, 12, 20])
    np.testing.assert_allclose(found.quantiles[:2], np.repeat([[8], [10]], 23, axis=1))


def test_a_line_list_becomes_a_triangle() -> None:
    # Days 0 to 5 as known on day 4: the case reported on day 5 is not known yet; a delay of 4 is too late.
    onset, report = [0, 0, 0, 1, 2, 3, 4, 3], [0, 1, 4, 1, 4, 3, 4, 5]
    found = triangle(onset, report, start=0, today=4, longest=2)
    expected = [[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, NAN], [1, NAN, NAN]]
    np.testing.assert_array_equal(found.counts, expected)
    assert found.late == 1
    np.testing.assert_array_equal(final(onset, report, 5, today=4, longest=2), [2, 1, 1, 2, 1])


def test_weeks_end_on_the_last_day() -> None:
    found = triangle([1, 8, 15, 22], [1, 23, 15, 22], start=0, today=28, longest=1, step=7)
    # 29 days hold four weeks, which begin on day 1.
    np.testing.assert_array_equal(found.counts, [[1, 0], [0, 0], [1, 0], [1, NAN]])
    assert found.late == 1


def test_revisions_become_the_same_triangle() -> None:
    totals = [[8, 9, NAN, NAN, NAN], [8, 10, 6, NAN, NAN], [8, 10, 9, 5, NAN], [8, 10, 10, 10, 10]]
    found = from_revisions(totals, longest=2)
    np.testing.assert_array_equal(found.counts, [[9, 1, 0], [6, 3, 1], [5, 5, NAN], [10, NAN, NAN]])


def test_corrections_downwards_leave_no_negative_cell() -> None:
    totals = [[9, NAN, NAN, NAN], [8, 6, NAN, NAN], [8, 7, 5, NAN], [8, 7, 6, 3]]
    np.testing.assert_array_equal(from_revisions(totals, longest=2).counts[0], [8, 0, 0])


def simulated(seed: int, days: int = 120, loose: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rate = 30 * np.exp(np.cumsum(random.normal(0, 0.08, days)))
    onset = np.repeat(np.arange(days), random.poisson(np.clip(rate, 1, 300)))
    shift = np.exp(random.normal(0, loose, days))[onset]
    return onset, onset + random.poisson(random.gamma(2.0, 2.0 * shift))


@pytest.mark.parametrize("loose", [0.0, 0.3])
def test_intervals_hold_what_they_say(loose: float) -> None:
    told, truth = [], []
    for seed in range(16):
        onset, report = simulated(seed, loose=loose)
        found = nowcast(triangle(onset, report, start=0, today=89, longest=20), draws=1000, window=90)
        told.append(found.quantiles[-12:])
        truth.append(final(onset, report, 90, today=89, longest=20)[-12:])
    told, truth = np.concatenate(told), np.concatenate(truth)
    assert 0.88 <= coverage(told, QUANTILES, truth, 0.95) <= 1
    assert 0.4 <= coverage(told, QUANTILES, truth, 0.5) <= 0.7


def test_it_beats_what_is_reported_and_the_plain_ladder_in_a_real_epidemic(shared: Path) -> None:
    path = shared / "prevention" / "outbreaks" / "ebola_sierraleone_2014_confirmed.csv"
    if not path.exists():
        pytest.skip(f"no line list at {path}")
    with path.open() as file:
        days = [
            [
                datetime.strptime(row[name].strip(), "%d-%b-%y").toordinal()
                for name in ("Date of symptom onset ", "Date of sample tested")
            ]
            for row in csv.DictReader(file)
        ]
    onset, report = np.array(days).T
    scores, reported, ladder = [], [], []
    for today in range(onset.min() + 120, onset.min() + 330, 21):
        reports = triangle(onset, report, start=onset.min(), today=today, longest=21)
        found = nowcast(reports, draws=500)
        truth = final(onset, report, len(reports.counts), today=today, longest=21)
        scores.append(interval_score(found.quantiles, QUANTILES, truth).total[-14:])
        reported.append(abs(found.reported - truth)[-14:])
        ladder.append(abs(found.ladder - truth)[-13:-1])
    assert np.mean(scores) < 0.5 * np.mean(reported)
    assert np.mean(np.array(scores)[:, 1:-1]) < 0.6 * np.mean(ladder)


def test_days_of_the_week_without_reports_are_learnt() -> None:
    random = np.random.default_rng(3)
    onset = np.repeat(np.arange(140), 40)
    report = onset + random.poisson(2.0, len(onset))
    report += np.where(report % 7 == 6, 1, 0)
    reports = triangle(onset, report, start=0, today=139, longest=10)
    told = delay(reports, cycle=7, window=60)
    quiet = told.factor[(139 + 0) % 7]
    assert quiet < 0.2 * np.median(told.factor)
    plain = nowcast(reports, window=60)
    weekly = nowcast(reports, window=60, cycle=7)
    assert abs(weekly.mean[-2] - 40) < abs(plain.mean[-2] - 40)


def test_the_seed_decides_and_later_reports_do_not() -> None:
    onset, report = simulated(1)
    early = report <= 80
    one = nowcast(triangle(onset, report, start=0, today=80, longest=15), seed=4)
    two = nowcast(triangle(onset[early], report[early], start=0, today=80, longest=15), seed=4)
    np.testing.assert_array_equal(one.quantiles, two.quantiles)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.0, 3.0), st.sampled_from([None, 7]))
def test_never_a_surprise(seed: int, longest: int, mean: float, cycle: int | None) -> None:
    random = np.random.default_rng(seed)
    onset = random.integers(0, 30, 40)
    report = onset + random.poisson(mean, 40)
    reports = triangle(onset, report, start=0, today=29, longest=longest)
    found = nowcast(reports, draws=200, cycle=cycle)
    assert np.all(np.isfinite(found.quantiles))
    assert np.all(found.quantiles >= found.reported[:, None])
    assert np.all(np.diff(found.quantiles, axis=1) >= 0)
    assert np.all((found.share > 0) & (found.share <= 1))
    assert np.all(found.mean >= found.reported - 1e-9)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Invalid, match="before the onset"):
        triangle([3], [2], start=0, today=9, longest=2)
    with pytest.raises(Invalid, match="shorter"):
        triangle([3], [3], start=0, today=2, longest=2)
    with pytest.raises(Invalid, match="No case"):
        nowcast(triangle([], [], start=0, today=9, longest=2))
    with pytest.raises(Invalid, match="lacks a period"):
        from_revisions([[1, NAN, NAN, NAN], [1, 2, NAN, NAN], [NAN, 2, 3, NAN], [1, 2, 3, NAN]], longest=2)
