"""What a view reads of a resource: the pruned structure that its JSON is parsed into, once."""

from dataclasses import dataclass, field

LEAVES = {"text", "boolean", "integer", "decimal", "json"}


@dataclass(slots=True)
class Shape:
    """One JSON property: its leaf kind or, for an object, the properties of it that are read.

    `many` says that it is an array in JSON. `digits` asks for a decimal as it is written, `whole` for the
    object's full JSON beside its properties (as the property `_raw`). Both may be asked for after the
    expression that needs them was built, so emitters look when they write SQL.
    """

    leaf: str = ""
    many: bool = False
    digits: bool = False
    whole: bool = False
    children: dict[str, "Shape"] = field(default_factory=dict)

    def child(self, name: str, leaf: str, many: bool) -> "Shape":
        """Return the shape of a property, added if it was not read before."""
        found = self.children.get(name)
        if found is None:
            found = self.children[name] = Shape(leaf, many)
        return found

    def written_decimals(self) -> set[str]:
        """Return the names of the properties whose decimals are needed as they are written."""
        found = {name for name, one in self.children.items() if one.digits}
        return found.union(*(one.written_decimals() for one in self.children.values()))
