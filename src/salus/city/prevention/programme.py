"""The health programme of one block: pregnancies, newborns, children's checks, chronic patients' visits."""

from dataclasses import dataclass

import numpy as np

from salus.city.facts import Floats, Ints, diagnoses, rows
from salus.city.people import NEVER, Bools, Population, Window
from salus.city.prevention.purposes import (
    ANTENATAL,
    CHILD,
    DIABETES,
    HYPERTENSION,
    NEWBORN,
    POSTPARTUM,
    Extra,
    extra,
    join,
    value,
)
from salus.city.streams import substream

CHRONIC = ((HYPERTENSION, "I10"), (DIABETES, "E11.9"))
LEAST_AGE = 35


@dataclass(frozen=True, slots=True)
class Pregnancies:
    """Pregnancies that end in the window, one element each; twins are one pregnancy.

    `child` is the first child, `last` the first day of the last menstrual period; days since 1970-01-01.
    """

    mother: Ints
    child: Ints
    born: Ints
    last: Ints
    place: Ints
    early: Bools
    """Whether the first antenatal visit falls before 13 weeks."""
    defaults: Bools


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Chronic patients on the community's register, one element each; `lost` is a day or NEVER."""

    resident: Ints
    purpose: Ints
    since: Ints
    lost: Ints
    controlled: Bools


def pregnancies(seed: int, block: Population, maternal: Ints, near: Ints) -> Pregnancies:
    """Draw the length of each pregnancy, where it is cared for and how its visits are kept.

    `maternal` are the maternity hospitals, `near` each resident's nearest large hospital.
    """
    rng = substream(seed, "pregnancies", block.number)
    children = np.flatnonzero(block.born_here)
    key = block.mother[children] * (1 << 20) + block.birth[children]
    _, first = np.unique(key, return_index=True)
    child = children[np.sort(first)]
    mother, born = block.mother[child], block.birth[child]
    lots = rng.random((len(child), 4))
    length = np.clip(rng.normal(277, 9, len(child)) - 30 * (lots[:, 0] < 0.03), 196, 294).astype(np.int64)
    place = near[mother]
    if len(maternal):
        chosen = maternal[(lots[:, 1] / 0.55 * len(maternal)).astype(np.int64).clip(0, len(maternal) - 1)]
        place = np.where(lots[:, 1] < 0.55, chosen, place)
    return Pregnancies(
        mother, child, born, born - length, place, lots[:, 2] >= value("antenatal_late"),
        lots[:, 3] < value("antenatal_default"),
    )  # fmt: skip


def antenatal_visits(seed: int, block: Population, expected: Pregnancies, primary: Ints) -> Extra:
    """Return antenatal visits, the check after six weeks, and the newborns' visits at home."""
    rng = substream(seed, "antenatal", block.number)
    due = [
        (int(row["day"]), int(row["jitter"]))
        for row in rows("programme_visits")
        if row["kind"] == "antenatal"
    ]
    count, wide = len(expected.mother), len(due)
    lots = rng.random((count, wide, 3))
    turn = np.arange(wide)
    kept = lots[:, :, 0] < value("antenatal_kept")
    kept[:, 0] &= expected.early
    kept &= ~expected.defaults[:, None] | (turn >= wide - 2)
    days = np.array(due)[:, 0] + ((lots[:, :, 1] * 2 - 1) * np.array(due)[:, 1]).astype(np.int64)
    when = expected.last[:, None] + days
    kept &= when < expected.born[:, None] - 1
    who, which = np.nonzero(kept)
    mothers = expected.mother[who]
    parts = [
        extra(
            mothers, when[who, which], lots[who, which, 2], "Z34.9", expected.place[who], ANTENATAL,
            days[who, which],
        )
    ]  # fmt: skip
    after = rng.random((count, 3))
    checked = np.flatnonzero(after[:, 0] < value("postpartum_kept"))
    wait = 42 + (after[checked, 1] * 9).astype(np.int64)
    parts.append(extra(
        expected.mother[checked], expected.born[checked] + wait, after[checked, 2], "Z39.2",
        expected.place[checked], POSTPARTUM, wait,
    ))  # fmt: skip
    children = np.flatnonzero(block.born_here)
    early = rng.random((len(children), 5))
    for rate, base, spread, k in (("newborn_visit", 5, 5, 0), ("newborn_28", 28, 4, 2)):
        seen = np.flatnonzero(early[:, k] < value(rate))
        age = base + (early[seen, k + 1] * spread).astype(np.int64)
        one = children[seen]
        parts.append(extra(one, block.birth[one] + age, early[seen, 4], "Z00.1", primary[one], NEWBORN, age))
    return join(parts)


