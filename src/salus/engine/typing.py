"""The type that DuckDB gives each expression of a statement.

SQLGlot's own inference is wrong where it matters (the scale of a product, a difference of dates), so
DuckDB is asked: an expression's type follows from its parts' types alone, so each is put to it as a
select of nulls of those types. Nothing is read and no Java is needed.
"""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

from salus.engine.contract import BadStatement
from salus.engine.types import fields_of, kind

Columns = Mapping[str, str]
"""A table's columns: name to type, as DuckDB writes types."""

TYPE = "duckdb"
"""Where a node's `meta` holds its type."""


class Binder:
    """DuckDB without rows: it binds statements over declared tables and tells what they would give."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(
            ":memory:", config={"threads": 1, "enable_external_access": "false"}
        )
        self._connection.execute("set TimeZone = 'UTC'")
        self._known: dict[str, str] = {}
        self.tables: dict[str, dict[str, str]] = {}

    def declare(self, name: str, columns: Columns) -> None:
        """Make an empty table, in place of one of that name. Raises `BadStatement` for an unknown type."""
        listed = ", ".join(f'"{column}" {_plain(type)}' for column, type in columns.items())
        try:
            self._connection.execute(f'create or replace table "{name}" ({listed})')
        except duckdb.Error as error:
            raise BadStatement("engine-columns", _first(error), where=f"table {name}") from None
        self.tables[name] = dict(columns)

    def forget(self, name: str) -> None:
        """Drop a declared table."""
        self._connection.execute(f'drop table if exists "{name}"')
        self.tables.pop(name, None)

    def columns(self, sql: str, params: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the columns a select would give; `params` are types by name. Raises `BadStatement`."""
        try:
            rows = self._connection.execute(f"describe {with_types(sql, params or {})}").fetchall()
        except duckdb.Error as error:
            raise BadStatement("engine-statement", _first(error)) from None
        found = {str(row[0]): _plain(str(row[1])) for row in rows}
        if len(found) != len(rows):
            raise BadStatement("engine-statement", "two columns have the same name", fix="Give each its own.")
        return found

    def arrow(self, sql: str, params: Mapping[str, str] | None = None) -> pa.Schema:
        """Return the Arrow schema that DuckDB's answer to a select has. Raises `BadStatement`."""
        try:
            return self._connection.sql(with_types(sql, params or {})).limit(0).to_arrow_table().schema
        except duckdb.Error as error:
            raise BadStatement("engine-statement", _first(error)) from None

    def close(self) -> None:
        """Let go of DuckDB."""
        self._connection.close()

    def type_of(self, expression: str, columns: Sequence[str]) -> str:
        """Return the type of an expression over columns `c0`, `c1`, … of the given types; "" if refused."""
        nulls = ", ".join(f"{_null(type)} as c{n}" for n, type in enumerate(columns))
        asked = "select " + expression + (" from (select " + nulls + ")" if nulls else "")  # noqa: S608 - bound only
        if asked not in self._known:
            try:
                rows = self._connection.execute(f"describe {asked}").fetchall()
            except duckdb.Error:
                rows = []
            self._known[asked] = str(rows[0][1]) if rows else ""
        return self._known[asked]


def with_types(sql: str, params: Mapping[str, str], *, values: bool = False) -> str:
    """Return a statement in which each parameter has its type said.

    With `values` it is `cast($name as type)`, to be run; else a null of the type, to be bound only.
    """
    if not params:
        return sql
    tokens = sqlglot.tokenize(sql, read="duckdb")
    parts, at = [], 0
    for one, following in zip(tokens, tokens[1:], strict=False):
        if one.text == "$" and following.text in params and following.start == one.end + 1:
            what = f"${following.text}" if values else "null"
            parts += [sql[at : one.start], f"cast({what} as {params[following.text]})"]
            at = following.end + 1
    return "".join([*parts, sql[at:]])


def annotated(tree: exp.Query, binder: Binder, params: Mapping[str, str]) -> exp.Query:
    """Return a statement whose columns name their tables and whose expressions carry their type in `meta`.

    Raises `BadStatement` for names that cannot be resolved.
    """
    schema: dict[str, object] = {name: dict(columns) for name, columns in binder.tables.items()}
    try:
        qualified = qualify(
            tree.copy(),
            schema=schema,
            dialect="duckdb",
            quote_identifiers=True,
            canonicalize_table_aliases=False,
        )
    except SqlglotError as error:
        raise BadStatement("engine-statement", str(error).partition("\n")[0]) from None
    _Annotation(binder, params).query(qualified)
    return qualified


