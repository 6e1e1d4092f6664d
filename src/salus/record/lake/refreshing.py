"""Refreshing: what the store has that the lake has not, as new files and one publication.

A table whose view is new or changed is built anew from all versions; the others get a segment of the
versions that came, and closings for those they superseded. Everything is of one instant of the store.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from salus.record import json
from salus.record.lake import compaction
from salus.record.lake.definitions import Definition
from salus.record.lake.folder import GRACE, Folder
from salus.record.lake.manifest import DataFile, Manifest, Run, Table, TableColumn
from salus.record.lake.segments import CLOSINGS, LINKS, MEMORY, Flattener, Rows, worker
from salus.record.lake.source import BATCH, Row, Source, snapshot
from salus.record.rules.r4 import kind_of, type_names
from salus.record.store.index import patient_id
from salus.record.store.types import Op

RUNS = 100
LINKS_NAME = "person_link"
Progress = Callable[[str, int, int | None], None]


def _quiet(_step: str, _done: int, _total: int | None) -> None:
    return


@dataclass(slots=True)
class _Made:
    """What a refresh has written so far."""

    lines: int = 0
    files: dict[str, list[DataFile]] = field(default_factory=dict)
    closings: dict[str, list[DataFile]] = field(default_factory=dict)
    links: list[DataFile] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


def refresh(
    root: Path,
    definitions: Sequence[Definition],
    *,
    anew: bool = False,
    grace: float = GRACE,
    compact: bool = True,
    memory: str = MEMORY,
    wait: float = 0.0,
    progress: Progress = _quiet,
) -> Manifest:
    """Bring the lake up to the store and publish; return the manifest.

    `anew` builds every table from the start, which also happens when the store is not the one that was
    read before (another database, one restored from a backup). Old files stay `grace` seconds. It may be
    killed at any moment: readers keep the publication before, and the next refresh begins after it.
    Raises `Busy` if another refresh runs for more than `wait` seconds.
    """
    folder = Folder(root)
    with folder.writing(wait=wait):
        folder.sweep(grace=grace)
        began = time.monotonic()
        before = None if anew else folder.current()
        number = (folder.current() or Manifest(0, 0, "", "")).number + 1
        with snapshot() as source, worker(folder, memory) as connection:
            if before is not None and not source.continues(before.store, before.position, before.mark):
                before = None
            old = before.tables if before else {}
            fresh = [d for d in definitions if d.name not in old or old[d.name].fingerprint != d.fingerprint]
            kept = [d for d in definitions if d not in fresh]
            made = _Made()
            if fresh:
                _build(folder, number, source, fresh, connection, made, progress)
            if before is not None:
                _follow(folder, number, source, kept, before, connection, made, progress)
            else:
                _all_links(folder, number, source, made)
            manifest = _manifest(number, source, definitions, before, made, fresh, time.monotonic() - began)
        folder.sync_tables(file.path for file in manifest.files())
        folder.publish(manifest)
        if compact:
            manifest = compaction.compact(folder, manifest, memory=memory, progress=progress)
        folder.sweep(grace=grace)
    return manifest


def _kinds(definitions: Iterable[Definition]) -> list[int]:
    return sorted({kind_of(d.resource_type) for d in definitions})


def _build(
    folder: Folder,
    number: int,
    source: Source,
    definitions: Sequence[Definition],
    connection: duckdb.DuckDBPyConnection,
    made: _Made,
    progress: Progress,
) -> None:
    """Write the rows of every version of some types, each with the instant that ended it."""
    kinds = _kinds(definitions)
    names = type_names()
    total, done = source.count(kinds), 0
    out = Flattener(folder, number, definitions, connection, "built")
    for current, past in source.everything(kinds):
        older: dict[int, list[Row]] = defaultdict(list)
        for row in past:
            older[row[0]].append(row)
        patients = _patients_of_past(source, past, {row[0]: names[row[1]] for row in current}) if past else {}
        for rid, kind, version, patient, source_id, updated, deleted, body in current:
            name = names[kind]
            if not deleted:
                out.add(name, (rid, version, patient, source_id, updated, None, bytes(body)))
            if rid not in older:
                continue
            until = updated
            for _, version_, source_, at, gone, body_ in reversed(older[rid]):
                if not gone:
                    owner = patients.get((rid, version_))
                    out.add(name, (rid, version_, owner, source_, at, until, bytes(body_)))
                until = min(until, at)
        done += len(current)
        progress("build", done, total)
    made.files |= out.close()
    made.refused |= {name: len(found) for name, found in out.refused.items()}


def _patients_of_past(
    source: Source, past: Iterable[Row], names: dict[int, str]
) -> dict[tuple[int, int], int | None]:
    """Return whose superseded versions were: a correction may have given the resource to another patient."""
    found: dict[tuple[int, int], str] = {}
    own: dict[tuple[int, int], int | None] = {}
    for rid, version, _source, _at, deleted, body in past:
        name = names[rid]
        if name == "Patient":
            own[rid, version] = rid
        elif not deleted and (id_ := patient_id(name, json.loads(bytes(body)))) is not None:
            found[rid, version] = id_
    rids = source.patient_rids(sorted(set(found.values()))) if found else {}
    return own | {key: rids.get(id_) for key, id_ in found.items()}


def _follow(
    folder: Folder,
    number: int,
    source: Source,
    kept: Sequence[Definition],
    before: Manifest,
    connection: duckdb.DuckDBPyConnection,
    made: _Made,
    progress: Progress,
) -> None:
    """Write what came since the publication before: segments, closings and links."""
    names = type_names()
    patient = kind_of("Patient")
    types = {t.resource_type for t in before.tables.values()} & {d.resource_type for d in kept}
    out = Flattener(folder, number, kept, connection)
    closings = {name: Rows(folder, f"closing-{name.lower()}", number, "closing") for name in types}
    links = Rows(folder, LINKS_NAME, number, "segment")
    for lines in source.lines(before.position, sorted({*_kinds(kept), patient})):
        made.lines += len(lines)
        progress("changes", made.lines, None)
        versions = {(rid, version): names[kind] for _, rid, kind, version, _, op, _ in lines if op != Op.MOVE}
        times = _versions(source, versions, out)
        closed: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for (rid, version), name in versions.items():
            if version > 1 and name in closings and (rid, version) in times:
                closed[name].append((rid, version, times[rid, version]))
        for name, rows in closed.items():
            closings[name].add(_table(rows, CLOSINGS))
        links.add(_links(lines, patient, times))
    made.files |= out.close()
    made.refused |= {name: len(found) for name, found in out.refused.items()}
    made.closings = {name: rows.close() for name, rows in closings.items()}
    made.links = links.close()


def _versions(
    source: Source, versions: dict[tuple[int, int], str], out: Flattener
) -> dict[tuple[int, int], int]:
    """Flatten versions; return when each began."""
    times: dict[tuple[int, int], int] = {}
    superseded = set(versions)
    keys = sorted(versions)
    for start in range(0, len(keys), BATCH):
        part = {rid for rid, _ in keys[start : start + BATCH]}
        for rid, _kind, version, patient, source_id, updated, deleted, body in source.current(sorted(part)):
            if (rid, version) not in superseded:
                continue
            superseded.discard((rid, version))
            times[rid, version] = updated
            if not deleted:
                row = (rid, version, patient, source_id, updated, None, bytes(body))
                out.add(versions[rid, version], row)
    keys = sorted(superseded)
    for start in range(0, len(keys), 1_000):
        past = source.past(keys[start : start + 1_000])
        owners = _patients_of_past(source, past, {rid: versions[rid, version] for rid, version in keys})
        for rid, version, source_id, updated, deleted, body in past:
            times[rid, version] = updated
            if not deleted:
                owner = owners.get((rid, version))
                out.add(versions[rid, version], (rid, version, owner, source_id, updated, None, bytes(body)))
    return times


def _links(lines: Iterable[Row], patient: int, times: dict[tuple[int, int], int]) -> pa.Table:
    rows = [
        (seq, rid, _person(person), at if at is not None else times.get((rid, version), 0))
        for seq, rid, kind, version, person, op, at in lines
        if kind == patient and (op == Op.MOVE or (op == Op.CREATE and person is not None))
    ]
    return _table(rows, LINKS)


def _person(value: Any) -> str | None:
    """Return a person's id as the lake keeps it: a UUID's usual text."""
    if value is None:
        return None
    text = value.hex if hasattr(value, "hex") else str(value)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _all_links(folder: Folder, number: int, source: Source, made: _Made) -> None:
    out = Rows(folder, LINKS_NAME, number, "segment")
    for rows in source.links():
        out.add(_table([(seq, rid, _person(person), at) for seq, rid, person, at in rows], LINKS))
    made.links = out.close()


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.Table.from_arrays(
        [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def _manifest(
    number: int,
    source: Source,
    definitions: Sequence[Definition],
    before: Manifest | None,
    made: _Made,
    fresh: Sequence[Definition],
    seconds: float,
) -> Manifest:
    old = before.tables if before else {}
    rebuilt = {d.name for d in fresh}
    tables = {
        d.name: Table(
            name=d.name,
            resource_type=d.resource_type,
            fingerprint=d.fingerprint,
            columns=tuple(
                TableColumn(c.name, c.type, c.fhir_type, c.description, c.collection) for c in d.columns
            ),
            files=(() if d.name in rebuilt else old[d.name].files) + tuple(made.files.get(d.name, ())),
            description=d.description,
            refused=made.refused.get(d.name, 0) + (0 if d.name in rebuilt else old[d.name].refused),
            built=source.read_at if d.name in rebuilt else old[d.name].built,
        )
        for d in definitions
    }
    types = {d.resource_type for d in definitions}
    closings = {
        name: (before.closings.get(name, ()) if before else ()) + tuple(made.closings.get(name, ()))
        for name in sorted(types)
    }
    rows = {name: sum(f.rows for f in files) for name, files in made.files.items() if files}
    run = Run(
        number,
        source.read_at,
        round(seconds, 3),
        "refresh" if before else "build",
        made.lines,
        rows,
        tuple(sorted(rebuilt)),
    )
    idle = not made.lines and not rebuilt
    runs = (before.runs if before else ()) + (() if idle else (run,))
    return Manifest(
        number=number,
        read_at=source.read_at,
        position=source.position,
        store=source.store,
        mark=source.mark(),
        tables=tables,
        closings={name: files for name, files in closings.items() if files},
        links=(before.links if before else ()) + tuple(made.links),
        runs=runs[-RUNS:],
    )
