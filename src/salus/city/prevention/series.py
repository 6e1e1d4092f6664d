"""Weekly counts of many diseases and places over years, with planted outbreaks: what detectors are run on."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from salus.city.facts import Floats, Ints, rows
from salus.city.people import Bools
from salus.city.streams import substream

SERIES = pa.schema([
    ("dataset", pa.string()), ("series", pa.string()), ("t", pa.int64()), ("epoch", pa.string()),
    ("epochAsDate", pa.string()), ("freq", pa.int64()), ("start_year", pa.int64()),
    ("start_period", pa.int64()), ("observed", pa.int64()), ("population", pa.float64()),
    ("state", pa.int64()),
])  # fmt: skip
"""The columns that `salus prevention detect` reads; `state` is 1 in the weeks of a planted outbreak."""
OUTBREAKS = pa.schema([
    ("series", pa.string()), ("first_t", pa.int64()), ("last_t", pa.int64()), ("first_week", pa.date32()),
    ("size", pa.float64()), ("cases", pa.int64()),
])  # fmt: skip
"""The truth: `size` is the expected number of cases in standard deviations of the first week's count."""
A_YEAR = 365.25 / 7
BATCH = 500


def draw_series(
    seed: int, residents: int, count: int, weeks: int, last_week: date
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield series and their outbreaks, 500 series at a time; `last_week` is a Monday.

    A series is a disease in a place: level, season, trend and dispersion are drawn, from a case in half a
    year to some hundreds a week; four in a hundred change their reporting at some week. Each series has an
    outbreak every two years or so, of 2 to 12 standard deviations, over 1 to 8 weeks.
    """
    diseases = [row["disease"] for row in rows("notifiable_diseases")]
    monday = [(last_week - timedelta(weeks=weeks - 1 - t)).isoformat() for t in range(weeks)]
    year, week, _ = date.fromisoformat(monday[0]).isocalendar()
    for part in range(-(-count // BATCH)):
        size = min(BATCH, count - part * BATCH)
        observed, state, truth = _draw(substream(seed, "series", part), size, weeks)
        names = [f"{diseases[n % len(diseases)]}/{n:05d}" for n in range(part * BATCH, part * BATCH + size)]
        whole = size * weeks
        share = float(residents) / max(count // len(diseases), 1)
        yield pa.table([
            pa.repeat(pa.scalar("city"), whole), pa.array(np.repeat(np.array(names), weeks)),
            pa.array(np.tile(np.arange(1, weeks + 1), size)), pa.array(np.tile(np.array(monday), size)),
            pa.repeat(pa.scalar("TRUE"), whole), pa.array(np.full(whole, 52)), pa.array(np.full(whole, year)),
            pa.array(np.full(whole, week)), pa.array(observed.ravel()), pa.array(np.full(whole, share)),
            pa.array(state.ravel().astype(np.int64)),
        ], schema=SERIES), pa.table([
            pa.array([names[one] for one, *_ in truth], pa.string()),
            pa.array([first + 1 for _, first, *_ in truth], pa.int64()),
            pa.array([last + 1 for _, _, last, *_ in truth], pa.int64()),
            pa.array([date.fromisoformat(monday[first]) for _, first, *_ in truth], pa.date32()),
            pa.array([amount for *_, amount, _ in truth], pa.float64()),
            pa.array([cases for *_, cases in truth], pa.int64()),
        ], schema=OUTBREAKS)  # fmt: skip


Truth = list[tuple[int, int, int, float, int]]
"""Series, first and last week (from 0), size, cases."""


def _draw(rng: np.random.Generator, size: int, weeks: int) -> tuple[Ints, Bools, Truth]:
    t = np.arange(weeks)
    level = np.exp(rng.normal(1.0, 1.9, size)).clip(0.04, 400)
    trend = rng.normal(0, 0.04, size) * (rng.random(size) < 0.6)
    amplitude, peak = rng.beta(1.4, 2.2, size), rng.random(size)
    phase = 2 * np.pi * (t[None, :] / A_YEAR - peak[:, None])
    mean = level[:, None] * np.exp(trend[:, None] * t / A_YEAR + 1.3 * amplitude[:, None] * np.cos(phase))
    changed = rng.random(size) < 0.04
    when = (rng.uniform(0.3, 0.9, size) * weeks).astype(np.int64)
    factor = np.exp(rng.normal(0, 0.6, size))
    mean = np.where(changed[:, None] & (t >= when[:, None]), mean * factor[:, None], mean)
    phi = 1 + rng.gamma(1.2, 0.6, size)
    observed = rng.poisson(rng.gamma(mean / (phi - 1)[:, None], (phi - 1)[:, None]))
    deviation: Floats = np.sqrt(mean * phi[:, None])
    state = np.zeros(observed.shape, dtype=bool)
    truth: Truth = []
    number = rng.poisson(weeks / 104, size)
    for one in np.repeat(np.arange(size), number).tolist():
        first, amount = int(rng.integers(weeks)), float(np.round(rng.uniform(2, 12), 1))
        cases = max(2, int(rng.poisson(amount * deviation[one, first])))
        stretch = float(rng.uniform(0.6, 2.4))
        place = first + np.floor(rng.lognormal(0, 0.5, cases) * stretch).astype(np.int64)
        place = place[place < weeks]
        if not len(place):
            continue
        observed[one] += np.bincount(place, minlength=weeks)
        begin, end = int(place.min()), int(place.max())
        state[one, begin : end + 1] = True
        truth.append((one, begin, end, amount, len(place)))
    return observed.astype(np.int64), state, truth
