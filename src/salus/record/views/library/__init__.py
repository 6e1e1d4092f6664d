"""The tables of the lake: one official SQL-on-FHIR v2 ViewDefinition a table, with every column described.

Names are stable: the city's systems, their SQL and their users' notebooks read the tables by them.
docs/tables.md lists all of them. Source: https://build.fhir.org/ig/FHIR/sql-on-fhir-v2 (ViewDefinition).
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from salus.kernel.errors import Invalid

ViewDefinition = dict[str, Any]


@cache
def names() -> tuple[str, ...]:
    """Return the names of all tables, in alphabetical order."""
    folder = files(__name__)
    return tuple(sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.endswith(".json")))


@cache
def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")


def view(name: str) -> ViewDefinition:
    """Return the ViewDefinition of a table, a new object each time.

    Raises `Invalid` (view-unknown) if the library has no such table.
    """
    if name not in names():
        raise Invalid("view-unknown", "The library has no such table", where=name, fix="See docs/tables.md")
    definition: ViewDefinition = json.loads(_text(name))
    return definition


def columns(definition: ViewDefinition) -> Iterator[dict[str, Any]]:
    """Yield the columns (name, path, type, description …) of a definition in the order of the table's."""
    for select in definition.get("select", ()):
        yield from select.get("column", ())
        yield from columns(select)
