"""A city's residents, anchors, what was given and what must not be: columns, made once from Arrow tables.

Residents are numbered 0 … n-1 in the order of the births; all other columns name them by that number. Days
are days since 1970-01-01 (int32).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.prevention.schedule.offsets import NEVER, Days
from salus.prevention.schedule.person import Resident

Numbers = NDArray[np.int32]
Keys = NDArray[np.int64]

_SHIFT, _ZERO = np.int64(23), np.int64(1 << 22)


def keyed(person: Numbers, day: Days | int) -> Keys:
    """Return one number a row that orders by resident, then day."""
    shifted = person.astype(np.int64) << _SHIFT
    return shifted + (np.asarray(day).astype(np.int64) + _ZERO)


@dataclass(frozen=True, slots=True)
class Episodes:
    """Anchors of one kind: the resident, the anchor's day, the last day of its services (`NEVER`: open)."""

    person: Numbers
    day: Days
    ended: Days


@dataclass(frozen=True, slots=True)
class Records:
    """What was given of one product, by resident and day; `keys` is `keyed` of both, ascending."""

    keys: Keys

    @property
    def person(self) -> Numbers:
        """The residents."""
        return (self.keys >> _SHIFT).astype(np.int32)

    @property
    def day(self) -> Days:
        """The days."""
        return day_of(self.keys)


def day_of(keys: Keys) -> Days:
    """Return the day that a key holds."""
    return ((keys & ((np.int64(1) << _SHIFT) - 1)) - _ZERO).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Bars:
    """Contraindications of one service or product, by resident and start; `end` is `NEVER` for good."""

    person: Numbers
    start: Days
    end: Days


@dataclass(frozen=True, slots=True)
class City:
    """All that the set-wise engine reads."""

    birth: Days
    episodes: Mapping[str, Episodes] = field(default_factory=dict)
    given: Mapping[str, Records] = field(default_factory=dict)
    bars: Mapping[str, Bars] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.birth)

    @classmethod
    def build(
        cls, births: Any, episodes: pa.Table | None = None, given: pa.Table | None = None,
        bars: pa.Table | None = None,
    ) -> "City":  # fmt: skip
        """Make the columns of a city.

        Args:
            births: n birth days (Arrow or numpy, date32 or days since 1970-01-01).
            episodes: `person` (0 … n-1), `anchor`, `day`, `ended` (null: open).
            given: `person`, `product`, `day`; in any order, quickest when ordered by resident and day.
            bars: `person`, `code`, `start`, `end` (null: for good).

        Raises:
            Invalid: a column is missing, a day is null, or a person's number is none of 0 … n-1.
        """
        birth = _days(births, "birth")
        size = len(birth)
        return cls(
            birth,
            {} if episodes is None else dict(_episodes(episodes, size)),
            {} if given is None else dict(_given(given, size)),
            {} if bars is None else dict(_bars(bars, size)),
        )


def city_of(residents: Iterable[Resident]) -> City:
    """Return the columns of some residents: what the row-wise engine reads, for the set-wise one."""
    people = list(residents)

    def table(rows: list[tuple[Any, ...]], names: tuple[str, ...]) -> pa.Table:
        kinds = {"person": pa.int32(), "anchor": pa.string(), "product": pa.string(), "code": pa.string()}
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pa.table(
            {
                n: pa.array(list(c), type=kinds.get(n, pa.date32()))
                for n, c in zip(names, columns, strict=True)
            }
        )

    return City.build(
        pa.array([r.birth for r in people], type=pa.date32()),
        table(
            [(n, e.anchor, e.day, e.ended) for n, r in enumerate(people) for e in r.episodes],
            ("person", "anchor", "day", "ended"),
        ),
        table(
            [(n, g.product, g.day) for n, r in enumerate(people) for g in r.given],
            ("person", "product", "day"),
        ),
        table(
            [(n, b.code, b.start, b.end) for n, r in enumerate(people) for b in r.bars],
            ("person", "code", "start", "end"),
        ),
    )


def _days(column: Any, name: str, empty: np.int32 | None = None) -> Days:
    """Return a column of days as int32; nulls become `empty`."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "M":
            column = column.astype("M8[D]").astype(np.int64)
        days: Days = column.astype(np.int32, copy=False)
        return days
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count and empty is None:
        raise Invalid("schedule-null", "A day is missing", where=name)
    if not pa.types.is_integer(column.type):
        column = column.cast(pa.date32()).view(pa.int32())
    if column.null_count and empty is not None:
        column = column.fill_null(int(empty))
    found: Days = column.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return found


def _column(table: pa.Table, name: str, of: str) -> Any:
    if name not in table.column_names:
        raise Invalid("schedule-column", f"The table {of} has no column {name}")
    return table.column(name)


def _persons(table: pa.Table, size: int, of: str) -> Numbers:
    found: Numbers = _column(table, "person", of).to_numpy().astype(np.int32, copy=False)
    if len(found) and (found.min() < 0 or found.max() >= size):
        raise Invalid("schedule-person", f"The table {of} names a resident who is not there")
    return found


def _kinds(table: pa.Table, name: str, of: str) -> Iterable[tuple[str, NDArray[np.bool_]]]:
    """Yield each value of a column of words and where it stands."""
    column = _column(table, name, of)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False)
    for place, value in enumerate(column.dictionary.to_pylist()):
        yield value, codes == place


def _episodes(table: pa.Table, size: int) -> Iterable[tuple[str, Episodes]]:
    person = _persons(table, size, "episodes")
    day = _days(_column(table, "day", "episodes"), "day")
    ended = _days(_column(table, "ended", "episodes"), "ended", NEVER)
    for anchor, here in _kinds(table, "anchor", "episodes"):
        order = np.argsort(keyed(person[here], day[here]), kind="stable")
        yield anchor, Episodes(person[here][order], day[here][order], ended[here][order])


def _given(table: pa.Table, size: int) -> Iterable[tuple[str, Records]]:
    keys = keyed(_persons(table, size, "given"), _days(_column(table, "day", "given"), "day"))
    for product, here in _kinds(table, "product", "given"):
        chosen = keys[here]
        if len(chosen) > 1 and not bool(np.all(chosen[:-1] <= chosen[1:])):
            chosen = np.sort(chosen)
        yield product, Records(chosen)


def _bars(table: pa.Table, size: int) -> Iterable[tuple[str, Bars]]:
    person = _persons(table, size, "bars")
    start = _days(_column(table, "start", "bars"), "start")
    end = _days(_column(table, "end", "bars"), "end", NEVER)
    for code, here in _kinds(table, "code", "bars"):
        order = np.lexsort((end[here], start[here], person[here]))
        yield code, Bars(person[here][order], start[here][order], end[here][order])


def as_date(day: int) -> date | None:
    """Return the date of a day, None for `NEVER`."""
    from salus.prevention.schedule.offsets import dated

    return None if day >= NEVER else dated(day)
