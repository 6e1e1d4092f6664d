"""The intermediate representation: small typed expressions over lists, from which each dialect's SQL is made.

An expression's value is null, a scalar, an object (a struct with the properties of its `Shape`) or a list.
A list may be null, which means empty; it holds no nulls. Nothing here knows of FHIR.
"""

from dataclasses import dataclass

from salus.record.views.shape import Shape


@dataclass(frozen=True, slots=True)
class Ir:
    """Any expression."""


@dataclass(frozen=True, slots=True)
class Const(Ir):
    """A constant; `kind` is text, boolean, integer, decimal or null. `value` is its text."""

    kind: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Var(Ir):
    """A lambda's parameter or a column of the step."""

    name: str


@dataclass(frozen=True, slots=True)
class Field(Ir):
    """A property of an object. `shape` is the property's own."""

    base: Ir
    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Number(Ir):
    """The number of a decimal property, whose value is text where `shape.digits`."""

    base: Ir
    shape: Shape


@dataclass(frozen=True, slots=True)
class Parse(Ir):
    """JSON read into an object (or a list of objects if `shape.many`)."""

    json: Ir
    shape: Shape


@dataclass(frozen=True, slots=True)
class Map(Ir):
    """`body` for each element of a list; `index` names the element's number from 0, if wanted.

    `flat`: bodies are lists, made one. `compact`: nulls are left out.
    """

    items: Ir
    var: str
    body: Ir
    index: str = ""
    flat: bool = False
    compact: bool = True


@dataclass(frozen=True, slots=True)
class Filter(Ir):
    """The elements of a list for which a condition is true."""

    items: Ir
    var: str
    condition: Ir
    index: str = ""


@dataclass(frozen=True, slots=True)
class Let(Ir):
    """`body` with `var` standing for a value that is computed once."""

    var: str
    value: Ir
    body: Ir


@dataclass(frozen=True, slots=True)
class Fold(Ir):
    """`body` over the elements of a list, `total` holding what came before; `start` is a cast constant."""

    items: Ir
    total: str
    var: str
    start: Ir
    body: Ir
    kind: str


@dataclass(frozen=True, slots=True)
class Loop(Ir):
    """What is reached from `start` by `body` (a list of what one element leads to) again and again.

    `distinct`: what was found already is not followed again (FHIRPath's `repeat`); otherwise elements come
    in document order, each followed by what it leads to (the view's `repeat`), and more than
    `LOOP_LEVELS` levels are an error.
    """

    start: Ir
    var: str
    body: Ir
    distinct: bool


@dataclass(frozen=True, slots=True)
class Op(Ir):
    """A named operation; each dialect's module documents the SQL of each name."""

    name: str
    args: tuple[Ir, ...] = ()
    detail: str = ""


LOOP_LEVELS = 64
NULL = Const("null")
TRUE = Const("boolean", "true")
FALSE = Const("boolean", "false")


def text(value: str) -> Const:
    """Return a text constant."""
    return Const("text", value)


def integer(value: int) -> Const:
    """Return an integer constant."""
    return Const("integer", str(value))


def op(name: str, *args: Ir, detail: str = "") -> Op:
    """Return a named operation."""
    return Op(name, args, detail)
