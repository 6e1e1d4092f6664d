"""Planted in and around drawn lines: what was billed but not given, too much, twice, or for someone else."""

import numpy as np

from salus.city.facts import Ints, diagnosis_index
from salus.city.insurance.catalogue import catalogue
from salus.city.insurance.claims import MINUTES
from salus.city.insurance.frame import OUTPATIENT, STAY, Frame, charges, join, length, take
from salus.city.insurance.lines import UNIT
from salus.city.insurance.miscoding import Truth, impossible_pairs
from salus.city.insurance.plan import FAVOURITES, STRENGTHS, Plan, effect, share
from salus.city.people import NEVER, Bools, Population

OFTEN = (0.0, 0.05, 0.12, 0.25, 0.4, 0.6)
"""By strength: in which share of its claims a unit bills what was not given or takes panels apart."""
Both = tuple[Frame, Frame]
"""Claims and their lines (`claim` counts the claims)."""


def misclaim(
    plan: Plan, block: Population, claims: Frame, lines: Frame, lent: Both, truth: Truth,
    rng: np.random.Generator,
) -> Both:  # fmt: skip
    """Plant in lines and whole claims; return claims and lines with what was added.

    `lent` are the visits of uninsured people, for which a card can be lent.
    """
    clean = length(claims)
    planted = np.zeros(clean, dtype=bool)
    planted[np.concatenate([row["claim"] for row in truth.rows] or [np.zeros(0, dtype=np.int64)])] = True
    lines = _unbundle(plan, claims, lines, truth, rng)
    lines = _inflate(plan, claims, lines, truth, rng)
    lines = _phantom_services(plan, claims, lines, truth, rng)
    for act in (_invented_visits, _billed_twice, _after_death):
        claims, lines = act(plan, block, (claims, lines), planted, truth, rng)
    claims, lines = _lend(plan, block, (claims, lines), lent, truth, rng)
    _impossible(plan, block, claims, clean, planted, truth, rng)
    return claims, lines


def _habit(plan: Plan, claims: Frame, kind: str) -> Ints:
    return plan.habit(kind, claims["place"], claims["department"], claims["admitted"])


def _copy(both: Both, chosen: Ints) -> Both:
    """Return copies of claims with their lines, `claim` counting the copies."""
    claims, lines = both
    order = np.argsort(lines["claim"], kind="stable")
    begin = np.searchsorted(lines["claim"][order], chosen, side="left")
    end = np.searchsorted(lines["claim"][order], chosen, side="right")
    size = end - begin
    first = np.repeat(begin - np.concatenate([[0], np.cumsum(size)[:-1]]), size) if len(chosen) else size
    copied = take(lines, order[first + np.arange(size.sum())]) if len(chosen) else take(lines, chosen)
    copied["claim"] = np.repeat(np.arange(len(chosen)), size)
    return take(claims, chosen), copied


def _append(both: Both, more: Both) -> Both:
    """Return claims and lines with others after them."""
    claims, lines = both
    added = dict(more[1])
    added["claim"] = added["claim"] + length(claims)
    return join([claims, more[0]]), join([lines, added])


def _move(more: Both, day: Ints) -> None:
    """Give copied visits another day."""
    claims, lines = more
    shift = day - claims["admitted"]
    claims["admitted"] = claims["admitted"] + shift
    claims["discharged"] = claims["discharged"] + shift
    claims["start"] = claims["start"] + shift * MINUTES
    lines["day"] = lines["day"] + shift[lines["claim"]]


