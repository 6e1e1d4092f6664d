"""What the compiler knows of an expression: its type, whether it may be several, and its IR."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal
from salus.record.views.ir import NULL, Field, Filter, Ir, Map, Var, op
from salus.record.views.model import ANY, Type
from salus.record.views.shape import Shape

NOTHING = Type("Nothing", fhir=False)
BOOLEAN = Type("Boolean", fhir=False)
STRING = Type("String", fhir=False)
INTEGER = Type("Integer", fhir=False)
DECIMAL = Type("Decimal", fhir=False)
DATE = Type("Date", fhir=False)
DATETIME = Type("DateTime", fhir=False)
TIME = Type("Time", fhir=False)
QUANTITY = Type("Quantity", fhir=False)
UNKNOWN = Type(ANY)

_LEAVES = {"Boolean": "boolean", "Integer": "integer", "Decimal": "decimal"}


def leaf(kind: Type) -> str:
    """Return the leaf kind of a type's values: text, boolean, integer, decimal, json, "" (object)."""
    if kind.any or kind.name in {"Resource", "DomainResource"}:
        return "json"
    return _LEAVES.get(kind.system, "text") if kind.primitive else ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a primitive element was read, so that its extensions (in `_name`) can be found."""

    owner: Ir
    shape: Shape
    name: str
    many: bool
    element_many: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A compiled expression.

    `shape`: the JSON property that `ir` reads, for objects and for decimals (whose IR may then be text).
    `choices`: type names and JSON properties of a choice element; `ir` and `shape` are then its owner's.
    `digits`: a decimal as it was written, where that is known without a shape. `typed` reads an element
    that R4 does not have as one of a type, in case it is a choice element.
    """

    type: Type
    ir: Ir
    many: bool = False
    shape: Shape | None = None
    choices: tuple[tuple[str, str], ...] = ()
    stem: str = ""
    origin: Origin | None = None
    literal: Literal | None = None
    digits: Ir | None = None
    typed: "Callable[[str], Value] | None" = None

    @property
    def read(self) -> Shape:
        """The shape of what has one; objects and choices always do."""
        if self.shape is None:
            raise ViewError("unsupported", f"The elements of {self.type.label} cannot be read here")
        return self.shape

    @property
    def nothing(self) -> bool:
        """Whether it is `{}`, known before anything runs."""
        return self.type == NOTHING

    @property
    def system(self) -> str:
        """The FHIRPath type of its values, "" for objects, choices and unknown JSON."""
        return "" if self.choices else self.type.system

    def with_ir(self, ir: Ir, *, many: bool | None = None) -> "Value":
        """Return the same kind of value from another expression (a part of the same elements)."""
        return replace(
            self,
            ir=ir,
            many=self.many if many is None else many,
            origin=None,
            literal=None,
            digits=None,
            typed=None,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean inside an expression."""

    this: Value
    index: Value | None = None
    total: Value | None = None


EMPTY = Value(NOTHING, NULL)


def boolean(ir: Ir) -> Value:
    """Return a single Boolean."""
    return Value(BOOLEAN, ir)


def string(ir: Ir, *, many: bool = False) -> Value:
    """Return a String or several."""
    return Value(STRING, ir, many)


def number(ir: Ir) -> Value:
    """Return a single Integer."""
    return Value(INTEGER, ir)


def decimal(ir: Ir, digits: Ir | None = None) -> Value:
    """Return a single Decimal."""
    return Value(DECIMAL, ir, digits=digits)


def item(value: Value, var: str) -> Value:
    """Return one element of a value, held by a lambda's parameter."""
    return value.with_ir(Var(var), many=False)


def present(value: Value, ir: Ir | None = None) -> Ir:
    """Return whether a single value is there (a choice: whether one of its properties is)."""
    base = value.ir if ir is None else ir
    if not value.choices:
        return op("present", base)
    return op("any_present", *(choice_field(base, value.read, name, kind) for kind, name in value.choices))


def choice_field(owner: Ir, shape: Shape, name: str, kind: str) -> Field:
    """Return the property that holds a choice element when it is of one type."""
    return Field(owner, name, shape.child(name, leaf(Type(kind)), False))


def mapped(items: Ir, var: str, body: Value) -> Map:
    """Return the bodies for each element of a list, flattened if they are lists."""
    return Map(items, var, body.ir, flat=body.many, compact=not body.many)


def filtered(items: Ir, var: str, condition: Ir, index: str = "") -> Filter:
    """Return the elements for which a condition is true."""
    return Filter(items, var, condition, index)


def described(value: Value) -> str:
    """Return a value's type in words for an error."""
    if value.choices:
        return " or ".join(kind for kind, _ in value.choices[:4]) + (" …" if len(value.choices) > 4 else "")
    return ("several " if value.many else "") + value.type.label


def nearest(name: str, of: Any) -> str:
    """Return a hint that names the nearest of some names, "" if none is near."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(of), 1)
    return f"Did you mean {close[0]}?" if close else ""
