"""The code systems and value sets that come with the program, from `rules/r4`. Pure."""

from dataclasses import dataclass
from functools import cache

from salus.record.rules.r4 import rows

VERSION = "4.0.1"


@dataclass(frozen=True, slots=True)
class Concept:
    """A code with its display and the code above it ("" at the top)."""

    code: str
    display: str
    parent: str = ""


@cache
def systems() -> dict[str, dict[str, Concept]]:
    """Return the concepts of each shipped code system by code; all of them are complete."""
    found: dict[str, dict[str, Concept]] = {}
    for row in rows("concepts"):
        found.setdefault(row["system"], {})[row["code"]] = Concept(row["code"], row["display"], row["parent"])
    return found


@cache
def value_sets() -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return what each shipped value set includes: code systems with their codes, none for all."""
    found: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for row in rows("value_sets"):
        codes = () if row["codes"] == "*" else tuple(row["codes"].split(" "))
        found.setdefault(row["value_set"], []).append((row["system"], codes))
    return {url: tuple(members) for url, members in found.items()}
