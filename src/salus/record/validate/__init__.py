"""Structural validation of FHIR R4 resources: types, cardinality, choices, required code lists.

    issues = validate(resource)
    accepted = not any(issue.severity == "error" for issue in issues)

Unknown elements are kept and warned about. Profiles, invariants and terminology are not checked.
"""

from typing import Any

from salus.record.validate.explain import LARGE, Issue, explain
from salus.record.validate.fast import sound

MOST_BYTES = 16 * 1024 * 1024

__all__ = ["MOST_BYTES", "Issue", "invalid", "validate"]


def validate(resource: Any, *, size: int = 0) -> list[Issue]:
    """Return what is wrong or odd about a resource, empty if nothing is.

    `resource` is parsed JSON; `size` is its length in bytes where the caller knows it (more than
    `MOST_BYTES` is an error). Nesting deeper than 64 elements is an error. Source: HL7's R4
    StructureDefinitions in `rules/r4`.
    """
    if size > MOST_BYTES:
        return [Issue("error", "too-long", "Resource", LARGE)]
    return [] if sound(resource) else explain(resource)


def invalid(issues: list[Issue]) -> bool:
    """Return whether any finding is an error."""
    return any(issue.severity == "error" for issue in issues)
