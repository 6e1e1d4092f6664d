"""where, select, repeat, first, skip, indexes, iif, aggregate, trace."""

from dataclasses import replace

from salus.record.views.compiler import Compiler, function
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal, Node
from salus.record.views.ir import Const, Filter, Fold, Ir, Let, Loop, Map, Parse, Var, integer, op
from salus.record.views.model import Type
from salus.record.views.shape import Shape
from salus.record.views.values import (
    EMPTY,
    INTEGER,
    UNKNOWN,
    Scope,
    Value,
    described,
    filtered,
    item,
    leaf,
)

Args = tuple[Node, ...]


def criteria(compiler: Compiler, focus: Value, condition: Node, *, negated: bool = False) -> Value:
    """Return the elements for which a criteria expression is true (or, negated, is not)."""
    if focus.nothing:
        compiler.truth(compiler.compile(condition, Scope(EMPTY, Value(INTEGER, integer(0)))), strict=True)
        return replace(EMPTY, many=True, ir=op("no_items"))
    items = compiler.listed(focus)
    var, index = compiler.fresh(), compiler.fresh()
    inner = Scope(item(items, var), Value(INTEGER, Var(index)))
    if compiler.names and not focus.many and focus.origin is not None:
        inner = Scope(replace(item(items, var), origin=focus.origin), inner.index)
    truth = compiler.truth(compiler.compile(condition, inner), strict=True)
    if negated:
        truth = op("not", op("is_true", truth))
    used = index if _uses(truth, index) else ""
    return items.with_ir(filtered(items.ir, var, truth, used), many=True)


def _uses(ir: Ir, name: str) -> bool:
    if isinstance(ir, Var):
        return ir.name == name
    for slot in ir.__dataclass_fields__:
        value = getattr(ir, slot)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Ir) and _uses(one, name):
                return True
    return False


