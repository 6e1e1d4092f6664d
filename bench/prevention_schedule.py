"""The schedules of a city's residents on one day, and that a resident's answer is the city's.

The city is made up here from columns: births of 90 years, what the national schedules call for given late or
not at all, chronic patients with their visits. No truth is asked of it: it has a city's size and shape.
"""

import random
import time
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench import Measured, figure

TODAY = date(2026, 11, 30)
SEED = 20_261
_SHARES = {
    "hypertension": (0.12, 3000), "type2-diabetes": (0.05, 3000), "severe-mental-illness": (0.005, 3000),
    "tuberculosis": (0.0005, 300), "lmp": (0.008, 300), "delivery": (0.008, 365), "discharge": (0.008, 365),
    "discharge-mother": (0.008, 365),
}  # fmt: skip


def columns(residents: int) -> tuple[NDArray[np.int32], pa.Table, pa.Table]:
    """Return births, anchors and what was given, ordered by resident and day."""
    from salus.prevention.schedule import load_rules
    from salus.prevention.schedule.offsets import number

    chance = np.random.default_rng(SEED)
    today = number(TODAY)
    birth = (today - chance.integers(0, 365 * 90, residents)).astype(np.int32)
    person: list[NDArray[np.int32]] = []
    day: list[NDArray[np.int32]] = []
    product: list[NDArray[np.int16]] = []
    names: list[str] = []

    def give(who: NDArray[np.int32], when: NDArray[np.int32], what: str) -> None:
        known = when <= today
        person.append(who[known])
        day.append(when[known])
        product.append(np.full(int(known.sum()), len(names), np.int16))
        names.append(what)

    rules = load_rules(TODAY)
    for service in rules.services:
        if service.anchor != "birth":
            continue
        for step in service.paths[0].steps:
            due = birth + np.int32(step.due.most)
            young = birth > today - 365 * 18
            who = np.flatnonzero((due <= today) & (young | (service.kind == "recurring"))).astype(np.int32)
            who = who[chance.random(len(who)) < 0.93]
            late = chance.integers(0, 30, len(who)).astype(np.int32)
            when = due[who] + late if service.kind != "recurring" else today - late * np.int32(16)
            give(who, when.astype(np.int32), step.product or service.products[0])
    anchors: list[pa.Table] = []
    for anchor, (share, back) in _SHARES.items():
        who = np.sort(chance.choice(residents, int(residents * share), replace=False)).astype(np.int32)
        since = (today - chance.integers(0, back, len(who))).astype(np.int32)
        anchors.append(
            pa.table(
                {
                    "person": who, "anchor": pa.array([anchor] * len(who)), "day": since,
                    "ended": pa.nulls(len(who), pa.int32()),
                }
            )
        )  # fmt: skip
        for service in rules.services:
            if service.anchor == anchor and service.kind == "recurring":
                for _ in range(4):
                    give(who, (today - chance.integers(0, 400, len(who))).astype(np.int32), service.code)
    who, when, what = np.concatenate(person), np.concatenate(day), np.concatenate(product)
    order = np.lexsort((when, who))
    given = pa.table(
        {
            "person": who[order], "day": when[order],
            "product": pa.DictionaryArray.from_arrays(pa.array(what[order]), pa.array(names)),
        }
    )  # fmt: skip
    return birth, pa.concat_tables(anchors), given


@figure("schedule-list-1m", room="prevention", unit="s", target=2, better="lower")
def due_list_of_a_city(quick: bool) -> Measured:
    """Due list of a day of a city of 1 M residents, from columns in memory (quick: 100,000)."""
    from salus.prevention.schedule import City, due_list, load_rules

    residents = 100_000 if quick else 1_000_000
    birth, anchors, given = columns(residents)
    rules = load_rules(TODAY)
    start = time.perf_counter()
    city = City.build(birth, anchors, given)
    built = time.perf_counter() - start
    took, busy, rows = [], [], 0
    for _ in range(1 if quick else 5):
        start, work = time.perf_counter(), time.process_time()
        rows = due_list(rules, city, TODAY).to_arrow().num_rows
        took.append(time.perf_counter() - start)
        busy.append(time.process_time() - work)
    note = (
        f"{residents:,} residents, {given.num_rows:,} records, {rows:,} rows due; processor "
        f"{sorted(busy)[len(busy) // 2]:.2f} s; columns made once from Arrow in {built:.2f} s"
    )
    return Measured(took, note=note)


def _resident(rules: Any, chance: random.Random) -> Any:
    """Return a resident whose doses and visits lie around the boundaries of the steps."""
    from salus.prevention.schedule import Bar, Episode, Given, Resident

    birth = TODAY - timedelta(days=chance.randint(0, 365 * chance.choice((1, 3, 8, 20, 90))))
    episodes = [
        Episode(anchor, TODAY - timedelta(days=chance.randint(0, 500)))
        for anchor in _SHARES
        if chance.random() < 0.4
    ]
    given, bars = [], []
    for service in rules.services:
        since = (
            [birth] if service.anchor == "birth" else [e.day for e in episodes if e.anchor == service.anchor]
        )
        for anchored in since:
            for step in chance.choice(service.paths).steps:
                for _ in range(chance.choice((0, 1, 1, 2))):
                    off = chance.choice((-30, -1, 0, 1, 27, 28, 60))
                    when = chance.choice((step.due, step.until or step.due)).after(anchored) + timedelta(
                        days=off
                    )
                    given.append(Given(chance.choice(service.products), when))
        if chance.random() < 0.05:
            end = None if chance.random() < 0.3 else TODAY + timedelta(days=chance.randint(-100, 100))
            bars.append(Bar(service.code, TODAY - timedelta(days=100), end))
    return Resident(birth, episodes, given, bars)


@figure("schedule-equal", room="prevention", unit="differences", target=0, better="lower")
def row_wise_and_set_wise(quick: bool) -> Measured:
    """Differences between one resident's answers and the city's, over random histories."""
    from salus.prevention.schedule import REASONS, STATUSES, assess, city_of, findings, load_rules
    from salus.prevention.schedule.city import as_date

    rules = load_rules(TODAY)
    chance = random.Random(SEED)
    people = [_resident(rules, chance) for _ in range(200 if quick else 5_000)]
    one = {
        (n, f.service, f.anchor_on, f.status, f.step, f.counted, f.missed, f.due_on, f.overdue_on,
         f.closes_on, f.reason)
        for n, person in enumerate(people)
        for f in assess(rules, person, TODAY)
    }  # fmt: skip
    found = findings(rules, city_of(people), TODAY)
    all_ = {
        (int(found.person[n]), found.services[found.service[n]], as_date(found.anchor_on[n]),
         STATUSES[found.status[n]], int(found.step[n]), int(found.counted[n]), int(found.missed[n]),
         as_date(found.due_on[n]), as_date(found.overdue_on[n]), as_date(found.closes_on[n]),
         REASONS[found.reason[n]])
        for n in range(len(found))
    }  # fmt: skip
    return Measured([float(len(one ^ all_))], note=f"{len(people):,} residents, {len(one):,} services")
