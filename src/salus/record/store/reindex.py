"""Rebuilding the search index when its rules have changed, while the store serves.

A version's index rows are taken away by extracting them again from its body, so the index must have been
built by the rules in force. Their fingerprint is kept beside it. Until the new index is whole, searches use
the old one; a resource that changes meanwhile may also be found by what the old rules took from it before.
"""

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from salus.record import json
from salus.record.rules.r4 import type_names
from salus.record.store import upgrading
from salus.record.store.extract import TABLES, IndexRows
from salus.record.store.index import extract
from salus.record.store.renewing import drop, make_like, put_in_place
from salus.record.store.tables import INDEX, tables

EXTRACTION = 1  # raise it when the code extracts other rows from the same resource and rules
NEW, OLD = "_new", "_old"


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


class IndexUpgrade:
    """The search index built anew by the rules in force."""

    name = "index"

    def mark(self) -> str:
        """Return the fingerprint of the rules in force."""
        return fingerprint()

    def due(self, cursor: CursorWrapper) -> bool:
        """Return whether the index was built by others."""
        return not index_is_current(cursor)

    def begin(self, cursor: CursorWrapper) -> None:
        """Make empty index tables beside those in use."""
        for table in TABLES:
            drop(cursor, f"record_{table}{NEW}")
            drop(cursor, f"record_{table}{OLD}")
            make_like(cursor, f"record_{table}", NEW)

    def copy(self, cursor: CursorWrapper, after: int, size: int) -> tuple[int, int] | None:
        """Index the next resources in the new tables."""
        cursor.execute(
            "select rid, kind, body, deleted from record_resource"
            " where rid > %s and version > 0 order by rid limit %s",
            [after, size],
        )
        found = cursor.fetchall()
        if not found:
            return None
        names, rows, store = type_names(), IndexRows(), tables(cursor)
        for rid, kind, body, deleted in found:
            if not deleted:
                extract(names[kind], json.loads(bytes(body)), rid, rows)
        for table, columns in INDEX.items():
            if some := rows.of(table):
                store.insert(f"record_{table}{NEW}", columns, sorted(set(some)))
        return found[-1][0], len(found)

    def swap(self, cursor: CursorWrapper) -> None:
        """Let searches use the new tables."""
        for table in TABLES:
            put_in_place(cursor, f"record_{table}", NEW, OLD)
        _note(cursor)

    def clean(self, cursor: CursorWrapper) -> bool:
        """Drop one of the tables that were in use before."""
        return any(drop(cursor, f"record_{table}{OLD}") for table in TABLES)


UPGRADES: tuple[upgrading.Upgrade, ...] = (IndexUpgrade(),)
"""The store's upgrades, in the order in which they run."""


def reindex(cursor: CursorWrapper) -> int:
    """Build the search index anew in the caller's transaction, current or not; return how many resources."""
    cursor.execute("delete from record_store_state where name in ('index', %s)", [upgrading.KEY])
    cursor.execute("insert into record_store_state (name, value) values ('index', '')")
    done = 0
    while (held := upgrading.step(cursor, IndexUpgrade(), 2_000)) is not None:
        done = held.done
    return done
