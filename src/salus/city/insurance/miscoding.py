"""Planted before lines are drawn: claims whose codes or stays are not what was treated."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from salus.city.facts import Ints, diagnoses, diagnosis_index, rows
from salus.city.insurance.claims import MINUTES, complicated, likely
from salus.city.insurance.frame import STAY, Frame, codes, empty_secondary, join, length, take
from salus.city.insurance.plan import FRAUDS, Plan, effect
from salus.city.people import NEVER, Bools, Population

SUPPORT = (0.0, 0.55, 0.4, 0.25, 0.1, 0.0)
"""By strength: how often something is billed for a false secondary diagnosis after all."""
BARE = (100, 62, 52, 42, 34, 26)
"""By strength: what a stay without need costs, in percent of a real one."""
GAPS = (0, 12, 8, 5, 2, 1)
"""By strength: days between the parts of a split stay."""
CONTINUED = (0, 30, 50, 70, 85, 100)
"""By strength: by how much less than usual is done at admission to the second part, in percent."""
IDLE = ("I10", "E11.9", "M54.5", "R42", "K29.7", "M47.8", "I25.1", "J20.9")
"""Diagnoses that stays without need are given."""


@dataclass(slots=True)
class Truth:
    """What was planted; NEVER stands for no line and no other claim."""

    rows: list[Frame] = field(default_factory=list)

    def add(
        self, claim: Ints, kind: str, strength: Ints, line: Ints | None = None, other: Ints | None = None
    ) -> None:
        """Note acts of one kind."""
        none = np.full(len(claim), NEVER)
        self.rows.append(
            {
                "claim": claim, "line": none if line is None else line,
                "kind": np.full(len(claim), FRAUDS.index(kind)), "strength": strength,
                "effect": np.rint(effect(kind, strength) * 1000).astype(np.int64),
                "other": none if other is None else other,
            }
        )  # fmt: skip

    def frame(self) -> Frame:
        """Return all acts."""
        none = np.zeros(0, dtype=np.int64)
        blank = dict.fromkeys(("claim", "line", "kind", "strength", "effect", "other"), none)
        return join([blank, *self.rows])


def miscode(plan: Plan, block: Population, claims: Frame, truth: Truth, rng: np.random.Generator) -> Frame:
    """Plant in codes and stays; return the claims with those that were invented."""
    _upcode(plan, block, claims, truth, rng)
    _switch(plan, claims, truth, rng)
    claims = _split(plan, claims, truth, rng)
    return _idle_stays(plan, block, claims, truth, rng)


def _habit(plan: Plan, claims: Frame, kind: str, index: Ints) -> Ints:
    return plan.habit(kind, claims["place"][index], claims["department"][index], claims["admitted"][index])


def _upcode(plan: Plan, block: Population, claims: Frame, truth: Truth, rng: np.random.Generator) -> None:
    plain = np.flatnonzero((claims["kind"] == STAY) & ~complicated(claims["secondary"]))
    level = _habit(plan, claims, "upcoding", plain)
    hit = rng.random(len(plain)) < effect("upcoding", level)
    chosen, level = plain[hit], level[hit]
    facts = rows("insurance_secondary")
    number = np.array([codes().number[row["code"]] for row in facts])
    lifts = codes().severity[number] > 0
    weight = likely(block, take(claims, chosen)) * lifts[None, :] + 1e-12 * lifts[None, :]
    sums = np.cumsum(weight**0.7, axis=1)
    known = sums[:, -1] > 1e-6
    chosen, level, sums = chosen[known], level[known], sums[known]
    pick = (sums < (rng.random(len(chosen)) * sums[:, -1])[:, None]).sum(axis=1)
    false = number[np.minimum(pick, len(number) - 1)]
    free = (claims["claimed_secondary"][chosen] == NEVER).argmax(axis=1)
    full = claims["claimed_secondary"][chosen, free] != NEVER
    free = np.where(full, claims["claimed_secondary"].shape[1] - 1, free)
    claims["claimed_secondary"][chosen, free] = false
    backed = rng.random(len(chosen)) < np.array(SUPPORT)[level]
    claims["support"][chosen[backed]] = false[backed]
    truth.add(chosen, "upcoding", level)


@cache
def _switches() -> Ints:
    """Return to which diagnosis each is switched, NEVER where to none."""
    to = np.full(len(codes().codes), NEVER)
    for row in rows("insurance_switches"):
        if row["to_code"] in codes().number:
            to[codes().number[row["code"]]] = codes().number[row["to_code"]]
    return to


def _switch(plan: Plan, claims: Frame, truth: Truth, rng: np.random.Generator) -> None:
    dearer = _switches()[claims["principal"]]
    able = np.flatnonzero((claims["kind"] == STAY) & (dearer != NEVER) & (claims["operation"] == NEVER))
    level = _habit(plan, claims, "principal_switch", able)
    hit = rng.random(len(able)) < effect("principal_switch", level)
    chosen, level = able[hit], level[hit]
    new = dearer[chosen]
    listed = (claims["claimed_secondary"][chosen] == new[:, None]).any(axis=1)
    chosen, level, new = chosen[~listed], level[~listed], new[~listed]
    claims["claimed_principal"][chosen] = new
    truth.add(chosen, "principal_switch", level)


def _split(plan: Plan, claims: Frame, truth: Truth, rng: np.random.Generator) -> Frame:
    days = claims["discharged"] - claims["admitted"]
    able = np.flatnonzero((claims["kind"] == STAY) & (days >= 5) & (claims["died"] == 0))
    level = _habit(plan, claims, "split_stay", able)
    hit = rng.random(len(able)) < effect("split_stay", level)
    chosen, level = able[hit], level[hit]
    gap = np.maximum(np.array(GAPS)[level] + rng.integers(-1, 2, len(chosen)), 1)
    second = take(claims, chosen)
    middle = second["admitted"] + np.maximum(2, days[chosen] // 2)
    second["discharged"] = second["discharged"] + gap
    second["admitted"] = middle + gap
    second["start"] = second["admitted"] * MINUTES + 540
    second["continued"] = np.array(CONTINUED)[level]
    second["operation"] = np.full(len(chosen), NEVER)
    free = second["discharged"] < np.minimum(_next_stay(claims)[chosen], plan.period.end)
    chosen, level, middle = chosen[free], level[free], middle[free]
    claims["discharged"][chosen] = middle
    first = length(claims)
    claims = join([claims, take(second, np.flatnonzero(free))])
    truth.add(first + np.arange(len(chosen)), "split_stay", level, other=chosen)
    return claims


def _next_stay(claims: Frame) -> Ints:
    """Return the admission of each stay's person's next stay, far ahead where there is none."""
    follows = np.full(length(claims), 1 << 40)
    stays = np.flatnonzero(claims["kind"] == STAY)
    stays = stays[np.lexsort((claims["admitted"][stays], claims["person"][stays]))]
    same = claims["person"][stays[1:]] == claims["person"][stays[:-1]]
    follows[stays[:-1]] = np.where(same, claims["admitted"][stays[1:]], 1 << 40)
    return follows


def _idle_stays(
    plan: Plan, block: Population, claims: Frame, truth: Truth, rng: np.random.Generator
) -> Frame:
    """Invent stays of insured people who needed none: older ones known to the place, several at once."""
    stays = np.flatnonzero(claims["kind"] == STAY)
    level = _habit(plan, claims, "hangbed", stays)
    hit = rng.random(len(stays)) < effect("hangbed", level)
    pattern, level = stays[hit], level[hit]
    known = np.flatnonzero((claims["kind"] != STAY) & (plan.tier[claims["place"]] > 0))
    age = (claims["admitted"][known] - block.birth[claims["person"][known]]) / 365.25
    known = known[age >= 45]
    if not len(known) or not len(pattern):
        return claims
    idle = np.array([diagnosis_index(code) for code in IDLE])
    made = take(claims, pattern)
    count = len(pattern)
    made["person"] = claims["person"][known[rng.integers(0, len(known), count)]]
    week = (claims["admitted"][pattern] - plan.period.start) // 7
    made["admitted"] = plan.period.start + week * 7 + rng.integers(0, 3, count)
    made["discharged"] = made["admitted"] + rng.integers(4, 9, count)
    made["start"] = made["admitted"] * MINUTES + 520 + rng.integers(0, 60, count)
    made["principal"] = idle[rng.integers(0, len(idle), count)]
    made["claimed_principal"] = made["principal"].copy()
    for name in ("secondary", "claimed_secondary"):
        made[name] = empty_secondary(count)
    for name in ("operation", "support"):
        made[name] = np.full(count, NEVER)
    made["died"] = np.zeros(count, dtype=np.int64)
    made["continued"] = np.zeros(count, dtype=np.int64)
    made["referral"] = np.full(count, 2)
    made["bare"] = np.array(BARE)[level]
    inside = made["discharged"] < np.minimum(block.exit[made["person"]], plan.period.end)
    inside &= made["admitted"] >= np.maximum(block.entry[made["person"]], plan.period.start)
    inside &= _free_bed(claims, made)
    chosen = np.flatnonzero(inside)
    first = length(claims)
    truth.add(first + np.arange(len(chosen)), "hangbed", level[chosen])
    return join([claims, take(made, chosen)])


def _free_bed(claims: Frame, made: Frame) -> Bools:
    """Return which invented stays meet no other stay of their person, nor each other."""
    stays = np.flatnonzero(claims["kind"] == STAY)
    taken: dict[int, list[tuple[int, int]]] = {}
    wanted = set(made["person"].tolist())
    for i in stays.tolist():
        person = int(claims["person"][i])
        if person in wanted:
            taken.setdefault(person, []).append((int(claims["admitted"][i]), int(claims["discharged"][i])))
    free = np.zeros(len(made["person"]), dtype=bool)
    for i, (person, begin, end) in enumerate(
        zip(made["person"].tolist(), made["admitted"].tolist(), made["discharged"].tolist(), strict=True)
    ):
        mine = taken.setdefault(person, [])
        if all(end < a or begin > b for a, b in mine):
            free[i] = True
            mine.append((begin, end))
    return free


def impossible_pairs() -> tuple[tuple[int, str, str, int, int], ...]:
    """Return (strength, diagnosis, sex that has it, least and most age) of what is impossible or odd."""
    number = {d.code: d for d in diagnoses()}
    found = (
        (5, "O80.9", "female", 12, 55), (5, "D25.9", "female", 15, 100), (4, "N76.0", "female", 5, 100),
        (4, "N40", "male", 40, 120), (3, "Z38.0", "", 0, 0), (3, "O04.9", "female", 12, 55),
        (2, "H25.9", "", 45, 120), (2, "M81.9", "", 40, 120), (1, "I63.9", "", 40, 120),
        (1, "M17.9", "", 40, 120),
    )  # fmt: skip
    return tuple(one for one in found if one[1] in number)
