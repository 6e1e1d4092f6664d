"""Events: written in the transaction that causes them, handled later, at least once, each handler on its own.

`emit` adds a row to the outbox. Every handler has a cursor; one that fails is tried again with growing pauses
and holds up nobody else; after its last attempt the event goes to the failures page and the handler goes on.
Handlers must be idempotent: after a crash the last event comes again.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar, cast

import msgspec
from django.db import close_old_connections, connections, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel.audit.chain import new_owner, owner_gone
from salus.kernel.errors import Conflict, NotFound, SalusError
from salus.kernel.feed import HORIZON, Position, newest, read_after
from salus.kernel.models import HandlerCursor, HandlerFailure, OutboxEvent

MAX_ATTEMPTS = 8
LEASE = timedelta(minutes=5)
"""How long a handler may work on one event before another process may take it over."""

_BATCH = 200


@dataclass(frozen=True)
class Event:
    """Base of all events: a frozen dataclass of plain values (numbers, text, UUIDs, dates, lists of them)."""

    type: ClassVar[str] = ""

    @classmethod
    def type_name(cls) -> str:
        """Return the name under which the event is stored; give `type` to keep it when a class moves."""
        return cls.type or f"{cls.__module__}.{cls.__qualname__}"


E = TypeVar("E", bound=Event)
Handler = Callable[[Any], None]


@dataclass(slots=True)
class _Subscription:
    name: str
    handlers: dict[str, tuple[type[Event], Handler]]
    from_now: bool


_subscriptions: dict[str, _Subscription] = {}
_owner = threading.local()


def emit(event: Event) -> None:
    """Write an event into the outbox, in the caller's transaction: it happens if and only if that commits."""
    emit_many([event])


def emit_many(events: Iterable[Event]) -> None:
    """Write several events in order."""
    OutboxEvent.objects.bulk_create(
        OutboxEvent(type=event.type_name(), payload=msgspec.to_builtins(asdict(event))) for event in events
    )


def subscribe(
    event_type: type[E], handler: Callable[[E], None], name: str, *, from_now: bool = False
) -> None:
    """Have `handler` called for every event of a type, under a stable name that keeps its place.

    One name may take several event types; it then sees them in order. A new handler starts with the oldest
    event kept, or with the next one if `from_now`. Called from `salus.subscriptions` only.
    """
    subscription = _subscriptions.setdefault(name, _Subscription(name, {}, from_now))
    subscription.handlers[event_type.type_name()] = (event_type, cast(Handler, handler))


def unsubscribe(name: str) -> None:
    """Forget a handler of this process (its cursor stays)."""
    _subscriptions.pop(name, None)


def subscriptions() -> dict[str, tuple[str, ...]]:
    """Return the event types by handler."""
    return {name: tuple(sorted(found.handlers)) for name, found in sorted(_subscriptions.items())}


def dispatch_pending(*, limit: int = 10_000) -> int:
    """Let every handler work through what waits for it, in turn; returns how many events were handled."""
    _ensure_cursors()
    return sum(_run(name, limit) for name in list(_subscriptions))


def run_dispatcher(stop: threading.Event, *, interval: float = 0.5) -> None:
    """Dispatch until told to stop, each handler in its own thread, so a hanging one holds up only itself."""
    running: dict[str, threading.Thread] = {}

    def work(name: str) -> None:
        try:
            _run(name, 1000)
        finally:
            connections.close_all()

    try:
        _ensure_cursors()
        while not stop.wait(interval):
            close_old_connections()
            for name in _due():
                if name not in running or not running[name].is_alive():
                    running[name] = threading.Thread(
                        target=work, args=(name,), name=f"salus-{name}", daemon=True
                    )
                    running[name].start()
        for thread in running.values():
            thread.join(timeout=5)
    finally:
        connections.close_all()


def _due() -> list[str]:
    """Return the handlers that may run and have something before them, by one look without a lock."""
    connection = connections["default"]
    after = "e.seq > c.seq"
    if connection.vendor == "postgresql":
        after = f"(e.xid, e.seq) > (c.xid, c.seq) and e.xid < {HORIZON}"
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.name from kernel_handlercursor c where not c.paused"  # noqa: S608 - constant text
            " and (c.next_attempt is null or c.next_attempt <= %s)"
            f" and exists (select 1 from kernel_outboxevent e where {after})",
            [connection.ops.adapt_datetimefield_value(timezone.now())],
        )
        return [name for (name,) in cursor.fetchall() if name in _subscriptions]


def _ensure_cursors() -> None:
    known = set(HandlerCursor.objects.values_list("name", flat=True))
    for subscription in _subscriptions.values():
        if subscription.name in known:
            continue
        start = Position()
        if subscription.from_now:
            with connections["default"].cursor() as cursor:
                start = newest(cursor, "kernel_outboxevent")
        HandlerCursor.objects.get_or_create(
            name=subscription.name, defaults={"xid": start.xid, "seq": start.seq}
        )


