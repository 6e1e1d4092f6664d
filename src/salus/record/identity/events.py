"""What identity tells the other rooms."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from salus.kernel.events import Event


@dataclass(frozen=True)
class IdentityChanged(Event):
    """A person's records changed by a human's decision: `person_id` and, where there was one, `other_id`."""

    type: ClassVar[str] = "record.identity-changed"

    event_id: int
    kind: str
    person_id: UUID
    other_id: UUID | None = None
