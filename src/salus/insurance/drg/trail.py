"""An explanation as a list of steps in words."""

from dataclasses import dataclass

from salus.insurance.drg.explain import Explanation, Verdict


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One step of an explanation in words: what was tried, whether it held, and what decided."""

    what: str
    name: str
    held: bool
    why: str


def trail(told: Explanation, *, gates: bool = True) -> list[TrailStep]:
    """Return an explanation as steps; without `gates` only categories that the case passes."""
    steps = []
    for category in told.tried:
        if gates or category.gate.held:
            steps.append(TrailStep(category.mdc, category.name, category.gate.held, reasons(category.gate)))
        for one in category.groups:
            steps.append(TrailStep(one.adrg, one.name, one.verdict.held, reasons(one.verdict)))
            for split in one.splits:
                steps.append(TrailStep(split.drg, split.name, split.verdict.held, reasons(split.verdict)))
    return steps


def reasons(verdict: Verdict) -> str:
    """Return what decided a rule: the questions that failed or held, with the codes that met them."""
    told = []
    for one in verdict.why():
        codes = f" ({', '.join(one.found[:4])}{' …' if len(one.found) > 4 else ''})" if one.found else ""
        told.append(f"{one.text}{codes}")
    return "; ".join(told)
