"""What identity needs to know of a source system; the room that keeps the register of sources tells it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The institution that runs a source, and its kind (`kernel.models.InstitutionKind`)."""

    institution_id: int | None = None
    institution_kind: str = ""


Lookup = Callable[[int], SourceFacts]
_lookup: list[Lookup] = []


def register_lookup(lookup: Lookup) -> None:
    """Register who answers for source systems; registering again replaces."""
    _lookup[:] = [lookup]


def facts(source_id: int | None) -> SourceFacts:
    """Return what is known of a source; nothing if nobody answers."""
    return SourceFacts() if source_id is None or not _lookup else _lookup[0](source_id)
