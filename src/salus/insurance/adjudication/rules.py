"""Benefit plans, edits and words as data: read from a folder of rule files and compiled to plain look-ups.

What holds for a claim is looked up on its day of discharge (rates, deductibles and ceilings a stay) or on the
first day of its benefit year (all that adds up over the year: yearly deductibles and ceilings, quotas,
serious-illness cover, medical aid, free treatment), so that a year is counted by one set of rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from salus.insurance.adjudication.edits import Edit, load_edits
from salus.insurance.adjudication.resolving import Held, Row, on, resolve, rows_of
from salus.insurance.adjudication.tables import UNLIMITED
from salus.kernel.errors import Invalid
from salus.kernel.money import percent, round_fen, to_fen

FOLDER = Path(__file__).parent.parent / "rules"
KINDS = ("inpatient", "outpatient", "chronic", "pharmacy")
REFERRALS = ("referred", "emergency", "local", "bypassed")
TIERS = ("0", "1", "2", "3")
PERIODS = ("year", "quarter", "month")
GENERAL = "general"
FIRST_YEAR = 2000

Record = Mapping[str, Any]

_COLUMNS: Mapping[str, str] = {
    "deductibles": "scheme:s kind:s class:s tier:i stay:i valid_from:d valid_to:d amount:i rule:s version:i",
    "year_deductibles": "scheme:s kind:s year:i amount:i rule:s version:i",
    "rates": "scheme:s kind:s class:s tier:i referral:s valid_from:d valid_to:d rate:i rule:s version:i",
    "stay_ceilings": "scheme:s kind:s class:s valid_from:d valid_to:d amount:i rule:s version:i",
    "year_ceilings": "scheme:s year:i amount:i rule:s version:i",
    "quotas": "scheme:s kind:s illness:s year:i period:s amount:i rate:i rule:s version:i",
    "plans": "scheme:s year:i class_b_counts:b",
    "serious": "scheme:s kind:s class:s year:i rule:s version:i cap:i",
    "serious_bands": "rule:s version:i year:i low:i high:i rate:i",
    "aid": "scheme:s kind:s class:s year:i rule:s version:i cap:i",
    "aid_bands": "rule:s version:i year:i low:i high:i rate:i",
    "free": "illness:s class:s year:i share:i cap:i outside:b rule:s version:i",
    "classes": "status:s class:s priority:i valid_from:d valid_to:d",
    "illnesses": "illness:s prefix:s",
    "edits": "number:s rule:s version:i code:s kind:s stage:i rank:i effect:s bearer:s most:i params:s"
    " valid_from:d valid_to:d",
}
_KEYS: Mapping[str, str] = {
    "deductibles": "scheme kind class tier stay",
    "year_deductibles": "scheme kind year",
    "rates": "scheme kind class tier referral",
    "stay_ceilings": "scheme kind class",
    "year_ceilings": "scheme year",
    "quotas": "scheme kind illness year",
    "plans": "scheme year",
    "serious": "scheme kind class year",
    "aid": "scheme kind class year",
    "serious_bands": "rule version year",
    "aid_bands": "rule version year",
    "free": "illness class year",
}
_TYPES = {"s": pa.string(), "i": pa.int64(), "d": pa.date32(), "b": pa.bool_()}
_SQL = {"s": "varchar", "i": "bigint", "d": "date", "b": "boolean"}


@dataclass(frozen=True, eq=False)
class Rules:
    """A set of rules as they were known on a day, compiled; `tables` holds them by the names of `columns`."""

    jurisdiction: str
    as_of: date
    edits: tuple[Edit, ...]
    tables: Mapping[str, Sequence[Record]]
    reasons: Mapping[str, Mapping[str, str]]
    illnesses: Mapping[str, Mapping[str, str]]
    most_stays: int

    def arrow(self, name: str) -> pa.Table:
        """Return a compiled table in Arrow."""
        fields = [one.split(":") for one in _COLUMNS[name].split()]
        schema = pa.schema([pa.field(field, _TYPES[type]) for field, type in fields])
        return pa.Table.from_pylist([dict(row) for row in self.tables[name]], schema=schema)

    @cached_property
    def claim_edits(self) -> tuple[Edit, ...]:
        """Return the edits that look at a claim by itself."""
        return tuple(
            one for one in self.edits if one.level == "claim" and one.kind in ("builtin", "predicate")
        )

    @cached_property
    def line_edits(self) -> tuple[Edit, ...]:
        """Return the edits that look at a line by itself."""
        return tuple(
            one for one in self.edits if one.level == "line" and one.kind in ("builtin", "predicate")
        )

    @cached_property
    def counts(self) -> tuple[Edit, ...]:
        """Return the edits that count a person's claims of a year."""
        return tuple(one for one in self.edits if one.kind == "count")

    @cached_property
    def _structural(self) -> Mapping[str, Sequence[Edit]]:
        found: dict[str, list[Edit]] = {}
        for one in self.edits:
            found.setdefault(one.kind, []).append(one)
        return found

    def structural(self, kind: str, day: date) -> Edit | None:
        """Return the edit of a kind other than predicates and counts that is in force on a day."""
        return next((one for one in self._structural.get(kind, ()) if one.holds_on(day)), None)

    @cached_property
    def by_status(self) -> Mapping[str, Sequence[Record]]:
        """Return the classes that a social status gives."""
        found: dict[str, list[Record]] = {}
        for row in self.tables["classes"]:
            found.setdefault(row["status"], []).append(row)
        return found

    @cached_property
    def prefixes(self) -> Mapping[str, tuple[str, ...]]:
        """Return the ICD-10 prefixes of each listed illness."""
        return {illness: tuple(row["prefixes"].split(";")) for illness, row in self.illnesses.items()}

    @cached_property
    def _found(self) -> Mapping[str, Mapping[tuple[Any, ...], Sequence[Record]]]:
        indexes: dict[str, dict[tuple[Any, ...], list[Record]]] = {}
        for name, key in _KEYS.items():
            index = indexes.setdefault(name, {})
            for row in self.tables[name]:
                index.setdefault(tuple(row[column] for column in key.split()), []).append(row)
        return indexes

    def yearly(self, name: str, *key: Any) -> Record | None:
        """Return the row of a compiled table for a key that names the year."""
        return next(iter(self._found[name].get(key, ())), None)

    def dated(self, name: str, day: date, *key: Any) -> Record | None:
        """Return the row of a compiled table for a key on a day."""
        rows = self._found[name].get(key, ())
        return next((row for row in rows if row["valid_from"] <= day <= row["valid_to"]), None)

    def bands(self, name: str, row: Record) -> Sequence[Record]:
        """Return the bands of a rule of serious-illness cover or medical aid."""
        return self._found[f"{name}_bands"].get((row["rule"], row["version"], row["year"]), ())

    @staticmethod
    def columns() -> Mapping[str, str]:
        """Return each compiled table's columns as a job declares them."""
        return {
            name: ", ".join(
                f"{field} {_SQL[type]}" for field, type in (one.split(":") for one in words.split())
            )
            for name, words in _COLUMNS.items()
        }


