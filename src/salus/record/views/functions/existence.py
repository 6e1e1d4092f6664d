"""empty, exists, all, count, distinct and their kin."""

from salus.record.views.compiler import Compiler, function
from salus.record.views.fhirpath import Node
from salus.record.views.functions.filtering import criteria
from salus.record.views.ir import Filter, Ir, Var, integer, op
from salus.record.views.values import Scope, Value, boolean, number, present

Args = tuple[Node, ...]


def exists(compiler: Compiler, value: Value) -> Ir:
    """Return whether there is anything."""
    if value.nothing:
        return op("false")
    if not value.many:
        return present(value)
    return op("any_items", compiler.listed(value).ir)


@function("exists", 0, 1)
def _exists(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if args:
        focus = criteria(compiler, focus, args[0])
    return boolean(exists(compiler, focus))


@function("empty")
def _empty(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return boolean(op("not", exists(compiler, focus)))


@function("not")
def _not(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return boolean(op("not", compiler.truth(focus)))


@function("hasValue")
def _has_value(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return boolean(op("false"))
    return boolean(op("eq", _count(compiler, focus), integer(1)))


def _count(compiler: Compiler, value: Value) -> Ir:
    return op("count", compiler.listed(value).ir)


@function("count")
def _counted(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return number(_count(compiler, focus))


@function("all", 1)
def _all(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return boolean(op("true"))
    kept = criteria(compiler, focus, args[0], negated=True)
    return boolean(op("not", op("any_items", kept.ir)))


def _truths(name: str, wanted: bool, every: bool) -> None:
    @function(name)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        if focus.nothing:
            return boolean(op("true" if every else "false"))
        items = compiler.listed(compiler.settle(focus))
        if items.system != "Boolean":
            from salus.record.views.errors import ViewError
            from salus.record.views.values import described

            raise ViewError("wrong-type", f"{name}() is asked of Booleans, this is {described(focus)}")
        var = compiler.fresh()
        seeking: Ir = Var(var) if wanted != every else op("not", Var(var))
        found = op("any_items", Filter(items.ir, var, seeking))
        return boolean(op("not", found) if every else found)


_truths("allTrue", True, True)
_truths("allFalse", False, True)
_truths("anyTrue", True, False)
_truths("anyFalse", False, False)