def child_checks(seed: int, block: Population, window: Window, primary: Ints) -> Extra:
    """Return the health checks of children under seven, some of them missed, some children lost."""
    rng = substream(seed, "child-checks", block.number)
    due = np.array([
        (int(row["day"]), int(row["jitter"])) for row in rows("programme_visits") if row["kind"] == "child"
    ])  # fmt: skip
    children = np.flatnonzero(window.start - block.birth < 7 * 365)
    lots = rng.random((len(children), len(due), 3))
    lost = rng.random((len(children), 2))
    until = np.where(lost[:, 0] < value("child_lost"), lost[:, 1] * 900, 99_999)
    age = due[:, 0] + (lots[:, :, 1] * due[:, 1]).astype(np.int64)
    when = block.birth[children][:, None] + age
    kept = (lots[:, :, 0] < value("child_check")) & (age < until[:, None])
    kept &= when >= np.maximum(window.start, block.entry[children])[:, None]
    kept &= when < np.minimum(window.end, block.exit[children])[:, None]
    who, which = np.nonzero(kept)
    one = children[who]
    return extra(one, when[who, which], lots[who, which, 2], "Z00.1", primary[one], CHILD, age[who, which])


def enrol(seed: int, block: Population, window: Window, conditions: Bools) -> Enrolled:
    """Draw who of the chronic patients is on the register, since when, and who is lost."""
    rng = substream(seed, "chronic-register", block.number)
    codes = [d.code for d in diagnoses() if d.chronic]
    parts = []
    for purpose, code in CHRONIC:
        lots = rng.random((len(block), 5))
        age = (window.start - block.birth) / 365.25
        who = np.flatnonzero(
            conditions[:, codes.index(code)] & (age >= LEAST_AGE) & (lots[:, 0] < value("register"))
        )
        mine = lots[who]
        new = mine[:, 1] < 0.2
        since = block.entry[who] + np.where(new, mine[:, 1] * 5 * window.days, mine[:, 1] * 90).astype(
            np.int64
        )
        lost = np.where(
            mine[:, 2] < value("followup_lost"),
            since + 30 + (mine[:, 3] * np.maximum(1, window.end - since - 30)).astype(np.int64), NEVER,
        )  # fmt: skip
        parts.append((who, np.full(len(who), purpose), since, lost, mine[:, 4] < value("controlled")))
    return Enrolled(*(np.concatenate([part[k] for part in parts]) for k in range(5)))


def follow_ups(seed: int, block: Population, window: Window, enrolled: Enrolled, primary: Ints) -> Extra:
    """Return the quarterly visits of registered patients until they are lost."""
    rng = substream(seed, "chronic-visits", block.number)
    quarters = window.days // 91 + 1
    lots = rng.random((len(enrolled.resident), quarters, 3))
    when = (
        enrolled.since[:, None] + np.arange(quarters) * 91 + ((lots[:, :, 1] * 2 - 1) * 18).astype(np.int64)
    )
    kept = lots[:, :, 0] < value("followup")
    kept &= when >= enrolled.since[:, None]
    gone = np.where(enrolled.lost == NEVER, window.end, enrolled.lost)
    kept &= when < np.minimum(gone, block.exit[enrolled.resident])[:, None]
    who, which = np.nonzero(kept)
    resident = enrolled.resident[who]
    parts = [
        extra(
            resident[mine], when[who, which][mine], lots[who, which, 2][mine], code,
            primary[resident[mine]], purpose, which[mine],
        )
        for purpose, code in CHRONIC
        for mine in [np.flatnonzero(enrolled.purpose[who] == purpose)]
    ]  # fmt: skip
    return join(parts)


def visits_a_year(count: int, visits: Extra, years: Floats) -> Floats:
    """Return how often each of `count` residents comes for these visits in a year of presence."""
    return np.asarray(np.bincount(visits.resident, minlength=count) / np.maximum(years, 0.25))