def load_rules(folder: Path | None = None, *, as_of: date, jurisdiction: str = "CN") -> Rules:
    """Read and compile the rules of a folder as published by a day, for a jurisdiction (GB/T 2260 or CN).

    `folder` defaults to the platform's own; a city's folder holds the same files.
    Raises `Invalid` that names file, line and column at fault.
    """
    home = folder or FOLDER

    def rows(name: str) -> list[Row]:
        return rows_of(home / f"{name}.csv", jurisdiction, as_of)

    plans, classes = rows("benefit_plans"), rows("aid_classes")
    schemes = tuple(dict.fromkeys(row.cells["scheme"] for row in plans))
    named = (GENERAL, *dict.fromkeys(row.cells["class"] for row in classes))
    illnesses = _illnesses(home / "catalogue_illnesses.csv")
    years = range(FIRST_YEAR, as_of.year + 2)
    edits = load_edits(home / "edit_rules.csv", jurisdiction, as_of)
    whole = {"scheme": schemes, "kind": KINDS, "class": named}
    deductibles = _deductibles(rows("benefit_deductibles"), whole, years)
    ceilings = rows("benefit_ceilings")
    quotas = resolve(rows("benefit_quotas"), {"scheme": schemes, "kind": KINDS, "illness": ("", *illnesses)})
    income = {year: amount for year in years if (amount := _income(rows("benefit_income"), year)) is not None}
    free = resolve(rows("aid_free"), {"illness": tuple(illnesses)})
    serious = _ladders(resolve(rows("benefit_serious"), whole), income, years)
    aid = _ladders(resolve(rows("aid_rates"), whole), income, years)
    tables: dict[str, Sequence[Record]] = {
        **deductibles,
        "rates": [
            _key(key, "scheme kind class tier referral") | _dated(one, rate=_percent("rate"))
            for key, held in resolve(
                rows("benefit_rates"), {**whole, "tier": TIERS, "referral": REFERRALS}
            ).items()
            for one in held
        ],
        "stay_ceilings": [
            _key(key, "scheme kind class") | _dated(one, amount=_yuan("amount"))
            for key, held in resolve([r for r in ceilings if r.cells["scope"] == "stay"], whole).items()
            for one in held
        ],
        "year_ceilings": _year_ceilings(ceilings, schemes, years),
        "quotas": _yearly(quotas, "scheme kind illness", years, period=_period, amount=_yuan("amount"),
                          rate=_percent("rate")),
        "plans": _yearly(resolve(plans, {"scheme": schemes}), "scheme", years, class_b_counts=_yes),
        "serious": serious[0], "serious_bands": serious[1], "aid": aid[0], "aid_bands": aid[1],
        "free": [
            {**row, "class": one}
            for row in _yearly(free, "illness", years, share=_percent("share"), cap=_yuan("cap"),
                               outside=_yes, classes=_classes(named))
            for one in row["classes"]
        ],
        "classes": [
            {"status": status, "class": one.row.cells["class"], "priority": one.row.read("priority", int),
             "valid_from": one.valid_from, "valid_to": one.valid_to}
            for (status,), held in resolve(
                classes, {"status": tuple(dict.fromkeys(row.cells["status"] for row in classes))}
            ).items()
            for one in held
        ],
        "illnesses": [
            {"illness": illness, "prefix": prefix}
            for illness, row in illnesses.items()
            for prefix in row["prefixes"].split(";")
        ],
        "edits": [
            {"number": str(number), "most": edit.limit, **{name: getattr(edit, name) for name in (
                "rule", "version", "code", "kind", "stage", "rank", "effect", "bearer", "params",
                "valid_from", "valid_to")}}
            for number, edit in enumerate(edits)
        ],
    }  # fmt: skip
    most = max((int(row["stay"]) for row in tables["deductibles"]), default=1)
    reasons = _reasons(home / "edit_reasons.csv")
    if missing := [edit.code for edit in edits if edit.code not in reasons]:
        raise Invalid("rules-words", f"the edit {missing[0]} has no words", where="edit_reasons.csv")
    return Rules(jurisdiction, as_of, edits, tables, reasons, illnesses, most)


