"""Carrying out requests on the lanes: who asks, what happens, the audit committed before the answer."""

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from django.db import Error as DatabaseFault
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from salus.kernel import audit
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal
from salus.kernel.policy.rulebook import BOOK
from salus.record import consent
from salus.record.fhir import access, apart, handlers, reading, together
from salus.record.fhir.exchange import Exchange
from salus.record.fhir.lanes import Deliver, Lane, Later, Work
from salus.record.fhir.outcome import FhirError, Response, from_error, respond, unauthorized
from salus.record.fhir.request import Request, check_accept
from salus.record.fhir.routing import OPEN, WRITES, Interaction, Route, route
from salus.record.fhir.types import types
from salus.record.smart import tokens
from salus.record.store import Stored

logger = logging.getLogger("salus.record.fhir")
PURPOSE_HEADER = "x-purpose-of-use"
PURPOSES = BOOK.purposes
Answer = tuple[Response, Sequence[audit.AuditEntry]]
Settled = tuple[Response, audit.Intent | None]
One = TypeVar("One")
Given = TypeVar("Given")
PATIENCE = 0.05
"""Seconds that a search waits for the one before it before another thread takes it, on SQLite."""
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


@dataclass(frozen=True, slots=True)
class Numbered:
    """A write of another process, its number there, and whom to tell the answers of its batch."""

    number: int
    task: Task
    tell: Callable[[list[tuple[int, Response, audit.Intent | None]]], None]


def admit(request: Request) -> Task:
    """Return a request's task before its body is read; raises `FhirError` for what is not served."""
    check_accept(request)
    return Task(request, route(request.method, request.segments, types()))


async def authenticate(task: Task) -> None:
    """Raise `FhirError` 401 for no or no valid bearer token."""
    if task.route.interaction in OPEN:
        return
    if not tokens.known_now(_bearer(task.request)):
        response = await _reads().do(Task(task.request, task.route, only_authenticate=True))
        if response.status == 401:
            raise unauthorized("The token is unknown, expired or revoked", error="invalid_token")


async def perform(task: Task) -> Response:
    """Answer a task on the lane that suits it."""
    interaction = task.route.interaction
    if interaction in OPEN:
        return handlers.OPEN_HANDLERS[interaction](task.request)
    _bearer(task.request)
    if interaction in WRITES:
        return await (apart.ask(task.request) if apart.wanted() else _writes().do(task))
    return await (_searches() if interaction in SLOW else _reads()).do(task)


async def write(task: Numbered) -> None:
    """Do a write for another process, which is told the answer and settles the intent."""
    await _commits().do(task)


def stop() -> None:
    """End the lanes' threads; the next request starts new ones."""
    for lane in (_reads, _searches, _writes, _commits):
        if lane.cache_info().currsize:
            lane().stop()


@cache
def _reads() -> Lane[Task, Response]:
    return Lane("read", _read, threads=1 if connection.vendor == "sqlite" else 2, batch=64)


@cache
def _searches() -> Lane[Task, Response]:
    patience = PATIENCE if connection.vendor == "sqlite" else 0.0
    return Lane("search", _read, threads=3, batch=1, waiting=512, patience=patience)


@cache
def _writes() -> Lane[Task, Response]:
    return _writing(_write)


@cache
def _commits() -> Lane[Numbered, None]:
    return _writing(_write_numbered)


def _writing(work: Work[One, Given]) -> Lane[One, Given]:
    # One writer on SQLite: its lock is never contended from here, and waiting requests share a commit
    alone = connection.vendor == "sqlite"
    return Lane("write", work, threads=1 if alone else 4, batch=64 if alone else 16, waiting=1024)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("A bearer token is needed")
    return token.strip()


