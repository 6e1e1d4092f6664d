"""Carrying out requests on the lanes: who asks, what happens, the audit committed before the answer."""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db import Error as DatabaseFault
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel import audit
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal
from salus.kernel.policy.rulebook import BOOK
from salus.record.fhir import access, handlers, reading
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.lanes import Lane
from salus.record.fhir.outcome import FhirError, Response, from_error, respond, unauthorized
from salus.record.fhir.request import Request, check_accept
from salus.record.fhir.routing import OPEN, WRITES, Interaction, Route, route
from salus.record.fhir.types import types
from salus.record.smart import tokens

logger = logging.getLogger("salus.record.fhir")
PURPOSE_HEADER = "x-purpose-of-use"
PURPOSES = BOOK.purposes
Answer = tuple[Response, Sequence[audit.AuditEntry]]
SLOW = {
    Interaction.SEARCH_TYPE,
    Interaction.OPERATION,
    Interaction.HISTORY_INSTANCE,
    Interaction.HISTORY_SYSTEM,
    Interaction.HISTORY_TYPE,
}


@dataclass(slots=True)
class Task:
    """A request and where it is bound for."""

    request: Request
    route: Route
    only_authenticate: bool = False

    @property
    def takes_body(self) -> bool:
        """Whether the request's body is read."""
        return self.request.method in {"POST", "PUT", "PATCH"}


def admit(request: Request) -> Task:
    """Return a request's task before its body is read; raises `FhirError` for what is not served."""
    check_accept(request)
    return Task(request, route(request.method, request.segments, types()))


async def authenticate(task: Task) -> None:
    """Raise `FhirError` 401 for no or no valid bearer token."""
    if task.route.interaction in OPEN:
        return
    if not tokens.known_now(_bearer(task.request)):
        response, _ = await _reads().do(Task(task.request, task.route, only_authenticate=True))
        if response.status == 401:
            raise unauthorized("The token is unknown, expired or revoked", error="invalid_token")


async def perform(task: Task) -> Response:
    """Answer a task on the lane that suits it."""
    interaction = task.route.interaction
    if interaction in OPEN:
        return handlers.OPEN_HANDLERS[interaction](task.request)
    _bearer(task.request)
    if interaction in WRITES:
        return await _writes().do(task)
    response, entries = await (_searches() if interaction in SLOW else _reads()).do(task)
    if entries:
        try:
            await audit.record_async(entries)
        except Exception as error:  # noqa: BLE001  whatever the reason: what cannot be audited is not shown
            log_fault(error)
            return respond(_unaudited())
    return response


def stop() -> None:
    """End the lanes' threads; the next request starts new ones."""
    for lane in (_reads, _searches, _writes):
        if lane.cache_info().currsize:
            lane().stop()


@cache
def _reads() -> Lane[Task, Answer]:
    return Lane("read", _read_batch, threads=1 if connection.vendor == "sqlite" else 2, batch=64)


@cache
def _searches() -> Lane[Task, Answer]:
    return Lane("search", _read_batch, threads=3, batch=1, waiting=512)


@cache
def _writes() -> Lane[Task, Response]:
    # One writer on SQLite: its lock is never contended from here, and waiting requests share a commit
    alone = connection.vendor == "sqlite"
    return Lane("write", _write_batch, threads=1 if alone else 4, batch=16 if alone else 4, waiting=1024)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("A bearer token is needed")
    return token.strip()


def _who(task: Task) -> Principal:
    purpose = task.request.headers.get(PURPOSE_HEADER, "").strip().upper()
    principal = tokens.verify(_bearer(task.request), purpose=purpose if purpose in PURPOSES else "")
    if principal is None:
        raise unauthorized("The token is unknown, expired or revoked", error="invalid_token")
    return principal


