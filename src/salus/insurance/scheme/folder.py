"""The open format of a scheme: a folder of tables and `scheme.toml`, read and written.

Tables (CSV or Parquet; those with a star may be missing)

    mdc            ord, mdc, gate, name*
    adrg           ord, mdc, adrg, cond, name*         ord runs within the category
    drg            adrg, ord, drg, severity, name*     ANY, MCC, CC, MCC_OR_CC, NONE or a rule
    code_set       set, kind, code                     kind is dx or pr
    mdc_dx *       mdc, dx, site                       the set mdc_X, and its sites mdc_X.SITE
    cc *           dx, level, excl, alive*             MCC or CC with its exclusion group
    pdx_exclusion* excl, pdx                           the principals of an exclusion group
    suppressed *   adrg, dx                            diagnoses that do not count within a group
    code_map *     kind, code, value                   clinical codes to insurance codes
    valid_code *   kind, code, name                    what may stand in a claim
    parameter *    name, value, source, checked        of the region
    weight *       drg, weight, los

Rules are written in the language of `salus.insurance.scheme.predicates`.
"""

import tomllib
from collections import defaultdict
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, cast

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
    Weight,
    severity_rule,
    site_set,
)
from salus.insurance.scheme.predicates import Predicate, atoms, parse, set_names
from salus.insurance.scheme.predicates import Severity as SeverityAtom
from salus.insurance.scheme.tables import Table, read_table, whole

FORMAT = 1
ABOUT = (
    "code",
    "version",
    "family",
    "title",
    "title_zh",
    "jurisdiction",
    "valid_from",
    "valid_to",
    "source",
    "checked",
)


def load_scheme(path: str | Path) -> Scheme:
    """Read a scheme's folder; raises `BadScheme` or `BadPredicate`, which name the file and the row."""
    folder = Path(path)
    if not folder.is_dir():
        raise BadScheme("scheme-folder", "there is no such folder", where=str(path))
    words = _toml(folder / "scheme.toml")
    about, how = words.get("scheme", {}), words.get("grouping", {})
    sets = _sets(folder)
    sites = _mdc_dx(folder, sets)
    weights = {
        row["drg"]: Weight(
            _decimal(row["weight"], where), _decimal(row["los"], where) if row["los"] else None
        )
        for where, row in read_table(
            folder, "weight", ("drg", "weight"), optional=("los",), needed=False
        ).each()
    }
    scheme = Scheme(
        **_about(about, how),
        mdcs=tuple(_mdcs(folder)),
        adrgs=tuple(_adrgs(folder)),
        sets=sets,
        sites=sites,
        counted=_counted(folder),
        exclusions=_grouped(
            read_table(folder, "pdx_exclusion", ("excl", "pdx"), needed=False), "pdx", "excl"
        ),
        suppressed=_grouped(read_table(folder, "suppressed", ("adrg", "dx"), needed=False), "adrg", "dx"),
        maps=_by_kind(read_table(folder, "code_map", ("kind", "code", "value"), needed=False), "value"),
        valid=_by_kind(
            read_table(folder, "valid_code", ("kind", "code"), optional=("name",), needed=False), "name"
        ),
        parameters={
            row["name"]: row["value"]
            for row in read_table(folder, "parameter", ("name", "value"), needed=False).rows
        },
        weights=weights,
        notes=tuple(map(str, words.get("notes", {}).get("import", ()))),
    )
    check(scheme)
    return scheme


