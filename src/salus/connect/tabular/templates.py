"""A resource's elements as a tree of constants and placeholders, evaluated for each row."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from salus.connect.errors import Untranslatable
from salus.connect.tabular.values import Cells, Scope, Template, compile_text
from salus.kernel.errors import Invalid

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[\d{1,3}\])*)")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A constant, or a template."""

    path: str
    constant: Any = None
    template: Template | None = None

    @property
    def dynamic(self) -> bool:
        """Return whether the value depends on the row."""
        return self.template is not None

    def evaluate(self, cells: Cells) -> Any:
        """Return the value for a row; None where a column is missing."""
        if self.template is None:
            return self.constant
        try:
            return self.template.evaluate(cells)
        except Untranslatable as fault:
            if " → " not in fault.where:
                fault.where = f"{fault.where} → {self.path}"
            raise


@dataclass(frozen=True, slots=True)
class Group:
    """An object: elements that stand or fall together when none of their columns has a value."""

    children: tuple[tuple[str, "Node"], ...]
    dynamic: bool

    def evaluate(self, cells: Cells) -> Any:
        """Return the object for a row; None if every column below is missing."""
        result: dict[str, Any] = {}
        live = not self.dynamic
        for name, child in self.children:
            value = child.evaluate(cells)
            if value is not None:
                result[name] = value
                live = live or child.dynamic
        return result if live and result else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list; items without a value close ranks."""

    children: tuple["Node", ...]
    dynamic: bool

    def evaluate(self, cells: Cells) -> Any:
        """Return the list for a row; None if every column below is missing."""
        result: list[Any] = []
        live = not self.dynamic
        for child in self.children:
            value = child.evaluate(cells)
            if value is not None:
                result.append(value)
                live = live or child.dynamic
        return result if live and result else None


Node: TypeAlias = Leaf | Group | Items

_Raw: TypeAlias = dict[str | int, Any]
"""A tree under construction: text keys for elements, numbers for list positions."""


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for part in path.split("."):
        match = _STEP.fullmatch(part)
        if match is None:
            raise Invalid(
                "mapping", f"{path!r} is not an element path", fix="Write it like name[0].given[1]."
            )
        steps.append(match[1])
        steps.extend(int(index) for index in re.findall(r"\d+", match[2]))
    return steps


def _place(tree: _Raw, path: str, value: Any) -> None:
    steps = _steps(path)
    node: Any = tree
    for step in steps[:-1]:
        node = node.setdefault(step, {})
        if not isinstance(node, dict):
            raise Invalid("mapping", f"{path!r} goes through an element that has a value already")
    if steps[-1] in node:
        raise Invalid("mapping", f"{path!r} is set twice")
    node[steps[-1]] = _unfold(value, path)


def _unfold(value: Any, path: str) -> Any:
    """Return a TOML table or list as a tree under construction, other values as they are."""
    if isinstance(value, Mapping):
        tree: _Raw = {}
        for name, inner in value.items():
            _place(tree, name, inner)
        return tree
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {index: _unfold(inner, f"{path}[{index}]") for index, inner in enumerate(value)}
    return value


def _freeze(value: Any, path: str, scope: Scope) -> Node:
    if isinstance(value, dict):
        keys = list(value)
        if keys and all(isinstance(key, int) for key in keys):
            items = tuple(_freeze(value[key], f"{path}[{key}]", scope) for key in sorted(keys))
            return Items(items, any(item.dynamic for item in items))
        if any(isinstance(key, int) for key in keys):
            raise Invalid("mapping", f"{path!r} is used both as a list and as an object")
        children = tuple(
            (str(key), _freeze(inner, f"{path}.{key}" if path else str(key), scope))
            for key, inner in value.items()
        )
        return Group(children, any(child.dynamic for _, child in children))
    if isinstance(value, str):
        try:
            compiled = compile_text(value, scope)
        except Invalid as fault:
            fault.where = fault.where or path
            raise
        if isinstance(compiled, Template):
            return Leaf(path, template=compiled)
        return Leaf(path, constant=compiled)
    if isinstance(value, bool | int) or (isinstance(value, Decimal) and value.is_finite()):
        return Leaf(path, constant=value)
    raise Invalid(
        "mapping", f"the value of {path!r} is neither text, number nor true/false", fix="Quote dates."
    )


def compile_elements(paths: Mapping[str, Any], scope: Scope) -> Group:
    """Return the elements of a resource, given as element path → value, ready for rows.

    Raises Invalid for a path or value that the mapping language does not know.
    """
    tree: _Raw = {}
    for path, value in paths.items():
        _place(tree, path, value)
    frozen = _freeze(tree, "", scope)
    if not isinstance(frozen, Group):
        raise Invalid("mapping", "a resource starts with element names")
    return Group(frozen.children, dynamic=False)  # a resource's own constants stand by themselves


def columns_of(node: Node) -> tuple[frozenset[str], frozenset[str]]:
    """Return the columns that a tree reads, and those of them that may be absent from the file."""
    if isinstance(node, Leaf):
        return (
            (node.template.columns, node.template.optional) if node.template else (frozenset(), frozenset())
        )
    children = node.children if isinstance(node, Items) else tuple(child for _, child in node.children)
    read: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    for child in children:
        more, maybe = columns_of(child)
        read |= more
        optional |= maybe
    return read, optional
