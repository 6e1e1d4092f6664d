"""The process that does the FHIR API's writes for the web process; see `apart`."""

import asyncio
import socket

from salus.kernel import audit
from salus.record.fhir import service
from salus.record.fhir.frames import Frames
from salus.record.fhir.lanes import Overloaded
from salus.record.fhir.outcome import Response
from salus.record.fhir.request import Request

PATIENCE = 20.0
"""Seconds for what was begun when the socket ended."""


class _Served(Frames):
    """The child's end: each request becomes a task that waits for its lane."""

    def __init__(self, closed: "asyncio.Future[None]") -> None:
        super().__init__()
        self.closed = closed
        self.loop = closed.get_loop()
        self.busy: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        """Begin the writes that came."""
        loop = asyncio.get_running_loop()
        for settled, number, *fields in self.heard(data):
            audit.settled(settled)
            method, segments, query, headers, body, base, target, received = fields
            request = Request(method, segments, query, headers, body, base, target, received)
            task = loop.create_task(self._answer(number, request))
            self.busy.add(task)
            task.add_done_callback(self.busy.discard)

    async def _answer(self, number: int, request: Request) -> None:
        try:
            await service.write(service.Numbered(number, service.admit(request), self._tell))
        except Overloaded:
            self.say(([(number, None, False)], []))
        except Exception as error:  # noqa: BLE001  the last resort: nothing of the fault may reach the asker
            service.log_fault(error)
            self._tell([(number, service.fault(error), None)])

    def _tell(self, done: list[tuple[int, Response, audit.Intent | None]]) -> None:
        """Say the answers of a batch, each intent once; called by the lane's thread, or the loop's."""
        answers = [
            (number, (one.status, one.body, one.headers, one.media), intent is not None)
            for number, one, intent in done
        ]
        intents = {intent.id: intent.rows for _, _, intent in done if intent is not None}
        self.loop.call_soon_threadsafe(self.say, (answers, list(intents.items())))

    def connection_lost(self, error: Exception | None) -> None:
        """Stop."""
        if not self.closed.done():
            self.closed.set_result(None)


async def serve(number: int) -> None:
    """Do the writes that come over a socket, given by its number, until it ends."""
    loop = asyncio.get_running_loop()
    served = _Served(loop.create_future())
    await loop.create_connection(lambda: served, sock=socket.socket(fileno=number))
    await served.closed
    if served.busy:
        await asyncio.wait(served.busy, timeout=PATIENCE)
    await asyncio.to_thread(service.stop)
