"""Loading much at once: what the database's connection is given while it lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db.backends.base.base import BaseDatabaseWrapper

SQLITE = {"cache_size": -524_288, "wal_autocheckpoint": 500_000}
"""Memory for pages (512 MB), and pages of the log (2 GB) after which it is taken over into the file.

New rows fall all over the indexes: the longer the log, the more of them fall into a page that is in it
already.
"""


@contextmanager
def bulk_loading(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Give a connection that loads many resources more room; as before, afterwards.

    Transactions stay as durable, and others are served meanwhile.
    PostgreSQL has nothing that a connection could set.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        before = {}
        for name, value in SQLITE.items():
            before[name] = int(cursor.execute(f"pragma {name}").fetchone()[0])
            cursor.execute(f"pragma {name} = {value}")
        try:
            yield
        finally:
            for name, value in before.items():
                cursor.execute(f"pragma {name} = {value}")
            if not connection.in_atomic_block:
                cursor.execute("pragma wal_checkpoint(passive)").fetchall()
