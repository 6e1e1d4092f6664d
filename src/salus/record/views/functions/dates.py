"""Dates and times: literals, today and now, boundaries, precision, arithmetic."""

from datetime import date
from decimal import Decimal

from salus.record.views.compiler import Compiler, function
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal, Node, Unary
from salus.record.views.ir import Ir, op
from salus.record.views.values import (
    DATE,
    DATETIME,
    EMPTY,
    QUANTITY,
    TIME,
    Scope,
    Value,
    boolean,
    decimal,
    described,
    number,
)

Args = tuple[Node, ...]
UNITS = {
    "d": "day",
    "wk": "week",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
"""UCUM units that are calendar durations. Source: http://hl7.org/fhirpath/N1/#time-valued-quantities"""
CALENDAR = {"year", "month", "week", "day", "hour", "minute", "second", "millisecond"}
MOST_DIGITS = 31


def check_literal(node: Literal) -> None:
    """Refuse a date or time that does not exist."""
    days, _, clock = node.text.partition("T") if node.kind != "time" else ("", "", node.text)
    clock = clock.removesuffix("Z")
    for sign in "+-":
        clock, _, _ = clock.partition(sign)
    try:
        if days:
            parts = [int(part) for part in days.split("-")]
            date(*(parts + [1, 1])[:3])
        hour, minute, second = ([*clock.split(":"), "0", "0"][:3]) if clock else ("0", "0", "0")
        if int(hour) > 23 or int(minute) > 59 or float(second) >= 60:
            raise ValueError
    except ValueError:
        raise ViewError("syntax", f"@{node.text} does not exist") from None


@function("today")
def _today(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return Value(DATE, op("today"))


@function("now")
def _now(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return Value(DATETIME, op("now"))


@function("timeOfDay")
def _time_of_day(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return Value(TIME, op("time_of_day"))


def _digits(node: Node | None) -> int | None:
    if node is None:
        return None
    sign = 1
    if isinstance(node, Unary) and node.operator == "-":
        node, sign = node.operand, -1
    if not isinstance(node, Literal) or node.kind != "integer":
        raise ViewError("unsupported", "The precision must be written as a number")
    return sign * int(node.text)


def _boundary(name: str, side: str) -> None:
    @function(name, 0, 1)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        digits = _digits(args[0] if args else None)
        if focus.nothing:
            return EMPTY
        value = compiler.one(focus)
        match value.system:
            case "Decimal" | "Integer":
                if digits is not None and not 0 <= digits <= MOST_DIGITS:
                    return EMPTY
                places = 8 if digits is None else digits
                return decimal(op("number_boundary", compiler.digits(value), detail=f"{side}:{places}"))
            case "Quantity":
                if digits is not None and not 0 <= digits <= MOST_DIGITS:
                    return EMPTY
                places = 8 if digits is None else digits
                if value.type.fhir:
                    amount = compiler.digits(compiler.navigate(value, "value"))
                    unit: Ir = op("quantity_unit", compiler.plain(value).ir)
                else:
                    amount = value.digits or op("number_text", op("quantity_value", value.ir))
                    unit = op("quantity_unit", value.ir)
                edge = op("number_boundary", amount, detail=f"{side}:{places}")
                return Value(QUANTITY, op("quantity", edge, unit))
            case "Date":
                if digits not in {None, 4, 6, 8}:
                    return EMPTY
                return Value(DATE, op("datetime_boundary", value.ir, detail=f"{side}:{digits or 8}"))
            case "DateTime":
                if digits not in {None, 4, 6, 8, 10, 12, 14, 17}:
                    return EMPTY
                kind = DATE if digits in {4, 6, 8} else DATETIME
                return Value(kind, op("datetime_boundary", value.ir, detail=f"{side}:{digits or 17}"))
            case "Time":
                if digits not in {None, 2, 4, 6, 9}:
                    return EMPTY
                return Value(TIME, op("time_boundary", value.ir, detail=f"{side}:{digits or 9}"))
        raise ViewError(
            "wrong-type", f"{name}() works on numbers, dates and times, this is {described(focus)}"
        )


_boundary("lowBoundary", "low")
_boundary("highBoundary", "high")


@function("precision")
def _precision(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    value = compiler.one(focus)
    if value.system in {"Decimal", "Integer"}:
        return number(op("number_precision", compiler.digits(value)))
    if value.system in {"Date", "DateTime", "Time"}:
        return number(op("datetime_precision", value.ir))
    raise ViewError(
        "wrong-type", f"precision() works on numbers, dates and times, this is {described(focus)}"
    )


@function("comparable", 1)
def _comparable(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    other = compiler.compile(args[0], scope)
    if focus.nothing or other.nothing:
        return EMPTY
    left, right = compiler.one(compiler.plain(focus)), compiler.one(compiler.plain(other))
    if left.system != "Quantity" or right.system != "Quantity":
        raise ViewError("wrong-type", "comparable() works on quantities")
    return boolean(op("quantity_comparable", left.ir, right.ir))


def shifted(compiler: Compiler, moment: Value, by: Value, symbol: str) -> Value:
    """Return a date or time moved by a quantity written in the expression."""
    if by.literal is None or by.literal.kind != "quantity":
        raise ViewError("unsupported", "Only a quantity written in the expression can be added to a date")
    unit = by.literal.unit
    unit = unit if by.literal.calendar or unit in CALENDAR else UNITS.get(unit, "")
    if not unit:
        raise ViewError(
            "wrong-type",
            f"{by.literal.unit!r} cannot be added to a date",
            fix="Use a calendar word: year, month, week, day, hour, minute, second.",
        )
    amount = int(Decimal(by.literal.text))
    if moment.system == "Time" and unit not in {"hour", "minute", "second", "millisecond"}:
        raise ViewError("wrong-type", f"A {unit} cannot be added to a time of day")
    signed = -amount if symbol == "-" else amount
    name = "time_shift" if moment.system == "Time" else "datetime_shift"
    return Value(moment.type, op(name, moment.ir, detail=f"{signed}:{unit}"))
