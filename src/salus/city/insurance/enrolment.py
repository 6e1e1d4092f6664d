"""Who is insured when, in which scheme and household, what was paid, and who has which status."""

from dataclasses import dataclass

import numpy as np

from salus.city.care import Care
from salus.city.facts import Floats, Ints, diagnoses
from salus.city.insurance.frame import codes
from salus.city.insurance.plan import Plan, value
from salus.city.people import NEVER, Bools, Population

SCHEMES = ("employee", "resident")
CATEGORIES = ("worker", "flexible", "retired", "adult", "child", "student", "newborn")
STATUSES = (
    "extreme_poverty", "low_income", "low_income_edge", "severe_disability", "disability", "maternity",
)  # fmt: skip
DAY = 365.25
FAR = 47_481
"""2099-12-31: the end of what has no end yet."""


@dataclass(slots=True)
class Enrolment:
    """Arrays with one element a resident, or a row of `spells`, `statuses` and `registrations`."""

    scheme: Ints
    """Index of SCHEMES; NEVER if not insured."""
    category: Ints
    starts: Ints
    ends: Ints
    waits: Ints
    """First day of benefits, or NEVER."""
    lapsed: Bools
    status: tuple[Ints, Ints, Ints, Ints]
    """person, status, first and last day."""
    registration: tuple[Ints, Ints, Ints]
    """person, number of the diagnosis, first day."""
    wage: Floats
    """Monthly wage in yuan of workers."""
    registered: Bools
    """Shape (residents, chronic diagnoses)."""
    unregistered_death: Bools

    def covered(self, person: Ints, day: Ints) -> Bools:
        """Return who is insured on which day (waiting counts as insured)."""
        inside = (day >= self.starts[person]) & (day <= self.ends[person])
        return np.asarray((self.scheme[person] != NEVER) & inside)

    def registered_for(self, person: Ints, diagnosis: Ints) -> Bools:
        """Return who is registered for the chronic illness of a diagnosis."""
        acute = sum(not d.chronic for d in diagnoses())
        chronic = np.clip(diagnosis - acute, 0, self.registered.shape[1] - 1)
        return np.asarray(
            (diagnosis >= acute) & (diagnosis < len(diagnoses())) & self.registered[person, chronic]
        )


def enrol(plan: Plan, block: Population, care: Care, rng: np.random.Generator) -> Enrolment:
    """Draw the enrolment of one block for the period of the claims."""
    count, period = len(block), plan.period
    age = (period.start - block.birth) / DAY
    scheme = np.where(block.insurance == 2, NEVER, block.insurance)
    newborn = block.born_here & (block.birth >= period.start)
    scheme = np.where(newborn, np.where(rng.random(count) < value("new_born_insured"), 1, NEVER), scheme)
    lots = rng.random((count, 6))
    worker = np.select([block.employment == 4, lots[:, 0] < 0.12], [2, 1], default=0)
    resident = np.select([newborn, age < 6, (age < 20) & (block.employment == 1)], [6, 4, 5], default=3)
    category = np.where(scheme == 0, worker, np.where(scheme == 1, resident, NEVER))
    years = _year_starts(plan)
    starts = np.maximum(block.entry, years)
    ends = np.minimum(block.exit, FAR) - 1
    unknown = (block.death != NEVER) & (lots[:, 4] < value("died_unregistered"))
    ends = np.where((block.exit >= plan.city.window.end) | unknown, FAR, ends)
    voluntary = (scheme == 1) & ~newborn
    lapsed = voluntary & (lots[:, 1] < value("lapse"))
    late = voluntary & ~lapsed & (lots[:, 2] < value("late"))
    waits = np.full(count, NEVER)
    paid = period.start + (lots[:, 3] * 150).astype(np.int64)
    starts = np.where(late, np.maximum(starts, paid), starts)
    waits = np.where(late, starts + 90, waits)
    # Who lapsed is covered until the end of the year before the claims' last year.
    ends = np.where(lapsed, np.minimum(ends, period.end - 366), ends)
    wage = np.exp(rng.normal(np.log(value("wage_median")), value("wage_deviation"), count))
    registered = _registered(care, rng)
    return Enrolment(
        scheme, category, starts, ends, waits, lapsed, _statuses(plan, block, rng),
        _registrations(plan, block, registered), wage, registered,
        unknown,
    )  # fmt: skip


def _year_starts(plan: Plan) -> int:
    """Return the day from which the fund's books go back: a year before the claims."""
    return plan.period.start - 366


def _registered(care: Care, rng: np.random.Generator) -> Bools:
    """Return who is registered for which chronic diagnosis, of those that are on the list."""
    listed = np.array([bool(codes().illness[codes().number[d.code]]) for d in diagnoses() if d.chronic])
    lots = rng.random(care.conditions.shape)
    return np.asarray(care.conditions & listed[None, :] & (lots < value("registered_chronic")))


def _registrations(plan: Plan, block: Population, registered: Bools) -> tuple[Ints, Ints, Ints]:
    acute = sum(not d.chronic for d in diagnoses())
    person, chronic = np.nonzero(registered)
    return person, chronic + acute, np.maximum(block.entry[person], _year_starts(plan))


def _statuses(plan: Plan, block: Population, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    count = len(block)
    lots = rng.random((count, 2))
    start = np.maximum(block.entry, _year_starts(plan))
    destitute = block.poverty & (lots[:, 0] < value("destitute"))
    edge = ~block.poverty & (lots[:, 1] < value("low_income_edge"))
    severe = (block.disability > 0) & (block.disability <= 2)
    parts = [
        (np.flatnonzero(who), number)
        for who, number in (
            (destitute, 0), (block.poverty & ~destitute, 1), (edge, 2), (severe, 3),
            (block.disability > 2, 4),
        )
    ]  # fmt: skip
    born = np.flatnonzero(block.born_here & (block.mother != NEVER))
    mother = block.mother[born]
    person = np.concatenate([*(who for who, _ in parts), mother])
    status = np.concatenate([*(np.full(len(who), n) for who, n in parts), np.full(len(born), 5)])
    first = np.concatenate([*(start[who] for who, _ in parts), block.birth[born] - 252])
    last = np.concatenate([*(np.full(len(who), FAR) for who, _ in parts), block.birth[born] + 180])
    return person, status, first, last
