"""Group commit: callers hand in entries and wait; one thread a process writes all that waits at once."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from django.db import DatabaseError, connections
from django.utils.translation import gettext_noop as _

from salus.kernel.audit.chain import ALIAS, Appender, ChainLost, Item, new_owner
from salus.kernel.audit.entries import AuditEntry, fields
from salus.kernel.audit.heads import Head, HeadsFile, Signer, heads_path, keys_folder
from salus.kernel.errors import SalusError

BATCH_ROWS = 2000
"""Rows of one transaction: about 30 ms on SQLite, so other writers wait no longer than that."""

_HEAD_EVERY = 0.05
_SYNC_EVERY = 1.0
_IDLE = 5.0
_RETRIES = (0.02, 0.1, 0.3, 1.0, 2.0, 4.0)


Done = Callable[[BaseException | None], None]
"""Told, by the audit thread, that rows are durable (None) or why they are not."""


class AuditUnavailable(SalusError):
    """The audit rows could not be stored; the answer must not leave."""


class _Batch:
    """Items that will be committed together, and who waits for it."""

    __slots__ = ("done", "error", "items", "loops", "rows", "waiting")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.rows = 0
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        self.waiting: list[Done] = []

    def finish(self, error: BaseException | None) -> None:
        self.error = error
        self.done.set()
        for loop, futures in self.loops.items():
            try:
                loop.call_soon_threadsafe(_resolve, futures, error)
            except RuntimeError:
                # The loop was closed: nobody waits there any more.
                continue
        for done in self.waiting:
            done(error)


def _resolve(futures: list[asyncio.Future[None]], error: BaseException | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class Writer:
    """The process's audit thread: starts with the first entry, gives its chain up when the process ends."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._condition = threading.Condition()
        self._batches: deque[_Batch] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._unsaved: Head | None = None
        self._saved_at = 0.0
        self._synced_at = 0.0

    def submit(
        self,
        items: Sequence[Item],
        future: asyncio.Future[None] | None = None,
        done: Done | None = None,
    ) -> _Batch:
        """Put items into the next batch, all into the same; tell the future or `done` when it is written."""
        with self._condition:
            if self._thread is None or not self._thread.is_alive():
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="salus-audit", daemon=True)
                self._thread.start()
            if not self._batches or self._batches[-1].rows >= BATCH_ROWS:
                self._batches.append(_Batch())
            batch = self._batches[-1]
            batch.items.extend(items)
            batch.rows += sum(len(item.rows) for item in items)
            if done is not None:
                batch.waiting.append(done)
            if future is not None:
                batch.loops.setdefault(future.get_loop(), []).append(future)
            self._condition.notify()
        return batch

    def close(self) -> None:
        """Write what waits, release the chain, close the connection."""
        with self._condition:
            thread = self._thread
            self._closing = True
            self._condition.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=30)

    def _take(self) -> tuple[_Batch | None, bool]:
        """Wait for work. Without any, say whether that was for so long that the connection may be closed."""
        with self._condition:
            patience = _HEAD_EVERY if self._unsaved is not None else _IDLE
            worked = bool(self._batches or self._closing or self._condition.wait(patience))
            return (self._batches.popleft() if self._batches else None), not worked and patience == _IDLE

    def _ends(self) -> bool:
        with self._condition:
            if self._closing and not self._batches:
                # From here on a new entry starts a new thread.
                self._thread = None
                return True
            return False

    def _run(self) -> None:
        try:
            appender = Appender(Signer(keys_folder()), new_owner())
            heads = HeadsFile(heads_path())
            while True:
                batch, idle = self._take()
                if batch is not None:
                    batch.finish(self._write(appender, batch))
                self._save_head(heads, force=batch is None)
                if batch is None and self._ends():
                    break
                if idle:
                    connections[ALIAS].close()
            _release(appender)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            connections[ALIAS].close()

    def _abandon(self, error: BaseException) -> None:
        with self._condition:
            waiting, self._batches, self._thread = list(self._batches), deque(), None
        for batch in waiting:
            batch.finish(_unavailable(error))

    def _write(self, appender: Appender, batch: _Batch) -> BaseException | None:
        for pause in (*_RETRIES, None):
            try:
                head = appender.write(batch.items)
            except ChainLost:
                continue
            except DatabaseError as error:
                head = None
                try:
                    connections[ALIAS].close()
                    if appender.committed_after_all():
                        head = appender.attempted
                except DatabaseError:
                    head = None
                if head is None:
                    if pause is None:
                        return _unavailable(error)
                    time.sleep(pause)
                    continue
            except Exception as error:  # noqa: BLE001 - callers wait; whatever went wrong is theirs to hear
                return _unavailable(error)
            self._unsaved = head or self._unsaved
            return None
        return AuditUnavailable("audit-unavailable", _("No audit chain could be taken"))

    def _save_head(self, heads: HeadsFile, *, force: bool) -> None:
        now = time.monotonic()
        if self._unsaved is None or not (force or now - self._saved_at >= _HEAD_EVERY):
            return
        try:
            heads.append(self._unsaved)
            self._unsaved = None
            self._saved_at = now
            if force or now - self._synced_at >= _SYNC_EVERY:
                heads.sync()
                self._synced_at = now
        except OSError:
            # The rows are safe in the database; the next head says the same and more.
            self._saved_at = now


