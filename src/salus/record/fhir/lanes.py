"""Threads that do the database work of the API, so that the event loop never waits for a disk.

Requests that arrive while a lane is busy are taken together: one hop between threads and one durable
audit commit serve them all. On SQLite a single writer lane means that no write of the API ever meets
another one's lock.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import connection, connections

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Work = Callable[[Sequence[Task]], Sequence[Answer]]


class Overloaded(Exception):
    """Too many requests wait for this lane."""


class Lane(Generic[Task, Answer]):
    """A few threads that take waiting tasks in batches.

    `work` gets up to `batch` tasks and returns as many answers, in order; an answer may be an exception,
    which is raised to that task's asker alone. `waiting` bounds the queue.
    """

    def __init__(
        self, name: str, work: Work[Task, Answer], *, threads: int, batch: int, waiting: int = 4096
    ) -> None:
        self._name = name
        self._work = work
        self._threads = threads
        self._batch = batch
        self._limit = waiting
        self._queue: deque[tuple[Task, asyncio.AbstractEventLoop, asyncio.Future[Answer]]] = deque()
        self._ready = threading.Condition()
        self._running: list[threading.Thread] = []
        self._stopping = False

    async def do(self, task: Task) -> Answer:
        """Return the answer to a task; raises `Overloaded` when too many wait already."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        with self._ready:
            if len(self._queue) >= self._limit:
                raise Overloaded(self._name)
            if not self._running:
                self._start()
            self._queue.append((task, loop, future))
            self._ready.notify()
        return await future

    def stop(self) -> None:
        """Finish what waits, close the threads' database connections and end the threads."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
            running, self._running = self._running, []
        for thread in running:
            thread.join(timeout=30)
        self._stopping = False

    def _start(self) -> None:
        for number in range(self._threads):
            thread = threading.Thread(target=self._run, name=f"fhir-{self._name}-{number}", daemon=True)
            self._running.append(thread)
            thread.start()

    def _run(self) -> None:
        try:
            while taken := self._take():
                self._answer(taken)
        finally:
            connections.close_all()

    def _take(self) -> list[tuple[Task, asyncio.AbstractEventLoop, asyncio.Future[Answer]]]:
        with self._ready:
            while not self._queue:
                if self._stopping:
                    return []
                self._ready.wait()
            # A fair share: the other threads of the lane take part of a long queue
            size = min(self._batch, max(1, -(-len(self._queue) // self._threads)))
            return [self._queue.popleft() for _ in range(size)]

    def _answer(self, taken: list[tuple[Task, asyncio.AbstractEventLoop, asyncio.Future[Answer]]]) -> None:
        answers: Sequence[Answer | BaseException]
        try:
            connection.close_if_unusable_or_obsolete()
            answers = self._work([task for task, _, _ in taken])
        except BaseException as error:  # noqa: BLE001  every asker must hear; the asker's side logs it
            answers = [error] * len(taken)
        by_loop: dict[
            asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | BaseException]]
        ] = {}
        for (_, loop, future), answer in zip(taken, answers, strict=True):
            by_loop.setdefault(loop, []).append((future, answer))
        for loop, settled in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Answer], Answer | BaseException]]) -> None:
    for future, answer in settled:
        if future.done():  # the asker went away
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
