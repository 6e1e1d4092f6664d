"""Mathematical functions."""

from salus.record.views.compiler import Compiler, function
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Node
from salus.record.views.ir import op
from salus.record.views.values import EMPTY, QUANTITY, Scope, Value, decimal, described, number

Args = tuple[Node, ...]


def _number(compiler: Compiler, value: Value, name: str) -> Value:
    single = compiler.one(compiler.plain(compiler.settle(value, frozenset({"Integer", "Decimal"}))))
    if single.type.any:
        single = decimal(op("json_as", single.ir, detail="decimal"))
    if single.system not in {"Integer", "Decimal", "Quantity"}:
        raise ViewError("wrong-type", f"{name}() works on numbers, this is {described(value)}")
    return single


def _whole(name: str) -> None:
    @function(name)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        if focus.nothing:
            return EMPTY
        value = _number(compiler, focus, name)
        if value.system == "Quantity":
            raise ViewError("wrong-type", f"{name}() works on numbers, this is a Quantity")
        return value if value.system == "Integer" else number(op(name, value.ir))


for _name in ("ceiling", "floor", "truncate"):
    _whole(_name)


@function("abs")
def _abs(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    value = _number(compiler, focus, "abs")
    if value.system == "Quantity":
        return Value(QUANTITY, op("quantity_abs", value.ir))
    return Value(value.type, op("abs", value.ir))


def _real(name: str, arguments: int) -> None:
    @function(name, arguments)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        values = [focus, *(compiler.compile(arg, scope) for arg in args)]
        if any(value.nothing for value in values):
            return EMPTY
        numbers = [_number(compiler, value, name) for value in values]
        if any(value.system == "Quantity" for value in numbers):
            raise ViewError("wrong-type", f"{name}() works on numbers, this is a Quantity")
        made = op(name, *(value.ir for value in numbers))
        if name == "power" and all(value.system == "Integer" for value in numbers):
            return number(op("to_integer", made))
        return decimal(made)


for _name, _arguments in (("sqrt", 0), ("exp", 0), ("ln", 0), ("log", 1), ("power", 1)):
    _real(_name, _arguments)


@function("round", 0, 1)
def _round(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    value = _number(compiler, focus, "round")
    if value.system == "Quantity":
        raise ViewError("wrong-type", "round() works on numbers, this is a Quantity")
    if not args:
        return number(op("round_whole", op("to_decimal", value.ir)))
    digits = compiler.compile(args[0], scope)
    if digits.nothing:
        return EMPTY
    if digits.system != "Integer":
        raise ViewError("wrong-type", f"round() takes an Integer, not {described(digits)}")
    return decimal(op("round", op("to_decimal", value.ir), compiler.one(digits).ir))
