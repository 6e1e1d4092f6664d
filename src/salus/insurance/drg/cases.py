"""Cases as users bring them: which columns they have under which names, and of which types."""

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

from salus.engine import duckdb_engine
from salus.engine.contract import Engine, quoted
from salus.kernel.errors import Invalid

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "case_id", "index"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "age_day": ("age_day", "age_days", "ageday"),
    "weight": ("weight", "birth_weight"),
    "los": ("los", "stay_days", "inhospitaltime"),
    "icu_hours": ("icu_hours", "icuhours"),
    "discharge": ("discharge", "discharge_status", "leaving_type", "leavingtype"),
    "department": ("department", "dept"),
    "dx": ("dx", "zdlist"),
    "pr": ("pr", "procs", "sslist"),
}
NEEDED = ("id", "dx", "pr")


class BadCases(Invalid):
    """Cases that cannot be grouped: a missing column, a type that does not fit, a repeated id."""


@contextmanager
def opened(engine: Engine | None) -> Iterator[Engine]:
    """Give the engine, or one of its own that is closed after."""
    if engine is not None:
        yield engine
        return
    with duckdb_engine() as own:
        yield own


def cases_select(schema: pa.Schema, source: str) -> str:
    """Return the select that gives the columns of a case from a table of this schema; raises `BadCases`."""
    names = {name.lower(): name for name in schema.names}
    columns = []
    for wanted, others in _OTHER_NAMES.items():
        found = next((names[one] for one in others if one in names), None)
        if found is None:
            if wanted in NEEDED:
                raise BadCases(
                    "drg-case-column",
                    f"the cases have no column {wanted}",
                    fix="The columns are told by `salus insurance group --schema`.",
                )
            kind = "varchar" if wanted in ("discharge", "department") else "bigint"
            columns.append(f"cast(null as {kind}) as {wanted}")
            continue
        columns.append(f"{_column(wanted, found, schema.field(found).type)} as {wanted}")
    return f"select {', '.join(columns)} from {source}"  # noqa: S608 - names are quoted


def _column(wanted: str, found: str, kind: pa.DataType) -> str:
    name = quoted(found)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if wanted == "id":
        if text:
            return name
        if pa.types.is_integer(kind):
            return f"cast({name} as bigint)"
    elif wanted in ("dx", "pr"):
        if text:
            return (
                f"case when coalesce({name}, '') <> ''"
                f" then string_split(replace(replace({name}, ';', '|'), ' ', ''), '|') end"
            )
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            inner = kind.value_type
            if pa.types.is_string(inner) or pa.types.is_large_string(inner):
                return name
    elif wanted in ("discharge", "department"):
        if text:
            return name
        if pa.types.is_integer(kind):
            return f"cast(cast({name} as bigint) as varchar)"
    elif wanted == "gender" and text:
        return (
            f"case when {name} in ('1', 'M', 'm', '男') then 1"
            f" when {name} in ('2', 'F', 'f', '女') then 2 end"
        )
    elif pa.types.is_integer(kind):
        return f"cast({name} as bigint)"
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return f"cast(floor({name}) as bigint)"
    elif pa.types.is_null(kind):
        return "cast(null as bigint)"
    raise BadCases(
        "drg-case-type",
        f"the column {found} of the cases is {kind}, which does not fit",
        fix="The columns are told by `salus insurance group --schema`.",
    )


def refuse_repeated(engine: Engine) -> None:
    """Raise `BadCases` if ids of `drg_case` are missing or come twice: how many, not which."""
    counted = engine.run(
        "select count(*) as n, count(id) as known, count(distinct id) as different from drg_case"
    )
    (row,) = counted.to_pylist()
    if row["known"] < row["n"]:
        raise BadCases(
            "drg-case-id", f"{row['n'] - row['known']:,} cases have no id", fix="Give each case an id."
        )
    if row["different"] < row["n"]:
        raise BadCases(
            "drg-case-id",
            f"{row['n'] - row['different']:,} cases have an id that another has too",
            fix="Give each case an id of its own.",
        )


def read_csv(path: str | Path) -> pa.Table:
    """Read cases from a CSV file with a header: numbers become numbers, ids and codes stay text.

    Raises `BadCases`, which names the line and the column of a value that is no number, but not the value.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
        table = pacsv.read_csv(
            path,
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error):
        raise BadCases("drg-case-file", "this is no CSV file of cases", where=str(path)) from None
    arrays = {}
    for name in table.column_names:
        column = table.column(name).cast(pa.string())
        wanted = next((one for one, others in _OTHER_NAMES.items() if name.lower() in others), None)
        if wanted in ("age", "age_day", "weight", "los", "icu_hours"):
            arrays[name] = _numbers(column, name, path)
        elif wanted is not None:
            arrays[name] = column
    return pa.table(arrays)


def _numbers(column: pa.ChunkedArray, name: str, path: str | Path) -> pa.Array:
    values: list[int | None] = []
    for number, value in enumerate(column.to_pylist()):
        if value is None or not value.strip():
            values.append(None)
        elif re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
            values.append(int(float(value)))
        else:
            raise BadCases(
                "drg-case-value", f"{name} is no number", where=f"{Path(path).name}, line {number + 2}"
            )
    return pa.array(values, pa.int64())
