"""Running a view over FHIR files on Spark."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from salus.engine import spark_engine
from salus.engine.contract import StatementFailed
from salus.kernel.errors import Invalid
from salus.record.views.compiled import CompiledView
from salus.record.views.errors import ViewError
from salus.record.views.reading import SCHEMA, Files, Rejected

Writer = Callable[[CompiledView, Files, Path, str, str, Path], tuple[int, list[Rejected]]]


def on(master: str) -> Writer:
    """Return what writes a view's rows on the Spark at an address; `running.run` calls it."""

    def written(
        view: CompiledView, files: Files, part: Path, how: str, memory: str, scratch: Path
    ) -> tuple[int, list[Rejected]]:
        stream, made = scratch / "stream.parquet", scratch / "rows.parquet"
        with pq.ParquetWriter(stream, pa.schema(SCHEMA)) as writer:
            for batch in files.batches():
                writer.write_batch(batch)
        broken = _broken(stream)
        with spark_engine(master, memory=memory.lower().replace(" ", "").removesuffix("b")) as engine:
            engine.register("stream", stream)
            try:
                rows = engine.native_write(view.sql("stream"), made)  # type: ignore[attr-defined]
            except StatementFailed as error:
                if error.code == "engine-raised":
                    raise ViewError("cardinality", error.message) from None
                raise Invalid("view-engine", error.message, fix=error.fix) from None
        if "parquet" in how:
            shutil.move(made, part)
        else:
            with duckdb.connect() as database:
                target = str(part).replace("'", "''")
                database.execute(f"copy (from read_parquet(?)) to '{target}' ({how})", [str(made)])
        return int(rows), broken

    return written


def _broken(stream: Path) -> list[Rejected]:
    """Take the texts that are no JSON out of a staged file and return them: Spark would pass them over."""
    with duckdb.connect() as database:
        database.execute("create view stream as from read_parquet('" + str(stream).replace("'", "''") + "')")
        lines = database.execute("select file, line, body from stream where not json_valid(body)").fetchall()
        if lines:
            valid = stream.with_name("valid.parquet")
            target = str(valid).replace("'", "''")
            query = "from stream where json_valid(body)"
            database.execute(f"copy ({query}) to '{target}' (format parquet)").fetchall()
            valid.replace(stream)
    return [Rejected(file, line, "not JSON", body.rstrip("\n").encode()) for file, line, body in lines]
