"""The decision for one thing and the filter for a list. Both walk the same rows of the same table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext_noop as _

from salus.kernel import smart
from salus.kernel.errors import NotAllowed
from salus.kernel.policy import providers
from salus.kernel.policy.rulebook import (
    ANY_ROLE,
    BOOK,
    CONSENT_ACTIONS,
    CONSENT_KINDS,
    PERSON_KINDS,
    Rule,
    kind_of,
    target_kind,
)
from salus.kernel.policy.words import (
    ALL_CATEGORIES,
    Decision,
    Fragment,
    Principal,
    Scope,
    Target,
    Term,
    beside,
    uuid_value,
)

_SYSTEM = Decision(True, "system")
_NO_SCOPE = Decision(False, "scope", _("The token's scopes do not allow it"))
_NO_PURPOSE = Decision(False, "purpose", _("A purpose that allows it must be stated"))
_SENSITIVE = Decision(False, "sensitive", _("The category needs a stronger permission"))
_NO_RELATION = Decision(False, "condition", _("There is no relation that allows it"))
_NO_CONSENT = Decision(False, "consent", _("The resident does not allow it"))
_NO_RULE = Decision(False, "default", _("No role of the account allows it"))
_CONTEXTS = {"account": frozenset({"patient", "user"}), "source": frozenset({"system"})}


def _own(principal: Principal, target: Target) -> bool:
    return target.person_id is not None and target.person_id == principal.person_id


def _institution(principal: Principal, target: Target) -> bool:
    return target.institution_id in principal.institution_ids


def _district(principal: Principal, target: Target) -> bool:
    return target.district_code in principal.district_codes


def _source(principal: Principal, target: Target) -> bool:
    return principal.source_id is not None and target.source_id == principal.source_id


def _self(principal: Principal, target: Target) -> bool:
    return principal.account_id is not None and target.account_id == principal.account_id


def _provided(name: str) -> Callable[[Principal, Target], bool]:
    return lambda principal, target: target.person_id is not None and providers.check(name, principal, target)


_residence = _provided("residence")


def _region(principal: Principal, target: Target) -> bool:
    return not principal.bounded_by_district() or _district(principal, target)


def _jurisdiction(principal: Principal, target: Target) -> bool:
    return not principal.bounded_by_district() or _residence(principal, target)


_CHECKS: dict[str, Callable[[Principal, Target], bool]] = {
    "any": lambda principal, target: True,
    "own": _own,
    "institution": _institution,
    "district": _district,
    "region": _region,
    "jurisdiction": _jurisdiction,
    "source": _source,
    "self": _self,
    "contract": _provided("contract"),
    "care_relation": _provided("care_relation"),
    "residence": _residence,
}


def _opens(principal: Principal, rule: Rule) -> frozenset[str]:
    return rule.opens if rule.opens == ALL_CATEGORIES else rule.opens | principal.sensitive


def opened(principal: Principal, action: str, kind: str) -> frozenset[str]:
    """Return the sensitive categories that the rules of an action on a kind open; `ALL_CATEGORIES` for all.

    For lists of rows that keep their categories themselves; `scope` says which rows of them.
    """
    if principal.kind == "system":
        return ALL_CATEGORIES
    found = frozenset(principal.sensitive)
    for rule in BOOK.index.get((kind, action), ()):
        if rule.role in principal.roles or (rule.role == ANY_ROLE and principal.kind != "anonymous"):
            opens = _opens(principal if rule.role == ANY_ROLE else principal.within(rule.role), rule)
            if opens == ALL_CATEGORIES:
                return opens
            found |= opens
    return found


def decide(principal: Principal, action: str, target: Target) -> Decision:
    """Say whether the principal may do the action to the target, by which rule, or why not.

    Raises nothing: what is not known is refused.
    """
    if principal.kind == "system":
        return _SYSTEM
    kind = target_kind(target)
    if principal.scopes is not None and not _token_allows(principal, action, kind, target):
        return _NO_SCOPE
    refusal = _NO_RULE
    for rule in BOOK.index.get((kind, action), ()):
        if rule.role not in principal.roles and (rule.role != ANY_ROLE or principal.kind == "anonymous"):
            continue
        if rule.purposes and principal.purpose not in rule.purposes:
            refusal = _NO_PURPOSE
            continue
        narrowed = principal if rule.role == ANY_ROLE else principal.within(rule.role)
        if not _holds(rule, narrowed, action, target):
            if refusal is _NO_RULE:
                refusal = _NO_RELATION
            continue
        opens = _opens(narrowed, rule) if target.categories else ALL_CATEGORIES
        if opens != ALL_CATEGORIES and not target.categories <= opens:
            refusal = _SENSITIVE
            continue
        if not _consented(rule, narrowed, kind, action, target):
            refusal = _NO_CONSENT
            continue
        if target.categories:
            return Decision(True, rule.name, flags=rule.flags | {"sensitive"})
        return Decision(True, rule.name, flags=rule.flags)
    if (
        target.person_id is not None
        and target.person_id in principal.break_glass
        and _glass(principal, action, kind)
    ):
        flags = {"break_glass", "sensitive"} if target.categories else {"break_glass"}
        return Decision(True, "break_glass", flags=frozenset(flags))
    return refusal


def _holds(rule: Rule, principal: Principal, action: str, target: Target) -> bool:
    if action == "create" and rule.when == ("source",):
        return principal.source_id is not None and target.source_id in (None, principal.source_id)
    return any(_CHECKS[condition](principal, target) for condition in rule.when)


def _asks_consent(rule: Rule, kind: str, action: str) -> bool:
    return rule.bound and kind in CONSENT_KINDS and action in CONSENT_ACTIONS


def _purposes(rule: Rule, principal: Principal) -> tuple[str, ...]:
    """Return the purposes that a Consent is asked about: the row's own, and the one stated besides."""
    return tuple(dict.fromkeys(p for p in (rule.purpose, principal.purpose) if p)) or ("TREAT",)


