"""The resource store: any FHIR R4 resource, versioned, with history, tombstones, a change feed and search.

Everything works through the caller's Django cursor, so that it is part of the caller's transaction.
"""

from salus.kernel.feed import Position
from salus.record.store.bulk import bulk_loading
from salus.record.store.changes import changes, reassign
from salus.record.store.preparing import Prepared, prepare
from salus.record.store.reading import history, read, read_rids, vread
from salus.record.store.reindex import UPGRADES, index_is_current, reindex
from salus.record.store.searching import Page, Parameter, SearchError, SearchQuery, search, search_parameters
from salus.record.store.types import (
    Change,
    InvalidWrite,
    Method,
    Op,
    Outcome,
    Stored,
    VersionConflict,
    Write,
    Written,
)
from salus.record.store.upgrading import pending as pending_upgrade
from salus.record.store.upgrading import run as run_upgrades
from salus.record.store.writing import write

__all__ = [
    "Change",
    "InvalidWrite",
    "Method",
    "Op",
    "Outcome",
    "Page",
    "Parameter",
    "SearchError",
    "SearchQuery",
    "Position",
    "Prepared",
    "Stored",
    "UPGRADES",
    "VersionConflict",
    "Write",
    "Written",
    "bulk_loading",
    "changes",
    "history",
    "index_is_current",
    "pending_upgrade",
    "prepare",
    "read",
    "read_rids",
    "reassign",
    "reindex",
    "run_upgrades",
    "search",
    "search_parameters",
    "vread",
    "write",
]
