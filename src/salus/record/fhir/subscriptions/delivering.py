"""Telling subscribers: in order, until they answer, each with its own patience.

A delivery keeps its id (`X-Delivery-Id`) however often it is tried, so that a receiver who answered but
was not heard can tell a repeat. Nobody is told of the next change before the last one.
"""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from django.db import close_old_connections, connection, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from salus.kernel import audit, feed, policy
from salus.kernel.audit.chain import new_owner, owner_gone
from salus.kernel.errors import SalusError
from salus.kernel.events import describe
from salus.kernel.policy import Principal
from salus.record import store
from salus.record.fhir import access, asker, outbound
from salus.record.fhir.subscriptions import matching, secrets, standing
from salus.record.models import AllowedOrigin, Delivery, DeliveryState, Hook, HookState
from salus.record.store import Stored

MAX_FAILURES = 12
LONGEST_PAUSE = 300.0  # seconds between two tries
IN_ONE_GO = 100  # deliveries to one subscriber before the others have their turn
PACE = 0.01  # seconds between two deliveries to one subscriber: catching up must not flood him
LEASE = timedelta(seconds=90)
TIMEOUT = 10.0
KEEP = timedelta(days=30)
GONE = 410
_LIVING = (HookState.REQUESTED, HookState.ACTIVE, HookState.ERROR)
logger = logging.getLogger("salus.record.subscriptions")


def run(stop: threading.Event, *, interval: float = 0.5) -> None:
    """Match changes and deliver until told to stop; any number of workers may."""
    running: dict[int, threading.Thread] = {}
    swept = float("-inf")
    try:
        while not stop.wait(interval):
            close_old_connections()
            while matching.match_changes() >= matching.CHANGES and not stop.is_set():
                pass
            running = {key: thread for key, thread in running.items() if thread.is_alive()}
            for key in due():
                if key not in running and len(running) < 8:
                    running[key] = threading.Thread(target=_serve, args=(key,), daemon=True)
                    running[key].start()
            if time.monotonic() - swept > 3600:
                swept = time.monotonic()
                prune()
        for thread in running.values():
            thread.join(timeout=TIMEOUT)
    finally:
        connections.close_all()


def _serve(key: int) -> None:
    try:
        deliver(key)
    finally:
        connections.close_all()


def due(now: datetime | None = None) -> list[int]:
    """Return the subscriptions to be activated, to be ended, or to be told something."""
    now = now or timezone.now()
    waiting = Delivery.objects.filter(state=DeliveryState.WAITING).values("hook_id")
    return list(
        Hook.objects.filter(
            Q(state=HookState.REQUESTED) | Q(pk__in=waiting) | Q(until__lt=now), state__in=_LIVING
        )
        .filter(Q(next_attempt=None) | Q(next_attempt__lte=now))
        .order_by("next_attempt", "id")
        .values_list("pk", flat=True)
    )


def deliver(key: int, *, most: int = IN_ONE_GO) -> int:
    """Serve one subscriber for a while; returns how many deliveries were answered."""
    owner = new_owner()
    hook = _claim(key, owner)
    if hook is None:
        return 0
    done = 0
    try:
        if hook.until is not None and hook.until < timezone.now():
            with transaction.atomic():
                standing.put(hook, HookState.OFF, "its end has come")
            return 0
        principal = asker.again(hook.asker)
        address = outbound.check(hook.source_id, AllowedOrigin.Use.SUBSCRIPTION, hook.endpoint)
        headers = secrets.unseal(bytes(hook.headers))
        if hook.state == HookState.REQUESTED and not _shake(hook, address, headers):
            return 0
        while done < most:
            head = Delivery.objects.filter(hook=hook, state=DeliveryState.WAITING).order_by("number").first()
            if head is None or not _hold(hook, owner) or not _one(hook, head, principal, address, headers):
                break
            done += 1
            time.sleep(PACE)
    except SalusError as error:
        _failed(hook, f"{error.code}: {error.message}")
    except Exception as error:  # noqa: BLE001 - one subscriber's trouble is not the others'
        logger.error("a delivery failed: %s", describe(error))
        _failed(hook, describe(error))
    finally:
        Hook.objects.filter(pk=key, owner=owner).update(owner="", lease_until=None)
    return done


def _claim(key: int, owner: str) -> Hook | None:
    now = timezone.now()
    with transaction.atomic():
        hook = Hook.objects.select_for_update().filter(pk=key, state__in=_LIVING).first()
        if hook is None:
            return None
        if (
            hook.owner
            and not owner_gone(hook.owner)
            and hook.lease_until is not None
            and hook.lease_until > now
        ):
            return None
        hook.owner, hook.lease_until = owner, now + LEASE
        hook.save(update_fields=["owner", "lease_until"])
    return hook


def _hold(hook: Hook, owner: str) -> bool:
    """Stretch the lease; False when the subscription was stopped, changed or taken over."""
    now = timezone.now()
    ours = Hook.objects.filter(pk=hook.pk, owner=owner, state__in=[HookState.ACTIVE, HookState.ERROR])
    return bool(ours.update(lease_until=now + LEASE))


def _shake(hook: Hook, address: outbound.Address, headers: dict[str, str]) -> bool:
    """Ask the address for an answer, with nothing in it; from then on changes are told."""
    status = _send(hook, address, "POST", b"", {**headers, "X-Salus-Handshake": hook.resource_id})
    if not 200 <= status < 300:
        _failed(hook, f"the address answered {status} when it was tried")
        return False
    with transaction.atomic(), connection.cursor() as cursor:
        begin = feed.newest(cursor, "record_change")
        still = Hook.objects.filter(pk=hook.pk, state=HookState.REQUESTED)
        first = {"from_xid": begin.xid, "from_seq": begin.seq} if hook.last_number == 0 else {}
        if not still.update(failures=0, next_attempt=None, **first):
            return False
        standing.put(hook, HookState.ACTIVE)
    hook.failures = 0
    return True