def check(scheme: Scheme) -> None:
    """Refuse a scheme that cannot be grouped with: unknown sets, categories or kinds; raises `BadScheme`."""
    if not scheme.adrgs:
        raise BadScheme("scheme-empty", "the scheme has no group", fix="Fill the table adrg.")
    if scheme.no_split == "next" and scheme.suppressed:
        raise BadScheme("scheme-rule", "no_split = next and suppressed diagnoses do not go together")
    mdcs = {one.mdc for one in scheme.mdcs}
    if len(mdcs) != len(scheme.mdcs):
        raise BadScheme("scheme-mdc", "a category stands twice in mdc")
    for one in scheme.mdcs:
        _check_rule(scheme, one.gate, f"mdc {one.mdc}", severity=False)
    for adrg in scheme.adrgs:
        if adrg.mdc not in mdcs:
            raise BadScheme("scheme-mdc", f"there is no category {adrg.mdc}", where=f"adrg {adrg.adrg}")
        _check_rule(scheme, adrg.when, f"adrg {adrg.adrg}", severity=False)
        for split in adrg.splits:
            _check_rule(scheme, split.when, f"drg {split.drg}", severity=True)


def _check_rule(scheme: Scheme, rule: Predicate, where: str, *, severity: bool) -> None:
    for name in set_names(rule):
        if name not in scheme.sets:
            raise BadScheme(
                "scheme-set", f"the rule names the set {name}, which has no code", where=where,
                fix="Fill it in code_set, or take it out of the rule.",
            )  # fmt: skip
    for atom in atoms(rule):
        if isinstance(atom, SeverityAtom) and not severity:
            raise BadScheme("scheme-rule", "only a DRG's rule may ask for mcc or cc", where=where)
        place = getattr(atom, "place", "")
        for name in set_names(atom):
            if place and not place.endswith(scheme.sets[name].kind):
                raise BadScheme(
                    "scheme-set",
                    f"{place} is asked for in {name}, a set of {scheme.sets[name].kind}",
                    where=where,
                )


def _toml(path: Path) -> dict[str, Any]:
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadScheme(
            "scheme-folder", "the folder has no scheme.toml", where=str(path.parent),
            fix="Make a scheme from published tables with `salus insurance scheme import`.",
        ) from None  # fmt: skip
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadScheme("scheme-toml", f"this is no TOML: {error}", where=path.name) from None
    if words.get("scheme", {}).get("format") != FORMAT:
        raise BadScheme(
            "scheme-format", f"the format is not {FORMAT}", where=path.name, fix="Import it again."
        )
    return words


