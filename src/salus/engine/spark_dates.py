"""Dates and times in Spark's words."""

import re
from datetime import date, datetime

from sqlglot import exp

from salus.engine.rendering import Rules, as_type, literal, of_kind, refuse, text, type_of, whole, words_of
from salus.engine.types import kind, spark_type

rules = Rules()

_PARTS = {
    "year": "year({0})",
    "quarter": "quarter({0})",
    "month": "month({0})",
    "day": "day({0})",
    "week": "weekofyear({0})",
    "weekofyear": "weekofyear({0})",
    "dow": "(dayofweek({0}) - 1)",
    "dayofweek": "(dayofweek({0}) - 1)",
    "isodow": "(weekday({0}) + 1)",
    "dayofweekiso": "(weekday({0}) + 1)",
    "doy": "dayofyear({0})",
    "dayofyear": "dayofyear({0})",
    "hour": "hour({0})",
    "minute": "minute({0})",
    "second": "second({0})",
}
_UNITS = {"year", "quarter", "month", "week", "day", "hour", "minute", "second"}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_SECONDS = {"hour": 3600, "minute": 60, "second": 1}
_FORMAT = {"%Y": "yyyy", "%m": "MM", "%d": "dd", "%H": "HH", "%M": "mm", "%S": "ss"}


def checked_constant(words: str, to: str) -> None:
    """Refuse a constant date or moment not written in full, for the engines complete it differently."""
    try:
        if to == "date":
            date.fromisoformat(words)
        elif not re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d{1,6})?)?", words):
            raise ValueError
        else:
            datetime.fromisoformat(words)
    except ValueError:
        refuse(f"the {to} {words!r}", "Write YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS.")


@rules.on(exp.Year, exp.Quarter, exp.Month, exp.Day, exp.Week, exp.WeekOfYear, exp.DayOfWeek)
@rules.on(exp.DayOfWeekIso, exp.DayOfYear, exp.Hour, exp.Minute, exp.Second)
def _part(node: exp.Func) -> exp.Expr:
    return _taken(type(node).__name__.lower(), node.this, type_of(node))


@rules.on(exp.Extract)
def _extract(node: exp.Extract) -> exp.Expr:
    return _taken(node.this.name.lower(), node.expression, type_of(node))


def _taken(part: str, value: exp.Expr, result: str) -> exp.Expr:
    if part not in _PARTS:
        refuse(f"extract of {part}", f"Take one of: {', '.join(sorted(_PARTS))}.")
    of_kind(value, "date", "timestamp")
    if part in _SECONDS:
        value = as_type(value, "TIMESTAMP")
    return as_type(text(_PARTS[part], value), result or "BIGINT")


def _unit(node: exp.Expr, what: str) -> str:
    unit = node.name.lower().rstrip("s")
    if unit not in _UNITS:
        refuse(f"{what} by {unit}", f"Use one of: {', '.join(sorted(_UNITS))}.")
    return unit


@rules.on(exp.TimestampTrunc, exp.DateTrunc)
def _trunc(node: exp.Func) -> exp.Expr:
    unit = _unit(node.args["unit"], "date_trunc")
    of_kind(node.this, "date", "timestamp")
    return as_type(text(f"date_trunc('{unit}', {{0}})", as_type(node.this, "TIMESTAMP")), type_of(node))


@rules.on(exp.Interval)
def _interval(node: exp.Interval) -> exp.Expr:
    unit = _unit(node.args["unit"], "an interval") if node.args.get("unit") else ""
    number = node.this
    if not unit or not isinstance(number, exp.Literal) or not number.name.isdigit():
        refuse("an interval that is no constant number of one unit", "Write interval 3 month.")
    return node


def _spelled(node: exp.Interval) -> str:
    unit, number = node.args["unit"].name.lower().rstrip("s"), int(node.this.name)
    if unit == "quarter":
        unit, number = "month", number * 3
    if unit == "week":
        unit, number = "day", number * 7
    return f"interval '{number}' {unit}"


def arithmetic(node: exp.Binary) -> exp.Expr:
    """Return a date or a moment moved by days or an interval, or the days between two dates."""
    left, right = node.this, node.expression
    if isinstance(node, exp.Add) and kind(type_of(left)) not in ("date", "timestamp"):
        left, right = right, left
    of, by = kind(type_of(left)), kind(type_of(right))
    minus = isinstance(node, exp.Sub)
    if isinstance(node, exp.Mul) or of not in ("date", "timestamp"):
        refuse("this arithmetic with dates", "Add days or an interval, or use date_diff.")
    if isinstance(right, exp.Interval):
        moment = as_type(left, "TIMESTAMP")
        return as_type(text(f"({{0}} {'-' if minus else '+'} {_spelled(right)})", moment), type_of(node))
    if of == "date" and by == "integer":
        return text(("date_sub" if minus else "date_add") + "({0}, cast({1} as int))", left, right)
    if of == "date" and by == "date" and minus:
        return text("cast(datediff({0}, {1}) as bigint)", left, right)
    refuse(f"{of} {'-' if minus else '+'} {by or 'interval'}", "Use date_diff, or cast to dates.")


