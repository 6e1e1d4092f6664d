"""A hidden outbreak: salmonella in two neighbouring streets over three weeks. Only the truth names it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.city.facts import Ints, diagnosis_index
from salus.city.geography import Ground
from salus.city.people import NEVER, Population, Window
from salus.city.prevention.outbreaks import Planted, plan_outbreaks
from salus.city.streams import substream

CODE = "A02.0"


@dataclass(frozen=True, slots=True)
class Outbreak:
    """Where, when and how hard. `attack` is the share of residents of the streets who fall ill."""

    seed: int
    streets: tuple[int, ...]
    first_day: int
    peak_day: int
    attack: float
    others: tuple[Planted, ...]
    """The outbreaks of other diseases that are planted beside it."""

    @classmethod
    def plan(cls, seed: int, ground: Ground, window: Window, residents: int) -> "Outbreak":
        """Draw the outbreak's streets and days, somewhere in the window's second year, and the others."""
        rng = substream(seed, "outbreak-plan")
        street = int(rng.integers(len(ground.streets)))
        mates = [
            i
            for i, area in enumerate(ground.streets)
            if area.parent == ground.streets[street].parent and i != street
        ]
        first = window.start + int((0.62 + 0.25 * rng.random()) * window.days)
        peak = first + 6 + int(rng.integers(4))
        others = plan_outbreaks(seed, ground, window, residents)
        return cls(seed, (street, *mates[:1]), first, peak, 0.045, others)

    def cases(
        self, block: Population, ground: Ground, near: dict[str, Ints], rng: np.random.Generator
    ) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints, NDArray[np.bool_]]:
        """Return the outbreak's visits in one block, as the columns of `care.Visits` (times in minutes)."""
        home = block.home_street[block.household]
        there = (
            np.isin(home, self.streets) & (block.entry < self.first_day) & (block.exit > self.first_day + 30)
        )
        ill = np.flatnonzero(there & (rng.random(len(block)) < self.attack))
        day = self.first_day + np.clip(
            rng.gamma(4.0, (self.peak_day - self.first_day) / 3.0, len(ill)), 0, 24
        ).astype(np.int64)
        start = day * 1440 + 420 + (rng.random(len(ill)) * 900).astype(np.int64)
        hospital = rng.random(len(ill)) < 0.7
        place = np.where(hospital, near["tertiary"][ill], near["community"][ill])
        kind = np.where(hospital & (rng.random(len(ill)) < 0.6), 1, 0)
        same = np.full(len(ill), NEVER, dtype=np.int64)
        return (
            ill,
            start,
            start + 60,
            kind,
            np.full(len(ill), diagnosis_index(CODE)),
            place,
            same,
            np.ones(len(ill), dtype=bool),
        )
