"""What a table of the lake is made by: a view as SQL over a relation with the text column `body`."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from salus.kernel.errors import Invalid

if TYPE_CHECKING:
    from salus.record.views import CompiledView

KEPT = ("rid", "version", "patient_rid", "source_id", "valid_from", "valid_to")
"""The columns that every table has before the view's: see `docs/lake.md`."""
ADDED = ("person_id",)
"""What readers get besides, by join."""


DATES = frozenset({"date", "dateTime", "instant"})
Sql = Callable[[str, Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a view; `type` is DuckDB's, `fhir_type` as in FHIR (may be empty)."""

    name: str
    type: str = "VARCHAR"
    fhir_type: str = ""
    description: str = ""
    collection: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """A table: its name, the resource type it is made of, its columns and its SQL.

    `sql(source, keep)` is a select over the relation `source` that gives the columns `keep` and then the
    view's. `fingerprint` changes whenever the rows could: the table is then built anew.
    """

    name: str
    resource_type: str
    columns: tuple[Column, ...]
    sql: Sql
    fingerprint: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        clash = sorted({c.name for c in self.columns} & {*KEPT, *ADDED})
        if clash:
            raise Invalid(
                "lake-column",
                "A view's column has a name that the lake keeps for itself",
                where=f"{self.name}.{clash[0]}",
                fix="Rename the column",
            )
        if not self.fingerprint:
            text = self.sql("resources", KEPT) + "|".join(f"{c.name} {c.type}" for c in self.columns)
            object.__setattr__(self, "fingerprint", hashlib.sha256(text.encode()).hexdigest()[:16])


def library() -> list[Definition]:
    """Return the tables of the platform's view library, with the days of their dates."""
    from salus.record.views import compile_view
    from salus.record.views import library as views

    found = []
    for name in views.names():
        view = views.view(name)
        compiled = compile_view(view, dialect="duckdb")
        columns = tuple(
            Column(c.name, c.sql_type, c.fhir_type or "", c.description or "", bool(c.collection))
            for c in compiled.columns
        )
        days = days_of(columns)
        found.append(
            Definition(
                name=name,
                resource_type=str(view["resource"]),
                columns=(*columns, *(day for _, day in days)),
                sql=_with_days(_sql_of(compiled), days),
                description=str(view.get("description") or view.get("title") or ""),
            )
        )
    return found


def _sql_of(compiled: "CompiledView") -> Sql:
    return lambda source, keep: compiled.sql(source, tuple(keep))


def days_of(columns: Sequence[Column]) -> list[tuple[Column, Column]]:
    """Return, for each column of a FHIR date as text, a column for its day: `start_time` gives `start_day`.

    A FHIR date may be a year or a month; its day is null then. Engines compare days without parsing text.
    """
    taken = {c.name for c in columns}
    found = []
    for column in columns:
        if (
            column.fhir_type not in DATES
            or column.collection
            or not column.type.lower().startswith("varchar")
        ):
            continue
        stem = column.name.removesuffix("_time").removesuffix("_date")
        name = f"{stem}_day" if f"{stem}_day" not in taken else f"{column.name}_day"
        taken.add(name)
        words = f"The day of {column.name} as written, where it is said in full"
        found.append((column, Column(name, "DATE", "date", words)))
    return found


def _with_days(view: Sql, days: Sequence[tuple[Column, Column]]) -> Sql:
    if not days:
        return view
    added = ", ".join(
        f'try_cast(substr(v."{of.name}", 1, 10) as date) as "{day.name}"'
        if of.fhir_type == "instant"
        else f'case when length(v."{of.name}") >= 10 then try_cast(substr(v."{of.name}", 1, 10) as date) end'
        f' as "{day.name}"'
        for of, day in days
    )
    return lambda source, keep: f"select v.*, {added} from ({view(source, keep)}) v"  # noqa: S608 - columns of our views


def by_type(definitions: Iterable[Definition]) -> dict[str, list[Definition]]:
    """Return definitions by the resource type they read."""
    found: dict[str, list[Definition]] = {}
    for one in definitions:
        found.setdefault(one.resource_type, []).append(one)
    return found
