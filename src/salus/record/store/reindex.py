"""Rebuilding the search index, and knowing when that is due.

A version's index rows are taken away by extracting them again from its body, so the index must have been
built by the rules in force. Their fingerprint is kept beside it.
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from importlib.resources import files

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from salus.record import json
from salus.record.rules.r4 import type_names
from salus.record.store.extract import TABLES, IndexRows
from salus.record.store.index import extract
from salus.record.store.tables import INDEX, tables

EXTRACTION = 1  # raise it when the code extracts other rows from the same resource and rules
PART = 2_000


@cache
def fingerprint() -> str:
    """Return a digest of everything that decides which rows a resource gives."""
    digest = blake2b(f"{EXTRACTION} {settings.TIME_ZONE}".encode(), digest_size=12)
    for name in ("index_paths", "elements", "resource_types"):
        digest.update((files("salus.record.rules.r4") / f"{name}.csv").read_bytes())
    return digest.hexdigest()


def index_is_current(cursor: CursorWrapper) -> bool:
    """Return whether the index was built by the rules in force; the first time, those are noted."""
    cursor.execute("select value from record_store_state where name = 'index'")
    row = cursor.fetchone()
    if row is not None:
        return bool(row[0] == fingerprint())
    _note(cursor)
    return True


def _note(cursor: CursorWrapper) -> None:
    cursor.execute("delete from record_store_state where name = 'index'")
    cursor.execute("insert into record_store_state (name, value) values ('index', %s)", [fingerprint()])


def reindex(cursor: CursorWrapper, progress: Callable[[int], None] = lambda done: None) -> int:
    """Build the search index anew in the caller's transaction; return how many resources it holds.

    Nothing else may write meanwhile. `progress` is told the number of resources done so far.
    """
    store = tables(cursor)
    for table in TABLES:
        cursor.execute(f"delete from record_{table}")  # noqa: S608 - our own names
    names = type_names()
    done = last = 0
    while True:
        cursor.execute(
            "select rid, kind, body from record_resource"
            " where rid > %s and version > 0 and not deleted order by rid limit %s",
            [last, PART],
        )
        found = cursor.fetchall()
        if not found:
            break
        rows = IndexRows()
        for rid, kind, body in found:
            extract(names[kind], json.loads(bytes(body)), rid, rows)
        for table, columns in INDEX.items():
            if some := rows.of(table):
                store.insert(f"record_{table}", columns, sorted(set(some)))
        last, done = found[-1][0], done + len(found)
        progress(done)
    _note(cursor)
    return done
