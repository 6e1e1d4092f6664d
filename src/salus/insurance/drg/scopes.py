"""Which questions matter to a case, once its principal diagnosis is known.

A principal leaves few categories open, and of their groups few. Sets that only other groups ask for need no
bit, and sets that never matter to the same case may share one: what is kept of a case stays small, and cases
of one kind are many. A case without a procedure need not be asked for surgical groups.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from salus.insurance.drg.asked import Bits, further_name
from salus.insurance.scheme import Scheme
from salus.insurance.scheme.predicates import (
    And,
    Const,
    In,
    Not,
    Or,
    Predicate,
    Sets,
    atoms,
)


def may_hold(rule: Predicate, principal: frozenset[str]) -> tuple[bool, bool]:
    """Say whether a rule may hold, and whether it may fail, of a principal that is in just these sets."""
    match rule:
        case Const(value):
            return value, not value
        case And(parts):
            told = [may_hold(part, principal) for part in parts]
            return all(one for one, _ in told), any(other for _, other in told)
        case Or(parts):
            told = [may_hold(part, principal) for part in parts]
            return any(one for one, _ in told), all(other for _, other in told)
        case Not(part):
            holds, fails = may_hold(part, principal)
            return fails, holds
        case In("pdx", name):
            return name in principal, name not in principal
    return True, True


def surgical(rule: Predicate) -> bool:
    """Say whether a rule cannot hold of a case without a procedure."""
    return not _unoperated(rule)[0]


def _unoperated(rule: Predicate) -> tuple[bool, bool]:
    """Say whether a rule may hold, and whether it may fail, of a case without a procedure."""
    match rule:
        case Const(value):
            return value, not value
        case And(parts):
            told = [_unoperated(part) for part in parts]
            return all(one for one, _ in told), any(other for _, other in told)
        case Or(parts):
            told = [_unoperated(part) for part in parts]
            return any(one for one, _ in told), all(other for _, other in told)
        case Not(part):
            holds, fails = _unoperated(part)
            return fails, holds
        case In("main_pr" | "other_pr" | "any_pr"):
            return False, True
    return True, True


def needed(scheme: Scheme, principal: frozenset[str]) -> frozenset[str]:
    """Return the sets asked of further codes that matter to a case of this principal."""
    found: set[str] = set()
    for mdc in scheme.mdcs:
        found |= _further(mdc.gate)
        if not may_hold(mdc.gate, principal)[0]:
            continue
        for adrg in scheme.adrgs_of(mdc.mdc):
            if may_hold(adrg.when, principal)[0]:
                found |= _further(adrg.when)
                for split in adrg.splits:
                    found |= _further(split.when)
    return frozenset(found)


def laid_out(further: Iterable[str], scopes: Iterable[frozenset[str]]) -> Bits:
    """Number sets so that two that matter to the same case never share a number, with few numbers."""
    inside: Mapping[str, list[int]] = defaultdict(list)
    for number, names in enumerate(scopes):
        for name in names:
            inside[name].append(number)
    taken: Mapping[int, set[int]] = defaultdict(set)
    at: dict[str, int] = {}
    for name in sorted(further, key=lambda one: (-len(inside[one]), one)):
        number = 0
        while any(number in taken[scope] for scope in inside[name]):
            number += 1
        at[name] = number
        for scope in inside[name]:
            taken[scope].add(number)
    return Bits(tuple(at), at)


def _further(rule: Predicate) -> set[str]:
    found = set()
    for atom in atoms(rule):
        if isinstance(atom, In) and atom.place not in ("pdx", "main_pr", "all_other_dx"):
            found.add(further_name(atom.place, atom.name))
        elif isinstance(atom, Sets) and atom.place not in ("pdx", "main_pr"):
            found |= {further_name(atom.place, name) for name in atom.names}
    return found
