"""Link files of people: their columns, their rows numbered, and the clusters written beside the ids."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from salus.kernel.errors import Invalid
from salus.record.identity.engine import schema as schemas
from salus.record.identity.engine.bulk import (
    Bulk,
    Layout,
    Limits,
    Linking,
    Progress,
    Weigher,
    _silent,
    workspace,
)
from salus.record.identity.engine.cluster import Ints
from salus.record.identity.engine.quality import Quality
from salus.record.identity.engine.resident import NEWBORN_NAMES, SCHEMA
from salus.record.identity.engine.schema import LinkSchema
from salus.record.identity.engine.setwise import SetWise
from salus.record.identity.engine.weights import Model, Shared

_LAKE = {
    "unique_id": "patient_id",
    "name": "case when regexp_matches(coalesce(name, concat(family_name, given_name)), '{newborn}') then null"
    " else coalesce(name, concat(family_name, given_name)) end",
    "birth": "birth_date",
    "sex": "sex",
    "phone": "phone",
    "number": "resident_id",
    "address": "coalesce(address_text, address_line)",
}
_LAKE_COLUMNS = {"patient_id", "source_system", "resident_id", "name", "family_name", "given_name", "sex",
                 "birth_date", "phone", "address_text", "address_line"}  # fmt: skip
_BATCH = 1_000_000
_TRAINED_ON = 30_000


@dataclass(frozen=True, slots=True)
class FileLink:
    """What a link of files gave: the outcome, how many records, and its quality where the truth is known."""

    bulk: Bulk
    records: int
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class People:
    """Parquet files of people, in order: the schema, and the query of its columns and `rid`."""

    files: tuple[Path, ...]
    schema: LinkSchema
    id_column: str
    source: str
    rows: int


def household(schema: LinkSchema) -> Shared | None:
    """Return what people who live together share, where a table has names, phones and addresses."""
    shared = tuple(schema.of("phone", "address"))
    if not (schema.has_name and schema.of("phone") and schema.of("address") and schema.of("resident_id")):
        return None
    return Shared(shared, "family", 1.0)


def parquet_files(path: Path) -> tuple[Path, ...]:
    """Return the Parquet files of a path: a file, or a folder's by name. Raises `Invalid` if none."""
    files = tuple(sorted(path.rglob("*.parquet"))) if path.is_dir() else (path,)
    if not files or not all(f.is_file() for f in files):
        raise Invalid("link-file", "The file of records is not there", where=path.name)
    return files


def open_parquet(con: duckdb.DuckDBPyConnection, path: Path, columns: Path | None = None) -> People:
    """Open Parquet files of people; a patient table of the lake is read as the record's own linkage reads it.

    Raises `Invalid` if the files cannot be read, have no rows, or an id is missing or comes twice.
    """
    files = parquet_files(path)
    try:
        counts = [pq.read_metadata(f).num_rows for f in files]
        header = pq.read_schema(files[0]).names
    except (OSError, pa.ArrowException) as error:
        raise Invalid(
            "link-file", "The file of records cannot be read as Parquet", where=path.name
        ) from error
    starts = np.r_[0, np.cumsum(counts)]
    if not starts[-1] or starts[-1] >= 2**31:
        raise Invalid("link-file", "The files hold no records, or over two thousand million", where=path.name)
    con.register(
        "linkage_files",
        pa.table({"filename": [str(f) for f in files], "start": pa.array(starts[:-1], pa.int64())}),
    )
    listed = ", ".join("'" + str(f).replace("'", "''") + "'" for f in files)
    numbered = (
        f"(select f.*, (f.file_row_number + o.start)::int as rid from read_parquet([{listed}],"  # noqa: S608
        " file_row_number = true, filename = true) f join linkage_files o on o.filename = f.filename)"
    )
    if columns is None and _LAKE_COLUMNS <= set(header):
        newborn = "|".join(NEWBORN_NAMES)
        named = {c: form.replace("{newborn}", newborn) for c, form in _LAKE.items()}
        form = ", ".join(f'{expression} as "{c}"' for c, expression in named.items())
        return People(files, SCHEMA, "patient_id", f"(select rid, {form} from {numbered})", int(starts[-1]))  # noqa: S608
    layout = schemas.from_toml(columns, header) if columns else schemas.guess(header)
    return People(files, layout, layout.id_column, numbered, int(starts[-1]))


