"""A view ready to run in any of the dialects."""

import re
from dataclasses import dataclass
from typing import Any

from salus.record.views.errors import ViewError
from salus.record.views.plan import Column, Plan
from salus.record.views.sql.base import Emitter
from salus.record.views.sql.duckdb import DuckdbEmitter
from salus.record.views.sql.spark import SparkEmitter
from salus.record.views.view import _View

DIALECTS: dict[str, type[Emitter]] = {"duckdb": DuckdbEmitter, "spark": SparkEmitter}
_KEPT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class CompiledView:
    """A compiled ViewDefinition.

    `columns` are what it gives; `warnings` say what is odd but was compiled (an element that R4 does not
    have, a declared type that the path does not give).
    """

    resource: str
    columns: tuple[Column, ...]
    warnings: tuple[str, ...]
    plan: Plan
    dialect: str

    def sql(self, source: str = "resources", keep: tuple[str, ...] = ()) -> str:
        """Return the SELECT over `source`.

        `source` is the name of a relation (or a query in parentheses) with a text column `body`, one
        resource's JSON a row; resources of other types are left out. `keep` names columns of it that stand
        in front of the view's own. Raises `ViewError` ("columns") where a kept column is also one of the
        view's.
        """
        own = {column.name.lower() for column in self.columns}
        for name in keep:
            if not _KEPT.fullmatch(name):
                raise ViewError("columns", f"{name!r} cannot be kept", fix="Give it a plain name.")
            if name.lower() in own:
                raise ViewError("columns", f"{name} is kept and is also a column of the view")
        return DIALECTS[self.dialect](self.plan, source, keep).sql()


def compile_view(view: dict[str, Any], dialect: str = "duckdb", *, strict: bool = False) -> CompiledView:
    """Return a ViewDefinition (parsed JSON) compiled for a dialect.

    With `strict` an element that FHIR R4 does not have is an error; otherwise it is read as it comes and
    `warnings` says so. Raises `ViewError`.
    """
    if dialect not in DIALECTS:
        raise ViewError("unsupported", f"{dialect} is not a dialect", fix=f"There are {', '.join(DIALECTS)}.")
    made = _View(view, strict)
    try:
        plan = made.plan()
    except RecursionError:
        raise ViewError("syntax", "The view is nested too deep") from None
    compiled = CompiledView(
        plan.resource, tuple(made.columns), tuple(dict.fromkeys(made.warnings)), plan, dialect
    )
    compiled.sql()
    return compiled
