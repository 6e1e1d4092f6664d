"""The episodes of one service as columns: records, spans since the anchor, what may follow what."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salus.prevention.schedule.city import City, Keys, Numbers, day_of, keyed
from salus.prevention.schedule.offsets import LONG_AGO, NEVER, Dates, Days, Span
from salus.prevention.schedule.person import REASONS, STATUSES
from salus.prevention.schedule.rules import Path, Rules, Service, Step

Flags = NDArray[np.bool_]
STATUS = {name: np.int8(place) for place, name in enumerate(STATUSES)}
REASON = {name: np.int8(place) for place, name in enumerate(REASONS)}


class Cases:
    """The episodes of one service: what is known, and what is found."""

    def __init__(
        self, rules: Rules, service: Service, city: City, person: Numbers, day: Days, ended: Days, today: int,
        joined: dict[tuple[str, ...], Keys],
    ) -> None:  # fmt: skip
        self.joined = joined
        self.rules, self.service, self.city, self.today = rules, service, city, today
        self.person, self.ended = person, ended
        self.anchor = Dates(day, service.roll)
        self._at: dict[Span, Days] = {}
        self.birth = Dates(city.birth[person], service.roll) if aged(service) else None
        size = len(person)
        self.path = np.full(size, -1, np.int16)
        self.status = np.full(size, STATUS["complete"], np.int8)
        self.step = np.zeros(size, np.int16)
        self.counted = np.zeros(size, np.int32)
        self.missed = np.zeros(size, np.int16)
        self.due_on = np.full(size, NEVER, np.int32)
        self.overdue_on = np.full(size, NEVER, np.int32)
        self.closes_on = np.full(size, NEVER, np.int32)
        self.reason = np.zeros(size, np.int8)
        self._records()

    def __len__(self) -> int:
        return len(self.person)

    def _records(self) -> None:
        """Find each row's records: `keys[first:stop]`, `product` beside it."""
        order = {product: place for place, product in enumerate(self.rules.products)}
        names = sorted(
            (p for p in self.service.products if p in self.city.given), key=lambda product: order[product]
        )
        parts = [self.city.given[name].keys for name in names]
        self.keys: Keys = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        self.product = np.concatenate(
            [np.full(len(part), order[name], np.int16) for name, part in zip(names, parts, strict=True)]
            or [np.zeros(0, np.int16)]
        )
        if len(parts) > 1:
            merged = np.argsort(self.keys, kind="stable")
            self.keys, self.product = self.keys[merged], self.product[merged]
        self.day = day_of(self.keys)
        last = np.minimum(self.ended, np.int32(self.today))
        self.first = np.searchsorted(self.keys, keyed(self.person, self.anchor.days), "left")
        self.stop = np.searchsorted(self.keys, keyed(self.person, last), "right")
        self.stop = np.maximum(self.stop, self.first)

    def at(self, length: Span, here: NDArray[np.int64] | slice = slice(None)) -> Days:
        """Return the day a span after the anchor."""
        if length not in self._at:
            self._at[length] = self.anchor.after(length)
        return self._at[length][here]

    def since(self, days: Days, length: Span) -> Days:
        """Return the day a span after each day, for a whole number of months by the calendar."""
        if not length.months:
            return np.where(days > LONG_AGO, days + np.int32(length.days), days)
        return Dates(days, self.service.roll).after(length)

    def age_start(self) -> Days | None:
        """Return the first day on which the residents' age admits the service."""
        if self.service.age_from is None or self.birth is None:
            return None
        return self.birth.after(self.service.age_from)

    def closing(self, step: Step) -> Days:
        """Return the first day on which a step is no longer given."""
        days = np.full(len(self), NEVER, np.int32) if step.until is None else self.at(step.until)
        if self.service.age_to is not None and self.birth is not None:
            days = np.minimum(days, self.birth.after(self.service.age_to))
        return days


def last_before(keys: Keys, person: Numbers, day: Days | int, side: str) -> Days:
    """Return each resident's last day before a day ("left") or up to it ("right"), or `LONG_AGO`."""
    if not len(keys):
        return np.full(len(person), LONG_AGO, np.int32)
    place = np.searchsorted(keys, keyed(person, day), "left" if side == "left" else "right") - 1
    found = keys[np.maximum(place, 0)]
    mine = (place >= 0) & (found >= keyed(person, int(LONG_AGO)))
    return np.where(mine, day_of(found), LONG_AGO)


def aged(service: Service) -> bool:
    """Say whether a service asks for the resident's age."""
    return service.age_from is not None or service.age_to is not None


def clashes(rows: Cases) -> Flags | None:
    """Return which records clash with another product of a conflict that was given before."""
    order = {name: place for place, name in enumerate(rows.rules.products)}
    clash: Flags | None = None
    given = rows.city.given
    for conflict in rows.rules.conflicts:
        for product in set(conflict.products) & set(rows.service.products) & set(given):
            others = [p for p in conflict.products if p != product and p in given]
            if not others:
                continue
            mine = np.flatnonzero(rows.product == order[product])
            person = (rows.keys[mine] >> np.int64(23)).astype(np.int32)
            day = rows.day[mine]
            if clash is None:
                clash = np.zeros(len(rows.keys), np.bool_)
            last = last_before(joined_keys(rows, others), person, day, "left")
            clash[mine] |= day - last < conflict.days
            if not conflict.same_day:
                before = [p for p in others if order[p] < order[product]]
                last = last_before(joined_keys(rows, before), person, day, "right")
                clash[mine] |= last == day
    return clash


def joined_keys(rows: Cases, products: Sequence[str]) -> Keys:
    """Return the keys of several products in one order, made once a run."""
    wanted = tuple(products)
    if wanted not in rows.joined:
        rows.joined[wanted] = _join(rows.city, wanted)
    return rows.joined[wanted]


def _join(city: City, products: Sequence[str]) -> Keys:
    parts = [city.given[p].keys for p in products if p in city.given]
    if not parts:
        return np.zeros(0, np.int64)
    return parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts), kind="stable")


def followed(rows: Cases, path: Path, person: Numbers, day: Days | int) -> Days:
    """Return from when on the service may follow other products given up to a day."""
    from_day = np.full(len(person), LONG_AGO, np.int32)
    for rule in path.after or rows.service.after:
        last = last_before(joined_keys(rows, rule.products), person, day, "right")
        from_day = np.maximum(from_day, rows.since(last, rule.interval))
    return from_day


def latest(days: Days, other: Days | None) -> Days:
    """Return the later of each two days, or the days where there are no others."""
    return days if other is None else np.maximum(days, other)
