"""Who lives in the city: households, residents, names, births, deaths, arrivals, departures and moves."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from salus.city.facts import Ints, by_age, draw, rate, rows, table
from salus.city.geography import CITY_NAME, ROADS, Ground
from salus.city.identity import EPOCH, ORIGINS, Numbers, local_region, migrant_region, phone
from salus.city.naming import Namer
from salus.city.streams import substream

Bools = NDArray[np.bool_]
NEVER = -1
STRIDE = 16_384
"""Room for one block's residents, newborns and arrivals in the numbering of the whole city."""

EMPLOYMENT = ("child", "student", "employed", "unemployed", "retired")
INSURANCE = ("employee", "resident", "none")


@dataclass(frozen=True, slots=True)
class Window:
    """The days that the city plays, as days since 1970-01-01; `end` is the first day after."""

    start: int
    end: int

    @classmethod
    def of(cls, start: date, end: date) -> "Window":
        """Return the window of two dates, the last one excluded."""
        return cls((start - EPOCH).days, (end - EPOCH).days)

    @property
    def days(self) -> int:
        """Return the number of days."""
        return self.end - self.start

    @property
    def years(self) -> float:
        """Return the length in years."""
        return self.days / 365.25


@dataclass(slots=True)
class Population:
    """One block of households. Arrays have one element a resident unless said otherwise.

    Days count from 1970-01-01; NEVER (-1) stands for "does not happen". A resident is in the city
    from `entry` until before `exit`.
    """

    number: int
    sex: Ints
    birth: Ints
    household: Ints
    entry: Ints
    exit: Ints
    death: Ints
    cause: Ints
    mother: Ints
    father: Ints
    born_here: Bools
    local: Bools
    stratum: Ints
    employment: Ints
    insurance: Ints
    poverty: Bools
    disability: Ints
    contracted: Bools
    home_street: Ints
    """One element a household, as the next five."""
    move_day: Ints
    new_street: Ints
    address: list[str]
    new_address: list[str]
    surname: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    surname_pinyin: list[str] = field(default_factory=list)
    given_pinyin: list[str] = field(default_factory=list)
    identity: list[str] = field(default_factory=list)
    phone: list[str] = field(default_factory=list)
    old_phone: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sex)

    @property
    def base(self) -> int:
        """Return the city-wide number of the block's first resident."""
        return self.number * STRIDE

    def code(self, resident: int) -> str:
        """Return a resident's code in the truth."""
        return f"R{self.base + resident:09d}"

    def street_of(self, resident: int, day: int) -> int:
        """Return where a resident lives on a day, as a street's index."""
        home = self.household[resident]
        moved = self.move_day[home] != NEVER and day >= self.move_day[home]
        return int(self.new_street[home] if moved else self.home_street[home])

    def address_of(self, resident: int, day: int) -> str:
        """Return the address on a day."""
        home = self.household[resident]
        moved = self.move_day[home] != NEVER and day >= self.move_day[home]
        return str(self.new_address[home] if moved else self.address[home])


