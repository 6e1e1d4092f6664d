"""The resource types that the API serves."""

from functools import cache

from salus.record.rules.r4 import kinds

ELSEWHERE = frozenset({"AuditEvent", "Bundle", "OperationOutcome", "Parameters", "SubscriptionStatus"})
"""Types that only carry others, the audit's, which has its own export, and one that is not yet R4."""

PERSON = "Person"
"""The golden record of identity; computed, so it is only read here."""


@cache
def types() -> frozenset[str]:
    """Return the names of the types served."""
    return frozenset(kinds()) - ELSEWHERE
