"""The listener: frames from all connections, stored in batches, answered after the commit.

One committer takes what has come while it stored the last batch (group commit), so that frames of one
connection are stored and answered in their order. Memory is bounded: a connection has a limited number of
frames unanswered, the queue and the unfinished frames a limited number of bytes; beyond that nothing is
read, or the sender is told to try again. Nothing is ever dropped without an answer or a closed connection.
"""

import asyncio
import contextlib
import hashlib
import logging
import resource
import ssl
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from salus.connect.mllp.acknowledgement import Answer, acknowledge
from salus.connect.mllp.framing import Framer, frame

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
UNREAD_ANSWERS = 1024 * 1024
INCOMPLETE = Answer(
    "AE", "incomplete-frame", "the message did not arrive whole and was not stored", fix="Send it again."
)
NOT_STORED = Answer("AE", "not-stored", "the message could not be stored now", fix="Send it again.")
BUSY = Answer("AE", "busy", "too much is under way; the message was not stored", fix="Send it again.")
UNFRAMED = Answer("AR", "not-hl7", "no MLLP start byte (0x0B) came before the message")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a listener bears: bytes, seconds and counts."""

    max_bytes: int = 32 * 1024 * 1024
    max_connections: int = 2_000
    idle_timeout: float = 3_600.0
    frame_timeout: float = 30.0
    end_grace: float = 0.25
    in_flight: int = 64
    max_batch: int = 64
    gathering: float = 0.01
    batch_bytes: int = 8 * 1024 * 1024
    memory: int = 256 * 1024 * 1024
    drain: float = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: address, and the client certificate's name and SHA-256 if there is one."""

    address: str
    subject: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it came off the wire."""

    raw: bytes
    peer: Peer
    received: datetime


Receive = Callable[[list[Frame]], Awaitable[Sequence[Answer]]]


@dataclass(slots=True)
class _Connection:
    writer: asyncio.StreamWriter
    peer: Peer
    slots: asyncio.Semaphore
    waiting: int = 0
    held: int = 0
    empty: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Item:
    connection: _Connection
    frame: Frame
    answer: Answer | None = None


class MllpServer:
    """An MLLP listener. `receive` stores a batch and returns one answer a frame, after its commit."""

    def __init__(
        self,
        receive: Receive,
        host: str = "127.0.0.1",
        port: int = 2575,
        *,
        ssl_context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.receive = receive
        self.host = host
        self.port = port
        self.ssl_context = ssl_context
        self.limits = limits or Limits()
        self.counts: Counter[str] = Counter()
        self._queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._held = 0
        self._room = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._committer: asyncio.Task[None] | None = None
        self._stopping = False
        self._lately: deque[set[int]] = deque(maxlen=2)
        self._took = 0.0

    async def start(self) -> None:
        """Begin to listen; `port` becomes the port taken when it was 0."""
        _allow_descriptors(self.limits.max_connections + 256)
        self._committer = asyncio.create_task(self._commit_batches())
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self.ssl_context, backlog=1024, limit=CHUNK
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, answer what has come whole, close the connections."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.drain):
                await self._queue.join()
        for task in list(self._connections):
            task.cancel()
        if self._connections:
            await asyncio.wait(list(self._connections), timeout=self.limits.drain)
        if self._committer is not None:
            self._committer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._committer
        if self._server is not None:
            await self._server.wait_closed()

    async def serve_forever(self) -> None:
        """Listen until cancelled."""
        if self._server is None:
            await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        self.counts["connections"] += 1
        connection = _Connection(writer, _peer(writer), asyncio.Semaphore(self.limits.in_flight))
        connection.empty.set()
        framer = Framer(self.limits.max_bytes)
        try:
            if len(self._connections) > self.limits.max_connections:
                self.counts["refused"] += 1
                return
            await self._read(reader, connection, framer)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.drain):
                    await connection.empty.wait()
                    await writer.drain()
        except (ConnectionError, ssl.SSLError, OSError) as error:
            self.counts["broken"] += 1
            log.info("MLLP connection broke: %s", type(error).__name__)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._held -= connection.held
            if framer.partial:
                self.counts["partial"] += 1
            writer.close()
            with contextlib.suppress(
                ConnectionError, ssl.SSLError, OSError, TimeoutError, asyncio.CancelledError
            ):
                async with asyncio.timeout(2):
                    await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, connection: _Connection, framer: Framer) -> None:
        limits = self.limits
        while True:
            chunk: bytes | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience(framer)):
                    chunk = await reader.read(CHUNK)
            if chunk is None:
                cuts = framer.finish()
                if not cuts:
                    await self._silent(connection, framer)
                    return
            elif not chunk:
                for cut in framer.finish():
                    await self._take(connection, cut.raw, None)
                return
            else:
                cuts = framer.feed(chunk)
            for cut in cuts:
                if cut.kind == "frame":
                    await self._take(connection, cut.raw, None)
                elif cut.kind == "unclosed":
                    self.counts["unclosed"] += 1
                    await self._take(connection, cut.raw, INCOMPLETE)
                else:
                    self.counts["oversize"] += 1
                    reason = f"the message is longer than {limits.max_bytes} bytes"
                    await self._take(connection, cut.raw, Answer("AR", "oversize", reason))
            self._held += framer.held - connection.held
            connection.held = framer.held
            if self._held > limits.memory and connection.held > CHUNK:
                self.counts["busy"] += 1
                await self._take(connection, framer.abandon()[:CHUNK], BUSY)
                return
            if framer.stray > limits.max_bytes:
                return

    def _patience(self, framer: Framer) -> float:
        if framer.may_end:
            return self.limits.end_grace
        if framer.partial or framer.stray_head:
            return self.limits.frame_timeout
        return self.limits.idle_timeout

    async def _silent(self, connection: _Connection, framer: Framer) -> None:
        """Say why the connection closes: an unfinished frame, a message without a frame, or mere silence."""
        if framer.partial:
            await self._take(connection, framer.abandon(), INCOMPLETE)
        elif framer.stray_head:
            self.counts["unframed"] += 1
            await self._take(connection, framer.stray_head, UNFRAMED)
        else:
            self.counts["idle"] += 1

    async def _take(self, connection: _Connection, raw: bytes, answer: Answer | None) -> None:
        """Put a frame into the queue, once there is room for it."""
        await connection.slots.acquire()
        async with self._room:
            await self._room.wait_for(lambda: self._held <= self.limits.memory or self._queue.empty())
        if answer is None:
            self.counts["frames"] += 1
        self._held += len(raw)
        connection.waiting += 1
        connection.empty.clear()
        self._queue.put_nowait(_Item(connection, Frame(raw, connection.peer, datetime.now(UTC)), answer))

    async def _commit_batches(self) -> None:
        while True:
            batch = await self._gather()
            self._lately.append({id(item.connection) for item in batch})
            begun = time.monotonic()
            await self._commit(batch)
            self._took = time.monotonic() - begun

    async def _gather(self) -> list[_Item]:
        """Take what has come, and wait a moment for the senders that were just answered.

        Each sends its next message when it has its answer. Without the wait they fall into two halves that
        take turns, and each commit serves one of them. The wait is a tenth of the last commit at most, and
        none for a lone sender.
        """
        batch = [await self._queue.get()]
        senders = {id(batch[0].connection)}
        size = len(batch[0].frame.raw)
        awaited = len(set().union(*self._lately))
        until = time.monotonic() + min(self._took / 10, self.limits.gathering)
        while len(batch) < self.limits.max_batch and size < self.limits.batch_bytes:
            if self._queue.empty():
                patience = until - time.monotonic()
                if len(senders) >= awaited or patience <= 0 or self._stopping:
                    break
                try:
                    async with asyncio.timeout(patience):
                        item = await self._queue.get()
                except TimeoutError:
                    break
            else:
                item = self._queue.get_nowait()
            senders.add(id(item.connection))
            size += len(item.frame.raw)
            batch.append(item)
        return batch

    async def _commit(self, batch: list[_Item]) -> None:
        frames = [item.frame for item in batch if item.answer is None]
        answers: list[Answer] = []
        if frames:
            try:
                answers = list(await self.receive(frames))
                if len(answers) != len(frames):
                    raise RuntimeError("receive returned another number of answers than frames")
            except Exception as error:  # noqa: BLE001 - whatever failed, nothing was stored: the senders must hear it
                log.error("a batch of %d messages was not stored: %s", len(frames), type(error).__name__)
                self.counts["failed"] += len(frames)
                answers = [NOT_STORED] * len(frames)
        given = iter(answers)
        for item in batch:
            answer = item.answer if item.answer is not None else next(given)
            self._answer(item, answer)
            self._queue.task_done()
        async with self._room:
            self._held -= sum(len(item.frame.raw) for item in batch)
            self._room.notify_all()

    def _answer(self, item: _Item, answer: Answer) -> None:
        connection = item.connection
        self.counts[answer.result] += 1
        writer = connection.writer
        if not writer.is_closing():
            reply = acknowledge(item.frame.raw, answer)
            if reply is not None:
                writer.write(frame(reply))
                if writer.transport.get_write_buffer_size() > UNREAD_ANSWERS:
                    self.counts["unread"] += 1
                    writer.transport.abort()  # it sends and never listens
        connection.slots.release()
        connection.waiting -= 1
        if connection.waiting == 0:
            connection.empty.set()


def server_tls(certificate: str, key: str, client_authority: str | None = None) -> ssl.SSLContext:
    """Return the TLS settings of a listener; with `client_authority` (a CA file) clients need a certificate.

    TLS 1.2 and later. Raises OSError or ssl.SSLError for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_authority:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _peer(writer: asyncio.StreamWriter) -> Peer:
    name: Any = writer.get_extra_info("peername")
    address = str(name[0]) if name else ""
    secured: Any = writer.get_extra_info("ssl_object")
    if secured is None:
        return Peer(address)
    encoded = secured.getpeercert(binary_form=True)
    if not encoded:
        return Peer(address)
    subject = ""
    for names in (secured.getpeercert() or {}).get("subject", ()):
        for key, value in names:
            if key == "commonName":
                subject = str(value)
    return Peer(address, subject, hashlib.sha256(encoded).hexdigest())


def _allow_descriptors(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < target:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
