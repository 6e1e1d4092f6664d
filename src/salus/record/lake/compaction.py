"""Compaction: segments and closings folded into base files, so that reading stays as quick as at first.

A fold writes new files beside the old and publishes them together; until then nothing has changed. It
works a bucket of patients at a time, so that memory does not grow with the table.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import duckdb
import msgspec

from salus.record.lake.folder import Folder
from salus.record.lake.manifest import DataFile, Manifest, Run, Table
from salus.record.lake.segments import GROUP_ROWS, synced, worker

SMALL_FILES = 8
"""Segments of a table, or closings of a type, from which they are merged into one."""
SHARE = 0.2
"""Of a type's base rows: more in segments and closings are folded into them."""
LEAST_ROWS = 10_000
"""Fewer rows than this in segments and closings are never worth a fold."""
BUCKET_ROWS = 1_000_000
PAST_FILES = 16
BASE = ("built", "open", "past")
Progress = Callable[[str, int, int | None], None]


def compact(
    folder: Folder,
    manifest: Manifest,
    *,
    everything: bool = False,
    memory: str = "1GB",
    progress: Progress = lambda *_: None,
    bucket_rows: int = BUCKET_ROWS,
) -> Manifest:
    """Fold and merge what is due (`everything`: all) and publish after each type; return the manifest.

    Only for the lake's writer. What the tables say, at any date, is the same afterwards.
    """
    types = sorted({table.resource_type for table in manifest.tables.values()})
    for done, name in enumerate(types):
        progress("compact", done, len(types))
        began = time.monotonic()
        work = _Work(folder, manifest, memory, bucket_rows)
        tables = [t for t in manifest.tables.values() if t.resource_type == name]
        if everything or _due(tables, manifest.closings.get(name, ())):
            manifest = _publish(folder, work.fold(name, tables), f"fold {name}", began)
        elif merged := work.merge(name, tables):
            manifest = _publish(folder, merged, f"merge {name}", began)
    if _links_due(manifest.links, everything=everything):
        work = _Work(folder, manifest, memory, bucket_rows)
        manifest = _publish(folder, work.fold_links(), "fold person_link", time.monotonic())
    progress("compact", len(types), len(types))
    return manifest


def _due(tables: Sequence[Table], closings: Sequence[DataFile]) -> bool:
    """Say whether a type's tables hold so much that is loose that folding it in is worth rewriting them.

    All tables of a type are weighed together, since they share closings and are folded together: one with
    few rows must not have the large ones rewritten at each refresh.
    """
    files = [file for table in tables for file in table.files]
    base = sum(file.rows for file in files if file.part in BASE)
    loose = sum(file.rows for file in files if file.part not in BASE) + sum(file.rows for file in closings)
    return loose > max(LEAST_ROWS, SHARE * base)


def _links_due(links: Sequence[DataFile], *, everything: bool) -> bool:
    loose = [f for f in links if f.part != "base"]
    base = sum(f.rows for f in links if f.part == "base")
    rows = sum(f.rows for f in loose)
    return bool(loose) and (everything or len(loose) > SMALL_FILES or rows > max(LEAST_ROWS, SHARE * base))


