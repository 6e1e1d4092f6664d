"""Transmission chains: generations, places in a drawing, serial intervals and secondary cases. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import fmean, median
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place(Generic[K]):
    """Where a case stands: its generation from 0 (nobody is known to have infected it) and its row."""

    case: K
    generation: int
    row: int


@dataclass(frozen=True, slots=True)
class Chain(Generic[K]):
    """A forest of transmissions.

    Attributes:
        places: of every case, by row; children stand below and right of who infected them.
        edges: (source, case) that were drawn; a case has one source at most.
        spare: edges left out because the case has another source, or because they close a circle.
        secondary: how many each case infected.
        serial: days between the onsets of source and case, for drawn edges with both days.
    """

    places: tuple[Place[K], ...]
    edges: tuple[tuple[K, K], ...]
    spare: tuple[tuple[K, K], ...]
    secondary: Mapping[K, int]
    serial: tuple[int, ...]

    @property
    def mean_secondary(self) -> float | None:
        """Secondary cases a case, over all cases; None without cases."""
        return fmean(self.secondary.values()) if self.secondary else None

    @property
    def median_serial(self) -> float | None:
        """The median serial interval in days; None where no edge has both onsets."""
        return float(median(self.serial)) if self.serial else None


def chain(
    cases: Iterable[K], edges: Iterable[tuple[K, K]], onsets: Mapping[K, date | None] | None = None
) -> Chain[K]:
    """Lay out who infected whom.

    Args:
        cases: all cases, in the order in which equals are drawn.
        edges: (source, case), the likeliest source of a case first.
        onsets: the day of onset by case; earlier ones are drawn first.

    Ends of edges that are no case are left out.
    """
    order = {case: n for n, case in enumerate(dict.fromkeys(cases))}
    days = onsets or {}
    source: dict[K, K] = {}
    spare: list[tuple[K, K]] = []
    for one, other in edges:
        if one not in order or other not in order:
            continue
        if other in source or _above(source, one, other):
            spare.append((one, other))
        else:
            source[other] = one
    children: dict[K, list[K]] = defaultdict(list)
    for case, parent in source.items():
        children[parent].append(case)

    def when(case: K) -> tuple[date, int]:
        return days.get(case) or date.max, order[case]

    places: list[Place[K]] = []
    roots = sorted((case for case in order if case not in source), key=when)
    stack = [(case, 0) for case in reversed(roots)]
    while stack:
        case, generation = stack.pop()
        places.append(Place(case, generation, len(places)))
        stack += [(child, generation + 1) for child in sorted(children[case], key=when, reverse=True)]
    drawn = tuple((source[place.case], place.case) for place in places if place.case in source)
    serial = [
        (later - earlier).days
        for one, other in drawn
        if (earlier := days.get(one)) is not None and (later := days.get(other)) is not None
    ]
    return Chain(
        tuple(places), drawn, tuple(spare), {case: len(children[case]) for case in order}, tuple(serial)
    )


def _above(source: Mapping[K, K], low: K, high: K) -> bool:
    """Say whether `high` is `low` itself or among those above it."""
    at: K | None = low
    while at is not None:
        if at == high:
            return True
        at = source.get(at)
    return False


def generations(places: Sequence[Place[K]]) -> dict[int, int]:
    """Return how many cases there are in each generation."""
    found: dict[int, int] = defaultdict(int)
    for place in places:
        found[place.generation] += 1
    return dict(sorted(found.items()))
