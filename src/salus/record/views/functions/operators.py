"""Equality, comparison, Boolean logic, arithmetic and concatenation."""

from salus.record.views.compiler import OPERATORS, Compiler
from salus.record.views.errors import ViewError
from salus.record.views.ir import FALSE, NULL, Ir, Let, Var, op, text
from salus.record.views.values import (
    BOOLEAN,
    DATE,
    DATETIME,
    EMPTY,
    INTEGER,
    QUANTITY,
    STRING,
    TIME,
    Value,
    boolean,
    decimal,
    described,
    number,
    string,
)

_NUMBERS = frozenset({"Integer", "Decimal"})
_DAYS = frozenset({"Date", "DateTime"})
_READ = frozenset({"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time"})
"""What JSON of unknown type is read as when it meets a value of that type."""
_ORDERED = frozenset({"String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"})


def aligned(compiler: Compiler, left: Value, right: Value) -> tuple[Value, Value]:
    """Return two operands as values that compare: choices settled, JSON read as the other's type."""
    sides = [left, right]
    for place in (0, 1):
        value, other = sides[place], sides[1 - place]
        if value.choices and not other.choices and other.system:
            group = next((g for g in (_NUMBERS, _DAYS) if other.system in g), frozenset({other.system}))
            sides[place] = compiler.settle(value, group)
    unknown = [side.type.any for side in sides]
    sides = [compiler.plain(side) for side in sides]
    for place in (0, 1):
        value, other = sides[place], sides[1 - place]
        if unknown[place] and other.system in _READ:
            sides[place] = as_system(compiler, value, other)
    if {sides[0].system, sides[1].system} == {"Integer", "Quantity"} or (
        {sides[0].system, sides[1].system} == {"Decimal", "Quantity"}
    ):
        place = 0 if sides[0].system != "Quantity" else 1
        value = sides[place]
        sides[place] = compiler._each(
            value, lambda ir: op("quantity", op("to_decimal", ir), text("1")), QUANTITY
        )
    return sides[0], sides[1]


def as_system(compiler: Compiler, value: Value, like: Value) -> Value:
    """Return JSON of unknown type as values of another value's type."""
    kind = {"Boolean": "boolean", "Integer": "decimal", "Decimal": "decimal"}.get(like.system, "text")
    target = like.type if kind != "decimal" else decimal(NULL).type
    return compiler._each(value, lambda ir: op("json_as", ir, detail=kind), target)


def comparable(left: Value, right: Value) -> bool:
    """Return whether two types can be equal at all."""
    if left.type.any and right.type.any:
        return True
    a, b = left.system, right.system
    return a == b or {a, b} <= _NUMBERS or {a, b} <= _DAYS


def scalar_equal(left: Value, right: Value, *, equivalent: bool = False) -> Ir:
    """Return whether two single values of one comparable pair of types are equal; null if that is unknown."""
    system = left.system
    how = "equivalent" if equivalent else "equal"
    if system in _DAYS:
        return op(f"datetime_{how}", left.ir, right.ir)
    if system == "Time":
        return op(f"time_{how}", left.ir, right.ir)
    if system == "Quantity":
        return op(f"quantity_{how}", left.ir, right.ir)
    if equivalent and system == "String":
        return op("string_equivalent", left.ir, right.ir)
    if equivalent and {left.system, right.system} <= _NUMBERS:
        return op("number_equivalent", left.ir, right.ir, _digits(left), _digits(right))
    return op("eq", left.ir, right.ir)


def _digits(value: Value) -> Ir:
    return value.digits if value.digits is not None else op("number_text", value.ir)


def equal(compiler: Compiler, left: Value, right: Value) -> Value:
    """Return `left = right`: empty if a side is empty, false if their numbers differ."""
    if left.nothing or right.nothing:
        return Value(BOOLEAN, NULL)
    left, right = aligned(compiler, left, right)
    if not left.many and not right.many:
        if not comparable(left, right):
            return boolean(op("if", op("and", op("present", left.ir), op("present", right.ir)), FALSE, NULL))
        return boolean(scalar_equal(left, right))
    if not comparable(left, right):
        both = op(
            "and", op("any_items", compiler.listed(left).ir), op("any_items", compiler.listed(right).ir)
        )
        return boolean(op("if", both, FALSE, NULL))
    if left.many and right.many:
        a, b = compiler.fresh(), compiler.fresh()
        made = op("list_equal", Var(a), Var(b))
        return boolean(Let(a, left.ir, Let(b, right.ir, made)))
    many, single = (left, right) if left.many else (right, left)
    a = compiler.fresh()
    first = many.with_ir(op("first", Var(a)), many=False)
    return boolean(Let(a, many.ir, op("single_equal", Var(a), single.ir, scalar_equal(first, single))))


def unequal(compiler: Compiler, left: Value, right: Value) -> Value:
    """Return `left != right`."""
    return boolean(op("not", equal(compiler, left, right).ir))


def equivalent(compiler: Compiler, left: Value, right: Value) -> Value:
    """Return `left ~ right`: never empty, order and letter case ignored."""
    if left.nothing and right.nothing:
        return boolean(op("eq", text(""), text("")))
    if left.nothing or right.nothing:
        other = right if left.nothing else left
        return boolean(op("not", op("any_items", compiler.listed(other).ir)))
    left, right = aligned(compiler, left, right)
    if not left.many and not right.many:
        known = scalar_equal(left, right, equivalent=True) if comparable(left, right) else FALSE
        return boolean(op("equivalent_or_empty", left.ir, right.ir, known))
    if not comparable(left, right):
        return boolean(FALSE)
    return boolean(op("same_items", compiler.listed(left).ir, compiler.listed(right).ir))


