"""DuckDB's SQL in Spark's words: what would be answered differently is written so that it is not.

Every function is rendered here by name, not by SQLGlot's own rules, which drop what they cannot say
(the order of a list, the group of a pattern). SQLGlot writes only the frame: selects, joins, clauses.
"""

from collections.abc import Mapping
from functools import partial

from sqlglot import exp, transforms
from sqlglot.dialects.spark import Spark

from salus.engine import spark_aggregates, spark_dates, spark_text
from salus.engine.portable import NotPortable, parsed, place
from salus.engine.rendering import Rules, as_type, constant, name_of, of_kind, refuse, text, type_of, whole
from salus.engine.types import kind, spark_type
from salus.engine.typing import TYPE, Binder, annotated

rules = Rules()


class _Frame(Spark):
    class Generator(Spark.Generator):  # type: ignore[misc, valid-type]  # SQLGlot's dialects build themselves
        TRANSFORMS = {
            **Spark.Generator.TRANSFORMS,
            exp.Select: transforms.preprocess(
                [partial(transforms.unnest_to_explode, unnest_using_arrays_zip=False)]
            ),
        }


def translated(
    sql: str, binder: Binder, params: Mapping[str, str] | None = None, where: str = ""
) -> tuple[str, dict[str, str]]:
    """Return a select in Spark's SQL, and the columns it gives as DuckDB types them.

    `binder` has the tables it reads; `params` are the types of its `$name`s, which become `:name`.
    Raises `BadStatement` for what DuckDB does not take and `NotPortable` for what is not listed.
    """
    params = params or {}
    tree = parsed(sql, where)
    columns = binder.columns(sql, params)
    for name, type in columns.items():
        if kind(type) is None and type.strip('"') != "NULL":
            raise NotPortable(f"a column of type {type}", where=f"{where}, {name}", fix="Cast it.")
    typed = annotated(tree, binder, params)
    rewrite(typed, where)
    return typed.sql(dialect=_Frame), columns


def rewrite(tree: exp.Expr, where: str = "") -> None:
    """Change a typed tree in place, inner parts first, so that Spark answers it as DuckDB would."""
    for node in reversed(list(tree.walk(bfs=True))):
        rule = (
            rules.of(node)
            or spark_aggregates.rules.of(node)
            or spark_dates.rules.of(node)
            or spark_text.rules.of(node)
        )
        if rule is None:
            continue
        try:
            new = rule(node)
        except NotPortable as error:
            raise NotPortable(
                error.construct, where=error.where or place(node, where), fix=error.fix
            ) from None
        if new is not node:
            if TYPE in node.meta:
                new.meta.setdefault(TYPE, node.meta[TYPE])
            node.replace(new)


def _mixed(*nodes: exp.Expr) -> None:
    """Refuse sides of different kinds, for the engines convert them differently."""
    numbers = {"integer", "decimal", "double"}
    kinds = {kind(type_of(node)) for node in nodes} - {None}
    if len(kinds) > 1 and not kinds <= numbers and not kinds <= {"date", "timestamp"}:
        refuse("mixing " + " and ".join(sorted(str(one) for one in kinds)), "Cast one side.")


@rules.on(exp.Placeholder)
def _parameter(node: exp.Placeholder) -> exp.Expr:
    if not type_of(node):
        refuse(f"the parameter ${node.name} without a type", "Give it a value or declare it.")
    return text(f"cast(:{node.name} as {spark_type(type_of(node))})")


@rules.on(exp.Literal)
def _literal(node: exp.Literal) -> exp.Expr:
    if node.is_string or not isinstance(node.this, str):
        return node
    if "e" in node.this.lower():
        return text(f"cast({node.this} as double)")
    return node


