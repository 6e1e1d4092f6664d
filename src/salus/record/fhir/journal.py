"""Where a room above keeps each write that a source system sends by REST, and answers repeats alike.

The FHIR API knows nothing of messages. `connect` registers a journal, so that a REST write is counted,
kept raw and deduplicated like a message from any other door.
"""

from collections.abc import Sequence
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
    """The journal's word on an arrival: the message it becomes, or the reply its first copy was given.

    `entry` is the journal's own, for `close`.
    """

    message_id: int | None = None
    reply: Reply | None = None
    entry: object = None


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of an arrival: the answer given, and how many resources were written."""

    opened: Opened
    reply: Reply
    resources: int


class Journal(Protocol):
    """Keeps source systems' REST writes."""

    def open(self, cursor: CursorWrapper, arrivals: Sequence[Arrival]) -> list[Opened]:
        """Return, in order, the message that each request will be, or the reply that its first copy got.

        Within one call no two are the same message.
        """
        ...

    def close(self, cursor: CursorWrapper, closings: Sequence[Closing]) -> None:
        """Keep the requests that were opened in this transaction, with what was answered to each."""
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
