"""Which of a block's visits and stays become claims, with which diagnoses and operations."""

from functools import cache

import numpy as np

from salus.city.care import EMERGENCY, INPATIENT, Care
from salus.city.facts import Floats, Ints, diagnoses, rows
from salus.city.insurance.enrolment import Enrolment
from salus.city.insurance.frame import (
    CHRONIC,
    MOST_SECONDARY,
    OUTPATIENT,
    STAY,
    Frame,
    codes,
    empty_secondary,
    join,
    take,
)
from salus.city.insurance.plan import Plan, value
from salus.city.people import NEVER, Bools, Population

MINUTES = 1440
SELF_PAID = ("Z00.0", "H52.1", "K02.9")
"""Diagnoses that residents pay for themselves."""
DAY = 365.25
BANDS = (15, 45, 65)


def draw_claims(
    plan: Plan, block: Population, care: Care, enrolled: Enrolment, rng: np.random.Generator
) -> tuple[Frame, Frame]:
    """Return the block's claims, and the visits of the uninsured (from which cards are lent), by time."""
    visits, period = care.visits, plan.period
    day, known = visits.start // MINUTES, diagnoses()
    inside = (day >= period.start) & (day < period.end)
    lots = rng.random(len(visits))
    free = np.isin(visits.diagnosis, [n for n, d in enumerate(known) if d.code in SELF_PAID])
    covered = enrolled.covered(visits.resident, day)
    chance = np.select(
        [visits.kind == INPATIENT, visits.kind == EMERGENCY],
        [1.0, value("emergency_claimed")],
        default=value("visit_claimed"),
    )
    wanted = inside & (lots < chance) & ~(free & (visits.kind != INPATIENT))
    made = _from_visits(plan, block, care, np.flatnonzero(wanted & covered), rng)
    made = _without_overlaps(block, join([made, _readmissions(plan, block, made, rng)]), rng)
    _diagnose(plan, block, care, made, rng)
    uninsured = np.flatnonzero(
        wanted & (enrolled.scheme[visits.resident] == NEVER) & (visits.kind != INPATIENT)
    )
    lent = _from_visits(plan, block, care, uninsured, rng)
    _chronic(made, enrolled)
    return made, lent


def _from_visits(plan: Plan, block: Population, care: Care, i: Ints, rng: np.random.Generator) -> Frame:
    """Return claims of chosen visits."""
    visits = care.visits
    person, place, kind = visits.resident[i], visits.place[i], visits.kind[i]
    principal = visits.diagnosis[i]
    admitted, discharged = visits.start[i] // MINUTES, visits.end[i] // MINUTES
    stay = kind == INPATIENT
    discharged = np.where(stay, np.minimum(discharged, plan.period.end - 1), admitted)
    discharged = np.maximum(np.minimum(discharged, block.exit[person] - 1), admitted)
    known = diagnoses()
    operable = np.array([bool(d.procedure) for d in known])[principal]
    operation = np.where(operable & (rng.random(len(i)) < np.where(stay, 0.7, 0.05)), principal, NEVER)
    operation = np.where(stay & (visits.child[i] != NEVER) & operable, principal, operation)
    hospital = plan.tier[place] >= 2
    minor = np.isin(principal, minor_operations())
    operation = np.where(hospital | minor, operation, NEVER)
    referred = rng.random(len(i)) < value("referred")
    referral = np.select([kind == EMERGENCY, ~hospital, referred], [1, 2, 0], default=3)
    urgent = rng.random(len(i)) < np.array([d.emergency_share for d in known])[principal]
    referral = np.where(stay & urgent, 1, referral)
    death = block.death[person]
    return {
        "person": person, "kind": np.where(stay, STAY, OUTPATIENT), "place": place,
        "admitted": admitted, "discharged": discharged, "principal": principal,
        "secondary": empty_secondary(len(i)), "operation": operation, "claimed_principal": principal.copy(),
        "claimed_secondary": empty_secondary(len(i)), "referral": referral,
        "department": codes().department[principal],
        "died": (stay & (death != NEVER) & (death <= discharged)).astype(np.int64),
        "start": visits.start[i], "support": np.full(len(i), NEVER),
        "bare": np.full(len(i), 100), "continued": np.zeros(len(i), dtype=np.int64),
    }  # fmt: skip


