"""The engine on Spark: the same statements, translated, in a Java process or on a cluster."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from salus.engine import arrow, spark_session
from salus.engine.contract import (
    BadStatement,
    Engine,
    Format,
    Parameters,
    Source,
    StatementFailed,
    bound_type,
    bound_value,
    checked_name,
)
from salus.engine.sources import located, placed
from salus.engine.spark_sql import translated
from salus.engine.types import spark_type
from salus.engine.typing import Binder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class SparkEngine(Engine):
    """Spark through PySpark; see `salus.engine.spark_engine`."""

    name = "spark"

    def __init__(self, url: str, *, memory: str = "1g", settings: Mapping[str, str] | None = None) -> None:
        self._session = spark_session.acquire(url, memory, settings or {})
        self._binder = Binder()
        self._forget: dict[str, Callable[[], None]] = {}
        self._open = True

    def register(self, name: str, source: Source, *, format: Format | None = None) -> None:
        """See `Engine.register`."""
        checked_name(name)
        with _typed():
            if isinstance(source, pa.RecordBatchReader):
                source = source.read_all()
            if isinstance(source, pa.Table):
                rows = self._session.createDataFrame(arrow.portable(source))
            else:
                rows = self._read(*located(source, format))
            self._name(name, rows)

    def schema(self, name: str) -> pa.Schema:
        """See `Engine.schema`."""
        if name not in self._binder.tables:
            raise BadStatement("engine-statement", f"there is no table {name}")
        return self._binder.arrow(f'select * from "{name}"')  # noqa: S608 - a checked name

    def run(self, sql: str, params: Parameters | None = None) -> pa.Table:
        """See `Engine.run`."""
        rows = self._rows(sql, params)
        with _typed():
            answer = rows.toArrow()
        return answer.cast(arrow.portable_schema(self._binder.arrow(sql, _types(params))))

    def native(self, sql: str) -> pa.Table:
        """Run one select in Spark's own SQL, as another room's compiler writes it, and return its rows."""
        with _typed():
            return self._session.sql(sql).toArrow()

    def native_write(self, sql: str, path: str | Path) -> int:
        """Write one select in Spark's own SQL as one Parquet file, and return its rows; see `write`."""
        with placed(path) as made, _typed():
            return _written(self._session.sql(sql), made, (), one_file=True)

    def write(
        self,
        sql: str,
        path: str | Path,
        *,
        partition_by: Sequence[str] = (),
        params: Parameters | None = None,
    ) -> int:
        """See `Engine.write`; the place is on a file system that every worker sees."""
        one_file = str(path).endswith(".parquet")
        if one_file and partition_by:
            raise BadStatement("engine-write", "one file has no partitions", fix="Name a folder instead.")
        rows = self._rows(sql, params)
        with placed(path) as made, _typed():
            return _written(rows, made, partition_by, one_file=one_file)

    def keep(self, name: str, sql: str, params: Parameters | None = None, *, reused: bool = True) -> None:
        """See `Engine.keep`; rows that are reused are kept in the cluster's memory and disks."""
        checked_name(name)
        rows = self._rows(sql, params)
        with _typed():
            self._name(name, rows.persist() if reused else rows)
        if reused:
            self._forget[name] = lambda: (rows.unpersist(), None)[1]

    def drop(self, name: str) -> None:
        """See `Engine.drop`."""
        checked_name(name)
        self._session.catalog.dropTempView(name)
        self._binder.forget(name)
        if forget := self._forget.pop(name, None):
            forget()

    def explain(self, sql: str, params: Parameters | None = None) -> str:
        """See `Engine.explain`: Spark's statement, then its plan."""
        words, _ = translated(sql, self._binder, _types(params))
        rows: Any = self._rows(sql, params)
        with _typed():
            plan = rows._sc._jvm.PythonSQLUtils.explainString(rows._jdf.queryExecution(), "formatted")
        return f"{words}\n\n{plan}"

    def close(self) -> None:
        """See `Engine.close`."""
        if not self._open:
            return
        self._open = False
        for name in list(self._binder.tables):
            self.drop(name)
        self._binder.close()
        spark_session.release()

    def _rows(self, sql: str, params: Parameters | None) -> "DataFrame":
        from pyspark.sql import functions

        words, columns = translated(sql, self._binder, _types(params))
        values = {name: bound_value(value) for name, value in (params or {}).items() if f":{name}" in words}
        with _typed():
            rows = self._session.sql(words, args=values or None).toDF(*columns)
            return rows.select(
                *(
                    functions.col("`" + name.replace("`", "``") + "`").cast(_cast_to(spark_type(type)))
                    for name, type in columns.items()
                )
            ).toDF(*columns)

    def _read(self, paths: list[str], format: Format) -> "DataFrame":
        places = [Path(path).as_uri() for path in paths]
        reader = self._session.read
        if format == "parquet":
            return reader.parquet(*places)
        if format == "csv":
            return reader.csv(
                places, header=True, quote='"', escape='"', multiLine=True, emptyValue="", nullValue="",
                enforceSchema=False, mode="FAILFAST",
            )  # fmt: skip
        lines = reader.text(places, lineSep="\n")
        return lines.selectExpr("rtrim('\r', value) as line").where("line <> ''")

    def _name(self, name: str, rows: "DataFrame") -> None:
        columns = {field.name: _duckdb(field.dataType) for field in rows.schema.fields}
        forget = self._forget.pop(name, None)
        rows.createOrReplaceTempView(name)
        self._binder.declare(name, columns)
        if forget:
            forget()


