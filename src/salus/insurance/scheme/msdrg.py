"""Import of MS-DRG definition tables (a JSON document of code lists by family and label) into the format.

The document gives, for each code, the families of DRGs it is listed under and the label of the list
(`371&372&373|PDX`, `461&462|LEFT HIP|0SP90EZ`: together with that other code), the category of each
diagnosis, MCC and CC with their exclusion collections, and the surgical order. How the lists of a family work
together is said in the CMS definitions manual only in words: `rules/msdrg_families.csv` says it in the
language of rules, for families with more than one list. A family of one list asks for it. DRGs of a family
are split as their titles say.
"""

import csv
import json
import lzma
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from salus.insurance.scheme.folder import check
from salus.insurance.scheme.model import (
    Adrg,
    BadScheme,
    CodeKind,
    CodeSet,
    Counted,
    Mdc,
    Scheme,
    Split,
    site_set,
)
from salus.insurance.scheme.predicates import (
    FALSE,
    TRUE,
    And,
    In,
    Not,
    Or,
    Predicate,
    Sets,
    all_of,
    any_of,
    negated,
    parse,
    set_names,
    written,
)
from salus.insurance.scheme.published import About

RULES = Path(__file__).parent.parent / "rules"
_KEYS = (
    "ccmap",
    "drg_exclusions",
    "drgmap",
    "dxmap",
    "exmap",
    "neoormap",
    "orpcsmap",
    "prmap",
    "surgical_rank",
)
_PRE, _UNRELATED = "00", ("981", "987")
_OR, _SMALL = "or_procedure", "or_procedure_small"
_NEVER_UNRELATED = ("15", "22")  # newborns and burns: a procedure does not take them elsewhere
_DIED = "20"
_SEVERITY = (  # of a DRG's title; the first that fits
    (re.compile(r"\bwithout CC/MCC"), "true"),
    (re.compile(r"\bwithout MCC"), "true"),
    (re.compile(r"\bwith CC/MCC"), "mcc or cc"),
    (re.compile(r"\bwith MCC"), "mcc"),
    (re.compile(r"\bwith CC\b"), "mcc or cc"),
)


@dataclass(slots=True)
class _Family:
    """The lists of one family of DRGs: by label, and for pairs of codes by label and partner."""

    key: str
    lists: dict[tuple[str, CodeKind], set[str]] = field(default_factory=lambda: defaultdict(set))
    pairs: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    @property
    def drgs(self) -> list[str]:
        return self.key.split("&")


def import_msdrg(path: str | Path, about: About) -> Scheme:
    """Read MS-DRG definition tables, `.json` or `.json.xz`; raises `BadScheme`."""
    file = Path(path)
    tables = _read(file)
    families = _families(tables)
    sets: dict[str, CodeSet] = {}
    rules = {key: _lists(family, sets) for key, family in families.items()}
    sites = _categories(tables, sets)
    sets[_OR] = CodeSet(_OR, "pr", frozenset(tables["orpcsmap"]) - frozenset(tables["neoormap"]))
    sets[_SMALL] = CodeSet(_SMALL, "pr", frozenset(tables["neoormap"]))
    adrgs = _adrgs(tables, families, rules)
    mdcs = _mdcs(sets, sites)
    scheme = Scheme(
        code=about.code, version=about.version if about.version != "1" else str(tables["version"]),
        family="MS-DRG", title=about.title or "MS-DRG", jurisdiction=about.jurisdiction or "US",
        valid_from=about.valid_from, valid_to=about.valid_to,
        source=about.source or "MS-DRG definition tables, Centers for Medicare & Medicaid Services",
        checked="read", mdc_prefix="", no_split="adrg", ungrouped=("", "", "999"), died=(_DIED,),
        mdcs=tuple(mdcs), adrgs=tuple(_ordered(adrgs, mdcs, tables)), sets=sets, sites=sites,
        counted={
            dx: (Counted("mcc" if one["level"] == "MCC" else "cc", str(one["pdx"] or ""), bool(one["aowa"])),)
            for dx, one in tables["ccmap"].items()
        },
        exclusions=_exclusions(tables), suppressed=_suppressed(tables, adrgs),
        valid={"dx": dict.fromkeys(tables["dxmap"], ""), "pr": dict.fromkeys(tables["prmap"], "")},
    )  # fmt: skip
    used = {name for rule in (*(one.gate for one in mdcs), *(one.when for one in scheme.adrgs),
                              *(split.when for _, _, split in scheme.splits()))
            for name in set_names(rule)}  # fmt: skip
    kept = {name: one for name, one in sets.items() if name in used or name.startswith("mdc_")}
    scheme = replace(scheme, sets=kept)
    check(scheme)
    return scheme


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
        tables = json.loads(raw)
    except (OSError, ValueError, lzma.LZMAError):
        raise BadScheme("scheme-json", "this is no JSON document", where=file.name) from None
    missing = [key for key in _KEYS if not isinstance(tables, dict) or key not in tables]
    if missing:
        raise BadScheme("scheme-json", f"the document has no {missing[0]}", where=file.name)
    return dict(tables)