def _key(key: tuple[str, ...], names: str) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(names.split(), key, strict=True))
    for name in ("tier", "stay"):
        if name in found:
            found[name] = int(found[name])
    return found


def _dated(one: Held, **values: Any) -> dict[str, Any]:
    return {
        "valid_from": one.valid_from, "valid_to": one.valid_to, "rule": one.row.rule,
        "version": one.row.version, **{name: read(one.row) for name, read in values.items()},
    }  # fmt: skip


def _yearly(
    resolved: Mapping[tuple[str, ...], list[Held]], names: str, years: range, **values: Any
) -> list[dict[str, Any]]:
    """Return for each key and year the rule in force on the year's first day."""
    return [
        {**_key(key, names), "year": year, "rule": row.rule, "version": row.version,
         **{name: read(row) for name, read in values.items()}}
        for key, held in resolved.items()
        for year in years
        if (row := on(held, date(year, 1, 1))) is not None
    ]  # fmt: skip


def _deductibles(
    rows: Sequence[Row], whole: Mapping[str, Sequence[str]], years: range
) -> dict[str, Sequence[Record]]:
    stays, yearly = [], []
    for row in rows:
        if row.cells["basis"] == "stay":
            stays.append(row)
        elif row.cells["basis"] != "year":
            raise Invalid("rules-cell", "a deductible is a stay's or a year's", where=f"{row.where}, basis")
        elif (row.cells["class"], row.cells["tier"], row.cells["stay_from"]) != ("*", "*", "1"):
            raise Invalid(
                "rules-yearly", "a yearly deductible holds for every class, tier and stay", where=row.where
            )
        else:
            yearly.append(row)
    most = max((row.read("stay_from", int) for row in stays), default=1)
    numbered = []
    for stay in range(1, most + 1):
        begun = [
            replace(row, weight=row.read("stay_from", int))
            for row in stays
            if row.read("stay_from", int) <= stay
        ]
        numbered += [
            {**_key((*key, str(stay)), "scheme kind class tier stay"), **_dated(one, amount=_yuan("amount"))}
            for key, held in resolve(begun, {**whole, "tier": TIERS}).items()
            for one in held
        ]
    return {
        "deductibles": numbered,
        "year_deductibles": _yearly(
            resolve(yearly, {"scheme": whole["scheme"], "kind": KINDS}), "scheme kind", years,
            amount=_yuan("amount"),
        ),
    }  # fmt: skip


