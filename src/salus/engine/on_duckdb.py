"""The engine on DuckDB, in this process."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from salus.engine import arrow
from salus.engine.contract import (
    BadStatement,
    Engine,
    Format,
    Parameters,
    Plain,
    Source,
    StatementFailed,
    bound_type,
    bound_value,
    checked_name,
    quoted,
)
from salus.engine.sources import located, placed
from salus.engine.typing import with_types

_ROW_GROUP = 122_880  # DuckDB's own vector-friendly size
_REFUSED = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.SyntaxException,
    duckdb.NotImplementedException,
)


# What may be repeated of a message over rows: words that hold no value of a row.
_KINDS = re.compile(
    r"Division by zero|Could not convert string|Out of Memory|Overflow in [a-z ]+|Type [A-Z0-9]+", re.I
)


class DuckDBEngine(Engine):
    """DuckDB in memory, spilling to disk; see `salus.engine.duckdb_engine`."""

    name = "duckdb"

    def __init__(
        self,
        *,
        memory_limit: str | None = None,
        spill: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        self._own_spill = tempfile.mkdtemp(prefix="salus-engine-") if spill is None else None
        settings: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": str(spill or self._own_spill),
            "autoinstall_known_extensions": "false",  # nothing is fetched from a network unasked
            "autoload_known_extensions": "false",
        }
        if memory_limit:
            settings["memory_limit"] = memory_limit
        if threads:
            settings["threads"] = threads
        try:
            self._connection = duckdb.connect(":memory:", config=settings)
        except duckdb.Error as error:
            raise _typed(error) from None
        self._connection.execute("set TimeZone = 'UTC'")
        self._tables: dict[str, Callable[[], None]] = {}

    def register(self, name: str, source: Source, *, format: Format | None = None) -> None:
        """See `Engine.register`."""
        checked_name(name)
        if isinstance(source, pa.RecordBatchReader):
            source = source.read_all()  # a reader gives its rows once, a table is read many times
        if isinstance(source, pa.Table):
            self.drop(name)
            self._connection.register(name, arrow.portable(source))
            self._tables[name] = lambda: self._unregister(name)
            return
        paths, format = located(source, format)
        reader = _reader(paths, format)
        self.drop(name)
        self._execute(f"create temp view {quoted(name)} as select * from {reader}")  # noqa: S608
        self._tables[name] = lambda: self._drop("view", name)

    def schema(self, name: str) -> pa.Schema:
        """See `Engine.schema`."""
        return self._select(f"select * from {quoted(checked_name(name))} limit 0", None).schema  # noqa: S608

    def run(self, sql: str, params: Parameters | None = None) -> pa.Table:
        """See `Engine.run`."""
        return self._select(self._one(sql), params)

    def write(
        self,
        sql: str,
        path: str | Path,
        *,
        partition_by: Sequence[str] = (),
        params: Parameters | None = None,
    ) -> int:
        """See `Engine.write`."""
        one_file = str(path).endswith(".parquet")
        if one_file and partition_by:
            raise BadStatement("engine-write", "one file has no partitions", fix="Name a folder instead.")
        query = self._one(sql)
        with placed(path) as made:
            options = [f"format parquet, compression zstd, row_group_size {_ROW_GROUP}"]
            place = made
            if partition_by:
                options.append(f"partition_by ({', '.join(map(quoted, partition_by))})")
            elif not one_file:
                made.mkdir()
                place = made / "part-0.parquet"
            copy = f"copy ({query}) to {_text(str(place))} ({', '.join(options)})"
            rows = self._execute(copy, params)
            if not one_file:
                made.mkdir(exist_ok=True)  # no rows, no partition, no folder
        return int(str(rows[0][0]))

    def keep(self, name: str, sql: str, params: Parameters | None = None, *, reused: bool = True) -> None:
        """See `Engine.keep`; the rows are kept in a temporary table, or made when asked for if used once."""
        checked_name(name)
        query = self._one(sql)
        if not reused and not params:
            self.drop(name)
            self._execute(f"create temp view {quoted(name)} as {query}")
            self._tables[name] = lambda: self._drop("view", name)
            return
        making = "salus_making_" + name
        self._execute(f"create or replace temp table {quoted(making)} as {query}", params)
        self.drop(name)
        self._execute(f"alter table {quoted(making)} rename to {quoted(name)}")
        self._tables[name] = lambda: self._drop("table", name)

    def drop(self, name: str) -> None:
        """See `Engine.drop`."""
        if forget := self._tables.pop(checked_name(name), None):
            forget()

    def explain(self, sql: str, params: Parameters | None = None) -> str:
        """See `Engine.explain`."""
        rows = self._execute(f"explain {self._one(sql)}", params)
        return "\n".join(str(row[1]) for row in rows)

    def close(self) -> None:
        """See `Engine.close`."""
        self._connection.close()
        if self._own_spill:
            shutil.rmtree(self._own_spill, ignore_errors=True)

    def _one(self, sql: str) -> str:
        """Return the text of the one select that a statement is."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise _typed(error) from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadStatement("engine-statement", "this is not one select", fix="Give one select a call.")
        return statements[0].query.strip().rstrip(";")

    def _select(self, sql: str, params: Parameters | None) -> pa.Table:
        try:
            words, values = _bound(sql, params)
            relation = self._connection.sql(words, params=values)
            return arrow.portable(relation.to_arrow_table())
        except duckdb.Error as error:
            raise _typed(error) from None

    def _execute(self, sql: str, params: Parameters | None = None) -> list[tuple[object, ...]]:
        """Run a statement to its end: DuckDB runs one only as its rows are taken."""
        try:
            return self._connection.execute(*_bound(sql, params)).fetchall()
        except duckdb.Error as error:
            raise _typed(error) from None

    def _unregister(self, name: str) -> None:
        self._connection.unregister(name)

    def _drop(self, kind: str, name: str) -> None:
        self._execute(f"drop {kind} if exists {quoted(name)}")


