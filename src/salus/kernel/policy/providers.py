"""What upper rooms know and the policy asks: is a person in an institution's care, where does she live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from salus.kernel.policy.words import Fragment, Principal, Target

Check = Callable[[Principal, Target], bool]
FilterSql = Callable[[Principal, str], tuple[str, list[Any]]]


@dataclass(frozen=True, slots=True)
class Provider:
    """Two forms of the same question: of one thing, and as an SQL condition on a list's rows."""

    name: str
    check: Check
    filter_sql: FilterSql


Purposes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consents:
    """Who knows what residents allowed: of one thing, and as an SQL condition on a list's rows."""

    allowed: Callable[[Principal, Purposes, Target], bool]
    allowed_sql: Callable[[Principal, Purposes, str, str], Fragment]


_providers: dict[str, Provider] = {}
_consents: list[Consents] = []


def register_provider(name: str, *, check: Check, filter_sql: FilterSql) -> None:
    """Register who answers a condition of `rules/policy.toml`; registering again replaces.

    `check(principal, target)` and `filter_sql(principal, column)` must agree: the fragment is true for
    exactly the rows whose person passes the check. The principal holds only the institutions and districts
    of the role being judged. For `sensitive`, the fragment is true for rows whose categories are all in
    `principal.sensitive`, and the check is not used: the caller gives `Target.categories`.
    """
    _providers[name] = Provider(name, check, filter_sql)


def check(name: str, principal: Principal, target: Target) -> bool:
    """Ask a provider about one thing; what nobody answers is refused."""
    provider = _providers.get(name)
    return provider is not None and provider.check(principal, target)


def fragment(name: str, principal: Principal, column: str) -> Fragment:
    """Ask a provider for its SQL condition; what nobody answers is refused."""
    provider = _providers.get(name)
    return ("1=0", []) if provider is None else provider.filter_sql(principal, column)


def known(name: str) -> bool:
    """Say whether somebody answers this condition."""
    return name in _providers


def register_consent(
    *,
    allowed: Callable[[Principal, Purposes, Target], bool],
    allowed_sql: Callable[[Principal, Purposes, str, str], Fragment],
) -> None:
    """Register who knows the residents' Consents; registering again replaces.

    `allowed(principal, purposes, target)` and `allowed_sql(principal, purposes, resource_type, column)` must
    agree; both are asked only where a rule of `rules/policy.toml` says nothing `without_consent`.
    """
    _consents[:] = [Consents(allowed, allowed_sql)]


def consents() -> Consents | None:
    """Return who knows the residents' Consents, if anybody is registered."""
    return _consents[0] if _consents else None