def _publish(folder: Folder, manifest: Manifest, kind: str, began: float) -> Manifest:
    run = Run(manifest.number, time.time_ns() // 1000, round(time.monotonic() - began, 3), kind)
    manifest = msgspec.structs.replace(manifest, runs=(*manifest.runs, run)[-100:])
    folder.sync_tables(file.path for file in manifest.files())
    folder.publish(manifest)
    return manifest


@dataclass(slots=True)
class _Work:
    folder: Folder
    manifest: Manifest
    memory: str
    bucket_rows: int

    @property
    def number(self) -> int:
        return self.manifest.number + 1

    def files(self, files: Iterable[DataFile]) -> str:
        """Return the table function that reads some files."""
        names = ", ".join("'" + str(self.folder.root / f.path).replace("'", "''") + "'" for f in files)
        return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"

    def fold(self, name: str, tables: Sequence[Table]) -> Manifest:
        """Fold all segments and closings of a type into the base files of its tables."""
        closings = self.manifest.closings.get(name, ())
        folded = {table.name: self._table(table, closings) for table in tables}
        return msgspec.structs.replace(
            self.manifest,
            number=self.number,
            tables=self.manifest.tables | folded,
            closings={k: v for k, v in self.manifest.closings.items() if k != name},
        )

    def _table(self, table: Table, closings: Sequence[DataFile]) -> Table:
        if not table.files:
            return table
        with self._connection() as connection:
            past = [f for f in table.files if f.part == "past"]
            if past and len(past) < PAST_FILES and not self._reopened(connection, past, closings):
                kept = past  # what was superseded stays superseded at the same instant: nothing to rewrite
            else:
                kept = []
            moved = [f for f in table.files if f not in kept]
            if not moved:
                return table
            made = self._rewrite(connection, table, moved, closings)
        return msgspec.structs.replace(table, files=(*kept, *made))

    def _reopened(
        self, connection: duckdb.DuckDBPyConnection, past: Sequence[DataFile], closings: Sequence[DataFile]
    ) -> bool:
        """Whether a version came whose clock ran behind: it ends superseded versions earlier than noted."""
        if not closings:
            return False
        row = connection.execute(
            f"select count(*) from {self.files(past)} p join {self.files(closings)} c"  # noqa: S608 - our own files
            " on c.rid = p.rid and c.version > p.version and c.valid_to < p.valid_to"
        ).fetchone()
        return bool(row and row[0])

    def _rewrite(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        moved: Sequence[DataFile],
        closings: Sequence[DataFile],
    ) -> list[DataFile]:
        rows = self.files(moved)
        if closings:
            connection.execute(
                "create temp table ended as select d.rid, d.version, min(c.valid_to) as ended"  # noqa: S608 - our own files
                f" from (select distinct rid, version from {rows}) d join {self.files(closings)} c"
                " on c.rid = d.rid and c.version > d.version group by d.rid, d.version"
            )
            whole = (
                "select d.* replace (least(d.valid_to, e.ended) as valid_to)"  # noqa: S608 - our own files
                f" from {rows} d left join ended e on e.rid = d.rid and e.version = d.version"
            )
        else:
            whole = f"select * from {rows}"  # noqa: S608 - our own files
        count = max(1, -(-sum(f.rows for f in moved) // self.bucket_rows))
        if count == 1:
            return self._parts(connection, table.name, f"({whole})", None)
        stage = self.folder.work / f"fold-{table.name}-{time.monotonic_ns()}"
        try:
            connection.execute(
                f"copy (select *, coalesce(patient_rid, rid) % {count} as lake_bucket from ({whole}))"  # noqa: S608
                f" to '{stage}' (format parquet, compression zstd, compression_level 1,"
                " partition_by (lake_bucket))"
            )
            made: list[DataFile] = []
            for bucket in range(count):
                place = stage / f"lake_bucket={bucket}"
                if place.is_dir():
                    some = f"read_parquet('{place}/*.parquet', hive_partitioning = false)"
                    made += self._parts(connection, table.name, some, bucket)
                    shutil.rmtree(place)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        return made

    def _parts(
        self, connection: duckdb.DuckDBPyConnection, table: str, rows: str, bucket: int | None
    ) -> list[DataFile]:
        made = []
        for part, where in (("open", "is null"), ("past", "is not null")):
            query = f"select * from {rows} where valid_to {where} order by patient_rid, rid, version"  # noqa: S608
            made += self._copy(connection, table, part, query, bucket)
        return made

    def _copy(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        part: str,
        query: str,
        bucket: int | None = None,
    ) -> list[DataFile]:
        """Write one file; none if there are no rows."""
        name, path = self.folder.new_path(table, self.number, part)
        connection.execute(
            f"copy ({query}) to '{path}' (format parquet, compression zstd, compression_level 1,"
            f" row_group_size {GROUP_ROWS})"
        )
        column = "valid_to" if part == "closing" else "valid_from"
        row = connection.execute(
            f"select count(*), coalesce(min({column}), 0), coalesce(max({column}), 0)"  # noqa: S608
            f" from read_parquet('{path}')"
        ).fetchone()
        if not row or not row[0]:
            path.unlink()
            return []
        return [DataFile(name, row[0], synced(path), row[1], row[2], part, bucket)]

    def merge(self, name: str, tables: Sequence[Table]) -> Manifest | None:
        """Merge small files of a type where there are many; None if there is nothing to merge."""
        changed: dict[str, Table] = {}
        closings = self.manifest.closings.get(name, ())
        for table in tables:
            small = [f for f in table.files if f.part == "segment"]
            if len(small) > SMALL_FILES:
                kept = [f for f in table.files if f.part != "segment"]
                with self._connection() as connection:
                    query = f"select * from {self.files(small)} order by rid, version"  # noqa: S608
                    made = self._copy(connection, table.name, "segment", query)
                changed[table.name] = msgspec.structs.replace(table, files=(*kept, *made))
        merged = closings
        if len(closings) > SMALL_FILES:
            with self._connection() as connection:
                query = f"select * from {self.files(closings)} order by rid, version"  # noqa: S608
                merged = tuple(self._copy(connection, f"closing-{name.lower()}", "closing", query))
        if not changed and merged is closings:
            return None
        return msgspec.structs.replace(
            self.manifest,
            number=self.number,
            tables=self.manifest.tables | changed,
            closings=self.manifest.closings | ({name: merged} if merged else {}),
        )

    def fold_links(self) -> Manifest:
        """Write whose each patient record is, and until when, into one file."""
        query = (
            "select seq, patient_rid, person_id, valid_from, min(valid_from) over (partition by patient_rid"  # noqa: S608
            " order by seq rows between 1 following and unbounded following) as valid_to"
            f" from {self.files(self.manifest.links)} order by patient_rid, seq"
        )
        with self._connection() as connection:
            made = self._copy(connection, "person_link", "base", query)
        return msgspec.structs.replace(self.manifest, number=self.number, links=tuple(made))

    def _connection(self) -> duckdb.DuckDBPyConnection:
        return worker(self.folder, self.memory)