def _claim(name: str, now: datetime) -> HandlerCursor | None:
    if not hasattr(_owner, "name"):
        _owner.name = new_owner()
    with transaction.atomic():
        cursor = HandlerCursor.objects.select_for_update().filter(name=name).first()
        if cursor is None or cursor.paused or (cursor.next_attempt is not None and cursor.next_attempt > now):
            return None
        held = cursor.owner and cursor.owner != _owner.name and not owner_gone(cursor.owner)
        if held and cursor.running_since is not None and now - cursor.running_since < LEASE:
            return None
        cursor.owner, cursor.running_since = _owner.name, now
        cursor.save(update_fields=["owner", "running_since"])
    return cursor


def _run(name: str, limit: int) -> int:
    subscription = _subscriptions.get(name)
    if subscription is None:
        return 0
    claimed = _claim(name, timezone.now())
    if claimed is None:
        return 0
    handled, place = 0, Position(claimed.xid, claimed.seq)
    try:
        while handled < limit:
            with connections["default"].cursor() as cursor:
                rows = read_after(cursor, "kernel_outboxevent", ["type", "payload"], place, _BATCH)
            if not rows:
                break
            for place, (type_name, payload) in rows:
                if type_name in subscription.handlers:
                    if not _handle(subscription, place, type_name, payload):
                        return handled
                    handled += 1
                    _advance(name, place, 1)
            _advance(name, place, 0)
    finally:
        HandlerCursor.objects.filter(name=name, owner=_owner.name).update(owner="", running_since=None)
    return handled


def _advance(name: str, place: Position, handled: int) -> None:
    HandlerCursor.objects.filter(name=name, owner=_owner.name).update(
        xid=place.xid,
        seq=place.seq,
        handled=F("handled") + handled,
        attempts=0,
        next_attempt=None,
        last_error="",
        running_since=timezone.now(),
        updated=timezone.now(),
    )


def _handle(subscription: _Subscription, place: Position, type_name: str, payload: Any) -> bool:
    """Call the handler; on failure note it and say whether to go on with the next event."""
    try:
        _call(subscription, type_name, payload)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its failure, not the dispatcher's
        return _failed(subscription.name, place, error)
    return True


def _call(subscription: _Subscription, type_name: str, payload: Any) -> None:
    event_type, handler = subscription.handlers[type_name]
    values = msgspec.json.decode(payload) if isinstance(payload, str | bytes) else payload
    handler(msgspec.convert(values, event_type, strict=False))


def _failed(name: str, place: Position, error: BaseException) -> bool:
    words = describe(error)
    with transaction.atomic():
        cursor = HandlerCursor.objects.select_for_update().get(name=name)
        cursor.attempts += 1
        now = timezone.now()
        if cursor.attempts < MAX_ATTEMPTS:
            cursor.next_attempt = now + timedelta(seconds=min(2**cursor.attempts, 300))
            cursor.last_error = words
            cursor.updated = now
            cursor.save(update_fields=["attempts", "next_attempt", "last_error", "updated"])
            return False
        HandlerFailure.objects.update_or_create(
            handler=name,
            event_id=place.seq,
            defaults={
                "attempts": cursor.attempts,
                "error": words,
                "failed_at": now,
                "resolved_at": None,
                "resolution": "",
            },
        )
    return True


def describe(error: BaseException) -> str:
    """Say what failed and where, without the text of foreign errors, which may name a resident."""
    if isinstance(error, SalusError):
        return f"{error.code}: {error.message}"[:400]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"[:400]


def retry_failure(failure_id: int) -> None:
    """Handle a given-up event again now.

    Raises:
        NotFound: there is no such failure, or its handler no longer exists.
        Conflict: it is resolved already.
        Exception: whatever the handler raises again; the failure stays.
    """
    failure = HandlerFailure.objects.select_related("event").filter(pk=failure_id).first()
    if failure is None or failure.handler not in _subscriptions:
        raise NotFound("failure-unknown", _("There is no such failure, or its handler is gone"))
    if failure.resolved_at is not None:
        raise Conflict("failure-resolved", _("The failure is resolved already"))
    try:
        _call(_subscriptions[failure.handler], failure.event.type, failure.event.payload)
    except Exception as error:
        HandlerFailure.objects.filter(pk=failure_id).update(
            attempts=failure.attempts + 1, error=describe(error), failed_at=timezone.now()
        )
        raise
    _resolve(failure_id, "retried")


def drop_failure(failure_id: int) -> None:
    """Let a given-up event be."""
    _resolve(failure_id, "dropped")


def _resolve(failure_id: int, resolution: str) -> None:
    HandlerFailure.objects.filter(pk=failure_id).update(resolved_at=timezone.now(), resolution=resolution)


def retry_handler(name: str) -> None:
    """Let a handler that waits between attempts, or is paused, try again at once."""
    HandlerCursor.objects.filter(name=name).update(next_attempt=None, paused=False)


def prune(*, before: datetime) -> int:
    """Delete events older than an instant that every handler is past and no open failure needs."""
    slowest = HandlerCursor.objects.order_by("xid", "seq").values_list("xid", "seq").first()
    if slowest is None:
        return 0
    xid, seq = slowest
    passed = Q(xid__lt=xid) | Q(xid=xid, seq__lte=seq)
    old = OutboxEvent.objects.filter(passed, at__lt=before).exclude(
        failures__resolved_at=None, failures__isnull=False
    )
    return old.delete()[1].get("kernel.OutboxEvent", 0)
