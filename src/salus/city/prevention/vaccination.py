"""The doses of one block: the national schedule's with its least intervals, and the campaigns'."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from salus.city.facts import Floats, Ints, rows, table
from salus.city.identity import EPOCH
from salus.city.kinds import MINUTES
from salus.city.people import Bools, Population, Window
from salus.city.prevention.purposes import value

NEVER_SAFE = 1 << 30


@dataclass(slots=True)
class Vaccinations:
    """Doses given, in the order in which they are told; `row` is an index into the rules' vaccines.

    Those given before the window are told in its first weeks, when the centres copy their books.
    """

    resident: Ints
    minute: Ints
    told: Ints
    row: Ints
    measles_safe: Ints
    """One element a resident: the day from which measles can do nothing; a day never reached for others."""


def of_cohort(birth: Ints) -> Bools:
    """Return which rows of the schedule a child's year of birth is under, shape (children, rows)."""

    def days(column: str, open_end: int) -> Ints:
        return np.array(
            [
                (date.fromisoformat(row[column]) - EPOCH).days if row[column] else open_end
                for row in rows("vaccines")
            ]
        )

    first, last = days("born_from", -NEVER_SAFE), days("born_to", NEVER_SAFE)
    scheduled = np.array([bool(row["due_month"]) for row in rows("vaccines")])
    return np.asarray(
        (birth[:, None] >= first) & (birth[:, None] <= last) & scheduled[None, :], dtype=np.bool_
    )


def due_days(birth: Ints) -> Ints:
    """Return the day on which each row falls due, (children, rows); a month's last day where it ends."""
    months = np.nan_to_num(table("vaccines", "due_month")[:, 0]).astype(np.int64)
    born = birth.astype("datetime64[D]")
    month = born.astype("datetime64[M]")[:, None] + months[None, :]
    last = (month + 1).astype("datetime64[D]") - 1
    day = month.astype("datetime64[D]") + (born - born.astype("datetime64[M]"))[:, None]
    return np.asarray(np.minimum(day, last).astype(np.int64))


def vaccinations(block: Population, window: Window, rng: np.random.Generator) -> Vaccinations:
    """Give the schedule's doses, some late; some families miss a dose, a few default from some dose on."""
    children = np.flatnonzero((window.start - block.birth) < 7 * 365.25)
    row, day, minute = _schedule(block.birth[children], rng)
    who = children[row[0]]
    safe = np.where(rng.random(len(block)) < 0.97, -NEVER_SAFE, NEVER_SAFE)
    safe[children] = NEVER_SAFE
    measles = next(
        n for n, fact in enumerate(rows("vaccines")) if (fact["vaccine"], fact["dose"]) == ("MMR", "1")
    )
    first = row[1] == measles
    safe[who[first]] = day[first] + 14
    start, end = np.maximum(window.start, block.entry[who]), np.minimum(window.end, block.exit[who])
    copied = np.where(day < start, np.maximum(day, start + 1 + who % 20), day)
    kept = copied < end
    at = day * MINUTES + minute
    basic = np.stack([who, at, at + (copied - day) * MINUTES, row[1]])[:, kept]
    columns = np.concatenate([basic, _campaigns(block, window, rng)], axis=1)
    order = np.lexsort((columns[3], columns[0], columns[2]))
    resident, when, told, what = columns[:, order]
    return Vaccinations(resident, when, told, what, safe)


def _schedule(birth: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Draw who is given which row on which day: (child and row, shape (2, doses)), day, minute of the day."""
    due, under = due_days(birth), of_cohort(birth)
    uptake = table("vaccines", "uptake")[:, 0]
    months = np.nan_to_num(table("vaccines", "due_month")[:, 0])
    lots = rng.random((*due.shape, 3))
    share = value("dose_prone")
    prone = rng.random(len(birth)) < share
    lost = rng.random(len(birth)) < value("dose_lost")
    defaults = np.where(lost, rng.random(len(birth)) * value("dose_lost_before"), 999.0)
    missed = (lots[:, :, 0] < (1 - uptake) / share) & prone[:, None]
    given = under & ~missed & (months <= defaults[:, None])
    delay = -value("dose_delay") * np.log(1 - lots[:, :, 1]) * (1 + (months > 12)) * (months > 0)
    day = _apart(np.where(given, due + delay.astype(np.int64), NEVER_SAFE))
    child, row = np.nonzero(given)
    return np.stack([child, row]), day[child, row], 500 + (lots[child, row, 2] * 480).astype(np.int64)


def _apart(day: Ints) -> Ints:
    """Move each child's doses to the least intervals of the rules: never earlier, a series in its order.

    `day` has shape (children, rows), NEVER_SAFE where nothing is given.
    """
    facts = rows("vaccines")
    names = sorted({fact["series"] for fact in facts})
    series = np.array([names.index(fact["series"]) for fact in facts])
    least = np.array([int(fact["least_days"] or 0) for fact in facts])
    live = np.array([bool(fact["injected_live"]) for fact in facts])
    given = day < NEVER_SAFE
    every = np.arange(len(day))

    def moved(order: Ints, apart: int) -> None:
        """Go through the rows, shape (rows, children), and hold each to the one of its series before it."""
        last = np.full((len(day), len(names)), -NEVER_SAFE)
        alive = np.full(len(day), -NEVER_SAFE)
        for row in order:
            on = np.maximum(day[every, row], last[every, series[row]] + least[row])
            near = bool(apart) & live[row] & (on != alive) & (on < alive + apart)
            on = np.where(near, np.where(on < alive, alive, alive + apart), on)
            mine = given[every, row]
            day[every[mine], row[mine]] = on[mine]
            last[every[mine], series[row[mine]]] = on[mine]
            alive = np.where(mine & live[row], np.maximum(alive, on), alive)

    moved(np.broadcast_to(np.arange(len(facts))[:, None], day.T.shape), 0)
    moved(np.argsort(day, axis=1, kind="stable").T, int(value("live_apart")))
    return day


def _campaigns(block: Population, window: Window, rng: np.random.Generator) -> Ints:
    """Draw the doses of each year's campaigns: resident, minute, the same minute again, row; (4, doses)."""
    uptake: Floats = table("vaccines", "uptake")[:, 0]
    found = [np.empty((4, 0), dtype=np.int64)]
    for row, fact in enumerate(rows("vaccines")):
        group = fact["due_group"]
        if not group:
            continue
        for year in range(round(window.years)):
            day = window.start + int((year + (0.82 if fact["vaccine"] == "FLU" else 0.3)) * 365.25)
            age = (day - block.birth) / 365.25
            aged = age >= 65 if group == "65-" else (age >= 13) & (age < 14) & (block.sex == 1)
            there = (block.entry <= day) & (block.exit > day + 40)
            people = np.flatnonzero(aged & there & (rng.random(len(block)) < uptake[row]))
            on = day + (rng.random(len(people)) * 40).astype(np.int64)
            at = on * MINUTES + 500 + (rng.random(len(people)) * 480).astype(np.int64)
            found.append(np.stack([people, at, at, np.full(len(people), row)]))
    return np.concatenate(found, axis=1)
