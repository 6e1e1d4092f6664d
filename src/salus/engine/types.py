"""The types that columns may have: how DuckDB writes them, what Spark calls them, and how they group."""

import functools
import re
from typing import Literal

from sqlglot import exp

from salus.engine.contract import BadStatement

Kind = Literal[
    "integer", "decimal", "double", "text", "boolean", "date", "timestamp", "instant", "list", "struct"
]

_PLAIN: dict[str, tuple[str, Kind]] = {
    "TINYINT": ("TINYINT", "integer"),
    "SMALLINT": ("SMALLINT", "integer"),
    "INTEGER": ("INT", "integer"),
    "INT": ("INT", "integer"),
    "BIGINT": ("BIGINT", "integer"),
    "HUGEINT": ("DECIMAL(38, 0)", "integer"),
    "INT128": ("DECIMAL(38, 0)", "integer"),
    "FLOAT": ("FLOAT", "double"),
    "DOUBLE": ("DOUBLE", "double"),
    "VARCHAR": ("STRING", "text"),
    "TEXT": ("STRING", "text"),
    "BOOLEAN": ("BOOLEAN", "boolean"),
    "DATE": ("DATE", "date"),
    "TIMESTAMP": ("TIMESTAMP_NTZ", "timestamp"),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP", "instant"),
    "TIMESTAMPTZ": ("TIMESTAMP", "instant"),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")

TYPES = (
    "smallint",
    "integer",
    "bigint",
    "hugeint",
    "decimal(p, s)",
    "double",
    "varchar",
    "boolean",
    "date",
    "timestamp",
    "timestamp with time zone",
    "lists",
    "structs",
)
"""What a column may be; the page docs/engine.md lists the same."""


@functools.lru_cache(maxsize=4096)
def spark_type(type: str) -> str:
    """Return Spark's name of a type that DuckDB names; raises `BadStatement` for one that is not portable."""
    type = type.strip()
    if type.upper() in ('"NULL"', "NULL"):
        return "INT"  # what DuckDB makes of a column of nulls
    if known := _PLAIN.get(type.upper()):
        return known[0]
    if _DECIMAL.fullmatch(type.upper()):
        return type
    if type.endswith("[]"):
        return f"ARRAY<{spark_type(type[:-2])}>"
    if type.upper().startswith("STRUCT("):
        fields = ", ".join(f"`{name}`: {spark_type(of)}" for name, of in fields_of(type))
        return f"STRUCT<{fields}>"
    raise BadStatement(
        "engine-type",
        f"the type {type} is not portable",
        fix=f"Cast to one of: {', '.join(TYPES)}.",
    )


@functools.lru_cache(maxsize=4096)
def kind(type: str) -> Kind | None:
    """Return the group a type is in; none for a null or one that is not portable."""
    type = type.strip().upper()
    if known := _PLAIN.get(type):
        return known[1]
    if _DECIMAL.fullmatch(type):
        return "decimal"
    if type.endswith("[]"):
        return "list"
    return "struct" if type.startswith("STRUCT(") else None


def fields_of(type: str) -> list[tuple[str, str]]:
    """Return the names and types of a struct's fields, in order."""
    parts: list[str] = []
    depth, quote, begun = 0, False, len("STRUCT(")
    inner = type[:-1]
    for at in range(begun, len(inner)):
        one = inner[at]
        if one == '"':
            quote = not quote
        elif not quote and one in "([":
            depth += 1
        elif not quote and one in ")]":
            depth -= 1
        elif not quote and one == "," and depth == 0:
            parts.append(inner[begun:at].strip())
            begun = at + 1
    parts.append(inner[begun:].strip())
    found = []
    for part in parts:
        if part.startswith('"'):
            name, _, of = part[1:].partition('" ')
        else:
            name, _, of = part.partition(" ")
        found.append((name, of))
    return found


def data_type(type: str) -> exp.DataType:
    """Return a type in Spark's words, as a node of a statement."""
    return exp.DataType.build(spark_type(type), dialect="spark")
