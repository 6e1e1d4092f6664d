"""References inside resources: found and replaced in one walk.

Source: FHIR R4, sections 2.3.0.1 (literal references), 3.1.0.11.2 (transaction rules: "Reference
resolution") and 2.36.4.1 (resolving references in Bundles).
"""

import re
from collections.abc import Callable
from typing import Any

_LITERAL = re.compile(r"(?:(https?://.+)/)?([A-Z][A-Za-z]{2,39})/([^/?#]{1,200})(?:/_history/[^/]+)?")
_CONDITIONAL = re.compile(r"(?:https?://.+/)?([A-Z][A-Za-z]{2,39})\?(.{1,1000})")
_LINK_KEYS = frozenset({"url", "uri", "valueUri", "valueUrl", "valueCanonical"})


def literal(reference: str) -> tuple[str, str, str] | None:
    """Return base ("" if relative), type and id of a literal reference, or None if it is none."""
    match = _LITERAL.fullmatch(reference)
    return None if match is None else (match[1] or "", match[2], match[3])


def conditional(reference: str) -> tuple[str, str] | None:
    """Return type and search of a conditional reference ("Practitioner?identifier=…"), or None."""
    match = _CONDITIONAL.fullmatch(reference)
    return None if match is None else (match[1], match[2])


def rewrite(
    node: Any, replace: Callable[[dict[str, Any], str], None], links: dict[str, str] | None = None
) -> None:
    """Call `replace(holder, reference)` for each literal reference below `node`, in place.

    `links` replaces whole values of url and uri elements (an attachment's address inside a Bundle).
    No recursion, so no nesting is too deep; the validator refuses what nests beyond reason.
    """
    stack: list[Any] = [node]
    pop, push = stack.pop, stack.append
    while stack:
        current = pop()
        if type(current) is dict:
            for value in current.values():
                kind = type(value)
                if kind is dict or kind is list:
                    push(value)
            reference = current.get("reference")
            if type(reference) is str:
                replace(current, reference)
            if links is not None:
                for key in _LINK_KEYS & current.keys():
                    if (target := links.get(current[key]) if type(current[key]) is str else None) is not None:
                        current[key] = target
        else:
            for value in current:
                kind = type(value)
                if kind is dict or kind is list:
                    push(value)
