"""What a view does to rows, in the order in which it is done; each dialect makes its SQL from this."""

from dataclasses import dataclass, field

from salus.record.views.ir import Ir
from salus.record.views.shape import Shape

ROOT = "_r"
"""The column that holds the parsed resource."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view's result.

    `fhir_type`: the declared type, or the path's own where none is declared. `sql_type`: DuckDB's name of
    what comes out (a list has [] behind it). `description` is the view's.
    """

    name: str
    fhir_type: str
    sql_type: str
    collection: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """How a column is computed; `cast` is the SQL type it is brought to, "" where it has it already."""

    name: str
    ir: Ir
    cast: str = ""
    leaf: str = "text"
    collection: bool = False


@dataclass(slots=True)
class Step:
    """One change of the rows; `outputs` are computed from its rows."""


@dataclass(slots=True)
class Explode(Step):
    """A row for each element of a list, in the column `var`, with its number from 0 in the column `index`.

    With `outer` a row with a null element stays where the list is empty.
    """

    items: Ir
    var: str
    index: str
    outer: bool


@dataclass(slots=True)
class Branches(Step):
    """The rows of several continuations, one after another; each gives the same columns."""

    branches: list["Rows"]


@dataclass(slots=True)
class Rows:
    """Steps and the columns computed along them, in order of output.

    A `Step` among `outputs` marks where the columns of `Branches` stand.
    """

    steps: list[Step] = field(default_factory=list)
    outputs: list["Output | str"] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """A whole view: the resource type, what is read of it, its conditions, and its rows."""

    resource: str
    shape: Shape
    where: list[Ir]
    rows: Rows