@function("where", 1)
def _where(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    kept = criteria(compiler, focus, args[0])
    if focus.many or focus.nothing:
        return kept
    return kept.with_ir(op("first", kept.ir), many=False)


@function("select", 1)
def _select(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    items = compiler.listed(focus)
    var, index = compiler.fresh(), compiler.fresh()
    this = item(items, var)
    body = compiler.compile(args[0], Scope(this, Value(INTEGER, Var(index))))
    if body.nothing:
        return EMPTY
    if body.choices:
        if body.many or body.ir != Var(var):
            raise ViewError("unsupported", f"Say the type of {body.stem} with ofType(…)")
        return replace(body, ir=items.ir, many=True)
    used = index if _uses(body.ir, index) else ""
    made = Map(items.ir, var, body.ir, used, flat=body.many, compact=not body.many)
    return body.with_ir(made, many=True)


@function("repeat", 1)
def _repeat(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    items = compiler.listed(focus)
    start_var = compiler.fresh()
    first = compiler.compile(args[0], Scope(item(items, start_var)))
    if first.nothing:
        return EMPTY
    if first.choices:
        raise ViewError("unsupported", f"Say the type of {first.stem} with ofType(…)")
    if first.type.primitive:
        start = Map(items.ir, start_var, compiler.listed(compiler.plain(first)).ir, flat=True)
        return replace(compiler.plain(first), ir=op("distinct", start), many=True, shape=None, origin=None)
    json = compiler.listed(compiler.plain(first))
    start = Map(items.ir, start_var, json.ir, flat=True, compact=False)
    return reached(compiler, start, first.type, args, distinct=True)


def reached(compiler: Compiler, start: Ir, kind: Type, paths: Args, *, distinct: bool) -> Value:
    """Return all that is reached from a list of JSON objects of a type by following paths again and again."""
    var, held = compiler.fresh(), compiler.fresh()
    if kind.any or leaf(kind) == "json":
        this = Value(UNKNOWN, Var(var))
    else:
        this = compiler.parsed(Value(UNKNOWN, Var(var)), kind.name)
        this = this.with_ir(Var(held))
    steps: list[Ir] = []
    for path in paths:
        found = compiler.compile(path, Scope(this)) if distinct else _known(compiler, path, this)
        if found.nothing:
            continue
        if found.choices or found.type.primitive:
            raise ViewError("unsupported", f"What repeats must be an object, this is {described(found)}")
        if found.type != kind and not found.type.any and not kind.any:
            raise ViewError("unsupported", f"{found.type.label} leads away from {kind.label}")
        steps.append(compiler.listed(compiler.plain(found)).ir)
    body: Ir = op("concat", *steps) if len(steps) > 1 else steps[0] if steps else op("no_json")
    if not (kind.any or leaf(kind) == "json"):
        body = Let(held, Parse(Var(var), this.read), body)
    loop = Loop(start, var, body, distinct)
    if kind.any or leaf(kind) == "json":
        return Value(UNKNOWN, loop, True)
    return compiler.parsed(Value(UNKNOWN, loop, True), kind.name)


@function("children")
def _children(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    json = compiler.plain(compiler.listed(focus))
    if json.system and not json.type.any:
        return EMPTY
    var = compiler.fresh()
    return Value(UNKNOWN, Map(json.ir, var, op("json_children", Var(var)), flat=True, compact=False), True)


@function("descendants")
def _descendants(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    children = _children(compiler, focus, (), scope)
    if children.nothing:
        return EMPTY
    var = compiler.fresh()
    return Value(UNKNOWN, Loop(children.ir, var, op("json_children", Var(var)), False), True)


@function("first")
def _first(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if not focus.many:
        return focus
    items = compiler.listed(focus)
    return items.with_ir(op("first", items.ir), many=False)


@function("last")
def _last(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if not focus.many:
        return focus
    items = compiler.listed(focus)
    return items.with_ir(op("last", items.ir), many=False)


@function("single")
def _single(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if not focus.many:
        return focus
    items = compiler.listed(focus)
    return items.with_ir(op("only", items.ir), many=False)


def _slice(name: str, arguments: int) -> None:
    @function(name, arguments)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        if focus.nothing:
            return EMPTY
        items = compiler.listed(focus)
        number: Ir = integer(1)
        if args:
            value = compiler.compile(args[0], scope)
            if value.nothing:
                return EMPTY
            if value.system != "Integer":
                raise ViewError("wrong-type", f"{name}() takes an Integer, not {described(value)}")
            number = compiler.one(value).ir
        return items.with_ir(op("take" if name == "take" else "skip", items.ir, number), many=True)


_slice("tail", 0)
_slice("skip", 1)
_slice("take", 1)


@function("iif", 2, 3)
def _iif(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    inner = scope
    guard: Ir | None = None
    if focus is not scope.this and not focus.nothing:
        if focus.many:
            var = compiler.fresh()
            single = focus.with_ir(Var(var), many=False)
            guard = op("only", focus.ir)
            inner = Scope(single, scope.index, scope.total)
        else:
            inner = Scope(focus, scope.index, scope.total)
    condition = compiler.compile(args[0], inner)
    static = compiler.truth(condition, strict=True)
    yes = compiler.compile(args[1], inner)
    no = compiler.compile(args[2], inner) if len(args) == 3 else EMPTY
    if isinstance(static, Const):
        made = yes if static.value == "true" else no
    else:
        made = branched(compiler, static, yes, no)
    if guard is not None and isinstance(inner.this.ir, Var):
        made = replace(made, ir=Let(inner.this.ir.name, guard, made.ir))
    return made


def branched(compiler: Compiler, condition: Ir, yes: Value, no: Value) -> Value:
    """Return one of two values, as several if either may be."""
    if yes.nothing and no.nothing:
        return EMPTY
    from salus.record.views.functions.collections import unified

    many = yes.many or no.many
    (yes, no), like = unified(compiler, [yes, no])
    if many:
        yes, no = compiler.listed(yes), compiler.listed(no)
    return replace(like, ir=op("if", op("is_true", condition), yes.ir, no.ir), many=many)


@function("trace", 1, 2)
def _trace(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if not isinstance(args[0], Literal) or args[0].kind != "string":
        raise ViewError("wrong-arguments", "trace() takes a name")
    return focus


@function("aggregate", 1, 2)
def _aggregate(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    start = compiler.compile(args[1], scope) if len(args) == 2 else EMPTY
    if focus.nothing:
        return start
    items = compiler.plain(compiler.listed(focus))
    var, total = compiler.fresh(), compiler.fresh()
    like = start if not start.nothing else items
    if not like.type.primitive or like.type.any:
        raise ViewError("unsupported", "aggregate() works on single values only")
    running = Value(like.type, Var(total))
    body = compiler.compile(args[0], Scope(Value(items.type, Var(var)), None, running))
    body = compiler.one(compiler.plain(body))
    kind = leaf(body.type if not body.nothing else like.type)
    if body.system != like.system:
        running = Value(body.type, Var(total))
        body = compiler.one(
            compiler.plain(compiler.compile(args[0], Scope(Value(items.type, Var(var)), None, running)))
        )
    initial = compiler.one(compiler.plain(start)).ir
    return Value(body.type, Fold(items.ir, total, var, initial, body.ir, kind))


__all__ = ["Filter", "Shape", "criteria", "reached"]


def repeated_view(compiler: Compiler, focus: Value, paths: list[Node]) -> Value:
    """Return what a view's `repeat` reaches from its context, in document order."""
    first = [_known(compiler, path, focus) for path in paths]
    there = [value for value in first if not value.nothing]
    if not there:
        return EMPTY
    for value in there:
        if value.choices or value.type.primitive:
            raise ViewError("unsupported", f"What repeats must be an object, this is {described(value)}")
    kinds = {value.type for value in there}
    kind = kinds.pop() if len(kinds) == 1 else UNKNOWN
    json = [compiler.listed(compiler.plain(value)).ir for value in there]
    start: Ir = op("concat", *json) if len(json) > 1 else json[0]
    return reached(compiler, start, kind, tuple(paths), distinct=False)


def _known(compiler: Compiler, path: Node, focus: Value) -> Value:
    """Return what a path of a view's `repeat` means here; one path may apply only further down."""
    strict, compiler.strict = compiler.strict, True
    try:
        return compiler.compile(path, Scope(focus))
    except ViewError as error:
        if error.code != "unknown-element":
            raise
        return EMPTY
    finally:
        compiler.strict = strict
