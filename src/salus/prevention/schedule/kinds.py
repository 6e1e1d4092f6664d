"""The three kinds of services, set-wise: series, windows, recurring; one episode a row."""

from collections.abc import Iterable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from salus.prevention.schedule.cases import (
    REASON,
    STATUS,
    Cases,
    clashes,
    followed,
    joined_keys,
    last_before,
    latest,
)
from salus.prevention.schedule.city import Numbers, keyed
from salus.prevention.schedule.offsets import LONG_AGO, NEVER, Days, Span, number
from salus.prevention.schedule.periods import period_of
from salus.prevention.schedule.rules import Path, Step


def run_paths(rows: Cases, today: date, priors: dict[str, Numbers]) -> None:
    """Choose each row's path and find its state."""
    _paths(rows, priors)
    for place, path in enumerate(rows.service.paths):
        here = np.flatnonzero(rows.path == place)
        if not len(here):
            continue
        if rows.service.kind == "series":
            _series(rows, path, here)
        elif rows.service.kind == "windows":
            _windows(rows, path, here)
        else:
            _recurring(rows, path, here, today)


def _paths(rows: Cases, priors: dict[str, Numbers]) -> None:
    paths = rows.service.paths
    if len(paths) == 1 and paths[0] == Path(paths[0].steps, paths[0].name):
        rows.path[:] = 0
        return
    given = rows.stop > rows.first
    place = np.minimum(rows.first, max(len(rows.keys) - 1, 0))
    day = np.full(len(rows), rows.today, np.int32)
    product = np.full(len(rows), -1, np.int16)
    if len(rows.keys):
        day = np.where(given, rows.day[place], np.int32(rows.today))
        product = np.where(given, rows.product[place], np.int16(-1))
    order = {name: number for number, name in enumerate(rows.rules.products)}
    for number_, path in enumerate(paths):
        fits = rows.path < 0
        if path.products:
            codes = [order[name] for name in path.products if name in order]
            fits &= np.where(given, np.isin(product, codes), path.default)
        if path.first_from:
            fits &= day >= rows.at(path.first_from)
        if path.first_to:
            fits &= day < rows.at(path.first_to)
        if path.anchor_from:
            fits &= rows.anchor.days >= number(path.anchor_from)
        if path.anchor_to:
            fits &= rows.anchor.days <= number(path.anchor_to)
        if path.prior:
            fits &= (priors[path.prior] >= path.prior_from) & (priors[path.prior] <= path.prior_to)
        rows.path[fits] = number_


def _series(rows: Cases, path: Path, here: NDArray[np.int64]) -> None:
    service, grace = rows.service, np.int32(rows.service.grace)
    size = len(here)
    counted = np.zeros(size, np.int32)
    first = np.full(size, LONG_AGO, np.int32)
    spaced = np.full(size, LONG_AGO, np.int32)
    clash = clashes(rows)
    order = {name: place for place, name in enumerate(rows.rules.products)}
    start, stop = rows.first[here], rows.stop[here]
    age_start = rows.age_start()
    earliest = [latest(rows.at(step.earliest), age_start)[here] for step in path.steps]
    closes = [rows.closing(step)[here] for step in path.steps]
    active = np.flatnonzero(stop > start)
    rank = 0
    while len(active):
        record = start[active] + rank
        day, product = rows.day[record], rows.product[record]
        ok = np.zeros(len(active), np.bool_)
        for place, step in enumerate(path.steps):
            at = np.flatnonzero(counted[active] == place)
            if not len(at):
                continue
            row, d = active[at], day[at]
            least = earliest[place][row]
            for name, length in step.earliest_of.items():
                other = latest(rows.at(length, here), None if age_start is None else age_start[here])[row]
                least = np.where(product[at] == order[name], other, least)
            fits = (d >= least - grace) & (d < closes[place][row])
            if clash is not None:
                fits &= ~clash[record[at]]
            gap = rows.since(spaced[row], step.interval) - grace if step.interval else spaced[row]
            fits &= (d >= gap) & (d > spaced[row])
            if step.interval_first is not None:
                fits &= d >= rows.since(first[row], step.interval_first) - grace
            if path.after or service.after:
                fits &= d >= followed(rows, path, rows.person[here][row], d) - grace
            ok[at] = fits
        done = active[ok]
        first[done] = np.where(counted[done] == 0, day[ok], first[done])
        counted[done] += 1
        spaced[done] = day[ok]
        if service.spaced_from == "given":
            short = counted[active] - ok < len(path.steps)
            spaced[active[short]] = day[short]
        rank += 1
        active = active[stop[active] - start[active] > rank]
    rows.counted[here] = counted
    for place, step in enumerate(path.steps):
        at = np.flatnonzero(counted == place)
        if not len(at):
            continue
        row = here[at]
        product_ = step.product or service.products[0]
        due = np.maximum(rows.at(step.due, row), rows.at(step.earliest_of.get(product_, step.earliest), row))
        reason = np.full(len(at), REASON["age"], np.int8)
        terms: list[tuple[str, Days]] = []
        if age_start is not None:
            terms.append(("age", age_start[row]))
        terms.append(("interval", rows.since(spaced[at], step.interval_due or step.interval or Span(0, 1))))
        if step.interval_first is not None:
            terms.append(("first", rows.since(first[at], step.interval_first)))
        if path.after or service.after:
            terms.append(("after", followed(rows, path, rows.person[row], rows.today)))
        ready = due
        for _, days in terms:
            ready = np.maximum(ready, days)
        for conflict in rows.rules.conflicts:
            if product_ in conflict.products:
                others = joined_keys(rows, [p for p in conflict.products if p != product_])
                last = last_before(others, rows.person[row], rows.today, "right")
                if conflict.same_day:
                    before = last_before(others, rows.person[row], rows.today, "left")
                    waits = np.maximum(ready, before + np.int32(conflict.days))
                    last = np.where(waits <= rows.today, before, last)
                until = np.where(last == LONG_AGO, LONG_AGO, last + np.int32(conflict.days))
                terms.append(("conflict", until))
        _settle(rows, step, row, place + 1, product_, due, reason, terms)


