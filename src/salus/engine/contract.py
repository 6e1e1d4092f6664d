"""What an engine is: the contract that DuckDB and Spark both keep, and the errors they raise."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import pyarrow as pa

from salus.kernel.errors import Invalid, SalusError

Source: TypeAlias = pa.Table | pa.RecordBatchReader | str | Path | Sequence[str | Path]
Format: TypeAlias = Literal["parquet", "csv", "ndjson"]
Plain: TypeAlias = str | int | float | bool | Decimal | date | datetime | None


@dataclass(frozen=True, slots=True)
class Typed:
    """A parameter whose type is said, where the value alone does not tell it: a null, a decimal's digits."""

    value: Plain
    type: str


Parameter: TypeAlias = Plain | Typed
Parameters: TypeAlias = Mapping[str, Parameter]

NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


class EngineMissing(SalusError):
    """An engine that is not installed here."""


class BadStatement(Invalid):
    """A statement that the engine refuses: its syntax, a name that is not there, a type that does not fit."""


class StatementFailed(SalusError):
    """A statement that was understood and failed over its rows."""


class Engine(ABC):
    """Tables registered by name, statements in DuckDB's dialect over them, answers in Arrow.

    Use it as a context manager, or call `close`. Not for use by several threads at once.
    """

    name: str
    """`duckdb` or `spark`."""

    @abstractmethod
    def register(self, name: str, source: Source, *, format: Format | None = None) -> None:
        """Make a source readable under a name, in place of what had the name before.

        `name` is lower-case letters, digits and underscores. `source` is an Arrow table or reader, or
        files: a path, a glob, a list of paths, or a folder of Parquet files, whose `key=value` folders
        become text columns. `format` is told by the ending (`.parquet`, `.csv`, `.ndjson`, `.jsonl`,
        the last three also with `.gz`) unless given. Of CSV every column is text, an empty field null;
        NDJSON gives one text column `line`, a row for each line that is not empty.
        Raises `BadStatement` for a source that cannot be read.
        """

    @abstractmethod
    def schema(self, name: str) -> pa.Schema:
        """Return the columns of a registered table; raises `BadStatement` where there is none."""

    @abstractmethod
    def run(self, sql: str, params: Parameters | None = None) -> pa.Table:
        """Run one select and return its rows; `params` are bound to `$name`, never formatted into the text.

        Raises `BadStatement`, `StatementFailed`; on Spark also `NotPortable`.
        """

    @abstractmethod
    def write(
        self,
        sql: str,
        path: str | Path,
        *,
        partition_by: Sequence[str] = (),
        params: Parameters | None = None,
    ) -> int:
        """Write the rows of one select as Parquet and return how many they were.

        A path that ends with `.parquet` becomes one file, any other a folder of files. The answer is
        written beside its place and put there by one rename, so that a reader or a killed process
        finds the old whole or the new whole. `partition_by` (folders only) names the columns that
        become `key=value` folders.
        """

    @abstractmethod
    def keep(self, name: str, sql: str, params: Parameters | None = None, *, reused: bool = True) -> None:
        """Give the rows of a select a name that later statements read; `reused` says more than one will."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Forget a table; none of that name is no error."""

    @abstractmethod
    def explain(self, sql: str, params: Parameters | None = None) -> str:
        """Return the engine's plan of a select, as text."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what the engine holds; closing twice is no error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def checked_name(name: str) -> str:
    """Return a table's name if it is one; raises `BadStatement`."""
    if not NAME.fullmatch(name):
        raise BadStatement(
            "engine-name",
            f"{name!r} is no name of a table",
            fix="Use lower-case letters, digits and underscores, a letter first.",
        )
    return name


def quoted(name: str) -> str:
    """Return an identifier as DuckDB's SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def bound_type(value: Parameter) -> str:
    """Return the type, in DuckDB's words, that a parameter has in both engines; raises `BadStatement`.

    Whole numbers are bigint whatever their size, text varchar, a naive moment a timestamp.
    """
    if isinstance(value, Typed):
        return value.type
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        scale = max(0, -int(exponent))
        return f"DECIMAL({max(len(digits), scale + 1, 18)},{scale})"
    if isinstance(value, datetime):
        return "TIMESTAMP WITH TIME ZONE" if value.tzinfo else "TIMESTAMP"
    for known, type in _BOUND.items():
        if isinstance(value, known):
            return type
    raise BadStatement(
        "engine-parameter", "a parameter of no known type", fix="Give a null as Typed(None, 'date')."
    )


def bound_value(value: Parameter) -> Plain:
    """Return the value of a parameter."""
    return value.value if isinstance(value, Typed) else value


_BOUND: dict[type, str] = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR", date: "DATE"}
