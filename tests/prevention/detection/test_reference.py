"""Numbers of R's surveillance: every configuration and data set of the reference."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.prevention_detection import CONFIGS
from salus.prevention.detection import EarsControl, ears
from tests.prevention.detection.reference import REFERENCE, beside, compared, differing, read, series_of


@pytest.mark.parametrize("config", CONFIGS)
def test_farrington_agrees_with_r(shared: Path, config: str) -> None:
    files = sorted(REFERENCE.glob(f"ff_*__{config}.csv"))
    if not files:
        pytest.skip(f"the reference has no {config}")
    for path in files:
        values, differ, alarms = compared(path, CONFIGS[config])
        assert values > 0
        assert (differ, alarms) == (0, 0), path.name


@pytest.mark.parametrize("variant", ["C1", "C2", "C3"])
def test_ears_agrees_with_r(shared: Path, variant: str) -> None:
    checked: Counter[str] = Counter()
    for path in sorted(REFERENCE.glob(f"ears_*__{variant}_*.csv")):
        rows = read(path)
        dataset, _, settings = path.stem.removeprefix("ears_").partition("__")
        _, baseline, least = settings.split("_")
        control = EarsControl(variant, int(baseline[1:]), float(least[2:]))
        found = ears(series_of(dataset), control)
        assert differing(*beside(found, rows, "upperbound", found.bound)) == 0, path.name
        wanted, got = beside(found, rows, "alarm", found.alarm)
        assert np.array_equal(np.nan_to_num(wanted), got), path.name
        checked[dataset] += len(rows)
    assert len(checked) >= 1


def test_one_fit_step_by_step(shared: Path) -> None:
    """One Noufaily fit of the reference: leverages, residuals, weights and the fitted means after
    reweighting."""
    from salus.prevention.detection.fitting import Design, Response, fit_slope
    from salus.prevention.detection.model import Rules, _leverage, _row_dispersion, _sixth, _weights

    rows = read(REFERENCE / "internals_agona_k300_p10_rows.csv")
    y = np.array([float(row["response"]) for row in rows])
    season = np.array([int(float(row["seasgroup"])) for row in rows])
    time = np.array([float(row["wtime"]) for row in rows])
    order = np.argsort(season, kind="stable")
    starts = np.flatnonzero(np.diff(season[order], prepend=-1))
    design = Design.of(time[order] - 300, (*map(int, starts), len(y)))
    sorted_y = y[order][:, None]
    response = Response(
        sorted_y, np.cbrt(sorted_y) ** 2, np.log(sorted_y + 0.1),
        np.where(sorted_y > 0, sorted_y * np.log(np.maximum(sorted_y, 1)), 0.0), None, None, None,
    )  # fmt: skip
    first = fit_slope(design, response, None)
    freedom = np.array([float(len(y) - design.seasons - 1)])
    phi, _ = _row_dispersion(response, first, None, freedom)
    hat = _leverage(design, first, None)
    wanted = {
        name: np.array([float(row[name]) for row in rows])[order] for name in ("mu1", "hat1", "omega", "mu2")
    }
    np.testing.assert_allclose(first.mean[:, 0], wanted["mu1"], rtol=1e-9)
    np.testing.assert_allclose(hat[:, 0], wanted["hat1"], rtol=1e-9)
    rules = Rules(True, 1.0, True, 2.58, "r", 4)
    omega = _weights(hat, _sixth(design, response, first), response, phi, rules, np.array([float(len(y))]))
    np.testing.assert_allclose(omega[:, 0], wanted["omega"], rtol=1e-9)
    second = fit_slope(design, response, omega)
    np.testing.assert_allclose(second.mean[:, 0], wanted["mu2"], rtol=1e-9)
