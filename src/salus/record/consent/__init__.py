"""What residents allow and refuse: FHIR Consents, projected into rules that the policy asks.

A *provision* permits or denies; it may name purposes, recipients, resource types, security labels, codes,
single resources and a time. What the law allows without consent is said by `kernel/rules/policy.toml`.
A Consent given under one of a person's records holds for all of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salus.record.consent.deciding import heard, register
    from salus.record.consent.projecting import note, rebuild
    from salus.record.consent.queries import given, withdrawn

__all__ = ["given", "heard", "note", "rebuild", "register", "withdrawn"]

_WHERE = {
    "given": "queries",
    "heard": "deciding",
    "note": "projecting",
    "rebuild": "projecting",
    "register": "deciding",
    "withdrawn": "queries",
}


def __getattr__(name: str) -> Any:
    """Load the platform's half only when it is asked for, so that reading a Consent works without Django."""
    if name not in _WHERE:
        raise AttributeError(name)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return found
