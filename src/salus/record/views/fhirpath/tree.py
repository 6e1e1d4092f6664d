"""The syntax tree of a FHIRPath expression."""

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Node:
    """Any part of an expression; `at` is its first character's position in the text."""

    at: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """`kind`: boolean, string, integer, decimal, date, dateTime, time or quantity.

    `text` is the value as it was written (strings unescaped, dates without @); `unit` belongs to a quantity
    and is a UCUM code, or a calendar word ("week") if `calendar`.
    """

    kind: str
    text: str
    unit: str = ""
    calendar: bool = False


@dataclass(frozen=True, slots=True)
class Empty(Node):
    """`{}`."""


@dataclass(frozen=True, slots=True)
class External(Node):
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special(Node):
    """`$this`, `$index` or `$total`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`base.name`; without a base the name starts from the context."""

    base: Node | None
    name: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`base.name(arguments)`; without a base the function is applied to the context."""

    base: Node | None
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`base[index]`."""

    base: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-operand` or `+operand`."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class TypeTest(Node):
    """`operand is Type` or `operand as Type`; `type` may be qualified ("FHIR.Patient")."""

    operator: str
    operand: Node
    type: str


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything below it, from the top down."""
    yield node
    for one in fields(node):
        value = getattr(node, one.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield from walk(child)
