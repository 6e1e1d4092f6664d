"""The master patient index: which records are of one person, who decided it, and how to take it back.

A *patient* is one source's record of somebody (a FHIR Patient); a *person* is the resident. A patient
is linked to exactly one person by link events that are never erased, only reversed. The engine below
(`engine/`) is pure: it links any table of people, without Django.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salus.record.identity.arriving import PersonLink, link_patient, link_patients
    from salus.record.identity.merging import merge_patients
    from salus.record.identity.scoring import link_arriving, score_one

__all__ = ["PersonLink", "link_arriving", "link_patient", "link_patients", "merge_patients", "score_one"]

_WHERE = {
    "PersonLink": "arriving",
    "link_patient": "arriving",
    "link_patients": "arriving",
    "merge_patients": "merging",
    "link_arriving": "scoring",
    "score_one": "scoring",
}


def __getattr__(name: str) -> Any:
    """Load the platform's half only when it is asked for, so that the engine works without Django."""
    if name not in _WHERE:
        raise AttributeError(name)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return found