def _families(tables: Mapping[str, Any]) -> dict[str, _Family]:
    found: dict[str, _Family] = {}
    kinds: tuple[tuple[CodeKind, str], ...] = (("dx", "dxmap"), ("pr", "prmap"))
    for kind, name in kinds:
        for code, entries in tables[name].items():
            for entry in entries:
                key, _, rest = entry.partition("|")
                if key.startswith("_"):
                    continue
                label, _, partner = rest.partition("|")
                family = found.setdefault(key, _Family(key))
                if partner:
                    family.pairs[label][partner].add(code)
                else:
                    family.lists[label, kind].add(code)
    return found


def slug(label: str) -> str:
    """Return a label as it stands in the name of a set."""
    return re.sub(r"[^A-Z0-9*]+", "_", label.upper()).strip("_").replace("*", "x")[:60]


def _lists(family: _Family, sets: dict[str, CodeSet]) -> dict[str, Predicate]:
    """Make the sets of a family; return what it is to hold each label."""
    first = family.drgs[0]
    found: dict[str, Predicate] = {}
    for (label, kind), codes in family.lists.items():
        name = f"{first}.{slug(label)}" + ("" if kind == "dx" or (label, "dx") not in family.lists else ".pr")
        sets[name] = CodeSet(name, kind, frozenset(codes))
        principal = "PDX" in label.split() and "PSDX" not in label.split()
        place = "any_pr" if kind == "pr" else "pdx" if principal and "SDX" not in label.split() else "any_dx"
        if kind == "dx" and "SDX" in label.split() and "PDX" not in label.split():
            place = "other_dx"
        found[slug(label)] = any_of(found.get(slug(label), FALSE), In(place, name))  # type: ignore[arg-type]
    for label, partners in family.pairs.items():
        either = []
        by_codes: dict[frozenset[str], set[str]] = defaultdict(set)
        for partner, codes in partners.items():
            by_codes[frozenset(codes)].add(partner)
        for number, (with_these, with_them) in enumerate(by_codes.items()):
            pair = f"{first}.{slug(label)}.pair{number}"
            sets[f"{pair}a"] = CodeSet(f"{pair}a", "pr", with_these)
            sets[f"{pair}b"] = CodeSet(f"{pair}b", "pr", frozenset(with_them))
            either.append(all_of(In("any_pr", f"{pair}a"), In("any_pr", f"{pair}b")))
        found[slug(label)] = any_of(found.get(slug(label), FALSE), *either)
    return found


