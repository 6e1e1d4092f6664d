"""What claims are made of: lines drawn from the diagnoses that were truly treated, scaled to a drawn cost."""

from dataclasses import dataclass, field

import numpy as np

from salus.city.facts import Floats, Ints
from salus.city.insurance.catalogue import BY_THE_HOUR, Catalogue, catalogue
from salus.city.insurance.claims import severity_cost
from salus.city.insurance.frame import CHRONIC, STAY, Frame, codes, join, take
from salus.city.insurance.plan import Plan, value
from salus.city.insurance.practice import practice
from salus.city.people import NEVER, Bools, Population

DAY = 365.25
UNIT = 1000
"""One unit of quantity: quantities are thousandths."""
BATTERY = (
    ("blood_count", 0.92), ("urinalysis", 0.75), ("liver_function", 0.7), ("renal_function", 0.7),
    ("electrolytes", 0.5), ("ecg", 0.7), ("chest_xray", 0.4), ("coagulation", 0.35),
)  # fmt: skip
"""What is asked at admission, and how often."""


@dataclass(slots=True)
class Pen:
    """Collects lines of one set of claims; items not licensed at a claim's tier are left out."""

    plan: Plan
    claims: Frame
    rng: np.random.Generator
    items: Catalogue = field(default_factory=catalogue)
    parts: list[Frame] = field(default_factory=list)

    @property
    def tier(self) -> Ints:
        """Return each claim's tier."""
        return self.plan.tier[self.claims["place"]]

    def add(self, claim: Ints, item: Ints | int, quantity: Ints | int = 1, day: Ints | None = None) -> None:
        """Write lines: `claim` and `item` are numbers, `quantity` units, `day` defaults to admission."""
        what = np.broadcast_to(np.asarray(item, dtype=np.int64), claim.shape)
        amount = np.broadcast_to(np.asarray(quantity, dtype=np.int64), claim.shape)
        place = self.claims["place"][claim]
        tier = self.plan.tier[place]
        kept = (what != NEVER) & (amount > 0)
        kept &= ~(self.items.hospital[np.maximum(what, 0)] & (tier < 2))
        claim, what, amount, tier = claim[kept], what[kept], amount[kept], tier[kept]
        when = self.claims["admitted"][claim] if day is None else day[kept]
        price = self.items.price[tier, what]
        discount = 100 - (place[kept] * 7 + what * 3) % 12
        price = np.where(self.items.medicine[what], np.maximum(1, price * discount // 100), price)
        self.parts.append(
            {
                "claim": claim, "item": what, "quantity": amount * UNIT, "price": price, "day": when,
                "department": self.claims["department"][claim],
            }
        )  # fmt: skip

    def spent(self, of: Bools | None = None) -> Ints:
        """Return what each claim's lines (of some items) add up to so far, in fen."""
        total = np.zeros(len(self.claims["person"]))
        for part in self.parts:
            charge = part["quantity"] // UNIT * part["price"]
            charge = charge if of is None else charge * of[part["item"]]
            total += np.bincount(part["claim"], charge, len(total))
        return total.astype(np.int64)

    def some_day(self, claim: Ints) -> Ints:
        """Draw a day of each claim's stay."""
        span = self.claims["discharged"][claim] - self.claims["admitted"][claim] + 1
        return self.claims["admitted"][claim] + (self.rng.random(len(claim)) * span).astype(np.int64)

    def preparation(self, claim: Ints, molecule: Ints) -> Ints:
        """Choose the item of a molecule that an institution mostly stocks."""
        known = practice()
        other = np.where(self.rng.random(len(claim)) < 0.2, self.rng.integers(0, 97, len(claim)), 0)
        pick = (self.claims["place"][claim] * 13 + molecule * 5 + other) % known.molecule_count[molecule]
        return np.asarray(known.molecule_items[molecule, pick])

    def lines(self) -> Frame:
        """Return the lines by claim, in the order in which they were written."""
        whole = join(self.parts)
        return take(whole, np.argsort(whole["claim"], kind="stable"))


def _chosen(table: Ints, share: float, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return rows and values of a padded table, each kept with a chance."""
    hit = (table != NEVER) & (rng.random(table.shape) < share)
    row, _ = np.nonzero(hit)
    return row, table[hit]


def stay_lines(plan: Plan, block: Population, stays: Frame, rng: np.random.Generator) -> Frame:
    """Return the lines of stays; `claim` counts the rows of `stays`."""
    known, items, pen = practice(), catalogue(), Pen(plan, stays, rng)
    count = len(stays["person"])
    everyone = np.arange(count)
    days = np.maximum(stays["discharged"] - stays["admitted"], 1)
    principal, operation = stays["principal"], stays["operation"]
    own = np.minimum(principal, len(known.cost) - 1)
    bare, whole = stays["bare"] < 100, stays["continued"] == 0
    again = 1 - stays["continued"] / 100
    severe = severity_cost(stays["secondary"])
    pen.add(everyone, items.key("bed"), days, stays["discharged"])
    heavy = (severe > 1.4) | (operation != NEVER)
    pen.add(
        everyone, np.where(heavy, items.key("nursing_1"), items.key("nursing_2")), days, stays["discharged"]
    )
    pen.add(everyone, items.key("consult_ward"), days, stays["discharged"])
    for name, chance in BATTERY:
        asked = rng.random(count) < np.where(bare, chance * 0.25, chance) * again
        pen.add(np.flatnonzero(asked), items.key(name))
    pen.add(np.flatnonzero(whole & ~bare), items.key("venous_sampling"))
    _treat(pen, own, operation, bare)
    _treat_secondary(pen, rng)
    target = _target(plan, block, stays, severe, days, rng)
    _tests(pen, own, target, bare)
    _medicate(pen, own, target, days, rng)
    return pen.lines()


def _target(
    plan: Plan, block: Population, stays: Frame, severe: Floats, days: Ints, rng: np.random.Generator
) -> Floats:
    """Return what each stay is drawn to cost, in fen: log-normal by diagnosis, operation, tier and age."""
    known = practice()
    own = np.minimum(stays["principal"], len(known.cost) - 1)
    tier = plan.tier[stays["place"]]
    level = np.select([tier == 3, tier == 2], [value("tier_cost_3"), 1.0], default=value("tier_cost_1"))
    age = (stays["admitted"] - block.birth[stays["person"]]) / DAY
    aged = np.select(
        [age < 15, age < 45, age < 65],
        [value("age_cost_0_14"), value("age_cost_15_44"), 1.0],
        default=value("age_cost_65"),
    )
    longer = np.clip(days / np.maximum(known.days[own], 1), 0.2, 6) ** 0.6
    spread = np.exp(rng.normal(0, value("cost_deviation"), len(own)))
    medical = known.cost[own] * level * aged * severe * longer * spread * plan.cost[stays["place"]]
    operated = stays["operation"] != NEVER
    surgical = np.where(operated, known.operation_cost[own], 0) * np.sqrt(level) * spread
    return np.asarray((medical + surgical) * 100 * stays["bare"] / 100)


def _treat(pen: Pen, own: Ints, operation: Ints, bare: Bools) -> None:
    """Write the operation with its consumables, and the services that the diagnosis calls for."""
    known, items, rng = practice(), pen.items, pen.rng
    done = np.flatnonzero((operation != NEVER) & (pen.claims["continued"] == 0))
    cut = pen.claims["admitted"][done] + np.minimum(
        1, pen.claims["discharged"][done] - pen.claims["admitted"][done]
    )
    pen.add(done, known.operation[operation[done]], 1, cut)
    pen.add(done, known.anaesthesia[operation[done]], 1, cut)
    row, kind = _chosen(known.materials[operation[done]], 0.92, rng)
    pick = (pen.claims["place"][done[row]] * 5 + kind * 3) % known.material_count[kind]
    pen.add(done[row], known.material_items[kind, pick], 1 + (rng.random(len(row)) < 0.2), cut[row])
    usual = np.where(bare[:, None], NEVER, known.services[own])
    row, service = _chosen(usual, 0.72, rng)
    hourly = np.isin(service, [items.key(name) for name in BY_THE_HOUR if name in items.by_key])
    pen.add(row, service, np.where(hourly, 12 + rng.integers(0, 60, len(row)), 1), pen.some_day(row))
    row, service = _chosen(np.where(bare[:, None], NEVER, known.panels[own]), 0.6, rng)
    pen.add(row, service, 1, pen.some_day(row))


def _treat_secondary(pen: Pen, rng: np.random.Generator) -> None:
    """Write what was done for the true secondary diagnoses; a few left no trace."""
    known, items = practice(), pen.items
    secondary = pen.claims["secondary"]
    documented = rng.random(secondary.shape) >= value("undocumented")
    for rank in range(secondary.shape[1]):
        there = np.flatnonzero((secondary[:, rank] != NEVER) & documented[:, rank])
        code = secondary[there, rank]
        row, service = _chosen(known.secondary_services[code], 0.8, rng)
        hourly = np.isin(service, [items.key(name) for name in BY_THE_HOUR if name in items.by_key])
        pen.add(
            there[row], service, np.where(hourly, 12 + rng.integers(0, 72, len(row)), 1),
            pen.some_day(there[row]),
        )  # fmt: skip
        row, molecule = _chosen(known.secondary_molecules[code], 0.85, rng)
        _give(pen, there[row], molecule, rng.uniform(0.5, 1.0, len(row)))
    backed = np.flatnonzero(pen.claims["support"] != NEVER)
    service = known.secondary_services[pen.claims["support"][backed], 0]
    pen.add(backed, service, 1, pen.some_day(backed))


def _give(pen: Pen, claim: Ints, molecule: Ints, part: Floats) -> None:
    """Write a medicine over a part of the stay's days."""
    item = pen.preparation(claim, molecule)
    days = np.maximum(pen.claims["discharged"][claim] - pen.claims["admitted"][claim], 1)
    units = np.maximum(1, np.rint(days * part * pen.items.daily[item])).astype(np.int64)
    pen.add(claim, item, units, pen.claims["admitted"][claim])


def _tests(pen: Pen, own: Ints, target: Floats, bare: Bools) -> None:
    """Write tests and therapies of all kinds until the diagnosis' share of the cost is met."""
    known, items, rng = practice(), pen.items, pen.rng
    mean = items.price[3, items.tests].mean()
    wanted = np.clip(target * known.test_share[own] * 0.45 / mean, 0, 7) * np.where(bare, 0.2, 1.0)
    claim = np.repeat(np.arange(len(own)), rng.poisson(wanted))
    pen.add(claim, items.tests[_zipf(len(items.tests), claim, own, rng)], 1, pen.some_day(claim))
    room = np.clip(1 - known.medicine_share[own] - known.test_share[own], 0.05, 1)
    wanted = np.clip(target * room * 0.2 / mean, 0, 4) * np.where(bare, 0.3, 1.0)
    claim = np.repeat(np.arange(len(own)), rng.poisson(wanted))
    pen.add(claim, items.therapies[_zipf(len(items.therapies), claim, own, rng)],
            1 + rng.integers(0, 3, len(claim)), pen.some_day(claim))  # fmt: skip
    _single_analytes(pen, len(own), 0.06)


def _single_analytes(pen: Pen, count: int, share: float) -> None:
    """Write, for a few claims, one to four analytes of a panel asked for by themselves, as is allowed."""
    panels = list(pen.items.components.values())
    claim = np.flatnonzero(pen.rng.random(count) < share)
    which, day = pen.rng.integers(0, len(panels), len(claim)), pen.some_day(claim)
    wanted = 1 + np.minimum(pen.rng.poisson(0.8, len(claim)), 3)
    for turn in range(4):
        asked = np.flatnonzero(wanted > turn)
        part = np.array([panels[n][turn % len(panels[n])] for n in which[asked].tolist()], dtype=np.int64)
        pen.add(claim[asked], part, 1, day[asked])


def _zipf(count: int, claim: Ints, own: Ints, rng: np.random.Generator) -> Ints:
    """Draw places in a pool: the first of an order that each diagnosis has of its own are drawn most."""
    rank = np.floor(np.exp(rng.random(len(claim)) * np.log(count))).astype(np.int64) - 1
    return np.asarray((rank * 31 + own[claim] * 17) % count)


def _medicate(pen: Pen, own: Ints, target: Floats, days: Ints, rng: np.random.Generator) -> None:
    """Write the diagnosis' medicines and infusions, in amounts that bring the stay to its drawn cost."""
    known, items = practice(), pen.items
    row, molecule = _chosen(known.molecules[own], 0.7, rng)
    item = pen.preparation(row, molecule)
    usual = items.daily[item] * days[row] * rng.lognormal(0, 0.22, len(row))
    usual = np.where(pen.claims["bare"][row] < 100, usual * 0.5, usual)
    pen.add(row, item, np.maximum(1, np.rint(usual)).astype(np.int64), pen.claims["admitted"][row])
    left = np.maximum(target * known.medicine_share[own] - pen.spent(items.medicine), 0)
    more, adjuvant = _adjuvants(pen, own, left, days)
    row, item = np.concatenate([row, more]), np.concatenate([item, adjuvant])
    injected = np.array([item.category == "injection" for item in items.items])
    drips = np.bincount(row, injected[item], len(own)) > 0
    infused = np.flatnonzero(drips & (rng.random(len(own)) < 0.9))
    count = np.maximum(1, np.rint(days[infused] * rng.uniform(0.6, 1.0, len(infused)))).astype(np.int64)
    _daily(pen, infused, items.key("infusion"), count)
    salt = np.full(len(infused), list(items.by_molecule).index("B05BB01"))
    pen.add(infused, pen.preparation(infused, salt), np.maximum(1, count), pen.claims["admitted"][infused])
    kit = items.materials["HC01"]
    pen.add(infused, kit[pen.claims["place"][infused] % len(kit)], count, pen.claims["admitted"][infused])
    # What is still missing is nursing and treatment by the day, as far as it can be billed.
    gap = np.maximum(target - pen.spent(), 0) * (pen.claims["bare"] == 100)
    wide = np.flatnonzero(gap > 30_000)
    pool = items.therapies
    pick = pool[(own[wide] * 29 + rng.integers(0, 6, len(wide)) * 5) % len(pool)]
    most = np.minimum(np.rint(gap[wide] * 0.4 / items.price[3, pick]), days[wide] * 2).astype(np.int64)
    _daily(pen, wide, pick, most)


def _adjuvants(pen: Pen, own: Ints, left: Floats, days: Ints) -> tuple[Ints, Ints]:
    """Write adjuvant medicines, more where more is left of the medicines' share; return claims and items."""
    items, rng = pen.items, pen.rng
    wanted = np.minimum(rng.poisson(np.clip(left / (days * 6_000.0), 0, 4)), 5)
    claim = np.repeat(np.arange(len(own)), wanted)
    pool = np.array([n for n, m in enumerate(items.by_molecule) if _adjuvant(items, m)])
    molecule = pool[_zipf(len(pool), claim, own, rng)]
    item = pen.preparation(claim, molecule)
    units = np.rint(items.daily[item] * days[claim] * rng.uniform(0.6, 1.1, len(claim)))
    pen.add(claim, item, np.maximum(1, units).astype(np.int64), pen.claims["admitted"][claim])
    return claim, item


def _adjuvant(items: Catalogue, molecule: str) -> bool:
    """Return whether a molecule is given beside others: injections of 20 to 120 yuan a day."""
    item = items.items[int(items.by_molecule[molecule][0])]
    return item.category == "injection" and 2_000 <= item.price * item.daily <= 12_000


def _daily(pen: Pen, claim: Ints, item: Ints | int, units: Ints) -> None:
    """Write units over the days of a stay, in at most three lines, so that no day has more than it may."""
    span = np.maximum(pen.claims["discharged"][claim] - pen.claims["admitted"][claim], 1)
    for part in range(3):
        count = (units + 2 - part) // 3
        count = np.minimum(count, 4)
        pen.add(claim, item, count, pen.claims["admitted"][claim] + span * part // 3)


def visit_lines(plan: Plan, visits: Frame, rng: np.random.Generator) -> Frame:
    """Return the lines of outpatient and chronic claims; `claim` counts the rows of `visits`."""
    known, items, pen = practice(), catalogue(), Pen(plan, visits, rng)
    count = len(visits["person"])
    everyone = np.arange(count)
    own = np.minimum(visits["principal"], len(known.cost) - 1)
    expert = (pen.tier == 3) & (rng.random(count) < 0.3)
    fee = np.where(expert, items.key("consult_expert"), items.key("consult_general"))
    fee = np.where((visits["referral"] == 1) & (pen.tier >= 2), items.key("consult_emergency"), fee)
    pen.add(everyone, fee)
    ask = np.where(pen.tier >= 2, 0.34, 0.14)
    row, service = _chosen(known.panels[own], 1.0, rng)
    kept = rng.random(len(row)) < ask[row]
    pen.add(row[kept], service[kept])
    row, service = _chosen(known.services[own], 1.0, rng)
    bedside = np.isin(
        service, [items.key(n) for n in ("bed", "ecg_monitor", "oxygen", "hemiplegia_training")]
    )
    kept = (rng.random(len(row)) < ask[row] * 0.35) & ~bedside
    pen.add(row[kept], service[kept])
    operated = np.flatnonzero(visits["operation"] != NEVER)
    pen.add(operated, known.operation[visits["operation"][operated]])
    pen.add(operated, known.anaesthesia[visits["operation"][operated]])
    chronic = visits["kind"] == CHRONIC
    row, molecule = _chosen(known.molecules[own], 0.55, rng)
    item = pen.preparation(row, molecule)
    injected = np.array([item.category == "injection" for item in items.items])[item]
    sold = ~injected | (items.daily[item] <= 0.5) | (rng.random(len(row)) < 0.12)
    row, item, injected = row[sold], item[sold], injected[sold]
    supply = np.where(chronic[row], rng.choice([28, 30, 56, 60], len(row)), rng.integers(3, 8, len(row)))
    supply = np.where(injected & (items.daily[item] > 0.5), rng.integers(1, 4, len(row)), supply)
    pen.add(row, item, np.maximum(1, np.rint(items.daily[item] * supply)).astype(np.int64))
    claim = np.flatnonzero(rng.random(count) < ask * 0.5)
    pen.add(claim, items.tests[_zipf(len(items.tests), claim, own, rng)])
    physical = np.isin(visits["department"], [codes().departments.index("骨科")])
    claim = np.flatnonzero(physical & (rng.random(count) < 0.4))
    pen.add(claim, items.therapies[_zipf(len(items.therapies), claim, own, rng)], 1)
    _single_analytes(pen, count, 0.01)
    return pen.lines()


def split_kinds(claims: Frame) -> tuple[Ints, Ints]:
    """Return the numbers of the stays and of the visits."""
    stay = claims["kind"] == STAY
    return np.flatnonzero(stay), np.flatnonzero(~stay)


def draw_lines(plan: Plan, block: Population, claims: Frame, rng: np.random.Generator) -> Frame:
    """Return the lines of claims by claim; `claim` counts the rows of `claims`."""
    stays, visits = split_kinds(claims)
    parts = []
    for index, lines in (
        (stays, stay_lines(plan, block, take(claims, stays), rng)),
        (visits, visit_lines(plan, take(claims, visits), rng)),
    ):
        lines["claim"] = index[lines["claim"]]
        parts.append(lines)
    whole = join(parts)
    return _refilled(claims, take(whole, np.argsort(whole["claim"], kind="stable")), rng)


def _refilled(claims: Frame, lines: Frame, rng: np.random.Generator) -> Frame:
    """Make some chronic claims exact refills of the one before: same place, same lines."""
    i = np.flatnonzero(claims["kind"] == CHRONIC)
    i = i[np.lexsort((claims["start"][i], claims["principal"][i], claims["person"][i]))]
    pairs = [claims[name][i[1:]] == claims[name][i[:-1]] for name in ("person", "principal", "place")]
    same = np.logical_and.reduce(pairs) & (claims["admitted"][i[1:]] - claims["admitted"][i[:-1]] >= 14)
    later = np.flatnonzero(same & (rng.random(len(same)) < value("refill")))
    later = later[~np.isin(later - 1, later)]
    copy, origin = i[later + 1], i[later]
    begin = np.searchsorted(lines["claim"], origin, side="left")
    size = np.searchsorted(lines["claim"], origin, side="right") - begin
    step = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    new = take(lines, np.repeat(begin, size) + step)
    new["claim"] = np.repeat(copy, size)
    new["day"] = claims["admitted"][new["claim"]]
    whole = join([take(lines, np.flatnonzero(~np.isin(lines["claim"], copy))), new])
    return take(whole, np.argsort(whole["claim"], kind="stable"))
