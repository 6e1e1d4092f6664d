"""Reading the reference of R's surveillance, and comparing with it."""

import csv
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from salus.prevention.detection import Counts, Detection, farrington_flexible, with_settings
from salus.prevention.detection.series_file import read_series

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (
    Path(os.environ.get("SALUS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    / "prevention"
    / "surveillance_ref"
)
SAME = 1e-6
NOTHING = 1e-9  # a score or slope nearer to zero is rounding


@cache
def series_of(dataset: str) -> Counts:
    """Return the counts of an input file."""
    ((_, counts),) = read_series(REFERENCE / f"input_{dataset}.csv")
    return counts


def number(text: str) -> float:
    """Return a number of R, NaN for none."""
    return float(text) if text not in ("", "NA", "NaN") else float("nan")


def beside(found: Detection, rows: list[dict[str, str]], column: str, table: Any) -> tuple[Any, Any]:
    """Return R's values of a column and the detection's at the same series and time points."""
    series = {name: place for place, name in enumerate(found.counts.names)}
    at = {int(now) + 1: place for place, now in enumerate(found.at)}
    got = np.array([float(table[series[row["series"]], at[int(row["t"])]]) for row in rows])
    return np.array([number(row[column]) for row in rows]), got


def differing(wanted: Any, got: Any) -> int:
    """Count values that are neither both missing nor within 1e-6 of each other."""
    none = np.isnan(wanted) & np.isnan(got)
    with np.errstate(invalid="ignore"):  # an infinite bound less itself
        near = np.abs(wanted - got) <= SAME * np.abs(wanted) + NOTHING
    return int(np.count_nonzero(~(none | near | (wanted == got))))


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with path.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def compared(path: Path, settings: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return how many values of an ff file were compared, how many differ, and how many alarms differ."""
    rows = read(path)
    at = sorted({int(row["t"]) - 1 for row in rows})
    found = farrington_flexible(series_of(rows[0]["dataset"]), with_settings("default", **settings), at)
    columns = {
        "upperbound": found.bound, "expected": found.expected, "phi": found.more["phi"],
        "pvalue": found.pvalue, "score": found.score, "trendcoef": found.more["trend_slope"],
        "mu0": found.more["mu0"], "trend": found.more["trend"],
    }  # fmt: skip
    differ = sum(differing(*beside(found, rows, column, table)) for column, table in columns.items())
    alarms, ours = beside(found, rows, "alarm", found.alarm)
    return len(rows) * len(columns), differ, int(np.count_nonzero(np.nan_to_num(alarms) != ours))
