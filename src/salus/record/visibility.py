"""One SQL condition for all that somebody may see of a person, whatever the resource types."""

from collections.abc import Iterable
from typing import Any

from salus.kernel import policy
from salus.kernel.policy import Principal
from salus.record.rules.r4 import type_names


def condition(principal: Principal, action: str, kinds: Iterable[int]) -> tuple[str, list[Any]]:
    """Return a condition on `record_resource r`, true for the resources of these kinds that may be seen.

    It is the policy's scope of each type; types with the same scope share one part.
    """
    alike: dict[tuple[str, tuple[Any, ...]], list[int]] = {}
    names = type_names()
    for kind in kinds:
        scope = policy.scope(principal, action, names[kind])
        if not scope.nothing:
            text, params = scope.sql("r.person_id")
            alike.setdefault((text, tuple(params)), []).append(kind)
    if not alike:
        return "1=0", []
    parts: list[str] = []
    values: list[Any] = []
    for (text, given), members in alike.items():
        parts.append(f"(r.kind in ({', '.join(['%s'] * len(members))}) and {text})")
        values.extend([*members, *given])
    return f"({' or '.join(parts)})", values
