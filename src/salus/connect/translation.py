"""What every format handler gives back: resources with the sender's ids, and merges, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

Method = Literal["put", "overlay", "ensure", "delete"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource to write.

    `resource["id"]` is the sender's local id and its references are local ("Patient/123"), absolute
    or contained. `put` replaces; `overlay` replaces the top-level elements present (of `period` each
    end by itself), keeps the others and removes those given as None (HL7 v2's explicit null); `ensure`
    creates only if absent; `delete` leaves a tombstone. `source_time` is when the sender says the
    state held (aware).
    `condition` is a search ("identifier=system|value") among the source's resources of that type: what it
    finds is meant instead of the id, everywhere in the message. With `unless_found` nothing is written then.
    """

    resource: dict[str, Any]
    method: Method = "put"
    source_time: datetime | None = None
    condition: str = ""
    unless_found: bool = False


@dataclass(frozen=True, slots=True)
class Merge:
    """The sender says that two of its patients are one: `retired` becomes `kept` (local Patient ids)."""

    kept: str
    retired: str


@dataclass(frozen=True, slots=True)
class Translation:
    """One message, understood. `control_id` is the sender's message id, if it gives one."""

    kind: str
    control_id: str | None
    occurred: datetime | None
    entries: Sequence[Entry]
    merges: Sequence[Merge] = ()
    warnings: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """What a translator may know of the source system: its code, format, character set, zone and mapping."""

    code: str
    format: str
    charset: str = "utf-8"
    timezone: str = "Asia/Shanghai"
    mapping: dict[str, Any] = field(default_factory=dict)
    system_base: str = "urn:salus:source"


class Translator(Protocol):
    """Turns one raw message into translations; raises `Untranslatable` with a reason a person understands."""

    def __call__(self, raw: bytes, source: SourceProfile) -> Translation:
        """Return what the message says."""
        ...
