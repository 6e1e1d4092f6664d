"""References inside resources: found and replaced in one walk.

Source: FHIR R4, sections 2.3.0.1 (literal references), 3.1.0.11.2 (transaction rules: "Reference
resolution") and 2.36.4.1 (resolving references in Bundles).
"""

import re
from collections.abc import Callable
from typing import Any

from salus.connect.errors import Untranslatable

DEEPEST = 64
"""How deep a resource may nest; real ones stay below 20."""

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
    Raises Untranslatable ("too-deep") for nesting beyond `DEEPEST`.
    """
    stack: list[tuple[Any, int]] = [(node, 0)]
    while stack:
        current, depth = stack.pop()
        if depth > DEEPEST:
            raise Untranslatable("too-deep", "the resource nests deeper than any real one")
        if isinstance(current, dict):
            for key, value in current.items():
                kind = type(value)
                if kind is dict or kind is list:
                    stack.append((value, depth + 1))
                elif links is not None and key in _LINK_KEYS and kind is str and value in links:
                    current[key] = links[value]
            reference = current.get("reference")
            if type(reference) is str:
                replace(current, reference)
        else:
            for value in current:
                kind = type(value)
                if kind is dict or kind is list:
                    stack.append((value, depth + 1))
