"""is, as, ofType, type, conformsTo."""

from dataclasses import replace

from salus.record.views import model
from salus.record.views.compiler import Compiler, function, type_of
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal, Member, Node
from salus.record.views.ir import FALSE, NULL, TRUE, Filter, Ir, Map, Var, op, text
from salus.record.views.model import Type
from salus.record.views.values import (
    EMPTY,
    UNKNOWN,
    Scope,
    Value,
    boolean,
    item,
    present,
    string,
)

Args = tuple[Node, ...]
TYPE_INFO = "TypeInfo"


def type_argument(node: Node) -> str:
    """Return the type that a function's argument names ("FHIR.Patient")."""
    match node:
        case Member(base=None, name=name):
            return name
        case Member(base=Member(base=None, name=space), name=name):
            return f"{space}.{name}"
        case Literal(kind="string", text=name):
            return name
    raise ViewError("wrong-arguments", "The argument must be the name of a type")


def fits(value: Type, wanted: Type) -> bool:
    """Return whether a static type is another or one of its kinds."""
    if wanted.fhir != value.fhir:
        return False
    return model.is_subtype(value.name, wanted.name) if value.fhir else value.name == wanted.name


def test(compiler: Compiler, operator: str, value: Value, name: str) -> Value:
    """Return `value is Type` or `value as Type`."""
    wanted = type_of(name)
    if operator == "as":
        if value.many and not value.choices and not value.type.any:
            value = compiler.one(value)
        return of_type(compiler, value, wanted)
    return is_type(compiler, value, wanted)


def is_type(compiler: Compiler, value: Value, wanted: Type) -> Value:
    """Return whether a single value is of a type, empty if there is none."""
    if value.nothing:
        return boolean(NULL)
    if value.many:
        items = compiler.listed(value)
        value = items.with_ir(op("only", items.ir), many=False)
    if value.choices:
        names = [kind for kind, _ in value.choices if fits(Type(kind), wanted)]
        if wanted.fhir and model.known(wanted.name) and wanted.name not in names:
            names.append(wanted.name)
        hits = [present(compiler.pick(value, name)) for name in names]
        hit: Ir = op("or", *hits) if len(hits) > 1 else hits[0] if hits else FALSE
        return boolean(op("if", present(value), hit, NULL))
    if value.type.any:
        return boolean(
            op("if", op("present", value.ir), op("json_is", value.ir, detail=_json_type(wanted)), NULL)
        )
    return boolean(op("if", op("present", value.ir), TRUE if fits(value.type, wanted) else FALSE, NULL))


def _json_type(wanted: Type) -> str:
    if model.is_resource(wanted.name) or (not model.known(wanted.name) and wanted.fhir):
        return wanted.name
    return f"system:{wanted.system or 'object'}"


def of_type(compiler: Compiler, value: Value, wanted: Type) -> Value:
    """Return the elements that are of a type."""
    if value.nothing:
        return EMPTY
    if value.choices:
        if not wanted.fhir:
            return EMPTY
        if not any(wanted.name == kind for kind, _ in value.choices) and not model.known(wanted.name):
            raise ViewError("unknown-type", f"{wanted.name} is not a type that {value.stem} may have")
        return compiler.pick(value, wanted.name)
    if value.type.any and value.typed is not None and wanted.fhir and not model.is_resource(wanted.name):
        return value.typed(wanted.name)
    if value.type.any:
        return _json_of_type(compiler, value, wanted)
    same = value.type == wanted or (
        wanted.fhir
        and value.type.fhir
        and not value.type.primitive
        and model.is_subtype(value.type.name, wanted.name)
    )
    if same:
        return value
    return replace(EMPTY, ir=op("no_items"), many=True) if value.many else EMPTY


def _json_of_type(compiler: Compiler, value: Value, wanted: Type) -> Value:
    items = compiler.listed(value)
    var = compiler.fresh()
    kept = Filter(items.ir, var, op("json_is", Var(var), detail=_json_type(wanted)))
    made = converted(compiler, Value(UNKNOWN, kept, True), wanted)
    return made if value.many else made.with_ir(op("first", made.ir), many=False)


def converted(compiler: Compiler, items: Value, wanted: Type) -> Value:
    """Return a list of JSON as values of a type, whatever they are."""
    if not wanted.primitive:
        return compiler.parsed(items, wanted.name)
    var = compiler.fresh()
    kind = {"Boolean": "boolean", "Integer": "integer", "Decimal": "decimal"}.get(wanted.system, "text")
    return Value(wanted, Map(items.ir, var, op("json_as", Var(var), detail=kind), compact=False), True)


@function("ofType", 1)
def _of_type(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return of_type(compiler, focus, type_of(type_argument(args[0])))


@function("as", 1)
def _as(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return test(compiler, "as", focus, type_argument(args[0]))


@function("is", 1)
def _is(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    return test(compiler, "is", focus, type_argument(args[0]))


@function("type")
def _type(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    if focus.nothing:
        return EMPTY
    if focus.choices or focus.type.any:
        raise ViewError("unsupported", "type() needs a type that is known before the view runs")
    namespace = "FHIR" if focus.type.fhir else "System"
    return Value(Type(TYPE_INFO, fhir=False), focus.ir, focus.many, stem=f"{namespace}.{focus.type.name}")


def type_part(compiler: Compiler, value: Value, name: str) -> Value:
    """Return the namespace or the name of what `type()` gave."""
    namespace, _, short = value.stem.partition(".")
    if name not in {"namespace", "name"}:
        raise ViewError("unknown-element", f"A type has namespace and name, not {name}")
    word = text(namespace if name == "namespace" else short)
    if not value.many:
        return string(op("if", op("present", value.ir), word, NULL))
    var = compiler.fresh()
    return string(Map(value.ir, var, word, compact=False), many=True)


@function("conformsTo", 1)
def _conforms_to(compiler: Compiler, focus: Value, args: Args, scope: Scope) -> Value:
    base = "http://hl7.org/fhir/StructureDefinition/"
    if not isinstance(args[0], Literal) or not args[0].text.startswith(base):
        raise ViewError("unsupported", "conformsTo() knows only the types of FHIR itself")
    name = args[0].text.removeprefix(base)
    if not model.known(name):
        raise ViewError("unsupported", "conformsTo() knows only the types of FHIR itself")
    return is_type(compiler, focus, Type(name))


__all__ = ["TYPE_INFO", "fits", "is_type", "item", "of_type", "test", "type_argument", "type_part"]
