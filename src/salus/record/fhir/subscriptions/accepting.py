"""Taking a Subscription: what it asks for is checked before it is stored; its secrets are kept apart."""

from datetime import datetime
from typing import Any

from salus.kernel.errors import Invalid, NotAllowed
from salus.record import json
from salus.record.fhir import access, asker, outbound
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.outcome import FhirError
from salus.record.fhir.request import Parameters, parse_query
from salus.record.fhir.routing import Interaction
from salus.record.fhir.subscriptions import secrets
from salus.record.fhir.types import PERSON, types
from salus.record.models import AllowedOrigin, Delivery, DeliveryState, Hook, HookState
from salus.record.store import SearchError, SearchQuery, Written
from salus.record.store.searching.plan import plan

TYPE = "Subscription"
PAYLOADS = frozenset({"", "application/fhir+json", "application/json"})
CONTROLS = frozenset({"_count", "_sort", "_total", "_include", "_revinclude", "_cursor", "_summary"})


class _Everything:
    def sql(self, column: str = "") -> tuple[str, list[Any]]:
        return "1=1", []


def prepare(exchange: Exchange, resource: dict[str, Any] | None, id: str) -> None:
    """Check a Subscription that is to be stored and take the secrets out of it.

    Its status becomes "requested" (or stays "off"): the worker activates it once its address has answered.
    Raises `FhirError` 422 for what cannot be served, 403 for an address that is not allowed.
    """
    if resource is None:
        return
    alone = exchange.route.interaction is not Interaction.BATCH and exchange.request.target
    if not alone or exchange.message_id is not None:
        raise _wrong("Send a Subscription by itself: what comes in a Bundle is kept with its secrets")
    if exchange.principal.source_id is None:
        raise FhirError(403, "forbidden", "Only a source system can subscribe")
    channel = resource.get("channel") or {}
    if channel.get("type") != "rest-hook":
        raise _wrong("Only channels of type rest-hook are served", "channel.type")
    if (channel.get("payload") or "") not in PAYLOADS:
        raise _wrong(
            "This payload is not served; leave it out or use application/fhir+json", "channel.payload"
        )
    criteria(str(resource.get("criteria", "")), exchange)
    try:
        outbound.check(
            exchange.principal.source_id, AllowedOrigin.Use.SUBSCRIPTION, str(channel.get("endpoint", ""))
        )
        before = Hook.objects.filter(resource_id=id).first()
        kept = secrets.unseal(bytes(before.headers)) if before is not None else {}
        headers = secrets.read(channel.get("header") or [], kept)
    except NotAllowed as error:
        exchange.entries.append(access.entry(exchange, "create", TYPE, outcome=access.REFUSED))
        raise FhirError(
            403, "forbidden", error.message, fix=error.fix, expression="channel.endpoint"
        ) from None
    except Invalid as error:
        raise _wrong(error.message, "channel") from None
    if headers:
        channel["header"] = secrets.shown(headers)
    else:
        channel.pop("header", None)
    exchange.hidden[id] = headers
    resource["status"] = "off" if resource.get("status") == "off" else "requested"
    resource.pop("error", None)


def keep(exchange: Exchange, written: Written) -> None:
    """Keep the working side of a Subscription that was just stored or deleted, in the same transaction."""
    if not written.body:
        Hook.objects.filter(resource_id=written.id).delete()
        return
    if written.outcome in {"stale"}:
        return
    resource = json.loads(written.body)
    type, query = criteria(resource["criteria"], exchange)
    channel = resource["channel"]
    state = HookState.OFF if resource["status"] == "off" else HookState.REQUESTED
    hook, _ = Hook.objects.update_or_create(
        resource_id=written.id,
        defaults={
            "source_id": exchange.principal.source_id,
            "asker": asker.kept(exchange.principal),
            "asker_name": exchange.principal.name[:150],
            "type": type,
            "criteria": [list(pair) for pair in query],
            "endpoint": channel["endpoint"],
            "payload": channel.get("payload") or "",
            "headers": secrets.seal(exchange.hidden.get(written.id, {})),
            "until": _instant(resource.get("end")),
            "state": state,
            "failures": 0,
            "next_attempt": None,
            "last_error": "",
        },
    )
    if state == HookState.OFF:
        give_up(hook)


def give_up(hook: Hook) -> int:
    """Drop what waits for a subscriber; returns how many deliveries."""
    waiting = Delivery.objects.filter(hook=hook, state=DeliveryState.WAITING)
    return waiting.update(state=DeliveryState.GIVEN_UP)


def criteria(text: str, exchange: Exchange) -> tuple[str, Parameters]:
    """Return type and search of a criteria ("Observation?code=…"); raises `FhirError` 422."""
    type, _, query = text.removeprefix(f"{exchange.request.base}/").partition("?")
    if type not in types() or type in {PERSON, TYPE}:
        raise _wrong("The criteria is not of the form Type?search", "criteria")
    pairs = parse_query(query.encode())
    if any(name in CONTROLS for name, _ in pairs):
        raise _wrong("A criteria holds search parameters only", "criteria")
    try:
        plan(
            type, SearchQuery(tuple(pairs), base=exchange.request.base), lambda _: _Everything(), exchange.now
        )
    except SearchError as error:
        raise _wrong(error.message, "criteria") from None
    return type, pairs


def _instant(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else None


def _wrong(message: str, where: str = "") -> FhirError:
    return FhirError(422, "not-supported", message, expression=where)