def _categories(tables: Mapping[str, Any], sets: dict[str, CodeSet]) -> dict[str, dict[str, str]]:
    """Make the sets of categories, and of the sites of multiple trauma."""
    held: dict[str, set[str]] = defaultdict(set)
    sites: dict[str, str] = {}
    for dx, entries in tables["dxmap"].items():
        for entry in entries:
            if found := re.fullmatch(r"_MDC(\d\d)(_PDX)?", entry):
                held[f"mdc_{found[1]}"].add(dx)
            elif entry.startswith("_TRAUMA24_SITE_"):
                sites[dx] = entry.removeprefix("_TRAUMA24_SITE_")
                held[site_set("24", sites[dx])].add(dx)
                held["mdc_24"].add(dx)
    sets |= {name: CodeSet(name, "dx", frozenset(codes)) for name, codes in held.items()}
    principal = frozenset(dx for dx, entries in tables["dxmap"].items() if "_MDC24_PDX" in entries)
    sets["trauma_pdx"] = CodeSet("trauma_pdx", "dx", principal)
    hiv = {
        dx
        for dx, entries in tables["dxmap"].items()
        if any("PSDX OF HIV INFECTION" in one for one in entries)
    }
    sets["hiv"] = CodeSet("hiv", "dx", frozenset(hiv))
    return {"24": sites}


def _mdcs(sets: Mapping[str, CodeSet], sites: Mapping[str, Mapping[str, str]]) -> list[Mdc]:
    hit = tuple(sorted({site_set("24", site) for site in sites["24"].values()}))
    trauma = all_of(In("pdx", "trauma_pdx"), Sets("any_dx", hit, ">=", 2))
    hiv = all_of(In("pdx", "mdc_25"), In("any_dx", "hiv"))
    numbers = sorted(
        name[4:] for name in sets if re.fullmatch(r"mdc_\d\d", name) and name not in ("mdc_24", "mdc_25")
    )
    return [
        Mdc(_PRE, TRUE, "Pre-MDC"), Mdc("24", trauma, "Multiple significant trauma"),
        Mdc("25", hiv, "Human immunodeficiency virus infections"),
        *(Mdc(number, In("pdx", f"mdc_{number}")) for number in numbers),
    ]  # fmt: skip


