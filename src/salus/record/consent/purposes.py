"""Purposes of use (HL7 v3 PurposeOfUse): which purpose is part of which."""

from functools import cache

from salus.record.rules.r4 import rows

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ALL = "PurposeOfUse"


@cache
def _parents() -> dict[str, str]:
    return {row["code"]: row["parent"] for row in rows("concepts") if row["system"] == SYSTEM}


@cache
def wider(purpose: str) -> tuple[str, ...]:
    """Return the purposes that a statement about would cover this one: itself and those it is part of."""
    found = [purpose]
    while (parent := _parents().get(found[-1])) and parent not in {ALL, *found}:
        found.append(parent)
    return tuple(found)
