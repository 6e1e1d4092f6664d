"""extension, getResourceKey, getReferenceKey, resolve's place, elementDefinition's place, checkModifiers."""

from salus.record.views.compiler import Compiler, function, type_of
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Node
from salus.record.views.functions.types import type_argument
from salus.record.views.ir import Filter, Ir, Let, Map, Parse, Var, op, text
from salus.record.views.shape import Shape
from salus.record.views.values import EMPTY, Scope, Value, boolean, described, string

Args = tuple[Node, ...]


@function("extension", 1)
def _extension(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    url = compiler.compile(args[0], scope)
    if focus.nothing or url.nothing:
        return EMPTY
    if url.system != "String":
        raise ViewError("wrong-type", f"extension() takes a URL, not {described(url)}")
    found = compiler.navigate(focus, "extension")
    wanted = compiler.one(url).ir
    var = compiler.fresh()
    if found.type.any:
        item = op("json_as", op("first", op("json_get", Var(var), text("url"))), detail="text")
        made = Filter(found.ir, var, op("eq", item, wanted))
        return compiler.parsed(Value(found.type, made, True), "Extension")
    here = compiler.navigate(found.with_ir(Var(var), many=False), "url")
    return found.with_ir(Filter(found.ir, var, op("eq", here.ir, wanted)), many=True)


@function("getResourceKey")
def _resource_key(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    found = compiler.navigate(focus, "id")
    if found.type.any:
        found = compiler._each(found, lambda ir: op("json_as", ir, detail="text"), string(focus.ir).type)
        found = compiler.one(found)
    return Value(string(focus.ir).type, found.ir, found.many)


@function("getReferenceKey", 0, 1)
def _reference_key(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    focus = compiler.pick(focus, "Reference") if focus.choices else focus
    kind = type_of(type_argument(args[0])).name if args else ""
    if focus.type.any:
        focus = compiler.parsed(focus, "Reference")
    if focus.type.name != "Reference":
        raise ViewError(
            "wrong-type", f"getReferenceKey() is asked of a Reference, this is {described(focus)}"
        )

    def key(one: Value) -> Ir:
        reference = compiler.navigate(one, "reference").ir
        if not kind:
            return op("reference_key", reference)
        return op("reference_key", reference, compiler.navigate(one, "type").ir, detail=kind)

    if not focus.many:
        return string(key(focus))
    var = compiler.fresh()
    return string(Map(focus.ir, var, key(focus.with_ir(Var(var), many=False))), many=True)


@function("resolve")
def _resolve(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    raise ViewError(
        "unsupported",
        "resolve() would need other resources",
        fix="Join two views on getReferenceKey() and getResourceKey().",
    )


__all__ = ["Let", "Parse", "Shape", "boolean"]
