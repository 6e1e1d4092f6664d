"""Series of counts from a CSV file: columns checked line by line, gaps in the calendar made visible."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from salus.kernel.errors import Invalid
from salus.prevention.detection.counts import Counts, Dates, Floats

COLUMNS = {
    "dataset": "text; series of one dataset share an axis (optional)",
    "series": "text; needed",
    "t": "whole number, 1 for the first time point (needed without dates)",
    "epoch": "YYYY-MM-DD if epochAsDate, else a number that is not read",
    "epochAsDate": "TRUE if epoch is a date (optional, FALSE)",
    "freq": "time points in a year: 52, 12, 365 (optional, 52)",
    "start_year": "year of the first time point (optional)",
    "start_period": "week, month or day of the first time point (optional, 1)",
    "observed": "cases, empty if no count was reported; needed",
    "population": "population (optional)",
    "state": "past outbreaks; read by no method here (optional)",
    "usable_from": "the first t, or date, of the present definition (optional)",
}
SHOWN = 20
NUMBER = r"^\s*\+?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
WHOLE = r"^\s*\d{1,9}\s*$"
DATE = r"^\s*\d{4}-\d{2}-\d{2}\s*$"
EMPTY = ("", "NA", "NaN")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that cannot be read: `line` in the file, `column`, and what is wrong."""

    line: int
    column: str
    what: str


class BadLines(Invalid):
    """Lines of a file cannot be read; `lines` holds them all."""

    def __init__(self, lines: list[Wrong]) -> None:
        shown = "; ".join(f"line {one.line}, {one.column}: {one.what}" for one in lines[:SHOWN])
        rest = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        super().__init__(
            "detection-lines", f"{len(lines)} lines cannot be read: {shown}{rest}",
            fix="Correct them; --schema prints the columns.",
        )  # fmt: skip
        self.lines = lines


def read_series(path: Path) -> list[tuple[str, Counts]]:
    """Return each dataset's name and counts, in the order of the file.

    A calendar of weeks, months or days is filled where it has gaps: such points have no count, and label 0
    where the file has no `t` for them. Raises `Invalid` (detection-file, detection-columns) or `BadLines`.
    """
    if not path.exists():
        raise Invalid("detection-file", "The file is not there", where=str(path))
    try:
        table = pacsv.read_csv(
            path, convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in COLUMNS}, strings_can_be_null=False
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise Invalid("detection-file", "This is no CSV file in UTF-8", where=str(error)[:200]) from None
    names = table.column_names
    for needed in ("series", "observed"):
        if needed not in names:
            raise Invalid("detection-columns", "A column is missing", where=needed, fix="See --schema.")
    if table.num_rows == 0:
        raise Invalid("detection-file", "The file has no lines", where=str(path))
    columns = {
        name: pc.utf8_trim_whitespace(table[name].combine_chunks()) for name in COLUMNS if name in names
    }
    return list(_datasets(columns, table.num_rows))


def _datasets(columns: dict[str, Any], rows: int) -> Iterator[tuple[str, Counts]]:
    wrong: list[Wrong] = []
    observed = _numbers(columns["observed"], "observed", wrong)
    population = _numbers(columns["population"], "population", wrong) if "population" in columns else None
    freq = _wholes(columns, "freq", rows, 52, wrong)
    dated = (
        np.asarray(pc.is_in(pc.utf8_upper(columns["epochAsDate"]), value_set=pa.array(["TRUE", "1", "T"])))
        if "epochAsDate" in columns else np.zeros(rows, bool)
    )  # fmt: skip
    place = _wholes(columns, "t", rows, 0, wrong)
    for row in np.flatnonzero(~dated & (place < 1)):
        if not any(one.line == row + 2 and one.column == "t" for one in wrong[-SHOWN:]):
            wrong.append(Wrong(int(row) + 2, "t", "a time point from 1 on is needed where there is no date"))
    for row in np.flatnonzero(freq < 1):
        wrong.append(Wrong(int(row) + 2, "freq", "a year has at least one time point"))
    days = np.full(rows, "NaT", "datetime64[D]")
    if dated.any():
        days = _dates(columns.get("epoch"), dated, wrong)
    year = _wholes(columns, "start_year", rows, 2000, wrong)
    period = _wholes(columns, "start_period", rows, 1, wrong)
    series = columns["series"]
    for row in np.flatnonzero(np.asarray(pc.equal(series, ""))):
        wrong.append(Wrong(int(row) + 2, "series", "a name is needed"))
    if wrong:
        raise BadLines(sorted(wrong, key=lambda one: one.line))
    dataset = columns.get("dataset", pa.array([""] * rows))
    codes = dataset.dictionary_encode()
    which = np.asarray(codes.indices)
    built = []
    for number, name in enumerate(codes.dictionary.to_pylist()):
        of = np.flatnonzero(which == number)
        for column, values in (("freq", freq), ("epochAsDate", dated)):
            odd = of[values[of] != values[of[0]]]
            wrong += [Wrong(int(row) + 2, column, "differs within its dataset") for row in odd]
        if wrong:
            continue
        encoded = series.take(pa.array(of)).dictionary_encode()
        index, labels = np.asarray(encoded.indices), encoded.dictionary.to_pylist()
        axis, at, points = _axis(days[of] if dated[of[0]] else None, place[of], int(freq[of[0]]))
        seen = index.astype(np.int64) * points + at
        _, first = np.unique(seen, return_index=True)
        again = np.setdiff1d(np.arange(len(of)), first)
        wrong += [Wrong(int(of[row]) + 2, "t", "this series has the time point twice") for row in again]
        if wrong:
            continue
        shape = (len(labels), points)
        marks = np.zeros(points, np.int64)
        marks[at] = place[of] if np.all(place[of] > 0) else at + 1
        built.append((name, Counts(
            _laid(observed[of], index, at, shape), int(freq[of[0]]), axis,
            None if population is None else _laid(population[of], index, at, shape),
            _usable(columns.get("usable_from"), of, index, len(labels), marks, axis, wrong), labels,
            (int(year[of[0]]), int(period[of[0]])), marks,
        )))  # fmt: skip
    if wrong:
        raise BadLines(sorted(wrong, key=lambda one: one.line))
    yield from built