def _bound(sql: str, params: Parameters | None) -> tuple[str, dict[str, Plain] | None]:
    """Bind each value at the type that it has in both engines."""
    if not params:
        return sql, None
    types = {name: bound_type(value) for name, value in params.items()}
    return with_types(sql, types, values=True), {name: bound_value(value) for name, value in params.items()}


def _reader(paths: list[str], format: Format) -> str:
    """Return the table function that reads files."""
    if format == "parquet":
        patterns = [
            os.path.join(_literal(path), "**", "*.parquet") if os.path.isdir(path) else path for path in paths
        ]
        return (
            f"read_parquet({_list(patterns)}, union_by_name = true,"
            " hive_partitioning = true, hive_types_autocast = false)"
        )
    if format == "csv":
        return (
            f"read_csv({_list(paths)}, header = true, all_varchar = true, delim = ',', quote = '\"',"
            " escape = '\"', union_by_name = true)"
        )
    # Read line by line: no delimiter, no quote, so that a line that is no JSON is a row as well.
    lines = (
        f"read_csv({_list(paths)}, columns = {{'line': 'VARCHAR'}}, delim = '', quote = '', escape = '',"
        " header = false, auto_detect = false, max_line_size = 268435456, strict_mode = false)"
    )
    trimmed = f"select rtrim(line, chr(13)) as line from {lines}"  # noqa: S608 - paths are quoted
    return f"(select line from ({trimmed}) where line <> '')"  # noqa: S608


def _literal(path: str) -> str:
    return path.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def _list(paths: list[str]) -> str:
    return "[" + ", ".join(map(_text, paths)) + "]"


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


def _typed(error: duckdb.Error) -> BadStatement | StatementFailed:
    """Turn DuckDB's error into one of ours; a fault over rows keeps its kind but none of their values."""
    words = str(error).strip().partition("\n\n")[0]
    if isinstance(error, _REFUSED):
        return BadStatement("engine-statement", words)
    if isinstance(error, duckdb.IOException):
        return StatementFailed("engine-files", words)
    if "not provided for the following parameters" in words:
        return BadStatement("engine-parameter", words.partition(": ")[2], fix="Give each `$name` a value.")
    kind = _KINDS.match(words.partition(": ")[2])
    return StatementFailed(
        "engine-failed",
        f"DuckDB stopped with {type(error).__name__}" + (f": {kind.group()}" if kind else ""),
        fix="Run the statement's parts by themselves to see which row it is; rows are not shown here.",
    )
