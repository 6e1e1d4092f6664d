"""A user's own file of measurements: every bad row becomes a typed error with its line."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from salus.kernel.errors import Invalid
from salus.prevention.growth.scores import z_scores
from salus.prevention.growth.tables import INDICATORS


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, type, meaning, and whether a row needs it."""

    name: str
    type: str
    about: str
    required: bool = True


INPUT = (
    Field("person", "text", "the child's number in your file"),
    Field("sex", "number", "1 boy, 2 girl"),
    Field("birth", "date", "day of birth, 2026-01-31"),
    Field("measured", "date", "day of the measurement"),
    Field("weight", "number", "kilograms", False),
    Field("height", "number", "centimetres", False),
    Field("head", "number", "centimetres around the head", False),
    Field("position", "text", "lying or standing; as is usual at the age without it", False),
)
OUTPUT = (
    Field("person", "text", "the child"),
    Field("measured", "date", "the day"),
    Field("age_days", "number", "age in days"),
    Field("height_cm", "number", "length to 730 days, height after, corrected by 0.7 cm", False),
    Field("bmi", "number", "kg/m²", False),
    *(
        one
        for indicator in INDICATORS
        for one in (
            Field(f"z_{indicator.replace('-', '_')}", "number", f"z-score of {indicator}", False),
            Field(f"implausible_{indicator.replace('-', '_')}", "yes/no", "the score is beyond WHO's bounds"),
            Field(f"class_{indicator.replace('-', '_')}", "text", "what the score is called", False),
        )
    ),
)  # fmt: skip
_WORDS = {
    "row-missing-value": "a value must be given",
    "row-bad-date": "no date of the form 2026-01-31",
    "row-bad-number": "no number above 0",
    "row-bad-sex": "neither 1 (boy) nor 2 (girl)",
    "row-bad-position": "neither lying nor standing",
    "row-dates-reversed": "measured before the birth",
    "row-nothing-measured": "neither weight nor height nor head is given",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its file, line (the header is line 1), column and code."""

    file: str
    line: int
    column: str
    code: str

    @property
    def words(self) -> str:
        """What the code means."""
        return _WORDS[self.code]


@dataclass(slots=True)
class Read:
    """The sound rows of a file and what is wrong with the others."""

    rows: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read(path: Path) -> Read:
    """Read a CSV file (UTF-8, with a header).

    Raises:
        Invalid: the file is not there, is no UTF-8, or lacks a column.
    """
    found = Read()
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            for needed in INPUT:
                if needed.required and needed.name not in (reader.fieldnames or ()):
                    raise Invalid(
                        "growth-column", f"The file has no column {needed.name}", where=path.name,
                        fix=f"Its columns are: {', '.join(f.name for f in INPUT)}.",
                    )  # fmt: skip
            for line in reader:
                row = {f.name: (line.get(f.name) or "").strip() for f in INPUT}
                faulty = _fault(row)
                if faulty is None:
                    found.rows.append(row)
                else:
                    found.faults.append(Fault(path.name, reader.line_num, *faulty))
    except FileNotFoundError:
        raise Invalid("growth-file", "The file is not there", where=path.name) from None
    except (UnicodeDecodeError, csv.Error):
        raise Invalid(
            "growth-file", "The file cannot be read as CSV", where=path.name, fix="Save it as CSV in UTF-8."
        ) from None
    return found


def _fault(row: dict[str, str]) -> tuple[str, str] | None:
    for one in INPUT:
        value = row[one.name]
        if not value:
            if one.required:
                return one.name, "row-missing-value"
        elif one.type == "date" and not _is_date(value):
            return one.name, "row-bad-date"
        elif one.name == "sex" and value not in ("1", "2"):
            return one.name, "row-bad-sex"
        elif one.type == "number" and not _is_number(value):
            return one.name, "row-bad-number"
    if row["position"] not in ("", "lying", "standing"):
        return "position", "row-bad-position"
    if row["measured"] < row["birth"]:
        return "measured", "row-dates-reversed"
    if not (row["weight"] or row["height"] or row["head"]):
        return "weight", "row-nothing-measured"
    return None


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and date.fromisoformat(value).year > 1850
    except ValueError:
        return False


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value)) and float(value) > 0
    except ValueError:
        return False


def scored(found: Read) -> pa.Table:
    """Return the scores of the sound rows."""
    born = [date.fromisoformat(row["birth"]) for row in found.rows]
    days = [date.fromisoformat(row["measured"]) for row in found.rows]
    ages = [(day - birth).days for day, birth in zip(days, born, strict=True)]

    def numbers(name: str) -> list[float]:
        return [float(row[name]) if row[name] else np.nan for row in found.rows]

    scores = z_scores(
        [int(row["sex"]) for row in found.rows],
        ages,
        weight=numbers("weight"),
        height=numbers("height"),
        head=numbers("head"),
        lying=[{"": -1, "standing": 0, "lying": 1}[row["position"]] for row in found.rows],
    ).to_arrow()
    known = pa.table(
        {
            "person": pa.array([row["person"] for row in found.rows], type=pa.string()),
            "measured": pa.array(days, type=pa.date32()),
            "age_days": pa.array(ages, type=pa.int32()),
        }
    )
    for name in scores.column_names:
        known = known.append_column(name, scores.column(name))
    return known


def doubtful(table: pa.Table) -> int:
    """Return how many rows have an implausible score."""
    flags = [table.column(n).to_numpy() for n in table.column_names if n.startswith("implausible_")]
    return int(np.any(flags, axis=0).sum())


def write(path: Path, table: pa.Table) -> None:
    """Write the scores, as CSV with four places or as Parquet.

    Raises:
        Invalid: the name ends neither in .csv nor in .parquet.
    """
    if path.suffix.lower() == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path)
        return
    if path.suffix.lower() != ".csv":
        raise Invalid("growth-output", "The output is neither .csv nor .parquet", where=path.name)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.column_names)
        for row in zip(*(table.column(n).to_pylist() for n in table.column_names), strict=True):
            writer.writerow([_written(value) for value in row])


def _written(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else value


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Write what is wrong with bad rows as CSV."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "line", "column", "code", "what"])
        for fault in faults:
            writer.writerow([fault.file, fault.line, fault.column, fault.code, fault.words])