def _laid(values: Floats, series: Any, at: Any, shape: tuple[int, int]) -> Floats:
    out = np.full(shape, np.nan)
    out[series, at] = values
    return out


def _axis(days: Dates | None, place: Any, freq: int) -> tuple[Dates | None, Any, int]:
    """Return the dates of all points (None without), where each row stands, and how many points there are."""
    if days is None:
        low = int(place.min())
        return None, place - low, int(place.max()) - low + 1
    known = np.unique(days)
    axis = known
    steps = np.asarray(np.diff(known.astype(np.int64)), np.int64)
    if freq == 52 and steps.size and np.all(steps % 7 == 0):
        axis = np.arange(known[0], known[-1] + 1, 7)
    elif freq == 365:
        axis = np.arange(known[0], known[-1] + 1)
    elif freq == 12:
        months = known.astype("datetime64[M]")
        of_month = (known - months.astype("datetime64[D]")).astype(np.int64)
        if np.all(of_month == of_month[0]) and of_month[0] < 28:
            axis = np.arange(months[0], months[-1] + 1).astype("datetime64[D]") + of_month[0]
    return axis, np.searchsorted(axis, days), len(axis)


def _usable(
    column: Any, of: Any, series: Any, number: int, marks: Any, axis: Dates | None, wrong: list[Wrong]
) -> Any:
    """Return for each series the index of the first point of its present definition, None if none is
    given."""
    if column is None:
        return None
    out = np.zeros(number, np.int64)
    texts = np.array(column.take(pa.array(of)).to_pylist(), object)
    for row in np.flatnonzero(~np.isin(texts, EMPTY)):
        text = texts[row]
        try:
            if axis is not None and "-" in text:
                found = int(np.searchsorted(axis, np.datetime64(text, "D")))
            else:
                found = int(
                    np.searchsorted(np.where(marks > 0, marks, np.maximum.accumulate(marks)), int(text))
                )
        except ValueError:
            wrong.append(Wrong(int(of[row]) + 2, "usable_from", "neither a time point nor a date"))
            continue
        out[series[row]] = max(out[series[row]], found)
    return out


def _numbers(column: Any, name: str, wrong: list[Wrong]) -> Floats:
    """Return the numbers of a column, NaN where empty; note what is none."""
    missing = pc.is_in(column, value_set=pa.array(EMPTY))
    good = pc.or_(missing, pc.match_substring_regex(column, NUMBER))
    for row in np.flatnonzero(~np.asarray(good)):
        text = column[int(row)].as_py()
        negative = text.startswith("-")
        wrong.append(Wrong(int(row) + 2, name, "is negative" if negative else "is no number"))
    plain = pc.if_else(pc.and_(good, pc.invert(missing)), column, pa.scalar(None, pa.string()))
    return np.asarray(pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False), float)


def _wholes(columns: dict[str, Any], name: str, rows: int, absent: int, wrong: list[Wrong]) -> Any:
    if name not in columns:
        return np.full(rows, absent, np.int64)
    column = columns[name]
    missing = pc.is_in(column, value_set=pa.array(EMPTY))
    good = pc.or_(missing, pc.match_substring_regex(column, WHOLE))
    for row in np.flatnonzero(~np.asarray(good)):
        wrong.append(Wrong(int(row) + 2, name, "is no whole number"))
    plain = pc.if_else(pc.and_(good, pc.invert(missing)), column, pa.scalar(str(absent)))
    return pc.cast(plain, pa.int64()).to_numpy(zero_copy_only=False)


def _dates(column: Any, dated: Any, wrong: list[Wrong]) -> Dates:
    out = np.full(len(dated), "NaT", "datetime64[D]")
    if column is None:
        wrong.append(Wrong(1, "epoch", "is missing, but epochAsDate says that it holds dates"))
        return out
    shaped = np.asarray(pc.match_substring_regex(column, DATE))
    texts = np.array(column.to_pylist(), object)
    unique, back = np.unique(texts[dated & shaped].astype(str), return_inverse=True)
    parsed = np.full(len(unique), "NaT", "datetime64[D]")
    for number, text in enumerate(unique):
        try:
            parsed[number] = np.datetime64(text, "D")
        except ValueError:
            continue
    out[dated & shaped] = parsed[back]
    for row in np.flatnonzero(dated & np.isnat(out)):
        wrong.append(Wrong(int(row) + 2, "epoch", "is no date; write YYYY-MM-DD"))
    return out
