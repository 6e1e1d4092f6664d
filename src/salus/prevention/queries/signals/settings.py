"""Which detectors are in use here: the city's own file, else the delivered one."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from pathlib import Path

from django.conf import settings

from salus.prevention.detection.uses import Uses, uses


def own_file() -> Path:
    """Return where the city's own file may lie."""
    return Path(settings.DATA_DIR) / "rules" / "detection_use.toml"


def in_use() -> Uses:
    """Return the detectors in use; a changed file counts at once. Raises `Invalid` where it is wrong."""
    return uses(own_file())


@cache
def serial_intervals() -> dict[str, tuple[float, float, str, str]]:
    """Return mean and deviation (days), source and whether it was read, by disease."""
    text = files("salus.prevention").joinpath("rules", "detection_serial_intervals.csv").read_text("utf-8")
    return {
        row["disease"]: (float(row["mean"]), float(row["sd"]), row["source"], row["checked"])
        for row in csv.DictReader(text.splitlines())
    }
