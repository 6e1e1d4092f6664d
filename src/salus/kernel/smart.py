"""SMART App Launch scopes: `patient/Observation.rs`, `user/*.cruds`, `system/Patient.r?...`.

Source: HL7 SMART App Launch 2.2, "Scopes and Launch Context" (resource scopes: context/type.cruds?query);
the v1 words map as that page says: read = rs, write = cud, * = cruds.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from salus.kernel.errors import Invalid

LETTERS = "cruds"
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(r"^(patient|user|system)/(\*|[A-Z][A-Za-z]{1,40})\.([a-z*]{1,5})(?:\?(.{1,400}))?$")

ACTION_LETTERS = {
    "create": "c",
    "read": "r",
    "history": "r",
    "update": "u",
    "correct": "u",
    "delete": "d",
    "search": "s",
    "export": "s",
}
"""The letter that a token needs for each action of the policy; other actions are not open to tokens."""


@dataclass(frozen=True, slots=True)
class ResourceScope:
    """One resource scope: the context it works in, the type or `*`, its letters, its search restriction."""

    context: str
    resource_type: str
    letters: str
    query: str = ""

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.context}/{self.resource_type}.{self.letters}{query}"


@lru_cache(maxsize=4096)
def parse(scope: str) -> ResourceScope | None:
    """Read one scope; None when it is no resource scope (`openid`, `launch/patient`, …).

    Raises:
        Invalid: it looks like a resource scope but is not one, such as letters out of order.
    """
    if "/" not in scope or scope.partition("/")[0] not in {"patient", "user", "system"}:
        return None
    match = _SCOPE.match(scope)
    if match is None:
        raise Invalid("scope-malformed", "A scope cannot be read", fix="Write it like patient/Observation.rs")
    context, resource_type, letters, query = match.groups()
    letters = _V1.get(letters, letters)
    if letters != "".join(letter for letter in LETTERS if letter in letters):
        raise Invalid("scope-letters", "A scope's letters must be some of c r u d s in this order")
    return ResourceScope(context, resource_type, letters, query or "")


@lru_cache(maxsize=4096)
def parse_all(scopes: frozenset[str]) -> tuple[ResourceScope, ...]:
    """Read the resource scopes of a token; those that cannot be read grant nothing."""
    found = []
    for scope in sorted(scopes):
        try:
            parsed = parse(scope)
        except Invalid:
            continue
        if parsed is not None:
            found.append(parsed)
    return tuple(found)


@lru_cache(maxsize=16384)
def contexts(scopes: frozenset[str], resource_type: str, action: str) -> frozenset[str]:
    """Return the contexts (`patient`, `user`, `system`) in which the scopes allow the action on the type.

    A scope with a search restriction (`?category=…`) grants nothing: granting it without applying the
    restriction would give more than was agreed.
    """
    letter = ACTION_LETTERS.get(action)
    if letter is None:
        return frozenset()
    return frozenset(
        scope.context
        for scope in parse_all(scopes)
        if letter in scope.letters and scope.resource_type in ("*", resource_type) and not scope.query
    )


def narrow(asked: Iterable[str], allowed: Iterable[str]) -> frozenset[str]:
    """Return the asked scopes that the allowed ones contain; other words must match whole.

    An asked resource scope is cut down to the letters allowed, and left out when none remain.
    """
    allowed_set = frozenset(allowed)
    open_scopes = parse_all(allowed_set)
    kept: set[str] = set()
    for scope in asked:
        try:
            wanted = parse(scope)
        except Invalid:
            continue
        if wanted is None:
            if scope in allowed_set:
                kept.add(scope)
            continue
        if wanted.query:
            continue
        letters = "".join(
            letter
            for letter in wanted.letters
            if any(
                letter in held.letters
                and held.context == wanted.context
                and held.resource_type in ("*", wanted.resource_type)
                and not held.query
                for held in open_scopes
            )
        )
        if letters:
            kept.add(str(ResourceScope(wanted.context, wanted.resource_type, letters)))
    return frozenset(kept)
