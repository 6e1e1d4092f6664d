"""A tender's files: bids, groups, demand and benefits as CSV; a typed error for each row that is wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from salus.insurance.tender.saving import Benefit
from salus.insurance.tender.units import Strength
from salus.kernel.errors import Invalid, SalusError
from salus.kernel.money import percent, to_fen

BIDS = {
    "group": "code of the group",
    "supplier": "code of the bidder; one bid a group",
    "strength": "of one unit: 5 mg, 0.25 g, 80mg/12.5mg",
    "pack": "units a pack, whole",
    "price": "yuan a pack, at most two decimals",
    "qualified": "yes or no; empty is yes",
    "evaluated": "day of the quality evaluation, for ties; may be empty",
    "capacity": "reference units a year; may be empty",
    "regions": "wishes for regions, separated by semicolons; may be empty",
    "demand": "reference units reported of this bidder's product, for ties; may be empty",
}
"""Columns of the bids. A column named after a qualification criterion is judged by that criterion."""
GROUPS = {
    "group": "code of the group",
    "reference": "strength in which volumes are counted; empty takes the largest that divides all",
    "pack": "units of the pack that the two prices are stated for; empty is 1",
    "ceiling": "yuan for that pack; empty is no ceiling",
    "old_price": "yuan for that pack up to now; empty leaves savings out",
}
DEMAND = {
    "group": "code of the group",
    "institution": "code of the institution",
    "region": "code of its region",
    "strength": "of one unit",
    "pack": "units a pack, whole",
    "packs": "packs a year, whole",
}
BENEFITS = {
    "scheme": "name of the scheme",
    "use_share": "percent of the use that is its members'",
    "fund_share": "percent of it that the fund pays",
}
_REQUIRED = {
    "bids": ("group", "supplier", "strength", "pack", "price"),
    "groups": ("group",),
    "demand": ("group", "institution", "region", "strength", "pack", "packs"),
    "benefits": ("scheme", "use_share", "fund_share"),
}
_MOST = 10**12


@dataclass(frozen=True, slots=True)
class BidRow:
    """A row of the bids file."""

    line: int
    group: str
    supplier: str
    strength: Strength
    pack: int
    price: int
    qualified: bool
    evaluated: date | None
    capacity: int | None
    regions: tuple[str, ...]
    demand: int
    answers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of the groups file; prices in fen."""

    group: str
    reference: Strength | None
    pack: int
    ceiling: int | None
    old_price: int | None


@dataclass(frozen=True, slots=True)
class DemandRow:
    """A row of the demand file."""

    line: int
    group: str
    institution: str
    region: str
    strength: Strength
    pack: int
    packs: int


@dataclass(slots=True)
class Faults:
    """Errors gathered over all files, so that a user sees them at once and nothing is half done."""

    found: list[SalusError] = field(default_factory=list)

    def add(self, file: str, line: int, error: SalusError) -> None:
        """Keep an error with its file and line."""
        where = f"{file}:{line}" + (f" {error.where}" if error.where else "")
        self.found.append(Invalid(error.code, error.message, where=where, fix=error.fix))


def _rows(path: Path, kind: str, faults: Faults) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield a CSV file's rows with their line numbers; what is no row becomes a fault."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in _REQUIRED[kind] if name not in (reader.fieldnames or [])]
            if missing:
                faults.add(path.name, 1, Invalid("column-missing", "A column is missing", where=missing[0]))
                return
            for row in reader:
                if None in row or None in row.values():
                    faults.add(
                        path.name,
                        reader.line_num,
                        Invalid("row-columns", "The row has not as many cells as the header"),
                    )
                    continue
                yield reader.line_num, {name: (value or "").strip() for name, value in row.items() if name}
    except (csv.Error, UnicodeDecodeError):
        faults.add(path.name, 1, Invalid("file-unreadable", "The file is no CSV in UTF-8"))


def read(path: Path, kind: str, make: Callable[[int, dict[str, str]], Any], faults: Faults) -> list[Any]:
    """Read a file; rows that `make` refuses become faults."""
    if not path.is_file():
        faults.add(path.name, 0, Invalid("file-missing", "The file is not there"))
        return []
    found = []
    for line, row in _rows(path, kind, faults):
        try:
            found.append(make(line, row))
        except SalusError as error:
            faults.add(path.name, line, error)
    return found


def _code(row: Mapping[str, str], name: str) -> str:
    text = row[name]
    if not text or len(text) > 40 or not text.isprintable() or "/" in text:
        raise Invalid("code-malformed", "A code has 1 to 40 characters and no slash", where=name)
    return text


def whole(text: str, name: str, *, least: int = 0) -> int:
    """Read a whole number; raises Invalid, naming the column, when it is none or out of range."""
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not least <= int(text) <= _MOST:
        raise Invalid("number-malformed", f"This must be a whole number from {least}", where=name)
    return int(text)


def _optional(row: Mapping[str, str], name: str) -> int | None:
    return whole(row[name], name) if row.get(name) else None


def _money(row: Mapping[str, str], name: str) -> int:
    try:
        fen = to_fen(row[name])
    except Invalid as error:
        raise Invalid(error.code, error.message, where=name) from None
    if not 0 < fen <= _MOST:
        raise Invalid("price-range", "A price is over zero", where=name)
    return fen


def _day(text: str, name: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("date-malformed", "A day is written YYYY-MM-DD", where=name) from None


def bid_row(line: int, row: dict[str, str]) -> BidRow:
    """Read a row of bids; raises Invalid."""
    if (word := row.get("qualified", "").lower()) not in ("", "yes", "no"):
        raise Invalid("yes-or-no", "Say yes or no", where="qualified")
    return BidRow(
        line, _code(row, "group"), _code(row, "supplier"), Strength.parse(row["strength"]),
        whole(row["pack"], "pack", least=1), _money(row, "price"), word != "no",
        _day(row.get("evaluated", ""), "evaluated"), _optional(row, "capacity"),
        tuple(one.strip() for one in row.get("regions", "").split(";") if one.strip()),
        _optional(row, "demand") or 0, {name: value for name, value in row.items() if name not in BIDS},
    )  # fmt: skip


def group_row(line: int, row: dict[str, str]) -> GroupRow:
    """Read a row of groups; raises Invalid."""
    return GroupRow(
        _code(row, "group"), Strength.parse(row["reference"]) if row.get("reference") else None,
        whole(row["pack"], "pack", least=1) if row.get("pack") else 1,
        _money(row, "ceiling") if row.get("ceiling") else None,
        _money(row, "old_price") if row.get("old_price") else None,
    )  # fmt: skip


def demand_row(line: int, row: dict[str, str]) -> DemandRow:
    """Read a row of demand; raises Invalid."""
    return DemandRow(
        line, _code(row, "group"), _code(row, "institution"), _code(row, "region"),
        Strength.parse(row["strength"]), whole(row["pack"], "pack", least=1), whole(row["packs"], "packs"),
    )  # fmt: skip


def benefit_row(line: int, row: dict[str, str]) -> Benefit:
    """Read a row of benefits; raises Invalid."""
    use, fund = percent(row["use_share"]), percent(row["fund_share"])
    if not Fraction(0) <= use <= 1 or not Fraction(0) <= fund <= 1:
        raise Invalid("percent-range", "A share is 0 to 100 percent", where="use_share")
    return Benefit(_code(row, "scheme"), use, fund)
