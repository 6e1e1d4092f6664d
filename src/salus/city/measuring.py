"""Laboratory values: a person's own level, what a disease does to it, and the day's noise."""

import math

from salus.city.facts import Test, tests_of
from salus.city.people import Population

INFECTIONS = frozenset({"J18.9", "J20.9", "N39.0", "K35.8", "A02.0", "A09.9", "J11.1", "A38", "A03.9"})


def measure(test: Test, female: bool, level: float, noise: float, conditions: frozenset[str]) -> float:
    """Return a test's value in its unit.

    `level` is the person's standing and `noise` the day's, both standard normal; `conditions` are the
    ICD-10 codes of what the person has and of today's diagnosis. Four fifths of the spread is the person's.
    """
    mean = test.mean_female if female else test.mean_male
    value = mean + test.deviation * (0.8 * level + 0.6 * noise)
    for condition, effect in test.effects:
        if condition in conditions or (condition == "infection" and conditions & INFECTIONS):
            value += effect * math.exp(0.35 * noise - 0.06)
    floor = test.low * 0.45 if test.low > 0 else 0.0
    return round(max(value, floor), test.digits)


def noises(lots: list[float]) -> list[float]:
    """Return roughly normal noises from uniform lots (sums of three, variance 1)."""
    return [
        2 * (lots[k] + lots[(k + 3) % len(lots)] + lots[(k + 7) % len(lots)] - 1.5) for k in range(len(lots))
    ]


def panel_values(
    block: Population,
    resident: int,
    panel: str,
    levels: list[float],
    noises: list[float],
    conditions: frozenset[str],
) -> list[tuple[Test, float]]:
    """Return the tests of a panel with the values of one taking."""
    female = bool(block.sex[resident])
    return [
        (
            test,
            measure(
                test,
                female,
                levels[(sum(test.loinc.encode()) + k) % len(levels)],
                noises[k % len(noises)],
                conditions,
            ),
        )
        for k, test in enumerate(tests_of(panel))
    ]
