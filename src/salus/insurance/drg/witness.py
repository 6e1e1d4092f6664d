"""A case for each DRG of a scheme, made from its rules; where there is none, why.

A rule is taken apart into its alternatives, each a list of single demands. Codes are chosen for the demands,
one for each kind of code (codes that every rule treats alike are one kind), and the case is explained: it is
a witness if it ends where it should. A DRG is unreachable if its rule can never hold, if a split before it
always holds, or if every choice of kinds that was tried ends in a group that is tried earlier.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice, product

from salus.insurance.drg.asked import asked_by
from salus.insurance.drg.explain import Case, explain
from salus.insurance.scheme import Scheme
from salus.insurance.scheme.lint import Finding
from salus.insurance.scheme.model import Adrg, CodeKind, Level
from salus.insurance.scheme.predicates import (
    FALSE,
    TRUE,
    And,
    Atom,
    Compare,
    Const,
    Count,
    In,
    Known,
    Not,
    OneOf,
    Or,
    Predicate,
    Sets,
    Severity,
    all_of,
    negated,
)

_ALTERNATIVES = 200
_TRIES = 600
_USUAL: Mapping[str, tuple[int, ...]] = {
    "age": (40, 5, 0, 70), "age_day": (14_600, 10, 100), "weight": (3000, 1800, 1000, 2200),
    "los": (7, 2, 40, 90), "icu_hours": (0, 50, 200), "sex": (1, 2),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A DRG that no case reaches: `why` is never, after-any or shadowed; `by` names who takes its cases."""

    mdc: str
    adrg: str
    drg: str
    why: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Witnesses:
    """A case for each DRG that can be reached, in the order of the scheme, and those that cannot."""

    cases: tuple[tuple[str, Case], ...]
    unreachable: tuple[Unreachable, ...]


@dataclass(frozen=True, slots=True)
class _Demands:
    """What one alternative asks: each with whether it must hold or must not."""

    wanted: tuple[Atom, ...]
    unwanted: tuple[Atom, ...]


def witnesses(scheme: Scheme) -> Witnesses:
    """Find a case for each DRG of a scheme, or say why there is none."""
    maker = _Maker(scheme)
    cases: list[tuple[str, Case]] = []
    unreachable: list[Unreachable] = []
    gates = {one.mdc: one.gate for one in scheme.mdcs}
    for rank, adrg in enumerate(scheme.adrgs):
        before: list[Predicate] = []
        for split in adrg.splits:
            if any(one == TRUE for one in before):
                taken = next(one.drg for one in adrg.splits if one.when == TRUE)
                unreachable.append(Unreachable(adrg.mdc, adrg.adrg, split.drg, "after-any", (taken,)))
                continue
            rule = all_of(gates[adrg.mdc], adrg.when, split.when, *map(negated, before))
            before.append(split.when)
            found = maker.search(rank, adrg, split.drg, rule)
            if isinstance(found, Case):
                cases.append((split.drg, found))
            else:
                unreachable.append(Unreachable(adrg.mdc, adrg.adrg, split.drg, *found))
    return Witnesses(tuple(cases), tuple(unreachable))


def unreachable_findings(scheme: Scheme, known: Iterable[Finding] = ()) -> list[Finding]:
    """Return a finding for each DRG that no case reaches, but for those that `known` tells already."""
    told = {one.where for one in known if one.kind in ("after-any", "never-holds")}
    words = {
        "never": "its rule can never hold together with those before it",
        "after-any": "a split before it takes every case",
        "shadowed": "each case tried goes to",
    }
    return [
        Finding("unreachable", f"drg {one.drg}", " ".join([words[one.why], ", ".join(one.by)]).strip())
        for one in witnesses(scheme).unreachable
        if f"drg {one.drg}" not in told
    ]


