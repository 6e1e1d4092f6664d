"""UCUM units that convert into each other, from `rules/units.csv`."""

import csv
from functools import cache
from importlib.resources import files


@cache
def conversions() -> dict[str, tuple[str, str]]:
    """Return each unit's dimension and its factor to that dimension's base, as text."""
    with (files(__package__ or __name__) / "rules" / "units.csv").open(encoding="utf-8") as file:
        return {row["unit"]: (row["dimension"], row["factor"]) for row in csv.DictReader(file)}
