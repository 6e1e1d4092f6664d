"""Import of published schemes: a folder of mdc, mdc_dx, adrg, adrg_dx, adrg_proc, drg, mcc, cc and cce.

`gate` and `cond` are conditions such as `record.zdList[0] in adrg_zd and record.ageDay<=28`; the further
tables zd_map, ss_map, zd_info, ss_info and ss_valid may be missing or come from the national scheme (`base`).
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from salus.insurance.scheme.folder import check
from salus.insurance.scheme.model import (
    Adrg,
    BadScheme,
    CodeKind,
    CodeSet,
    Counted,
    Level,
    Mdc,
    Scheme,
    Split,
    severity_rule,
    site_set,
)
from salus.insurance.scheme.names import asked_by_name
from salus.insurance.scheme.predicates import Predicate, Sets, all_of, parse
from salus.insurance.scheme.pylike import Names, read
from salus.insurance.scheme.tables import Row, Table, read_table, whole

_NUMBERED = re.compile(r"(?:adrg_)?(zd|ss|dx|proc|pr)(\d*)")
_TABLES = ("zd_map", "ss_map", "zd_info", "ss_info", "ss_valid")


@dataclass(frozen=True, slots=True)
class About:
    """What the tables do not say of a scheme: its code, version and where and when it is in force."""

    code: str
    version: str
    title: str = ""
    jurisdiction: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    source: str = ""
    no_split: Literal["adrg", "next"] = "adrg"
    by_name: bool = False


@dataclass(slots=True)
class _Sets:
    codes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    kinds: dict[str, CodeKind] = field(default_factory=dict)

    def add(self, name: str, kind: CodeKind, code: str) -> None:
        self.kinds[name] = kind
        self.codes[name].add(code)

    def found(self, name: str) -> str | None:
        return name if self.codes.get(name) else None

    def made(self) -> dict[str, CodeSet]:
        return {
            name: CodeSet(name, self.kinds[name], frozenset(codes))
            for name, codes in self.codes.items()
            if codes
        }


def import_published(folder: str | Path, about: About, *, base: str | Path | None = None) -> Scheme:
    """Read a published scheme; `base` is the folder of the national scheme, for tables that this one lacks.

    With `about.by_name` a split that is named by an age, a stay or hours of intensive care is asked for that,
    where the table says only MCC or CC of it. Raises `BadScheme` or `BadPredicate`, which name file and row.
    """
    place = Path(folder)
    notes: list[str] = []
    sets = _Sets()
    sites = _mdc_dx(place, sets)
    _adrg_codes(place, sets)
    shared = {name: _shared(place, base, name) for name in _TABLES}
    _valid_procedures(place, shared["ss_valid"], sets, notes)
    mdcs = _mdcs(place, sets, sites, notes)
    adrgs = _adrgs(place, mdcs, sets, notes, by_name=about.by_name)
    maps: dict[CodeKind, Mapping[str, str]] = {}
    valid: dict[CodeKind, Mapping[str, str]] = {}
    for kind, short in (("dx", "zd"), ("pr", "ss")):
        _pairs(shared[f"{short}_map"], "dx" if kind == "dx" else "pr", maps)
        _pairs(shared[f"{short}_info"], "dx" if kind == "dx" else "pr", valid)
    scheme = Scheme(
        code=about.code, version=about.version, title=about.title, title_zh=about.title,
        jurisdiction=about.jurisdiction, valid_from=about.valid_from, valid_to=about.valid_to,
        source=about.source or f"imported from {place.name}", checked="read", no_split=about.no_split,
        mdcs=tuple(mdcs), adrgs=tuple(adrgs), sets=sets.made(), sites=sites, counted=_counted(place),
        exclusions={
            row["pdx"]: frozenset((row["excl"],))
            for row in read_table(place, "cce", ("pdx", "excl"), needed=False).rows
            if row["excl"]
        },
        maps=maps, valid=valid, notes=tuple(notes),
    )  # fmt: skip
    check(scheme)
    return scheme


def _shared(folder: Path, base: str | Path | None, name: str) -> Table:
    columns = ("proc",) if name == "ss_valid" else ("code", "value")
    found = read_table(folder, name, columns, needed=False)
    if found.path is None and base is not None:
        return read_table(Path(base), name, columns, needed=False)
    return found


def _pairs(table: Table, kind: CodeKind, into: dict[CodeKind, Mapping[str, str]]) -> None:
    if table.rows:
        into[kind] = {row["code"]: row["value"] for row in table.rows}


def _mdc_dx(folder: Path, sets: _Sets) -> dict[str, dict[str, str]]:
    sites: dict[str, dict[str, str]] = defaultdict(dict)
    for row in read_table(folder, "mdc_dx", ("mdc", "dx"), optional=("site",), needed=False).rows:
        sets.add(f"mdc_{row['mdc']}", "dx", row["dx"])
        if row["site"]:
            sites[row["mdc"]][row["dx"]] = row["site"]
    for mdc, found in sites.items():
        for dx, site in found.items():
            sets.add(site_set(mdc, site), "dx", dx)
    return {mdc: dict(found) for mdc, found in sites.items()}


def _adrg_codes(folder: Path, sets: _Sets) -> None:
    for row in read_table(folder, "adrg_dx", ("adrg", "dx"), optional=("set_no",), needed=False).rows:
        sets.add(f"{row['adrg']}.dx{row['set_no'] or 1}", "dx", row["dx"])
    for row in read_table(folder, "adrg_proc", ("adrg", "proc"), optional=("set_no",), needed=False).rows:
        sets.add(f"{row['adrg']}.pr{row['set_no'] or 1}", "pr", row["proc"])


def _valid_procedures(folder: Path, table: Table, sets: _Sets, notes: list[str]) -> None:
    """Fill the set `valid_pr`: the procedures that make a case surgical."""
    for row in table.rows:
        sets.add("valid_pr", "pr", row["proc"])
    if not table.rows:
        for row in read_table(folder, "adrg_proc", ("adrg", "proc"), needed=False).rows:
            sets.add("valid_pr", "pr", row["proc"])
        notes.append(
            "There is no ss_valid: every procedure that a group names counts as valid. "
            "Give the national scheme as base to take its list."
        )


def _mdcs(folder: Path, sets: _Sets, sites: Mapping[str, Mapping[str, str]], notes: list[str]) -> list[Mdc]:
    table = read_table(folder, "mdc", ("ord", "mdc", "gate"), optional=("name",))
    found = []
    for where, row in table.each():
        gate = read(row["gate"], _names(row["mdc"], sets, notes, where, mdc=row["mdc"]), where)
        if row["mdc"] in sites:
            hit = sorted({site_set(row["mdc"], site) for site in sites[row["mdc"]].values()})
            gate = all_of(gate, Sets("any_dx", tuple(hit), ">=", 2))
        found.append((whole(row, "ord", where), Mdc(row["mdc"], gate, row["name"])))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _adrgs(folder: Path, mdcs: list[Mdc], sets: _Sets, notes: list[str], *, by_name: bool) -> list[Adrg]:
    order = {one.mdc: number for number, one in enumerate(mdcs)}
    splits: dict[str, list[tuple[int, Split]]] = defaultdict(list)
    table = read_table(folder, "drg", ("adrg", "ord", "drg", "severity"), optional=("name",))
    for where, row in table.each():
        splits[row["adrg"]].append(
            (
                whole(row, "ord", where),
                _split(row, _names(row["adrg"], sets, notes, where), where, by_name=by_name),
            )
        )
    found = []
    table = read_table(folder, "adrg", ("mdc", "ord", "adrg", "cond"), optional=("name",))
    for where, row in table.each():
        if row["mdc"] not in order:
            raise BadScheme(
                "scheme-mdc", f"there is no category {row['mdc']}", where=where, fix="Add it to mdc."
            )
        names = _names(row["adrg"], sets, notes, where, mdc=row["mdc"])
        ordered = tuple(one for _, one in sorted(splits[row["adrg"]], key=lambda pair: pair[0]))
        if by_name:
            ordered = tuple(sorted(ordered, key=lambda one: one.severity.upper() in ("ANY", "ALL", "")))
        adrg = Adrg(row["mdc"], row["adrg"], read(row["cond"], names, where), ordered, row["name"])
        found.append((order[row["mdc"]], whole(row, "ord", where), adrg))
    return [one for *_, one in sorted(found, key=lambda three: three[:2])]


def _split(row: Row, names: Names, where: str, *, by_name: bool) -> Split:
    word = row["severity"]
    rule: Predicate
    if (text := severity_rule(word)) is not None:
        rule = parse(text, where)
    elif re.search(r"record|has_m?cc|\bin\b", word):
        rule = read(word, names, where)
    else:
        rule = parse(word.lower(), where)
    if by_name and (asked := asked_by_name(row["name"], word)) is not None:
        return Split(row["drg"], asked, row["severity"] + " by name", row["name"])
    return Split(row["drg"], rule, word or "ANY", row["name"])


def _names(owner: str, sets: _Sets, notes: list[str], where: str, mdc: str = "") -> Names:
    def named(name: str) -> str | None:
        lower = name.lower()
        if lower == "ss_valid":
            return sets.found("valid_pr")
        if lower in ("mdc_zd", "mdc_dx"):
            return missing(sets.found(f"mdc_{mdc}"), name)
        if match := _NUMBERED.fullmatch(lower):
            # The published lists are numbered from none: adrg_ss is the first set, adrg_ss1 the second.
            number = int(match[2] or 0) + 1
            kind = "dx" if match[1] in ("zd", "dx") else "pr"
            return missing(sets.found(f"{owner}.{kind}{number}"), name)
        raise BadScheme(
            "scheme-name", f"there is no list {name}", where=where,
            fix="Lists are mdc_zd, adrg_zd, adrg_zd1, adrg_ss, adrg_ss1 … and SS_VALID.",
        )  # fmt: skip

    def missing(found: str | None, name: str) -> str | None:
        if found is None:
            notes.append(f"{owner} asks for {name}, of which no table has a code: it never holds.")
        return found

    def literal(kind: str, codes: tuple[str, ...]) -> str:
        own: CodeKind = "dx" if kind == "dx" else "pr"
        number = 1
        while sets.codes.get(name := f"{owner}.list{number}") and sets.codes[name] != set(codes):
            number += 1
        for code in codes:
            sets.add(name, own, code)
        return name

    return Names(named, literal, lambda number: missing(sets.found(f"{owner}.pr{number}"), f"set {number}"))


def _counted(folder: Path) -> dict[str, tuple[Counted, ...]]:
    found: dict[str, dict[Level, Counted]] = defaultdict(dict)
    levels: tuple[Level, ...] = ("mcc", "cc")
    for level in levels:
        for row in read_table(folder, level, ("dx", "excl"), needed=False).rows:
            found[row["dx"]][level] = Counted(level, row["excl"])
    return {dx: tuple(by.values()) for dx, by in found.items()}
