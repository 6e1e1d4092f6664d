"""Writing: a batch becomes versions, history, change feed and search index, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from salus.record import consent, json, sensitive
from salus.record.rules.r4 import kind_of, type_names
from salus.record.store import stamp
from salus.record.store.extract import IndexRows
from salus.record.store.index import extract, patient_id
from salus.record.store.preparing import Prepared, number, source_of, tail_of
from salus.record.store.tables import CHANGE, HISTORY, INDEX, Key, Tables, tables
from salus.record.store.types import InvalidWrite, Op, Outcome, VersionConflict, Write, Written
from salus.record.store.upgrading import parse

ATTEMPTS = 5  # another writer storing the same new resource between our look and our insert, again and again


@dataclass(slots=True)
class _Row:
    """A resource while its batch is worked on. `version` 0: nothing is stored under its id yet."""

    kind: int
    type: str
    id: str
    rid: int = 0
    version: int = 0
    person_id: UUID | None = None
    patient_rid: int | None = None
    source_id: int | None = None
    message_id: int | None = None
    source_time: int | None = None
    updated: int = 0
    deleted: bool = False
    body: bytes = b""
    stored: bool = False  # a row exists in the database
    stored_body: bytes = b""  # what the search index was extracted from
    stored_resource: dict[str, Any] | None = None  # the same, once it was read
    patient: str | None = None
    resource: dict[str, Any] | None = None
    prepared: Prepared | None = None
    changed: bool = False

    @property
    def indexed(self) -> bool:
        """Whether the present version has content, which the search index is to hold."""
        return self.resource is not None or self.prepared is not None

    def before(self) -> dict[str, Any]:
        """Return the resource that the search index was extracted from."""
        if self.stored_resource is None:
            self.stored_resource = json.loads(self.stored_body)
        return self.stored_resource

    def held(self) -> dict[str, Any]:
        """Return the content of the present version."""
        if self.body is self.stored_body:
            return stamp.content_of(self.before())
        return stamp.content(self.body)

    def add_to(self, rows: IndexRows) -> None:
        """Add the index rows of the present version."""
        if self.prepared is not None:
            number(self.prepared, self.rid, rows)
        elif self.resource is not None:
            extract(self.type, self.resource, self.rid, rows)


@dataclass(slots=True)
class _Batch:
    """What a batch will write, gathered before the first statement."""

    rows: dict[Key, _Row] = field(default_factory=dict)
    history: list[tuple[_Row, tuple[Any, ...]]] = field(default_factory=list)
    changes: list[tuple[_Row, int, Op]] = field(default_factory=list)
    results: list[tuple[_Row, Outcome, int, bytes]] = field(default_factory=list)


def write(cursor: CursorWrapper, writes: Sequence[Write], *, now: datetime) -> list[Written]:
    """Write a batch and return what became of each write, in its order.

    Everything happens through `cursor`, in the caller's transaction; the result is the same as writing
    one by one. The bytes stored are the resource with `id`, `meta.versionId`, `meta.lastUpdated` (`now`)
    and `meta.source` set. Identical content makes no new version. A resource belongs to the person of
    the Patient that it refers to; a Patient that has not arrived gets a row of version 0, so that its
    dependants follow it when it is linked (`reassign`). Writing Patients before their dependants saves
    that second step. Batches of 100 to 2,000 are fastest; keep transactions under 50 ms while serving.

    Raises `InvalidWrite` for a bad id, type or body and `VersionConflict` where `if_version` or `create`
    does not hold; then nothing of the batch was written.
    """
    if not writes:
        return []
    store = tables(cursor)
    with cursor.db.wrap_database_errors:  # the tables go past Django's cursor, which would do this
        for _ in range(ATTEMPTS):
            batch = _decide(store, writes, stamp.micros(now))
            if _apply(store, batch):
                break
        else:
            raise VersionConflict(
                "version-conflict", "Others keep writing the same resources", fix="Send the batch again"
            )
    written = [
        Written(outcome, row.rid, version, row.type, row.id, row.person_id, row.patient_rid, body)
        for row, outcome, version, body in batch.results
    ]
    sensitive.note(cursor, written)
    consent.note(cursor, written)
    return written


def _decide(store: Tables, writes: Sequence[Write], at: int) -> _Batch:
    """Work out versions, outcomes and bytes without writing anything."""
    batch = _Batch()
    keys: list[Key] = []
    for one in writes:
        if not stamp.ID.fullmatch(one.id):
            raise InvalidWrite("bad-id", "A resource id is 1 to 64 letters, digits, dots and hyphens")
        keys.append((kind_of(one.type), one.id))
    names = type_names()
    for values in store.fetch(dict.fromkeys(keys)):
        batch.rows[values[1], values[2]] = _loaded(values, names[values[1]])
    updated = stamp.instant(at)
    for key, one in zip(keys, writes, strict=True):
        row = batch.rows.get(key)
        if row is None:
            row = batch.rows[key] = _Row(key[0], one.type, one.id)
        _one(batch, row, one, at, updated)
    return batch


def _loaded(values: tuple[Any, ...], name: str) -> _Row:
    rid, kind, id_, version, person, patient_rid, source_id, message_id, time, updated, deleted, body = values
    body = bytes(body)
    return _Row(
        kind, name, id_, rid, version, as_uuid(person), patient_rid, source_id, message_id, time, updated,
        bool(deleted), body, stored=True, stored_body=body,
    )  # fmt: skip


def as_uuid(value: Any) -> UUID | None:
    """Return a person's id whichever way the database keeps it."""
    return value if value is None or isinstance(value, UUID) else UUID(hex=value)


