"""Aggregates and windows in Spark's words.

An aggregate may stand in a filter and in a window. What goes around it (a cast, a sort) must stand
around those too, so a rule leaves it in `meta` and the outermost takes it.
"""

from collections.abc import Callable

from sqlglot import exp

from salus.engine.rendering import (
    Rules,
    as_type,
    literal,
    of_kind,
    refuse,
    spark,
    text,
    type_of,
    whole,
    words_of,
)
from salus.engine.types import kind

rules = Rules()
After = Callable[[exp.Expr], exp.Expr]
_AFTER = "after"
_FILTER = "filter"


def _given(node: exp.Expr, core: exp.Expr, after: After) -> exp.Expr:
    """Return an aggregate's core, its surroundings now or when its filter and window are known."""
    core.meta["type"] = type_of(node)
    parent = node.parent
    if isinstance(parent, exp.Filter | exp.Window) and parent.this is node:
        core.meta[_AFTER] = after
        return core
    return after(core)


def _typed(node: exp.Expr) -> After:
    result = type_of(node)
    return lambda whole: as_type(whole, result)


def _unordered(node: exp.Expr) -> exp.Expr:
    if isinstance(node.this, exp.Order | exp.Distinct):
        refuse(f"{str(node.key)} of ordered or distinct values", "Take them in a step before.")
    value: exp.Expr = node.this
    return value


@rules.on(exp.Filter)
def _filter(node: exp.Filter) -> exp.Expr:
    after = node.this.meta.pop(_AFTER, None)
    new = text("{0} filter (where {1})", node.this, node.expression.this)
    return _given(node, new, after) if after else new


@rules.on(exp.Window)
def _window(node: exp.Window) -> exp.Expr:
    after = node.this.meta.pop(_AFTER, None)
    spec = node.args.get("spec")
    if spec is not None:
        _frame(spec)
    ranked = exp.RowNumber | exp.Rank | exp.DenseRank | exp.Ntile | exp.PercentRank | exp.CumeDist
    ordered = exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue
    named = node.args.get("alias")
    inner = node.this.meta.get("was", node.this)
    if isinstance(inner, ranked | ordered) and not node.args.get("order") and not named:
        refuse(f"{inner.sql_name().lower()} without order by", "Order by something that breaks ties.")
    if isinstance(node.parent, exp.Select):  # a definition in the window clause
        return node
    words = spark(node)
    return after(text("{0}", exp.Var(this=words))) if after else exp.Var(this=words)


def _frame(spec: exp.WindowSpec) -> None:
    kind_of, ends = str(spec.args.get("kind") or "").upper(), [spec.args.get("start"), spec.args.get("end")]
    for end in ends:
        if isinstance(end, exp.Expr):
            whole(end, "the end of a frame", least=0)
            if kind_of != "ROWS":
                refuse("a frame over a range of values", "Use rows, or join on the range.")
    if kind_of not in ("ROWS", "RANGE"):
        refuse(f"a frame over {kind_of.lower()}", "Use rows.")


@rules.on(exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist)
def _rank(node: exp.Func) -> exp.Expr:
    core = text(f"{node.sql_name().lower()}()")
    core.meta["was"] = node
    return _given(node, core, _typed(node))


@rules.on(exp.Ntile)
def _ntile(node: exp.Ntile) -> exp.Expr:
    core = text(f"ntile({whole(node.this, 'the number of tiles', least=1)})")
    core.meta["was"] = node
    return _given(node, core, _typed(node))


@rules.on(exp.Lag, exp.Lead)
def _shift(node: exp.Func) -> exp.Expr:
    name = node.sql_name().lower()
    offset = whole(node.args["offset"], "the offset of a row", least=0) if node.args.get("offset") else 1
    default = node.args.get("default")
    words = f"{name}({{0}}, {offset}" + (", {1})" if default else ")")
    core = text(words, node.this, *([as_type(default, type_of(node))] if default else []))
    core.meta["was"] = node
    return _given(node, core, _typed(node))


@rules.on(exp.FirstValue, exp.LastValue)
def _end(node: exp.Func) -> exp.Expr:
    core = text(node.sql_name().lower() + "({0})", node.this)
    core.meta["was"] = node
    return _given(node, core, _typed(node))


@rules.on(exp.Count)
def _count(node: exp.Count) -> exp.Expr:
    if isinstance(node.this, exp.Distinct):
        if len(node.this.expressions) != 1:
            refuse("count of distinct rows of several columns", "Select distinct in a step before.")
        of = node.this.expressions[0]
        if kind(type_of(of)) in ("list", "struct"):
            refuse("count of distinct lists or structs", "Count their parts.")
        return _given(node, text("count(distinct {0})", of), _typed(node))
    if node.expressions:
        refuse("count of several columns", "Count one.")
    return _given(node, text("count({0})", node.this or exp.Star()), _typed(node))


@rules.on(exp.Sum)
def _sum(node: exp.Sum) -> exp.Expr:
    value = _unordered(node)
    of_kind(value, "integer", "decimal", "double")
    if kind(type_of(value)) == "integer":  # a hugeint in DuckDB; Spark's bigint would overflow
        value = text("cast({0} as decimal(28, 0))", value)
    return _given(node, text("sum({0})", value), _typed(node))


