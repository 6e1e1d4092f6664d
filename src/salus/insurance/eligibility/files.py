"""A user's own files as the tables of the eligibility: every bad row becomes a typed error."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from salus.insurance.eligibility.tables import CATEGORIES, CHOICES, Field
from salus.kernel.errors import Invalid

_SHOWN = 10_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its file and line (the first row of a file is line 1), column and code."""

    file: str
    line: int
    column: str
    code: str

    @property
    def words(self) -> str:
        """What the code means."""
        return _WORDS[self.code]


_WORDS = {
    "row-missing-value": "a value must be given",
    "row-bad-date": "no date of the form 2026-01-31",
    "row-bad-number": "no whole number",
    "row-unknown-value": "none of the values known",
    "row-dates-reversed": "the end lies before the start",
    "row-repeated": "the number of a question must be unique",
}
_BAD = {"date": "row-bad-date", "bigint": "row-bad-number"}


@dataclass(frozen=True, slots=True)
class Read:
    """The sound rows of a file, and what is wrong with the others."""

    table: pa.Table
    faults: Sequence[Fault]
    bad_rows: int


def read(path: Path, fields: tuple[Field, ...], *, name: str = "") -> Read:
    """Read a CSV (UTF-8, with a header) or Parquet file as a table; `name` is used for it in errors.

    Raises:
        Invalid: the file is not there, cannot be read, or lacks a column.
    """
    name = name or path.name
    if not path.exists():
        raise Invalid("eligibility-file", "The file is not there", where=name)
    with duckdb.connect() as base:
        try:
            if path.suffix.lower() == ".csv":
                rows = base.read_csv(str(path), header=True, all_varchar=True, null_padding=False)
            else:
                rows = base.read_parquet(str(path))
            present = rows.columns
        except duckdb.Error as error:
            raise Invalid(
                "eligibility-file", "The file cannot be read as CSV or Parquet", where=name,
                fix=str(error).splitlines()[0][:200].replace(str(path), name),
            ) from None  # fmt: skip
        missing = [f.name for f in fields if f.required and f.name not in present]
        if missing:
            raise Invalid(
                "eligibility-column", f"The file has no column {missing[0]}", where=name,
                fix=f"Its columns are: {', '.join(f.name for f in fields)}.",
            )  # fmt: skip
        return _checked(base, rows, fields, name, set(present))


def _checked(
    base: duckdb.DuckDBPyConnection,
    rows: duckdb.DuckDBPyRelation,
    fields: tuple[Field, ...],
    name: str,
    present: set[str],
) -> Read:
    texts, casts, checks = [], ["line"], []
    for field in fields:
        here = f'cast("{field.name}" as varchar)' if field.name in present else "null"
        texts.append(f"nullif(trim({here}), '') as \"{field.name}\"")
        casts.append(f'try_cast("{field.name}" as {field.type}) as "{field.name}"')
        if field.required:
            checks.append((f'"{field.name}" is null', field.name, "row-missing-value"))
        if field.type in _BAD:
            bad = f'"{field.name}" is not null and try_cast("{field.name}" as {field.type}) is null'
            checks.append((bad, field.name, _BAD[field.type]))
        if field.name in CHOICES:
            known = ", ".join(f"'{value}'" for value in sorted(CHOICES[field.name]))
            checks.append((f'"{field.name}" not in ({known})', field.name, "row-unknown-value"))
        if field.name == "category":
            pairs = ", ".join(f"'{s}/{c}'" for s, cs in CATEGORIES.items() for c in cs)
            checks.append((f"scheme || '/' || category not in ({pairs})", "category", "row-unknown-value"))
        if field.name == "end_date":
            order = "try_cast(end_date as date) < try_cast(start_date as date)"
            checks.append((order, "end_date", "row-dates-reversed"))
        if field.name == "ask_id":
            checks.append(("count(*) over (partition by ask_id) > 1", "ask_id", "row-repeated"))
    base.register("given", rows.to_arrow_table())
    columns = ", ".join(texts)
    base.execute(f"create temp table texts as select row_number() over () as line, {columns} from given")  # noqa: S608
    wrong = " union all ".join(
        f"select line, '{column}' as col, '{code}' as code from (select *, {test} as bad from texts)"  # noqa: S608
        " where bad"
        for test, column, code in checks
    )
    base.execute(f"create temp table wrong as {wrong}")
    found = base.execute(f"select line, col, code from wrong order by line, col limit {_SHOWN}").fetchall()  # noqa: S608
    count = base.execute("select count(distinct line) from wrong").fetchall()
    table = base.sql(
        f"select * exclude (line) from (select {', '.join(casts)} from texts)"  # noqa: S608
        " where line not in (select line from wrong) order by line"
    ).to_arrow_table()
    return Read(table, [Fault(name, *row) for row in found], int(count[0][0]))


def write_faults(path: Path, faults: Sequence[Fault]) -> None:
    """Write faults as CSV: file, line, column, code, words."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "line", "column", "code", "words"])
        for fault in faults:
            writer.writerow([fault.file, fault.line, fault.column, fault.code, fault.words])
