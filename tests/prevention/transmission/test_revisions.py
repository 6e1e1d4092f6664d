"""Revisions: by hand, with known truth, and on archived nowcasts of the Robert Koch Institute."""

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from salus.kernel.errors import Invalid
from salus.prevention.transmission.revisions import revise
from salus.prevention.transmission.scoring import coverage, interval_score

NAN = float("nan")


def test_one_age_by_hand() -> None:
    # log(later + 1) - log(earlier + 1) is ln 2, ln 4, ln 2 (9 to 19, 9 to 39, 9 to 19): mean 4/3 ln 2,
    # squares 2/3 ln² 2, with 2 degrees of freedom: spread ln 2 / √3, widened by √(4/3).
    found = revise([[9], [9], [9]], [[19], [39], [19]], [9], levels=[0.5, 0.975])
    ln2 = np.log(2)
    assert found.quantiles[0, 0] == pytest.approx(10 * 2 ** (4 / 3) - 1)
    wide = ln2 / np.sqrt(3) * np.sqrt(4 / 3) * stats.t.ppf(0.975, 2)
    assert found.quantiles[0, 1] == pytest.approx(10 * np.exp(4 / 3 * ln2 + wide) - 1)


def test_intervals_hold_what_they_say() -> None:
    random = np.random.default_rng(1)
    told, truth = [], []
    for _ in range(200):
        early = random.uniform(50, 500, (9, 4))
        late = early * np.exp(random.normal([0.5, 0.3, 0.1, 0], [0.2, 0.15, 0.1, 0.05], (9, 4)))
        told.append(revise(early[:8], late[:8], early[8], levels=[0.025, 0.5, 0.975]).quantiles)
        truth.append(late[8])
    assert 0.92 <= coverage(np.array(told), [0.025, 0.5, 0.975], np.array(truth), 0.95) <= 0.98


def test_values_that_never_change_do_not() -> None:
    np.testing.assert_allclose(revise([[5, 7]] * 4, [[5, 7]] * 4, [6, 0]).quantiles, [[6] * 23, [0] * 23])


def test_it_foretells_revisions_better_than_the_published_intervals(shared: Path) -> None:
    files = sorted((shared / "prevention" / "rki_nowcast").glob("Nowcast_R_20*.csv"))
    if not files:
        pytest.skip("no archived nowcasts of the Robert Koch Institute")
    levels, names = (0.025, 0.5, 0.975), ("UG_PI_COVID_Faelle", "PS_COVID_Faelle", "OG_PI_COVID_Faelle")
    archives = []
    for path in files:
        with path.open(encoding="utf-8-sig") as file:
            archives.append(
                {
                    dt.date.fromisoformat(row["Datum"]): [float(row[name]) for name in names]
                    for row in csv.DictReader(file)
                }
            )
    earlier, later, ours, theirs = [], [], [], []
    for now, then in zip(archives, archives[1:], strict=False):
        days = [max(now) - dt.timedelta(age) for age in range(14)]
        latest, truth = np.array([now[day] for day in days]), np.array([then[day][1] for day in days])
        if len(earlier) >= 4:
            found = revise(earlier, later, latest[:, 1], levels=levels).quantiles
            ours.append(interval_score(found, levels, truth).total)
            theirs.append(interval_score(latest, levels, truth).total)
        earlier.append(latest[:, 1])
        later.append(truth)
    assert np.mean(ours) < 0.9 * np.mean(theirs)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(Invalid, match="three"):
        revise([[1, 2], [1, NAN], [3, 4]], [[1, 2]] * 3, [1, 2])
    with pytest.raises(Invalid, match="from 0 up"):
        revise([[1]] * 4, [[1]] * 4, [-1])