def _consented(rule: Rule, principal: Principal, kind: str, action: str, target: Target) -> bool:
    if target.person_id is None or not _asks_consent(rule, kind, action):
        return True
    known = providers.consents()
    return known is None or known.allowed(principal, _purposes(rule, principal), target)


def _glass(principal: Principal, action: str, kind: str) -> bool:
    rule = BOOK.break_glass
    return kind in rule.kinds and action in rule.actions and bool(rule.roles & principal.roles)


def _token_allows(principal: Principal, action: str, kind: str, target: Target) -> bool:
    contexts = _token_contexts(principal, action, target.resource_type)
    if contexts & {"user", "system"}:
        return True
    if "patient" not in contexts:
        return False
    return kind == "registry" or (
        target.person_id is not None and target.person_id == _launched_for(principal)
    )


def _token_contexts(principal: Principal, action: str, resource_type: str | None) -> frozenset[str]:
    if not resource_type:
        return frozenset()
    usable = _CONTEXTS.get(principal.kind, frozenset())
    return smart.contexts(principal.scopes or frozenset(), resource_type, action) & usable


def _launched_for(principal: Principal) -> Any:
    return principal.patient_context or principal.person_id


def require(principal: Principal, action: str, target: Target) -> Decision:
    """Decide, and refuse with an error that says nothing about the target.

    Raises:
        NotAllowed: the policy refused; its code is `not-allowed-` and the rule.
    """
    decision = decide(principal, action, target)
    if not decision.allowed:
        raise NotAllowed(f"not-allowed-{decision.rule}", decision.reason)
    return decision


def permits(principal: Principal, action: str, kind: str) -> bool:
    """Say whether any rule could let the principal do the action to something of the kind.

    For pages and menus; it opens nothing by itself.
    """
    if principal.kind == "system":
        return True
    rules = BOOK.index.get((kind, action), ())
    if any(rule.role in principal.roles for rule in rules):
        return True
    if principal.kind != "anonymous" and any(rule.role == ANY_ROLE for rule in rules):
        return True
    return bool(principal.break_glass) and _glass(principal, action, kind)


