"""A user's own files for the commands of this engine: every bad row becomes a fault with its line."""

import csv
import datetime as dt
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as arrow_csv

from salus.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an input: `kind` is date, count, number (from 0 up), real or text; not all are `needed`."""

    name: str
    kind: str
    about: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its line (the header is line 1), its column and why."""

    line: int
    column: str
    why: str


Row = dict[str, Any]


def read(path: Path, fields: Sequence[Field]) -> tuple[list[Row], list[Fault]]:
    """Return the sound rows, each with its `line`, and the faults of the others.

    Raises:
        Invalid: the file is not there, is neither CSV (UTF-8, with a header) nor Parquet, or lacks a column.
    """
    if not path.exists():
        raise Invalid("transmission-file", "The file is not there", where=path.name)
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, given in _lines(path, fields):
        row: Row = {"line": line}
        bad = False
        for field in fields:
            text = str(given.get(field.name) or "").strip()
            if not text:
                row[field.name] = None
                if field.needed:
                    faults.append(Fault(line, field.name, "a value must be given"))
                    bad = True
                continue
            value = _parsed(text, field.kind)
            if value is None:
                faults.append(Fault(line, field.name, _WRONG[field.kind]))
                bad = True
            row[field.name] = value
        if not bad:
            rows.append(row)
    return rows, faults


def once(rows: list[Row], keys: Sequence[str]) -> tuple[list[Row], list[Fault]]:
    """Return the rows without those that repeat an earlier one's keys, and a fault for each of these."""
    seen: set[tuple[Any, ...]] = set()
    kept, faults = [], []
    for row in rows:
        key = tuple(row[name] for name in keys)
        if key in seen:
            faults.append(Fault(row["line"], keys[-1], "there is a row for it already"))
        else:
            seen.add(key)
            kept.append(row)
    return kept, faults


def settle(path: Path, faults: list[Fault], errors: Path | None, rows: list[Row]) -> None:
    """Write the faults to the user's file, or refuse where none was asked for.

    Raises:
        Invalid: rows are bad and no file for them was given, or no row is sound.
    """
    faults.sort(key=lambda fault: fault.line)
    if faults and errors is None:
        first, bad = faults[0], len({fault.line for fault in faults})
        raise Invalid(
            "transmission-rows", f"{bad} rows are bad; the first: {first.why}",
            where=f"{path.name}, line {first.line}, {first.column}",
            fix="Correct them, or give --errors to have them listed and the others used.",
        )  # fmt: skip
    if errors is not None:
        with errors.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file, lineterminator="\n")
            out.writerow(["line", "column", "why"])
            out.writerows((fault.line, fault.column, fault.why) for fault in faults)
    if not rows:
        raise Invalid("transmission-empty", "No row can be used", where=path.name)


def write(rows: list[Row], columns: Sequence[tuple[str, str]], output: Path | None) -> None:
    """Write rows to a .csv or .parquet file, or as CSV to the terminal.

    Args:
        rows: with the columns' names.
        columns: name and kind (text, date, bigint or double), in order.
        output: the file; None for the terminal.
    """
    kinds = {"text": pa.string(), "date": pa.date32(), "bigint": pa.int64(), "double": pa.float64()}
    table = pa.table(
        {name: pa.array([_plain(row[name]) for row in rows], kinds[kind]) for name, kind in columns}
    )
    if output is None:
        arrow_csv.write_csv(table, sys.stdout.buffer, arrow_csv.WriteOptions(quoting_style="needed"))
    elif output.suffix == ".parquet":
        pq.write_table(table, output)
    else:
        arrow_csv.write_csv(table, output, arrow_csv.WriteOptions(quoting_style="needed"))


def checked_output(output: Path | None) -> None:
    """Refuse an output that is neither CSV nor Parquet, before anything is computed."""
    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise Invalid("transmission-output", "The output is a .csv or .parquet file", where=output.name)


def by_series(rows: list[Row]) -> dict[str, list[Row]]:
    """Return the rows by their series ("" where there is none), in the order of the file."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.get("series") or "", []).append(row)
    return found


def _lines(path: Path, fields: Sequence[Field]) -> Iterator[tuple[int, Row]]:
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            _columns(table.column_names, fields, path)
            yield from enumerate(table.to_pylist(), 2)
            return
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _columns(reader.fieldnames or (), fields, path)
            for row in reader:
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error, pa.ArrowInvalid) as error:
        raise Invalid(
            "transmission-file", "The file cannot be read as CSV in UTF-8 or as Parquet", where=path.name
        ) from error


def _columns(present: Iterable[str], fields: Sequence[Field], path: Path) -> None:
    if missing := [field.name for field in fields if field.needed and field.name not in set(present)]:
        raise Invalid(
            "transmission-columns", f"Columns are missing: {', '.join(missing)}", where=path.name,
            fix="See --schema",
        )  # fmt: skip


def _parsed(text: str, kind: str) -> Any:
    try:
        if kind == "date":
            return dt.date.fromisoformat(text[:10] if text[10:11] in ("T", " ") else text)
        if kind == "text":
            return text
        value = float(text)
    except ValueError:
        return None
    if (
        not math.isfinite(value)
        or (kind != "real" and value < 0)
        or (kind == "count" and value != math.floor(value))
    ):
        return None
    return value


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


_WRONG = {
    "date": "no date of the form 2026-01-31",
    "count": "no whole number from 0 up",
    "number": "no number from 0 up",
    "real": "no number",
    "text": "no text",
}
