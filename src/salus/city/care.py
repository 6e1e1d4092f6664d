"""Two years of care: who visits whom, why, what was measured, done, given and vaccinated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.city.facts import (
    BAND_EDGES,
    Floats,
    Ints,
    by_age,
    diagnoses,
    diagnosis_index,
    draw,
    table,
)
from salus.city.geography import Ground
from salus.city.institutions import CARE_TIERS, Registers
from salus.city.kinds import AMBULATORY as AMBULATORY
from salus.city.kinds import EMERGENCY as EMERGENCY
from salus.city.kinds import INPATIENT as INPATIENT
from salus.city.kinds import MINUTES, season
from salus.city.outbreak import Outbreak
from salus.city.people import NEVER, Population, Window
from salus.city.prevention.cases import case_visits
from salus.city.prevention.programme import (
    CHRONIC,
    Enrolled,
    Pregnancies,
    antenatal_visits,
    child_checks,
    enrol,
    follow_ups,
    pregnancies,
    visits_a_year,
)
from salus.city.prevention.purposes import ORDINARY, Extra, join
from salus.city.prevention.vaccination import Vaccinations, vaccinations
from salus.city.streams import substream


@dataclass(slots=True)
class Visits:
    """Encounters by time; arrays with one element an encounter. Times are minutes since 1970-01-01."""

    resident: Ints
    start: Ints
    end: Ints
    kind: Ints
    diagnosis: Ints
    place: Ints
    doctor: Ints
    planted: NDArray[np.bool_]
    child: Ints
    """For a delivery, the newborn; for a newborn's stay, the newborn itself; else NEVER."""
    purpose: Ints
    """Why it was made (`prevention.purposes`); ORDINARY for most."""
    detail: Ints
    """What the purpose says it is; NEVER for most."""

    def __len__(self) -> int:
        return len(self.resident)


@dataclass(slots=True)
class Care:
    """All care of a block. `conditions` has shape (residents, chronic diagnoses)."""

    visits: Visits
    vaccinations: Vaccinations
    conditions: NDArray[np.bool_]
    latent: Floats
    primary: Ints
    """Each resident's primary care (index): a community centre in town, a township centre outside."""
    home_places: dict[str, Ints]
    pregnancies: Pregnancies
    enrolled: Enrolled


def _weights(age: Ints, sex: Ints, field_name: str) -> Floats:
    """Return each resident's weight for each acute diagnosis, shape (residents, diagnoses)."""
    known = [d for d in diagnoses() if not d.chronic]
    bands = np.array([getattr(d, field_name) for d in known])
    male = np.array([d.male_multiplier for d in known])
    sexed = np.stack([male, np.where(male > 50, 0.0, np.where(male == 0, 2.0, 2 - male)).clip(0, 2)])
    sexed[0] = np.minimum(sexed[0], 2)
    band = np.searchsorted(BAND_EDGES, age, side="right") - 1
    return np.asarray(bands[:, band].T * sexed[sex])