def scope(principal: Principal, action: str, resource_type: str, *, kind: str | None = None) -> Scope:
    """Return which rows of a list of one FHIR type (or of another `kind`) the principal sees.

    A row is in the scope exactly when `decide` allows the action on it.
    """
    if principal.kind == "system":
        return Scope(everything=True)
    kind = kind or kind_of(resource_type)
    limits: list[Callable[[str], Fragment]] = []
    if principal.scopes is not None:
        contexts = _token_contexts(principal, action, resource_type)
        if not contexts:
            return Scope()
        if not contexts & {"user", "system"} and kind != "registry":
            person = _launched_for(principal)
            if person is None:
                return Scope()
            limits.append(lambda column: (f"{column} = %s", [uuid_value(person)]))
    terms: list[Term] = []
    flags: frozenset[str] | None = None
    for rule in BOOK.index.get((kind, action), ()):
        if rule.role not in principal.roles and (rule.role != ANY_ROLE or principal.kind == "anonymous"):
            continue
        if rule.purposes and principal.purpose not in rule.purposes:
            continue
        narrowed = principal if rule.role == ANY_ROLE else principal.within(rule.role)
        flags = rule.flags if flags is None else flags & rule.flags
        build = _with_categories(_rule_fragment(rule, narrowed), rule, narrowed, kind)
        if _asks_consent(rule, kind, action):
            build = _with_consent(build, rule, narrowed, resource_type)
        terms.append(Term(rule.name, build))
    if principal.break_glass and _glass(principal, action, kind):
        terms.append(Term("break_glass", _persons(principal)))
    return Scope(terms=tuple(terms), limits=tuple(limits), flags=flags or frozenset())


def _rule_fragment(rule: Rule, principal: Principal) -> Callable[[str], Fragment]:
    def build(column: str) -> Fragment:
        parts: list[str] = []
        params: list[Any] = []
        for condition in rule.when:
            text, values = _condition_sql(condition, principal, column)
            parts.append(text)
            params.extend(values)
        return " or ".join(parts), params

    return build


def _with_categories(
    build: Callable[[str], Fragment], rule: Rule, principal: Principal, kind: str
) -> Callable[[str], Fragment]:
    opens = _opens(principal, rule)
    if opens == ALL_CATEGORIES or kind not in PERSON_KINDS or not providers.known("sensitive"):
        return build
    asking = replace(principal, sensitive=opens)

    def filtered(column: str) -> Fragment:
        text, values = build(column)
        clean, more = providers.fragment("sensitive", asking, column)
        return f"({text}) and ({clean})", [*values, *more]

    return filtered


def _with_consent(
    build: Callable[[str], Fragment], rule: Rule, principal: Principal, resource_type: str
) -> Callable[[str], Fragment]:
    known = providers.consents()
    if known is None:
        return build

    def filtered(column: str) -> Fragment:
        text, values = build(column)
        free, more = known.allowed_sql(principal, _purposes(rule, principal), resource_type, column)
        return f"({text}) and ({free})", [*values, *more]

    return filtered


def _persons(principal: Principal) -> Callable[[str], Fragment]:
    persons = [uuid_value(person) for person in sorted(principal.break_glass)]
    return lambda column: (f"{column} in ({', '.join(['%s'] * len(persons))})", list(persons))


def _condition_sql(condition: str, principal: Principal, column: str) -> Fragment:
    match condition:
        case "any":
            return "1=1", []
        case "own":
            return _equals(column, uuid_value(principal.person_id) if principal.person_id else None)
        case "source":
            return _equals(beside(column, "source_id"), principal.source_id)
        case "self":
            return _equals(beside(column, "account_id"), principal.account_id)
        case "institution":
            return _among(beside(column, "institution_id"), sorted(principal.institution_ids))
        case "district":
            return _among(beside(column, "district_code"), sorted(principal.district_codes))
        case "region":
            if not principal.bounded_by_district():
                return "1=1", []
            return _among(beside(column, "district_code"), sorted(principal.district_codes))
        case "jurisdiction":
            if not principal.bounded_by_district():
                return "1=1", []
            return _of_person("residence", principal, column)
        case _:
            return _of_person(condition, principal, column)


def _of_person(name: str, principal: Principal, column: str) -> Fragment:
    text, params = providers.fragment(name, principal, column)
    return f"{column} is not null and ({text})", params


def _equals(column: str, value: Any) -> Fragment:
    return ("1=0", []) if value is None else (f"{column} = %s", [value])


def _among(column: str, values: list[Any]) -> Fragment:
    if not values:
        return "1=0", []
    return f"{column} in ({', '.join(['%s'] * len(values))})", list(values)
