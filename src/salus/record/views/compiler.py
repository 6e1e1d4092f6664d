"""From a FHIRPath syntax tree to typed values: paths, literals, operators; functions are in `functions`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from salus.record.views import model
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import (
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
from salus.record.views.ir import NULL, Const, Field, Ir, Map, Number, Parse, Var, integer, op, text
from salus.record.views.model import SYSTEM_TYPES, Type
from salus.record.views.shape import Shape
from salus.record.views.values import (
    BOOLEAN,
    DECIMAL,
    EMPTY,
    INTEGER,
    QUANTITY,
    STRING,
    UNKNOWN,
    Origin,
    Scope,
    Value,
    boolean,
    choice_field,
    described,
    filtered,
    item,
    leaf,
    mapped,
    nearest,
    present,
)

Function = Callable[["Compiler", Value, tuple[Node, ...], Scope], Value]
FUNCTIONS: dict[str, tuple[Function, int, int]] = {}
OPERATORS: dict[str, Callable[["Compiler", Value, Value], Value]] = {}
LITERALS = {
    "boolean": "Boolean",
    "string": "String",
    "integer": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "time": "Time",
}


def function(name: str, least: int = 0, most: int | None = None) -> Callable[[Function], Function]:
    """Register the compilation of a function that takes from `least` to `most` arguments."""

    def register(made: Function) -> Function:
        FUNCTIONS[name] = (made, least, least if most is None else most)
        return made

    return register


@dataclass(slots=True)
class Compiler:
    """Compiles expressions of one view.

    `root` is the resource, `constants` the view's, `row_index` the number of the current row's element.
    `warnings` gathers what is odd but compiles; with `strict` such things are errors.
    """

    root: Value
    constants: Mapping[str, Value] = field(default_factory=dict)
    row_index: Ir | None = None
    strict: bool = False
    resource: str = ""
    warnings: list[str] = field(default_factory=list)
    names: int = 0

    def fresh(self) -> str:
        """Return a name that no other variable has."""
        self.names += 1
        return f"v{self.names}"

    def compile(self, node: Node, scope: Scope) -> Value:
        """Return what an expression means in a scope; raises `ViewError`."""
        try:
            return self._compile(node, scope)
        except ViewError as error:
            if error.where:
                raise
            raise error.at(f"character {node.at + 1}") from None

    def _compile(self, node: Node, scope: Scope) -> Value:
        match node:
            case Literal():
                return self.literal(node)
            case Empty():
                return EMPTY
            case External():
                return self.external(node.name)
            case Special():
                return self.special(node.name, scope)
            case Member(base=None):
                return self.first_step(node.name, scope)
            case Member(base=base, name=name) if base is not None:
                return self.navigate(self.compile(base, scope), name)
            case Call():
                return self.call(node, scope)
            case Index():
                return self.at(self.compile(node.base, scope), self.compile(node.index, scope))
            case Unary():
                return OPERATORS["negate" if node.operator == "-" else "plus"](
                    self, self.compile(node.operand, scope), EMPTY
                )
            case Binary():
                left, right = self.compile(node.left, scope), self.compile(node.right, scope)
                return OPERATORS[node.operator](self, left, right)
            case TypeTest():
                from salus.record.views.functions import types

                return types.test(self, node.operator, self.compile(node.operand, scope), node.type)
        raise ViewError("unsupported", "This form of expression is not supported")

    def literal(self, node: Literal) -> Value:
        """Return a literal."""
        if node.kind == "quantity":
            unit = op("calendar", detail=node.unit) if node.calendar else text(node.unit)
            made = op("quantity", Const("decimal", node.text), unit)
            return Value(QUANTITY, made, literal=node, digits=text(node.text))
        kind = LITERALS[node.kind]
        if kind == "Integer" and int(node.text) > 2**31 - 1:
            raise ViewError("syntax", f"{node.text} is larger than an Integer", fix="Write it with .0")
        if kind in {"Date", "DateTime", "Time"}:
            from salus.record.views.functions.dates import check_literal

            check_literal(node)
        # A dateTime of a day is written @2015-02-04T
        written = node.text.removesuffix("T")
        known = Const(leaf(Type(kind, fhir=False)), written if kind == "DateTime" else node.text)
        return Value(Type(kind, fhir=False), known, literal=node, digits=text(node.text))

    def external(self, name: str) -> Value:
        """Return a constant of the view or of the standard."""
        if name in self.constants:
            return self.constants[name]
        if name in {"context", "resource", "rootResource"}:
            return self.root
        if name == "rowIndex":
            return Value(INTEGER, self.row_index or integer(0))
        known = {
            "ucum": "http://unitsofmeasure.org",
            "sct": "http://snomed.info/sct",
            "loinc": "http://loinc.org",
        }
        if name.startswith("vs-"):
            return Value(STRING, text(f"http://hl7.org/fhir/ValueSet/{name[3:]}"))
        if name.startswith("ext-"):
            url = f"http://hl7.org/fhir/StructureDefinition/{name[4:]}"
            return Value(STRING, text(url), literal=Literal(0, "string", url))
        if name not in known:
            raise ViewError(
                "unknown-constant",
                f"%{name} is not defined",
                fix=nearest(name, self.constants) or "Add it to the view's constants.",
            )
        return Value(STRING, text(known[name]))

    def special(self, name: str, scope: Scope) -> Value:
        """Return $this, $index or $total."""
        found = {"$this": scope.this, "$index": scope.index, "$total": scope.total}[name]
        if found is None:
            raise ViewError("unsupported", f"{name} has no meaning here")
        return found

    def first_step(self, name: str, scope: Scope) -> Value:
        """Return a name without a base: the type of the context itself, or an element of it."""
        this = scope.this
        if this.ir == self.root.ir and name in {self.resource, "Resource", "DomainResource"}:
            return this
        if name[:1].isupper() and this.type.fhir and not this.choices:
            if this.type.name == name or (
                model.is_resource(this.type.name) and model.is_subtype(this.type.name, name)
            ):
                return this
        return self.navigate(this, name)

    def call(self, node: Call, scope: Scope) -> Value:
        """Return a function applied to its base."""
        focus = self.compile(node.base, scope) if node.base is not None else scope.this
        if node.name not in FUNCTIONS:
            raise ViewError(
                "unknown-function",
                f"{node.name}() is not a supported function",
                fix=nearest(node.name, FUNCTIONS) or "docs/views.md lists what is supported.",
                where=f"character {node.at + 1}",
            )
        made, least, most = FUNCTIONS[node.name]
        if not least <= len(node.arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ViewError(
                "wrong-arguments", f"{node.name}() takes {wanted} arguments, {len(node.arguments)} are given"
            )
        return made(self, focus, node.arguments, scope)

    # Paths

    def navigate(self, value: Value, name: str) -> Value:
        """Return an element of a value."""
        if value.nothing:
            return EMPTY
        if value.choices:
            return self._navigate_choice(value, name)
        if value.type.any or leaf(value.type) == "json":
            return self._any_part(value, name)
        if value.type.primitive and value.type.fhir:
            return self._primitive_part(value, name)
        if not value.type.fhir:
            if value.type.name == "TypeInfo":
                from salus.record.views.functions import types

                return types.type_part(self, value, name)
            if value.type == QUANTITY and name in {"value", "unit"}:
                one = self.one(value)
                return Value(DECIMAL if name == "value" else STRING, op(f"quantity_{name}", one.ir))
            raise ViewError("unknown-element", f"{described(value)} has no element {name}")
        found = model.element(value.type.name, name)
        if found is None:
            return self._unknown(value, name)
        if value.many:
            var = self.fresh()
            inner = self._read(item(value, var), found)
            if inner.choices:
                return replace(inner, ir=value.ir, many=True)
            made = mapped(value.ir, var, inner)
            made = replace(made, compact=not inner.many)
            origin = Origin(value.ir, value.read, name, True, inner.many) if inner.type.primitive else None
            return replace(inner, ir=made, many=True, origin=origin)
        return self._read(value, found)

    def _read(self, owner: Value, element: model.Element) -> Value:
        if element.is_choice:
            return Value(UNKNOWN, owner.ir, shape=owner.shape, choices=element.choices, stem=element.name)
        kind, name = element.choices[0]
        return self.property(owner, name, Type(kind), element.many)

    def property(self, owner: Value, name: str, kind: Type, many: bool) -> Value:
        """Return a JSON property of a single object."""
        shape = owner.read.child(name, leaf(kind), many)
        made: Ir = Field(owner.ir, name, shape)
        if kind.name in {"Resource", "DomainResource"}:
            kind = UNKNOWN
        if many and leaf(kind):
            made = op("compact", made)
        origin = Origin(owner.ir, owner.read, name, False, many) if kind.primitive else None
        return Value(kind, made, many, shape, origin=origin)

    def _any_part(self, value: Value, name: str) -> Value:
        """Return a property of JSON of unknown type; under a choice element's name, that of any type."""
        detail = "|".join(model.data_types()) if name in model.choice_stems() else ""

        def got(wanted: str, endings: str = "") -> Ir:
            var = self.fresh()
            if value.many:
                return Map(value.ir, var, op("json_get", Var(var), text(wanted), detail=endings), flat=True)
            return op("json_get", value.ir, text(wanted), detail=endings)

        def typed(kind: str) -> Value:
            return self._as_type(got(name), got(name + kind[0].upper() + kind[1:]), kind)

        return Value(UNKNOWN, got(name, detail), True, typed=typed)

    def _as_type(self, plain: Ir, chosen: Ir, kind: str) -> Value:
        """Return JSON under an element's name where it fits a type, and JSON under the name for that type."""
        from salus.record.views.functions import types

        fitting = types.of_type(self, Value(UNKNOWN, plain, True), Type(kind))
        same = types.converted(self, Value(UNKNOWN, chosen, True), Type(kind))
        if fitting.shape is not None and same.shape is not None:
            fitting.shape.children = same.shape.children
        return replace(same, ir=op("concat", fitting.ir, same.ir))

    def _loose(self, owner: Value, name: str) -> Value:
        """Return a property that R4 does not have, as it comes."""

        def got(wanted: str) -> Ir:
            shape = owner.read.child(wanted, "json", False)
            if owner.many:
                var = self.fresh()
                return Map(owner.ir, var, op("json_items", Field(Var(var), wanted, shape)), flat=True)
            return op("json_items", Field(owner.ir, wanted, shape))

        def typed(kind: str) -> Value:
            return self._as_type(got(name), got(name + kind[0].upper() + kind[1:]), kind)

        return Value(UNKNOWN, got(name), True, typed=typed)

    def _unknown(self, value: Value, name: str) -> Value:
        kind = value.type.name
        for stem, element in model.elements(kind).items():
            for choice, json_name in element.choices:
                if element.is_choice and json_name == name:
                    raise ViewError(
                        "unknown-element",
                        f"{kind} has no element {name} in FHIRPath",
                        fix=f"Write {stem}.ofType({choice}).",
                    )
        problem = f"FHIR R4's {kind} has no element {name}"
        hint = nearest(name, model.elements(kind))
        if self.strict:
            raise ViewError("unknown-element", problem, fix=hint)
        self.warnings.append(f"{problem}; it is read as it comes. {hint}".strip())
        return self._loose(value, name)

    def _primitive_part(self, value: Value, name: str) -> Value:
        if name not in {"extension", "id"}:
            if name == "value" and self.strict is False:
                return value
            raise ViewError("unknown-element", f"{described(value)} has no element {name}")
        origin = value.origin
        if origin is None:
            raise ViewError(
                "unsupported",
                f"The {name} of a primitive can be read only directly after its path",
                fix="Write path.extension(…) without a function between.",
            )
        shape = origin.shape.child(f"_{origin.name}", "", origin.element_many)
        if origin.many:
            var = self.fresh()
            inner = Field(Var(var), f"_{origin.name}", shape)
            parts: Ir = Map(origin.owner, var, inner, flat=origin.element_many, compact=True)
        else:
            parts = Field(origin.owner, f"_{origin.name}", shape)
        if origin.element_many:
            parts = op("compact", parts)
        owner = Value(Type("Element"), parts, origin.many or origin.element_many, shape)
        return self.navigate(owner, name)

    def _navigate_choice(self, value: Value, name: str) -> Value:
        branches = [
            (kind, json_name) for kind, json_name in value.choices if model.element(kind, name) is not None
        ]
        if not branches and not self.strict:
            self.warnings.append(f"FHIR R4's {value.stem} has no element {name}; it is read as it comes.")
            return self.navigate(self._loose(replace(value, choices=()), value.stem), name)
        if not branches:
            raise ViewError(
                "unknown-element",
                f"None of the types of {value.stem} has an element {name}",
                fix=f"They are {', '.join(kind for kind, _ in value.choices)}.",
            )
        var = self.fresh()
        owner = item(value, var) if value.many else value
        parts = [self.navigate(self.pick(replace(owner, many=False), kind), name) for kind, _ in branches]
        first = parts[0]
        if len(parts) > 1:
            if any(part.choices or part.system != first.system or not part.system for part in parts):
                raise ViewError(
                    "unsupported",
                    f"{name} is of several types here",
                    fix=f"Say which with {value.stem}.ofType(…).",
                )
            if any(part.many for part in parts):
                joined = Value(
                    first.type, op("concat", *(self.plain(self.listed(p)).ir for p in parts)), True
                )
            else:
                joined = Value(first.type, op("coalesce", *(self.plain(part).ir for part in parts)))
        else:
            joined = first
        if not value.many:
            return joined
        if joined.choices:
            raise ViewError("unsupported", f"Say the type of {value.stem} with ofType(…)")
        return replace(joined, ir=mapped(value.ir, var, joined), many=True, origin=None)

    def pick(self, value: Value, kind: str) -> Value:
        """Return a choice element where it is of one type, known to R4 or not."""
        json_name = dict(value.choices).get(kind) or value.stem + kind[0].upper() + kind[1:]
        if value.many:
            var = self.fresh()
            inner = self.property(item(value, var), json_name, Type(kind), False)
            origin = Origin(value.ir, value.read, json_name, True, False) if inner.type.primitive else None
            return replace(inner, ir=mapped(value.ir, var, inner), many=True, origin=origin)
        return self.property(value, json_name, Type(kind), False)

    # Cardinality and representation

    def one(self, value: Value, systems: frozenset[str] | None = None) -> Value:
        """Return a value of which there may be one only; several are an error when the view runs."""
        value = self.settle(value, systems)
        if not value.many:
            return value
        return value.with_ir(op("only", value.ir), many=False)

    def listed(self, value: Value) -> Value:
        """Return a value as a list."""
        if value.many:
            if value.choices:
                var = self.fresh()
                return replace(value, ir=filtered(value.ir, var, present(item(value, var))))
            return value
        if value.nothing:
            return replace(value, ir=op("no_items"), many=True)
        return replace(value, ir=op("as_list", value.ir, present(value)), many=True)

    def settle(self, value: Value, systems: frozenset[str] | None = None) -> Value:
        """Return a choice element as the one type that it must be here."""
        if not value.choices:
            return value
        fitting = [kind for kind, _ in value.choices if systems is None or Type(kind).system in systems]
        groups = {Type(kind).system or kind for kind in fitting}
        if len(groups) != 1:
            raise ViewError(
                "wrong-type",
                f"{value.stem} may be {described(value)} here",
                fix=f"Say which with {value.stem}.ofType(…).",
            )
        if len(fitting) == 1:
            return self.pick(value, fitting[0])
        var = self.fresh()
        owner = item(value, var) if value.many else value
        parts = [self.plain(self.pick(replace(owner, many=False), kind)) for kind in fitting]
        made = op("coalesce", *(part.ir for part in parts))
        return Value(
            parts[0].type, Map(value.ir, var, made) if value.many else made, value.many, parts[0].shape
        )

    def plain(self, value: Value) -> Value:
        """Return a value whose elements compare as they are: decimals as numbers, objects as JSON."""
        value = self.settle(value)
        if value.system == "Decimal" and value.shape is not None:
            shape = value.shape
            return self._each(value, lambda ir: Number(ir, shape), DECIMAL)
        if value.system == "" and value.shape is not None and not value.type.any:
            value.shape.whole = True
            return self._each(value, lambda ir: op("raw", ir), UNKNOWN)
        if value.system == "Quantity" and value.type.fhir:
            return self._each(value, lambda ir: self.system_quantity(value.with_ir(ir, many=False)), QUANTITY)
        return value

    def system_quantity(self, value: Value) -> Ir:
        """Return a single FHIR Quantity as FHIRPath's."""
        amount = self.plain(self.navigate(value, "value"))
        code, unit = self.navigate(value, "code"), self.navigate(value, "unit")
        return op("quantity", amount.ir, op("coalesce", code.ir, unit.ir))

    def _each(self, value: Value, change: Callable[[Ir], Ir], kind: Type) -> Value:
        if not value.many:
            return Value(kind, change(value.ir))
        var = self.fresh()
        return Value(kind, Map(value.ir, var, change(Var(var)), compact=False), True)

    def digits(self, value: Value) -> Ir:
        """Return a single number as the text it was written as."""
        if value.digits is not None:
            return value.digits
        if value.system == "Decimal" and value.shape is not None:
            value.shape.digits = True
            return value.ir
        return op("number_text", self.plain(value).ir)

    def parsed(self, json: Value, kind: str) -> Value:
        """Return JSON as objects of a type."""
        shape = Shape(many=json.many)
        return Value(Type(kind), Parse(json.ir, shape), json.many, shape)

    # Truth

    def truth(self, value: Value, *, strict: bool = False) -> Ir:
        """Return a value as a condition: a Boolean, or whether a single other value is there.

        With `strict` only a Boolean will do (a view's where, a function's criteria).
        """
        if value.nothing:
            return NULL
        if value.choices:
            value = self.settle(value, frozenset({"Boolean"}))
        if value.system == "Boolean":
            return self.one(value).ir
        if value.type.any:
            return op("json_boolean", self.one(value).ir)
        if strict:
            raise ViewError(
                "wrong-type",
                f"A condition must be true or false, this is {described(value)}",
                fix="Compare it, or ask whether it exists().",
            )
        return op("true_if_present", self.one(value).ir)

    def at(self, value: Value, index: Value) -> Value:
        """Return the element at a place, counted from 0."""
        if index.nothing or value.nothing:
            return EMPTY
        place = self.one(index)
        if place.system != "Integer":
            raise ViewError("wrong-type", f"An index must be an Integer, this is {described(index)}")
        items = self.listed(value)
        return items.with_ir(op("at", items.ir, place.ir), many=False)


def type_of(name: str) -> Type:
    """Return the type that a type specifier names; raises `ViewError` ("unknown-type")."""
    space, _, short = name.rpartition(".")
    if space == "System" or (not space and short in SYSTEM_TYPES and not model.known(short)):
        if short not in SYSTEM_TYPES:
            return Type(short, fhir=False)
        return Type(short, fhir=False)
    if space not in {"", "FHIR"}:
        raise ViewError("unknown-type", f"{name} is not a type")
    if not model.known(short) and not short[:1].isupper():
        raise ViewError("unknown-type", f"{name} is not a type of FHIR", fix=nearest(short, model.SYSTEM))
    return Type(short)


__all__ = [
    "BOOLEAN",
    "FUNCTIONS",
    "OPERATORS",
    "Compiler",
    "boolean",
    "choice_field",
    "function",
    "type_of",
]