@rules.on(exp.Add, exp.Sub, exp.Mul)
def _arithmetic(node: exp.Binary) -> exp.Expr:
    left, right = kind(type_of(node.this)), kind(type_of(node.expression))
    if "date" in (left, right) or "timestamp" in (left, right) or isinstance(node.expression, exp.Interval):
        return spark_dates.arithmetic(node)
    numbers = {"integer", "decimal", "double", None}
    if left not in numbers or right not in numbers:
        refuse(f"{left} {_sign(node)} {right}", "Cast to numbers, or use the function for it.")
    result = type_of(node)
    if kind(result) == "integer":  # at DuckDB's width, where it overflows and not before
        sides = [as_type(side, result) for side in (node.this, node.expression)]
        return as_type(text("({0} " + _sign(node) + " {1})", *sides), result)
    return as_type(text("({0} " + _sign(node) + " {1})", node.this, node.expression), result)


def _sign(node: exp.Expr) -> str:
    return "+" if isinstance(node, exp.Add) else "-" if isinstance(node, exp.Sub) else "*"


@rules.on(exp.Neg)
def _negative(node: exp.Neg) -> exp.Expr:
    return text("(- {0})", node.this)


@rules.on(exp.Div)
def _division(node: exp.Div) -> exp.Expr:
    over, under = (as_type(side, "DOUBLE") for side in (node.this, node.expression))
    guard = node.expression.meta.get("was")
    if constant(node.expression) or (isinstance(guard, exp.Nullif) and guard.expression.name == "0"):
        return text("({0} / {1})", over, under)
    return text(
        "(case when {1} = 0 then case when isnan({0}) then {0} when {0} > 0 then double('infinity')"
        " when {0} < 0 then double('-infinity') when {0} is not null then double('nan') end"
        " else {0} / nullif({1}, 0) end)",
        over,
        under,
    )


@rules.on(exp.IntDiv)
def _whole_division(node: exp.IntDiv) -> exp.Expr:
    of_kind(node.this, "integer")
    of_kind(node.expression, "integer")
    return as_type(text("({0} div {1})", node.this, node.expression), type_of(node))


@rules.on(exp.Mod)
def _remainder(node: exp.Mod) -> exp.Expr:
    of_kind(node.this, "integer", "decimal")
    of_kind(node.expression, "integer", "decimal")
    return as_type(text("({0} % {1})", node.this, node.expression), type_of(node))


@rules.on(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeNEQ, exp.NullSafeEQ)
def _comparison(node: exp.Binary) -> exp.Expr:
    _mixed(node.this, node.expression)
    if {kind(type_of(node.this)), kind(type_of(node.expression))} & {"list", "struct"}:
        refuse("comparing lists or structs", "Compare their parts.")
    return node


@rules.on(exp.Between)
def _between(node: exp.Between) -> exp.Expr:
    _mixed(node.this, node.args["low"], node.args["high"])
    return node


@rules.on(exp.In)
def _in(node: exp.In) -> exp.Expr:
    query = node.args.get("query")
    if query:
        _in_subquery(node)
    found = list(query.unnest().selects) if query else node.expressions
    _mixed(node.this, *found)
    return node


def _in_subquery(node: exp.In) -> None:
    """Refuse `in (select …)` where a null would show: Spark calls it false instead."""
    above: exp.Expr | None = node.parent
    allowed: list[type[exp.Expr]] = [exp.And, exp.Or, exp.Paren]
    if isinstance(above, exp.Not):
        above, allowed = above.parent, [exp.And, exp.Paren]
    while above is not None and isinstance(above, tuple(allowed)):
        above = above.parent
    if not isinstance(above, exp.Where | exp.Having | exp.Qualify):
        refuse("in (select …) as a value", "Use exists, or left join and test for null.")


@rules.on(exp.Select)
def _select(node: exp.Select) -> exp.Expr:
    if node.args.get("qualify") and (node.args.get("group") or node.args.get("having")):
        refuse("qualify beside group by", "Group in a step before.")
    return node


@rules.on(exp.Coalesce)
def _coalesce(node: exp.Coalesce) -> exp.Expr:
    parts = [node.this, *node.expressions]
    _mixed(*parts)
    return as_type(text("coalesce(" + _places(parts) + ")", *parts), type_of(node))


@rules.on(exp.Greatest, exp.Least)
def _extreme(node: exp.Func) -> exp.Expr:
    parts = [node.this, *node.expressions]
    _mixed(*parts)
    name = "greatest" if isinstance(node, exp.Greatest) else "least"
    return as_type(text(name + "(" + _places(parts) + ")", *parts), type_of(node))