def _pair(age: NDArray[np.float64], sex: Ints, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return couples (woman, man), drawn by age and sex and matched with the man two years older."""
    married = np.interp(age, [20, 22, 27, 32, 38, 64, 75, 90], [0, 0.08, 0.55, 0.85, 0.93, 0.88, 0.68, 0.3])
    would = rng.random(len(age)) < married
    key = age + rng.normal(0, 1.5, len(age))
    women = np.flatnonzero(would & (sex == 1))
    men = np.flatnonzero(would & (sex == 0) & (age >= 22))
    women, men = women[np.argsort(key[women])], men[np.argsort(key[men] - 2)]
    if len(women) > len(men):
        women = women[np.sort(rng.permutation(len(women))[: len(men)])]
    elif len(men) > len(women):
        men = men[np.sort(rng.permutation(len(men))[: len(women)])]
    return list(zip(women.tolist(), men.tolist(), strict=True))


def _households(age: NDArray[np.float64], sex: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Put residents into households; return household, mother and father of each (NEVER if unknown)."""
    count = len(age)
    household, mother, father = (np.full(count, NEVER, dtype=np.int64) for _ in range(3))
    couples = sorted(_pair(age, sex, rng), key=lambda couple: age[couple[0]])
    for home, (woman, man) in enumerate(couples):
        household[woman] = household[man] = home
    next_home = len(couples)
    wives = np.array([age[woman] for woman, _ in couples])
    offspring: dict[int, list[int]] = {}
    dependent = (age < 18) | ((age < 28) & (household == NEVER) & (rng.random(count) < 0.6))
    gap = np.clip(rng.normal(27.5, 4.0, count), 19, 42)
    for child in np.flatnonzero(dependent & (household == NEVER)).tolist():
        if not len(couples):
            break
        middle = int(np.searchsorted(wives, age[child] + gap[child]))
        for step in range(0, 60):
            place = middle + (step // 2 if step % 2 == 0 else -(step // 2) - 1)
            if not 0 <= place < len(couples) or not 18 <= wives[place] - age[child] <= 46:
                continue
            siblings = offspring.setdefault(place, [])
            if len(siblings) < 2 and all(abs(age[other] - age[child]) > 1.2 for other in siblings):
                siblings.append(child)
                household[child], mother[child], father[child] = place, couples[place][0], couples[place][1]
                break
    elders = [home for home in range(len(couples)) if wives[home] >= 62]
    for home in elders:
        if rng.random() < 0.3:
            younger = int(np.searchsorted(wives, wives[home] - rng.normal(27, 3)))
            if (
                younger < len(couples)
                and 18 <= wives[home] - wives[younger] <= 45
                and father[couples[younger][1]] == NEVER
            ):
                woman, man = couples[home]
                if household[woman] == home and household[couples[younger][1]] == younger:
                    household[woman] = household[man] = younger
                    father[couples[younger][1]], mother[couples[younger][1]] = man, woman
    for alone in np.flatnonzero(household == NEVER).tolist():
        old = age[alone] >= 65 and rng.random() < 0.35 and len(couples)
        younger = int(np.searchsorted(wives, age[alone] - 27)) if old else len(couples)
        if age[alone] < 16 and len(couples):
            household[alone] = int(np.searchsorted(wives, age[alone] + 55).clip(0, len(couples) - 1))
        elif younger < len(couples) and household[couples[younger][1]] == younger:
            household[alone] = younger
        else:
            household[alone], next_home = next_home, next_home + 1
    return np.unique(household, return_inverse=True)[1].astype(np.int64), mother, father


def _address(place: Ground, street: int, r: NDArray[np.float64]) -> str:
    area = place.streets[street]
    district = place.districts[place.street_district[street]].name
    road = ROADS[int(r[0] * len(ROADS))]
    return (
        f"{CITY_NAME[0]}{district}{area.name}{road}{1 + int(r[1] * 260)}号"
        f"{1 + int(r[2] * 24)}栋{1 + int(r[3] * 4)}单元{(1 + int(r[4] * 18)) * 100 + 1 + int(r[5] * 4)}室"
    )


def _deaths(
    birth: Ints, sex: Ints, entry: Ints, exit_: Ints, window: Window, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return day and cause of death: the yearly rate by age and sex, more in winter, infants early."""
    rates = by_age("mortality", "male_per_1000", "female_per_1000") / 1000
    middle = np.maximum(entry, np.minimum(window.end, exit_) - 365)
    age = np.clip((middle - birth) // 365.25, 0, 120).astype(np.int64)
    exposure = np.clip(exit_ - entry, 0, None) / 365.25
    newborn = birth >= window.start
    chance = 1 - np.exp(-rates[age, sex] * np.where(newborn, 1.0, exposure))
    dies = rng.random(len(birth)) < chance
    span = np.clip(exit_ - entry - 1, 1, None)
    day = entry + (rng.random(len(birth)) * span).astype(np.int64)
    winter = np.cos((day % 365.25) / 365.25 * 2 * np.pi - 0.25)
    again = rng.random(len(birth)) > (1 + 0.18 * winter) / 1.18
    day = np.where(again, entry + (rng.random(len(birth)) * span).astype(np.int64), day)
    day = np.where(newborn, birth + np.minimum(rng.exponential(25, len(birth)).astype(np.int64), span), day)
    dies &= (day < exit_) & (day >= entry)
    shares = table(
        "causes_of_death",
        "male_multiplier",
        "share_0",
        "share_1_14",
        "share_15_44",
        "share_45_64",
        "share_65",
    )
    cause = np.full(len(birth), NEVER, dtype=np.int64)
    band = np.searchsorted([1, 15, 45, 65], (day - birth) / 365.25, side="right")
    for person in np.flatnonzero(dies).tolist():
        sexed = shares[:, 0] if sex[person] == 0 else np.where(shares[:, 0] == 0, 2.0, 2 - shares[:, 0])
        cause[person] = draw(rng, shares[:, 1 + band[person]] * sexed, 1)[0]
    return np.where(dies, day, NEVER), cause


def _births(
    age0: NDArray[np.float64], sex: Ints, couples: Bools, window: Window, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return (mother, day) of each delivery, at the rates by age, to women who live in couples."""
    rates = by_age("fertility", "births_per_1000_women")[:, 0] / 1000
    yearly = rates[np.clip(age0 + window.years / 2, 0, 120).astype(np.int64)] * (sex == 1)
    borne = yearly * couples
    if not borne.sum():
        return []
    chance = np.minimum(borne * yearly.sum() / borne.sum() * window.years, 0.9)
    mothers = np.flatnonzero(rng.random(len(chance)) < chance)
    days = window.start + (rng.random(len(mothers)) * window.days).astype(np.int64)
    return list(zip(mothers.tolist(), days.tolist(), strict=True))


def people(seed: int, place: Ground, number: int, quota: int, window: Window) -> Population:
    """Draw one block: `quota` residents at the start, then who is born, comes, goes, moves and dies."""
    rng = substream(seed, "people", number)
    pyramid = table("age_pyramid", "age_from", "age_to", "male_percent", "female_percent")
    cell = draw(rng, pyramid[:, 2:].ravel(), quota)
    sex = cell % 2
    low, high = pyramid[cell // 2, 0], np.minimum(pyramid[cell // 2, 1], 96)
    age = low + rng.random(quota) * (high + 1 - low)
    household, mother, father = _households(age, sex, rng)
    birth = window.start - 1 - (age * 365.25).astype(np.int64)
    homes = int(household.max()) + 1

    lives_in_couple = np.zeros(quota, dtype=bool)
    wives = np.flatnonzero((sex == 1) & (age >= 20) & (age < 50))
    men_at_home = np.bincount(household[(sex == 0) & (age >= 22)], minlength=homes) > 0
    lives_in_couple[wives] = men_at_home[household[wives]]
    deliveries = _births(age, sex, lives_in_couple, window, rng)
    twin = rng.random(len(deliveries)) < rate("status_rates", "twin")
    babies = [(m, d) for (m, d), t in zip(deliveries, twin, strict=True) for _ in range(1 + int(t))]

    arrivals = int(rng.poisson(quota * rate("status_rates", "in_migration") * window.years))
    arrival_age = rng.gamma(9.0, 3.1, arrivals).clip(16, 80)
    arrival_day = window.start + 1 + (rng.random(arrivals) * (window.days - 1)).astype(np.int64)
    home_of_arrival = homes + np.arange(arrivals)

    baby_mother = np.array([m for m, _ in babies], dtype=np.int64)
    baby_day = np.array([d for _, d in babies], dtype=np.int64)
    fathers = {int(household[i]): i for i in np.flatnonzero((sex == 0) & (age >= 22) & (age < 62)).tolist()}
    baby_father = np.array([fathers.get(int(household[m]), NEVER) for m in baby_mother], dtype=np.int64)
    nobody = np.full(arrivals, NEVER, dtype=np.int64)
    sex = np.concatenate(
        [
            sex,
            (rng.random(len(babies)) < 0.475).astype(np.int64),
            (rng.random(arrivals) < 0.47).astype(np.int64),
        ]
    )
    birth = np.concatenate([birth, baby_day, arrival_day - (arrival_age * 365.25).astype(np.int64)])
    household = np.concatenate(
        [household, household[baby_mother] if len(babies) else baby_mother, home_of_arrival]
    )
    mother = np.concatenate([mother, baby_mother, nobody])
    father = np.concatenate([father, baby_father, nobody])
    entry = np.concatenate([np.full(quota, window.start), baby_day, arrival_day])
    count, homes = len(sex), homes + arrivals

    leaves = rng.random(homes) < rate("status_rates", "out_migration") * window.years
    leave_day = np.where(
        leaves, window.start + 30 + (rng.random(homes) * (window.days - 30)).astype(np.int64), window.end
    )
    exit_ = np.maximum(leave_day[household], np.minimum(entry + 1, window.end))
    death, cause = _deaths(birth, sex, entry, exit_, window, rng)
    delivered = np.isin(np.arange(count), baby_mother)
    death = np.where(delivered, NEVER, death)
    cause = np.where(delivered, NEVER, cause)
    exit_ = np.where(death != NEVER, death + 1, exit_)

    street = draw(rng, place.street_weights, homes)
    moves = rng.random(homes) < rate("status_rates", "move") * window.years
    move_day = np.where(
        moves, window.start + 10 + (rng.random(homes) * (window.days - 10)).astype(np.int64), NEVER
    )
    new_street = draw(rng, place.street_weights, homes)
    lots = rng.random((homes, 12))
    address = [_address(place, s, lot[:6]) for s, lot in zip(street.tolist(), lots, strict=True)]
    new_address = [_address(place, s, lot[6:]) for s, lot in zip(new_street.tolist(), lots, strict=True)]

    age_end = (window.end - birth) / 365.25
    working = (age_end >= 18) & (age_end < 60)
    outsider = rng.random(homes) < rate("status_rates", "migrant")
    local = ~outsider[household] | (age_end >= 65)
    local[quota + len(babies) :] = False
    lean = rng.normal(0, 0.6, len(place.streets))
    stratum = np.clip(
        np.searchsorted([-1.0, -0.3, 0.3, 1.0], rng.normal(0, 1, homes) + lean[street]) + 1, 1, 5
    )[household]
    jobless = rng.random(count) < 0.06
    employment = np.select(
        [age_end < 6, age_end < 20, working & ~jobless, working],
        [0, 1, 2, 3],
        default=np.where(age_end < 60, 3, 4),
    ).astype(np.int64)
    draws = rng.random((count, 4))
    formal = (employment == 2) & (draws[:, 0] < 0.74) | (employment == 4) & (draws[:, 0] < 0.62)
    insurance = np.where(draws[:, 1] > rate("status_rates", "insured"), 2, np.where(formal, 0, 1)).astype(
        np.int64
    )
    poverty = (stratum == 1) & (rng.random(homes)[household] < rate("status_rates", "poverty") / 0.2)
    disabled = np.select([age_end < 18, age_end < 60],
    [rate("status_rates", "disability", g) for g in ("0-17", "18-59")],
                         default=rate("status_rates", "disability", "60-"))  # fmt: skip
    disability = np.where(draws[:, 2] < disabled, 1 + draw(rng, [0.1, 0.15, 0.3, 0.45], count), 0)
    contract = np.where(
        (age_end >= 60) | (age_end < 6),
        rate("status_rates", "family_doctor", "60-"),
        rate("status_rates", "family_doctor", "all") * 0.8,
    )
    block = Population(
        number, sex, birth, household, entry, exit_, death, cause, mother, father,
        np.arange(count) - quota < len(babies), local, stratum, employment, insurance, poverty, disability,
        draws[:, 3] < contract, street, move_day, new_street, address, new_address,
    )  # fmt: skip
    block.born_here &= np.arange(count) >= quota
    _name(block, rng)
    _identify(block, place, rng)
    return block


def _name(block: Population, rng: np.random.Generator) -> None:
    """Give everyone a name: a man bears his father's surname, a child nearly always its father's."""
    namer = Namer(rng, len(block))
    for column in (block.surname, block.given, block.surname_pinyin, block.given_pinyin):
        column.extend([""] * len(block))
    maternal = rng.random(len(block)) < 1 / 13
    order = np.argsort(block.birth, kind="stable").tolist()
    elder: dict[int, int] = {}
    for person in order:
        father, mother = int(block.father[person]), int(block.mother[person])
        parent = mother if maternal[person] and mother != NEVER and block.surname[mother] else father
        surname = namer.surname(person) if parent == NEVER or not block.surname[parent] else (
            block.surname[parent], block.surname_pinyin[parent])  # fmt: skip
        sibling = elder.get(mother, NEVER) if mother != NEVER else NEVER
        shared = block.given[sibling][0] if sibling != NEVER and namer.lots[person, 4] < 0.3 else ""
        if mother != NEVER:
            elder[mother] = person
        given = namer.given(person, bool(block.sex[person]), shared)
        if sibling != NEVER and block.given[sibling] == given[0]:
            given = namer.other(person, bool(block.sex[person]))
        block.surname[person], block.surname_pinyin[person] = surname
        block.given[person], block.given_pinyin[person] = given


def _identify(block: Population, place: Ground, rng: np.random.Generator) -> None:
    numbers = Numbers(block.number)
    wish = rng.integers(0, 50, len(block)).tolist()
    origin = rng.integers(0, ORIGINS, len(block)).tolist()
    for person in range(len(block)):
        district = int(place.street_district[block.home_street[block.household[person]]])
        region = (
            local_region(block.number, district)
            if block.local[person]
            else migrant_region(block.number, origin[person])
        )
        block.identity.append(
            numbers.give(region, int(block.birth[person]), bool(block.sex[person]), wish[person])
        )
        block.phone.append(phone(2 * (block.base + person)))
        block.old_phone.append(phone(2 * (block.base + person) + 1))


def cause_of(index: int) -> tuple[str, str, str]:
    """Return a cause of death's ICD-10 code and its Chinese and English names."""
    row = rows("causes_of_death")[index]
    return row["code"], row["zh"], row["en"]
