"""Loading much at once: what the database's connection is given while it lasts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.db.backends.base.base import BaseDatabaseWrapper

LOG = 500_000
"""Pages of SQLite's log (2 GB) after which it is taken over into the file.

New rows fall all over the indexes: the longer the log, the more of them fall into a page that is in it
already.
"""
LEAST, MOST = 512 << 20, 8 << 30
CONTROL = Path("/sys/fs/cgroup/memory.max")


@contextmanager
def bulk_loading(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give a connection that loads many resources more room; as before, afterwards.

    Transactions stay as durable, and others are served meanwhile. SQLite takes up to `room` bytes of memory;
    PostgreSQL has nothing that a connection could set.
    """
    if connection.vendor != "sqlite":
        yield
        return
    wanted = {"cache_size": -(room() >> 10), "wal_autocheckpoint": LOG}
    with connection.cursor() as cursor:
        before = {}
        for name, value in wanted.items():
            before[name] = int(cursor.execute(f"pragma {name}").fetchone()[0])
            cursor.execute(f"pragma {name} = {value}")
        try:
            yield
        finally:
            for name, value in before.items():
                cursor.execute(f"pragma {name} = {value}")
            if not connection.in_atomic_block:
                cursor.execute("pragma wal_checkpoint(passive)").fetchall()


@cache
def room() -> int:
    """Return the memory in bytes that pages may take: a quarter of what a process may use, within bounds.

    New rows fall on pages all over the indexes. Those in memory need not be read again; each that is changed
    is still written twice, to the log and to the file.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # none, or "max"
        memory = min(memory, int(CONTROL.read_text()))
    return max(LEAST, min(memory // 4, MOST))
