"""Running a view over FHIR files into one file, on DuckDB."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from salus.kernel.errors import Invalid, SalusError
from salus.record import json
from salus.record.views.compiled import CompiledView
from salus.record.views.errors import ViewError
from salus.record.views.reading import SCHEMA, Files, Rejected, found

FORMATS = {
    ".parquet": "format parquet, compression zstd",
    ".csv": "format csv, header true",
    ".ndjson": "format json",
    ".jsonl": "format json",
}
_OURS = re.compile(
    r"(The column \w+ has several|There are several values|The resource repeats|A condition is)[^\"\n]*"
)
_MEMORY = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a run: rows written, and the texts that are no resource."""

    rows: int
    files: int
    rejected: list[Rejected]


def run(
    view: CompiledView,
    data: list[Path],
    output: Path | None,
    *,
    memory: str = "2GB",
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
    writer: Callable[..., tuple[int, list[Rejected]]] | None = None,
) -> Ran:
    """Write a view's rows over files, complete or not at all.

    `output` is a `.parquet`, `.csv` or `.ndjson` file, None prints CSV. `writer` is what runs the view
    instead of DuckDB (`spark_running.on`), the view being compiled for it. Raises `Invalid`: no such file or
    format, with `strict` the first text that is no resource; `ViewError` where the view meets several values
    in a column that holds one.
    """
    paths = found(data)
    how = FORMATS[".csv"] if output is None else FORMATS.get(output.suffix.lower(), "")
    if not how:
        raise Invalid(
            "view-output", "The output's name ends in none of .parquet, .csv, .ndjson", where=str(output)
        )
    if not _MEMORY.fullmatch(memory):
        raise Invalid("view-memory", f"{memory!r} is not a size", fix="Write for instance 2GB.")
    if output is not None and not output.parent.is_dir():
        raise Invalid("view-output", "The folder is not there", where=str(output.parent))
    scratch = Path(tempfile.mkdtemp(prefix="salus-view-"))
    files = Files(paths, progress or (lambda _: None))
    part = scratch / "out" if output is None else output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        rows, broken = (writer or _written)(view, files, part, how, memory, scratch)
        rejected = sorted([*files.rejected, *broken], key=lambda one: (one.file, one.line))
        if strict and rejected:
            first = rejected[0]
            raise Invalid(
                "view-data", f"This is {first.reason}", where=f"{paths[first.file]}, line {first.line}"
            )
        if output is None:
            with part.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()
        else:
            os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
    return Ran(rows, len(paths), rejected)


def _written(
    view: CompiledView, files: Files, part: Path, how: str, memory: str, scratch: Path
) -> tuple[int, list[Rejected]]:
    with duckdb.connect(config={"temp_directory": str(scratch), "memory_limit": memory}) as database:
        database.execute("set preserve_insertion_order = false")
        try:
            return _copied(database, view, files, part, how, "stream"), []
        except duckdb.Error as error:
            if "Malformed JSON" not in str(error):
                raise words_of(error) from None
        # Some text is no JSON: find out which, and go on without them
        broken = _broken(database, files)
        try:
            checked = "(select body from stream where json_valid(body))"
            return _copied(database, view, files, part, how, checked), broken
        except duckdb.Error as error:
            raise words_of(error) from None


def _stream(database: duckdb.DuckDBPyConnection, files: Files) -> None:
    database.register("stream", pa.RecordBatchReader.from_batches(SCHEMA, files.batches()))


def _copied(
    database: duckdb.DuckDBPyConnection, view: CompiledView, files: Files, part: Path, how: str, source: str
) -> int:
    _stream(database, files)
    target = str(part).replace("'", "''")
    (count,) = database.execute(f"copy ({view.sql(source)}) to '{target}' ({how})").fetchone() or (0,)  # noqa: S608 - the view's own SQL
    return int(count)


def _broken(database: duckdb.DuckDBPyConnection, files: Files) -> list[Rejected]:
    _stream(database, files)
    lines = database.execute("select file, line, body from stream where not json_valid(body)").fetchall()
    return [Rejected(file, line, "not JSON", body.rstrip("\n").encode()) for file, line, body in lines]


def words_of(error: duckdb.Error) -> SalusError:
    """Return a database's error in words that show no value of any resource."""
    ours = _OURS.search(str(error))
    if ours:
        return ViewError("cardinality", ours[0].strip())
    if isinstance(error, duckdb.OutOfMemoryException):
        return Invalid("view-memory", "The memory allowed does not suffice", fix="Give more with --memory.")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return Invalid(
            "view-value", "A value does not fit its column's type", fix="Declare the column as string."
        )
    kind = str(error).partition(":")[0][:60]
    return Invalid("view-engine", f"DuckDB could not run the view: {kind}")


def kept(rejected: list[Rejected], paths: list[Path], target: Path) -> None:
    """Write the texts that are no resource whole, one JSON object a line: file, line, reason, text."""
    with target.open("wb") as file:
        for one in rejected:
            row = {
                "file": str(paths[one.file]),
                "line": one.line,
                "reason": one.reason,
                "text": one.text.decode("utf-8", "backslashreplace"),
            }
            file.write(json.dumps(row) + b"\n")
