"""Cases as the payment engines read them: which columns, of which types, and what is wrong with a row."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pyarrow as pa

from salus.engine.contract import Engine, Source, quoted
from salus.engine.jobs import Job, load_job
from salus.kernel.errors import Invalid

Kind = Literal["text", "whole", "date", "flag", "texts"]


@dataclass(frozen=True, slots=True)
class CaseColumn:
    """A column of a table of cases: its kind, whether a file must have it, and what it is."""

    name: str
    kind: Kind
    required: bool
    about: str


COLUMNS = (
    CaseColumn("id", "text", True, "names the case; once"),
    CaseColumn("institution", "text", True, "code of the institution"),
    CaseColumn("tier", "text", False, "tertiary, secondary, primary, or a city's own"),
    CaseColumn("insured", "text", True, "resident or employee"),
    CaseColumn("department", "text", False, "department that discharged"),
    CaseColumn("person", "text", False, "pseudonym of the resident; only to find readmissions"),
    CaseColumn("discharged", "date", True, "day of discharge"),
    CaseColumn("los", "whole", True, "days in hospital"),
    CaseColumn("charge", "whole", True, "whole charge of the stay, fen"),
    CaseColumn("fund", "whole", True, "what the fund pays by item, fen; at most the charge"),
    CaseColumn("died", "flag", False, "died in hospital"),
    CaseColumn("age", "whole", False, "completed years"),
    CaseColumn("dx", "texts", False, "diagnoses, the principal one first"),
    CaseColumn("pr", "texts", False, "procedures, the main one first"),
    CaseColumn("mdc", "text", False, "major diagnostic category"),
    CaseColumn("adrg", "text", False, "adjacent group"),
    CaseColumn("drg", "text", False, "group"),
)
_TYPES = {"text": "varchar", "whole": "bigint", "date": "date", "flag": "boolean", "texts": "varchar[]"}
FAULTS = {
    "case-id-missing": ("The case has no id", "Give each case an id"),
    "case-repeated": ("The id stands more than once", "Keep one row for each case"),
    "case-institution-missing": ("The institution is missing", "Give the institution's code"),
    "case-insured-unknown": ("The insured group is unknown", "Write resident or employee"),
    "case-discharged-missing": ("The day of discharge is missing", "Give a date"),
    "case-stay-length": ("The days in hospital are missing or impossible", "Give 0 to 3650 days"),
    "case-charge": ("The charge is missing, not above zero or beyond 10 billion yuan", "Give whole fen"),
    "case-fund-share": ("The fund's part is missing, negative or more than the charge", "Give whole fen"),
    "case-group-missing": ("The case has no group", "Group it first: salus insurance group"),
    "case-diagnosis-missing": ("The case has no principal diagnosis", "Give dx with the principal first"),
}
"""What each code of a row's fault says, and what to do."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row: `row` counts from 1 in the file's order, `field` is the column."""

    row: int
    code: str
    field: str

    def error(self) -> Invalid:
        """Return the fault as a typed error; it names the row, not the case."""
        message, fix = FAULTS[self.code]
        return Invalid(self.code, message, where=f"row {self.row}, {self.field}", fix=fix)


@functools.cache
def job(name: str, package: str = "salus.insurance.payment") -> Job:
    """Return one of the jobs beside this file, or beside another engine's, checked."""
    return load_job(str(files(package).joinpath(f"{name}.sql")))