def _one(batch: _Batch, row: _Row, one: Write, at: int, updated: str) -> None:
    """Apply one write to its row."""
    exists = row.version > 0 and not row.deleted
    if one.if_version is not None and one.if_version != (row.version if exists else 0):
        raise VersionConflict(
            "version-conflict",
            "The resource is at another version than the one that was changed",
            fix="Read it again and repeat the change",
        )
    if one.method == "create" and exists:
        raise VersionConflict("already-exists", "A resource with this id exists", fix="Update it instead")
    time = stamp.micros(one.source_time) if one.source_time else None
    if row.version and time is not None and row.source_time is not None and time < row.source_time:
        batch.results.append((row, "stale", row.version, row.body))
        return
    if one.method == "delete":
        if exists:
            _next_version(batch, row, one, at, time, b"", None, None)
            batch.results.append((row, "deleted", row.version, b""))
        else:
            batch.results.append((row, "unchanged", row.version, b""))
        return
    if one.method == "ensure" and row.version:
        batch.results.append((row, "unchanged", row.version, row.body))
        return
    resource, prepared = one.body, one.prepared if one.method != "overlay" else None
    if prepared is not None:
        tail = prepared.tail
    elif isinstance(resource, dict):
        if one.method == "overlay" and exists:
            resource = _overlaid(row.held(), resource)
        tail = tail_of(resource, source_of(one.source, one.source_id))
    else:
        raise InvalidWrite("no-body", "A write other than a delete needs a resource")
    body = stamp.head(row.type, row.id, row.version + 1, updated) + tail
    if exists:
        old = stamp.tail_of(row.body, row.type, row.id, row.version)
        if old == tail or stamp.canonical(row.held()) == stamp.canonical(
            stamp.content_of(resource) if resource and prepared is None else stamp.content(body)
        ):
            if time is not None:
                row.source_time = time
                row.changed = True
            batch.results.append((row, "unchanged", row.version, row.body))
            return
    _next_version(batch, row, one, at, time, body, resource, prepared)
    batch.results.append((row, "updated" if exists else "created", row.version, body))


