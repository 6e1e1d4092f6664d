"""String functions."""

from salus.record.views.compiler import Compiler, function
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal, Node
from salus.record.views.ir import Filter, Ir, Var, op, text
from salus.record.views.values import EMPTY, Scope, Value, boolean, described, number, string

Args = tuple[Node, ...]


def text_of(compiler: Compiler, value: Value, name: str) -> Ir | None:
    """Return a single String's IR, None for `{}`; raises `ViewError` for another type."""
    if value.nothing:
        return None
    if value.choices:
        value = compiler.settle(value, frozenset({"String"}))
    if value.type.any:
        return compiler.one(compiler._each(value, lambda ir: op("json_as", ir, detail="text"), value.type)).ir
    if value.system != "String":
        raise ViewError("wrong-type", f"{name}() works on strings, this is {described(value)}")
    return compiler.one(value).ir


def whole_number(compiler: Compiler, value: Value, name: str) -> Ir | None:
    """Return a single Integer's IR, None for `{}`."""
    if value.nothing:
        return None
    if value.system != "Integer":
        raise ViewError("wrong-type", f"{name}() takes an Integer, not {described(value)}")
    return compiler.one(value).ir


def _simple(name: str, operation: str, arguments: int, result: str) -> None:
    @function(name, arguments)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        parts = [text_of(compiler, focus, name)]
        parts += [text_of(compiler, compiler.compile(arg, scope), name) for arg in args]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts):
            return EMPTY
        if name.startswith(("matches", "replaceMatches")) and isinstance(args[0], Literal):
            checked_pattern(args[0].text)
        ir = op(operation, *there)
        if result == "boolean":
            return boolean(ir)
        if result == "integer":
            return number(ir)
        return string(ir, many=result == "strings")


def checked_pattern(pattern: str) -> None:
    """Refuse a regular expression that the database's linear-time engine does not know."""
    import re

    try:
        re.compile(pattern)
    except re.error as fault:
        raise ViewError("wrong-arguments", f"{pattern!r} is not a regular expression: {fault}") from None
    if any(part in pattern for part in ("(?=", "(?!", "(?<=", "(?<!")) or re.search(r"\\[1-9]", pattern):
        raise ViewError("unsupported", "Look-around and back-references are not supported in patterns")


_simple("startsWith", "starts_with", 1, "boolean")
_simple("endsWith", "ends_with", 1, "boolean")
_simple("contains", "contains_text", 1, "boolean")
_simple("matches", "matches", 1, "boolean")
_simple("matchesFull", "matches_full", 1, "boolean")
_simple("replaceMatches", "replace_matches", 2, "string")
_simple("replace", "replace", 2, "string")
_simple("length", "length", 0, "integer")
_simple("upper", "upper", 0, "string")
_simple("lower", "lower", 0, "string")
_simple("trim", "trim", 0, "string")
_simple("indexOf", "index_of", 1, "integer")
_simple("split", "split", 1, "strings")
_simple("toChars", "characters", 0, "strings")


@function("substring", 1, 2)
def _substring(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    here = text_of(compiler, focus, "substring")
    numbers = [whole_number(compiler, compiler.compile(arg, scope), "substring") for arg in args]
    there = [one for one in numbers if one is not None]
    if here is None or len(there) < len(numbers):
        return EMPTY
    return string(op("substring", here, *there))


@function("join", 0, 1)
def _join(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    between: Ir | None = text("")
    if args:
        between = text_of(compiler, compiler.compile(args[0], scope), "join")
    if between is None:
        between = text("")
    if focus.nothing:
        return string(text(""))
    items = compiler.listed(compiler.settle(focus))
    if items.type.any:
        items = compiler._each(items, lambda ir: op("json_as", ir, detail="text"), string(items.ir).type)
    if items.system != "String":
        raise ViewError("wrong-type", f"join() works on strings, this is {described(focus)}")
    return string(op("join", items.ir, between))


def _coded(name: str, forms: frozenset[str]) -> None:
    @function(name, 1)
    def made(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
        here = text_of(compiler, focus, name)
        if here is None:
            return EMPTY
        if not isinstance(args[0], Literal) or args[0].text not in forms:
            raise ViewError("wrong-arguments", f"{name}() knows {', '.join(sorted(forms))}")
        return string(op(name, here, detail=args[0].text))


_coded("encode", frozenset({"base64", "urlbase64", "hex"}))
_coded("decode", frozenset({"base64", "urlbase64", "hex"}))
_coded("escape", frozenset({"html", "json"}))
_coded("unescape", frozenset({"html", "json"}))

__all__ = ["Filter", "Var", "text_of", "whole_number"]
