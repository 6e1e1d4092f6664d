"""One case, rule by rule: what was tried, why it held or failed, and what another principal would have given.

This is the second reading of a scheme: it shares nothing with the SQL but the scheme itself, so that the two
can be held against each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from salus.insurance.scheme import Scheme
from salus.insurance.scheme.model import Adrg, CodeKind, Split
from salus.insurance.scheme.predicates import (
    And,
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
    written,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One discharge: codes with the principal (the main one) first, and what is known of the patient."""

    dx: tuple[str, ...]
    pr: tuple[str, ...] = ()
    gender: int | None = None
    age: int | None = None
    age_day: int | None = None
    weight: int | None = None
    los: int | None = None
    icu_hours: int | None = None
    discharge: str | None = None
    department: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Case":
        """Make a case of a row with the columns of `group`."""

        def number(name: str) -> int | None:
            return None if row.get(name) is None else int(row[name])

        def word(name: str) -> str | None:
            return None if row.get(name) is None else str(row[name])

        return cls(
            dx=tuple(row.get("dx") or ()), pr=tuple(row.get("pr") or ()), gender=number("gender"),
            age=number("age"), age_day=number("age_day"), weight=number("weight"), los=number("los"),
            icu_hours=number("icu_hours"), discharge=word("discharge"), department=word("department"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule held of the case; `found` are the codes that it met, `parts` what it is made of."""

    rule: Predicate
    held: bool
    found: tuple[str, ...] = ()
    parts: tuple["Verdict", ...] = ()

    @property
    def text(self) -> str:
        """The rule in the language of schemes."""
        return written(self.rule)

    def why(self) -> Iterator["Verdict"]:
        """Yield the single questions that decided: those that failed, or those that held."""
        if isinstance(self.rule, And | Or):
            decided = [part for part in self.parts if part.held == self.held]
            for part in decided:
                yield from part.why()
        else:
            yield self


@dataclass(frozen=True, slots=True)
class Complication:
    """A further diagnosis of the case that is listed as MCC or CC, and what became of it.

    `outcome` is counts, excluded (its group holds the principal), suppressed (in this group) or died.
    """

    dx: str
    level: str
    excl: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SplitTried:
    """One DRG of the matching group and whether its rule held."""

    drg: str
    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GroupTried:
    """One group of a category and whether its rule held."""

    adrg: str
    name: str
    verdict: Verdict
    splits: tuple[SplitTried, ...] = ()


@dataclass(frozen=True, slots=True)
class CategoryTried:
    """One category: whether the case passed its gate, and the groups tried within."""

    mdc: str
    name: str
    gate: Verdict
    groups: tuple[GroupTried, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a case went and everything that was tried on the way, in order."""

    case: Case
    mdc: str
    adrg: str
    drg: str
    name: str
    severity: str
    reason: str
    mapped: tuple[tuple[str, str], ...]
    unknown_dx: tuple[str, ...]
    unknown_pr: tuple[str, ...]
    complications: tuple[Complication, ...]
    tried: tuple[CategoryTried, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """What the case would be with another principal diagnosis, and the same further ones."""

    principal: str
    mdc: str
    adrg: str
    drg: str
    name: str
    severity: str


Known_: TypeAlias = Mapping[str, int | str | None]


@dataclass(slots=True)
class _Seen:
    """A case as rules see it: codes after mapping, numbers by the names of the language."""

    dx: tuple[str, ...]
    pr: tuple[str, ...]
    fields: Known_
    scheme: Scheme
    mcc: bool = False
    cc: bool = False
    places: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.places = {
            "pdx": self.dx[:1], "other_dx": self.dx[1:], "any_dx": self.dx, "main_pr": self.pr[:1],
            "other_pr": self.pr[1:], "any_pr": self.pr, "all_other_dx": self.dx[1:],
        }  # fmt: skip

    def judge(self, rule: Predicate) -> Verdict:
        """Say whether a rule holds of the case, and by which codes."""
        match rule:
            case Const(value):
                return Verdict(rule, value)
            case And(parts):
                told = tuple(map(self.judge, parts))
                return Verdict(rule, all(part.held for part in told), parts=told)
            case Or(parts):
                told = tuple(map(self.judge, parts))
                return Verdict(rule, any(part.held for part in told), parts=told)
            case Not(part):
                one = self.judge(part)
                return Verdict(rule, not one.held, one.found, (one,))
            case In("all_other_dx", name):
                codes = self.scheme.sets[name].codes
                outside = tuple(code for code in self.places["all_other_dx"] if code not in codes)
                return Verdict(rule, not outside, outside)
            case In(place, name):
                found = self.codes(place, name)
                return Verdict(rule, bool(found), found)
            case Sets(place, names, op, number):
                hits = [found for name in names if (found := self.codes(place, name))]
                return Verdict(rule, _holds(len(hits), op, number), tuple(dict.fromkeys(sum(hits, ()))))
            case Count(place, name, op, number):
                found = self.codes(place, name)
                return Verdict(rule, _holds(len(found), op, number), found)
            case Compare(name, op, number):
                known = self.fields[name]
                return Verdict(rule, isinstance(known, int) and _holds(known, op, number))
            case OneOf(name, values):
                return Verdict(rule, self.fields[name] in values)
            case Known(name):
                return Verdict(rule, self.fields[name] is not None)
            case Severity(level):
                return Verdict(rule, self.mcc if level == "mcc" else self.cc)

    def codes(self, place: str, name: str) -> tuple[str, ...]:
        """Return the case's different codes at a place that are in a set."""
        codes = self.scheme.sets[name].codes
        return tuple(dict.fromkeys(code for code in self.places[place] if code in codes))


def explain(scheme: Scheme, case: Case, *, clinical: bool = False) -> Explanation:
    """Group one case and tell each rule that was tried; `clinical` maps to insurance codes first."""
    codes, mapped = _mapped(scheme, case, clinical=clinical)
    seen = _Seen(
        codes["dx"], codes["pr"],
        {
            "age": case.age, "age_day": case.age_day, "weight": case.weight, "los": case.los,
            "icu_hours": case.icu_hours, "sex": case.gender, "discharge": case.discharge,
            "department": case.department, "n_dx": len(case.dx), "n_pr": len(case.pr),
        },
        scheme,
    )  # fmt: skip
    tried: list[CategoryTried] = []
    passed = False
    plain = _complications(scheme, seen, "")
    for mdc in scheme.mdcs:
        gate = seen.judge(mdc.gate)
        groups: list[GroupTried] = []
        ended: tuple[Adrg, Split | None] | None = None
        if gate.held:
            passed = True
            ended = _through(scheme, seen, mdc.mdc, groups)
        tried.append(CategoryTried(mdc.mdc, mdc.name, gate, tuple(groups)))
        if ended:
            adrg, split = ended
            complications = _complications(scheme, seen, adrg.adrg)
            return Explanation(
                case, scheme.mdc_prefix + adrg.mdc, adrg.adrg, split.drg if split else adrg.adrg,
                split.name if split else adrg.name, _highest(complications),
                "grouped" if split else "no-drg", mapped, *_unknown(scheme, codes, case, clinical=clinical),
                complications, tuple(tried),
            )  # fmt: skip
    mdc_code, adrg_code, drg_code = scheme.ungrouped
    unknown = _unknown(scheme, codes, case, clinical=clinical)
    reason = "no-adrg" if passed else "no-mdc"
    if not case.dx:
        reason = "no-principal"
    elif codes["dx"][0] in ("", None) or case.dx[0] in unknown[0]:
        reason = "unknown-principal"
    return Explanation(
        case,
        mdc_code,
        adrg_code,
        drg_code,
        "",
        _highest(plain),
        reason,
        mapped,
        *unknown,
        plain,
        tuple(tried),
    )


def what_if(
    scheme: Scheme, case: Case, principals: Sequence[str] = (), *, clinical: bool = False
) -> tuple[Alternative, ...]:
    """Return what the case would be with each of `principals` first, or each of its own further diagnoses."""
    found = []
    for principal in principals or dict.fromkeys(case.dx[1:]):
        rest = list(case.dx)
        if principal in rest:
            rest.remove(principal)
        told = explain(scheme, replace(case, dx=(principal, *rest)), clinical=clinical)
        found.append(Alternative(principal, told.mdc, told.adrg, told.drg, told.name, told.severity))
    return tuple(found)


def _through(
    scheme: Scheme, seen: _Seen, mdc: str, groups: list[GroupTried]
) -> tuple[Adrg, Split | None] | None:
    """Try a category's groups in their order; return where the case ends, if it does."""
    for adrg in scheme.adrgs_of(mdc):
        verdict = seen.judge(adrg.when)
        if not verdict.held:
            groups.append(GroupTried(adrg.adrg, adrg.name, verdict))
            continue
        complications = _complications(scheme, seen, adrg.adrg)
        seen.mcc = any(one.level == "MCC" and one.outcome == "counts" for one in complications)
        seen.cc = any(one.level == "CC" and one.outcome == "counts" for one in complications)
        splits: list[SplitTried] = []
        taken: Split | None = None
        for split in adrg.splits:
            splits.append(SplitTried(split.drg, split.name, seen.judge(split.when)))
            if splits[-1].verdict.held:
                taken = split
                break
        groups.append(GroupTried(adrg.adrg, adrg.name, verdict, tuple(splits)))
        if taken or scheme.no_split == "adrg":
            return adrg, taken
    return None


def _complications(scheme: Scheme, seen: _Seen, adrg: str) -> tuple[Complication, ...]:
    principal = seen.dx[0] if seen.dx else ""
    held_by = scheme.exclusions.get(principal, frozenset())
    suppressed = scheme.suppressed.get(adrg, frozenset())
    found = []
    for dx in dict.fromkeys(seen.dx[1:]):
        for one in scheme.counted.get(dx, ()):
            outcome = "counts"
            if one.excl and one.excl in held_by:
                outcome = "excluded"
            elif dx in suppressed:
                outcome = "suppressed"
            elif one.alive and seen.fields["discharge"] in scheme.died:
                outcome = "died"
            found.append(Complication(dx, one.level.upper(), one.excl, outcome))
    return tuple(found)


def _highest(complications: Sequence[Complication]) -> str:
    levels = {one.level for one in complications if one.outcome == "counts"}
    return "MCC" if "MCC" in levels else "CC" if "CC" in levels else ""


def _mapped(
    scheme: Scheme, case: Case, *, clinical: bool
) -> tuple[dict[CodeKind, tuple[str, ...]], tuple[tuple[str, str], ...]]:
    codes: dict[CodeKind, tuple[str, ...]] = {"dx": case.dx, "pr": case.pr}
    told: dict[tuple[str, str], None] = {}
    if clinical:
        for kind, given in list(codes.items()):
            to = scheme.maps.get(kind, {})
            codes[kind] = tuple(to.get(code, code) for code in given)
            told |= {pair: None for pair in zip(given, codes[kind], strict=True) if pair[0] != pair[1]}
    return codes, tuple(told)


def _unknown(
    scheme: Scheme, codes: Mapping[CodeKind, tuple[str, ...]], case: Case, *, clinical: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the case's codes that the scheme does not know, as often as they stand there."""
    found = []
    kinds: tuple[CodeKind, ...] = ("dx", "pr")
    for kind in kinds:
        given = case.dx if kind == "dx" else case.pr
        known = scheme.all_codes(kind)
        mapped = scheme.maps.get(kind, {}) if clinical else {}
        found.append(tuple(code for code in given if code and code not in mapped and code not in known))
    return found[0], found[1]


def _holds(left: int, op: str, right: int) -> bool:
    if op == "=":
        return left == right
    if op == "<>":
        return left != right
    if op == "<":
        return left < right
    if op == "<=":
        return left <= right
    return left > right if op == ">" else left >= right