def _overlaid(held: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return what is held with what is given laid over it; a period's ends are laid over one by one.

    A discharge that says only when the stay ended does not take its beginning away.
    """
    laid = held | given
    before, after = held.get("period"), given.get("period")
    if isinstance(before, dict) and isinstance(after, dict):
        laid["period"] = {end: value for end, value in (before | after).items() if value is not None}
    return laid


def _next_version(
    batch: _Batch,
    row: _Row,
    one: Write,
    at: int,
    time: int | None,
    body: bytes,
    resource: dict[str, Any] | None,
    prepared: Prepared | None,
) -> None:
    if row.version:
        batch.history.append(
            (
                row,
                (
                    row.version,
                    row.source_id,
                    row.message_id,
                    row.source_time,
                    row.updated,
                    row.deleted,
                    row.body,
                ),
            )
        )
    else:
        row.person_id = row.person_id or one.person_id
    op = Op.DELETE if not body else Op.UPDATE if row.version and not row.deleted else Op.CREATE
    row.version += 1
    row.source_id, row.message_id, row.updated = one.source_id, one.message_id, at
    row.source_time = time if time is not None else row.source_time
    row.deleted, row.body, row.changed = not body, body, True
    row.resource, row.prepared = resource, prepared
    batch.changes.append((row, row.version, op))


def _apply(store: Tables, batch: _Batch) -> bool:
    """Write the batch; False if another writer was first with one of its new resources."""
    changed = [row for row in batch.rows.values() if row.changed]
    if not changed:
        return True
    stubs = _belong(store, batch, changed)
    fresh = [row for row in changed if not row.stored] + stubs
    for row, rid in zip(fresh, store.allocate(len(fresh)) if fresh else (), strict=True):
        row.rid = rid
    _follow(batch, changed)
    if fresh and not store.insert_resources([_values(store, row) for row in fresh]):
        return False
    if known := [_values(store, row) for row in changed if row.stored]:
        store.update_resources(known)
    if batch.history:
        store.insert("record_history", HISTORY, [(row.rid, *values) for row, values in batch.history])
    if batch.changes:
        store.insert(
            "record_change",
            CHANGE,
            [
                (row.rid, row.kind, version, store.person(row.person_id), int(op))
                for row, version, op in batch.changes
            ],
        )
    _reindex(store, changed)
    return True


def _belong(store: Tables, batch: _Batch, changed: Sequence[_Row]) -> list[_Row]:
    """Find the Patient of each changed resource; return rows to make for those that have not arrived."""
    kind = kind_of("Patient")
    wanted: set[str] = set()
    for row in changed:
        if row.prepared is not None:
            row.patient = row.prepared.patient
        elif row.resource is not None:
            row.patient = row.id if row.kind == kind else patient_id(row.type, row.resource)
        else:
            continue
        if row.patient is not None and (kind, row.patient) not in batch.rows:
            wanted.add(row.patient)
    for id_, rid, person in store.patients([(kind, one) for one in sorted(wanted)]) if wanted else ():
        batch.rows[kind, id_] = _Row(kind, "Patient", id_, rid, person_id=as_uuid(person), stored=True)
        wanted.discard(id_)
    stubs = [_Row(kind, "Patient", id_) for id_ in sorted(wanted)]
    for stub in stubs:
        batch.rows[kind, stub.id] = stub
    return stubs


def _follow(batch: _Batch, changed: Sequence[_Row]) -> None:
    """Give each changed resource its Patient's number and person."""
    kind = kind_of("Patient")
    for row in changed:
        if not row.indexed:
            continue
        before = row.patient_rid
        if row.patient is None:
            row.patient_rid = None
            row.person_id = None if before is not None else row.person_id
            continue
        patient = batch.rows[kind, row.patient]
        row.patient_rid = patient.rid
        if row is not patient:
            same = before is None or before == patient.rid
            row.person_id = patient.person_id or (row.person_id if same else None)


def _values(store: Tables, row: _Row) -> tuple[Any, ...]:
    return (
        row.rid, row.kind, row.id, row.version, store.person(row.person_id), row.patient_rid, row.source_id,
        row.message_id, row.source_time, row.updated, row.deleted, row.body,
    )  # fmt: skip


def _reindex(store: Tables, changed: Iterable[_Row]) -> None:
    """Bring the index tables from the bodies they were made of to the present ones."""
    come = IndexRows()
    gone = IndexRows()
    text = store.upgrade()
    if text is not None and (upgrade := parse(text)).name == "index" and upgrade.phase == "copy":
        changed = list(changed)
        _reindex_both(store, changed, upgrade.after)
        return
    old, new = IndexRows(), IndexRows()
    for row in changed:
        if not row.stored_body:
            row.add_to(come)
        elif row.indexed or row.deleted:
            extract(row.type, row.before(), row.rid, old)
            row.add_to(new)
    # Rows hold the number of their resource, so all resources are compared at once
    old.part(new, gone, come)
    _exchange(store, gone, come)


def _exchange(store: Tables, gone: IndexRows, come: IndexRows, suffix: str = "") -> None:
    for table, columns in INDEX.items():
        if rows := gone.of(table):
            store.delete(f"record_{table}{suffix}", columns, _ordered(rows))
        if rows := come.of(table):
            store.insert(f"record_{table}{suffix}", columns, _ordered(rows))


def _reindex_both(store: Tables, changed: Sequence[_Row], after: int) -> None:
    """Bring the index and the one being built up to date, which holds the resources up to number `after`.

    What the rules before took from a body is not known: the rows to come may be there already.
    """
    for suffix, rows in (("", changed), ("_new", [row for row in changed if row.rid <= after])):
        come = IndexRows()
        gone = IndexRows()
        for row in rows:
            if row.stored_body and (row.indexed or row.deleted):
                extract(row.type, row.before(), row.rid, gone)
                row.add_to(gone)
            if row.indexed:
                row.add_to(come)
        _exchange(store, gone, come, suffix)


def _ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return rows in the order of the table's tree, so that neighbours fall into one leaf, each once."""
    rows.sort()
    return [row for row, before in zip(rows, (None, *rows), strict=False) if row != before]
