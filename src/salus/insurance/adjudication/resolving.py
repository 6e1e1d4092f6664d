"""From rule files to one rule a key and day: wildcards, versions, jurisdictions and dates are resolved here.

A rule file is CSV. Each row carries `rule, version, jurisdiction, valid_from, valid_to, published`, the
columns of its key (`*` for any, `;` between several), its values, and `source, checked`. Of the rows that fit
a key on a day the one of the narrower jurisdiction counts, then the one without a wildcard in the key's
earlier column, then the newer version; two different rules that fit equally are an error.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import TypeVar

from salus.kernel.errors import Invalid, SalusError

FIRST, LAST = date(1900, 1, 1), date(9999, 12, 31)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a rule file: what rule it is, when and where it holds; of equals more `weight` wins."""

    rule: str
    version: int
    jurisdiction: str
    valid_from: date
    valid_to: date
    cells: Mapping[str, str]
    where: str
    weight: int = 0

    def read(self, column: str, as_: Callable[[str], T]) -> T:
        """Return a cell read by a function; raises `Invalid` that names file, line and column."""
        try:
            return as_(self.cells[column])
        except KeyError:
            raise Invalid("rules-column", f"there is no column {column}", where=self.where) from None
        except (ValueError, ArithmeticError, SalusError) as error:
            words = error.message if isinstance(error, SalusError) else "it cannot be read"
            where = f"{self.where}, {column}"
            raise Invalid("rules-cell", f"a cell of a rule file is wrong: {words}", where=where) from None


def rows_of(path: Path, jurisdiction: str, as_of: date) -> list[Row]:
    """Read the rows of a rule file that hold in a jurisdiction and were published by a day.

    `jurisdiction` is a GB/T 2260 code; rows of it, of its prefecture, of its province and of `CN` hold.
    Raises `Invalid` for a file that is not there or lacks a column.
    """
    if not path.is_file():
        raise Invalid("rules-missing", f"there is no rule file {path.name}", fix="Give the whole folder.")
    areas = areas_of(jurisdiction)
    with path.open(encoding="utf-8", newline="") as file:
        found = []
        for number, cells in enumerate(csv.DictReader(file), 2):
            where = f"{path.name}:{number}"
            if None in cells or None in cells.values():
                raise Invalid("rules-cell", "a row has another number of cells than the header", where=where)
            row = Row("", 0, "", FIRST, LAST, cells, where)
            if row.read("published", date.fromisoformat) > as_of or cells["jurisdiction"] not in areas:
                continue
            found.append(
                Row(
                    row.read("rule", _named),
                    row.read("version", int),
                    cells["jurisdiction"],
                    row.read("valid_from", date.fromisoformat),
                    row.read("valid_to", lambda text: date.fromisoformat(text) if text else LAST),
                    cells,
                    where,
                )
            )
    return found


def areas_of(jurisdiction: str) -> list[str]:
    """Return the jurisdictions whose rules hold in one, the widest first."""
    if jurisdiction == "CN":
        return ["CN"]
    if not (jurisdiction.isdecimal() and len(jurisdiction) == 6):
        raise Invalid("rules-jurisdiction", "a jurisdiction is CN or six digits", where=jurisdiction)
    wider = (jurisdiction[:2] + "0000", jurisdiction[:4] + "00", jurisdiction)
    return ["CN", *dict.fromkeys(wider)]


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text.strip()


@dataclass(frozen=True, slots=True)
class Held:
    """A rule that holds for a key from one day to another, both included."""

    valid_from: date
    valid_to: date
    row: Row


def resolve(rows: Sequence[Row], domains: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[Held]]:
    """Return for each key, over the values that each key column may have, the rules that hold, day by day.

    `domains` maps a key column to its values; a value of a row that is not among them raises `Invalid`.
    """
    by_key: dict[tuple[str, ...], list[tuple[tuple[bool, ...], Row]]] = {}
    for row in rows:
        said = [_values(row, column, values) for column, values in domains.items()]
        narrow = tuple(row.cells[column] != "*" for column in domains)
        for key in product(*said):
            by_key.setdefault(key, []).append((narrow, row))
    return {key: _days(fitting) for key, fitting in by_key.items()}


def _values(row: Row, column: str, values: Sequence[str]) -> Sequence[str]:
    cell = row.read(column, str.strip)
    if cell == "*":
        return values
    said = [one.strip() for one in cell.split(";")]
    if unknown := [one for one in said if one not in values]:
        raise Invalid(
            "rules-key",
            f"{unknown[0] or 'an empty cell'!r} is none of the values of {column}",
            where=row.where,
            fix=f"Use one of: {', '.join(values)}.",
        )
    return said


def _days(fitting: Sequence[tuple[tuple[bool, ...], Row]]) -> list[Held]:
    """Return which row holds when: the best of those in force, between days on which any begins or ends."""
    edges = {row.valid_from for _, row in fitting}
    edges |= {row.valid_to + timedelta(days=1) for _, row in fitting if row.valid_to < LAST}
    days = sorted(edges)
    held: list[Held] = []
    for begins, ends in zip(days, [day - timedelta(days=1) for day in days[1:]] + [LAST], strict=True):
        ranked = [
            ((_area(row), narrow, row.weight, row.version), row)
            for narrow, row in fitting
            if row.valid_from <= begins <= row.valid_to
        ]
        if not ranked:
            continue
        best = max(rank for rank, _ in ranked)
        winners = [row for rank, row in ranked if rank == best]
        if len(winners) > 1:
            raise Invalid(
                "rules-conflict",
                f"{winners[0].rule} and {winners[1].rule} hold for the same case on the same day",
                where=f"{winners[0].where} and {winners[1].where}",
                fix="End the one before the other begins, or give it a narrower key.",
            )
        if held and held[-1].row is winners[0] and held[-1].valid_to + timedelta(days=1) == begins:
            held[-1] = Held(held[-1].valid_from, ends, winners[0])
        else:
            held.append(Held(begins, ends, winners[0]))
    return held


def _area(row: Row) -> int:
    code = row.jurisdiction
    return 0 if code == "CN" else 1 if code.endswith("0000") else 2 if code.endswith("00") else 3


def on(held: Iterable[Held], day: date) -> Row | None:
    """Return the rule that holds on a day."""
    return next((one.row for one in held if one.valid_from <= day <= one.valid_to), None)
