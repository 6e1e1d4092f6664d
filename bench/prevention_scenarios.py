"""What detectors are measured by: the 42 published scenarios, each detector and their combination."""

import statistics
from functools import cache

from bench import Measured, figure
from salus.prevention.detection.comparing import COMBINED, Study, rows, study

FULL, QUICK = 10, 2
"""Series a scenario."""
TRAINING, UNSEEN = 201, 202
"""Seeds: of the series on which thresholds are chosen, and of those on which results are told.

The combined score's weights and thresholds are those of the rules, fitted on another seed (101)."""
HEAD = (
    "how",
    "detector",
    "FPR",
    "POD",
    "POD1week",
    "sensitivity",
    "specificity",
    "PPV",
    "NPV",
    "F1",
    "delay",
)


@cache
def _study(quick: bool) -> Study:
    return study(QUICK if quick else FULL, TRAINING, UNSEEN)


def _best(found: dict[str, float]) -> tuple[str, float]:
    single = {name: value for name, value in found.items() if name != COMBINED}
    name = max(single, key=lambda one: single[one])
    return name, single[name]


def _gain(quick: bool, level: float) -> Measured:
    made = _study(quick)
    exact = dict(made.exact[level])
    name, best = _best(exact)
    listed = ", ".join(f"{k} {v:.1%}" for k, v in sorted(exact.items(), key=lambda one: -one[1]))
    return Measured([100 * (exact[COMBINED] - best)], note=f"best single {name}; found: {listed}")


@figure("detect-scenarios-combined", room="prevention", unit="points of detection", target=5)
def combined(quick: bool) -> Measured:
    """Outbreaks that the combined score finds above the best single detector, at 1 % false alarms a week."""
    return _gain(quick, 0.01)


@figure("detect-scenarios-combined-2-5", room="prevention", unit="points of detection", target=5)
def combined_loose(quick: bool) -> Measured:
    """Outbreaks that the combined score finds above the best single detector, at 2.5 % false alarms."""
    return _gain(quick, 0.025)


@figure("detect-scenarios-table", room="prevention", unit="detectors", target=12)
def table(quick: bool) -> Measured:
    """The measures of every detector, by its own settings and at equal rates of false alarms."""
    made = _study(quick)
    lines = ["; ".join(HEAD)]
    for how, name, *numbers in rows(made):
        lines.append(f"{how}; {name}; " + "; ".join(f"{number:.3f}" for number in numbers))
    return Measured([float(len(made.own))], note=f"{made.outbreaks} outbreaks\n" + "\n".join(lines))


@figure(
    "detect-scenarios-false-alarms", room="prevention", unit="share a week", target=0.0125, better="lower"
)
def false_alarms(quick: bool) -> Measured:
    """The combined score's false alarms on unseen series, at the rules' threshold for 1 %."""
    made = _study(quick)
    found = made.equal[0.01][COMBINED]
    middle = statistics.median(one.fpr for one in made.own.values())
    return Measured(
        [found.fpr], note=f"found {found.pod:.1%}; median FPR of detectors' own settings {middle:.1%}"
    )
