"""Row versions become Parquet: bodies gathered by resource type, flattened by each view, written in turn."""

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from salus.record.lake.definitions import KEPT, Definition, by_type
from salus.record.lake.folder import Folder
from salus.record.lake.manifest import DataFile

ROWS = 20_000
"""Versions of one type that are flattened at once."""
BYTES = 16 << 20
"""Bytes of bodies of one type after which they are flattened, however few."""
HELD_BODIES = 48 << 20
"""Bytes of bodies of all types together: beyond, the type with most is flattened."""
HELD_ROWS = 96 << 20
"""Bytes of rows of all tables that wait to be written: beyond, the table with most is written."""
FILE_ROWS = 4_000_000
GROUP_ROWS = 122_880

BODIES = pa.schema(
    [
        ("rid", pa.int64()),
        ("version", pa.int32()),
        ("patient_rid", pa.int64()),
        ("source_id", pa.int32()),
        ("valid_from", pa.int64()),
        ("valid_to", pa.int64()),
        ("body", pa.string()),
    ]
)
CLOSINGS = pa.schema([("rid", pa.int64()), ("version", pa.int32()), ("valid_to", pa.int64())])
LINKS = pa.schema(
    [("seq", pa.int64()), ("patient_rid", pa.int64()), ("person_id", pa.string()), ("valid_from", pa.int64())]
)
MEMORY = "1GB"
"""What DuckDB may take for the lake's own work."""


class Rows:
    """One table's rows on their way into files; nobody reads them before a manifest names them."""

    def __init__(self, folder: Folder, table: str, number: int, part: str) -> None:
        self.folder, self.table, self.number, self.part = folder, table, number, part
        self.files: list[DataFile] = []
        self.bytes = 0
        self._held: list[pa.Table] = []
        self._waiting = 0
        self._writer: pq.ParquetWriter | None = None
        self._name, self._path = "", Path()
        self._rows, self._since, self._until = 0, 2**62, 0

    def add(self, rows: pa.Table) -> None:
        """Append rows; they are written when enough have come."""
        if not rows.num_rows:
            return
        self._held.append(rows)
        self._waiting += rows.num_rows
        self.bytes += rows.nbytes
        if self._waiting >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._held:
            return
        rows = pa.concat_tables(self._held)
        self._held, self._waiting, self.bytes = [], 0, 0
        if self._writer is None:
            self._name, self._path = self.folder.new_path(self.table, self.number, self.part)
            self._writer = writer(self._path, rows.schema)
        self._writer.write_table(rows, row_group_size=GROUP_ROWS)
        self._rows += rows.num_rows
        if "valid_from" in rows.column_names:
            bounds = pc.min_max(rows["valid_from"])
            low, high = bounds["min"], bounds["max"]
            self._since, self._until = min(self._since, low.as_py()), max(self._until, high.as_py())
        if self._rows >= FILE_ROWS:
            self._end()

    def _end(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        size = synced(self._path)
        since = self._since if self._since < 2**62 else 0
        self.files.append(DataFile(self._name, self._rows, size, since, self._until, self.part))
        self._writer, self._rows, self._since, self._until = None, 0, 2**62, 0

    def close(self) -> list[DataFile]:
        """Write what waits and return the files, on disk."""
        self.flush()
        self._end()
        return self.files


def writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of one of the lake's files."""
    return pq.ParquetWriter(path, schema, compression="zstd", compression_level=1)


def synced(path: Path) -> int:
    """Have the disk hold a file's content; return its size."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o600)
    return path.stat().st_size


class Flattener:
    """Gathers versions by resource type and gives every view of the type its rows of them."""

    def __init__(
        self,
        folder: Folder,
        number: int,
        definitions: Iterable[Definition],
        connection: duckdb.DuckDBPyConnection,
        part: str = "segment",
    ) -> None:
        self.connection = connection
        self.views = by_type(definitions)
        self.rows = {
            d.name: Rows(folder, d.name, number, part) for views in self.views.values() for d in views
        }
        self.refused: dict[str, list[tuple[int, int]]] = {name: [] for name in self.rows}
        self._held: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.views}
        self._bytes = dict.fromkeys(self.views, 0)
        self.bytes = 0

    def add(self, resource_type: str, row: tuple[Any, ...]) -> None:
        """Take a version: rid, version, patient_rid, source_id, valid_from, valid_to, body (bytes)."""
        held = self._held.get(resource_type)
        if held is None:
            return
        held.append(row)
        self._bytes[resource_type] += len(row[6])
        self.bytes += len(row[6])
        if len(held) >= ROWS or self._bytes[resource_type] >= BYTES:
            self._flatten(resource_type)
        elif self.bytes >= HELD_BODIES:
            self._flatten(max(self._bytes, key=lambda name: self._bytes[name]))

    def _flatten(self, resource_type: str) -> None:
        held = self._held[resource_type]
        if not held:
            return
        self.bytes -= self._bytes[resource_type]
        self._held[resource_type], self._bytes[resource_type] = [], 0
        bodies = arrow(held)
        for view in self.views[resource_type]:
            for rows in self._view(view, bodies):
                self.rows[view.name].add(rows)
        while sum(rows.bytes for rows in self.rows.values()) > HELD_ROWS:
            max(self.rows.values(), key=lambda rows: rows.bytes).flush()

    def _view(self, view: Definition, bodies: pa.Table) -> list[pa.Table]:
        """Return a view's rows of some versions; one that the view cannot read is left out and noted."""
        self.connection.register("lake_bodies", bodies)
        try:
            return [self.connection.sql(view.sql("lake_bodies", KEPT)).to_arrow_table()]
        except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.IOException):
            raise  # the view itself is at fault, or the disk: no row is
        except duckdb.Error:
            if bodies.num_rows == 1:
                self.refused[view.name].append((bodies["rid"][0].as_py(), bodies["version"][0].as_py()))
                return []
        finally:
            self.connection.unregister("lake_bodies")
        half = bodies.num_rows // 2
        return self._view(view, bodies.slice(0, half)) + self._view(view, bodies.slice(half))

    def close(self) -> dict[str, list[DataFile]]:
        """Flatten what waits and return each table's files, on disk."""
        for resource_type in self.views:
            self._flatten(resource_type)
        return {name: rows.close() for name, rows in self.rows.items()}


def arrow(held: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Return versions as an Arrow table with the bodies as text."""
    columns = list(zip(*held, strict=True))
    arrays: list[pa.Array] = [pa.array(c, type=f.type) for c, f in zip(columns[:6], BODIES, strict=False)]
    bodies = pa.array(columns[6], type=pa.binary())
    arrays.append(bodies.view(pa.string()))  # the store wrote them: valid UTF-8
    return pa.Table.from_arrays(arrays, schema=BODIES)


def worker(folder: Folder, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB of the lake's own work: bounded memory, spilling into the lake's folder."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory,
            "temp_directory": str(folder.work / f"spill-{time.monotonic_ns()}"),
            "preserve_insertion_order": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("set TimeZone = 'UTC'")
    return connection
