"""Benchmarks: each figure has a stable name, a unit and a target, and runs its peer in the same run."""

from collections.abc import Callable
from dataclasses import dataclass, field

REGISTRY: dict[str, "Figure"] = {}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a figure's run gives: its value a run, and the peer's, if one could be run.

    `peer_missing` says why a peer was not run. `note` is printed beside the figure.
    """

    values: list[float]
    peer_values: list[float] = field(default_factory=list)
    peer_missing: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A named figure: how to measure it and what it must reach. `better` is "higher" or "lower"."""

    name: str
    room: str
    unit: str
    target: float
    better: str
    peer: str
    run: Callable[[bool], Measured]
    about: str


def figure(
    name: str, *, room: str, unit: str, target: float, better: str = "higher", peer: str = ""
) -> Callable[[Callable[[bool], Measured]], Callable[[bool], Measured]]:
    """Register `run(quick)` as the measurement of a figure; `quick` asks for the short seeded form."""

    def register(run: Callable[[bool], Measured]) -> Callable[[bool], Measured]:
        if name in REGISTRY:
            raise ValueError(f"two figures are named {name}")
        about = (run.__doc__ or "").strip().splitlines()[0]
        REGISTRY[name] = Figure(name, room, unit, target, better, peer, run, about)
        return run

    return register
