"""The slow validator: what is wrong with a resource, where, and what was expected. Never the value itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from salus.record.rules.r4 import kinds
from salus.record.validate.primitives import TESTS
from salus.record.validate.schema import ANY_RESOURCE, Field, Shape, shapes

DEPTH = 64
MOST_ISSUES = 100
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding: a FHIR issue type, the FHIRPath of the place and what was expected there.

    An error makes the resource invalid; a warning does not. `expected` is English and in the room's
    catalogue: whoever shows it passes it through gettext.
    Source of the codes: https://hl7.org/fhir/R4/valueset-issue-type.html.
    """

    severity: Severity
    code: str
    path: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: {self.expected}"


def _(message: str) -> str:
    """Mark a text for the catalogue; this package knows no Django, so it is translated where it is shown."""
    return message


PRIMITIVE: dict[str, str] = {
    "boolean": _("expected true or false, without quotation marks"),
    "integer": _("expected a whole number of 32 bits, without quotation marks"),
    "unsignedInt": _("expected a whole number of 32 bits, 0 or more, without quotation marks"),
    "positiveInt": _("expected a whole number of 32 bits, 1 or more, without quotation marks"),
    "decimal": _("expected a number, without quotation marks"),
    "base64Binary": _("expected base64 text"),
    "string": _("expected text that is not empty and holds no control characters"),
    "markdown": _("expected text that is not empty and holds no control characters"),
    "xhtml": _("expected an XHTML div as text"),
    "date": _("expected a calendar date as YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _("expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone"),
    "instant": _("expected YYYY-MM-DDThh:mm:ss with a time zone"),
    "time": _("expected a time of day as hh:mm:ss"),
    "id": _("expected 1 to 64 letters, digits, dots and hyphens"),
    "code": _("expected a code: no empty text, no space at either end, no two spaces together"),
    "uri": _("expected a URI without spaces"),
    "url": _("expected a URL without spaces"),
    "canonical": _("expected a canonical URL without spaces"),
    "oid": _("expected urn:oid: and an object identifier"),
    "uuid": _("expected urn:uuid: and a UUID in lower case"),
}
OBJECT = _("expected a JSON object with at least one property")
LIST = _("expected a JSON list with at least one item")
ONE = _("expected one value, not a list")
NULL = _("null is not allowed here; leave the property out")
MISSING = _("this element is required")
CHOICE = _("only one of this element's types may be given")
UNKNOWN = _("FHIR R4 has no such element here; it is kept")
TYPE = _("expected resourceType to name a resource type of FHIR R4")
OTHER_TYPE = _("expected a resource of the type that stands here")
CODE = _("expected one of the codes of the required value set")
NO_CODE = _("expected a code of the required value set; there is only text")
DEEP = _("nested more than 64 levels deep")
NESTED = _("a contained resource may not contain others")
LENGTHS = _("expected as many items as the list of values beside it")
LARGE = _("larger than a resource may be")


def explain(resource: Any) -> list[Issue]:
    """Return every finding about a resource, at most `MOST_ISSUES`."""
    if (too_deep := _deep(resource)) is not None:
        return [Issue("error", "too-costly", too_deep, DEEP)]
    found: list[Issue] = []
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    for issue in _resource(resource, name if isinstance(name, str) else "Resource"):
        found.append(issue)
        if len(found) == MOST_ISSUES:
            break
    return found


def _deep(resource: Any) -> str | None:
    """Return the top-level element under which nesting goes too deep, without recursion."""
    top = list(resource.items()) if isinstance(resource, dict) else [("", resource)]
    for name, value in top:
        level = [value]
        for _depth in range(2 * DEPTH):
            level = [
                inner
                for one in level
                for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
                if isinstance(inner, dict | list)
            ]
            if not level:
                break
        else:
            return str(name) if str(name).isidentifier() else "Resource"
    return None


def _resource(value: Any, path: str, *, contained: bool = False) -> Iterator[Issue]:
    if not isinstance(value, dict) or not value:
        yield Issue("error", "structure", path, OBJECT)
        return
    name = value.get("resourceType")
    if not isinstance(name, str) or name not in kinds():
        yield Issue("error", "structure", f"{path}.resourceType", TYPE)
        return
    if contained and "contained" in value:
        yield Issue("error", "invariant", f"{path}.contained", NESTED)
    yield from _shape(value, shapes()[name], path)


def _shape(value: Any, shape: Shape, path: str) -> Iterator[Issue]:
    if not isinstance(value, dict) or not value:
        yield Issue("error", "structure", path, OBJECT)
        return
    for name, inner in value.items():
        if name == "resourceType" and shape.resource:
            if inner != shape.name:
                yield Issue("error", "structure", f"{path}.resourceType", OTHER_TYPE)
        elif (field := shape.fields.get(name)) is not None:
            yield from _field(inner, field, _at(path, field), value.get(f"_{name}"))
        elif (field := shape.fields.get(name[1:])) is not None and name[0] == "_" and field.type in TESTS:
            yield from _beside(inner, field, _at(path, field), value.get(field.name))
        else:
            yield Issue("warning", "structure", f"{path}.{name}" if name.isidentifier() else path, UNKNOWN)
    for names in shape.required:
        if not any(n in value or f"_{n}" in value for n in names):
            field = shape.fields[names[0]]
            yield Issue("error", "required", f"{path}.{field.element}", MISSING)
    for names in shape.choices:
        if sum(n in value or f"_{n}" in value for n in names) > 1:
            yield Issue("error", "structure", f"{path}.{shape.fields[names[0]].element}", CHOICE)


def _at(path: str, field: Field) -> str:
    return f"{path}.{field.element}.ofType({field.type})" if field.choice else f"{path}.{field.element}"


def _field(value: Any, field: Field, path: str, beside: Any) -> Iterator[Issue]:
    if not field.many:
        if isinstance(value, list):
            yield Issue("error", "structure", path, ONE)
        else:
            yield from _one(value, field, path, beside)
        return
    if not isinstance(value, list) or not value:
        yield Issue("error", "structure", path, LIST)
        return
    for i, item in enumerate(value):
        mate = beside[i] if isinstance(beside, list) and i < len(beside) else None
        yield from _one(item, field, f"{path}[{i}]", mate)


def _one(value: Any, field: Field, path: str, beside: Any) -> Iterator[Issue]:
    if value is None:
        # A primitive may be null where an extension beside it says why there is no value.
        if not (field.many and field.type in TESTS and beside):
            yield Issue("error", "structure", path, NULL)
    elif field.type in TESTS:
        if not TESTS[field.type](value):
            yield Issue("error", "value", path, PRIMITIVE[field.type])
        elif field.codes is not None and field.type == "code" and value not in field.codes:
            yield Issue("error", "code-invalid", path, CODE)
    elif field.type == ANY_RESOURCE:
        yield from _resource(value, path, contained=field.name == "contained")
    else:
        problems = list(_shape(value, shapes()[field.type], path))
        yield from problems
        if field.codes is not None and not problems:
            yield from _bound(value, field.codes, path)


def _bound(value: dict[str, Any], codes: frozenset[str], path: str) -> Iterator[Issue]:
    codings = (value,) if "code" in value else value.get("coding", ())
    if not codings:
        yield Issue("warning", "code-invalid", path, NO_CODE)
    elif not any(coding.get("code") in codes for coding in codings):
        yield Issue("error", "code-invalid", path, CODE)


def _beside(value: Any, field: Field, path: str, values: Any) -> Iterator[Issue]:
    """Check `_name`: the id and extensions of a primitive."""
    element = shapes()["Element"]
    if not field.many:
        yield from _shape(value, element, path)
        return
    if not isinstance(value, list) or not value:
        yield Issue("error", "structure", path, LIST)
        return
    if isinstance(values, list) and len(values) != len(value):
        yield Issue("error", "structure", path, LENGTHS)
    for i, item in enumerate(value):
        if item is not None:
            yield from _shape(item, element, f"{path}[{i}]")
