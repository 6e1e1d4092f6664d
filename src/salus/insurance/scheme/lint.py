"""What is wrong, or odd, in a scheme: each finding with its place, so that a city can mend its tables.

Findings of the tables need no search; whether each DRG can be reached is `salus.insurance.drg.witness`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from salus.insurance.scheme.model import CodeKind, Scheme
from salus.insurance.scheme.names import asked_by_name
from salus.insurance.scheme.predicates import (
    FALSE,
    TRUE,
    And,
    Compare,
    Count,
    In,
    Not,
    Or,
    Predicate,
    Sets,
    atoms,
    negated,
    set_names,
    written,
)

Degree: TypeAlias = Literal["error", "warning", "note"]

KINDS: dict[str, tuple[Degree, str]] = {
    "import-note": ("note", "what the import had to assume"),
    "no-drg": ("warning", "a group without a DRG: its cases get the group's own code"),
    "open-splits": ("warning", "a group whose DRGs do not take every case"),
    "after-any": ("error", "a DRG after one that takes every case: unreachable"),
    "name-asks": ("warning", "a DRG whose name asks for an age, a stay or hours, but not its rule"),
    "drg-twice": ("error", "a DRG in two groups"),
    "adrg-without-group": ("error", "DRGs of a group that stands in no category"),
    "never-holds": ("error", "a rule that can never hold"),
    "empty-set": ("warning", "a rule that needs a set without a code"),
    "unused-set": ("note", "a set that no rule asks for"),
    "same-group-code": ("note", "a code of several groups of a category: the first takes its cases"),
    "dx-without-mdc": ("note", "a diagnosis of a group that its category does not hold"),
    "dx-without-group": ("warning", "a diagnosis of a category that no group asks for"),
    "not-valid": ("warning", "a code of a set that the list of valid codes lacks"),
    "valid-in-no-set": ("note", "a valid code that no set holds"),
    "mcc-and-cc": ("note", "a diagnosis listed as MCC and as CC: both count"),
    "cc-not-valid": ("warning", "a complication that the list of valid codes lacks"),
    "unused-exclusion": ("note", "an exclusion group of principals that no complication has"),
    "missing-exclusion": ("note", "an exclusion group of complications that no principal has"),
    "map-cycle": ("error", "codes that map to each other in a circle"),
    "map-to-unknown": ("warning", "a code mapped to one that the scheme does not know"),
    "weight-without-drg": ("warning", "a weight of a DRG that is not there"),
    "drg-without-weight": ("note", "DRGs without a weight, in a scheme that has weights"),
    "unreachable": ("error", "a DRG that no case reaches"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its kind (a key of `KINDS`), where, and what, with how many of it there are."""

    kind: str
    where: str
    what: str
    number: int = 1

    @property
    def degree(self) -> Degree:
        """How bad it is."""
        return KINDS[self.kind][0]


def lint(scheme: Scheme) -> list[Finding]:
    """Return what is wrong or odd in a scheme's tables, errors first."""
    found = [Finding("import-note", "import", note) for note in scheme.notes]
    for check in (_groups, _rules, _sets, _category_codes, _valid, _exclusions, _maps, _weights):
        found += check(scheme)
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda one: (order[one.degree], list(KINDS).index(one.kind)))


def _groups(scheme: Scheme) -> Iterator[Finding]:
    homes: dict[str, set[str]] = defaultdict(set)
    for adrg in scheme.adrgs:
        if not adrg.splits:
            yield Finding("no-drg", f"adrg {adrg.adrg}", adrg.name or "no row in drg")
            continue
        taken = next((one for one in adrg.splits if one.when == TRUE), None)
        for split in adrg.splits:
            homes[split.drg].add(adrg.adrg)
            if taken is not None and adrg.splits.index(split) > adrg.splits.index(taken):
                yield Finding("after-any", f"drg {split.drg}", f"{taken.drg} before it takes every case")
            asked = asked_by_name(split.name)
            if asked is not None and not _fields(asked) <= _fields(split.when) | _fields(adrg.when):
                yield Finding(
                    "name-asks", f"drg {split.drg}",
                    f"{split.name}: {written(asked)}, but the rule is {written(split.when)}",
                )  # fmt: skip
        if taken is None and not _complete(adrg.splits[-1].when, [one.when for one in adrg.splits[:-1]]):
            yield Finding("open-splits", f"adrg {adrg.adrg}", ", ".join(one.drg for one in adrg.splits))
    for drg, groups in homes.items():
        if len(groups) > 1:
            yield Finding("drg-twice", f"drg {drg}", ", ".join(sorted(groups)))


def _fields(rule: Predicate) -> set[str]:
    return {one.field for one in atoms(rule) if isinstance(one, Compare)}


def _complete(last: Predicate, before: list[Predicate]) -> bool:
    return any(negated(one) == last for one in before)


def _wanted(rule: Predicate) -> Iterator[Predicate]:
    """Yield the questions of a rule that stand under no negation."""
    if isinstance(rule, And | Or):
        for part in rule.parts:
            yield from _wanted(part)
    elif not isinstance(rule, Not):
        yield rule


def _rules(scheme: Scheme) -> Iterator[Finding]:
    for mdc in scheme.mdcs:
        if mdc.gate == FALSE:
            yield Finding("never-holds", f"mdc {mdc.mdc}", "its gate needs a set without a code")
    for adrg in scheme.adrgs:
        if adrg.when == FALSE:
            yield Finding("never-holds", f"adrg {adrg.adrg}", "its rule needs a set without a code")
        for split in adrg.splits:
            if split.when == FALSE:
                yield Finding("never-holds", f"drg {split.drg}", "its rule can never hold")


