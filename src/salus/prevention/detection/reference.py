"""Which past counts a time point is compared with: the same season of the years before, and the seasons
between.

Source: Noufaily et al., Statist. Med. 32 (2013) 1206-1222, for seasons; the choice of the weekday nearest to
the date a year ago and of the longer blocks first follows what the R package surveillance does.
"""

from dataclasses import dataclass

import numpy as np

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Dates, Floats, Indexes


@dataclass(frozen=True, slots=True)
class Window:
    """How history is chosen: `years` back, `half` points on either side, `seasons`, the last `skip` left
    out."""

    years: int
    half: int
    seasons: int
    skip: int


@dataclass(frozen=True, slots=True)
class Reference:
    """Rows of one time point: `back` (n,) how far back each is, `season` (n,) 1 to p, `time` (n,) against
    now.

    Rows rise in season, then in time; `oldest` is where the first row in time stands.
    """

    back: Indexes
    season: Indexes
    time: Floats

    @property
    def key(self) -> bytes:
        """Equal for time points that have the same rows."""
        return self.back.tobytes() + self.season.tobytes() + self.time.tobytes()

    @property
    def bounds(self) -> tuple[int, ...]:
        """Where each season's rows start."""
        starts = np.flatnonzero(np.diff(self.season, prepend=-1))
        return (*(int(one) for one in starts), len(self.season))


def years_back(dates: Dates, now: int, years: int, freq: int) -> Dates:
    """Return the (years + 1,) dates of now and the years before; by weeks, the same weekday nearest to
    each."""
    day = dates[now]
    month = day.astype("datetime64[M]")
    of_month = (day - month.astype("datetime64[D]")).astype(np.int64)
    back = np.arange(years + 1)
    same = (month - 12 * back).astype("datetime64[D]") + of_month  # 29 Feb becomes 1 Mar
    if freq != 52:
        return np.asarray(same)
    weekday = _weekday(same)
    first = same - (weekday - _weekday(day))
    second = first + np.where(first > same, -7, 7)
    nearer = np.abs((first - same).astype(np.int64)) > np.abs((second - same).astype(np.int64))
    return np.asarray(np.where(nearer, second, first))


def reference(counts: Counts, now: int, window: Window) -> Reference | None:
    """Return the rows a time point is compared with; None where the axis does not reach far enough.

    Raises `Invalid` (detection-seasons) if a year is too short for the seasons asked for.
    """
    back = anchors(counts, now, window.years)
    if back is None or now - back[-1] - window.half < -1:
        return None
    half, last = window.half, window.seasons
    labels = np.zeros(now + 1, np.int64)
    labels[max(now - half, 0) :] = last
    between: list[tuple[int, int]] = []
    for year in range(1, window.years + 1):
        at = now - back[year]
        labels[max(at - half, 0) : at + half + 1] = last
        between.append((at + half + 1, now - back[year - 1] - half))
    if last > 1:
        for start, stop in between:
            each, rest = divmod(stop - start, last - 1)
            if each < 1:
                raise Invalid(
                    "detection-seasons", "A year is too short for so many seasons", where=f"{last} seasons",
                    fix="Ask for fewer seasons or a narrower window.",
                )  # fmt: skip
            sizes = np.full(last - 1, each)
            sizes[:rest] += 1
            labels[start:stop] = np.repeat(np.arange(1, last), sizes)
    rows = np.flatnonzero(labels[: max(now - window.skip, 0)])
    if rows.size == 0 or not np.any(labels[rows] == last):
        return None
    rows = rows[np.argsort(labels[rows], kind="stable")]
    if counts.dates is None:
        time = (rows - now).astype(float)
    else:
        step = (counts.dates[1] - counts.dates[0]).astype(np.int64)
        time = (counts.dates[rows] - counts.dates[now]).astype(np.int64) / step
    return Reference(now - rows, labels[rows], time)


def anchors(counts: Counts, now: int, years: int) -> Indexes | None:
    """Return (years + 1,) how far back now and the same time of each year before is; None if one is not
    there."""
    if counts.dates is None:
        back = counts.freq * np.arange(years + 1)
        return back if back[-1] <= now else None
    wanted = years_back(counts.dates, now, years, counts.freq)
    at = np.searchsorted(counts.dates, wanted)
    if not np.array_equal(counts.dates[np.minimum(at, counts.points - 1)], wanted):
        return None
    return np.asarray(now - at, np.int64)


def _weekday(days: Dates) -> Indexes:
    """Return 0 for a Sunday to 6."""
    return np.asarray((np.asarray(days).astype(np.int64) + 4) % 7)