def _year_ceilings(rows: Sequence[Row], schemes: Sequence[str], years: range) -> list[dict[str, Any]]:
    yearly = [row for row in rows if row.cells["scope"] != "stay"]
    for row in yearly:
        if row.cells["scope"] != "year" or (row.cells["kind"], row.cells["class"]) != ("*", "*"):
            raise Invalid(
                "rules-yearly",
                "a ceiling is a stay's, or a year's for every kind and class",
                where=f"{row.where}, scope",
            )
    return _yearly(resolve(yearly, {"scheme": schemes}), "scheme", years, amount=_yuan("amount"))


def _ladders(
    resolved: Mapping[tuple[str, ...], list[Held]], income: Mapping[int, int], years: range
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rules that pay by bands above a share of income: who has which, and each rule's bands a year."""
    heads = [
        row
        for row in _yearly(resolved, "scheme kind class", years, cap=_yuan("cap"), bands=_bands)
        if row["year"] in income
    ]
    bands = {}
    for row in heads:
        share, steps = row["bands"]
        low = round_fen(share * income[row["year"]])
        edges = [low + above for above, _ in steps] + [UNLIMITED]
        bands[row["rule"], row["version"], row["year"]] = [
            {"rule": row["rule"], "version": row["version"], "year": row["year"], "low": edges[n],
             "high": edges[n + 1], "rate": rate}
            for n, (_, rate) in enumerate(steps)
        ]  # fmt: skip
    return heads, [band for group in bands.values() for band in group]


def _bands(row: Row) -> Any:
    share = row.read("income_share", Decimal)
    steps = row.read("bands", lambda text: [_band(one) for one in text.split(";")])
    if (
        [above for above, _ in steps] != sorted({above for above, _ in steps})
        or steps[0][0] != 0
        or share < 0
    ):
        raise Invalid("rules-bands", "bands begin at 0 and rise", where=f"{row.where}, bands")
    return share, steps


def _band(text: str) -> tuple[int, int]:
    above, _, rate = text.partition(":")
    return to_fen(above.strip()), _bp(rate.strip())


def _income(rows: Sequence[Row], year: int) -> int | None:
    """Return the income in fen that a year counts by: the latest published one of an earlier year."""
    known = [row for row in rows if row.read("year", int) < year]
    if not known:
        return None
    return max(known, key=lambda row: (row.read("year", int), row.jurisdiction != "CN", row.version)).read(
        "amount", to_fen
    )


def _percent(column: str) -> Any:
    return lambda row: row.read(column, lambda text: _bp(text) if text else None)


def _bp(text: str) -> int:
    exact = percent(text) * 10_000
    if exact.denominator != 1 or not 0 <= exact <= 10_000:
        raise Invalid("rules-percent", "a percentage is between 0 and 100, with two digits at most")
    return int(exact)


def _yuan(column: str) -> Any:
    def amount(text: str) -> int:
        fen = to_fen(text) if text else UNLIMITED
        if not 0 <= fen <= UNLIMITED:
            raise Invalid("rules-amount", "an amount is not negative")
        return fen

    return lambda row: row.read(column, amount)


def _yes(row: Row) -> bool:
    column = "class_b_counts" if "class_b_counts" in row.cells else "outside"
    return row.read(column, lambda text: {"yes": True, "no": False}[text])


def _period(row: Row) -> str:
    return row.read("period", lambda text: PERIODS[PERIODS.index(text)])


def _classes(named: Sequence[str]) -> Any:
    def listed(text: str) -> list[str]:
        return [named[named.index(one.strip())] for one in text.split(";")]

    return lambda row: row.read("classes", listed)


def _illnesses(path: Path) -> dict[str, Mapping[str, str]]:
    return {row["illness"]: row for row in _plain(path, "illness", "prefixes", "name_en", "name_zh")}


def _reasons(path: Path) -> dict[str, Mapping[str, str]]:
    return {
        row["code"]: {"en": row["text_en"], "zh": row["text_zh"]}
        for row in _plain(path, "code", "text_en", "text_zh")
    }


def _plain(path: Path, *columns: str) -> list[dict[str, str]]:
    """Read a file that needs no dates: each of the columns filled, the first unique."""
    import csv

    if not path.is_file():
        raise Invalid("rules-missing", f"there is no rule file {path.name}", fix="Give the whole folder.")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen = set()
    for number, row in enumerate(rows, 2):
        if empty := [column for column in columns if not row.get(column)]:
            raise Invalid("rules-cell", f"{empty[0]} is empty", where=f"{path.name}:{number}")
        if row[columns[0]] in seen:
            raise Invalid("rules-repeated", f"{columns[0]} stands twice", where=f"{path.name}:{number}")
        seen.add(row[columns[0]])
    return rows
