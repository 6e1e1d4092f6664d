"""The resource store: any FHIR R4 resource, versioned, with history, tombstones, a change feed and search.

Everything works through the caller's Django cursor, so that it is part of the caller's transaction.
"""

from salus.kernel.feed import Position
from salus.record.store.changes import changes, reassign
from salus.record.store.reading import history, read, read_rids, vread
from salus.record.store.reindex import index_is_current, reindex
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
    "Stored",
    "VersionConflict",
    "Write",
    "Written",
    "changes",
    "history",
    "index_is_current",
    "read",
    "read_rids",
    "reassign",
    "reindex",
    "search",
    "search_parameters",
    "vread",
    "write",
]
