"""Union, combine, intersect, exclude, distinct, subsetOf, in, contains, sort."""

from collections.abc import Callable
from dataclasses import replace

from salus.record.views.compiler import OPERATORS, Compiler, function
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Node, Unary
from salus.record.views.functions.operators import aligned, comparable
from salus.record.views.ir import FALSE, NULL, TRUE, Filter, Ir, Let, Map, Parse, Var, op
from salus.record.views.model import Type
from salus.record.views.shape import Shape
from salus.record.views.values import (
    EMPTY,
    INTEGER,
    UNKNOWN,
    Scope,
    Value,
    boolean,
    described,
    item,
)

Args = tuple[Node, ...]


def unified(compiler: Compiler, values: list[Value]) -> tuple[list[Value], Value]:
    """Return values in one representation, and one that describes them all: JSON where types differ."""
    there = [value for value in values if not value.nothing]
    if not there:
        return values, EMPTY
    there_settled = [value if value.nothing else compiler.settle(value) for value in values]
    first = next(value for value in there_settled if not value.nothing)
    same = all(v.nothing or (v.shape is first.shape and v.type == first.type) for v in there_settled)
    if same and first.shape is not None:
        if not first.type.primitive:
            first.shape.whole = True
        return there_settled, replace(first, origin=None, literal=None, digits=None)
    plain = [value if value.nothing else compiler.plain(value) for value in there_settled]
    kinds = [v.type for v, p in zip(there_settled, plain, strict=True) if not v.nothing]
    systems = {p.system for p in plain if not p.nothing}
    if len(systems) == 1 and systems != {""}:
        common = kinds[0] if len(set(kinds)) == 1 else Type(systems.pop(), fhir=False)
        return plain, Value(common, NULL)
    if systems <= {"Integer", "Decimal"}:
        made = [
            v
            if v.nothing or v.system == "Decimal"
            else compiler._each(v, lambda ir: op("to_decimal", ir), Type("Decimal", fhir=False))
            for v in plain
        ]
        return made, Value(Type("Decimal", fhir=False), NULL)
    if systems == {""}:
        if len(set(kinds)) == 1 and not kinds[0].any:
            shape = Shape(whole=True)
            many_shape = Shape(many=True, whole=True, children=shape.children)
            made = []
            for v in plain:
                if v.nothing:
                    made.append(v)
                    continue
                own = many_shape if v.many else shape
                made.append(Value(kinds[0], Parse(v.ir, own), v.many, own))
            return made, Value(kinds[0], NULL, shape=many_shape)
        return plain, Value(UNKNOWN, NULL)
    mixed = [v if v.nothing else compiler._each(v, _as_json(v), UNKNOWN) for v in plain]
    return mixed, Value(UNKNOWN, NULL)


def _as_json(value: Value) -> Callable[[Ir], Ir]:
    return (lambda ir: ir) if value.type.any else (lambda ir: op("to_json", ir))


def _joined(compiler: Compiler, left: Value, right: Value, *, distinct: bool) -> Value:
    if left.nothing and right.nothing:
        return EMPTY
    sides, like = unified(compiler, [left, right])
    made: Ir = op("concat", *(compiler.listed(side).ir for side in sides if not side.nothing))
    return replace(like, ir=op("distinct", made) if distinct else made, many=True)


def _union(compiler: Compiler, left: Value, right: Value) -> Value:
    return _joined(compiler, left, right, distinct=True)


OPERATORS["|"] = _union


@function("union", 1)
def _union_function(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return _joined(compiler, focus, compiler.compile(args[0], scope), distinct=True)


@function("combine", 1)
def _combine(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return _joined(compiler, focus, compiler.compile(args[0], scope), distinct=False)


@function("distinct")
def _distinct(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing or not focus.many:
        return focus
    (items,), like = unified(compiler, [focus])
    return replace(like, ir=op("distinct", items.ir), many=True)


@function("isDistinct")
def _is_distinct(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing or not focus.many:
        return boolean(TRUE)
    (items,), _ = unified(compiler, [focus])
    return boolean(op("is_distinct", items.ir))


def _within(compiler: Compiler, items: Value, others: Value, *, kept: bool, distinct: bool) -> Value:
    sides, like = unified(compiler, [items, others])
    left, right = (compiler.listed(side) for side in sides)
    var, held = compiler.fresh(), compiler.fresh()
    found = op("has", Var(held), Var(var))
    made: Ir = Let(held, right.ir, Filter(left.ir, var, found if kept else op("not", found)))
    return replace(like, ir=op("distinct", made) if distinct else made, many=True)


@function("intersect", 1)
def _intersect(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    other = compiler.compile(args[0], scope)
    if focus.nothing or other.nothing:
        return EMPTY
    return _within(compiler, focus, other, kept=True, distinct=True)


@function("exclude", 1)
def _exclude(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    other = compiler.compile(args[0], scope)
    if focus.nothing or other.nothing:
        return focus
    return _within(compiler, focus, other, kept=False, distinct=False)


def _subset(compiler: Compiler, part: Value, whole: Value) -> Value:
    if part.nothing:
        return boolean(TRUE)
    if whole.nothing:
        return boolean(op("not", op("any_items", compiler.listed(part).ir)))
    outside = _within(compiler, part, whole, kept=False, distinct=False)
    return boolean(op("not", op("any_items", outside.ir)))


@function("subsetOf", 1)
def _subset_of(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return _subset(compiler, focus, compiler.compile(args[0], scope))


@function("supersetOf", 1)
def _superset_of(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return _subset(compiler, compiler.compile(args[0], scope), focus)


def contained(compiler: Compiler, value: Value, items: Value) -> Value:
    """Return `value in items`: empty if there is no value, false if there are no items."""
    if value.nothing:
        return boolean(NULL)
    if items.nothing:
        return boolean(op("if", op("present", compiler.one(compiler.plain(value)).ir), FALSE, NULL))
    value, items = aligned(compiler, value, items)
    single, listed = compiler.one(value), compiler.listed(items)
    if not comparable(single, listed):
        return boolean(op("if", op("present", single.ir), FALSE, NULL))
    return boolean(op("if", op("present", single.ir), op("has", listed.ir, single.ir), NULL))


OPERATORS["in"] = contained
OPERATORS["contains"] = lambda compiler, left, right: contained(compiler, right, left)


@function("sort", 0, 9)
def _sort(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing or not focus.many:
        return focus
    (items,), like = unified(compiler, [focus])
    if not args:
        return replace(like, ir=op("sorted", items.ir), many=True)
    made: Ir = items.ir
    for arg in reversed(args):
        down = isinstance(arg, Unary) and arg.operator == "-"
        key_node = arg.operand if isinstance(arg, Unary) and down else arg
        var, index = compiler.fresh(), compiler.fresh()
        this = item(replace(like, many=True), var)
        key = compiler.one(
            compiler.plain(compiler.compile(key_node, Scope(this, Value(INTEGER, Var(index)))))
        )
        if not key.system:
            raise ViewError("wrong-type", f"sort() needs single values as keys, this is {described(key)}")
        held = compiler.fresh()
        keys = Map(Var(held), var, key.ir, compact=False)
        made = Let(held, made, op("sorted_by", Var(held), keys, detail="down" if down else "up"))
    return replace(like, ir=made, many=True)


__all__ = ["unified"]
