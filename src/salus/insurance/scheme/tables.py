"""Tables of a scheme, from CSV or Parquet: rows as text, each with the place it was read from."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from salus.insurance.scheme.model import BadScheme

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table by columns of text; `path` is None where the folder has no such table."""

    name: str
    path: Path | None
    columns: Mapping[str, Sequence[str]]

    def where(self, number: int) -> str:
        """Return the place of a row, counted from 0, as a reader finds it in the file."""
        if self.path is None:
            return self.name
        of_text = self.path.suffix == ".csv"
        return f"{self.path.name}, {'line' if of_text else 'row'} {number + (2 if of_text else 1)}"

    def tuples(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Yield the values of some columns, row by row."""
        return zip(*(self.columns[name] for name in names), strict=True)

    @property
    def rows(self) -> list[Row]:
        """The rows, each with all its columns."""
        names = tuple(self.columns)
        return [dict(zip(names, values, strict=True)) for values in self.tuples(*names)]

    def each(self) -> Iterator[tuple[str, Row]]:
        """Yield each row with its place."""
        for number, row in enumerate(self.rows):
            yield self.where(number), row


def read_table(
    folder: Path, name: str, columns: Sequence[str], *, optional: Sequence[str] = (), needed: bool = True
) -> Table:
    """Read `name.csv` or `name.parquet` of a folder; missing columns raise `BadScheme`, others are ignored.

    Every value is text without outer spaces, an empty or missing one the empty text. `needed` says whether
    the table itself must be there.
    """
    wanted = (*columns, *optional)
    for ending in (".parquet", ".csv"):
        path = folder / (name + ending)
        if path.exists():
            break
    else:
        if needed:
            raise BadScheme(
                "scheme-table",
                f"the folder has no {name}.csv or {name}.parquet",
                where=folder.name,
                fix="Give a folder of the layout in docs/drg.md.",
            )
        return Table(name, None, dict.fromkeys(wanted, ()))
    try:
        read = pq.read_table(path) if ending == ".parquet" else _csv(path)
        heads = {head.strip().lower(): number for number, head in enumerate(read.column_names)}
        if missing := [one for one in columns if one not in heads]:
            raise BadScheme(
                "scheme-columns",
                f"the table lacks the column {missing[0]}",
                where=path.name,
                fix=f"Its columns are {', '.join(columns)}.",
            )
        none = [""] * read.num_rows
        return Table(
            name, path, {one: _texts(read.column(heads[one])) if one in heads else none for one in wanted}
        )
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error):
        raise BadScheme("scheme-table", "the table cannot be read", where=path.name) from None


def _csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    options = pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    return pacsv.read_csv(
        path, convert_options=options, parse_options=pacsv.ParseOptions(newlines_in_values=True)
    )


def _texts(column: pa.ChunkedArray) -> list[str]:
    texts = pc.fill_null(column.cast(pa.string()), "")
    return [str(one) for one in pc.utf8_trim_whitespace(texts).to_pylist()]


def whole(row: Row, column: str, where: str) -> int:
    """Return a column's whole number; raises `BadScheme`."""
    try:
        return int(row[column])
    except ValueError:
        raise BadScheme(
            "scheme-value", f"{column} is {row[column]!r}, no whole number", where=where
        ) from None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV with a header, lines ended by a newline alone."""
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_parquet(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table of text as Parquet."""
    listed = list(rows)
    arrays = [
        pa.array([None if row[n] is None else str(row[n]) for row in listed], pa.string())
        for n in range(len(columns))
    ]
    pq.write_table(pa.table(dict(zip(columns, arrays, strict=True))), path, compression="zstd")
