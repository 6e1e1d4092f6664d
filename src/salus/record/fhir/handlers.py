"""Which function answers which interaction, and the journal around a source's writes."""

from collections.abc import Callable
from dataclasses import dataclass

from salus.record.fhir import (
    capability,
    history,
    journal,
    operations,
    reading,
    searching,
    transaction,
    writing,
)
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.journal import Arrival, Closing, Journal, Reply
from salus.record.fhir.outcome import Response
from salus.record.fhir.request import Request
from salus.record.fhir.routing import WRITES, Interaction
from salus.record.fhir.subscriptions import accepting
from salus.record.smart import configuration

READERS: dict[Interaction, Callable[[Exchange], Response]] = {
    Interaction.READ: reading.read,
    Interaction.VREAD: reading.vread,
    Interaction.HISTORY_INSTANCE: history.instance,
    Interaction.HISTORY_TYPE: history.collection,
    Interaction.HISTORY_SYSTEM: history.collection,
    Interaction.SEARCH_TYPE: searching.search,
    Interaction.OPERATION: operations.perform,
}
WRITERS: dict[Interaction, Callable[[Exchange], Response]] = {
    Interaction.CREATE: writing.create,
    Interaction.UPDATE: writing.update,
    Interaction.PATCH: writing.patch_one,
    Interaction.DELETE: writing.delete,
    Interaction.CONDITIONAL_UPDATE: writing.conditional_update,
    Interaction.CONDITIONAL_PATCH: writing.conditional_patch,
    Interaction.CONDITIONAL_DELETE: writing.conditional_delete,
}


def _capabilities(request: Request) -> Response:
    return Response(200, capability.statement(request.base))


def _smart(request: Request) -> Response:
    return Response(200, configuration.document(request.base), media="application/json")


OPEN_HANDLERS: dict[Interaction, Callable[[Request], Response]] = {
    Interaction.CAPABILITIES: _capabilities,
    Interaction.SMART: _smart,
}


def handle(exchange: Exchange) -> Response:
    """Answer one interaction, in the transaction that the caller holds for a write."""
    interaction = exchange.route.interaction
    if interaction is Interaction.BATCH:
        return transaction.process(exchange, handle)
    if interaction in OPEN_HANDLERS:
        return OPEN_HANDLERS[interaction](exchange.request)
    return (READERS.get(interaction) or WRITERS[interaction])(exchange)


def write(exchange: Exchange) -> Response:
    """Answer a write inside the caller's transaction; a source's repeat gets the first copy's answer."""
    kept = journal.current()
    if kept is None or exchange.principal.source_id is None or exchange.route.type == accepting.TYPE:
        return handle(exchange)  # a Subscription's secret headers must not lie in the journal
    (opened,) = kept.open(exchange.cursor, [arrival(exchange)])
    if opened.reply is not None:
        return repeated(opened.reply)
    exchange.message_id = opened.message_id
    response = handle(exchange)
    kept.close(exchange.cursor, [Closing(opened, reply(response), exchange.written)])
    return response


def repeated(first: Reply) -> Response:
    """Return the answer that a message's first copy was given."""
    return Response(first.status, first.body, first.headers)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source's write that was refused, to be kept as a dead letter after its transaction is gone."""

    kept_by: Journal
    arrival: Arrival
    reply: Reply
    code: str
    reason: str

    def keep(self) -> None:
        """Hand it to the journal."""
        self.kept_by.refuse(self.arrival, self.reply, self.code, self.reason)


def refusal(exchange: Exchange, response: Response, code: str, reason: str) -> Refusal | None:
    """Return what the journal must keep of a refused write, if a source sent it and a journal is there."""
    kept = journal.current()
    if kept is None or exchange.principal.source_id is None or exchange.route.interaction not in WRITES:
        return None
    if exchange.route.type == accepting.TYPE:
        return None
    if response.status >= 500:
        return None  # nobody's message is at fault: the sender keeps it and sends it again
    return Refusal(kept, arrival(exchange), reply(response), code, reason)


def arrival(exchange: Exchange) -> Arrival:
    """Return a request as the journal sees it."""
    request = exchange.request
    return Arrival(
        source_id=exchange.principal.source_id or 0,
        method=request.method,
        target=request.target,
        body=request.body,
        request_id=request.headers.get("x-request-id"),
        received=request.received,
        repeatable=request.method == "POST",
        condition=request.headers.get("if-none-exist", ""),
    )


def reply(response: Response) -> Reply:
    """Return an answer as the journal keeps it."""
    return Reply(response.status, response.headers, response.body)