class _Askers:
    """Who asks, found once for all the requests of a batch that bring the same token and purpose."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Principal | None] = {}

    def of(self, task: Task) -> Principal:
        """Return who asks; raises `FhirError` 401."""
        headers = task.request.headers
        key = headers.get("authorization", ""), headers.get(PURPOSE_HEADER, "")
        if key not in self._found:
            self._found[key] = _who(task)
        principal = self._found[key]
        if principal is None:
            raise unauthorized("The token is unknown, expired or revoked", error="invalid_token")
        return principal


def _who(task: Task) -> Principal | None:
    purpose = task.request.headers.get(PURPOSE_HEADER, "").strip().upper()
    return tokens.verify(_bearer(task.request), purpose=purpose if purpose in PURPOSES else "")


def _read(tasks: Sequence[Task]) -> Later[Response]:
    """Answer several reads once all their audit rows are in the chain."""
    answers = _read_batch(tasks)

    def later(deliver: Deliver[Response]) -> None:
        def recorded(error: BaseException | None) -> None:
            deliver([shown(response, error if entries else None) for response, entries in answers])

        audit.record_then([entry for _, entries in answers for entry in entries], recorded)

    return later


def _write(tasks: Sequence[Task]) -> Later[Response]:
    """Do several writes and answer them once all their audit rows are in the chain.

    If those fail the intents are safe in the writes' transaction and will be settled; no answer before.
    """
    answers = _write_batch(tasks)

    def later(deliver: Deliver[Response]) -> None:
        def settled(error: BaseException | None) -> None:
            deliver([shown(response, error if intent else None) for response, intent in answers])

        intents = {intent.id: intent for _, intent in answers if intent is not None}
        audit.settle_then(list(intents.values()), settled)

    return later


def _write_numbered(tasks: Sequence[Numbered]) -> list[None]:
    """Do several writes for another process and tell it their answers and intents, all at once."""
    done = _write_batch([one.task for one in tasks])
    tasks[0].tell([(one.number, *each) for one, each in zip(tasks, done, strict=True)])
    return [None] * len(tasks)


def shown(response: Response, error: BaseException | None) -> Response:
    """Return the answer that may leave: nothing is shown whose access could not be audited."""
    if error is None:
        return response
    log_fault(error)
    return respond(_unaudited())


def _read_batch(tasks: Sequence[Task]) -> list[Answer]:
    """Answer several reads; their audit rows are handed back, to be committed together with others'."""
    askers = _Askers()
    with connection.cursor() as cursor:
        points = [task.route for task in tasks if task.route.interaction is Interaction.READ]
        fetched = reading.fetch(cursor, ((one.type, one.id) for one in points)) if len(points) > 1 else None
        persons = {one.person_id for one in (fetched or {}).values() if one.person_id is not None}
        with consent.heard(persons):
            return [_read_one(task, askers, cursor, fetched) for task in tasks]


def _read_one(
    task: Task, askers: _Askers, cursor: CursorWrapper, fetched: dict[tuple[str, str], Stored] | None
) -> Answer:
    exchange: Exchange | None = None
    try:
        principal = askers.of(task)
        if task.only_authenticate:
            return Response(204), ()
        exchange = Exchange(task.request, task.route, principal, cursor, fetched=fetched)
        response = handlers.handle(exchange)
    except SalusError as error:
        response = respond(from_error(error))
    except Exception as error:  # noqa: BLE001  one request's fault must not fail its neighbours
        log_fault(error)
        response = fault(error)
    return response, exchange.entries if exchange is not None else ()


def _write_batch(tasks: Sequence[Task]) -> list[Settled]:
    """Do several writes in one transaction, together where that can be, each in its own savepoint otherwise.

    Nothing is answered before the commit and before the audit rows are in the chain.
    """
    askers = _Askers()
    answers: dict[int, Response] = {}
    intents: dict[int, audit.Intent] = {}
    refused: list[audit.AuditEntry] = []
    refusals: list[handlers.Refusal] = []
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if len(tasks) > 1:
                _write_together(tasks, askers, cursor, answers, intents)
            for position, task in enumerate(tasks):
                if position not in answers and not connection.needs_rollback:
                    answers[position] = _write_one(position, task, askers, cursor, intents, refused, refusals)
                if connection.needs_rollback:
                    # The database ended the transaction under it: what went well before is gone too
                    raise OperationalError("the transaction was lost")
    except DatabaseFault as error:
        log_fault(error)
        return [(fault(error), None)] * len(tasks)
    for refusal in refusals:
        refusal.keep()
    found = [answers[position] for position in range(len(tasks))]
    if refused:
        _record(refused, found)
    return [(answer, intents.get(position)) for position, answer in enumerate(found)]


def _write_together(
    tasks: Sequence[Task],
    askers: _Askers,
    cursor: CursorWrapper,
    answers: dict[int, Response],
    intents: dict[int, audit.Intent],
) -> None:
    """Answer those writes of a batch that need nothing but their own resource; they share one intent."""
    asked: dict[int, together.Asked] = {}
    for position, task in enumerate(tasks):
        if together.fits(task.request, task.route):
            try:
                asked[position] = together.Asked(task.request, task.route, askers.of(task))
            except FhirError:
                continue  # alone it is told why
    if len(asked) < 2:
        return
    together.write(cursor, list(asked.values()))
    done = {position: one.answer for position, one in asked.items() if one.answer is not None}
    intent = audit.intend(cursor, [entry for position in done for entry in asked[position].entries])
    answers |= done
    if intent.rows:
        intents |= dict.fromkeys(done, intent)


def _write_one(
    position: int,
    task: Task,
    askers: _Askers,
    cursor: CursorWrapper,
    intents: dict[int, audit.Intent],
    refused: list[audit.AuditEntry],
    refusals: list[handlers.Refusal],
) -> Response:
    exchange: Exchange | None = None
    try:
        principal = askers.of(task)
        exchange = Exchange(task.request, task.route, principal, cursor)
        with transaction.atomic():
            response = handlers.write(exchange)
            intent = audit.intend(cursor, exchange.entries) if exchange.entries else None
        if intent is not None:
            intents[position] = intent
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
