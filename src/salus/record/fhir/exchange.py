"""One request being answered: who asks, the cursor to ask with, and the audit rows it leaves."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.backends.utils import CursorWrapper

from salus.kernel.audit import AuditEntry
from salus.kernel.policy import Principal
from salus.record.fhir.request import Request
from salus.record.fhir.routing import Route
from salus.record.store import Stored


@dataclass(slots=True)
class Exchange:
    """What a handler works with.

    `entries` are committed to the audit chain before the answer leaves; `message_id` is what the journal
    made of a source's write; `written` counts the resources that were written; `hidden` are the
    secret headers of Subscriptions by id; `fetched` holds what a
    batch of reads by id found, when this is one of them.
    """

    request: Request
    route: Route
    principal: Principal
    cursor: CursorWrapper
    entries: list[AuditEntry] = field(default_factory=list)
    message_id: int | None = None
    written: int = 0
    hidden: dict[str, dict[str, str]] = field(default_factory=dict)
    fetched: dict[tuple[str, str], Stored] | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