def _one(
    hook: Hook, head: Delivery, principal: Principal, address: outbound.Address, headers: dict[str, str]
) -> bool:
    """Try the first delivery that waits; returns whether it is settled."""
    marks = {**headers, "X-Delivery-Id": str(head.key), "X-Delivery-Number": str(head.number)}
    marks["X-Subscription-Id"] = hook.resource_id
    Delivery.objects.filter(pk=head.pk).update(attempts=F("attempts") + 1)
    if not hook.payload:
        status = _send(hook, address, "POST", b"", marks)
    else:
        with connection.cursor() as cursor:
            found = store.vread(cursor, head.type, head.resource_id, head.version)
            present = store.read(cursor, head.type, head.resource_id)
        if found is None or present is None or present.deleted or not _may_have(principal, hook, head, found):
            return _settle(hook, head, DeliveryState.WITHHELD, None)
        target = f"{address.target.partition('?')[0].rstrip('/')}/{head.type}/{quote(head.resource_id)}"
        there = outbound.Address(address.scheme, address.host, address.port, target)
        marks["Content-Type"] = hook.payload
        status = _send(hook, there, "PUT", found.body, marks)
    if 200 <= status < 300:
        return _settle(hook, head, DeliveryState.DELIVERED, status)
    if status == GONE:
        with transaction.atomic():
            standing.put(hook, HookState.OFF, "the address answered that it is gone")
        return False
    Delivery.objects.filter(pk=head.pk).update(status=status or None)
    _failed(hook, f"the address answered {status}")
    return False


def _may_have(principal: Principal, hook: Hook, head: Delivery, found: Stored) -> bool:
    """Decide as for any read, now, and leave its audit row before anything leaves."""
    decision = policy.decide(principal, "read", access.target_of(found, found.source_id))
    audit.record(
        [
            audit.entry(
                principal,
                "read",
                person_id=found.person_id,
                resource_type=found.type,
                resource_id=found.id,
                outcome=access.OK if decision.allowed else access.REFUSED,
                detail={
                    "subscription": hook.resource_id,
                    "delivery": str(head.key),
                    "version": found.version,
                },
            )
        ]
    )
    return decision.allowed


def _send(hook: Hook, address: outbound.Address, method: str, body: bytes, headers: dict[str, str]) -> int:
    return outbound.call(address, method, body, {"User-Agent": "Salus", **headers}, timeout=TIMEOUT)


def _settle(hook: Hook, head: Delivery, state: str, status: int | None) -> bool:
    now = timezone.now()
    with transaction.atomic():
        Delivery.objects.filter(pk=head.pk).update(state=state, settled=now, status=status, error="")
        told = int(state == DeliveryState.DELIVERED)
        Hook.objects.filter(pk=hook.pk).update(
            failures=0,
            next_attempt=None,
            delivered=F("delivered") + told,
            **({"last_delivered": now} if told else {}),
        )
        if hook.state == HookState.ERROR and told:
            standing.put(hook, HookState.ACTIVE)
    hook.failures = 0
    return True


def _failed(hook: Hook, words: str) -> None:
    """Note a failure: wait twice as long as last time; after the last one the subscription is off."""
    failures = hook.failures = hook.failures + 1
    pause = min(2.0**failures, LONGEST_PAUSE)
    now = timezone.now()
    Delivery.objects.filter(
        pk__in=hook.deliveries.filter(state=DeliveryState.WAITING).order_by("number").values("pk")[:1]
    ).update(error=words[:200])
    with transaction.atomic():
        Hook.objects.filter(pk=hook.pk).update(
            failures=failures, next_attempt=now + timedelta(seconds=pause), last_error=words[:200]
        )
        if failures >= MAX_FAILURES:
            standing.put(hook, HookState.OFF, words)
        elif hook.state == HookState.ACTIVE:
            standing.put(hook, HookState.ERROR, words)


def send_again(hook: Hook, delivery: Delivery | None = None) -> None:
    """Try at once what waits, switch on what was off, or add a settled delivery once more under its id."""
    with transaction.atomic():
        locked = Hook.objects.select_for_update().get(pk=hook.pk)
        if delivery is not None and delivery.state != DeliveryState.WAITING:
            Delivery.objects.create(
                hook=locked,
                number=locked.last_number + 1,
                key=delivery.key,
                type=delivery.type,
                resource_id=delivery.resource_id,
                version=delivery.version,
            )
            Hook.objects.filter(pk=hook.pk).update(last_number=F("last_number") + 1)
        Hook.objects.filter(pk=hook.pk).update(failures=0, next_attempt=None)
        if locked.state == HookState.OFF:
            standing.put(locked, HookState.REQUESTED)


def stop(hook: Hook) -> None:
    """Switch a subscription off; what waits is not sent."""
    with transaction.atomic():
        standing.put(Hook.objects.select_for_update().get(pk=hook.pk), HookState.OFF, "stopped by hand")


def prune(now: datetime | None = None) -> int:
    """Delete settled deliveries after 30 days."""
    before = (now or datetime.now(UTC)) - KEEP
    return Delivery.objects.exclude(state=DeliveryState.WAITING).filter(created__lt=before).delete()[0]