@rules.on(exp.Avg)
def _avg(node: exp.Avg) -> exp.Expr:
    value = _unordered(node)
    of_kind(value, "integer", "decimal", "double")
    return _given(node, text("avg({0})", as_type(value, "DOUBLE")), _typed(node))


@rules.on(exp.Min, exp.Max)
def _extreme(node: exp.Func) -> exp.Expr:
    value = _unordered(node)
    if kind(type_of(value)) in ("list", "struct"):
        refuse("the least or greatest of lists or structs", "Order their parts with row_number().")
    return _given(node, text(node.sql_name().lower() + "({0})", value), _typed(node))


@rules.on(exp.LogicalAnd, exp.LogicalOr)
def _logical(node: exp.Func) -> exp.Expr:
    name = "bool_and" if isinstance(node, exp.LogicalAnd) else "bool_or"
    return _given(node, text(name + "({0})", _unordered(node)), _typed(node))


_SPREAD: dict[type[exp.Expr], str] = {
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
}


@rules.on(*_SPREAD)
def _spread(node: exp.Func) -> exp.Expr:
    value = as_type(_unordered(node), "DOUBLE")
    return _given(node, text(_SPREAD[type(node)] + "({0})", value), _typed(node))


@rules.on(exp.Median, exp.PercentileCont, exp.PercentileDisc)
def _quantile(node: exp.Func) -> exp.Expr:
    value = _unordered(node)
    of_kind(value, "integer", "double")
    fraction = node.args.get("expression")
    if fraction is not None and not (isinstance(fraction, exp.Literal) and not fraction.is_string):
        refuse("a quantile at no constant fraction", "Write the number.")
    at = fraction.name if fraction is not None else "0.5"
    if isinstance(node, exp.PercentileDisc):
        core = text(f"percentile_disc({at}) within group (order by {{0}})", value)
    else:
        core = text(f"percentile({{0}}, {at})", as_type(value, "DOUBLE"))
    return _given(node, core, _typed(node))


@rules.on(exp.Grouping)
def _grouping(node: exp.Grouping) -> exp.Expr:
    if len(node.expressions) != 1:
        refuse("grouping of several columns", "Ask of each.")
    return text("cast(grouping({0}) as bigint)", node.expressions[0])


def _sorted(node: exp.Expr) -> tuple[exp.Expr, str, bool]:
    """Return an ordered aggregate's value, the struct that sorts it, and whether downwards.

    The value must be its own last key, or rows that tie would come in any order.
    """
    order = node.this
    if not isinstance(order, exp.Order):
        refuse(f"{_called(node)} without order by", f"Write {_called(node)}(x order by …, x).")
    value, keys = order.this, order.expressions
    if isinstance(value, exp.Distinct):
        refuse(f"{_called(node)} of distinct values", "Select distinct in a step before.")
    if keys[-1].this.sql() != value.sql():
        refuse(
            f"{_called(node)} that leaves ties",
            f"End the order by with the value: {_called(node)}(x order by …, x).",
        )
    downs = {bool(key.args.get("desc")) for key in keys}
    firsts = {bool(key.args.get("nulls_first")) for key in keys}
    if len(downs) > 1 or firsts != {False}:
        refuse(f"{_called(node)} in mixed orders", "Order every key the same way, nulls last.")
    down = downs.pop()
    flag = "is not null" if down else "is null"
    fields = ", ".join(
        f"'n{n}', {spark(key.this)} {flag}, 'k{n}', {spark(key.this)}" for n, key in enumerate(keys)
    )
    return value, f"named_struct({fields})", down


def _called(node: exp.Expr) -> str:
    return "string_agg" if isinstance(node, exp.GroupConcat) else "list"


@rules.on(exp.Order)
def _order(node: exp.Order) -> exp.Expr:
    return node


@rules.on(exp.ArrayAgg)
def _list(node: exp.ArrayAgg) -> exp.Expr:
    _, struct, down = _sorted(node)
    last = len(node.this.expressions) - 1
    result = type_of(node)

    def after(core: exp.Expr) -> exp.Expr:
        words = f"transform(sort_array({{0}}, {'false' if down else 'true'}), one -> one.k{last})"
        return as_type(text(f"(case when size({{0}}) > 0 then {words} end)", core), result)

    return _given(node, text(f"collect_list({struct})"), after)


@rules.on(exp.GroupConcat)
def _string_agg(node: exp.GroupConcat) -> exp.Expr:
    value, struct, down = _sorted(node)
    of_kind(value, "text")
    last = len(node.this.expressions) - 1
    between = (
        literal(words_of(node.args["separator"], "the separator of string_agg"))
        if node.args.get("separator")
        else "','"
    )

    def after(core: exp.Expr) -> exp.Expr:
        kept = f"filter(sort_array({{0}}, {'false' if down else 'true'}), one -> one.k{last} is not null)"
        joined = f"array_join(transform({kept}, one -> one.k{last}), {between})"
        return text(f"(case when size({kept}) > 0 then {joined} end)", core)

    return _given(node, text(f"collect_list({struct})"), after)
