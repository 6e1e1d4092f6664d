"""A ViewDefinition, checked and compiled to a plan. Source: https://sql-on-fhir.org/ig/ (v2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.record.views import functions, model
from salus.record.views.compiler import Compiler
from salus.record.views.errors import ViewError
from salus.record.views.fhirpath import Literal, parse
from salus.record.views.ir import Const, Ir, Parse, Var, integer, op, text
from salus.record.views.model import Type
from salus.record.views.plan import ROOT, Branches, Column, Explode, Output, Plan, Rows
from salus.record.views.shape import Shape
from salus.record.views.values import STRING, UNKNOWN, Scope, Value, described, leaf, nearest

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VIEW = {"resource", "select", "where", "constant"}
_SELECT = {"column", "select", "forEach", "forEachOrNull", "repeat", "unionAll"}
_SQL = {
    "boolean": "boolean",
    "integer": "integer",
    "decimal": "decimal(38,12)",
    "text": "varchar",
    "json": "varchar",
}
_ANSI = re.compile(
    r"(?:CHARACTER(?: VARYING)?|VARCHAR|CHAR|TEXT|STRING|BOOLEAN|TINYINT|SMALLINT|INT|INTEGER|BIGINT|REAL"
    r"|FLOAT|DOUBLE(?: PRECISION)?|DECIMAL|NUMERIC|DATE|TIMESTAMP(?: WITH TIME ZONE)?|TIME)"
    r"(?:\(\d{1,4}(?:,\s*\d{1,2})?\))?",
    re.IGNORECASE,
)
DEEPEST = 50
REGISTERED = functions.__all__
"""Importing the package registers FHIRPath's functions."""


@dataclass(slots=True)
class _Focus:
    """Where a select stands: its element, and the number of it."""

    value: Value
    index: Ir = field(default_factory=lambda: integer(0))


