"""The elements of FHIR XML become the properties of FHIR JSON, by the R4 element tables."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from salus.record import json
from salus.record.rules.r4 import kinds
from salus.record.validate.schema import ANY_RESOURCE, Field, Shape, patterns, shapes
from salus.record.xml.document import UnreadableXml, parse
from salus.record.xml.narrative import XHTML, div_text

FHIR = "http://hl7.org/fhir"
DEPTH = 64  # elements inside elements, as the validator takes
MOST_WARNINGS = 20
_SCHEMA_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_INTEGERS = frozenset({"integer", "unsignedInt", "positiveInt"})
_NUMBERS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_INTEGERS, ("not-an-integer", "not a whole number")),
    "decimal": ("not-a-number", "not a number"),
}
_TRUTH = {"true": True, "false": False}
_AS_XHTML = frozenset({XHTML, FHIR, ""})
_UNKNOWN = Shape("", resource=False)


@dataclass(frozen=True, slots=True)
class Read:
    """A resource as FHIR's JSON would say it, and what was odd about its XML."""

    resource: dict[str, Any]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Member:
    """All the values that stand under one name in an element; beside each, its id and extensions."""

    known: Field | None
    values: list[Any] = field(default_factory=list)
    beside: list[dict[str, Any] | None] = field(default_factory=list)


def read_xml(raw: bytes, charset: str = "") -> Read:
    """Return the resource that FHIR R4 XML holds; decimals keep their digits, as `record.json` reads them.

    Elements that R4 does not know are kept: with children as an object, else as text, repeated ones as a
    list. `charset` is used where the document names no encoding. Raises `UnreadableXml` with the line.
    """
    root = parse(raw, charset)
    reader = _Reader()
    try:
        resource = reader.resource(root, 1)
    except RecursionError:
        raise _deep(root) from None
    return Read(resource, tuple(reader.warnings))


@cache
def _primitives() -> frozenset[str]:
    return frozenset(patterns())


@cache
def _number_pattern(kind: str) -> re.Pattern[str]:
    return re.compile(patterns()["decimal" if kind == "decimal" else "integer"])


@cache
def _anywhere() -> dict[str, Field]:
    """Return what an element that R4 does not know may still hold: extensions, and values by their type."""
    return {
        **shapes()["Extension"].fields,
        "modifierExtension": shapes()["Patient.contact"].fields["modifierExtension"],
    }


def _line(node: Any) -> str:
    return f"line {node.sourceline}"


def _deep(node: Any) -> UnreadableXml:
    return UnreadableXml("too-deep", "the XML nests deeper than is taken", where=_line(node))