def read_cases(
    engine: Engine,
    source: Source,
    *,
    needs: Sequence[str] = (),
    name: str = "cases",
    skip_bad: bool = False,
) -> list[Fault]:
    """Register a table of cases in the engine's `cases` with every column of `COLUMNS`; return its faults.

    Columns that are absent and may be are null. Rows keep their order of the file in `row` where the source
    is an Arrow table. With `skip_bad` rows with faults are left out; otherwise the table is whole, and it is
    for the caller to stop.

    Args:
        engine: where the cases are registered.
        source: Parquet files or an Arrow table.
        needs: optional columns that this use needs (`drg`, `dx`, `tier` …).
        name: the table's name.
        skip_bad: leave out rows with faults.

    Raises:
        Invalid: a column is missing or of another kind (`cases-column`), money is no whole number
            (`money-float`), or there is no row (`cases-empty`).
    """
    engine.register(f"{name}_given", numbered(source))
    found = engine.schema(f"{name}_given")
    needed = {column.name for column in COLUMNS if column.required} | set(needs)
    if missing := [column.name for column in COLUMNS if column.name in needed - set(found.names)]:
        raise Invalid(
            "cases-column",
            f"The cases lack: {', '.join(missing)}",
            fix="See --schema for the columns; all columns of a file stand in it",
        )
    words = ", ".join(_fitted(column, found) for column in COLUMNS)
    engine.keep(f"{name}_all", f'select "row", {words} from {name}_given')  # noqa: S608 - names are checked
    flags = {f"needs_{column}": int(column in needs) for column in ("drg", "dx")}
    engine.keep("cases", f"select * from {name}_all")  # noqa: S608 - a checked name
    listed = job("check").run(engine, params=flags)
    faults = [Fault(row["row"], row["code"], row["field"]) for row in listed.to_pylist()]
    if skip_bad and faults:
        rows = sorted({fault.row for fault in faults})
        engine.register(f"{name}_bad", pa.table({"row": pa.array(rows, pa.int64())}))
        good = f'select c.* from {name}_all c anti join {name}_bad b on c."row" = b."row"'  # noqa: S608
        engine.keep("cases", good)
    if not engine.run("select count(*) as n from cases").column(0)[0].as_py():
        raise Invalid("cases-empty", "There is no case to settle", fix="Give a file with rows")
    return faults


def numbered(source: Source) -> Source:
    """Return a source with a column `row` that counts from 1: files are read whole, in their order."""
    if isinstance(source, pa.RecordBatchReader):
        source = source.read_all()
    if not isinstance(source, pa.Table):
        import pyarrow.dataset as ds
        import pyarrow.parquet as pq

        try:
            source = (
                pq.read_table(source)
                if isinstance(source, str | Path)
                else ds.dataset([str(path) for path in source]).to_table()
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise Invalid(
                "cases-file", f"The cases cannot be read: {type(error).__name__}", fix="Give Parquet"
            ) from None
    if "row" in source.column_names:
        source = source.drop_columns(["row"])
    return source.append_column("row", pa.array(range(1, source.num_rows + 1), pa.int64()))


def _fitted(column: CaseColumn, found: pa.Schema) -> str:
    """Return the expression that reads a column at its type; raises `Invalid` for another kind."""
    type = _TYPES[column.kind]
    if (at := found.get_field_index(column.name)) < 0:
        return f"cast(null as {type}) as {column.name}"
    given = found.field(at).type
    name = quoted(column.name)
    whole = pa.types.is_integer(given)
    text = pa.types.is_string(given) or pa.types.is_large_string(given) or pa.types.is_null(given)
    match column.kind:
        case "text" if text:
            return name
        case "text" if whole:
            return f"cast({name} as varchar) as {column.name}"
        case "whole" if whole:
            return f"cast({name} as bigint) as {column.name}"
        case "date" if pa.types.is_date(given) or (pa.types.is_timestamp(given) and given.tz is None):
            return f"cast({name} as date) as {column.name}"
        case "flag" if pa.types.is_boolean(given):
            return f"coalesce({name}, false) as {column.name}"
        case "texts" if pa.types.is_list(given) or pa.types.is_large_list(given):
            return name
        case "whole" if pa.types.is_floating(given) and column.name in ("charge", "fund"):
            raise Invalid("money-float", f"{column.name} must not be a float", fix="Give whole fen")
        case _:
            raise Invalid(
                "cases-column",
                f"The column {column.name} is {given}, not {type}",
                fix="Cast it where the file is made",
            )
