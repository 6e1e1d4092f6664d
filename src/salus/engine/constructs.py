# ruff: noqa: E501
# A construct a line: it reads as the table it is.
"""The constructs that both engines answer equally, each with what it may carry."""

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True, slots=True)
class Construct:
    """One thing that a portable statement may hold: its name, the nodes it is read as, what they may carry."""

    name: str
    group: str
    nodes: tuple[type[exp.Expr], ...] = ()
    carries: frozenset[str] = frozenset()
    called: str = ""
    note: str = ""


def _is(group: str, name: str, *nodes: type[exp.Expr], carries: str = "", note: str = "") -> Construct:
    return Construct(name, group, nodes, frozenset(carries.split()), "", note)


def _called(group: str, name: str, note: str = "") -> Construct:
    return Construct(name, group, (), frozenset(), name, note)


def _listed() -> tuple[Construct, ...]:
    q, o, s, x, d, a, w, n = (
        "Queries", "Operators", "Numbers", "Text", "Dates and times", "Aggregates", "Windows", "Lists and structs",
    )  # fmt: skip
    two = "this expression"
    return (
        _is(q, "select", exp.Select, exp.From,
            carries="with_ expressions distinct from_ joins laterals where group having qualify windows order limit"
                    " offset this kind"),
        _is(q, "select distinct", exp.Distinct, carries="expressions"),
        _is(q, "with", exp.With, exp.CTE, exp.TableAlias, carries="expressions this alias columns"),
        _is(q, "subquery", exp.Subquery, carries="this alias with_", note="also as a value and correlated"),
        _is(q, "table, alias, star", exp.Table, exp.Column, exp.Identifier, exp.Alias, exp.Star, exp.Paren,
            carries="this db catalog alias table quoted except_ replace joins", note="`* exclude (…)`, `* replace (…)`"),
        _is(q, "join", exp.Join, carries="this side kind on using",
            note="inner, left, right, full, cross, semi, anti; `on` or `using`"),
        _is(q, "values", exp.Values, exp.Tuple, carries="expressions alias"),
        _is(q, "where, having", exp.Where, exp.Having, carries="this"),
        _is(q, "group by", exp.Group, exp.GroupingSets, exp.Rollup, exp.Cube,
            carries="expressions grouping_sets rollup cube all", note="expressions, `all`, grouping sets, rollup, cube"),
        _is(q, "qualify", exp.Qualify, carries="this"),
        _is(q, "order by, limit, offset", exp.Order, exp.Ordered, exp.Limit, exp.Offset,
            carries="this expressions desc nulls_first expression", note="limit only with order by"),
        _is(q, "union, except, intersect", exp.Union, exp.Except, exp.Intersect,
            carries="this expression distinct with_ order limit offset",
            note="with and without `all`; columns of the same kind"),
        _is(q, "unnest", exp.Unnest, exp.Explode, carries="expressions this alias",
            note="in from or once in the select list"),
        _is(q, "parameter $name", exp.Placeholder, carries="this kind"),
        _is(o, "constants", exp.Literal, exp.Boolean, exp.Null, exp.Var, exp.Neg, carries="this is_string"),
        _is(o, "+ - *", exp.Add, exp.Sub, exp.Mul, carries=two, note="numbers; dates with whole days or intervals"),
        _is(o, "/", exp.Div, carries="this expression typed safe", note="always a double, infinite by zero"),
        _is(o, "//", exp.IntDiv, carries=two, note="whole numbers"),
        _is(o, "%", exp.Mod, carries=two, note="whole numbers and decimals; the sign of the left side"),
        _is(o, "= <> < <= > >=", exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, carries=two,
            note="both sides of one kind"),
        _is(o, "is distinct from", exp.NullSafeNEQ, exp.NullSafeEQ, carries=two),
        _is(o, "and or not", exp.And, exp.Or, exp.Not, carries=two),
        _is(o, "is null", exp.Is, carries=two),
        _is(o, "in, exists", exp.In, exp.Exists, carries="this expressions query", note="lists and subqueries"),
        _is(o, "between", exp.Between, carries="this low high symmetric"),
        _is(o, "like", exp.Like, carries="this expression negate", note="a constant pattern without backslash"),
        _is(o, "||", exp.DPipe, carries="this expression safe", note="text"),
        _is(o, "case, if", exp.Case, exp.If, carries="this ifs default true false"),
        _is(o, "coalesce", exp.Coalesce, carries="this expressions"),
        _is(o, "nullif", exp.Nullif, carries=two),
        _is(o, "cast, try_cast", exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam,
            carries="this to safe expressions nested kind default", note="the casts named below"),
        _is(s, "abs", exp.Abs, carries="this"),
        _is(s, "ceil, floor", exp.Ceil, exp.Floor, carries="this"),
        _is(s, "round", exp.Round, carries="this decimals", note="half away from zero; of doubles to whole numbers only"),
        _is(s, "sign", exp.Sign, carries="this"),
        _is(s, "sqrt, exp, ln, power", exp.Sqrt, exp.Exp, exp.Ln, exp.Pow, carries=two),
        _is(s, "greatest, least", exp.Greatest, exp.Least, carries="this expressions ignore_nulls",
            note="nulls are passed over"),
        _is(x, "length", exp.Length, carries="this", note="code points"),
        _is(x, "trim, ltrim, rtrim", exp.Trim, carries="this position", note="spaces of any script"),
        _is(x, "substring", exp.Substring, carries="this start length", note="constant start from 1, constant length"),
        _is(x, "left, right", exp.Left, exp.Right, carries=two, note="a constant number of characters"),
        _is(x, "position", exp.StrPosition, carries="this substr"),
        _is(x, "replace", exp.Replace, carries="this expression replacement"),
        _is(x, "concat, concat_ws", exp.Concat, exp.ConcatWs, carries="expressions safe coalesce",
            note="nulls are passed over"),
        _is(x, "lpad, rpad", exp.Pad, carries="this expression fill_pattern is_left", note="constant length and filling"),
        _is(x, "starts_with, ends_with, contains", exp.StartsWith, exp.EndsWith, exp.Contains, carries=two),
        _is(x, "split_part", exp.SplitPart, carries="this delimiter part_index", note="constant separator, part from 1"),
        _is(x, "string_split", exp.Split, carries=two, note="constant separator"),
        _is(x, "repeat", exp.Repeat, carries="this times"),
        _is(x, "regexp_matches, regexp_full_match", exp.RegexpLike, exp.RegexpFullMatch, carries=two,
            note="constant patterns, see below"),
        _is(x, "regexp_extract", exp.RegexpExtract, carries="this expression group null_if_pos_overflow"),
        _is(x, "regexp_replace", exp.RegexpReplace, carries="this expression replacement modifiers single_replace",
            note="with 'g'; the replacement is plain text"),
        _is(x, "sha256, md5", exp.SHA2, exp.MD5, carries="this length"),
        _is(d, "interval", exp.Interval, carries="this unit", note="a constant number of one unit"),
        _is(d, "year, quarter, month, day", exp.Year, exp.Quarter, exp.Month, exp.Day, carries="this"),
        _is(d, "week, dayofweek, isodow, dayofyear", exp.Week, exp.WeekOfYear, exp.DayOfWeek, exp.DayOfWeekIso,
            exp.DayOfYear, carries="this", note="ISO weeks; Sunday is 0, and 7 for isodow"),
        _is(d, "hour, minute, second", exp.Hour, exp.Minute, exp.Second, carries="this"),
        _is(d, "extract", exp.Extract, carries=two, note="of the parts above"),
        _is(d, "date_trunc", exp.TimestampTrunc, exp.DateTrunc, carries="this unit",
            note="year, quarter, month, week, day, hour, minute"),
        _is(d, "date_diff", exp.DateDiff, carries="this expression unit date_part_boundary",
            note="boundaries crossed: year, quarter, month, week, day, hour, minute, second"),
        _called(d, "date_sub", note="completed years, quarters, months, weeks or days between dates: an age"),
        _is(d, "last_day", exp.LastDay, carries="this"),
        _is(d, "make_date", exp.DateFromParts, carries="year month day"),
        _is(d, "strftime", exp.TimeToStr, carries="this format", note="%Y %m %d %H %M %S"),
        _is(a, "count", exp.Count, carries="this expressions big_int", note="also `distinct` of one column"),
        _is(a, "sum, avg", exp.Sum, exp.Avg, carries="this", note="a sum of whole numbers is a hugeint"),
        _is(a, "min, max", exp.Min, exp.Max, carries="this"),
        _is(a, "bool_and, bool_or", exp.LogicalAnd, exp.LogicalOr, carries="this"),
        _is(a, "stddev, stddev_pop, variance, var_pop", exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance,
            exp.VariancePop, carries="this", note="to 1e-12 of the size of the values"),
        _is(a, "median, quantile_cont, quantile_disc", exp.Median, exp.PercentileCont, exp.PercentileDisc,
            carries=two, note="one constant fraction; whole numbers and doubles"),
        _is(a, "list", exp.ArrayAgg, carries="this nulls_excluded", note="ordered, its last key the value itself"),
        _is(a, "string_agg", exp.GroupConcat, carries="this separator", note="ordered, its last key the value itself"),
        _is(a, "grouping", exp.Grouping, carries="expressions"),
        _is(a, "filter (where …)", exp.Filter, carries=two),
        _is(w, "over", exp.Window, exp.WindowSpec,
            carries="this partition_by order spec alias over first kind start start_side end end_side",
            note="a frame in rows with constant ends, or none"),
        _is(w, "row_number, rank, dense_rank, ntile", exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile,
            carries="this expressions", note="with order by; ties of row_number and ntile are the writer's to break"),
        _is(w, "percent_rank, cume_dist", exp.PercentRank, exp.CumeDist, carries="expressions"),
        _is(w, "lag, lead", exp.Lag, exp.Lead, carries="this offset default"),
        _is(w, "first_value, last_value", exp.FirstValue, exp.LastValue, carries="this"),
        _is(n, "list value", exp.Array, carries="expressions value_constructor bracket_notation"),
        _is(n, "list[n]", exp.Bracket, carries="this expressions offset safe", note="a constant n from 1"),
        _is(n, "len", exp.ArraySize, carries=two),
        _is(n, "list_contains", exp.ArrayContains, carries="this expression ensure_variant check_null"),
        _is(n, "range", exp.GenerateSeries, carries="start end is_end_exclusive", note="of two whole numbers, for unnest"),
        _is(n, "struct value", exp.Struct, exp.PropertyEQ, carries="expressions this expression"),
        _is(n, "struct.field", exp.Dot, carries=two),
    )  # fmt: skip


CONSTRUCTS: tuple[Construct, ...] = _listed()

CASTS = (
    "whole number ↔ whole number, decimal, double",
    "decimal → whole number, decimal, double, text",
    "double → whole number",
    "whole number, boolean, date → text",
    "date ↔ timestamp",
    "boolean → whole number",
    "a text constant → date, timestamp",
    "anything → its own type",
)
"""Which casts keep their meaning, in the words of docs/engine.md."""
