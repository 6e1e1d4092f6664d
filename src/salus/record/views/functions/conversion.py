"""toString, toInteger and the like, and convertsTo…."""

from collections.abc import Callable

from salus.record.views.compiler import Compiler, function
from salus.record.views.fhirpath import Node
from salus.record.views.ir import FALSE, NULL, Ir, op
from salus.record.views.model import Type
from salus.record.views.values import EMPTY, Scope, Value, boolean

Args = tuple[Node, ...]


def _digits(compiler: Compiler, value: Value) -> Ir | None:
    return compiler.digits(value)


def _to_string(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "String" | "Date" | "DateTime" | "Time":
            return value.ir
        case "Integer" | "Decimal":
            return compiler.digits(value)
        case "Boolean":
            return op("boolean_text", value.ir)
        case "Quantity":
            return op("quantity_text", compiler.plain(value).ir)
    return None


def _to_integer(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "Integer":
            return value.ir
        case "String":
            return op("text_to_integer", value.ir)
        case "Boolean":
            return op("boolean_to_integer", value.ir)
    return None


def _to_decimal(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "Integer" | "Decimal":
            return op("to_decimal", compiler.plain(value).ir)
        case "String":
            return op("text_to_decimal", value.ir)
        case "Boolean":
            return op("to_decimal", op("boolean_to_integer", value.ir))
    return None


def _to_boolean(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "Boolean":
            return value.ir
        case "String":
            return op("text_to_boolean", value.ir)
        case "Integer" | "Decimal":
            return op("number_to_boolean", compiler.plain(value).ir)
    return None


def _to_date(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "Date":
            return value.ir
        case "DateTime" | "String":
            return op("text_to_date", value.ir)
    return None


def _to_datetime(compiler: Compiler, value: Value) -> Ir | None:
    return op("text_to_datetime", value.ir) if value.system in {"Date", "DateTime", "String"} else None


def _to_time(compiler: Compiler, value: Value) -> Ir | None:
    return op("text_to_time", value.ir) if value.system in {"Time", "String"} else None


def _to_quantity(compiler: Compiler, value: Value) -> Ir | None:
    match value.system:
        case "Quantity":
            return compiler.plain(value).ir
        case "Integer" | "Decimal":
            from salus.record.views.ir import text

            return op("quantity", op("to_decimal", compiler.plain(value).ir), text("1"))
        case "Boolean":
            from salus.record.views.ir import text

            return op("quantity", op("to_decimal", op("boolean_to_integer", value.ir)), text("1"))
        case "String":
            return op("text_to_quantity", value.ir)
    return None


def _register(name: str, convert: Callable[[Compiler, Value], Ir | None]) -> None:
    def single(compiler: Compiler, focus: Value) -> tuple[Value, Ir | None]:
        one = compiler.one(focus)
        if one.type.any:
            one = Value(Type("String", fhir=False), op("json_as", one.ir, detail="text"))
        return one, convert(compiler, one)

    @function(f"to{name}")
    def to(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        if focus.nothing:
            return EMPTY
        one, made = single(compiler, focus)
        if made is None:
            return Value(Type(name, fhir=False), NULL)
        digits = None
        if name == "Decimal":
            digits = one.ir if one.system == "String" else compiler.digits(one) if _numeric(one) else None
        return Value(Type(name, fhir=False), made, digits=digits)

    @function(f"convertsTo{name}")
    def converts(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        if focus.nothing:
            return EMPTY
        one, made = single(compiler, focus)
        here = op("present", compiler.plain(one).ir)
        return boolean(op("if", here, FALSE if made is None else op("present", made), NULL))


def _numeric(value: Value) -> bool:
    return value.system in {"Integer", "Decimal"}


for _name, _convert in (
    ("String", _to_string),
    ("Integer", _to_integer),
    ("Decimal", _to_decimal),
    ("Boolean", _to_boolean),
    ("Date", _to_date),
    ("DateTime", _to_datetime),
    ("Time", _to_time),
    ("Quantity", _to_quantity),
):
    _register(_name, _convert)
