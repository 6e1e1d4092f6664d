"""A city's services on a day, set-wise: the same answers as `person.assess`, whole columns at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salus.prevention.schedule.cases import STATUS, Cases
from salus.prevention.schedule.city import City, Episodes, Keys, Numbers
from salus.prevention.schedule.kinds import run_paths
from salus.prevention.schedule.offsets import NEVER, Days, number
from salus.prevention.schedule.person import REASONS, STATUSES
from salus.prevention.schedule.rules import Rules, Service

OPEN = ("due", "overdue")


@dataclass(frozen=True, slots=True)
class Findings:
    """One row for each service of each episode; the columns are `person.Finding`'s, `NEVER` for no day.

    `person` is the resident's number, `service` the place in `services`, `status` in `STATUSES`, `reason`
    in `REASONS`.
    """

    services: tuple[str, ...]
    person: Numbers
    service: NDArray[np.int16]
    anchor_on: Days
    status: NDArray[np.int8]
    step: NDArray[np.int16]
    counted: NDArray[np.int16]
    missed: NDArray[np.int16]
    due_on: Days
    overdue_on: Days
    closes_on: Days
    reason: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.person)

    def where(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Findings":
        """Return some of the rows."""
        return Findings(
            self.services, *(getattr(self, f.name)[rows] for f in fields(self) if f.name != "services")
        )

    def to_arrow(self) -> pa.Table:
        """Return the rows as a table: words as dictionaries, days as date32, null where there is none."""

        def words(codes: NDArray[np.integer], names: Sequence[str]) -> pa.Array:
            return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(names), type=pa.string()))

        def days(column: Days) -> pa.Array:
            return pa.array(column, type=pa.int32(), mask=column >= NEVER).view(pa.date32())

        return pa.table(
            {
                "person": pa.array(self.person),
                "service": words(self.service, self.services),
                "anchor_on": days(self.anchor_on),
                "status": words(self.status, STATUSES),
                "step": pa.array(self.step),
                "counted": pa.array(self.counted),
                "missed": pa.array(self.missed),
                "due_on": days(self.due_on),
                "overdue_on": days(self.overdue_on),
                "closes_on": days(self.closes_on),
                "reason": words(self.reason, REASONS),
            }
        )


def due_list(rules: Rules, city: City, today: date) -> Findings:
    """Return what is due or overdue on a day: the list from which residents are recalled."""
    return findings(rules, city, today, statuses=OPEN)


def findings(rules: Rules, city: City, today: date, *, statuses: Iterable[str] | None = None) -> Findings:
    """Return the state of every service of every resident on a day.

    Args:
        rules: the services that hold on the day.
        city: the residents.
        today: the day, as of which later records are not known.
        statuses: only rows of these `STATUSES`; who cannot be due or overdue is not looked at if it asks
            for no more than these.
    """
    wanted = None if statuses is None else set(statuses)
    near = wanted is not None and wanted <= set(OPEN)
    counts: dict[str, Numbers] = {}
    parts: list[tuple[int, Cases]] = []
    joined: dict[tuple[str, ...], Keys] = {}
    named = {prior for service in rules.services for prior in service.priors}
    for place, service in enumerate(rules.services):
        episodes = _episodes(service, city)
        if episodes is None:
            continue
        chosen = _chosen(rules, service, city, episodes, number(today), near)
        rows = Cases(
            rules, service, city, episodes.person[chosen], episodes.day[chosen], episodes.ended[chosen],
            number(today), joined,
        )  # fmt: skip
        run_paths(rows, today, {prior: counts[prior][chosen] for prior in service.priors})
        if service.code in named:
            counts[service.code] = np.zeros(len(episodes.day), np.int32)
            counts[service.code][chosen] = rows.counted
        parts.append((place, rows))
    return _gather(rules, parts, wanted)


def _episodes(service: Service, city: City) -> Episodes | None:
    if service.anchor == "birth":
        size = len(city)
        return Episodes(np.arange(size, dtype=np.int32), city.birth, np.full(size, NEVER, np.int32))
    return city.episodes.get(service.anchor)


def _bounds(rules: Rules, service: Service) -> tuple[int, int]:
    """Return the fewest and most days since the anchor in which a service can matter."""
    steps = [step for path in service.paths for step in path.steps]
    low = min(step.due.least for step in steps)
    high = max(step.until.most if step.until is not None else 10**6 for step in steps)
    for other in rules.services:
        if service.code in other.priors:
            low, high = min(low, _bounds(rules, other)[0]), max(high, _bounds(rules, other)[1])
    return low, high


def _chosen(
    rules: Rules, service: Service, city: City, episodes: Episodes, today: int, near: bool
) -> NDArray[np.int64]:
    """Return the episodes that began, and if `near` only those in which something can be due."""
    kept = episodes.day <= today
    if near:
        low, high = _bounds(rules, service)
        kept &= episodes.day <= today - low
        kept &= episodes.day >= today - high
        kept &= episodes.ended >= today
        if any(service.code in other.priors for other in rules.services):
            return np.flatnonzero(kept)
        if service.age_from is not None:
            kept &= city.birth[episodes.person] <= today - service.age_from.least
        if service.age_to is not None:
            kept &= city.birth[episodes.person] >= today - service.age_to.most
    return np.flatnonzero(kept)


def _gather(rules: Rules, parts: list[tuple[int, Cases]], wanted: set[str] | None) -> Findings:
    codes = None if wanted is None else [STATUS[name] for name in wanted]
    columns: dict[str, list[NDArray[np.generic]]] = {f.name: [] for f in fields(Findings)[1:]}
    for place, rows in parts:
        kept = rows.path >= 0
        if codes is not None:
            kept &= np.isin(rows.status, codes)
        here = np.flatnonzero(kept)
        columns["person"].append(rows.person[here])
        columns["service"].append(np.full(len(here), place, np.int16))
        columns["anchor_on"].append(rows.anchor.days[here])
        for name in ("status", "step", "missed", "due_on", "overdue_on", "closes_on", "reason"):
            columns[name].append(getattr(rows, name)[here])
        columns["counted"].append(rows.counted[here].astype(np.int16))
    empty = {"person": np.int32, "service": np.int16, "status": np.int8, "reason": np.int8}
    joined = {
        name: np.concatenate(found) if found else np.zeros(0, empty.get(name, np.int32))
        for name, found in columns.items()
    }
    return Findings(tuple(service.code for service in rules.services), **joined)
