"""Tables from a user's own files: CSV or Parquet, with one typed error for each cell that cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from salus.insurance.adjudication.tables import INPUTS, Table
from salus.kernel.errors import Invalid

MAY_LACK: Mapping[str, frozenset[str]] = {
    "claims": frozenset({"procedures", "illness"}),
    "claim_lines": frozenset({"department"}),
    "catalogue": frozenset(INPUTS["catalogue"].schema.names) - {"item", "kind", "class", "valid_from"},
    "institutions": frozenset({"district", "licences", "designated", "valid_to"}),
    "persons": frozenset({"death_date"}),
    "coverage": frozenset({"ends", "waiting_until"}),
    "statuses": frozenset({"ends"}),
    "registrations": frozenset({"ends"}),
    "diagnoses": frozenset({"sex"}),
}
"""Columns that a file may leave out: they are null."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell that cannot be read, or a row that cannot be told from others: never shows the cell's value."""

    table: str
    line: int
    column: str
    code: str
    message: str


def read_table(path: Path, table: Table) -> tuple[pa.Table, list[Fault]]:
    """Read a file as a table of the engine, and what could not be read.

    A cell that cannot be read is null in the result and a fault; a claim with such a cell is sent back by the
    edits. Rows of claims and lines without their key are faults and left out. `.csv` has a header, lists with
    `;` between their values, dates as YYYY-MM-DD, amounts in whole fen. Raises `Invalid` for a file that is
    not there, is neither CSV nor Parquet, or lacks a column.
    """
    if not path.exists():
        raise Invalid("adjudication-file", "the file is not there", where=str(path))
    is_csv = path.suffix.lower() == ".csv"
    try:
        given = _csv(path) if is_csv else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise Invalid(
            "adjudication-file",
            "the file cannot be read",
            where=str(path),
            fix=f"Give Parquet, or CSV that ends with .csv. {type(error).__name__}.",
        ) from None
    for name in MAY_LACK.get(table.name, ()):
        if name not in given.column_names:
            empty = pa.nulls(given.num_rows, pa.string() if is_csv else table.schema.field(name).type)
            given = given.append_column(name, empty)
    faults: list[Fault] = []
    if is_csv:
        given = _typed(given, table, faults)
    read = table.conform(given)
    keys = {"claims": ("claim_id",), "claim_lines": ("claim_id", "line_no")}.get(table.name, ())
    for key in keys:
        missing = pc.is_null(read.column(key))
        known = {(one.line, one.column) for one in faults}
        for place in pc.indices_nonzero(missing).to_pylist():
            if (place + 2, key) not in known:
                message = "the row has no key and cannot be answered"
                faults.append(Fault(table.name, place + 2, key, "adjudication-key", message))
    kept = read
    for key in keys:
        kept = kept.filter(pc.is_valid(kept.column(key)))
    return kept, sorted(faults, key=lambda one: (one.line, one.column))


def _csv(path: Path) -> pa.Table:
    with path.open("rb") as file:
        names = pa.csv.open_csv(file).schema.names
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return pa.csv.read_csv(
        path, convert_options=options, parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    )


def _typed(given: pa.Table, table: Table, faults: list[Fault]) -> pa.Table:
    """Return the text columns of a CSV at the table's types, with faults where a text is no such value."""
    columns = []
    for name, type, _ in table.columns:
        if name not in given.column_names:
            raise Invalid(
                "adjudication-column",
                f"the table {table.name} has no column {name}",
                where=table.name,
                fix=f"Its columns are: {', '.join(table.schema.names)}.",
            )
        coded = given.column(name).combine_chunks().dictionary_encode()
        values: list[Any] = []
        wrong = set()
        for place, text in enumerate(coded.dictionary.to_pylist()):
            try:
                values.append(_READ[type](text))
            except (ValueError, InvalidOperation):
                values.append(None)
                wrong.add(place)
        field = table.schema.field(name)
        columns.append(pa.array(values, field.type).take(coded.indices))
        if wrong:
            faults += [
                Fault(table.name, row + 2, name, "adjudication-cell", f"this is no {_WORDS[type]}")
                for row, place in enumerate(coded.indices.to_pylist())
                if place in wrong
            ]
    return pa.table(columns, schema=table.schema)


def _whole(text: str) -> int:
    number = int(text.strip())
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _decimal(text: str) -> Decimal:
    number = Decimal(text.strip())
    if not number.is_finite() or abs(number) >= 10**9 or number * 1000 != (number * 1000).to_integral_value():
        raise ValueError
    return number


_READ: Mapping[str, Callable[[str], Any]] = {
    "varchar": str,
    "bigint": _whole,
    "date": lambda text: date.fromisoformat(text.strip()),
    "decimal(12, 3)": _decimal,
    "varchar[]": lambda text: [one.strip() for one in text.split(";") if one.strip()],
}
_WORDS = {
    "bigint": "whole number",
    "date": "date YYYY-MM-DD",
    "decimal(12, 3)": "number with at most three digits after the point",
}
