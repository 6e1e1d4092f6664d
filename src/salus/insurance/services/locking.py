"""Locks by name, held until the transaction ends.

PostgreSQL takes an advisory lock; on SQLite writers wait for each other anyway. Who takes several takes a
person's first, then an institution's or a voucher's, then a fund's.
"""

from django.db.backends.utils import CursorWrapper


def alone(cursor: CursorWrapper, name: str) -> None:
    """Let nobody else hold the lock of this name, alone or with others, until the transaction ends."""
    _lock(cursor, "pg_advisory_xact_lock", name)


def together(cursor: CursorWrapper, name: str) -> None:
    """Hold the lock of this name with others of its kind, so that nobody is `alone` meanwhile."""
    _lock(cursor, "pg_advisory_xact_lock_shared", name)


def _lock(cursor: CursorWrapper, function: str, name: str) -> None:
    if cursor.db.vendor == "postgresql":
        cursor.execute(f"select {function}(hashtextextended(%s, 0))", [f"insurance:{name}"])
