"""Reads `rules/policy.toml` once and gives it as look-up tables."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from salus.kernel.policy.words import Target

ANY_ROLE = "*"
PERSON_KINDS = frozenset({"person", "clinical", "coverage", "consent"})
CONSENT_KINDS = frozenset({"person", "clinical", "coverage"})
"""Kinds that a Consent can close; the Consents themselves stay open to those who must keep them."""
CONSENT_ACTIONS = frozenset({"read", "search", "history", "export", "update", "correct", "delete"})
"""What a Consent can forbid: to see, and to change what is there; that care is recorded is a duty."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table for one role.

    `purpose` is the purpose that the row serves, and `bound` says that it yields to a resident's Consent.
    """

    name: str
    role: str
    kinds: frozenset[str]
    actions: frozenset[str]
    when: tuple[str, ...]
    purposes: frozenset[str]
    opens: frozenset[str]
    flags: frozenset[str]
    purpose: str = ""
    bound: bool = False


@dataclass(frozen=True, slots=True)
class BreakGlassRule:
    """What emergency access opens, to whom and for how long (`hours`)."""

    roles: frozenset[str]
    kinds: frozenset[str]
    actions: frozenset[str]
    hours: float
    reason_min_length: int
    opens: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The whole table, with an index by kind and action."""

    rules: tuple[Rule, ...]
    index: dict[tuple[str, str], tuple[Rule, ...]]
    kinds: dict[str, str]
    conditions: frozenset[str]
    purposes: frozenset[str]
    break_glass: BreakGlassRule


def _rule(row: dict[str, Any], number: int) -> Rule:
    return Rule(
        name=f"{row['role']}-{'+'.join(row['kinds'])}-{number}",
        role=row["role"],
        kinds=frozenset(row["kinds"]),
        actions=frozenset(row["actions"]),
        when=tuple(row["when"]),
        purposes=frozenset(row.get("purposes", ())),
        opens=frozenset(row.get("opens", ())),
        flags=frozenset(row.get("flags", ())),
        purpose=row.get("serves", ""),
        bound="without_consent" not in row and bool(CONSENT_KINDS & set(row["kinds"])),
    )


def load() -> Rulebook:
    """Read the table from the package."""
    table = tomllib.loads(files("salus.kernel").joinpath("rules/policy.toml").read_text("utf-8"))
    rules = tuple(_rule(row, number) for number, row in enumerate(table["rule"], 1))
    index: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        for kind in rule.kinds:
            for action in rule.actions:
                index.setdefault((kind, action), []).append(rule)
    glass = table["break_glass"]
    return Rulebook(
        rules=rules,
        index={key: tuple(found) for key, found in index.items()},
        kinds={name: kind for kind, names in table["kinds"].items() for name in names},
        conditions=frozenset(table["conditions"]),
        purposes=frozenset(table["purposes"]),
        break_glass=BreakGlassRule(
            roles=frozenset(glass["roles"]),
            kinds=frozenset(glass["kinds"]),
            actions=frozenset(glass["actions"]),
            hours=float(glass["hours"]),
            reason_min_length=int(glass["reason_min_length"]),
            opens=frozenset(glass["opens"]),
        ),
    )


BOOK = load()


def kind_of(resource_type: str) -> str:
    """Return the policy's kind of a FHIR resource type; a type that is not listed is clinical."""
    return BOOK.kinds.get(resource_type, "clinical")


def target_kind(target: Target) -> str:
    """Return the kind by which a target is judged."""
    if target.kind == "resource":
        return kind_of(target.resource_type or "")
    return target.kind