def _windows(rows: Cases, path: Path, here: NDArray[np.int64]) -> None:
    size = len(here)
    age_start = rows.age_start()
    length = rows.stop[here] - rows.first[here]
    owner = np.repeat(np.arange(size), length)
    record = np.repeat(rows.first[here] - np.cumsum(length) + length, length) + np.arange(len(owner))
    day = rows.day[record]
    taken = np.zeros(len(owner), np.bool_)
    filled = np.zeros((len(path.steps), size), np.bool_)
    ends = []
    for place, step in enumerate(path.steps):
        start = latest(rows.at(step.earliest), age_start)[here]
        end = rows.closing(step)[here]
        inside = ~taken & (day >= start[owner]) & (day < end[owner])
        taken |= inside
        filled[place, owner[inside]] = True
        ends.append(end)
    rows.counted[here] = filled.sum(axis=0)
    missed = sum(((~filled[place]) & (end <= rows.today)).astype(np.int16) for place, end in enumerate(ends))
    rows.missed[here] = missed
    rows.status[here] = np.where(filled.all(axis=0), STATUS["complete"], STATUS["closed"])
    waiting = np.ones(size, np.bool_)
    product = [step.product or rows.service.products[0] for step in path.steps]
    for place, step in enumerate(path.steps):
        at = np.flatnonzero(waiting & ~filled[place] & (ends[place] > rows.today))
        if not len(at):
            continue
        row = here[at]
        due = rows.at(step.due, row)
        reason = np.full(len(at), REASON["age"], np.int8)
        terms = [] if age_start is None else [("age", age_start[row])]
        _settle(rows, step, row, place + 1, product[place], due, reason, terms)
        waiting[at] = rows.status[row] == STATUS["closed"]


def _recurring(rows: Cases, path: Path, here: NDArray[np.int64], today: date) -> None:
    service, step = rows.service, path.steps[0]
    age_start = rows.age_start()
    least = latest(rows.at(step.earliest), age_start)[here] - np.int32(service.grace)
    closes = rows.closing(step)[here]
    last, counted = _visits(rows, step, here, least, closes)
    rows.counted[here] = counted
    due = latest(rows.at(step.due), age_start)[here]
    reason = np.full(len(here), REASON["age"], np.int8)
    product = step.product or service.products[0]
    if service.period == "rolling":
        terms = [("interval", rows.since(last, service.every or Span(0, 1)))]
        _settle(rows, step, here, None, product, due, reason, terms)
        return
    now = period_of(service.period, today)
    following = period_of(service.period, now[1])
    done = last >= number(now[0])

    def each(this: date, other: date) -> Days:
        return np.where(done, np.int32(number(other)), np.int32(number(this)))

    terms = [("period", each(now[0], following[0]))]
    if step.interval is not None:
        terms.append(("interval", rows.since(last, step.interval)))
    late = each(*(service.late.after(begins, service.roll) for begins in (now[0], following[0])))
    _settle(rows, step, here, None, product, due, reason, terms, late=late, ends=each(now[1], following[1]))