def not_equivalent(compiler: Compiler, left: Value, right: Value) -> Value:
    """Return `left !~ right`."""
    return boolean(op("not", equivalent(compiler, left, right).ir))


def _compare(name: str) -> None:
    def compare(compiler: Compiler, left: Value, right: Value) -> Value:
        if left.nothing or right.nothing:
            return Value(BOOLEAN, NULL)
        left, right = aligned(compiler, left, right)
        left, right = compiler.one(left), compiler.one(right)
        if not comparable(left, right) or left.system not in _ORDERED:
            raise ViewError(
                "wrong-type", f"{described(left)} and {described(right)} cannot be compared with {symbol}"
            )
        if left.system in _DAYS:
            return boolean(op("datetime_compare", left.ir, right.ir, detail=name))
        if left.system == "Time":
            return boolean(op("time_compare", left.ir, right.ir, detail=name))
        if left.system == "Quantity":
            return boolean(op("quantity_compare", left.ir, right.ir, detail=name))
        return boolean(op(name, left.ir, right.ir))

    symbol = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[name]
    OPERATORS[symbol] = compare


for _name in ("lt", "le", "gt", "ge"):
    _compare(_name)


def _logic(symbol: str, name: str) -> None:
    def combine(compiler: Compiler, left: Value, right: Value) -> Value:
        return boolean(op(name, compiler.truth(left), compiler.truth(right)))

    OPERATORS[symbol] = combine


for _symbol in ("and", "or", "xor", "implies"):
    _logic(_symbol, _symbol)


def _single(compiler: Compiler, value: Value) -> Value:
    return compiler.one(compiler.plain(compiler.settle(value)))


def _arithmetic(symbol: str, name: str) -> None:
    def calculate(compiler: Compiler, left: Value, right: Value) -> Value:
        if left.nothing or right.nothing:
            return EMPTY
        a, b = _single(compiler, left), _single(compiler, right)
        if a.type.any and b.system in _NUMBERS:
            a = as_system(compiler, a, b)
        if b.type.any and a.system in _NUMBERS:
            b = as_system(compiler, b, a)
        if a.system == "String" and b.system == "String" and symbol == "+":
            return string(op("text_concat", a.ir, b.ir))
        if a.system in _NUMBERS and b.system in _NUMBERS:
            if a.system == b.system == "Integer" and symbol != "/":
                return number(op(f"integer_{name}", a.ir, b.ir))
            made = op(f"decimal_{name}", op("to_decimal", a.ir), op("to_decimal", b.ir))
            return number(op("to_integer", made)) if symbol == "div" else decimal(made)
        if a.system in {"Date", "DateTime", "Time"} and b.system == "Quantity" and symbol in "+-":
            from salus.record.views.functions.dates import shifted

            return shifted(compiler, a, b, symbol)
        if a.system == "Quantity" and b.system == "Quantity" and symbol in "+-*/":
            return Value(QUANTITY, op(f"quantity_{name}", a.ir, b.ir))
        raise ViewError("wrong-type", f"{described(left)} {symbol} {described(right)} is not defined")

    OPERATORS[symbol] = calculate


for _symbol, _name in (
    ("+", "plus"),
    ("-", "minus"),
    ("*", "times"),
    ("/", "divided"),
    ("div", "div"),
    ("mod", "mod"),
):
    _arithmetic(_symbol, _name)


def negate(compiler: Compiler, value: Value, _: Value) -> Value:
    """Return `-value`."""
    if value.nothing:
        return EMPTY
    single = _single(compiler, value)
    if single.system == "Integer":
        return Value(INTEGER, op("negative", single.ir), digits=op("negative_text", compiler.digits(single)))
    if single.system == "Decimal":
        source = compiler.one(compiler.settle(value))
        return decimal(op("negative", single.ir), op("negative_text", compiler.digits(source)))
    if single.system == "Quantity":
        return Value(QUANTITY, op("quantity_negative", single.ir))
    raise ViewError("wrong-type", f"A minus cannot stand before {described(value)}")


def plus(compiler: Compiler, value: Value, _: Value) -> Value:
    """Return `+value`."""
    if not value.nothing and _single(compiler, value).system not in _NUMBERS | {"Quantity"}:
        raise ViewError("wrong-type", f"A plus cannot stand before {described(value)}")
    return value


def concatenate(compiler: Compiler, left: Value, right: Value) -> Value:
    """Return `left & right`: empty counts as ''."""
    sides: list[Ir] = []
    for value in (left, right):
        if value.nothing:
            sides.append(text(""))
            continue
        single = _single(compiler, value)
        if single.system != "String":
            raise ViewError("wrong-type", f"& joins strings, this is {described(value)}")
        sides.append(op("coalesce", single.ir, text("")))
    return string(op("text_concat", *sides))


OPERATORS.update(
    {
        "=": equal,
        "!=": unequal,
        "~": equivalent,
        "!~": not_equivalent,
        "&": concatenate,
        "negate": negate,
        "plus": plus,
    }
)

__all__ = ["DATE", "DATETIME", "STRING", "TIME", "aligned", "comparable", "equal", "scalar_equal"]