@rules.on(exp.DateDiff)
def _diff(node: exp.DateDiff) -> exp.Expr:
    unit = _unit(node.args["unit"], "date_diff")
    late, early = node.this, node.expression
    for side in (late, early):
        of_kind(side, "date", "timestamp")
    return as_type(_crossed(unit, early, late), "BIGINT")


def _crossed(unit: str, early: exp.Expr, late: exp.Expr) -> exp.Expr:
    """Return how many boundaries of a unit lie between two dates or moments."""
    if unit in _MONTHS:
        if unit == "year":
            return text("(year({1}) - year({0}))", early, late)
        part = "month" if unit == "month" else "quarter"
        each = 12 // _MONTHS[unit]
        return text(f"((year({{1}}) - year({{0}})) * {each} + {part}({{1}}) - {part}({{0}}))", early, late)
    early_day, late_day = as_type(early, "DATE"), as_type(late, "DATE")
    if unit == "day":
        return text("datediff({1}, {0})", early_day, late_day)
    if unit == "week":
        for side in (early, late):
            if kind(type_of(side)) != "date":
                refuse("date_diff in weeks of moments", "Cast to dates.")
        return text("(datediff({1}, {0}) div 7)", early_day, late_day)  # DuckDB's weeks are completed ones
    moments = [f"unix_micros(cast({{{n}}} as timestamp))" for n in range(2)]
    length = _SECONDS[unit] * 1_000_000
    sides = [as_type(side, "TIMESTAMP") for side in (early, late)]
    # floor division: a boundary before 1970 is a boundary too
    floors = [f"(({one} - pmod({one}, {length})) div {length})" for one in moments]
    return text(f"({floors[1]} - {floors[0]})", *sides)


@rules.on(exp.Anonymous)
def _called(node: exp.Anonymous) -> exp.Expr:
    """Return date_sub: the completed units between two dates, a month's last day completing it."""
    if node.name.lower() != "date_sub" or len(node.expressions) != 3:
        refuse(node.name.lower())
    unit = words_of(node.expressions[0], "the unit of date_sub").lower()
    early, late = node.expressions[1:]
    for side in (early, late):
        if kind(type_of(side)) != "date":
            refuse("date_sub of moments", "Cast to dates, or use date_diff.")
    if unit in ("day", "week"):
        return text(f"(cast(datediff({{1}}, {{0}}) as bigint) div {7 if unit == 'week' else 1})", early, late)
    if unit not in _MONTHS:
        refuse(f"date_sub by {unit}", "Use year, quarter, month, week or day.")
    months = (
        "((year({1}) - year({0})) * 12 + month({1}) - month({0})"
        " - case when day({1}) < day({0}) and {1} <> last_day({1}) then 1 else 0 end)"
    )
    forward = text(months, early, late)
    backward = text(months, late, early)
    return text(
        f"(cast(case when {{1}} >= {{0}} then {{2}} else - {{3}} end as bigint) div {_MONTHS[unit]})",
        early,
        late,
        forward,
        backward,
    )


@rules.on(exp.LastDay)
def _last_day(node: exp.LastDay) -> exp.Expr:
    return text("last_day({0})", as_type(node.this, "DATE"))


@rules.on(exp.DateFromParts)
def _make_date(node: exp.DateFromParts) -> exp.Expr:
    parts = [text("cast({0} as int)", node.args[key]) for key in ("year", "month", "day")]
    return text("make_date({0}, {1}, {2})", *parts)


@rules.on(exp.TimeToStr)
def _strftime(node: exp.TimeToStr) -> exp.Expr:
    of_kind(node.this, "date", "timestamp")
    given = words_of(node.args["format"], "the format of strftime")
    spelled = ""
    for part in re.findall(r"%.|[^%]+", given):
        if part.startswith("%"):
            if part not in _FORMAT:
                refuse(f"{part} in strftime", f"Use: {' '.join(_FORMAT)}.")
            spelled += _FORMAT[part]
        else:
            spelled += "'" + part.replace("'", "''") + "'" if re.search("[A-Za-z'\\[\\]{}#]", part) else part
    return text("date_format({0}, {1})", as_type(node.this, "TIMESTAMP"), text(literal(spelled)))


__all__ = ["arithmetic", "checked_constant", "rules", "spark_type", "whole"]