def _about(about: dict[str, Any], how: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ABOUT:
        value = about.get(name)
        if name.startswith("valid_"):
            if value is not None and not isinstance(value, date):
                raise BadScheme(
                    "scheme-toml", f"{name} is no date", where="scheme.toml", fix="Write 2026-01-01."
                )
            found[name] = value
        elif value is not None:
            found[name] = str(value)
    if not found.get("code") or not found.get("version"):
        raise BadScheme("scheme-toml", "code and version are needed", where="scheme.toml")
    no_split = how.get("no_split", "adrg")
    if no_split not in ("adrg", "next"):
        raise BadScheme("scheme-toml", "no_split is adrg or next", where="scheme.toml")
    ungrouped = how.get("ungrouped", ["0000", "00", "0000"])
    if not isinstance(ungrouped, list) or len(ungrouped) != 3:
        raise BadScheme("scheme-toml", "ungrouped is a list of three codes", where="scheme.toml")
    found |= {
        "mdc_prefix": str(how.get("mdc_prefix", "MDC")),
        "no_split": cast(Literal["adrg", "next"], no_split),
        "ungrouped": tuple(map(str, ungrouped)),
        "died": tuple(map(str, how.get("died", ()))),
    }
    return found


def _mdcs(folder: Path) -> list[Mdc]:
    table = read_table(folder, "mdc", ("ord", "mdc", "gate"), optional=("name",))
    found = [
        (whole(row, "ord", where), Mdc(row["mdc"], parse(row["gate"] or "true", where), row["name"]))
        for where, row in table.each()
    ]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _adrgs(folder: Path) -> list[Adrg]:
    splits: dict[str, list[tuple[int, Split]]] = defaultdict(list)
    table = read_table(folder, "drg", ("adrg", "ord", "drg", "severity"), optional=("name",))
    for where, row in table.each():
        rule = parse(severity_rule(row["severity"]) or row["severity"], where)
        split = Split(row["drg"], rule, row["severity"] or "ANY", row["name"])
        splits[row["adrg"]].append((whole(row, "ord", where), split))
    order = {one.mdc: number for number, one in enumerate(_mdcs(folder))}
    found = []
    table = read_table(folder, "adrg", ("ord", "mdc", "adrg", "cond"), optional=("name",))
    for where, row in table.each():
        ordered = tuple(one for _, one in sorted(splits[row["adrg"]], key=lambda pair: pair[0]))
        adrg = Adrg(row["mdc"], row["adrg"], parse(row["cond"] or "true", where), ordered, row["name"])
        found.append((order.get(row["mdc"], len(order)), whole(row, "ord", where), adrg))
    return [one for *_, one in sorted(found, key=lambda three: three[:2])]


def _sets(folder: Path) -> dict[str, CodeSet]:
    codes: dict[str, set[str]] = defaultdict(set)
    kinds: dict[str, CodeKind] = {}
    table = read_table(folder, "code_set", ("set", "kind", "code"))
    for number, (name, word, code) in enumerate(table.tuples("set", "kind", "code")):
        kind = _kind(word, table, number)
        if kinds.setdefault(name, kind) != kind:
            raise BadScheme("scheme-set", f"{name} has codes of both kinds", where=table.where(number))
        codes[name].add(code)
    return {name: CodeSet(name, kinds[name], frozenset(found)) for name, found in codes.items()}


def _mdc_dx(folder: Path, sets: dict[str, CodeSet]) -> dict[str, dict[str, str]]:
    codes: dict[str, set[str]] = defaultdict(set)
    sites: dict[str, dict[str, str]] = defaultdict(dict)
    table = read_table(folder, "mdc_dx", ("mdc", "dx"), optional=("site",), needed=False)
    for mdc, dx, site in table.tuples("mdc", "dx", "site"):
        codes[f"mdc_{mdc}"].add(dx)
        if site:
            codes[site_set(mdc, site)].add(dx)
            sites[mdc][dx] = site
    sets |= {name: CodeSet(name, "dx", frozenset(found)) for name, found in codes.items()}
    return {mdc: dict(found) for mdc, found in sites.items()}


def _counted(folder: Path) -> dict[str, tuple[Counted, ...]]:
    found: dict[str, dict[Level, Counted]] = defaultdict(dict)
    table = read_table(folder, "cc", ("dx", "level", "excl"), optional=("alive",), needed=False)
    for number, (dx, word, excl, alive) in enumerate(table.tuples("dx", "level", "excl", "alive")):
        level = word.lower()
        if level not in ("mcc", "cc"):
            raise BadScheme("scheme-value", f"level is {word!r}, not MCC or CC", where=table.where(number))
        known = cast(Level, level)
        found[dx][known] = Counted(known, excl, alive.lower() in ("yes", "true", "1"))
    return {dx: tuple(by[level] for level in ("mcc", "cc") if level in by) for dx, by in found.items()}


def _grouped(table: Table, key: str, value: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, one in table.tuples(key, value):
        found[name].add(one)
    return {name: frozenset(values) for name, values in found.items()}


def _by_kind(table: Table, column: str) -> dict[CodeKind, dict[str, str]]:
    found: dict[CodeKind, dict[str, str]] = {}
    for number, (word, code, value) in enumerate(table.tuples("kind", "code", column)):
        found.setdefault(_kind(word, table, number), {})[code] = value
    return found


def _kind(word: str, table: Table, number: int) -> CodeKind:
    if word not in ("dx", "pr"):
        raise BadScheme("scheme-value", f"kind is {word!r}, not dx or pr", where=table.where(number))
    return cast(CodeKind, word)


def _decimal(text: str, where: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadScheme("scheme-value", f"{text!r} is no number", where=where) from None
    if not value.is_finite() or value < 0:
        raise BadScheme("scheme-value", f"{text!r} is no weight", where=where)
    return value