def normalise(
    con: duckdb.DuckDBPyConnection, folder: Path, people: People, *, today: date, progress: Progress = _silent
) -> None:
    """Make the view `records` of normalised rows, kept as Parquet in the workspace."""
    progress("Normalise", 0, 2)
    form = SetWise(con, people.schema, people.source, today=today)
    query = form.query(also=["rid"])
    progress("Normalise", 1, 2)
    target = folder / "records.parquet"
    kept = "* exclude (unique_id)"
    con.execute(f"copy (select {kept} from ({query})) to '{target}' (format parquet, compression snappy)")  # noqa: S608
    con.execute(f"create or replace temp view records as from '{target}'")
    progress("Normalise", 2, 2)


def ids(people: People) -> pa.Array:
    """Return the ids in the files' order. Raises `Invalid` if one is missing or comes twice."""
    parts = []
    for file in people.files:
        column = pq.read_table(file, columns=[people.id_column])[people.id_column]
        parts += [c.cast(pa.large_string()) for c in column.chunks]
    found = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    if found.null_count or not _distinct(found):
        raise Invalid("link-ids", "A record's id is missing or comes twice", where=people.id_column)
    return found


def _distinct(found: pa.Array) -> bool:
    con = duckdb.connect()
    con.register("ids", pa.table({"id": found}))
    marks = con.sql("select hash(id) as h from ids").to_arrow_table()["h"].to_numpy()
    con.close()
    marks = np.sort(marks)
    twice = marks[1:][marks[1:] == marks[:-1]]
    return not len(twice) or len(pc.unique(found)) == len(found)


