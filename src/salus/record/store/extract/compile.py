"""Compiles the search parameters' FHIRPath expressions into closures that fill the index.

R4's search parameters use a small part of FHIRPath: paths, `as`, `ofType`, `where(name='literal')`, and one
`exists()`; `|` and `where(resolve() is T)` are taken apart when the rules are written (tools/r4_rules.py).
Source: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhirpath/.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from salus.kernel.errors import SalusError
from salus.record.rules.r4 import rows
from salus.record.store.extract.leaves import Leaf, leaf, paired
from salus.record.store.extract.rows import IndexRows
from salus.record.store.extract.values import Calendar
from salus.record.validate.schema import Field, Shape, shapes

DECEASED = "Patient.deceased.exists() and Patient.deceased != false"
STEP = re.compile(r"\.(?:(as|ofType)\((\w+)\)|where\((\w+)='([^']*)'\)|(\w+))")


class UnknownExpression(SalusError):
    """A search parameter's expression uses more of FHIRPath than the compiler knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: an element (with the types wanted of it, if it has several) or a condition."""

    name: str
    only: str = ""
    equals: tuple[str, str] | None = None


def parse(expression: str) -> tuple[str, list[Step]]:
    """Return the resource type and the steps of a path expression.

    Raises `UnknownExpression`.
    """
    root, _, _ = expression.partition(".")
    steps: list[Step] = []
    at = len(root)
    while at < len(expression):
        match = STEP.match(expression, at)
        if match is None or (match[5] is None and not steps):
            raise UnknownExpression("unknown-expression", "This FHIRPath is not understood", where=expression)
        if match[1]:
            steps[-1] = Step(steps[-1].name, match[2], steps[-1].equals)
        elif match[3]:
            steps[-1] = Step(steps[-1].name, steps[-1].only, (match[3], match[4]))
        else:
            steps.append(Step(match[5]))
        at = match.end()
    return root, steps


def fields_of(shape: Shape, step: Step) -> list[Field]:
    """Return the JSON properties that a step may mean."""
    return [
        field
        for field in shape.fields.values()
        if field.element == step.name and (not step.only or field.type == step.only)
    ]


def _each(inner: Leaf) -> Leaf:
    def run(values: Any, rid: int, out: IndexRows) -> None:
        for value in values:
            inner(value, rid, out)

    return run


def _where(inner: Leaf, name: str, wanted: str) -> Leaf:
    def run(value: Any, rid: int, out: IndexRows) -> None:
        if value.get(name) == wanted:
            inner(value, rid, out)

    return run


def _into(branches: list[tuple[str, Leaf]]) -> Leaf:
    if len(branches) == 1:
        only, go = branches[0]

        def run_one(value: Any, rid: int, out: IndexRows) -> None:
            inner = value.get(only)
            if inner is not None:
                go(inner, rid, out)

        return run_one

    def run(value: Any, rid: int, out: IndexRows) -> None:
        for name, deeper in branches:
            if name in value:
                deeper(value[name], rid, out)

    return run


Fill = Callable[[dict[str, Any], int, IndexRows], None]


class Extractor:
    """Fills the index from resources; compiled for a resource type when the first one comes.

    `zone` is the city's time zone: dates without one are read in it.
    """

    def __init__(self, zone: str) -> None:
        self.calendar = Calendar(zone)
        self.paths: dict[str, list[tuple[int, str, str]]] = {}
        for row in rows("index_paths"):
            self.paths.setdefault(row["type"], []).append((int(row["path"]), row["table"], row["expression"]))
        self.pairs: dict[str, list[dict[str, str]]] = {}
        for row in rows("composite_paths"):
            self.pairs.setdefault(row["type"], []).append(row)
        self.made: dict[str, Fill] = {}

    def extract(self, resource_type: str, resource: dict[str, Any], rid: int, out: IndexRows) -> None:
        """Add a resource's rows to `out`.

        Raises `AttributeError`, `TypeError` or `ValueError` for a resource that is not valid R4.
        """
        fill = self.made.get(resource_type)
        if fill is None:
            fill = self.made[resource_type] = self._compile(resource_type)
        fill(resource, rid, out)

    def _compile(self, resource_type: str) -> Fill:
        by_property: dict[str, list[Leaf]] = {}
        always: list[Leaf] = []
        for path, table, expression in (*self.paths.get("Resource", ()), *self.paths.get(resource_type, ())):
            if expression == DECEASED:
                always.append(_deceased(path))
                continue
            _, steps = parse(expression)
            for name, run in self._branches(shapes()[resource_type], steps, table, path):
                by_property.setdefault(name, []).append(run)
        for pair in self.pairs.get(resource_type, ()):
            self._add_pair(shapes()[resource_type], pair, by_property)
        lookup = by_property.get

        def fill(resource: dict[str, Any], rid: int, out: IndexRows) -> None:
            for name, value in resource.items():
                found = lookup(name)
                if found is not None and value is not None:
                    for run in found:
                        run(value, rid, out)
            for run in always:
                run(resource, rid, out)

        return fill

    def _add_pair(self, shape: Shape, pair: dict[str, str], by_property: dict[str, list[Leaf]]) -> None:
        """Add what keeps the two parts of a composite parameter together, for each element of its own."""
        _, (step,) = parse(pair["element"])
        path, table = int(pair["path"]), pair["table"]
        for field in fields_of(shape, step):
            inner = shapes()[field.type]
            first = list(self._branches(inner, parse(f"x.{pair['first']}")[1], "token", path))
            ways = [parse(f"x.{one}")[1] for one in pair["second"].split()]
            second = [branch for way in ways for branch in self._branches(inner, way, table, path)]
            run = paired(table, _into(first), _into(second))
            by_property.setdefault(field.name, []).append(_each(run) if field.many else run)

    def _branches(self, shape: Shape, steps: list[Step], table: str, path: int) -> Iterable[tuple[str, Leaf]]:
        """Yield each JSON property that the first step may mean, with what to do with its value."""
        step, rest = steps[0], steps[1:]
        for field in fields_of(shape, step):
            if rest:
                if field.type not in shapes():
                    continue
                deeper = list(self._branches(shapes()[field.type], rest, table, path))
                if not deeper:
                    continue
                run: Leaf | None = _into(deeper)
            else:
                run = leaf(table, path, field.type, self.calendar)
            if run is None:
                continue
            if step.equals is not None:
                run = _where(run, *step.equals)
            yield field.name, _each(run) if field.many else run


def _deceased(path: int) -> Leaf:
    def run(resource: Any, rid: int, out: IndexRows) -> None:
        dead = resource.get("deceasedBoolean") is True or bool(resource.get("deceasedDateTime"))
        out.token.append((path, "true" if dead else "false", rid, 0))

    return run
