"""Writes done in a process of their own, beside the one that holds the connections.

Half of a server's work is its writes, and one interpreter uses one processor. `salus serve` lets the web
process hand each write over a private socket to a child, which does it and says the answer with the audit
intent that was committed with it. The web process brings the intent into its audit chain before the answer
leaves: each SQLite file still has one writer, and commits are shared. The child asks for token, policy and
Consents itself. It ends when the socket does.
"""

import asyncio
import logging
import socket
import subprocess  # starts this project's own module only
import sys
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.conf import settings

from salus.kernel import audit
from salus.record.fhir.frames import Frames
from salus.record.fhir.lanes import Overloaded
from salus.record.fhir.outcome import FhirError, Response
from salus.record.fhir.request import Request

WAITING = 1024
"""Writes that may wait for their answer at once."""
AGAIN = 1.0
"""Seconds between two starts of a child, so that one that cannot start does not take all time."""
_Answer = tuple[int, Any]
"""A write's number and the fields of its answer; None instead where too many waited."""
logger = logging.getLogger("salus.record.fhir")


class _Link(Frames):
    """The web process's end: who waits for which answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.begun = time.monotonic()
        self.lost = False
        self.waiting: dict[int, asyncio.Future[Response]] = {}
        self.settled: list[UUID] = []
        self.child: subprocess.Popen[bytes] | None = None

    def ask(self, request: Request) -> "asyncio.Future[Response]":
        """Send a request and return where its answer will be."""
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self.asked += 1
        self.waiting[self.asked] = future
        settled, self.settled = self.settled, []
        self.say(
            (
                settled,
                self.asked,
                request.method,
                request.segments,
                request.query,
                request.headers,
                request.body,
                request.base,
                request.target,
                request.received,
            )
        )
        return future

    def data_received(self, data: bytes) -> None:
        """Take the answers that came; those that left an audit intent are given once it is in the chain."""
        for answers, intents in self.heard(data):
            kept = [audit.Intent(*intent) for intent in intents]
            free = [(number, answer) for number, answer, audited in answers if not audited]
            bound = [(number, answer) for number, answer, audited in answers if audited]
            self._give(free, None)
            if kept:
                self._settle(kept, bound)

    def _settle(self, intents: list[audit.Intent], answers: list[_Answer]) -> None:
        loop = asyncio.get_running_loop()

        def done(error: BaseException | None) -> None:  # in the audit thread
            with suppress(RuntimeError):  # the loop was closed: nobody waits there any more
                loop.call_soon_threadsafe(self._settled, [one.id for one in intents], answers, error)

        audit.settle_then(intents, done)

    def _settled(self, intents: list[UUID], answers: list[_Answer], error: BaseException | None) -> None:
        if error is None:
            self.settled += intents  # the child clears them
        self._give(answers, error)

    def _give(self, answers: list[_Answer], error: BaseException | None) -> None:
        from salus.record.fhir import service

        for number, answer in answers:
            future = self.waiting.pop(number, None)
            if future is None or future.done():  # the asker went away
                continue
            if answer is None:
                future.set_exception(Overloaded("write"))
            else:
                future.set_result(service.shown(Response(*answer), error))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait that nobody knows what became of their writes."""
        self.lost = True
        waiting, self.waiting = self.waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(_ended())
        if self.child is not None:
            self.child.poll()


_held: tuple[asyncio.AbstractEventLoop, "asyncio.Task[_Link]"] | None = None


def wanted() -> bool:
    """Whether this process hands its writes to another one."""
    return bool(settings.FHIR_WRITES_APART)


async def begin() -> None:
    """Start the child, so that the first write need not wait for it."""
    if wanted():
        await _link()


async def end() -> None:
    """Let the child finish what it has, and wait for its end."""
    global _held
    if _held is None:
        return
    held, _held = _held, None
    link = await held[1]
    if link.transport is not None:
        link.transport.close()
    if link.child is not None:
        await asyncio.to_thread(link.child.wait)


async def ask(request: Request) -> Response:
    """Return the child's answer to a write.

    Raises `Overloaded` when too many wait, and `FhirError` 503 when the child ended meanwhile.
    """
    link = await _link()
    if len(link.waiting) >= WAITING:
        raise Overloaded("write")
    return await link.ask(request)


async def _link() -> _Link:
    """Return the link to a living child, of this event loop."""
    global _held
    loop = asyncio.get_running_loop()
    if _held is None or _held[0] is not loop:
        _held = loop, loop.create_task(_started())
    link = await asyncio.shield(_held[1])
    if link.lost:
        if time.monotonic() - link.begun < AGAIN:
            raise _ended()
        if _held is not None and _held[1].done() and _held[1].result() is link:
            logger.error("the process that writes had ended and is started again")
            _held = loop, loop.create_task(_started())
            link = await asyncio.shield(_held[1])
    return link


async def _started() -> _Link:
    ours, theirs = socket.socketpair()
    link = _Link()
    with theirs:
        command = [sys.executable, "-m", "salus.record.fhir.writer", str(theirs.fileno())]
        link.child = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603  our own module
    await asyncio.get_running_loop().create_connection(lambda: link, sock=ours)
    return link


def _ended() -> FhirError:
    return FhirError(
        503,
        "transient",
        "The process that writes has ended; whether this was stored is not known",
        fix="Send it again",
        headers=(("retry-after", "2"),),
    )
