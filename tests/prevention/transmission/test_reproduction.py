"""Reproduction numbers against those of R's EpiEstim, and what must hold for any series."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.transmission import reproduction as r

DISEASES = ("Flu1918", "Flu2009", "Smallpox1972")
COLUMNS = (
    "Quantile_0_025R", "Quantile_0_05R", "Quantile_0_25R", "MedianR", "Quantile_0_75R", "Quantile_0_95R",
    "Quantile_0_975R",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    found = shared / "prevention" / "epiestim_ref"
    if not found.is_dir():
        pytest.skip(f"no reference numbers of EpiEstim at {found}")
    return found


def column(path: Path, name: str) -> np.ndarray:
    with path.open() as file:
        return np.array([float(row[name] or "nan") for row in csv.DictReader(file)])


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def same(found: r.Reproduction, path: Path) -> None:
    np.testing.assert_array_equal(found.first + 1, column(path, "t_start"))
    np.testing.assert_array_equal(found.last + 1, column(path, "t_end"))
    close(found.mean, column(path, "MeanR"))
    close(found.sd, column(path, "StdR"))
    for place, name in enumerate(COLUMNS):
        close(found.quantiles[:, place], column(path, name))


@pytest.mark.parametrize(
    ("name", "mean", "sd"), [("d26_15", 2.6, 1.5), ("d84_38", 8.4, 3.8), ("d47_29", 4.7, 2.9)]
)
def test_discrete_serial_intervals_equal_r(folder: Path, name: str, mean: float, sd: float) -> None:
    expected = column(folder / "discr_si.csv", name)
    close(r.discretised_gamma(mean, sd, len(expected)), expected)


@pytest.mark.parametrize("disease", DISEASES)
def test_cori_equals_r(folder: Path, disease: str) -> None:
    cases = column(folder / f"incidence_{disease}.csv", "I")
    interval = column(folder / f"si_{disease}.csv", "p")
    same(r.cori(cases, interval), folder / f"R_{disease}__nonparam.csv")
    wide = r.cori(cases, interval, window=14, prior_mean=2, prior_sd=3)
    same(wide, folder / f"R_{disease}__nonparam_w14_prior2_3.csv")
    for mean, sd in ((2.6, 1.5), (8.4, 3.8)):
        shaped = r.discretised_gamma(mean, sd, len(cases))
        used = column(folder / f"siused_{disease}__param_{mean}_{sd}.csv", "p")
        close(shaped, used[: len(shaped)])
        same(r.cori(cases, shaped), folder / f"R_{disease}__param_{mean}_{sd}.csv")


@pytest.mark.parametrize("disease", DISEASES)
def test_wallinga_teunis_equals_r(folder: Path, disease: str) -> None:
    cases = column(folder / f"incidence_{disease}.csv", "I")
    found = r.wallinga_teunis(cases, column(folder / f"si_{disease}.csv", "p"))
    told = ~np.isnan(found.mean)
    path = folder / f"WT_{disease}.csv"
    np.testing.assert_array_equal(found.first[told] + 1, column(path, "t_start"))
    close(found.mean[told], column(path, "MeanR"))


def test_cori_by_hand() -> None:
    # One case, then 2, 4, 8 with everybody infecting after one day: pressure 1 + 2 + 4 = 7, infected 14.
    # Prior gamma(shape 1, rate 1/5): posterior shape 15, rate 7.2.
    found = r.cori([1, 2, 4, 8], [0, 1], window=3)
    assert found.mean[0] == pytest.approx(15 / 7.2)
    assert found.sd[0] == pytest.approx(15**0.5 / 7.2)


def test_imported_cases_infect_but_were_not_infected_here() -> None:
    found = r.cori([1, 2, 4, 8], [0, 1], imported=[0, 1, 1, 1], window=3)
    assert found.mean[0] == pytest.approx((1 + 1 + 3 + 7) / 7.2)


def test_wallinga_teunis_by_hand() -> None:
    # Days 1, 2, 3 have 1, 1 and 2 cases; intervals of 1 and 2 days are equally likely. The case of day 2
    # was infected by day 1's. Each of day 3's: by day 1's or day 2's, a half each.
    found = r.wallinga_teunis([0, 1, 1, 2], [0, 0.5, 0.5], window=1)
    np.testing.assert_allclose(found.mean, [2, 1, 0])
    np.testing.assert_allclose(found.observed, [1, 0.5, 0])


def test_drawn_infectors_agree_with_the_mean_and_the_seed() -> None:
    cases = np.array([1, 2, 3, 5, 6, 9, 12, 14, 20, 22, 26, 30])
    weight = r.discretised_gamma(2.6, 1.5, 12)
    found = r.wallinga_teunis(cases, weight, window=4, draws=4000, seed=5)
    again = r.wallinga_teunis(cases, weight, window=4, draws=4000, seed=5)
    np.testing.assert_array_equal(found.quantiles, again.quantiles)
    assert np.all(found.quantiles[:, 0] <= found.mean)
    assert np.all(found.mean <= found.quantiles[:, 1] + 1e-9)


def test_a_mixture_of_one_interval_twice_is_that_interval() -> None:
    cases, weight = [1, 2, 3, 5, 6, 9, 12, 14, 20], r.discretised_gamma(2.6, 1.5, 9)
    one, two = r.cori(cases, weight), r.cori(cases, np.stack([weight, weight]))
    np.testing.assert_allclose(two.quantiles, one.quantiles, rtol=1e-9)
    np.testing.assert_allclose(two.sd, one.sd, rtol=1e-9)


def test_an_uncertain_interval_widens_the_answer() -> None:
    cases = [3, 5, 8, 12, 20, 31, 50, 77, 120, 190, 300, 470]
    candidates = np.stack([r.discretised_gamma(mean, 1.5, 12) for mean in (2.0, 2.6, 3.2, 4.0)])
    wide, narrow = r.cori(cases, candidates), r.cori(cases, candidates[1])
    assert wide.sd[-1] > 2 * narrow.sd[-1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=9, max_size=60), st.floats(1.5, 9), st.floats(0.5, 5))
def test_never_a_surprise(cases: list[int], mean: float, sd: float) -> None:
    weight = r.discretised_gamma(mean, sd, len(cases))
    assert 0 <= weight.sum() <= 1 + 1e-9
    many = r.cori(np.stack([cases, np.zeros(len(cases), int)]), weight)
    one = r.cori(cases, weight)
    np.testing.assert_allclose(many.quantiles[0], one.quantiles)
    told = ~np.isnan(one.mean)
    assert np.all(np.diff(one.quantiles[told], axis=1) >= 0)
    assert np.all(one.mean[told] > 0)
    if weight.sum() > 0.5:
        cohort = r.wallinga_teunis(cases, weight, window=1)
        infected = np.nansum(cohort.mean * np.array(cases)[1:])
        assert infected <= sum(cases) + 1e-6


@pytest.mark.parametrize(
    ("cases", "weight", "code"),
    [
        ([1, 2, -1] * 5, [0, 1], "reproduction-counts"),
        ([1, 2, float("nan")] * 5, [0, 1], "reproduction-counts"),
        ([1, 2, 3], [0, 1], "reproduction-window"),
        ([1, 2, 3] * 5, [0.5, 0.5], "serial-interval"),
        ([1, 2, 3] * 5, [0, 2.0], "serial-interval"),
    ],
)
def test_what_cannot_be_is_said(cases: list[float], weight: list[float], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        r.cori(cases, weight)
    assert caught.value.code == code
