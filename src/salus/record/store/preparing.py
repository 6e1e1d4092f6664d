"""The part of a write that asks no database: the bytes to store, the index rows, whose it is.

It is half of a write's work, so a loader lets a second process do it ahead (`Write.prepared`).
"""

from typing import Any, NamedTuple

from salus.record.rules.r4 import kind_of
from salus.record.store import stamp
from salus.record.store.extract import TABLES, IndexRows
from salus.record.store.index import extract, patient_id
from salus.record.store.types import InvalidWrite


class Prepared(NamedTuple):
    """A resource made ready to be stored: plain values only, so that it travels between processes.

    `tail` are its stored bytes after `meta.lastUpdated`, `patient` the id of the Patient it belongs to,
    `rows` its index rows by table in the order of `extract.TABLES`, with 0 for the resource's number.
    """

    tail: bytes
    patient: str | None
    rows: tuple[tuple[tuple[Any, ...], ...], ...]


def source_of(source: str, source_id: int | None) -> str:
    """Return the `meta.source` of a write."""
    return source or (f"urn:salus:source:{source_id}" if source_id is not None else "")


def tail_of(resource: dict[str, Any], source: str) -> bytes:
    """Return the stored bytes after `meta.lastUpdated`.

    Raises `InvalidWrite` ("not-json") for a value that cannot be stored.
    """
    try:
        return stamp.tail(resource, source)
    except TypeError:
        raise InvalidWrite("not-json", "The resource holds a value that cannot be stored") from None


def prepare(
    resource_type: str,
    resource_id: str,
    resource: dict[str, Any],
    *,
    source_id: int | None = None,
    source: str = "",
) -> Prepared:
    """Make a valid resource ready for a `put`, an `ensure` or a `create` under this id.

    The write must have the same `source_id` and `source`. Raises `InvalidWrite` as `write` does.
    """
    kind_of(resource_type)
    rows = IndexRows()
    extract(resource_type, resource, 0, rows)
    owner = resource_id if resource_type == "Patient" else patient_id(resource_type, resource)
    return Prepared(
        tail_of(resource, source_of(source, source_id)), owner, tuple(tuple(rows.of(t)) for t in TABLES)
    )


def number(prepared: Prepared, rid: int, out: IndexRows) -> None:
    """Add prepared index rows to `out` under a resource's number."""
    token, string, date, reference, quantity, figure, uri = prepared.rows
    if token:
        out.token += [(a, b, rid, d) for a, b, _, d in token]
    if string:
        out.string += [(a, b, rid, d) for a, b, _, d in string]
    if date:
        out.date += [(a, b, c, d, rid) for a, b, c, d, _ in date]
    if reference:
        out.reference += [(a, b, rid, d) for a, b, _, d in reference]
    if quantity:
        out.quantity += [(a, b, c, rid, e, f) for a, b, c, _, e, f in quantity]
    if figure:
        out.number += [(a, b, rid) for a, b, _ in figure]
    if uri:
        out.uri += [(a, b, rid) for a, b, _ in uri]