def _release(appender: Appender) -> None:
    try:
        appender.release()
    except DatabaseError:
        # The database is gone; the lease ends by itself.
        appender.held = None


def _unavailable(error: BaseException) -> AuditUnavailable:
    unavailable = AuditUnavailable(
        "audit-unavailable",
        _("The audit rows could not be stored"),
        fix=_("Look at the audit database: is it there, and is its disk full?"),
    )
    unavailable.__cause__ = error
    return unavailable


_writer = Writer()


def _current() -> Writer:
    global _writer
    if _writer.pid != os.getpid():
        # A forked child has no thread and must not share its parent's chain.
        _writer = Writer()
    return _writer


def close() -> None:
    """Write what waits and end the process's audit thread; the next entry starts it again."""
    if _writer.pid == os.getpid():
        _writer.close()


atexit.register(close)


def _inline(item: Item) -> bool:
    """Write through the caller's own transaction on the audit database, if it has one open.

    A second connection would wait for that transaction for ever; its caller answers for the commit.
    """
    connection = connections[ALIAS]
    if not connection.in_atomic_block:
        return False
    Appender(Signer(keys_folder()), new_owner()).write([item])
    return True


def write_item(item: Item) -> None:
    """Store an item's rows durably before returning.

    Raises:
        AuditUnavailable: they are not stored.
    """
    if not item.rows or _inline(item):
        return
    batch = _current().submit([item])
    batch.done.wait()
    if batch.error is not None:
        raise batch.error


async def write_item_async(item: Item) -> None:
    """Store an item's rows durably before returning, without holding up the event loop."""
    if not item.rows:
        return
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _current().submit([item], future)
    await future


def write_items_then(items: Sequence[Item], done: Done) -> None:
    """Store the rows of all items in one transaction; call `done` when they are durable, or with the error.

    `done` is called by the audit thread and must neither wait nor raise.
    """
    written = [item for item in items if item.rows]
    if all(_inline(item) for item in written):
        done(None)
    else:
        _current().submit(written, done=done)


def record(entries: Sequence[AuditEntry]) -> None:
    """Store audit entries in the chain; they are durable when this returns.

    Raises:
        AuditUnavailable: they are not stored, and what they speak of must not be answered.
    """
    write_item(Item([fields(item) for item in entries]))


async def record_async(entries: Sequence[AuditEntry]) -> None:
    """As `record`, for an event loop: thousands of callers share one commit."""
    await write_item_async(Item([fields(item) for item in entries]))


def record_then(entries: Sequence[AuditEntry], done: Done) -> None:
    """As `record`, without waiting: `done` is called as `write_items_then` says."""
    write_items_then([Item([fields(item) for item in entries])], done)
