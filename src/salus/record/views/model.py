"""FHIR's types as a compiler sees them: what an element is called in JSON, its types, and whether it repeats.

R4's definitions are read from `record/rules/r4`. An element that R4 does not have (R5's, STU3's) is of the
type `ANY`: JSON whose type and number are seen only when the view runs.
"""

from dataclasses import dataclass
from functools import cache

from salus.record.rules.r4 import kinds, rows

SYSTEM = {
    **dict.fromkeys(
        "base64Binary canonical code id markdown oid string uri url uuid xhtml".split(), "String"
    ),
    "boolean": "Boolean",
    "integer": "Integer",
    "integer64": "Integer",
    "positiveInt": "Integer",
    "unsignedInt": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}
"""The FHIRPath type of each FHIR primitive. Source: https://hl7.org/fhir/R4/fhirpath.html#types"""

PARENT = {
    **dict.fromkeys(("code", "id", "markdown"), "string"),
    **dict.fromkeys(("url", "canonical", "uuid", "oid"), "uri"),
    **dict.fromkeys(("positiveInt", "unsignedInt"), "integer"),
    **dict.fromkeys(("Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"), "Quantity"),
}
SYSTEM_TYPES = frozenset("Boolean String Integer Decimal Date DateTime Time Quantity".split())
ANY = "Any"
PLAIN_RESOURCES = {"Bundle", "Binary", "Parameters"}
"""Resource types that are no DomainResource."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type: FHIR's ("HumanName", "code", "Patient.contact"), FHIRPath's own (`fhir` False), or `ANY`.

    `system` is the FHIRPath type that its values compute as, "" for what has elements.
    """

    name: str
    fhir: bool = True

    @property
    def system(self) -> str:
        """The FHIRPath type that its values compute as, "" for what has elements."""
        if not self.fhir:
            return self.name
        return SYSTEM.get(self.name, "Quantity" if PARENT.get(self.name, self.name) == "Quantity" else "")

    @property
    def primitive(self) -> bool:
        """Whether it is a single value in JSON, not an object."""
        return (self.name in SYSTEM) if self.fhir else self.name != "Quantity"

    @property
    def any(self) -> bool:
        """Whether its values are JSON of which nothing is known."""
        return self.name == ANY

    @property
    def label(self) -> str:
        """Its name as an error says it."""
        return self.name if self.fhir else f"System.{self.name}"


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a type: `choices` maps its types to JSON properties ("string": "valueString")."""

    name: str
    many: bool
    choices: tuple[tuple[str, str], ...]

    @property
    def is_choice(self) -> bool:
        """Whether its type is part of its JSON property's name."""
        return len(self.choices) > 1 or self.choices[0][1] != self.name


@cache
def _elements() -> dict[str, dict[str, Element]]:
    found: dict[str, dict[str, Element]] = {}
    for row in rows("elements"):
        owner, _, name = row["path"].rpartition(".")
        stem = name.removesuffix("[x]")
        types = row["types"].split() or [row["content"].removeprefix("#")]
        if types[0] in {"BackboneElement", "Element"}:
            types = [row["path"]]
        choices = tuple((t, stem + t[0].upper() + t[1:] if stem != name else stem) for t in types)
        found.setdefault(owner, {})[stem] = Element(stem, row["max"] != "1", choices)
    return found


@cache
def known(name: str) -> bool:
    """Return whether this names an R4 type (data type, resource type or backbone element)."""
    return name in _elements() or name in SYSTEM or name in kinds() or name in PARENT


def is_resource(name: str) -> bool:
    """Return whether this names an R4 resource type."""
    return name in kinds()


def elements(owner: str) -> dict[str, Element]:
    """Return the elements of a type by name, inherited ones included."""
    own = _elements().get(owner)
    if own is None and owner in PARENT:
        own = _elements().get(PARENT[owner])
    base = _elements().get("BackboneElement" if "." in owner else "Element", {})
    if owner in kinds():
        base = _elements().get("Resource" if owner in PLAIN_RESOURCES else "DomainResource", {})
        # R4's tables call it a string; its type is id: https://hl7.org/fhir/R4/resource.html
        return {**base, **(own or {}), "id": Element("id", False, (("id", "id"),))}
    return {**base, **(own or {})}


@cache
def element(owner: str, name: str) -> Element | None:
    """Return an element of a type, None if R4 has none of that name."""
    return elements(owner).get(name)


@cache
def choice_stems() -> frozenset[str]:
    """Return the names of R4's choice elements ("value", "onset")."""
    return frozenset(one.name for own in _elements().values() for one in own.values() if one.is_choice)


@cache
def data_types() -> tuple[str, ...]:
    """Return the names of the data types that a choice element may have, first letter upper."""
    found = {kind for kind, _ in _elements()["Extension"]["value"].choices} | {"Integer64", "RatioRange"}
    return tuple(
        sorted(kind[0].upper() + kind[1:] for kind in found | {"CodeableReference", "Timing", "Attachment"})
    )


def is_subtype(name: str, of: str) -> bool:
    """Return whether a FHIR type is another or stands below it."""
    while name != of:
        if name in PARENT:
            name = PARENT[name]
        elif name in kinds() and of in {"Resource", "DomainResource"}:
            return of == "Resource" or name not in PLAIN_RESOURCES
        else:
            return "." in name and of in {"BackboneElement", "Element"}
    return True
