"""Threads that do the database work of the API, so that the event loop never waits for a disk.

Requests that arrive while a lane is busy are taken together: one hop between threads and one durable
audit commit serve them all. On SQLite a single writer lane means that no write of the API ever meets
another one's lock.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from django.db import connection, connections

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Deliver = Callable[[Sequence[Answer | BaseException]], None]
Later = Callable[[Deliver[Answer]], None]
"""Called with what delivers the answers, once they may be given, from whichever thread."""
Work = Callable[[Sequence[Task]], Sequence[Answer] | Later[Answer]]


class Overloaded(Exception):
    """Too many requests wait for this lane."""


class _Waiting(NamedTuple, Generic[Task, Answer]):
    """A task, who waits for it, and since when (seconds of the monotonic clock)."""

    task: Task
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Answer]"
    since: float


class Lane(Generic[Task, Answer]):
    """A few threads that take waiting tasks in batches.

    `work` gets up to `batch` tasks and returns as many answers, in order, or what hands them over later; an
    answer may be an exception, which is raised to that task's asker alone. `waiting` bounds the queue. With
    `patience` (seconds) one thread does all the work, and the others help once a task has waited for longer:
    threads that compete for the interpreter cost more than they do, except when one of them is held up.
    """

    def __init__(
        self,
        name: str,
        work: Work[Task, Answer],
        *,
        threads: int,
        batch: int,
        waiting: int = 4096,
        patience: float = 0.0,
    ) -> None:
        self._name = name
        self._work = work
        self._threads = threads
        self._batch = batch
        self._limit = waiting
        self._patience = patience
        self._queue: deque[_Waiting[Task, Answer]] = deque()
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._late = threading.Condition(lock)
        self._watched = False
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
            self._queue.append(_Waiting(task, loop, future, time.monotonic()))
            self._ready.notify()
            if self._patience and not self._watched:
                self._watched = True
                loop.call_later(self._patience, self._watch, loop)
        return await future

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have another thread help if a task has waited too long; look again while any waits."""
        with self._ready:
            self._watched = bool(self._queue)
            if self._queue:
                if self._is_late():
                    self._late.notify()
                loop.call_later(self._patience, self._watch, loop)

    def _is_late(self) -> bool:
        return time.monotonic() - self._queue[0].since >= self._patience

    def stop(self) -> None:
        """Finish what waits, close the threads' database connections and end the threads."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()
            self._late.notify_all()
            running, self._running = self._running, []
        for thread in running:
            thread.join(timeout=30)
        self._stopping = False
        self._watched = False

    def _start(self) -> None:
        for number in range(self._threads):
            helps = bool(self._patience) and number > 0
            thread = threading.Thread(
                target=self._run, args=(helps,), name=f"fhir-{self._name}-{number}", daemon=True
            )
            self._running.append(thread)
            thread.start()

    def _run(self, helps: bool) -> None:
        try:
            while taken := self._take(helps):
                self._answer(taken)
        finally:
            connections.close_all()

    def _take(self, helps: bool) -> list[_Waiting[Task, Answer]]:
        with self._ready:
            while not self._queue or (helps and not self._stopping and not self._is_late()):
                if self._stopping:
                    return []
                (self._late if helps else self._ready).wait()
            # A fair share: the other threads of the lane take part of a long queue
            sharing = 1 if self._patience else self._threads
            size = min(self._batch, max(1, -(-len(self._queue) // sharing)))
            return [self._queue.popleft() for _ in range(size)]

    def _answer(self, taken: list[_Waiting[Task, Answer]]) -> None:
        def deliver(answers: Sequence[Answer | BaseException]) -> None:
            _hand_over(taken, answers)

        try:
            connection.close_if_unusable_or_obsolete()
            answers = self._work([one.task for one in taken])
            if callable(answers):
                answers(deliver)
                return
        except BaseException as error:  # noqa: BLE001  every asker must hear; the asker's side logs it
            deliver([error] * len(taken))
            return
        deliver(answers)


def _hand_over(taken: Sequence[_Waiting[Task, Answer]], answers: Sequence[Answer | BaseException]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | BaseException]]] = {}
    for one, answer in zip(taken, answers, strict=True):
        by_loop.setdefault(one.loop, []).append((one.future, answer))
    for loop, settled in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, settled)
        except RuntimeError:  # the loop was closed: nobody waits there any more
            continue


def _settle(settled: list[tuple[asyncio.Future[Answer], Answer | BaseException]]) -> None:
    for future, answer in settled:
        if future.done():  # the asker went away
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