def _unbundle(plan: Plan, claims: Frame, lines: Frame, truth: Truth, rng: np.random.Generator) -> Frame:
    """Bill a panel's analytes one by one: instead of the panel (1, 2) or beside it (3 to 5)."""
    items = catalogue()
    level = _habit(plan, claims, "unbundling")[lines["claim"]]
    panel = np.isin(lines["item"], list(items.components))
    hit = np.flatnonzero(panel & (rng.random(len(panel)) < np.array(OFTEN)[level]))
    added: list[Frame] = []
    gone = np.zeros(len(panel), dtype=bool)
    for i in hit.tolist():
        strength, parts = int(level[i]), items.components[int(lines["item"][i])]
        count = max(2, round(len(parts) * (0.6, 1.0, 0.5, 0.75, 1.0)[strength - 1]))
        gone[i] = strength <= 2
        chosen = parts[:count]
        tier = plan.tier[claims["place"][lines["claim"][i]]]
        added.append({
            "claim": np.full(count, lines["claim"][i]), "item": chosen, "quantity": np.full(count, UNIT),
            "price": items.price[tier, chosen], "day": np.full(count, lines["day"][i]),
            "department": np.full(count, lines["department"][i]),
        })  # fmt: skip
    who, first = np.unique(lines["claim"][hit], return_index=True)
    truth.add(who, "unbundling", level[hit][first])
    return join([take(lines, np.flatnonzero(~gone)), *added])


def _inflate(plan: Plan, claims: Frame, lines: Frame, truth: Truth, rng: np.random.Generator) -> Frame:
    """Multiply the quantity of medicines and of what is billed by the day or hour."""
    items = catalogue()
    level = _habit(plan, claims, "excess_quantity")
    chosen = (level > 0) & (rng.random(length(claims)) < 0.35)
    able = items.medicine[lines["item"]] & (lines["quantity"] >= 2 * UNIT)
    hit = np.flatnonzero(chosen[lines["claim"]] & able & (rng.random(len(able)) < 0.7))
    factor = effect("excess_quantity", level[lines["claim"][hit]]) * rng.uniform(0.9, 1.1, len(hit))
    more = np.rint(lines["quantity"][hit] / UNIT * factor).astype(np.int64) * UNIT
    raised = more > lines["quantity"][hit]
    lines["quantity"][hit] = np.maximum(more, lines["quantity"][hit])
    who = np.unique(lines["claim"][hit[raised]])
    truth.add(who, "excess_quantity", level[who])
    return lines


def _phantom_services(
    plan: Plan, claims: Frame, lines: Frame, truth: Truth, rng: np.random.Generator
) -> Frame:
    """Bill services that were not given: each unit its few favourites."""
    items = catalogue()
    level = _habit(plan, claims, "phantom_service")
    hit = np.flatnonzero(rng.random(length(claims)) < np.array(OFTEN)[level])
    total = np.bincount(lines["claim"], charges(lines), length(claims))
    place, department, tier = claims["place"][hit], claims["department"][hit], plan.tier[claims["place"][hit]]
    pool = np.concatenate([items.tests, items.therapies])
    pool = pool[~items.hospital[pool] & (items.price[1, pool] < 6000)]
    parts: list[Frame] = []
    left = total[hit] * effect("phantom_service", level[hit]) * rng.uniform(0.8, 1.2, len(hit))
    for turn in range(FAVOURITES):
        item = pool[plan.favourite[place, department, turn] % len(pool)]
        price = items.price[tier, item]
        count = np.clip(np.rint(left / (FAVOURITES - turn) / price), 0, 6).astype(np.int64)
        if turn == 0:
            count = np.maximum(count, 1)
        left = left - count * price
        span = claims["discharged"][hit] - claims["admitted"][hit] + 1
        day = claims["admitted"][hit] + (rng.random(len(hit)) * span).astype(np.int64)
        some = np.flatnonzero(count > 0)
        parts.append({
            "claim": hit[some], "item": item[some], "quantity": count[some] * UNIT, "price": price[some],
            "day": day[some], "department": department[some],
        })  # fmt: skip
    truth.add(hit, "phantom_service", level[hit])
    return join([lines, *parts])


