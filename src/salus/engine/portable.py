"""Which SQL both engines answer equally: the list, and the check that a statement keeps to it.

A construct is listed only when `tests/engine` shows that DuckDB and Spark agree on it over nulls, ties,
month ends, decimals and drawn tables. What is not listed is refused when a job is loaded; no Java is
needed for that. `docs/engine.md` holds the same list, and a test compares the two.
"""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from salus.engine.constructs import CONSTRUCTS
from salus.engine.contract import BadStatement


class NotPortable(BadStatement):
    """A construct that the two engines would not answer equally; `construct` names it."""

    def __init__(self, construct: str, *, where: str = "", fix: str = "") -> None:
        super().__init__("engine-not-portable", f"{construct} is not portable", where=where, fix=fix)
        self.construct = construct


_NODES = {node: one for one in CONSTRUCTS for node in one.nodes}
_CALLED = {one.called: one for one in CONSTRUCTS if one.called}

INSTEAD: dict[str, str] = {
    "asof join": "Join on an inequality and keep the nearest with row_number() and qualify.",
    "pivot": "Write sum(…) filter (where …) for each column.",
    "lower": "Fold case where data is read: the engines know different letters.",
    "upper": "Fold case where data is read: the engines know different letters.",
    "arg_max": "Use row_number() over (order by …, a unique key) and qualify.",
    "arg_min": "Use row_number() over (order by …, a unique key) and qualify.",
    "any_value": "Use min(…), or group by the column.",
    "first": "Use min(…), or row_number() with a unique key.",
    "last": "Use max(…), or row_number() with a unique key.",
    "count_if": "Use count(*) filter (where …).",
    "mode": "Count each value, then row_number() over (order by the count desc, the value).",
    "current date": "Pass the day as a parameter: a job does not read the clock.",
    "current timestamp": "Pass the moment as a parameter: a job does not read the clock.",
    "now": "Pass the moment as a parameter: a job does not read the clock.",
    "today": "Pass the day as a parameter: a job does not read the clock.",
    "random": "Draw before the job, with a seed.",
    "ilike": "Use like on a column whose case was folded where it was read.",
    "distinct on": "Use qualify row_number() over (partition by … order by …) = 1.",
    "recursive with": "Write the steps out, or loop outside the job.",
    "limit without order by": "Add an order by that breaks every tie.",
}


def parsed(sql: str, where: str = "") -> exp.Query:
    """Return the tree of one select in DuckDB's dialect, all of it portable.

    Raises `BadStatement` for what is no select and `NotPortable` for what is not listed, naming the
    construct, its place and what to use instead.
    """
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except SqlglotError as error:
        raise BadStatement("engine-statement", str(error).partition("\n")[0], where=where) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise BadStatement(
            "engine-statement", "this is not one select", where=where, fix="Give one select a call."
        )
    check(trees[0], where)
    return trees[0]


def check(tree: exp.Expr, where: str = "") -> None:
    """Refuse a tree that holds anything not listed; see `parsed`."""
    for node in tree.walk():
        if fault := _fault(node):
            raise NotPortable(fault, where=place(node, where), fix=INSTEAD.get(fault, ""))


def place(node: exp.Expr, where: str) -> str:
    """Return where a node stands: the step, and the words themselves."""
    parent = (
        node.parent if isinstance(node, exp.Identifier | exp.Var | exp.DataType) and node.parent else node
    )
    words = " ".join(parent.sql("duckdb").split())
    return ", ".join(part for part in (where, words if len(words) < 80 else words[:77] + "…") if part)


def _fault(node: exp.Expr) -> str:
    """Return the name of what is not portable about a node, or nothing."""
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        return "" if name in _CALLED else name
    known = _NODES.get(type(node))
    if known is None:
        return _name(node)
    if isinstance(node, exp.With) and node.args.get("recursive"):
        return "recursive with"
    if isinstance(node, exp.Table) and node.args.get("pivots"):
        return "pivot"
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Identifier):
        return "a table function" if isinstance(node.this, exp.Func) else "a file as a table"
    if isinstance(node, exp.Join) and node.args.get("method"):
        return f"{node.args['method'].lower()} join"
    if isinstance(node, exp.Distinct) and node.args.get("on"):
        return "distinct on"
    if (
        isinstance(node, exp.Select | exp.SetOperation)
        and node.args.get("limit")
        and not node.args.get("order")
    ):
        return "limit without order by"
    if isinstance(node, exp.SetOperation) and node.args.get("by_name"):
        return "union by name"
    for key, value in node.args.items():
        if value and key not in known.carries and not _empty(value):
            return f"{known.name} with {key.strip('_').replace('_', ' ')}"
    return ""


def _empty(value: object) -> bool:
    return isinstance(value, Mapping | list) and not any(value)


def _name(node: exp.Expr) -> str:
    """Return what a user calls a node that is not listed."""
    names = {
        exp.ArgMax: "arg_max",
        exp.ArgMin: "arg_min",
        exp.CurrentDate: "current date",
        exp.CurrentTimestamp: "current timestamp",
        exp.Rand: "random",
        exp.IgnoreNulls: "any_value" if isinstance(node.this, exp.AnyValue) else "ignore nulls",
    }
    if type(node) in names:
        return names[type(node)]
    if isinstance(node, exp.Func):
        return node.sql_name().lower()
    return type(node).__name__.lower()