def alternatives(rule: Predicate) -> Iterator[_Demands]:
    """Yield the alternatives of a rule, each a list of single demands."""
    for literals in _branches(rule, True):
        wanted = tuple(dict.fromkeys(atom for atom, held in literals if held))
        unwanted = tuple(dict.fromkeys(atom for atom, held in literals if not held))
        if not set(wanted) & set(unwanted):
            yield _Demands(wanted, unwanted)


def _branches(rule: Predicate, held: bool) -> Iterator[list[tuple[Atom, bool]]]:
    match rule:
        case Const(value):
            if value == held:
                yield []
        case Not(part):
            yield from _branches(part, not held)
        case And(parts) | Or(parts):
            if isinstance(rule, And) == held:
                for combination in product(*(list(_branches(part, held)) for part in parts)):
                    yield [literal for branch in combination for literal in branch]
            else:
                for part in parts:
                    yield from _branches(part, held)
        case _:
            yield [(rule, held)]


class _Maker:
    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        asked = asked_by(scheme)
        of_further = {name.partition(":")[2] for name in asked.further.names} | set(asked.whole)
        self.member: dict[str, set[str]] = {}
        for name in {*asked.first_dx.names, *asked.first_pr.names, *of_further}:
            for code in scheme.sets[name].codes:
                self.member.setdefault(code, set()).add(name)
        self.kinds_of: dict[CodeKind, dict[str, frozenset[object]]] = {"dx": {}, "pr": {}}
        self.kinds: dict[CodeKind, dict[frozenset[object], str]] = {"dx": {}, "pr": {}}
        for kind, by in self.kinds.items():
            for code in sorted(scheme.all_codes(kind)):
                self.kinds_of[kind][code] = self.kind_of(kind, code)
                by.setdefault(self.kinds_of[kind][code], code)
        self.found: dict[tuple[CodeKind, tuple[str, ...], frozenset[str]], list[str]] = {}
        self.by_level: dict[Level, list[str]] = {"mcc": [], "cc": []}
        for code, counted in sorted(scheme.counted.items(), key=lambda one: (len(self.of(one[0])), one[0])):
            for one in counted:
                self.by_level[one.level].append(code)

    def of(self, code: str) -> set[str]:
        return self.member.get(code, set())

    def kind_of(self, kind: CodeKind, code: str) -> frozenset[object]:
        """Two codes are of one kind if no rule and no exclusion tells them apart as a first code."""
        excluded = self.scheme.exclusions.get(code, frozenset()) if kind == "dx" else frozenset()
        return frozenset([*self.of(code), *(("excl", one) for one in excluded)])

    def search(self, rank: int, adrg: Adrg, drg: str, rule: Predicate) -> Case | tuple[str, tuple[str, ...]]:
        """Return a witness, or why there is none and who takes the cases that were tried."""
        if rule == FALSE:
            return "never", ()
        takers: Counter[str] = Counter()
        tries = 0
        for demands in islice(alternatives(rule), _ALTERNATIVES):
            for case in islice(self.cases(demands), _TRIES - tries):
                tries += 1
                told = explain(self.scheme, case)
                if told.drg == drg and told.adrg == adrg.adrg and told.tried[-1].mdc == adrg.mdc:
                    return case
                takers[told.drg] += 1
        by = tuple(name for name, _ in takers.most_common(3))
        return ("shadowed", by) if tries else ("never", ())

    def cases(self, demands: _Demands) -> Iterator[Case]:
        """Yield cases that meet the demands, one for each choice of kinds of codes."""
        fields = self.fields(demands)
        if fields is None:
            return
        wanted_first = [one.name for one in demands.wanted if isinstance(one, In) and one.place == "pdx"]
        wanted_main = [one.name for one in demands.wanted if isinstance(one, In) and one.place == "main_pr"]
        principals = self.first("dx", wanted_first, demands, always=True)
        mains = self.first("pr", wanted_main, demands, always=bool(wanted_main))
        for principal, main in _diagonal(principals, mains):
            for further in self.further(principal, main, demands):
                dx = (principal, *further.dx)
                pr = (main, *further.pr) if main else tuple(further.pr)
                yield Case(dx=dx, pr=pr, **fields)  # type: ignore[arg-type]

    def first(self, kind: CodeKind, names: list[str], demands: _Demands, *, always: bool) -> list[str]:
        """Return candidates for the first code: of all the sets, of none unwanted, simplest first."""
        places = ("pdx", "any_dx") if kind == "dx" else ("main_pr", "any_pr")
        avoided = {one.name for one in demands.unwanted if isinstance(one, In) and one.place in places}
        if not always:
            wanted = [
                one.name
                for one in demands.wanted
                if isinstance(one, In) and one.place == ("any_dx" if kind == "dx" else "any_pr")
            ]
            found = [""] if not wanted else []
            for name in wanted:
                found += self.simplest(kind, [name], avoided)
            return found
        return self.simplest(kind, names, avoided)

    def simplest(self, kind: CodeKind, names: list[str], avoided: set[str]) -> list[str]:
        key = (kind, tuple(names), frozenset(avoided))
        if key in self.found:
            return self.found[key]
        seen: dict[frozenset[object], str] = {}
        if names:
            held = frozenset.intersection(*(self.scheme.sets[name].codes for name in names))
            codes: Iterable[str] = sorted(held)
        else:
            codes = self.kinds[kind].values()
        for code in codes:
            if code and not self.of(code) & avoided:
                seen.setdefault(self.kinds_of[kind][code], code)
        self.found[key] = sorted(seen.values(), key=lambda code: (len(self.of(code)), code))
        return self.found[key]

    def further(self, principal: str, main: str, demands: _Demands) -> Iterator["_Further"]:
        """Yield further codes that meet what is still asked, a few choices of each."""
        choices: list[list[tuple[CodeKind, str]]] = []
        avoid: dict[CodeKind, set[str]] = {"dx": set(), "pr": set()}
        for one in demands.unwanted:
            if isinstance(one, In) and one.place not in ("pdx", "main_pr", "all_other_dx"):
                avoid["dx" if one.place.endswith("dx") else "pr"].add(one.name)
        for one in demands.wanted:
            if isinstance(one, In) and one.place not in ("pdx", "main_pr", "all_other_dx"):
                kind: CodeKind = "dx" if one.place.endswith("dx") else "pr"
                there = principal if kind == "dx" else main
                if one.place.startswith("any") and there in self.scheme.sets[one.name].codes:
                    continue
                choices.append([(kind, code) for code in self.simplest(kind, [one.name], avoid[kind])[:6]])
            elif isinstance(one, Sets | Count):
                choices += self.several(one, principal, main)
            elif isinstance(one, Severity):
                fits = self.complications(one.level, principal, avoid["dx"])
                choices.append([("dx", code) for code in fits])
        for combination in islice(product(*choices), 40):
            made = _Further()
            for kind, code in combination:
                (made.dx if kind == "dx" else made.pr).append(code)
            yield self.filled(made, main, demands)

    def several(self, one: Sets | Count, principal: str, main: str) -> list[list[tuple[CodeKind, str]]]:
        """Return choices of codes that bring a number of sets, or of codes of a set, to what is asked."""
        need = one.number + (1 if one.op == ">" else 0)
        if one.op in ("<", "<="):
            return []
        kind: CodeKind = "dx" if one.place.endswith("dx") else "pr"
        names = one.names if isinstance(one, Sets) else (one.name,)
        there = principal if kind == "dx" else main
        found: list[list[tuple[CodeKind, str]]] = []
        if isinstance(one, Count):
            codes = [code for code in sorted(self.scheme.sets[one.name].codes) if code != there]
            counts_first = one.place.startswith("any") and there in self.scheme.sets[one.name].codes
            return [[(kind, code)] for code in codes[: need - int(counts_first)]]
        hit = {
            name for name in names if one.place.startswith("any") and there in self.scheme.sets[name].codes
        }
        for name in names:
            if len(hit) >= need:
                break
            if name not in hit:
                hit.add(name)
                found.append([(kind, code) for code in self.simplest(kind, [name], set())[:3]])
        return found

    def complications(self, level: Level, principal: str, avoided: set[str]) -> list[str]:
        """Return diagnoses that count at a level beside the principal, of different exclusion groups."""
        held = self.scheme.exclusions.get(principal, frozenset())
        by_group: dict[str, str] = {}
        for code in self.by_level[level]:
            for one in self.scheme.counted[code]:
                fits = one.level == level and (not one.excl or one.excl not in held)
                single = level == "mcc" or all(other.level != "mcc" for other in self.scheme.counted[code])
                if fits and single and code != principal and not self.of(code) & avoided:
                    by_group.setdefault(one.excl, code)
            if len(by_group) >= 5:
                break
        return list(by_group.values())

    def filled(self, made: "_Further", main: str, demands: _Demands) -> "_Further":
        """Add codes that mean nothing until the lists are as long as asked."""
        for one in demands.wanted:
            if isinstance(one, Compare) and one.field in ("n_dx", "n_pr") and one.op in (">", ">=", "="):
                need = one.number + (1 if one.op == ">" else 0)
                kind: CodeKind = "dx" if one.field == "n_dx" else "pr"
                codes = made.dx if kind == "dx" else made.pr
                have = len(codes) + (1 if kind == "dx" or main else 0)
                spare = [code for code in self.simplest(kind, [], set()) if code not in self.scheme.counted]
                codes += spare[: max(0, need - have)]
        return made

    def fields(self, demands: _Demands) -> dict[str, int | str] | None:
        """Return numbers and words that meet the demands, or None if nothing does."""
        found: dict[str, int | str] = {}
        for name, usual in _USUAL.items():
            asked = [(one, True) for one in demands.wanted if isinstance(one, Compare) and one.field == name]
            asked += [
                (one, False) for one in demands.unwanted if isinstance(one, Compare) and one.field == name
            ]
            edges = [one.number + step for one, _ in asked for step in (-1, 0, 1) if one.number + step >= 0]
            fits = [v for v in (*usual, *edges) if all(_meets(v, one) == held for one, held in asked)]
            unknown = any(isinstance(one, Known) and one.field == name for one in demands.unwanted)
            if unknown:
                continue
            if not fits:
                return None
            found["gender" if name == "sex" else name] = fits[0]
        for one in demands.wanted:
            if isinstance(one, OneOf):
                allowed = [
                    value
                    for value in one.values
                    if not any(isinstance(no, OneOf) and value in no.values for no in demands.unwanted)
                ]
                if not allowed:
                    return None
                found[one.field] = allowed[0]
        # A child's days follow its years unless a rule asks for them alone.
        days = found.get("age_day")
        if not any(isinstance(one, Compare) and one.field == "age" for one in demands.wanted) and isinstance(
            days, int
        ):
            found["age"] = days // 365
        elif not any(isinstance(one, Compare) and one.field == "age_day" for one in demands.wanted):
            age = found.get("age")
            if isinstance(age, int) and not any(
                isinstance(one, Compare) and one.field == "age_day" for one in demands.unwanted
            ):
                found["age_day"] = age * 365 + 100
        return found


@dataclass(slots=True)
class _Further:
    dx: list[str] = field(default_factory=list)
    pr: list[str] = field(default_factory=list)


def _diagonal(firsts: list[str], seconds: list[str]) -> Iterator[tuple[str, str]]:
    """Yield all pairs, those of early members first."""
    for total in range(len(firsts) + len(seconds) - 1):
        for n in range(max(0, total - len(seconds) + 1), min(total, len(firsts) - 1) + 1):
            yield firsts[n], seconds[total - n]


def _meets(value: int, one: Compare) -> bool:
    return {
        "=": value == one.number, "<>": value != one.number, "<": value < one.number,
        "<=": value <= one.number, ">": value > one.number, ">=": value >= one.number,
    }[one.op]  # fmt: skip