class _View:
    def __init__(self, view: Any, strict: bool) -> None:
        if not isinstance(view, dict):
            raise ViewError("structure", "A ViewDefinition is a JSON object")
        self.view = view
        self.resource = self._resource()
        self.shape = Shape()
        known = model.is_resource(self.resource)
        self.warnings: list[str] = []
        if known and not self._other_version():
            root = Value(Type(self.resource), Var(ROOT), shape=self.shape)
        else:
            if strict and not known:
                raise ViewError("unknown-type", f"{self.resource} is not a resource type of FHIR R4")
            if not known:
                self.warnings.append(
                    f"{self.resource} is not a resource type of FHIR R4; it is read as it comes."
                )
            self.shape.whole = True
            root = Value(UNKNOWN, op("raw", Var(ROOT)))
        self.root = root
        self.compiler = Compiler(
            root, self._constants(), strict=strict, resource=self.resource, warnings=self.warnings
        )
        self.columns: list[Column] = []
        self.names = 0

    def _resource(self) -> str:
        name = self.view.get("resource")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Z][A-Za-z]+", name):
            raise ViewError(
                "structure",
                "A ViewDefinition names its resource type",
                where="resource",
                fix='"resource": "Patient"',
            )
        kind = self.view.get("resourceType")
        if kind is not None and str(kind).rpartition("/")[2] != "ViewDefinition":
            raise ViewError("structure", f"This is a {kind}, not a ViewDefinition", where="resourceType")
        return name

    def _other_version(self) -> bool:
        """Return whether the view says that it is for versions of FHIR other than R4 only."""
        versions = self.view.get("fhirVersion")
        if versions is None:
            return False
        if not isinstance(versions, list) or not all(isinstance(one, str) for one in versions):
            raise ViewError("structure", "fhirVersion is a list of versions", where="fhirVersion")
        return bool(versions) and not any(one.startswith("4") for one in versions)

    def _list(self, owner: dict[str, Any], name: str, where: str) -> list[dict[str, Any]]:
        found = owner.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ViewError("structure", f"{name} is a list of objects", where=where)
        return found

    def _constants(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for number, one in enumerate(self._list(self.view, "constant", "constant")):
            where = f"constant[{number}]"
            name = one.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ViewError("structure", "A constant needs a name", where=where)
            values = [key for key in one if key.startswith("value") and len(key) > 5]
            if len(values) != 1:
                raise ViewError("structure", f"The constant {name} needs one value[x]", where=where)
            kind = values[0][5].lower() + values[0][6:]
            if kind not in model.SYSTEM or kind == "xhtml":
                raise ViewError("structure", f"{values[0]} is not a primitive type", where=where)
            found[name] = self._constant(one[values[0]], kind, where)
        return found

    def _constant(self, value: Any, kind: str, where: str) -> Value:
        system = model.SYSTEM[kind]
        sort = leaf(Type(kind))
        right = {
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int | str) and not isinstance(value, bool),
            "decimal": not isinstance(value, bool) and not isinstance(value, list | dict | None),
        }.get(sort, isinstance(value, str))
        written = str(value).lower() if sort == "boolean" else str(value)
        if sort in {"integer", "decimal"}:
            right = right and bool(
                re.fullmatch(r"-?\d+" + ("" if sort == "integer" else r"(\.\d+)?([eE][+-]?\d+)?"), written)
            )
        if not right:
            raise ViewError("structure", f"This is not a value of type {kind}", where=where)
        literal_kind = {"DateTime": "dateTime"}.get(system, system.lower())
        made = Literal(0, literal_kind, written)
        return Value(Type(system, fhir=False), Const(sort, written), literal=made, digits=text(written))

    def plan(self) -> Plan:
        """Return the compiled view."""
        selects = self._list(self.view, "select", "select")
        if not selects:
            raise ViewError("structure", "A ViewDefinition needs a select", where="select")
        unknown = nearest_wrong(self.view, _VIEW)
        if unknown:
            raise ViewError("structure", unknown)
        where: list[Ir] = []
        for number, one in enumerate(self._list(self.view, "where", "where")):
            place = f"where[{number}].path"
            found = self._path(one.get("path"), _Focus(self.root), place)
            try:
                where.append(self.compiler.truth(found, strict=True))
            except ViewError as error:
                raise error.at(place) from None
        rows = Rows()
        columns = self._selects(selects, _Focus(self.root), rows, "select", 0)
        if not columns:
            raise ViewError("structure", "The view has no columns", where="select")
        seen: set[str] = set()
        for column in columns:
            if column.name.lower() in seen:
                raise ViewError("columns", f"Two columns are called {column.name}", where="select")
            seen.add(column.name.lower())
        self.columns = columns
        return Plan(self.resource, self.shape, where, rows)

    def _path(self, path: Any, focus: _Focus, where: str) -> Value:
        if not isinstance(path, str):
            raise ViewError("structure", "A FHIRPath expression is text", where=where)
        self.compiler.row_index = focus.index
        try:
            return self.compiler.compile(parse(path), Scope(focus.value))
        except ViewError as error:
            raise error.at(where) from None

    def _name(self, prefix: str) -> str:
        self.names += 1
        return f"_{prefix}{self.names}"

    def _selects(
        self, selects: Sequence[dict[str, Any]], focus: _Focus, rows: Rows, where: str, depth: int
    ) -> list[Column]:
        found: list[Column] = []
        for number, select in enumerate(selects):
            found += self._select(select, focus, rows, f"{where}[{number}]", depth)
        return found

    def _select(
        self, select: dict[str, Any], focus: _Focus, rows: Rows, where: str, depth: int
    ) -> list[Column]:
        if depth > DEEPEST:
            raise ViewError("structure", f"Selects are nested deeper than {DEEPEST} levels", where=where)
        unknown = nearest_wrong(select, _SELECT)
        if unknown:
            raise ViewError("structure", unknown, where=where)
        inner = self._iterated(select, focus, rows, where)
        found = [
            self._column(one, inner, rows, f"{where}.column[{number}]")
            for number, one in enumerate(self._list(select, "column", f"{where}.column"))
        ]
        nested = self._list(select, "select", f"{where}.select")
        found += self._selects(nested, inner, rows, f"{where}.select", depth + 1)
        if "unionAll" in select:
            found += self._union(select, inner, rows, f"{where}.unionAll", depth)
        return found

    def _iterated(self, select: dict[str, Any], focus: _Focus, rows: Rows, where: str) -> _Focus:
        ways = [way for way in ("forEach", "forEachOrNull", "repeat") if select.get(way) is not None]
        if len(ways) > 1:
            raise ViewError("structure", f"{' and '.join(ways)} cannot stand together", where=where)
        if not ways:
            return focus
        way = ways[0]
        place = f"{where}.{way}"
        if way == "repeat":
            value = self._repeated(select["repeat"], focus, place)
        else:
            value = self._path(select[way], focus, place)
        try:
            items = self.compiler.listed(value)
        except ViewError as error:
            raise error.at(place) from None
        var, index = self._name("i"), self._name("n")
        rows.steps.append(Explode(items.ir, var, index, way == "forEachOrNull"))
        if value.nothing:
            return _Focus(Value(value.type, Var(var)), Var(index))
        return _Focus(items.with_ir(Var(var), many=False), Var(index))

    def _repeated(self, paths: Any, focus: _Focus, where: str) -> Value:
        if not isinstance(paths, list) or not paths or not all(isinstance(one, str) for one in paths):
            raise ViewError("structure", "repeat is a list of FHIRPath expressions", where=where)
        from salus.record.views.functions.filtering import repeated_view

        try:
            return repeated_view(self.compiler, focus.value, [parse(path) for path in paths])
        except ViewError as error:
            raise error.at(where) from None

    def _union(
        self, select: dict[str, Any], focus: _Focus, rows: Rows, where: str, depth: int
    ) -> list[Column]:
        selects = self._list(select, "unionAll", where)
        if not selects:
            raise ViewError("structure", "unionAll needs at least one select", where=where)
        branches: list[Rows] = []
        columns: list[list[Column]] = []
        for number, one in enumerate(selects):
            branch = Rows()
            columns.append(self._select(one, focus, branch, f"{where}[{number}]", depth + 1))
            branches.append(branch)
        first = columns[0]
        for number, other in enumerate(columns[1:], 1):
            if [c.name for c in other] != [c.name for c in first]:
                raise ViewError(
                    "columns",
                    f"Its columns are {', '.join(c.name for c in other)}; those before are "
                    f"{', '.join(c.name for c in first)}",
                    where=f"{where}[{number}]",
                    fix="Every select of a unionAll gives the same columns in the same order.",
                )
            for mine, theirs in zip(first, other, strict=True):
                if mine.collection != theirs.collection:
                    raise ViewError(
                        "columns",
                        f"{mine.name} is a collection in one select only",
                        where=f"{where}[{number}]",
                    )
        rows.steps.append(Branches(branches))
        rows.outputs += [column.name for column in first]
        return [common(list(same)) for same in zip(*columns, strict=True)]

    def _column(self, one: dict[str, Any], focus: _Focus, rows: Rows, where: str) -> Column:
        name, path = one.get("name"), one.get("path")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ViewError(
                "structure",
                "A column needs a name of letters, digits and _ that begins with a letter",
                where=where,
            )
        collection = one.get("collection", False)
        declared = one.get("type")
        if not isinstance(collection, bool):
            raise ViewError("structure", "collection is true or false", where=where)
        if declared is not None and not isinstance(declared, str):
            raise ViewError("structure", "type is the name of a FHIR type", where=where)
        declared = (declared or "").rpartition("/")[2]
        if declared and not model.known(declared) and declared != "integer64":
            self.warnings.append(f"{where}: {declared} is not a type of FHIR R4.")
        value = self._path(path, focus, f"{where}.path")
        try:
            return self._output(name, value, declared, collection, one, rows, where)
        except ViewError as error:
            raise error.at(f"{where}.path") if not error.where else error from None

    def _output(
        self,
        name: str,
        value: Value,
        declared: str,
        collection: bool,
        one: dict[str, Any],
        rows: Rows,
        where: str,
    ) -> Column:
        compiler = self.compiler
        if value.choices:
            named = [kind for kind, _ in value.choices if kind == declared]
            value = compiler.pick(value, declared) if named else compiler.settle(value)
        wanted = leaf(Type(declared)) if declared in model.SYSTEM else ""
        if value.nothing:
            kind = declared or "string"
        elif value.type.any:
            sort, kind = wanted or "text", declared or "string"
            value = compiler._each(
                value, lambda ir: op("json_as", ir, detail=sort), Type(kind if wanted else "string")
            )
        else:
            kind = value.type.name if value.type.fhir else value.type.name[0].lower() + value.type.name[1:]
        sort = leaf(value.type) if not value.nothing else (wanted or "text")
        if sort == "decimal" and wanted == "text":
            value = self._as_written(value)
            sort = "text"
        elif value.system == "Quantity" and not value.type.fhir:
            value = compiler._each(value, lambda ir: op("quantity_text", ir), STRING)
        else:
            value = compiler.plain(value) if not value.nothing else value
        if sort in {"", "json"}:
            sort = "json"
        if not collection and value.many:
            value = value.with_ir(op("only_value", value.ir, text(name)), many=False)
        elif collection:
            value = compiler.listed(value)
        cast, shown = _SQL[sort] if sort == "integer" else "", _SQL[sort]
        if declared == "integer64" or kind == "integer64":
            cast = shown = "bigint"
        if wanted == "decimal" and sort == "integer":
            cast = shown = _SQL["decimal"]
        elif wanted == "text" and sort in {"integer", "boolean"}:
            cast = shown = "varchar"
        elif (
            wanted
            and wanted != sort
            and sort != "text"
            or (wanted in {"boolean", "integer", "decimal"} and sort == "text")
        ):
            self.warnings.append(f"{where}: {name} is declared {declared}, its path gives {kind}.")
        ansi = self._tagged(one, where)
        if ansi:
            cast = shown = ansi
        elif value.nothing:
            cast = shown
        rows.outputs.append(Output(name, value.ir, cast, sort, collection))
        fhir_type = declared or kind
        described_as = one.get("description")
        return Column(
            name,
            fhir_type,
            shown + ("[]" if collection else ""),
            collection,
            described_as if isinstance(described_as, str) else "",
        )

    def _as_written(self, value: Value) -> Value:
        if not value.many:
            return Value(STRING, self.compiler.digits(value))
        if value.shape is not None:
            value.shape.digits = True
            return Value(STRING, value.ir, True)
        return self.compiler._each(value, lambda ir: op("number_text", ir), STRING)

    def _tagged(self, one: dict[str, Any], where: str) -> str:
        for tag in self._list(one, "tag", f"{where}.tag"):
            if tag.get("name") == "ansi/type":
                value = tag.get("value")
                if not isinstance(value, str) or not _ANSI.fullmatch(value.strip()):
                    raise ViewError("structure", f"{value!r} is not an SQL type", where=f"{where}.tag")
                return value.strip().lower()
        return ""


def common(columns: list[Column]) -> Column:
    """Return what a column of a unionAll is: the first select's, text where their types differ."""
    first = columns[0]
    kinds = {column.sql_type for column in columns}
    if len(kinds) == 1:
        return first
    widest = next((kind for kind in ("decimal(38,12)", "bigint") if kind in kinds), "varchar")
    if kinds <= {"integer", "bigint", "decimal(38,12)"}:
        return Column(first.name, first.fhir_type, widest, first.collection, first.description)
    raise ViewError(
        "columns",
        f"{first.name} is {' and '.join(sorted(kinds))} in the selects of one unionAll",
        fix="Give it one type, for instance with toString().",
    )


def nearest_wrong(owner: dict[str, Any], known: set[str]) -> str:
    """Return what to say of a misspelt property, "" if none looks like one that is known."""
    for name in owner:
        if name not in known and name.lower().replace("_", "") in {one.lower() for one in known}:
            return f"{name} is not a property here. {nearest(name, known)}".strip()
    return ""


__all__ = ["Parse", "described"]
