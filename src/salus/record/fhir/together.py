"""Creates and updates of many askers, written as one batch: one look, one store, one audit intent.

Most writes need nothing but their own resource. Those that wait together are checked one by one, as they
would be alone, and written at once; whatever is refused or odd goes its way alone afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from django.db import Error as DatabaseFault
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel.audit import AuditEntry
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal
from salus.record.fhir import handlers, journal, reading, writing
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.journal import Closing, Opened
from salus.record.fhir.outcome import Response
from salus.record.fhir.request import Request, check_content_type
from salus.record.fhir.routing import Interaction, Route
from salus.record.fhir.subscriptions import accepting

CONDITIONS = frozenset({"if-none-exist", "if-match", "if-none-match"})
PLAIN = frozenset({Interaction.CREATE, Interaction.UPDATE})


@dataclass(slots=True)
class Asked:
    """A write and who asks for it; `answer` and `entries` stay empty where it has to go alone."""

    request: Request
    route: Route
    principal: Principal
    answer: Response | None = None
    entries: Sequence[AuditEntry] = ()


@dataclass(slots=True)
class _Ready:
    asked: Asked
    exchange: Exchange
    wish: writing.Wish
    opened: Opened | None = None


def fits(request: Request, route: Route) -> bool:
    """Tell whether a write depends on nothing but its own resource."""
    alone = CONDITIONS & request.headers.keys() or route.type == accepting.TYPE
    return route.interaction in PLAIN and not alone


def write(cursor: CursorWrapper, many: Sequence[Asked]) -> None:
    """Write what can be written together, in the caller's transaction, and set the answers of those.

    What is left without an answer has left nothing behind; the caller writes each by itself, which also
    says why one is refused.
    """
    now = datetime.now(UTC)
    try:
        with transaction.atomic(using=cursor.db.alias):
            ready = _checked(cursor, many, now)
            if len(ready) > 1:
                _written(cursor, ready, now)
    except (SalusError, DatabaseFault):
        for asked in many:
            asked.answer, asked.entries = None, ()


def _checked(cursor: CursorWrapper, many: Sequence[Asked], now: datetime) -> list[_Ready]:
    """Return the writes that nothing speaks against; each resource and each request once."""
    updates = [(asked.route.type, asked.route.id) for asked in many if asked.route.id]
    found = reading.fetch(cursor, updates)
    ready: list[_Ready] = []
    taken: set[tuple[str, str]] = set()
    seen: set[bytes] = set()
    for asked in many:
        exchange = Exchange(asked.request, asked.route, asked.principal, cursor, now=now)
        try:
            check_content_type(asked.request, *writing.RESOURCES)
            resource = writing.resource_of(exchange)
            if asked.route.interaction is Interaction.CREATE:
                wish, _ = writing.wish_create(exchange, resource, None)
            else:
                existing = found.get((asked.route.type, asked.route.id))
                wish = writing.wish_put(exchange, asked.route.type, asked.route.id, resource, existing)
            writing.check_valid(wish)
        except SalusError:
            continue
        marks = {blake2b(asked.request.body).digest(), asked.request.headers.get("x-request-id", "").encode()}
        marks.discard(b"")
        if (wish.type, wish.id) in taken or marks & seen:
            continue
        taken.add((wish.type, wish.id))
        seen |= marks
        ready.append(_Ready(asked, exchange, wish))
    return ready


def _written(cursor: CursorWrapper, ready: Sequence[_Ready], now: datetime) -> None:
    """Keep the requests, store their resources, link the patients and note the answers."""
    kept = journal.current()
    sent = [one for one in ready if kept is not None and one.exchange.principal.source_id is not None]
    arrivals = [handlers.arrival(one.exchange) for one in sent]
    opened = kept.open(cursor, arrivals) if kept is not None else []
    for one, was in zip(sent, opened, strict=True):
        if was.reply is not None:
            one.asked.answer = handlers.repeated(was.reply)
        one.opened, one.exchange.message_id = was, was.message_id
    fresh = [one for one in ready if one.asked.answer is None]
    results = writing.apply_all([(one.exchange, one.wish) for one in fresh])
    closings = []
    for one, written in zip(fresh, results, strict=True):
        answer = writing.answer(one.exchange, 201 if one.wish.action == "create" else 200, written)
        one.asked.answer, one.asked.entries = answer, one.exchange.entries
        if one.opened is not None:
            closings.append(Closing(one.opened, handlers.reply(answer), one.exchange.written))
    if kept is not None:
        kept.close(cursor, closings)
