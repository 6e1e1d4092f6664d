"""Tokens to a syntax tree, by precedence climbing over the N1 grammar's levels."""

from functools import lru_cache

from salus.record.views.errors import ViewError
from salus.record.views.fhirpath.lexer import Token, tokens
from salus.record.views.fhirpath.tree import (
    Binary,
    Call,
    Empty,
    External,
    Index,
    Literal,
    Member,
    Node,
    Special,
    TypeTest,
    Unary,
)

# Higher binds closer. Source: http://hl7.org/fhirpath/N1/#operator-precedence
_BINDING = {
    **dict.fromkeys(("*", "/", "div", "mod"), 11),
    **dict.fromkeys(("+", "-", "&"), 10),
    **dict.fromkeys(("is", "as"), 9),
    "|": 8,
    **dict.fromkeys(("<", ">", "<=", ">="), 7),
    **dict.fromkeys(("=", "~", "!=", "!~"), 6),
    **dict.fromkeys(("in", "contains"), 5),
    "and": 4,
    **dict.fromkeys(("or", "xor"), 3),
    "implies": 2,
}
_KEYWORDS = {"div", "mod", "in", "and", "or", "xor", "implies", "true", "false"}
_CALENDAR = {
    f"{word}{ending}"
    for word in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for ending in ("", "s")
}
DEEPEST = 200


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.place = 0
        self.depth = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.place]

    def fail(self, expected: str) -> ViewError:
        token = self.here
        found = "the end" if token.kind == "end" else repr(token.text)
        return ViewError("syntax", f"Expected {expected}, found {found}", where=f"character {token.at + 1}")

    def is_symbol(self, text: str) -> bool:
        return self.here.kind == "symbol" and self.here.text == text

    def take_symbol(self, text: str) -> None:
        if not self.is_symbol(text):
            raise self.fail(repr(text))
        self.place += 1

    def operator(self) -> str:
        token = self.here
        return token.text if token.kind in {"symbol", "name"} and token.text in _BINDING else ""

    def expression(self, least: int = 0) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ViewError("syntax", f"The expression is nested deeper than {DEEPEST} levels")
        left = self.unary()
        while (operator := self.operator()) and _BINDING[operator] >= least:
            at = self.here.at
            self.place += 1
            if operator in {"is", "as"}:
                left = TypeTest(at, operator, left, self.type_name())
            else:
                left = Binary(at, operator, left, self.expression(_BINDING[operator] + 1))
        self.depth -= 1
        return left

    def unary(self) -> Node:
        token = self.here
        if token.kind == "symbol" and token.text in {"+", "-"}:
            self.place += 1
            self.depth += 1
            if self.depth > DEEPEST:
                raise ViewError("syntax", f"The expression is nested deeper than {DEEPEST} levels")
            operand = self.unary()
            self.depth -= 1
            return Unary(token.at, token.text, operand)
        return self.postfix()

    def postfix(self) -> Node:
        node = self.term()
        while True:
            at = self.here.at
            if self.is_symbol("."):
                self.place += 1
                if self.here.kind == "special":
                    raise self.fail("a name or a function")
                node = self.invocation(node)
            elif self.is_symbol("["):
                self.place += 1
                index = self.expression()
                self.take_symbol("]")
                node = Index(at, node, index)
            else:
                return node

    def term(self) -> Node:
        token = self.here
        if token.kind == "number":
            return self.number()
        if token.kind == "special":
            self.place += 1
            return Special(token.at, token.text)
        if token.kind in {"string", "date", "datetime", "time"}:
            self.place += 1
            kind = "dateTime" if token.kind == "datetime" else token.kind
            return Literal(token.at, kind, token.text.removeprefix("@T") if kind == "time" else token.text)
        if token.kind == "name" and token.text in {"true", "false"}:
            self.place += 1
            return Literal(token.at, "boolean", token.text)
        if self.is_symbol("("):
            self.place += 1
            inside = self.expression()
            self.take_symbol(")")
            return inside
        if self.is_symbol("{"):
            self.place += 1
            self.take_symbol("}")
            return Empty(token.at)
        if self.is_symbol("%"):
            self.place += 1
            name = self.here
            if name.kind not in {"name", "quoted", "string"}:
                raise self.fail("the name of a constant")
            self.place += 1
            return External(token.at, name.text)
        return self.invocation(None)

    def number(self) -> Node:
        token = self.here
        self.place += 1
        unit = self.here
        if unit.kind == "string":
            self.place += 1
            return Literal(token.at, "quantity", token.text, unit.text)
        if unit.kind == "name" and unit.text in _CALENDAR:
            self.place += 1
            return Literal(token.at, "quantity", token.text, unit.text.removesuffix("s"), True)
        return Literal(token.at, "decimal" if "." in token.text else "integer", token.text)

    def name(self) -> str:
        token = self.here
        if token.kind == "quoted" or (token.kind == "name" and token.text not in _KEYWORDS):
            self.place += 1
            return token.text
        raise self.fail("a name")

    def type_name(self) -> str:
        name = self.name()
        if self.is_symbol("."):
            self.place += 1
            name += "." + self.name()
        return name

    def invocation(self, base: Node | None) -> Node:
        at = self.here.at
        name = self.name()
        if not self.is_symbol("("):
            return Member(at, base, name)
        self.place += 1
        arguments: list[Node] = []
        while not self.is_symbol(")"):
            if arguments:
                self.take_symbol(",")
            arguments.append(self.expression())
        self.place += 1
        return Call(at, base, name, tuple(arguments))


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """Return the syntax tree of a FHIRPath expression; raises `ViewError` ("syntax")."""
    parser = _Parser(text)
    if parser.here.kind == "end":
        raise ViewError("syntax", "The expression is empty", fix="Write a path, or $this.")
    node = parser.expression()
    if parser.here.kind != "end":
        raise parser.fail("an operator or the end")
    return node
