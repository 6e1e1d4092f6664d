"""FHIR R4's types as objects, read from `rules/r4`."""

from dataclasses import dataclass, field
from functools import cache

from salus.record.rules.r4 import kinds, rows

ANY_RESOURCE = "Resource"
ABSTRACT = {"Resource", "DomainResource", "Element", "BackboneElement"}


@dataclass(frozen=True, slots=True)
class Field:
    """One JSON property of a type. `type` names a primitive, a `Shape` or any resource.

    `choice` is the element's name without its type where the element may have one of several types;
    `codes` are the only codes allowed (None: no list); `primitive_only` marks the `_name` form.
    """

    name: str
    element: str
    type: str
    many: bool
    required: bool
    choice: str = ""
    codes: frozenset[str] | None = None
    value_set: str = ""


@dataclass(slots=True)
class Shape:
    """A resource type, data type or backbone element: its properties by JSON name."""

    name: str
    resource: bool
    fields: dict[str, Field] = field(default_factory=dict)
    required: list[tuple[str, ...]] = field(default_factory=list)
    choices: list[tuple[str, ...]] = field(default_factory=list)


@cache
def patterns() -> dict[str, str]:
    """Return the regular expression of each primitive type, "" where it has none."""
    return {row["name"]: row["pattern"] for row in rows("primitives")}


@cache
def shapes() -> dict[str, Shape]:
    """Return every shape by its name, backbone elements under their path ("Patient.contact")."""
    codes = {row["value_set"]: frozenset(row["codes"].split(" ")) for row in rows("bindings")}
    names = kinds()
    found: dict[str, Shape] = {}
    for row in rows("elements"):
        owner, _, element = row["path"].rpartition(".")
        if owner in {"Resource", "DomainResource"}:
            continue
        shape = found.setdefault(owner, Shape(owner, owner in names))
        stem = element.removesuffix("[x]")
        types = row["types"].split() or [row["content"]]
        if types[0] in {"BackboneElement", "Element"}:
            types = [row["path"]]
        if element == "id" and shape.resource:
            types = ["id"]  # the 4.0.1 definitions say string, the page and every server say id
        many = row["max"] not in {"0", "1"}
        required = row["min"] != "0"
        made = [
            Field(
                name=stem + kind[0].upper() + kind[1:] if element != stem else stem,
                element=stem,
                type=kind,
                many=many,
                required=required,
                choice=stem if element != stem else "",
                codes=codes.get(row["binding"]),
                value_set=row["binding"],
            )
            for kind in types
        ]
        shape.fields |= {one.name: one for one in made}
        if required:
            shape.required.append(tuple(one.name for one in made))
        if len(made) > 1:
            shape.choices.append(tuple(one.name for one in made))
    return found
