"""Forecasts: by hand, against the baseline on real influenza, and what must hold for any series."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.kernel.errors import Invalid
from salus.prevention.transmission.forecast import forecast, random_walk
from salus.prevention.transmission.scoring import QUANTILES, coverage, interval_score


def test_random_walk_by_hand() -> None:
    # Changes of one step: 2, -1, 3; made symmetric -3 -2 -1 1 2 3; quartiles -1.75, 0, 1.75.
    found = random_walk([4, 6, 5, 8], horizons=1, levels=[0.25, 0.5, 0.75], logarithmic=False)
    np.testing.assert_allclose(found.quantiles[0, 0], [6.25, 8, 9.75])
    # Two steps: 1, 2.
    found = random_walk([4, 6, 5, 8], horizons=2, levels=[0.5, 0.99], logarithmic=False)
    assert found.median[0, 1] == 8


@pytest.mark.parametrize("value", [0, 50])
def test_a_series_that_never_changes_stays(value: int) -> None:
    found = forecast([value] * 40)
    np.testing.assert_allclose(found.median, value, atol=1e-6)


def test_growth_that_was_always_followed_by_growth_is_expected_to_go_on() -> None:
    random = np.random.default_rng(1)
    wave = 200 * np.exp(2 * np.sin(2 * np.pi * np.arange(260) / 52))
    seen = random.poisson(wave)[:212]
    found = forecast(seen)
    naive = random_walk(seen)
    truth = wave[212:216]
    assert np.all(abs(found.median[0] - truth) < abs(naive.median[0] - truth))


@pytest.fixture(scope="module")
def influenza(shared: Path) -> np.ndarray:
    path = shared / "prevention" / "rki_influenza" / "IfSG_Influenzafaelle.tsv"
    if not path.exists():
        pytest.skip(f"no influenza weeks at {path}")
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


def test_it_beats_the_random_walk_on_influenza_it_has_not_seen(influenza: np.ndarray) -> None:
    truth, told, naive = [], [], []
    for origin in range(106, influenza.shape[1] - 4, 5):
        seen = influenza[:, : origin + 1]
        told.append(forecast(seen).quantiles)
        naive.append(random_walk(seen).quantiles)
        truth.append(influenza[:, origin + 1 : origin + 5])
    ours, baseline = (interval_score(np.array(q), QUANTILES, truth).total for q in (told, naive))
    assert ours.mean() < 0.92 * baseline.mean()
    assert (ours.mean(axis=(0, 2)) < baseline.mean(axis=(0, 2))).sum() >= 12
    assert 0.9 <= coverage(np.array(told), QUANTILES, np.array(truth), 0.95) <= 0.98


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 2000), min_size=20, max_size=130),
    st.integers(1, 4),
    st.sampled_from([None, 52]),
)
def test_never_a_surprise(values: list[int], horizons: int, period: int | None) -> None:
    found = forecast(values, horizons=horizons, period=period)
    assert found.quantiles.shape == (1, horizons, 23)
    assert np.all(np.isfinite(found.quantiles)) and np.all(found.quantiles >= 0)
    assert np.all(np.diff(found.quantiles, axis=-1) >= 0)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Invalid, match="too short"):
        forecast([1] * 15)
    with pytest.raises(Invalid, match="from 0 up"):
        forecast([1.0] * 30 + [float("nan")])
    with pytest.raises(Invalid, match="levels"):
        random_walk([1] * 30, levels=[0.9, 0.1])