def _read_batch(tasks: Sequence[Task]) -> list[Answer]:
    """Answer several reads; their audit rows are handed back, to be committed together with others'."""
    answers: list[Answer] = []
    with connection.cursor() as cursor:
        points = [task.route for task in tasks if task.route.interaction is Interaction.READ]
        fetched = reading.fetch(cursor, ((one.type, one.id) for one in points)) if len(points) > 1 else None
        for task in tasks:
            exchange: Exchange | None = None
            try:
                principal = _who(task)
                if task.only_authenticate:
                    answers.append((Response(204), ()))
                    continue
                exchange = Exchange(task.request, task.route, principal, cursor, fetched=fetched)
                response = handlers.handle(exchange)
            except SalusError as error:
                response = respond(from_error(error))
            except Exception as error:  # noqa: BLE001  one request's fault must not fail its neighbours
                log_fault(error)
                response = fault(error)
            answers.append((response, exchange.entries if exchange is not None else ()))
    return answers


def _write_batch(tasks: Sequence[Task]) -> list[Response]:
    """Do several writes in one transaction, each in its savepoint; nothing is answered before the commit."""
    answers: list[Response] = []
    intents: list[tuple[int, audit.Intent]] = []
    refused: list[audit.AuditEntry] = []
    refusals: list[handlers.Refusal] = []
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for position, task in enumerate(tasks):
                answers.append(_write_one(position, task, cursor, intents, refused, refusals))
                if connection.needs_rollback:
                    # The database ended the transaction under it: what went well before is gone too
                    raise OperationalError("the transaction was lost")
    except DatabaseFault as error:
        log_fault(error)
        return [fault(error)] * len(tasks)
    for position, intent in intents:
        try:
            audit.settle(intent)
        except audit.AuditUnavailable as error:
            # The intent is safe in the write's transaction and will be settled; no answer before
            log_fault(error)
            answers[position] = respond(_unaudited())
    for refusal in refusals:
        refusal.keep()
    if refused:
        _record(refused, answers)
    return answers


def _write_one(
    position: int,
    task: Task,
    cursor: CursorWrapper,
    intents: list[tuple[int, audit.Intent]],
    refused: list[audit.AuditEntry],
    refusals: list[handlers.Refusal],
) -> Response:
    exchange: Exchange | None = None
    try:
        principal = _who(task)
        exchange = Exchange(task.request, task.route, principal, cursor)
        with transaction.atomic():
            response = handlers.write(exchange)
            intent = audit.intend(cursor, exchange.entries) if exchange.entries else None
        if intent is not None:
            intents.append((position, intent))
        return response
    except SalusError as error:
        response = respond(from_error(error))
        code, reason = error.code, error.message
    except Exception as error:  # noqa: BLE001  one request's fault must not fail its neighbours
        log_fault(error)
        response = fault(error)
        code, reason = "fhir-exception", type(error).__name__
    if exchange is not None:
        refused.extend(access.refused(exchange, response))
        if refusal := handlers.refusal(exchange, response, code, reason):
            refusals.append(refusal)
    return response


def _record(entries: list[audit.AuditEntry], answers: list[Response]) -> None:
    try:
        audit.record(entries)
    except Exception as error:  # noqa: BLE001  whatever the reason: what cannot be audited is not answered
        log_fault(error)
        answers[:] = [respond(_unaudited())] * len(answers)


def _unaudited() -> FhirError:
    return FhirError(
        503,
        "transient",
        "The access could not be audited, so nothing is shown",
        fix="Try later",
        headers=(("retry-after", "2"),),
    )


def fault(error: Exception) -> Response:
    """Return the answer to an unexpected fault: 503 for the database's, which may pass, else 500."""
    if isinstance(error, DatabaseFault):
        return respond(
            FhirError(
                503,
                "transient",
                "The store is not available now",
                fix="Try later",
                headers=(("retry-after", "2"),),
            )
        )
    return respond(FhirError(500, "exception", "Something failed here; the fault was logged"))


def log_fault(error: BaseException) -> None:
    """Log where a fault happened, without its message, which may quote a resident's data."""
    place = "".join(traceback.format_tb(error.__traceback__)[-4:])
    logger.error("fhir request failed: %s\n%s", type(error).__name__, place)
