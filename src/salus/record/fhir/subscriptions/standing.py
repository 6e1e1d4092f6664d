"""How a Subscription stands: its state, said in the resource too, and to who asks `$status`."""

from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from salus.record import store
from salus.record.fhir import access
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import Response, not_found
from salus.record.fhir.pages import bundle, link
from salus.record.models import Delivery, DeliveryState, Hook, HookState
from salus.record.store import Write


def put(hook: Hook, state: str, words: str = "") -> None:
    """Set a subscription's state here and in its resource, in the caller's transaction."""
    Hook.objects.filter(pk=hook.pk).update(state=state, last_error=words[:200])
    hook.state, hook.last_error = state, words[:200]
    if state == HookState.OFF:
        Delivery.objects.filter(hook=hook, state=DeliveryState.WAITING).update(state=DeliveryState.GIVEN_UP)
    with connection.cursor() as cursor:
        present = store.read(cursor, "Subscription", hook.resource_id)
        if present is None or present.deleted:
            return
        body: dict[str, Any] = {"resourceType": "Subscription", "status": state, "error": words or None}
        store.write(
            cursor,
            [Write("Subscription", hook.resource_id, body, method="overlay", source_id=present.source_id)],
            now=datetime.now(UTC),
        )


def status(exchange: Exchange) -> Response:
    """Answer Subscription/[id]/$status: a searchset of one Parameters, in the form of the R5 backport.

    Source: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html.
    """
    stored = store.read(exchange.cursor, "Subscription", exchange.route.id)
    if stored is None:
        access.absent(exchange, "read", "Subscription")
    access.check(exchange, "read", stored)
    hook = Hook.objects.filter(resource_id=stored.id).first()
    if hook is None:
        raise not_found()
    counts = {
        state: hook.deliveries.filter(state=state).count() for state in ("waiting", "withheld", "given-up")
    }
    given: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"Subscription/{stored.id}"}},
        {"name": "status", "valueCode": hook.state},
        {"name": "type", "valueCode": "query-status"},
        {"name": "events-since-subscription-start", "valueString": str(hook.last_number)},
        {"name": "delivered", "valueString": str(hook.delivered)},
        *({"name": name, "valueString": str(count)} for name, count in counts.items()),
    ]
    if hook.last_error:
        given.append({"name": "error", "valueString": hook.last_error})
    address = f"{exchange.request.base}/Subscription/{stored.id}/$status"
    entry = {
        "resource": orjson.dumps({"resourceType": "Parameters", "parameter": given}),
        "search": {"mode": "match"},
    }
    return Response(200, bundle("searchset", [link("self", address, [])], [entry], total=1))