def sample(con: duckdb.DuckDBPyConnection, people: People) -> pa.Table:
    """Return about 30,000 records to learn weights from: all of some persons', and who resembles them.

    A random sample of records would hold hardly two of one person. So some numbers are drawn with all
    records that carry them, and with those without a number that share a phone or a name and birth date.
    """
    layout = people.schema
    normal = [c for c in layout.normal_columns() if c != "unique_id"]
    listed = ", ".join(f'"{c}"' for c in normal)
    wanted = f"select rid::varchar as unique_id, {listed} from records"  # noqa: S608
    if people.rows <= 2 * _TRAINED_ON or not layout.of("resident_id"):
        every = max(1, people.rows // (2 * _TRAINED_ON))
        key = layout.of("birth_date") or ["rid"]
        return con.sql(f'{wanted} where hash("{key[0]}") % {every} = 0 order by rid').to_arrow_table()
    every = max(2, people.rows // _TRAINED_ON)
    con.execute(
        f"create or replace temp table linkage_drawn as from records where hash(strong_id) % {every} = 0"  # noqa: S608
    )
    near = [f'"{c}" in (select "{c}" from linkage_drawn)' for c in layout.of("phone")]  # noqa: S608
    if layout.has_name and (born := layout.of("birth_date")):
        near.append(f'(given, "{born[0]}") in (select (given, "{born[0]}") from linkage_drawn)')  # noqa: S608
    where = (
        f"rid in (select rid from linkage_drawn) or strong_id is null and ({' or '.join(near) or 'false'})"  # noqa: S608
    )
    found = con.sql(f"{wanted} where {where} order by rid").to_arrow_table()  # noqa: S608
    con.execute("drop table linkage_drawn")
    return found


def write(output: Path, ids_: pa.Array, label: NDArray[np.int32]) -> None:
    """Write `record_id` and `cluster_id` (the cluster's first record), in the files' order."""
    shape = pa.schema([("record_id", pa.large_string()), ("cluster_id", pa.large_string())])
    into = pq.ParquetWriter(output, shape, compression="zstd") if output.suffix == ".parquet" else (
        pacsv.CSVWriter(output, shape))  # fmt: skip
    with into as writer:
        for start in range(0, len(ids_), _BATCH):
            some = label[start : start + _BATCH]
            writer.write_table(
                pa.table([ids_.slice(start, len(some)), ids_.take(pa.array(some))], schema=shape)
            )


def truth_of(con: duckdb.DuckDBPyConnection, people: People, truth: str) -> Ints:
    """Return each record's true person as a number: `truth` is a column of the files, or PATH:COLUMN.

    The other files are joined by the id column. Raises `Invalid` if the column or file is not there.
    """
    path, _, column = truth.rpartition(":")
    files = parquet_files(Path(path)) if path else people.files
    names = pq.read_schema(files[0]).names
    if column not in names or (path and people.id_column not in names):
        raise Invalid("link-truth", "The truth lacks its column, or the records' id", where=column)
    listed = ", ".join("'" + str(f).replace("'", "''") + "'" for f in files)
    quoted = '"' + column.replace('"', '""') + '"'
    id_ = '"' + people.id_column.replace('"', '""') + '"'
    numbered = ", ".join("'" + str(f).replace("'", "''") + "'" for f in people.files)
    source = (
        f"(select p.rid, t.{quoted} from (select {id_} as i, (file_row_number + o.start)::int as rid"  # noqa: S608
        f" from read_parquet([{numbered}], file_row_number = true, filename = true) f"
        " join linkage_files o on o.filename = f.filename) p"
        f" join read_parquet([{listed}]) t on t.{id_} = p.i)"
    )
    found = con.sql(f"select rid, hash({quoted}) as person from {source}").to_arrow_table()  # noqa: S608
    out = np.zeros(people.rows, dtype=np.uint64)
    out[found["rid"].to_numpy()] = found["person"].to_numpy()
    return np.unique(out, return_inverse=True)[1].astype(np.int64)


def link(path: Path, output: Path, model: Model | None, **how: Any) -> FileLink:
    """Link a CSV file, a Parquet file or a folder of Parquet files; see `link_parquet` for what can be said.

    Raises `Invalid` for a file that cannot be read.
    """
    if path.is_dir() or path.suffix == ".parquet":
        return link_parquet(path, output, model, **how)
    layout, rows = schemas.read_csv(path, how.get("columns"))
    names = [f.column for f in layout.fields]
    with tempfile.TemporaryDirectory(prefix="salus-link-") as folder:
        table = Path(folder) / "records.parquet"
        with pq.ParquetWriter(table, pa.schema([(n, pa.string()) for n in names])) as writer:
            for some in batched(rows, 100_000):
                writer.write_table(
                    pa.table(dict(zip(names, map(list, zip(*some, strict=True)), strict=True)))
                )
        return link_parquet(table, output, model, **how)


def link_parquet(
    path: Path,
    output: Path,
    model: Model | None,
    *,
    today: date,
    columns: Path | None = None,
    limits: Limits | None = None,
    threshold: float | None = None,
    one_a_source: bool = False,
    calibrate: bool = True,
    weigher: Weigher | None = None,
    truth: str | None = None,
    learned: Path | None = None,
    seed: int = 1,
    progress: Progress = _silent,
) -> FileLink:
    """Link Parquet files of people and write their clusters; without a model, learn one from a sample first.

    `learned` is where a model learned here is written. `weigher` is where pairs are weighed, DuckDB if not
    given. With `truth` the pairwise precision and recall are counted.
    """
    limits = limits or Limits()
    with workspace(limits) as (con, folder):
        people = open_parquet(con, path, columns)
        normalise(con, folder, people, today=today, progress=progress)
        if model is None:
            from salus.record.identity.engine import batch

            progress("Learn weights", 0, 1)
            drawn = sample(con, people)
            model = batch.train(people.schema, drawn, seed=seed)
            calibrate = calibrate and len(drawn) < people.rows
            if learned is not None:
                model.save(learned)
            progress("Learn weights", 1, 1)
        linking = Linking(
            con, folder, Layout.of(people.schema), model, shared=household(people.schema), limits=limits,
            progress=progress, weigher=weigher, one_a_source=one_a_source,
        )  # fmt: skip
        bulk = linking.run(threshold=threshold, calibrate=calibrate)
        con.execute("set memory_limit = '1GB'")
        progress("Write", 0, 1)
        write(output, ids(people), bulk.label)
        progress("Write", 1, 1)
        quality = score(bulk.label, truth_of(con, people, truth)) if truth else None
    return FileLink(bulk, people.rows, quality)


def batched(rows: Iterable[list[str]], size: int) -> Iterator[list[list[str]]]:
    """Yield rows in lists of at most `size`."""
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some


def score(label: NDArray[np.int32], truth: Ints) -> Quality:
    """Compare clusters with the truth, both as a number a record: pairs true, found and right."""
    both = label.astype(np.int64) * (int(truth.max(initial=0)) + 1) + truth
    return Quality(_pairs(truth), _pairs(label), _pairs(both))


def _pairs(values: NDArray[np.integer[Any]]) -> int:
    ordered = np.sort(values)
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[begins, len(ordered)]).astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())