def _invented_visits(
    plan: Plan, block: Population, both: Both, planted: Bools, truth: Truth, rng: np.random.Generator
) -> Both:
    """Invent visits of people known to the unit, by copying an earlier claim with its lines."""
    claims, _ = both
    level = _habit(plan, claims, "phantom_claim")
    hit = rng.random(length(claims)) < effect("phantom_claim", level)
    chosen = np.flatnonzero(hit & (claims["kind"] != STAY))
    more = _copy(both, chosen)
    day = more[0]["admitted"] + np.where(
        level[chosen] >= 4, rng.integers(1, 6, len(chosen)), rng.integers(3, 40, len(chosen))
    )
    _move(more, day)
    alter = (level[chosen] <= 2)[more[1]["claim"]] & (rng.random(len(more[1]["claim"])) < 0.4)
    more[1]["quantity"] = np.where(
        alter,
        np.maximum(UNIT, more[1]["quantity"] + rng.integers(-1, 2, len(alter)) * UNIT),
        more[1]["quantity"],
    )
    return _kept(plan, block, both, more, chosen, "phantom_claim", level[chosen], truth)


def _kept(
    plan: Plan, block: Population, both: Both, more: Both, origin: Ints, kind: str, level: Ints, truth: Truth
) -> Both:
    """Append copied claims that fall into the period and their person's time in the city."""
    claims, _ = more
    last = np.minimum(block.exit[claims["person"]], plan.period.end)
    inside = np.flatnonzero((claims["discharged"] < last) & (claims["admitted"] >= plan.period.start))
    truth.add(length(both[0]) + np.arange(len(inside)), kind, level[inside], other=origin[inside])
    return _append(both, _copy(more, inside))


def _billed_twice(
    plan: Plan, block: Population, both: Both, planted: Bools, truth: Truth, rng: np.random.Generator
) -> Both:
    """Bill a visit again: the nearer in time and place and the more alike, the stronger."""
    claims = both[0]
    able = np.flatnonzero((claims["kind"] != STAY)[: len(planted)] & ~planted)
    chosen = able[rng.random(len(able)) < share("duplicate") * plan.fraud]
    level = rng.integers(1, STRENGTHS + 1, len(chosen))
    more = _copy(both, chosen)
    _move(more, more[0]["admitted"] + effect("duplicate", level).astype(np.int64))
    other = np.isin(level, (1, 2, 4))
    tier = plan.tier[more[0]["place"]]
    for t in range(4):
        mates = np.flatnonzero((plan.tier == t) & plan.caring)
        here = np.flatnonzero(other & (tier == t))
        more[0]["place"][here] = mates[rng.integers(0, len(mates), len(here))]
    changed = (level == 1)[more[1]["claim"]] & (rng.random(len(more[1]["claim"])) < 0.3)
    more[1]["quantity"] = np.where(changed, more[1]["quantity"] + UNIT, more[1]["quantity"])
    return _kept(plan, block, both, more, chosen, "duplicate", level, truth)


def _after_death(
    plan: Plan, block: Population, both: Both, planted: Bools, truth: Truth, rng: np.random.Generator
) -> Both:
    """Go on claiming for the dead: copies of their visits, days after death."""
    claims = both[0]
    dead = block.death[claims["person"]]
    able = np.flatnonzero(
        (claims["kind"] != STAY)[: len(planted)] & ~planted & (dead[: len(planted)] != NEVER)
    )
    able = able[(rng.random(len(able)) < share("after_death") * plan.fraud)]
    level = rng.integers(1, STRENGTHS + 1, len(able))
    more = _copy(both, able)
    after = effect("after_death", level) * rng.uniform(0.6, 1.3, len(able))
    _move(more, dead[able] + np.maximum(1, np.rint(after)).astype(np.int64))
    inside = np.flatnonzero(more[0]["discharged"] < plan.period.end)
    truth.add(length(claims) + np.arange(len(inside)), "after_death", level[inside], other=able[inside])
    return _append(both, _copy(more, inside))


