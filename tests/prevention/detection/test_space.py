"""The scan statistic: by hand, against every cylinder counted out, and its p-values where nothing is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.detection.space import log_likelihood_ratio, scan

LINE = [[0, 0], [1, 0], [3, 0]]


def test_one_district_by_hand() -> None:
    # Three districts alike, two weeks, 11 cases: 11/6 expected in each cell, 6 seen in the last week of the
    # first. 6 ln(6 / 1.8333) + 5 ln(5 / 9.1667) = 7.1138 - 3.0307; relative risk (6 / 1.8333) / (5 / 9.1667).
    found = scan([[1, 6], [1, 1], [1, 1]], [100, 100, 100], LINE, longest=1, replications=99)
    cluster = found.clusters[0]
    assert cluster.districts == (0,)
    assert cluster.first == 1
    assert cluster.radius == 0
    assert cluster.expected == pytest.approx(11 / 6)
    assert cluster.score == pytest.approx(4.0831, abs=1e-4)
    assert cluster.ratio == pytest.approx(6.0)
    assert cluster.recurrence == pytest.approx(1 / cluster.p)


def test_two_districts_over_two_weeks() -> None:
    cases = [[0, 0, 5, 5], [1, 0, 4, 6], [1, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1]]
    found = scan(cases, [10] * 5, [[0, 0], [0, 1], [9, 0], [9, 9], [0, 9]], longest=3, replications=199)
    assert set(found.clusters[0].districts) == {0, 1}
    assert found.clusters[0].first == 2
    assert found.clusters[0].radius == 1
    assert found.clusters[0].p == pytest.approx(1 / 200)
    assert found.clusters[0].tail < 1 / 200


def counted_out(cases: np.ndarray, base: np.ndarray, xy: np.ndarray, longest: int, share: float) -> float:
    """The highest score of all cylinders, one after the other."""
    total, best = cases.sum(), 0.0
    base = base * total / base.sum()
    for centre in range(len(xy)):
        away = [(float(np.hypot(*(xy[i] - xy[centre]))), i != centre, i) for i in range(len(xy))]
        order = [i for _, _, i in sorted(away, key=lambda one: (one[1], one[0], one[2]))]
        for size in range(1, len(xy) + 1):
            inside = order[:size]
            if size > 1 and base[inside].sum() > share * base.sum() * (1 + 1e-12):
                break
            for lasting in range(1, longest + 1):
                c, e = cases[inside, -lasting:].sum(), base[inside, -lasting:].sum()
                if c > e:
                    rest = 0.0 if c == total else (total - c) * np.log((total - c) / (total - e))
                    best = max(best, c * np.log(c / e) + rest)
    return best


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_cylinder_is_passed_over(seed: int) -> None:
    random = np.random.default_rng(seed)
    districts, periods = int(random.integers(2, 8)), int(random.integers(2, 6))
    base = random.uniform(0.5, 3, (districts, periods))
    xy = random.uniform(0, 1, (districts, 2))
    cases = random.poisson(base)
    cases[0, -1] += 1
    longest, share = int(random.integers(1, periods + 1)), float(random.uniform(0.2, 1))
    found = scan(cases, base, xy, longest=longest, share=share, replications=9, seed=seed)
    best = counted_out(cases, base, xy, longest, share)
    assert (found.clusters[0].score if found.clusters else 0) == pytest.approx(best, abs=1e-9)
    # The simulations are drawn as `numpy` draws: their highest scores are counted out too.
    scaled = base * cases.sum() / base.sum()
    recent = scaled[:, ::-1][:, :longest]
    chance = np.append(recent.ravel(), max(scaled.sum() - recent.sum(), 0)) / scaled.sum()
    drawn = np.random.default_rng(seed).multinomial(cases.sum(), chance / chance.sum(), size=9)
    for run in range(9):
        again = np.zeros_like(cases)
        again[:, ::-1][:, :longest] = drawn[run, :-1].reshape(districts, longest)
        if longest < periods:
            again[0, 0] += drawn[run, -1]
        assert found.highest[run] == pytest.approx(counted_out(again, base, xy, longest, share), abs=1e-9)
    taken = [district for cluster in found.clusters for district in cluster.districts]
    assert len(taken) == len(set(taken))
    assert all(a.score >= b.score for a, b in zip(found.clusters, found.clusters[1:], strict=False))


def test_p_values_are_uniform_where_nothing_is() -> None:
    random = np.random.default_rng(8)
    xy, base = random.uniform(0, 1, (12, 2)), random.uniform(1, 4, 12)
    found = []
    for run in range(150):
        cases = random.poisson(np.repeat(base[:, None], 6, axis=1))
        found.append(scan(cases, base, xy, longest=3, replications=39, seed=run).clusters[0].p)
    assert 0.01 <= np.mean(np.array(found) <= 0.05) <= 0.10
    assert 0.43 <= np.mean(found) <= 0.57
    assert np.max(np.abs(np.sort(found) - (np.arange(150) + 0.5) / 150)) < 0.15  # Kolmogorov, 1 %


def test_a_planted_cluster_is_found_and_a_second_one_too() -> None:
    random = np.random.default_rng(2)
    side = np.arange(12)
    xy = np.array([(a, b) for a in side for b in side], dtype=float)
    base = np.full(144, 2.0)
    cases = random.poisson(np.repeat(base[:, None], 30, axis=1))
    first, second = np.hypot(*(xy - [2, 2]).T) <= 1.5, np.hypot(*(xy - [9, 8]).T) <= 1
    cases[first, -3:] += random.poisson(3, (int(first.sum()), 3))
    cases[second, -2:] += random.poisson(4, (int(second.sum()), 2))
    found = scan(cases, base, xy, longest=8, replications=199, seed=3)
    for planted, cluster in zip((first, second), found.clusters, strict=False):
        inside = np.isin(np.arange(144), cluster.districts)
        assert (inside & planted).sum() / (inside | planted).sum() > 0.6
        assert cluster.p <= 0.01
    assert all(cluster.p > 0.05 for cluster in found.clusters[2:])


def test_the_seed_decides_and_the_order_of_districts_does_not() -> None:
    random = np.random.default_rng(4)
    xy, cases = random.uniform(100, 101, (20, 2)) - [0, 70], random.poisson(2, (20, 10))
    one = scan(cases, np.ones(20), xy, longest=3, replications=19, sphere=True)
    two = scan(cases, np.ones(20), xy, longest=3, replications=19, sphere=True)
    assert one.clusters == two.clusters
    turned = scan(cases[::-1], np.ones(20), xy[::-1], longest=3, replications=0, sphere=True)
    assert set(turned.clusters[0].districts) == {19 - one_ for one_ in one.clusters[0].districts}


def test_distances_on_the_earth() -> None:
    # A degree of latitude is 111.195 km on a sphere of the earth's mean radius.
    cases = [[0, 9], [0, 9], [1, 0], [1, 0], [1, 0]]
    xy = [[106.6, 26.0], [106.6, 27.0], [120, 0], [140, 0], [160, 0]]
    found = scan(cases, [1] * 5, xy, longest=1, replications=0, sphere=True)
    assert found.clusters[0].radius == pytest.approx(111.195, abs=0.01)


def test_nothing_gives_nothing() -> None:
    assert scan(np.zeros((3, 4)), [1, 1, 1], LINE).clusters == ()
    assert log_likelihood_ratio(3, 5.0, 10) == 0


@pytest.mark.parametrize(
    ("cases", "population", "code"),
    [
        ([[1, -1]] * 3, [1, 1, 1], "scan-cases"),
        ([[1, 0.5]] * 3, [1, 1, 1], "scan-cases"),
        ([[1, 1]] * 3, [0, 1, 1], "scan-population"),
        ([[1, 1]] * 2, [1, 1], "scan-shape"),
    ],
)
def test_what_cannot_be_is_said(cases: list[list[float]], population: list[float], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        scan(cases, population, LINE)
    assert caught.value.code == code