def _sets(scheme: Scheme) -> Iterator[Finding]:
    used = {
        name
        for rule in (
            *(one.gate for one in scheme.mdcs),
            *(one.when for one in scheme.adrgs),
            *(split.when for _, _, split in scheme.splits()),
        )
        for name in set_names(rule)
    }
    for name, one in scheme.sets.items():
        if not one.codes:
            yield Finding("empty-set", f"set {name}", "no code")
        elif name not in used:
            yield Finding("unused-set", f"set {name}", "no rule asks for it", len(one.codes))
    # A code of two groups of one category goes to the first; worth a look where both ask for the first code.
    for mdc in scheme.mdcs:
        owner: dict[tuple[str, str], str] = {}
        shared: dict[tuple[str, str], list[str]] = defaultdict(list)
        for adrg in scheme.adrgs_of(mdc.mdc):
            if isinstance(adrg.when, In) and adrg.when.place in ("pdx", "main_pr"):
                for code in scheme.sets[adrg.when.name].codes:
                    key = (adrg.when.place, code)
                    if key in owner:
                        shared[owner[key], adrg.adrg].append(code)
                    owner.setdefault(key, adrg.adrg)
        for (first, second), codes in sorted(shared.items()):
            yield Finding(
                "same-group-code", f"adrg {second}", f"{first} is tried before it: {_few(codes)}", len(codes)
            )


def _category_codes(scheme: Scheme) -> Iterator[Finding]:
    for mdc in scheme.mdcs:
        held = scheme.sets.get(f"mdc_{mdc.mdc}")
        if held is None:
            continue
        asked: set[str] = set()
        everything = False
        for adrg in scheme.adrgs_of(mdc.mdc):
            wanted = [one for one in _wanted(adrg.when) if isinstance(one, In | Sets | Count)]
            own = {name for one in wanted if one.place in ("pdx", "any_dx") for name in set_names(one)}
            principals = {one.name for one in wanted if isinstance(one, In) and one.place == "pdx"}
            everything = everything or not wanted
            for name in own:
                asked |= scheme.sets[name].codes
            for name in sorted(principals):
                lost = scheme.sets[name].codes - held.codes
                if lost and name != held.name and held.name in set(set_names(mdc.gate)):
                    yield Finding(
                        "dx-without-mdc", f"adrg {adrg.adrg}", f"not in {mdc.mdc}: {_few(lost)}", len(lost)
                    )
        if not everything and (lost := held.codes - asked):
            yield Finding("dx-without-group", f"mdc {mdc.mdc}", _few(lost), len(lost))


def _valid(scheme: Scheme) -> Iterator[Finding]:
    kinds: tuple[CodeKind, ...] = ("dx", "pr")
    for kind in kinds:
        valid = scheme.valid.get(kind)
        if not valid:
            continue
        held: set[str] = set()
        for name, one in sorted(scheme.sets.items()):
            if one.kind == kind:
                held |= one.codes
                if lost := one.codes - valid.keys():
                    yield Finding("not-valid", f"set {name}", _few(lost), len(lost))
        if kind == "dx" and (missing := scheme.counted.keys() - valid.keys()):
            yield Finding("cc-not-valid", "cc", _few(missing), len(missing))
        if alone := valid.keys() - held:
            yield Finding("valid-in-no-set", f"valid_code {kind}", _few(alone), len(alone))


def _exclusions(scheme: Scheme) -> Iterator[Finding]:
    of_cc = {one.excl for found in scheme.counted.values() for one in found if one.excl}
    of_pdx = {group for groups in scheme.exclusions.values() for group in groups}
    both = [dx for dx, found in scheme.counted.items() if len({one.level for one in found}) > 1]
    if both:
        yield Finding("mcc-and-cc", "cc", _few(both), len(both))
    if lost := of_pdx - of_cc:
        yield Finding("unused-exclusion", "pdx_exclusion", _few(lost), len(lost))
    if lost := of_cc - of_pdx:
        yield Finding("missing-exclusion", "cc", _few(lost), len(lost))


def _maps(scheme: Scheme) -> Iterator[Finding]:
    for kind, to in scheme.maps.items():
        valid = scheme.valid.get(kind, {})
        known = scheme.all_codes(kind)
        seen: set[str] = set()
        for start in to:
            path: list[str] = []
            code = start
            while code in to and to[code] != code and code not in path and code not in seen:
                path.append(code)
                code = to[code]
            if code in path:
                yield Finding("map-cycle", f"code_map {kind}", " → ".join([*path[path.index(code) :], code]))
            seen |= set(path)
        lost = {value for value in to.values() if value not in valid and value not in known}
        if lost:
            yield Finding("map-to-unknown", f"code_map {kind}", _few(lost), len(lost))


def _weights(scheme: Scheme) -> Iterator[Finding]:
    drgs = {split.drg for _, _, split in scheme.splits()}
    if scheme.weights:
        if lost := scheme.weights.keys() - drgs:
            yield Finding("weight-without-drg", "weight", _few(lost), len(lost))
        if lost := drgs - scheme.weights.keys():
            yield Finding("drg-without-weight", "weight", _few(lost), len(lost))


def counts(findings: list[Finding]) -> Counter[Degree]:
    """Return how many findings there are of each degree."""
    return Counter(one.degree for one in findings)


def _few(codes: Iterable[str]) -> str:
    listed = sorted(codes)
    return ", ".join(listed[:5]) + (" …" if len(listed) > 5 else "")