def _overrides() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    with (RULES / "msdrg_families.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found[row["family"]].append(row)
    return found


def _adrgs(
    tables: Mapping[str, Any],
    families: Mapping[str, _Family],
    rules: Mapping[str, Mapping[str, Predicate]],
) -> list[Adrg]:
    overrides = _overrides()
    found = []
    order: dict[str, str] = {}
    any_or = any_of(In("any_pr", _OR), In("any_pr", _SMALL))
    unlisted = {first: _Family(rows[0]["drgs"]) for first, rows in overrides.items()}
    for family in families.values():
        unlisted.pop(family.drgs[0], None)
    for key, family in [*families.items(), *((one.key, one) for one in unlisted.values())]:
        labels = {"ANY_OR": any_or, **rules.get(key, {})}
        for row in overrides.get(family.drgs[0]) or [{"drgs": key, "ord": "", "rule": "", "splits": ""}]:
            where = f"msdrg_families.csv, {family.drgs[0]}"
            drgs = row["drgs"].split("&")
            title = tables["drgmap"][drgs[0]]
            when = _said(row["rule"], labels, where) if row["rule"] else _usual(rules.get(key, {}))
            order[drgs[0]] = row["ord"] or drgs[0]
            splits = tuple(
                Split(drg, _split(one, tables["drgmap"][drg]["desc"], labels, where),
                      name=tables["drgmap"][drg]["desc"])
                for drg, one in zip(drgs, (row["splits"] or ";" * (len(drgs) - 1)).split(";"), strict=True)
            )  # fmt: skip
            splits = tuple(_with_text(split) for split in splits)
            found.append(Adrg(title["mdc"] or _PRE, drgs[0], when, splits, title["desc"]))
    return sorted(found, key=lambda one: order[one.adrg])


def _with_text(split: Split) -> Split:
    return replace(split, severity="ANY" if split.when == TRUE else written(split.when))


def _usual(labels: Mapping[str, Predicate]) -> Predicate:
    """A family without words asks for a listed diagnosis and a listed procedure, where it has such."""
    dx = [one for one in labels.values() if isinstance(one, In) and one.place.endswith("dx")]
    pr = [one for one in labels.values() if not (isinstance(one, In) and one.place.endswith("dx"))]
    return all_of(any_of(*dx) if dx else TRUE, any_of(*pr) if pr else TRUE)


def _said(text: str, labels: Mapping[str, Predicate], where: str) -> Predicate:
    """Read a rule in which `@LABEL` stands for a list of the family."""
    names: dict[str, Predicate] = {}

    def stand_in(match: re.Match[str]) -> str:
        label = match[1]
        if label not in labels:
            raise BadScheme("scheme-msdrg", f"the family has no list {label}", where=where,
                            fix=f"It has: {', '.join(labels)}.")  # fmt: skip
        names[f"label.{label}"] = labels[label]
        return f"any_pr in label.{label}"

    rule = parse(re.sub(r"@([A-Z0-9_x]+)", stand_in, text), where)
    return _put(rule, names)


def _put(rule: Predicate, names: Mapping[str, Predicate]) -> Predicate:
    match rule:
        case In(_, name) if name in names:
            return names[name]
        case And(parts):
            return all_of(*(_put(part, names) for part in parts))
        case Or(parts):
            return any_of(*(_put(part, names) for part in parts))
        case Not(part):
            return negated(_put(part, names))
    return rule


def _split(text: str, title: str, labels: Mapping[str, Predicate], where: str) -> Predicate:
    """Return a split's rule: as said, or as the DRG's title says."""
    if text.strip():
        return _said(text, labels, where)
    for pattern, rule in _SEVERITY:
        if pattern.search(title):
            return parse(rule)
    return TRUE


def _ordered(adrgs: Iterable[Adrg], mdcs: list[Mdc], tables: Mapping[str, Any]) -> list[Adrg]:
    """Order a category's families: surgical by rank, procedures unrelated to it, then medical."""
    rank = {f"{int(drg):03}": number for drg, number in tables["surgical_rank"].items()}
    of: dict[str, list[Adrg]] = defaultdict(list)
    for one in adrgs:
        of[one.mdc].append(one)
    found: list[Adrg] = []
    for mdc in mdcs:
        own = of[mdc.mdc]
        found += sorted((one for one in own if one.adrg in rank), key=lambda one: rank[one.adrg])
        if mdc.mdc not in (_PRE, *_NEVER_UNRELATED):
            found += _unrelated(mdc.mdc, tables)
        found += [one for one in own if one.adrg not in rank]  # in the order that they come in
    return found


def _unrelated(mdc: str, tables: Mapping[str, Any]) -> list[Adrg]:
    found = []
    for first, name in zip(_UNRELATED, (_OR, _SMALL), strict=True):
        drgs = [f"{int(first) + n:03}" for n in range(3)]
        splits = tuple(
            _with_text(Split(drg, _split("", tables["drgmap"][drg]["desc"], {}, drg),
                             name=tables["drgmap"][drg]["desc"]))
            for drg in drgs
        )  # fmt: skip
        found.append(Adrg(mdc, first, In("any_pr", name), splits, tables["drgmap"][first]["desc"]))
    return found


def _exclusions(tables: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for collection, principals in tables["exmap"].items():
        for pdx in principals:
            found[pdx].add(collection)
    return {pdx: frozenset(groups) for pdx, groups in found.items()}


def _suppressed(tables: Mapping[str, Any], adrgs: Iterable[Adrg]) -> dict[str, frozenset[str]]:
    """Diagnoses that do not count within a family, by its code."""
    found: dict[str, frozenset[str]] = {}
    for adrg in adrgs:
        codes = {dx for split in adrg.splits for dx in tables["drg_exclusions"].get(split.drg, ())}
        if codes:
            found[adrg.adrg] = frozenset(codes)
    return found