def _places(parts: list[exp.Expr]) -> str:
    return ", ".join(f"{{{n}}}" for n in range(len(parts)))


@rules.on(exp.Nullif)
def _nullif(node: exp.Nullif) -> exp.Expr:
    _mixed(node.this, node.expression)
    new = as_type(text("nullif({0}, {1})", node.this, node.expression), type_of(node))
    new.meta["was"] = node
    return new


@rules.on(exp.Paren)
def _paren(node: exp.Paren) -> exp.Expr:
    return node


@rules.on(exp.Case)
def _case(node: exp.Case) -> exp.Expr:
    results = [one.args["true"] for one in node.args["ifs"]]
    if node.args.get("default"):
        results.append(node.args["default"])
    _mixed(*results)
    if node.this:
        _mixed(node.this, *(one.this for one in node.args["ifs"]))
    return as_type(node, type_of(node))


@rules.on(exp.If)
def _if(node: exp.If) -> exp.Expr:
    if isinstance(node.parent, exp.Case):
        return node
    results = [node.args["true"], *([node.args["false"]] if node.args.get("false") else [])]
    _mixed(*results)
    other = node.args.get("false") or exp.Null()
    return as_type(text("if({0}, {1}, {2})", node.this, node.args["true"], other), type_of(node))


@rules.on(exp.Cast, exp.TryCast)
def _cast(node: exp.Cast) -> exp.Expr:
    value, source, target = node.this, type_of(node.this), type_of(node)
    of, to = kind(source), kind(target)
    verb = "try_cast" if isinstance(node, exp.TryCast) else "cast"
    into = spark_type(target)
    plain = f"{verb}({{0}} as {into})"
    if of is None or source == target:
        return text(plain, value)
    if isinstance(value, exp.Literal) and value.is_string:
        if to in ("date", "timestamp"):
            spark_dates.checked_constant(value.name, to)
            return text(plain, value)
        if to == "text":
            return value
    if of == "decimal" and to == "integer":
        return text(f"{verb}(round({{0}}, 0) as {into})", value)
    if of == "double" and to == "integer":
        return text(f"{verb}(rint({{0}}) as {into})", value)
    if of == "boolean" and to == "integer":
        return text(plain, value)
    numbers = {"integer", "decimal", "double"}
    if of in ("integer", "decimal") and to in numbers:
        return text(plain, value)
    if of == "double" and to == "double":
        return text(plain, value)
    if to == "text" and of in ("integer", "decimal", "boolean", "date"):
        return text(plain, value)
    if {of, to} <= {"date", "timestamp"}:
        return text(plain, value)
    refuse(f"a cast from {source.lower()} to {target.lower()}", "Give the column its type where it is read.")


@rules.on(exp.Abs)
def _abs(node: exp.Abs) -> exp.Expr:
    return as_type(text("abs({0})", node.this), type_of(node))


@rules.on(exp.Ceil, exp.Floor)
def _to_whole(node: exp.Func) -> exp.Expr:
    name = "ceil" if isinstance(node, exp.Ceil) else "floor"
    if (
        kind(type_of(node.this)) == "double"
    ):  # beyond 2^52 every double is whole, and Spark's bigint too narrow
        return text(
            "(case when abs({0}) < 4503599627370496 then cast(" + name + "({0}) as double) else {0} end)",
            node.this,
        )
    return as_type(text(name + "({0})", node.this), type_of(node))


@rules.on(exp.Round)
def _round(node: exp.Round) -> exp.Expr:
    places = whole(node.args["decimals"], "the places of round", least=0) if node.args.get("decimals") else 0
    if kind(type_of(node.this)) == "double" and places:
        refuse("round of a double to decimal places", "Cast to a decimal first: round(x::decimal(18, 6), 2).")
    return as_type(text(f"round({{0}}, {places})", node.this), type_of(node))


