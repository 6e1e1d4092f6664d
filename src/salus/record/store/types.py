"""What goes into the store and what comes out of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from salus.kernel.errors import Conflict, Invalid
from salus.kernel.feed import Position

if TYPE_CHECKING:
    from salus.record.store.preparing import Prepared

Method = Literal["put", "overlay", "ensure", "delete", "create"]
Outcome = Literal["created", "updated", "unchanged", "stale", "deleted"]


class VersionConflict(Conflict):
    """The resource is not at the version that the writer expected (`version-conflict`, `already-exists`)."""


class InvalidWrite(Invalid):
    """A write that cannot be stored: a bad id, no body, an unknown type."""


class Op(IntEnum):
    """What a line of the change feed says happened."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3
    MOVE = 4


@dataclass(frozen=True, slots=True)
class Write:
    """One resource to write.

    `put` replaces; `overlay` replaces the top-level elements present in `body` (of `period` each end by
    itself), keeps the others and removes those given as None; `ensure` creates only if the id was never
    used; `create` fails with `VersionConflict` if it exists; `delete` leaves a tombstone (`body` is not
    looked at).
    References in `body` are already the store's ("Type/id"). `source_time` is when the sender says
    that the state held: a write older than the current version's is stale and changes nothing; None
    means that the sender does not say, and is never stale. A correction at the desk gives the present.
    `if_version` is the version that must be current (0: none). `person_id` is used for a resource
    that is stored for the first time; dependants of a Patient otherwise take the Patient's person.
    `source` becomes `meta.source` ("urn:salus:source:<source_id>" if empty). `prepared` is what
    `store.prepare` made of this resource for this id and source; a `put`, `ensure` or `create` with it
    needs no `body`.
    """

    type: str
    id: str
    body: dict[str, Any] | None
    method: Method = "put"
    source_id: int | None = None
    message_id: int | None = None
    source_time: datetime | None = None
    if_version: int | None = None
    person_id: UUID | None = None
    source: str = ""
    prepared: "Prepared | None" = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write. `version`, `person_id` and `body` are the current ones, empty after a delete.

    `rid` is the store's own number of the resource (0 where there never was one).
    """

    outcome: Outcome
    rid: int
    version: int
    type: str
    id: str
    person_id: UUID | None
    patient_rid: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource, its body unparsed. `updated` and `source_time` are µs since 1970 UTC.

    `patient_rid` is the store's number of the source's Patient resource that it belongs to.
    """

    rid: int
    type: str
    id: str
    version: int
    person_id: UUID | None
    patient_rid: int | None
    source_id: int | None
    message_id: int | None
    source_time: int | None
    updated: int
    deleted: bool
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the change feed: version `version` of a resource appeared, or it moved to `person_id`."""

    position: Position
    rid: int
    type: str
    version: int
    person_id: UUID | None
    op: Op