def _visits(
    rows: Cases, step: Step, here: NDArray[np.int64], least: Days, closes: Days
) -> tuple[Days, Numbers]:
    """Return the last visit that counts and how many do."""
    start, stop = rows.first[here], rows.stop[here]
    size = len(here)
    last = np.full(size, LONG_AGO, np.int32)
    counted = np.zeros(size, np.int32)
    if step.interval is None and not rows.service.grace:
        distinct = np.ones(len(rows.keys) + 1, np.int64)
        distinct[1:-1] = rows.keys[1:] != rows.keys[:-1]
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(distinct[:-1])])
        person = rows.person[here]
        low = np.maximum(np.searchsorted(rows.keys, keyed(person, least), "left"), start)
        high = np.minimum(np.searchsorted(rows.keys, keyed(person, closes), "left"), stop)
        some = np.flatnonzero(high > low)
        last[some] = rows.day[high[some] - 1]
        opening = total[low[some]]
        counted[some] = total[high[some]] - opening
        return last, counted
    grace = np.int32(rows.service.grace)
    active = np.flatnonzero(stop > start)
    rank = 0
    while len(active):
        day = rows.day[start[active] + rank]
        gap = rows.since(last[active], step.interval or Span(0, 0)) - grace
        ok = (day >= least[active]) & (day < closes[active]) & (day >= gap) & (day > last[active])
        last[active[ok]] = day[ok]
        counted[active[ok]] += 1
        rank += 1
        active = active[stop[active] - start[active] > rank]
    return last, counted


def _settle(
    rows: Cases, step: Step, row: NDArray[np.int64], step_number: int | None, product: str, due: Days,
    reason: NDArray[np.int8], terms: Iterable[tuple[str, Days]], *, late: Days | None = None,
    ends: Days | None = None,
) -> None:  # fmt: skip
    """Write the state of rows whose next step is due on the latest day of the terms."""
    service, today = rows.service, np.int32(rows.today)
    for name, day in terms:
        later = day > due
        due = np.where(later, day, due)
        reason[later] = REASON[name]
    due = due.astype(np.int32, copy=False)
    barred = np.zeros(len(row), np.bool_)
    for code in dict.fromkeys((service.code, product)):
        if code in rows.city.bars:
            bars = rows.city.bars[code]
            gone = bars.person[(bars.end >= NEVER) & (bars.start <= today)]
            barred |= np.isin(rows.person[row], gone)
    due = _pushed(rows, row, product, due, reason)
    closes = rows.closing(step)[row]
    if late is None or ends is None:
        overdue = rows.at(step.overdue, row) if step.overdue is not None else np.full_like(due, LONG_AGO)
        if service.kind == "recurring":
            overdue = np.where(rows.counted[row] == 0, overdue, LONG_AGO)
        overdue = np.where(overdue <= due, rows.since(due, service.late), overdue)
    else:
        overdue = np.where(late > due, late, np.maximum(ends, due + np.int32(1)))
    shut = (today >= closes) | (due >= closes)
    status = np.where(
        today < due, STATUS["upcoming"], np.where(today >= overdue, STATUS["overdue"], STATUS["due"])
    )
    status = np.where(shut, STATUS["closed"], status)
    status = np.where(barred, STATUS["contraindicated"], status)
    status = np.where(today > rows.ended[row], STATUS["ended"], status)
    none = shut | barred | (today > rows.ended[row])
    rows.status[row] = status
    rows.step[row] = np.where(none, 0, rows.counted[row] + 1 if step_number is None else step_number)
    rows.due_on[row] = np.where(none, NEVER, due)
    rows.overdue_on[row] = np.where(none, NEVER, overdue)
    rows.closes_on[row] = np.where(none, NEVER, closes)
    rows.reason[row] = np.where(none, np.int8(0), reason)


def _pushed(rows: Cases, row: NDArray[np.int64], product: str, due: Days, reason: NDArray[np.int8]) -> Days:
    """Return due days moved behind contraindications that end, which are few: one by one."""
    codes = [code for code in dict.fromkeys((rows.service.code, product)) if code in rows.city.bars]
    if not codes:
        return due
    bars = [rows.city.bars[code] for code in codes]
    person = np.concatenate([bar.person for bar in bars])
    start = np.concatenate([bar.start for bar in bars])
    end = np.concatenate([bar.end for bar in bars])
    kept = (end < NEVER) & np.isin(person, rows.person[row])
    order = np.lexsort((end[kept], start[kept]))
    due = due.copy()
    by_person = np.argsort(rows.person[row], kind="stable")
    ordered = rows.person[row][by_person]
    for who, begin, stop in zip(person[kept][order], start[kept][order], end[kept][order], strict=True):
        low, high = np.searchsorted(ordered, who, "left"), np.searchsorted(ordered, who, "right")
        for place in by_person[low:high]:
            if begin <= due[place] <= stop:
                due[place] = stop + 1
                reason[place] = REASON["bar"]
    return due