class _Reader:
    """One document being read."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def _warn(self, words: str, node: Any) -> None:
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(f"{_line(node)}: {words}")

    def resource(self, node: Any, depth: int) -> dict[str, Any]:
        """Return the resource that an element is: its name is the resource's type."""
        name = self._name(node)
        if not name[:1].isupper():
            raise UnreadableXml("not-fhir", "the XML element is not a FHIR resource", where=_line(node))
        if depth > DEPTH:
            raise _deep(node)
        shape = shapes()[name] if name in kinds() else _UNKNOWN
        return {"resourceType": name, **self._members(node, shape, depth, resource=True)}

    def _name(self, node: Any) -> str:
        """Return an element's name without the namespace, which must be FHIR's."""
        namespace, _, name = str(node.tag).rpartition("}")
        if namespace != "{" + FHIR or name[0] == "_":
            raise UnreadableXml(
                "not-fhir",
                "an element is not in FHIR's namespace",
                where=_line(node),
                fix=f'FHIR XML is in xmlns="{FHIR}".',
            )
        return name

    def _members(
        self, node: Any, shape: Shape, depth: int, *, resource: bool = False, primitive: bool = False
    ) -> dict[str, Any]:
        """Return the properties that an element's attributes and children say."""
        if depth > DEPTH:
            raise _deep(node)
        found: dict[str, _Member] = {}
        for name, text in node.attrib.items():
            if name[0] == "{":
                if not name.startswith(_SCHEMA_INSTANCE):
                    self._warn("an attribute of another namespace was left out", node)
            elif not (primitive and name == "value"):
                member = self._member(found, name, shape)
                kind = member.known.type if member.known else ""
                self._put(member, self._value(text, kind, node), None)
        self._refuse_text(node, node.text)
        for child in node:
            self._refuse_text(child, child.tail)
            if not isinstance(child.tag, str):
                continue
            if child.tag == f"{{{XHTML}}}div" and "div" in shape.fields:
                name = "div"
            else:
                name = self._name(child)
            if resource and name == "resourceType":
                raise UnreadableXml("not-fhir", "resourceType is no element of FHIR XML", where=_line(child))
            self._take(self._member(found, name, shape), child, depth + 1)
        return self._grouped(found)

    @staticmethod
    def _member(found: dict[str, _Member], name: str, shape: Shape) -> _Member:
        member = found.get(name)
        if member is None:
            member = found[name] = _Member(shape.fields.get(name) or _anywhere().get(name))
        return member

    @staticmethod
    def _put(member: _Member, value: Any, beside: dict[str, Any] | None) -> None:
        member.values.append(value)
        member.beside.append(beside)

    def _take(self, member: _Member, node: Any, depth: int) -> None:
        """Read one child element into the member of its name."""
        kind = member.known.type if member.known is not None else self._guess(node)
        if kind == "xhtml":
            self._put(member, div_text(node, _AS_XHTML), None)
        elif kind == ANY_RESOURCE:
            inside = [child for child in node if isinstance(child.tag, str)]
            for text in (node.text, *(child.tail for child in node)):
                self._refuse_text(node, text)
            for child in inside:
                self._put(member, self.resource(child, depth + 1), None)
            if not inside:
                self._warn("an empty element was left out", node)
        elif kind in _primitives():
            text = node.get("value")
            if text is not None and len(node.attrib) == 1 and not len(node) and not node.text:
                self._put(member, self._value(text, kind, node), None)  # nearly all, and fast
                return
            beside = self._members(node, shapes()["Element"], depth, primitive=True)
            if text is None and not beside:
                self._warn("an empty element was left out", node)
            else:
                self._put(member, None if text is None else self._value(text, kind, node), beside or None)
        else:
            said = self._members(node, shapes().get(kind, _UNKNOWN), depth)
            if said:
                self._put(member, said, None)
            else:
                self._warn("an empty element was left out", node)

    @staticmethod
    def _guess(node: Any) -> str:
        """Return the type of an element that R4 does not know: a resource, text, or "" for an object."""
        inside = [str(child.tag).rpartition("}")[2] for child in node if isinstance(child.tag, str)]
        if len(inside) == 1 and inside[0] in kinds():
            return ANY_RESOURCE
        return "" if any(name != "extension" for name in inside) else "string"

    @staticmethod
    def _value(text: str, kind: str, node: Any) -> Any:
        """Return a primitive's value. XML collapses the white space around numbers and booleans."""
        if kind == "boolean":
            truth = _TRUTH.get(text.strip())
            if truth is None:
                raise UnreadableXml("not-a-boolean", "a value is neither true nor false", where=_line(node))
            return truth
        if kind in _NUMBERS:
            code, words = _NUMBERS[kind]
            bare = text.strip()
            if bare[:1] == "+" and bare[1:2].isdecimal():
                bare = bare[1:]  # XML Schema's numbers may have the sign; JSON's may not
            try:
                if not _number_pattern(kind).fullmatch(bare):
                    raise UnreadableXml(code, f"a value is {words}", where=_line(node))
                return json.loads(bare)
            except json.NotJson:
                raise UnreadableXml(
                    "bad-number", "a number has too many digits or too large an exponent", where=_line(node)
                ) from None
        return text

    @staticmethod
    def _refuse_text(node: Any, text: str | None) -> None:
        if text and not text.isspace():
            raise UnreadableXml(
                "not-fhir",
                "text stands between tags",
                where=_line(node),
                fix="FHIR XML writes a value as an attribute: <gender value=.../>.",
            )

    @staticmethod
    def _grouped(found: dict[str, _Member]) -> dict[str, Any]:
        """Return members as JSON has them: lists by cardinality, what stands beside values under `_name`."""
        grouped: dict[str, Any] = {}
        for name, member in found.items():
            if not member.values:
                continue
            # An element that may stand once but came again stays a list: the validator names its place
            many = member.known.many if member.known is not None and len(member.values) == 1 else None
            if many is None:
                many = len(member.values) > 1
            if any(value is not None for value in member.values):
                grouped[name] = member.values if many else member.values[0]
            if any(one is not None for one in member.beside):
                grouped[f"_{name}"] = member.beside if many else member.beside[0]
        return grouped
