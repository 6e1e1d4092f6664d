"""How each column is treated in a copy for research: the first rule that fits; what none names is dropped."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

from salus.record.lake.definitions import Column
from salus.record.lake.manifest import Table, TableColumn


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of `rules/lake/research_columns.csv`; table, column and type are patterns (`*`)."""

    table: str
    column: str
    type: str
    kind: str
    treatment: str
    source: str


def _rows(name: str) -> Iterable[dict[str, str]]:
    text = files("salus.record").joinpath(f"rules/lake/{name}.csv").read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules in their order."""
    return tuple(
        Rule(r["table"], r["column"], r["type"], r["class"], r["treatment"], r["source"])
        for r in _rows("research_columns")
    )


@cache
def tables() -> tuple[str, ...]:
    """Return the tables that a copy may have; `patient` is always one."""
    return tuple(row["table"] for row in _rows("research_tables"))


def rule_of(table: str, column: TableColumn | Column) -> Rule:
    """Return how a column is treated."""
    kind = column.fhir_type or column.type
    for rule in rules():
        if (
            fnmatchcase(table, rule.table)
            and fnmatchcase(column.name, rule.column)
            and fnmatchcase(kind, rule.type)
        ):
            return rule
    return Rule(table, column.name, kind, "unknown", "drop", "no rule names it")


def treated(table: Table) -> dict[str, Rule]:
    """Return the rule of each column of a table."""
    return {column.name: rule_of(table.name, column) for column in table.columns}
