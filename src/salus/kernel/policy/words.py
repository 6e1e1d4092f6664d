"""The words of the policy: who asks, for what, and the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db import connections

ALL_CATEGORIES = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Grant:
    """One role with the institution, the district and the sensitive categories it was given for."""

    role: str
    institution_id: int | None = None
    district_code: str | None = None
    sensitive: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as of now: an account, a source system or the platform itself.

    `kind` is "account", "source", "system" or "anonymous"; `scopes` are SMART scopes of a token, None for a
    session; `purpose` is a code of HL7 PurposeOfUse; `break_glass` are persons whose record is open in an
    emergency; `patient_context` is the person a token was launched for.
    """

    kind: str = "account"
    account_id: int | None = None
    name: str = ""
    roles: frozenset[str] = frozenset()
    institution_ids: frozenset[int] = frozenset()
    district_codes: frozenset[str] = frozenset()
    staff_id: int | None = None
    person_id: UUID | None = None
    source_id: int | None = None
    scopes: frozenset[str] | None = None
    purpose: str = ""
    break_glass: frozenset[UUID] = frozenset()
    sensitive: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    patient_context: UUID | None = None

    def with_purpose(self, purpose: str) -> Principal:
        """Return the same principal asking for a stated purpose."""
        return replace(self, purpose=purpose)

    def within(self, role: str) -> Principal:
        """Return the principal with only what one role's grants give, so that roles do not mix."""
        if len(self.roles) == 1 or not self.grants:
            return self
        grants = tuple(grant for grant in self.grants if grant.role == role)
        return replace(
            self,
            roles=frozenset({role}),
            grants=grants,
            institution_ids=frozenset(g.institution_id for g in grants if g.institution_id is not None),
            district_codes=frozenset(g.district_code for g in grants if g.district_code is not None),
            sensitive=frozenset().union(*(g.sensitive for g in grants)),
        )

    def bounded_by_district(self) -> bool:
        """Say whether every grant held names a district (a grant without one reaches all districts)."""
        if self.grants:
            return all(grant.district_code is not None for grant in self.grants)
        return bool(self.district_codes)


ANONYMOUS = Principal(kind="anonymous", name="anonymous")


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for.

    `kind` is a kind of `rules/policy.toml` ("aggregate", "dead_letter", …) or "resource", whose kind follows
    from `resource_type`. `categories` are the sensitive categories of a resource, found by the caller; `rid`
    is the store's number of a resource, by which a Consent about single resources is judged.
    """

    kind: str
    person_id: UUID | None = None
    resource_type: str | None = None
    institution_id: int | None = None
    district_code: str | None = None
    categories: frozenset[str] = frozenset()
    source_id: int | None = None
    account_id: int | None = None
    rid: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: whether, by which rule, why not, and what the caller must do besides.

    Flags: "break_glass" (say so in the audit row), "suppress" (hide cells under 10), "sensitive" (the thing
    is in a sensitive category).
    """

    allowed: bool
    rule: str
    reason: str = ""
    flags: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.allowed


Fragment = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Term:
    """One way in which a row may be seen: an SQL condition on the column that names its person."""

    rule: str
    fragment: Callable[[str], Fragment]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of a list a principal sees. `flags` as in Decision; they hold for the whole list."""

    everything: bool = False
    terms: tuple[Term, ...] = ()
    limits: tuple[Callable[[str], Fragment], ...] = ()
    flags: frozenset[str] = field(default_factory=frozenset)

    @property
    def nothing(self) -> bool:
        """Whether no row can be seen."""
        return not self.everything and not self.terms

    def sql(self, column: str = "person_id") -> Fragment:
        """Return an SQL condition and its parameters (%s placeholders), true for the rows that may be seen.

        `column` names the row's person, with the table's alias if there is one ("r.person_id"); the
        conditions on `source_id`, `institution_id`, `district_code`, `account_id` and `rid` use it too.
        """
        if self.nothing:
            return "1=0", []
        parts: list[str] = []
        params: list[Any] = []
        if not self.everything:
            alternatives = []
            for term in self.terms:
                text, values = term.fragment(column)
                alternatives.append(f"({text})")
                params.extend(values)
            parts.append(alternatives[0] if len(alternatives) == 1 else "(" + " or ".join(alternatives) + ")")
        for limit in self.limits:
            text, values = limit(column)
            parts.append(f"({text})")
            params.extend(values)
        return (" and ".join(parts) or "1=1"), params


def beside(column: str, name: str) -> str:
    """Return another column's name with the same table alias: beside("r.person_id", "rid") is "r.rid"."""
    alias, dot, _ = column.rpartition(".")
    return f"{alias}{dot}{name}"


def uuid_value(value: UUID) -> UUID | str:
    """Return a UUID as the default database's driver takes it (SQLite keeps 32 hex digits)."""
    return value if connections["default"].vendor == "postgresql" else value.hex