@cache
def minor_operations() -> Ints:
    """Return the diagnoses whose operation is done in primary care too."""
    minor = {"23.2", "23.70", "86.59", "73.59"}
    return np.array([n for n, d in enumerate(diagnoses()) if d.procedure in minor])


def _readmissions(plan: Plan, block: Population, made: Frame, rng: np.random.Generator) -> Frame:
    """Return honest stays for the same diagnosis within 3 to 30 days after another."""
    again = (made["kind"] == STAY) & (made["died"] == 0) & (made["operation"] == NEVER)
    chosen = np.flatnonzero(again & (rng.random(len(again)) < value("readmission")))
    more = take(made, chosen)
    length_ = more["discharged"] - more["admitted"]
    more["admitted"] = more["discharged"] + rng.integers(3, 31, len(chosen))
    more["discharged"] = more["admitted"] + np.maximum(
        1, (length_ * rng.uniform(0.5, 1.4, len(chosen))).astype(np.int64)
    )
    stepped = rng.random(len(chosen)) < value("continued_care")
    more["admitted"] = np.where(
        stepped, more["admitted"] - rng.integers(0, 12, len(chosen)), more["admitted"]
    )
    more["admitted"] = np.maximum(more["admitted"], made["discharged"][chosen] + 1)
    more["discharged"] = np.maximum(more["discharged"], more["admitted"] + 1)
    more["start"] = more["admitted"] * MINUTES + 600
    more["continued"] = np.where(stepped, 60, 0)
    last = np.minimum(block.exit[more["person"]], plan.period.end)
    return take(more, np.flatnonzero(more["discharged"] < last))


def _without_overlaps(block: Population, made: Frame, rng: np.random.Generator) -> Frame:
    """Leave out stays that begin in another, and most visits during a stay (a few are honest mistakes)."""
    stays = np.flatnonzero(made["kind"] == STAY)
    stays = stays[np.lexsort((made["start"][stays], made["person"][stays]))]
    wide = 1 << 20
    begin = made["person"][stays] * wide + made["admitted"][stays]
    end = np.maximum.accumulate(made["person"][stays] * wide + made["discharged"][stays])
    clear = np.ones(len(stays), dtype=bool)
    clear[1:] = end[:-1] < begin[1:]
    stays = stays[clear]
    first = made["person"][stays] * wide + made["admitted"][stays]
    last = made["person"][stays] * wide + made["discharged"][stays]
    visits = np.flatnonzero(made["kind"] != STAY)
    when = made["person"][visits] * wide + made["admitted"][visits]
    before = np.searchsorted(first, when, side="right") - 1
    during = (before >= 0) & (first[np.maximum(before, 0)] < when) & (when < last[np.maximum(before, 0)]) \
        if len(stays) else np.zeros(len(visits), dtype=bool)  # fmt: skip
    kept = visits[~during | (rng.random(len(visits)) < 0.01)]
    chosen = np.concatenate([stays, kept])
    return take(made, chosen[np.lexsort((made["person"][chosen], made["start"][chosen]))])


@cache
def _secondary() -> dict[str, Floats]:
    """Return the rules of secondary diagnoses as arrays; `weight` has shape (diagnoses, four age bands)."""
    facts = rows("insurance_secondary")
    known, departments = diagnoses(), codes().departments
    lean = np.zeros((len(facts), len(departments)))
    for n, row in enumerate(facts):
        named = [one for one in row["departments"].split(";") if one in departments]
        bound = row["code"][0] in "OP"
        lean[n] = 1.0 if not named else 0.0 if bound else 0.35
        lean[n, [departments.index(one) for one in named]] = 4.0 if not bound else 1.0
    chronic = [d.code for d in known if d.chronic]
    suffixes = ("0_14", "15_44", "45_64", "65")
    return {
        "weight": np.array([[float(row[f"weight_{s}"]) for s in suffixes] for row in facts]) / 1000,
        "lean": lean,
        "code": np.array([codes().number[row["code"]] for row in facts], dtype=float),
        "chronic": np.array(
            [chronic.index(r["code"]) if r["code"] in chronic else NEVER for r in facts], float
        ),
        "stem": np.array([_stem(row["code"]) for row in facts], dtype=float),
        "male": np.array([row["code"] == "N40" for row in facts], dtype=float),
        "days": np.array([float(row["added_days"]) for row in facts]),
        "cost": np.array([float(row["cost_factor"]) for row in facts]),
    }