@rules.on(exp.Sign)
def _sign_of(node: exp.Sign) -> exp.Expr:
    if kind(type_of(node.this)) == "double":
        return as_type(text("(case when isnan({0}) then 0 else sign({0}) end)", node.this), type_of(node))
    return as_type(text("sign({0})", node.this), type_of(node))


@rules.on(exp.Sqrt, exp.Ln)
def _guarded(node: exp.Func) -> exp.Expr:
    value = as_type(node.this, "DOUBLE")
    if isinstance(node, exp.Sqrt):
        return text(
            "(case when {0} < 0 then raise_error('a square root of a negative number') else sqrt({0}) end)",
            value,
        )
    return text(
        "(case when {0} <= 0 then raise_error('a logarithm of no positive number') else ln({0}) end)", value
    )


@rules.on(exp.Exp)
def _exp(node: exp.Exp) -> exp.Expr:
    return text("exp({0})", as_type(node.this, "DOUBLE"))


@rules.on(exp.Pow)
def _power(node: exp.Pow) -> exp.Expr:
    return text("power({0}, {1})", as_type(node.this, "DOUBLE"), as_type(node.expression, "DOUBLE"))


@rules.on(exp.Array)
def _list(node: exp.Array) -> exp.Expr:
    _mixed(*node.expressions)
    return as_type(text("array(" + _places(node.expressions) + ")", *node.expressions), type_of(node))


@rules.on(exp.Bracket)
def _element(node: exp.Bracket) -> exp.Expr:
    of_kind(node.this, "list")
    if len(node.expressions) != 1:
        refuse("a slice", "Take one element, or unnest.")
    at = whole(node.expressions[0], "the index of a list", least=0)  # SQLGlot counts from 0
    return text(f"get({{0}}, {at})", node.this)


@rules.on(exp.ArraySize)
def _size(node: exp.ArraySize) -> exp.Expr:
    return text("cast(size({0}) as bigint)", node.this)


@rules.on(exp.ArrayContains)
def _contains(node: exp.ArrayContains) -> exp.Expr:
    return text(
        "(case when {0} is null or {1} is null then null else coalesce(array_contains({0}, {1}), false) end)",
        node.this,
        as_type(node.expression, type_of(node.this)[:-2]),
    )


@rules.on(exp.GenerateSeries)
def _range(node: exp.GenerateSeries) -> exp.Expr:
    if not node.args.get("is_end_exclusive") or not node.args.get("start"):
        refuse("generate_series", "Use range(first, one past the last).")
    ends = [as_type(node.args[key], "BIGINT") for key in ("start", "end")]
    return text(
        "(case when {1} > {0} then sequence({0}, {1} - 1)"
        " when {1} <= {0} then cast(array() as array<bigint>) end)",
        *ends,
    )


@rules.on(exp.Struct)
def _struct(node: exp.Struct) -> exp.Expr:
    fields = [(name_of(one.this), one.expression) for one in node.expressions]
    words = ", ".join(f"'{name}', {{{n}}}" for n, (name, _) in enumerate(fields))
    return as_type(text(f"named_struct({words})", *(value for _, value in fields)), type_of(node))


@rules.on(exp.Dot)
def _field(node: exp.Dot) -> exp.Expr:
    of_kind(node.this, "struct")
    return text(f"{{0}}.`{node.expression.name}`", node.this)


@rules.on(exp.Ordered)
def _ordered(node: exp.Ordered) -> exp.Expr:
    """Say where nulls go: last in either direction unless the statement says otherwise."""
    if isinstance(node.this, exp.Literal | exp.Var) and not node.this.meta.get(TYPE):
        refuse("order by all", "Name the columns.")
    return node


def _given(side: exp.Expr) -> list[exp.Expr]:
    """Return what one side of a set operation selects."""
    query = side.unnest()
    return list(query.selects) if isinstance(query, exp.Query) else []


@rules.on(exp.Union, exp.Except, exp.Intersect)
def _set(node: exp.SetOperation) -> exp.Expr:
    left, right = (_given(side) for side in (node.left, node.right))
    for a, b in zip(left, right, strict=False):
        _mixed(a.unalias(), b.unalias())
    return node
