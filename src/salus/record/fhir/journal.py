"""Where a room above keeps each write that a source system sends by REST, and answers repeats alike.

The FHIR API knows nothing of messages. `connect` registers a journal, so that a REST write is counted,
kept raw and deduplicated like a message from any other door.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.db.backends.utils import CursorWrapper


@dataclass(frozen=True, slots=True)
class Arrival:
    """One write request of a source system, before anything was done with it.

    `target` is the path below /fhir with its query ("Patient/7", "" for a Bundle). `request_id` is the
    sender's X-Request-Id. `repeatable` is true for POST (a create or a Bundle): the same bytes again are
    the same message. For PUT, PATCH and DELETE the same bytes may mean a new wish (A, B, then A again),
    so only an equal `request_id` makes them a repeat.
    """

    source_id: int
    method: str
    target: str
    body: bytes
    request_id: str | None
    received: datetime
    repeatable: bool
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: HTTP status, headers that belong to the answer, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal's word on an arrival: the message it became, or the reply its first copy was given."""

    message_id: int | None = None
    reply: Reply | None = None


class Journal(Protocol):
    """Keeps source systems' REST writes."""

    def open(self, cursor: CursorWrapper, arrival: Arrival) -> Opened:
        """Keep the raw request in the caller's write transaction, or return the first copy's reply."""
        ...

    def close(self, cursor: CursorWrapper, message_id: int, reply: Reply, resources: int) -> None:
        """Note, in the same transaction, what was answered and how many resources were written."""
        ...

    def refuse(self, arrival: Arrival, reply: Reply, code: str, reason: str) -> None:
        """Keep a refused request as a dead letter; called after its transaction was rolled back."""
        ...


_journal: Journal | None = None


def register(journal: Journal | None) -> None:
    """Set the journal that REST writes of source systems go through; None removes it."""
    global _journal
    _journal = journal


def current() -> Journal | None:
    """Return the registered journal."""
    return _journal