class _Annotation:
    def __init__(self, binder: Binder, params: Mapping[str, str]) -> None:
        self._binder = binder
        self._params = params
        self._outputs: dict[int, dict[str, str]] = {}

    def query(self, tree: exp.Expr) -> None:
        """Type every expression, inner selects first."""
        for scope in traverse_scope(tree):
            self._scope(scope)

    def _scope(self, scope: Scope) -> None:
        node = scope.expression
        if isinstance(node, exp.SetOperation):
            arms = [self._output(node.left), self._output(node.right)]
            left, right = (list(arm.values()) for arm in arms)
            types = [
                self._described(f"select {_null(a)} as c union all select {_null(b)}")
                for a, b in zip(left, right, strict=False)
            ]
            self._outputs[id(node)] = dict(zip(arms[0], types, strict=False))
            return
        if isinstance(node, exp.Select):
            for part in _parts(node):
                self._type(part, scope)
            self._outputs[id(node)] = {
                one.alias_or_name: str(one.unalias().meta.get(TYPE) or one.meta.get(TYPE) or "")
                for one in node.expressions
            }
            return
        for part in node.args.get("expressions") or []:  # unnest, values
            self._type(part, scope)

    def _output(self, node: exp.Expr) -> dict[str, str]:
        while isinstance(node, exp.Subquery) and id(node) not in self._outputs:
            node = node.this
        return self._outputs.get(id(node), {})

    def _described(self, sql: str) -> str:
        return next(iter(self._binder.columns(sql).values()))

    def _type(self, node: exp.Expr, scope: Scope) -> str:
        """Return a node's type, and note it on the node and everything in it."""
        if TYPE in node.meta:
            return str(node.meta[TYPE])
        if isinstance(node, exp.Query):  # a scope of its own, typed before this one
            found = next(iter(self._output(node).values()), "")
        elif isinstance(node, exp.Column):
            found = self._column(node, scope)
        elif isinstance(node, exp.Alias | exp.Paren):
            found = self._type(node.this, scope)
        elif isinstance(node, exp.Placeholder):
            found = self._params.get(node.name, "")
        elif isinstance(node, exp.Dot):
            of = self._type(node.this, scope)
            fields = dict(fields_of(of)) if kind(of) == "struct" else {}
            found = fields.get(node.expression.name, "")
        else:
            for child in node.iter_expressions():
                if not isinstance(child, exp.DataType | exp.Identifier | exp.Var):
                    self._type(child, scope)
            if isinstance(node, exp.Window | exp.Filter):
                found = str(node.this.meta[TYPE])  # the function says it, whatever it runs over
            else:
                found = self._asked(node)
        node.meta[TYPE] = found
        return found

    def _asked(self, node: exp.Expr) -> str:
        """Put a node to DuckDB with nulls of its parts' types in their place."""
        if isinstance(
            node,
            exp.Ordered | exp.Order | exp.Distinct | exp.Where | exp.WindowSpec | exp.Tuple | exp.Star
            | exp.Interval | exp.PropertyEQ | exp.TableAlias | exp.Alias | exp.Grouping,
        ):  # fmt: skip
            return "INTERVAL" if isinstance(node, exp.Interval) else ""
        if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
            return ""
        if isinstance(node, exp.In | exp.Exists):
            return "BOOLEAN"
        if isinstance(node, exp.Anonymous) and node.name.lower() == "grouping":
            return "BIGINT"
        asked, types = node.copy(), list[str]()
        for child in list(asked.iter_expressions()):
            _stand_in(child, types)
        return self._binder.type_of(asked.sql("duckdb"), types)

    def _column(self, node: exp.Column, scope: Scope) -> str:
        name = node.table
        above: Scope | None = scope
        while above is not None:
            if name and (source := above.sources.get(name)) is not None:
                return self._source(source, node.name, above, name)
            above = above.parent  # a correlated subquery reads its outer select
        if isinstance(scope.expression, exp.Select):  # an alias of the select list, in order by
            for one in scope.expression.expressions:
                if one.alias_or_name == node.name and one is not node:
                    return self._type(one, scope)
        return ""

    def _source(self, source: exp.Expr | Scope, column: str, scope: Scope, alias: str) -> str:
        if isinstance(source, exp.Table):
            return _plain(self._binder.tables.get(source.name, {}).get(column, ""))
        node = source.expression
        if isinstance(node, exp.Unnest):
            of = self._type(node.expressions[0], scope if isinstance(source, exp.Expr) else source)
            return of[:-2] if of.endswith("[]") else ""
        if isinstance(node, exp.Values):
            names = [one.name for one in node.args["alias"].columns] if node.args.get("alias") else []
            if column in names:
                first = names.index(column)
                rows = [row.expressions[first] for row in node.expressions]
                union = " union all ".join(f"select {one.sql('duckdb')} as c" for one in rows)
                return self._described(union)
            return ""
        return self._output(node).get(column, "")


def _parts(select: exp.Select) -> list[exp.Expr]:
    """Return what a select computes: its list and its clauses, but no query that is a scope of its own."""
    found: list[exp.Expr] = list(select.expressions)
    for key in ("where", "having", "qualify"):
        if clause := select.args.get(key):
            found.append(clause.this)
    if group := select.args.get("group"):
        found += [one for one in group.iter_expressions() if not isinstance(one, exp.Boolean)]
    if order := select.args.get("order"):
        found += order.expressions
    found += [join.args["on"] for join in select.args.get("joins") or [] if join.args.get("on")]
    return found


def _stand_in(child: exp.Expr, types: list[str]) -> None:
    """Put a column of its type in a part's place; constants stay, for their value can decide a type."""
    if isinstance(child, exp.DataType | exp.Identifier | exp.Var | exp.Literal | exp.Interval):
        return
    type = str(child.meta.get(TYPE) or "")
    if type and type != "INTERVAL" and child.find(exp.Column, exp.Query, exp.Placeholder):
        child.replace(exp.column(f"c{len(types)}"))
        types.append(type)
        return
    for one in list(child.iter_expressions()):
        _stand_in(one, types)


def _null(type: str) -> str:
    return f"cast(null as {_plain(type) or 'INTEGER'})"


def _plain(type: str) -> str:
    return "INTEGER" if type.strip('"').upper() == "NULL" else type


def _first(error: duckdb.Error) -> str:
    return str(error).strip().partition("\n\n")[0]