def _stem(code: str) -> int:
    """Return a number for the first three characters of a code."""
    return ord(code[0]) * 100 + int(code[1:3])


@cache
def _stems() -> Ints:
    return np.array([_stem(code) for code in codes().codes])


def likely(block: Population, claims: Frame) -> Floats:
    """Return each claim's chance of each secondary diagnosis, shape (claims, secondary diagnoses)."""
    facts = _secondary()
    age = (claims["admitted"] - block.birth[claims["person"]]) / DAY
    band = np.searchsorted(BANDS, age, side="right")
    chance = facts["weight"][:, band].T * facts["lean"][:, claims["department"]].T
    same = facts["stem"][None, :] == _stems()[claims["principal"]][:, None]
    male = (facts["male"] > 0)[None, :] & (block.sex[claims["person"]] == 1)[:, None]
    return np.where(same | male, 0.0, chance)


def _diagnose(plan: Plan, block: Population, care: Care, made: Frame, rng: np.random.Generator) -> None:
    """Give stays their secondary diagnoses, and lengthen them by these; visits get chronic diseases known."""
    stays = np.flatnonzero(made["kind"] == STAY)
    facts, part = _secondary(), take(made, stays)
    chance = likely(block, part)
    chronic = facts["chronic"].astype(np.int64)
    known = chronic >= 0
    ill = care.conditions[part["person"]][:, np.maximum(chronic, 0)]
    chance = np.where(known[None, :], np.where(ill & (chance > 0), 0.75, 0.0), chance)
    chance = chance * np.where(known[None, :], 1.0, plan.coding[part["place"]][:, None])
    hit = rng.random(chance.shape) < chance
    rank = np.where(hit, rng.random(chance.shape) + facts["cost"][None, :], -1.0)
    best = np.argsort(-rank, axis=1)[:, :MOST_SECONDARY]
    chosen = np.take_along_axis(rank, best, axis=1) > 0
    secondary = np.where(chosen, facts["code"].astype(np.int64)[best], NEVER)
    added = (facts["days"][best] * chosen).sum(axis=1) * rng.uniform(0.6, 1.4, len(stays))
    room = _room(plan, block, made, stays)
    longer = np.minimum(added.astype(np.int64), room)
    made["discharged"][stays] += np.where(part["died"] == 1, 0, longer)
    made["secondary"][stays] = secondary
    made["claimed_secondary"][stays] = secondary


def _room(plan: Plan, block: Population, made: Frame, stays: Ints) -> Ints:
    """Return by how many days each stay can be lengthened before the next, the end or the way out."""
    person = made["person"][stays]
    order = np.lexsort((made["admitted"][stays], person))
    follows = np.full(len(stays), plan.period.end, dtype=np.int64)
    ordered = stays[order]
    same = made["person"][ordered[1:]] == made["person"][ordered[:-1]]
    follows[order[:-1]] = np.where(same, made["admitted"][ordered[1:]], plan.period.end)
    last = np.minimum(np.minimum(follows, block.exit[person]), plan.period.end) - 1
    return np.maximum(last - made["discharged"][stays], 0)


def _chronic(made: Frame, enrolled: Enrolment) -> None:
    """Turn visits for an illness that the person is registered for into chronic claims."""
    listed = np.array([bool(name) for name in codes().illness])
    ill = listed[made["principal"]] & (made["kind"] == OUTPATIENT)
    mine = enrolled.registered_for(made["person"], made["principal"])
    made["kind"] = np.where(ill & mine, CHRONIC, made["kind"])


def severity_cost(secondary: Ints) -> Floats:
    """Return the factor on a stay's cost of its secondary diagnoses, shape (claims, ranks) to (claims)."""
    factor = np.ones(len(codes().codes) + 1)
    factor[_secondary()["code"].astype(np.int64)] = _secondary()["cost"]
    return np.asarray(np.minimum(factor[secondary].prod(axis=1), 4.0))


def complicated(secondary: Ints) -> Bools:
    """Return whether a claim has a secondary diagnosis that can lift its group."""
    severity = np.append(codes().severity, 0)
    return np.asarray((severity[secondary] > 0).any(axis=1))
