"""Whether a visit's readings meet the programme's aims, and what follows. Pure but for the rules it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from salus.prevention.queries.programme import catalogue

READINGS = ("systolic", "diastolic", "glucose")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`control` is good, poor or empty (not judged); `urgent`: to a hospital at once; `refer`: referred.

    `poor_run` counts poor visits in a row, this one included; `passed` names the readings out of bounds.
    """

    control: str
    urgent: bool
    refer: bool
    poor_run: int
    passed: tuple[str, ...]


def age_on(birth: date | None, day: date) -> int | None:
    """Return the age in completed years."""
    if birth is None:
        return None
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def judge(
    programme: str, readings: Mapping[str, float | None], day: date, *, birth: date | None, poor_before: int
) -> Verdict:
    """Judge a visit's readings (mmHg, mmol/L) by the aims in force on the day.

    Args:
        programme: its code.
        readings: systolic, diastolic, glucose; None or left out where not measured. All that a target
            bounds must be there, else the visit is not judged.
        day: of the visit.
        birth: of the resident; unknown counts as the younger, stricter aim.
        poor_before: poor visits in a row before this one.
    """
    known = {name: value for name, value in readings.items() if value is not None}
    age = age_on(birth, day) or 0
    control, passed = "", []
    for target in catalogue.targets(day):
        if target.programme != programme or not target.age_from <= age < target.age_to:
            continue
        over = [name for name, limit in target.below.items() if name in known and known[name] >= limit]
        passed += over
        if over:
            control = "poor"
        elif set(target.below) <= set(known):
            control = control or "good"
    urgent = False
    for danger in catalogue.dangers(day):
        if programme not in danger.programmes:
            continue
        out = [name for name, limit in danger.above.items() if known.get(name, 0) >= limit]
        out += [name for name, limit in danger.up_to.items() if name in known and known[name] <= limit]
        urgent = urgent or bool(out)
        passed += [name for name in out if name not in passed]
    run = poor_before + 1 if control == "poor" else 0 if control == "good" else poor_before
    rule = catalogue.after_poor(programme, day)
    refer = urgent or (rule is not None and control == "poor" and run >= rule.refer_after)
    return Verdict(control, urgent, refer, run, tuple(passed))