def _lend(
    plan: Plan, block: Population, both: Both, lent: Both, truth: Truth, rng: np.random.Generator
) -> Both:
    """Bill visits of uninsured people on an insured housemate's or another resident's card."""
    visits = lent[0]
    count = round(share("card_lending") * length(visits) * plan.fraud)
    chosen = np.sort(rng.permutation(length(visits))[:count])
    more = _copy(lent, chosen)
    level = rng.integers(1, STRENGTHS + 1, len(chosen))
    cards = np.unique(both[0]["person"])
    stays = np.flatnonzero(both[0]["kind"] == STAY)
    days = both[0]["discharged"][stays] - both[0]["admitted"][stays]
    stays = stays[days >= 3]
    seen = np.flatnonzero(both[0]["kind"] != STAY)
    day = more[0]["admitted"].copy()
    fits = np.ones(len(chosen), dtype=bool)
    for i, (who, strength) in enumerate(zip(visits["person"][chosen].tolist(), level.tolist(), strict=True)):
        if strength == 5 and len(stays):
            stay = stays[rng.integers(0, len(stays))]
            more[0]["person"][i] = both[0]["person"][stay]
            day[i] = both[0]["admitted"][stay] + 1 + rng.integers(0, 2)
            fits[i] = both[0]["place"][stay] != more[0]["place"][i]
        elif strength == 4 and len(seen):
            visit = seen[rng.integers(0, len(seen))]
            more[0]["person"][i] = both[0]["person"][visit]
            day[i] = both[0]["admitted"][visit]
            fits[i] = plan.district[both[0]["place"][visit]] != plan.district[more[0]["place"][i]]
        else:
            more[0]["person"][i], fits[i] = _holder(block, cards, who, strength, rng)
    _move(more, day)
    fitting = np.flatnonzero(fits & (day >= plan.period.start))
    more = _copy(more, fitting)
    return _kept(plan, block, both, more, np.full(len(fitting), NEVER), "card_lending", level[fitting], truth)


def _holder(
    block: Population, cards: Ints, who: int, strength: int, rng: np.random.Generator
) -> tuple[int, bool]:
    """Choose whose card is used: alike (1), of another age (2), of another age and sex (3)."""
    tried = cards[rng.integers(0, len(cards), 40)]
    gap = np.abs(block.birth[tried] - block.birth[who]) / 365.25
    same = block.sex[tried] == block.sex[who]
    wanted = {
        1: same & (gap < 8), 2: same & (gap > 15) & (gap < 30), 3: ~same & (gap > 30),
    }.get(strength, same)  # fmt: skip
    found = np.flatnonzero(wanted)
    return (int(tried[found[0]]), True) if len(found) else (int(tried[0]), False)


def _impossible(
    plan: Plan, block: Population, claims: Frame, clean: int, planted: Bools, truth: Truth,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Claim a diagnosis that the person's sex or age excludes, or nearly."""
    able = np.flatnonzero((claims["kind"][:clean] == OUTPATIENT) & ~planted)
    rate = share("sex_age") * plan.fraud
    chosen = able[rng.random(len(able)) < rate * 2]
    age = (claims["admitted"][chosen] - block.birth[claims["person"][chosen]]) / 365.25
    sex = block.sex[claims["person"][chosen]]
    pairs = impossible_pairs()
    pick = rng.integers(0, len(pairs), len(chosen))
    hits, levels = [], []
    for i, (claim, n) in enumerate(zip(chosen.tolist(), pick.tolist(), strict=True)):
        strength, code, only, low, high = pairs[n]
        wrong_sex = bool(only) and (only == "female") != bool(sex[i])
        wrong_age = age[i] < low - 5 * (low > 0) or age[i] > high + 3
        if wrong_sex if strength >= 4 else wrong_age:
            claims["claimed_principal"][claim] = diagnosis_index(code)
            hits.append(claim)
            levels.append(strength)
    truth.add(np.array(hits, dtype=np.int64), "sex_age", np.array(levels, dtype=np.int64))