def _written(rows: "DataFrame", made: Path, partition_by: Sequence[str], *, one_file: bool) -> int:
    """Write rows as Parquet, as one file or a folder of them, without what Hadoop leaves beside."""
    folder = made.with_name(made.name + ".parts") if one_file else made
    if one_file:
        rows = rows.coalesce(1)
    writer = rows.write.mode("overwrite").option("compression", "zstd")
    (writer.partitionBy(*partition_by) if partition_by else writer).parquet(folder.as_uri())
    for left in folder.rglob(".*.crc"):
        left.unlink()
    parts = sorted(folder.rglob("*.parquet"))
    if one_file:
        parts[0].rename(made)
        parts = [made]
    return sum(int(pq.read_metadata(part).num_rows) for part in parts)


def _cast_to(type: str) -> str:
    return type.replace("TIMESTAMP_NTZ", "timestamp_ntz")


def _types(params: Parameters | None) -> dict[str, str]:
    return {name: bound_type(value) for name, value in (params or {}).items()}


def _duckdb(type: Any) -> str:
    """Return a Spark type in DuckDB's words."""
    from pyspark.sql import types

    plain = {
        types.StringType: "VARCHAR",
        types.LongType: "BIGINT",
        types.IntegerType: "INTEGER",
        types.ShortType: "SMALLINT",
        types.ByteType: "TINYINT",
        types.DoubleType: "DOUBLE",
        types.FloatType: "FLOAT",
        types.BooleanType: "BOOLEAN",
        types.DateType: "DATE",
        types.TimestampNTZType: "TIMESTAMP",
        types.TimestampType: "TIMESTAMP WITH TIME ZONE",
        types.BinaryType: "BLOB",
    }
    if isinstance(type, types.DecimalType):
        return f"DECIMAL({type.precision},{type.scale})"
    if isinstance(type, types.ArrayType):
        return _duckdb(type.elementType) + "[]"
    if isinstance(type, types.StructType):
        return "STRUCT(" + ", ".join(f'"{one.name}" {_duckdb(one.dataType)}' for one in type.fields) + ")"
    for known, word in plain.items():
        if isinstance(type, known):
            return word
    raise BadStatement("engine-type", f"the engine does not read Spark's type {type.simpleString()}")


@contextmanager
def _typed() -> Iterator[None]:
    """Turn Spark's errors into ours; a fault over rows keeps its condition but none of their values."""
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    try:
        yield
    except (AnalysisException, ParseException) as error:
        raise BadStatement("engine-statement", str(error).partition("\n")[0][:400]) from None
    except PySparkException as error:
        condition = error.getCondition() or type(error).__name__
        if condition == "USER_RAISED_EXCEPTION":  # the words of a compiler, which name no value
            said = (error.getMessageParameters() or {}).get("errorMessage", "")
            raise StatementFailed("engine-raised", said or "The statement stopped itself") from None
        raise StatementFailed(
            "engine-failed",
            f"Spark stopped with {condition}",
            fix="Run the statement's parts by themselves to see which row it is; rows are not shown here.",
        ) from None
    except Py4JError as error:
        raise StatementFailed(
            "engine-failed", f"Spark stopped with {type(error).__name__}", fix="Is the cluster still there?"
        ) from None
