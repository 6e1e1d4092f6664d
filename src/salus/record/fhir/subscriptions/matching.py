"""Whom a change concerns: the change feed read once, each line tried against the criteria of its type."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel import feed, policy
from salus.kernel.errors import SalusError
from salus.kernel.feed import Position
from salus.kernel.ids import uuid7
from salus.record import store
from salus.record.fhir import asker
from salus.record.fhir.subscriptions import standing
from salus.record.models import Delivery, DeliveryState, Hook, HookPosition, HookState
from salus.record.rules.r4 import kind_of
from salus.record.store import Change, Op, SearchQuery, Stored
from salus.record.store.searching.plan import plan

CHANGES = 500  # lines of the feed looked at in one go
MOST_WAITING = 100_000  # deliveries that may wait for one subscriber


def match_changes() -> int:
    """Look through what changed and note the deliveries that follow; return how many lines there were."""
    place, _ = HookPosition.objects.get_or_create(pk=1, defaults=_start())
    position = Position(place.xid, place.seq)
    hooks = list(Hook.objects.filter(state__in=[HookState.ACTIVE, HookState.ERROR]).order_by("id"))
    with connection.cursor() as cursor:
        if not hooks:
            end = feed.newest(cursor, "record_change")
            if end > position:
                _advance(position, end)
            return 0
        changes = store.changes(cursor, position, CHANGES)
        if not changes:
            return 0
        found = [(hook, _concerned(cursor, hook, changes)) for hook in hooks]
    with transaction.atomic():
        if not _advance(position, changes[-1].position):
            return 0  # another worker was here
        for hook, deliveries in found:
            _note(hook, deliveries)
    return len(changes)


def _start() -> dict[str, int]:
    with connection.cursor() as cursor:
        now = feed.newest(cursor, "record_change")
    return {"xid": now.xid, "seq": now.seq}


def _advance(before: Position, after: Position) -> bool:
    there = HookPosition.objects.filter(pk=1, xid=before.xid, seq=before.seq)
    return bool(there.update(xid=after.xid, seq=after.seq))


def _concerned(cursor: CursorWrapper, hook: Hook, changes: Iterable[Change]) -> list[tuple[Change, Stored]]:
    """Return the changes that meet a subscription's criteria and that its subscriber may see now."""
    start = Position(hook.from_xid, hook.from_seq)
    wanted = [
        one
        for one in changes
        if one.type == hook.type and one.op in {Op.CREATE, Op.UPDATE} and one.position > start
    ]
    if not wanted:
        return []
    try:
        principal = asker.again(hook.asker)
    except SalusError:
        return []
    rids = _meeting(cursor, hook, principal, sorted({one.rid for one in wanted}))
    resources = {one.rid: one for one in store.read_rids(cursor, rids)}
    return [(one, resources[one.rid]) for one in wanted if one.rid in resources]


def _meeting(cursor: CursorWrapper, hook: Hook, principal: policy.Principal, rids: list[int]) -> list[int]:
    def scopes(type: str) -> policy.Scope:
        return policy.scope(principal, "search", type)

    query = SearchQuery(tuple((name, value) for name, value in hook.criteria))
    try:
        made = plan(hook.type, query, scopes, datetime.now(UTC))
    except SalusError:
        return []  # the rules of search changed since; the status page shows that nothing comes
    seen, values = scopes(hook.type).sql("r.person_id")
    where = [f"r.kind = {kind_of(hook.type)}", "not r.deleted", "r.version > 0", f"({seen})"]
    params: list[Any] = list(values)
    for condition in made.conditions:
        text, given = condition.sql("r")
        where.append(text)
        params += given
    found: list[int] = []
    for start in range(0, len(rids), 400):
        part = rids[start : start + 400]
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            f"select r.rid from record_resource r where r.rid in ({marks}) and {' and '.join(where)}",  # noqa: S608 - conditions hold placeholders only
            [*part, *params],
        )
        found += [row[0] for row in cursor.fetchall()]
    return found


def _note(hook: Hook, found: list[tuple[Change, Stored]]) -> None:
    """Add deliveries at the end of a subscriber's line; one without content stands for many changes."""
    if not found:
        return
    waiting = Delivery.objects.filter(hook=hook, state=DeliveryState.WAITING)
    if not hook.payload:
        if waiting.filter(attempts=0).exists():
            return
        found = found[-1:]
    locked = Hook.objects.select_for_update().get(pk=hook.pk)
    if waiting.count() + len(found) > MOST_WAITING:
        standing.put(locked, HookState.OFF, "too many changes waited for an answer")
        return
    Delivery.objects.bulk_create(
        Delivery(
            hook=locked,
            number=locked.last_number + place,
            key=uuid7(),
            type=hook.type,
            resource_id=stored.id,
            version=change.version,
        )
        for place, (change, stored) in enumerate(found, start=1)
    )
    Hook.objects.filter(pk=hook.pk).update(last_number=locked.last_number + len(found))