def chronic_conditions(block: Population, window: Window, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw who has which chronic disease at the window's start, by age and sex."""
    known = [d for d in diagnoses() if d.chronic]
    age = np.clip((window.start + window.days // 2 - block.birth) // 365.25, 0, 120).astype(np.int64)
    band = np.searchsorted(BAND_EDGES, age, side="right") - 1
    rates = np.array([d.bands for d in known])[:, band].T
    male = np.array([d.male_multiplier for d in known])
    sexed = np.stack([male, np.clip(2 - male, 0.05, 2)])
    frail = np.exp(rng.normal(-0.08, 0.4, len(block)))[:, None]
    return np.asarray(rng.random(rates.shape) < np.minimum(rates * sexed[block.sex] * frail, 0.95))


def home_places(
    block: Population, ground: Ground, registers: Registers, rng: np.random.Generator
) -> dict[str, Ints]:
    """Return the institution of each tier that each household goes to first, in its district if it can."""
    district = ground.street_district[block.home_street]
    chosen = {}
    for tier in CARE_TIERS:
        offered = registers.of_tier(tier)
        index = np.array([place.index for place in offered])
        where = np.array([place.district for place in offered])
        lot = rng.random(len(district))
        near = np.empty(len(district), dtype=np.int64)
        for d in range(len(ground.districts)):
            mine = district == d
            local = index[where == d]
            options = local if len(local) else index
            near[mine] = options[(lot[mine] * len(options)).astype(np.int64)]
        chosen[tier] = near[block.household]
    return chosen


def care(
    seed: int, ground: Ground, registers: Registers, block: Population, window: Window, outbreak: Outbreak
) -> Care:
    """Draw the care of one block."""
    rng = substream(seed, "care", block.number)
    conditions = chronic_conditions(block, window, rng)
    near = home_places(block, ground, registers, rng)
    primary = np.where(rural(block, ground), near["township"], near["community"])
    doses = vaccinations(block, window, substream(seed, "vaccinations", block.number))
    maternal = np.array([p.index for p in registers.of_tier("secondary") if p.kind == "maternal_child"])
    expected = pregnancies(seed, block, maternal, near["tertiary"])
    enrolled = enrol(seed, block, window, conditions)
    programme = join([
        antenatal_visits(seed, block, expected, primary), child_checks(seed, block, window, primary),
        follow_ups(seed, block, window, enrolled, primary),
    ])  # fmt: skip
    ill = case_visits(seed, block, ground, window, near, primary, outbreak.others, doses.measles_safe)
    visits = _visits(
        block, registers, window, conditions, near, rng, outbreak, ground, expected, enrolled, programme, ill
    )
    latent = rng.normal(0, 1, (len(block), 32))
    return Care(visits, doses, conditions, latent, primary, near, expected, enrolled)


def rural(block: Population, ground: Ground) -> NDArray[np.bool_]:
    """Return who lives outside the town proper: in the last third of the streets by population."""
    weights = np.cumsum(ground.street_weights) / ground.street_weights.sum()
    return np.asarray((weights > 0.64)[block.home_street[block.household]])


def _visits(
    block: Population,
    registers: Registers,
    window: Window,
    conditions: NDArray[np.bool_],
    near: dict[str, Ints],
    rng: np.random.Generator,
    outbreak: Outbreak,
    ground: Ground,
    expected: Pregnancies,
    enrolled: Enrolled,
    programme: Extra,
    ill: Extra,
) -> Visits:
    known = diagnoses()
    acute = sum(not d.chronic for d in known)
    age = np.clip(
        (np.maximum(block.entry, (window.start + window.end) // 2) - block.birth) // 365.25, 0, 120
    ).astype(np.int64)
    years = (block.exit - block.entry).clip(0) / 365.25
    per_year = by_age("visit_rates", "male_visits_per_year", "female_visits_per_year")[age, block.sex]
    per_hundred = by_age("visit_rates", "male_admissions_per_100", "female_admissions_per_100")[
        age, block.sex
    ]
    load = np.array([d.visits_per_year for d in known[acute:]])
    chronic_rate = conditions * load
    chronic_codes = [d.code for d in known[acute:]]
    for followed, code in CHRONIC:  # the register's follow-up stands for their visits
        mine = enrolled.resident[enrolled.purpose == followed]
        chronic_rate[mine, chronic_codes.index(code)] *= 0.1
    chronic_total = np.minimum(chronic_rate.sum(axis=1), 0.75 * per_year)
    chronic_rate = chronic_rate * (chronic_total / np.maximum(chronic_rate.sum(axis=1), 1e-9))[:, None]
    # Those without a chronic disease come less often, so that each age's mean stays at the published rate.
    group = np.searchsorted(BAND_EDGES, age, side="right") * 2 + block.sex
    routine = chronic_total + visits_a_year(len(block), programme, years)
    mean_chronic = np.bincount(group, routine, minlength=12) / np.maximum(np.bincount(group, minlength=12), 1)
    need = np.exp(rng.normal(-0.125, 0.5, len(block)))
    acute_total = np.maximum(per_year - mean_chronic[group], 0.2 * per_year) * need

    parts: list[tuple[Ints, Ints, Ints]] = []
    count = rng.poisson(acute_total * years)
    who = np.repeat(np.arange(len(block)), count)
    shares = np.cumsum(_weights(age, block.sex, "bands"), axis=1)
    lots = rng.random(len(who)) * shares[who, -1]
    what = (shares[who] < lots[:, None]).sum(axis=1)
    parts.append((who, what, np.full(len(who), AMBULATORY)))
    repeats = rng.poisson(chronic_rate * years[:, None])
    rows_, columns = np.nonzero(repeats)
    times = repeats[rows_, columns]
    parts.append(
        (np.repeat(rows_, times), np.repeat(columns + acute, times), np.full(times.sum(), AMBULATORY))
    )
    stays = rng.poisson(per_hundred / 100 * years * need)
    who = np.repeat(np.arange(len(block)), stays)
    admit = np.concatenate(
        [_weights(age, block.sex, "admit"), conditions * np.array([d.admit[0] for d in known[acute:]]) * 3.0],
        axis=1,
    )
    shares = np.cumsum(admit, axis=1)
    kept = shares[who, -1] > 0
    who = who[kept]
    what = (shares[who] < (rng.random(len(who)) * shares[who, -1])[:, None]).sum(axis=1)
    parts.append((who, what, np.full(len(who), INPATIENT)))

    resident, diagnosis, kind = (np.concatenate([part[i] for part in parts]) for i in range(3))
    peak = np.array([d.peak_month for d in known])[diagnosis]
    amplitude = np.array([d.amplitude for d in known])[diagnosis]
    span = (block.exit - block.entry)[resident]
    day = block.entry[resident] + (rng.random(len(resident)) * span).astype(np.int64)
    for _ in range(3):  # rejection towards the season; three rounds leave under 5 % of the excess
        odd = rng.random(len(resident)) > season(day, peak, amplitude) / (1 + amplitude)
        day = np.where(odd, block.entry[resident] + (rng.random(len(resident)) * span).astype(np.int64), day)
    urgent = rng.random(len(resident)) < np.array([d.emergency_share for d in known])[diagnosis]
    kind = np.where((kind == AMBULATORY) & urgent, EMERGENCY, kind)
    weekday = (day + 3) % 7
    day = np.where(
        (kind == AMBULATORY) & (weekday == 6) & (rng.random(len(day)) < 0.6),
        np.maximum(day - 1, block.entry[resident]),
        day,
    )
    minute = np.where(
        kind == AMBULATORY,
        480 + (rng.beta(1.6, 2.6, len(day)) * 560).astype(np.int64),
        (rng.random(len(day)) * MINUTES).astype(np.int64),
    )
    start = day * MINUTES + minute
    place = _places(block, registers, resident, kind, diagnosis, near, rural(block, ground), rng)
    stay = np.array([d.stay_days for d in known])[diagnosis]
    length = np.where(
        kind == INPATIENT,
        (MINUTES * np.maximum(1, rng.gamma(3.0, np.maximum(stay, 1) / 3.0))).astype(np.int64),
        15 + rng.integers(0, 90, len(day)),
    )
    child = np.full(len(day), NEVER, dtype=np.int64)
    planted = np.zeros(len(day), dtype=bool)
    none = np.full(len(day), ORDINARY), np.full(len(day), NEVER)
    parts_: list[tuple[Ints, ...]] = [
        (resident, start, start + length, kind, diagnosis, place, child, *none, planted.astype(np.int64))
    ]
    parts_.append(_deliveries(block, expected, rng))
    salmonella = outbreak.cases(block, ground, near, substream(outbreak.seed, "outbreak", block.number))
    count_ = len(salmonella[0])
    parts_.append((
        *salmonella[:7], np.full(count_, ORDINARY), np.full(count_, NEVER), salmonella[7].astype(np.int64)
    ))  # fmt: skip
    parts_ += [(*part.columns(), np.zeros(len(part), dtype=np.int64)) for part in (programme, ill)]
    resident, start, end, kind, diagnosis, place, child, purpose, detail, planted_ = (
        np.concatenate([part[i] for part in parts_]) for i in range(10)
    )
    gone = block.exit[resident] * MINUTES
    kept = (start >= block.entry[resident] * MINUTES) & (start < gone)
    end = np.minimum(end, gone)
    order = np.flatnonzero(kept)
    order = order[np.lexsort((diagnosis[order], resident[order], start[order]))]
    heads: dict[int, list[int]] = {}
    for number, member in enumerate(registers.staff):
        if member.profession != "nurse":
            heads.setdefault(member.place, []).append(number)
    doctors = np.array([heads[place.index][0] if place.index in heads else 0 for place in registers.places])
    offered = np.array([len(heads.get(place.index, (0,))) for place in registers.places])
    chosen = place[order]
    doctor = doctors[chosen] + (rng.random(len(order)) ** 1.4 * offered[chosen]).astype(np.int64)
    return Visits(
        resident[order],
        start[order],
        end[order],
        kind[order],
        diagnosis[order],
        chosen,
        doctor,
        planted_[order].astype(bool),
        child[order],
        purpose[order],
        detail[order],
    )


def _places(
    block: Population,
    registers: Registers,
    resident: Ints,
    kind: Ints,
    diagnosis: Ints,
    near: dict[str, Ints],
    outside: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Ints:
    """Choose where each visit takes place: tier by the published shares, then mostly the nearest of the tier.

    Primary care is the community centre for those in town, township centre or village clinic for others.
    """
    shares = table("places_of_care", "visit_share", "admission_share")
    stays = kind == INPATIENT
    tier = np.where(stays, draw(rng, shares[:, 1], len(kind)), draw(rng, shares[:, 0], len(kind)))
    urgent = kind == EMERGENCY
    tier = np.where(urgent, draw(rng, [0.6, 0.4], len(kind)), tier)
    known = diagnoses()
    mental = np.array([d.department == "精神科" for d in known])[diagnosis]
    hospital = np.array(
        [d.department in {"肿瘤科", "感染科", "神经外科", "心内科"} and not d.chronic for d in known]
    )[diagnosis]
    tier = np.where(mental, 1, np.where(hospital & (tier > 1), 0, tier))
    townships = shares[3, 0] / (shares[3, 0] + shares[4, 0])
    country = np.where((rng.random(len(kind)) < townships) | stays, 3, 4)
    tier = np.where(tier > 1, np.where(outside[resident], country, 2), tier)
    home = np.stack([near[name] for name in CARE_TIERS])
    place = home[tier, resident]
    lots = rng.random((len(kind), 2))
    for t, name in enumerate(CARE_TIERS):
        offered = np.array([p.index for p in registers.of_tier(name)])
        elsewhere = (tier == t) & (lots[:, 0] < (0.06 if t < 2 else 0.03))
        place = np.where(elsewhere, offered[(lots[:, 1] * len(offered)).astype(np.int64)], place)
    special = [p.index for p in registers.of_tier("secondary") if p.kind == "specialty_hospital"]
    if special:
        where = np.array(special)
        place = np.where(mental, where[(lots[:, 1] * len(where)).astype(np.int64)], place)
    return np.asarray(place, dtype=np.int64)


def _deliveries(block: Population, expected: Pregnancies, rng: np.random.Generator) -> tuple[Ints, ...]:
    """Return deliveries and newborns' stays for every child born in the window, as columns of `Visits`."""
    columns: list[list[int]] = [[] for _ in range(10)]
    places = {(m, d): p for m, d, p in zip(
        expected.mother.tolist(), expected.born.tolist(), expected.place.tolist(), strict=True
    )}  # fmt: skip

    def add(resident: int, start: int, end: int, code: str, place: int, child: int) -> None:
        row = (resident, start, end, INPATIENT, diagnosis_index(code), place, child, ORDINARY, NEVER, 0)
        for column, value in zip(columns, row, strict=True):
            column.append(value)

    delivered: dict[tuple[int, int], tuple[int, int, int]] = {}
    for child in np.flatnonzero(block.born_here).tolist():
        key = mother, day = int(block.mother[child]), int(block.birth[child])
        lots = rng.random(3)
        if key not in delivered:
            place = places[key]
            start = day * MINUTES + int(lots[0] * 1300)
            caesarean = lots[1] < 0.44
            end = start + int(MINUTES * ((4.0 if caesarean else 2.2) + 2 * lots[2]))
            delivered[key] = (place, start, end)
            add(mother, start - 300, end, "O82.9" if caesarean else "O80.9", place, child)
        place, start, end = delivered[key]
        add(child, start + 1, end, "Z38.0", place, child)
    return tuple(np.array(column, dtype=np.int64) for column in columns)
