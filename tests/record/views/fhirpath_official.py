"""HL7's FHIRPath tests for R4: which of them lie in the subset of docs/views.md, and what they give here.

Whether a test lies in the subset is decided by what its expression uses, never by whether it passes.
"""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import duckdb

from salus.record import json as exact
from salus.record.views import CompiledView, ViewError, compile_view
from salus.record.views.fhirpath import Binary, Call, Literal, parse, walk
from salus.record.xml.reading import read_xml
from tests.record.views.official import ROOT, SHARED

FOLDER = SHARED / "fhirpath-r4"


@dataclass(frozen=True, slots=True)
class Case:
    """An official test. `outputs` are (type, text) pairs; `invalid`: where an error is expected."""

    name: str
    group: str
    expression: str
    file: str
    outputs: tuple[tuple[str, str], ...]
    invalid: str
    predicate: bool
    ordered: bool


def cases() -> list[Case]:
    """Return the official tests in their order."""
    path = FOLDER / "tests-fhir-r4.xml"
    if not path.exists():
        return []
    found = []
    for group in ET.parse(path).getroot().iter("group"):
        for one in group.iter("test"):
            expression = one.find("expression")
            outputs = tuple((o.get("type") or "", o.text or "") for o in one.findall("output"))
            assert expression is not None
            found.append(
                Case(
                    one.get("name", ""),
                    group.get("name", ""),
                    expression.text or "",
                    one.get("inputfile") or "patient-example.xml",
                    outputs,
                    expression.get("invalid") or one.get("invalid") or "",
                    one.get("predicate") == "true",
                    one.get("checkOrderedFunctions") == "true",
                )
            )
    return found


@cache
def documented() -> frozenset[str]:
    """Return the functions that docs/views.md says are supported."""
    page = (ROOT / "docs" / "views.md").read_text("utf-8")
    table = page.partition("### Functions")[2].partition("\n### ")[0]
    return frozenset(re.findall(r"`([A-Za-z]+)\(", table))


def outside(case: Case) -> str:
    """Return why a test lies outside the documented subset, "" if it lies inside."""
    if resource(case.file) is None:
        return "its input is not among the test data"
    if case.ordered:
        return "whether a collection is ordered is not checked"
    try:
        tree = parse(case.expression)
    except ViewError:
        return ""
    for node in walk(tree):
        if isinstance(node, Call) and node.name not in documented():
            return f"{node.name}() is not in the subset"
        if isinstance(node, Binary) and node.operator in {"*", "/"}:
            sides = (node.left, node.right)
            if any(isinstance(side, Literal) and side.kind == "quantity" for side in sides):
                return "quantities are not multiplied or divided"
    return ""


@cache
def resource(file: str) -> str | None:
    """Return an input as JSON text, None where it is not there."""
    path = FOLDER / file
    if not path.exists():
        return None
    if path.suffix == ".json":
        return path.read_text("utf-8")
    return exact.dumps(read_xml(path.read_bytes()).resource).decode()


def view(cases: list[Case]) -> CompiledView:
    """Return the view that gives the results of cases over one input as the columns c0, c1 and so on."""
    kind = json.loads(resource(cases[0].file) or "{}")["resourceType"]
    columns = [{"name": f"c{n}", "path": c.expression, "collection": True} for n, c in enumerate(cases)]
    return compile_view({"resource": kind, "select": [{"column": columns}]}, strict=True)


def results(cases: list[Case]) -> list[tuple[str, Any]]:
    """Return the type and the value of each case's result; all are computed by one statement."""
    made = view(cases)
    with duckdb.connect() as database:
        database.execute("create table resources (body varchar)")
        database.execute("insert into resources values (?)", [resource(cases[0].file)])
        (row,) = database.execute(made.sql()).fetchall()
    return list(zip((column.fhir_type for column in made.columns), row, strict=True))


def outcomes(cases: list[Case], together: int = 40) -> list[str]:
    """Return for each case "" if it gives what is expected, otherwise what it gives."""
    said: dict[int, str] = {}
    by_file: dict[str, list[int]] = {}
    for number, case in enumerate(cases):
        if resource(case.file) is None:
            said[number] = f"{case.file} is not there"
        elif case.invalid:
            said[number] = alone(case)
        else:
            by_file.setdefault(case.file, []).append(number)
    for numbers in by_file.values():
        for first in range(0, len(numbers), together):
            batch = numbers[first : first + together]
            try:
                found = results([cases[number] for number in batch])
            except (ViewError, duckdb.Error):
                said.update({number: alone(cases[number]) for number in batch})
                continue
            said.update({n: judged(cases[n], *one) for n, one in zip(batch, found, strict=True)})
    return [said[number] for number in range(len(cases))]


def alone(case: Case) -> str:
    """Return the outcome of one case run by itself."""
    try:
        ((kind, found),) = results([case])
    except (ViewError, duckdb.Error) as error:
        return "" if case.invalid else f"{type(error).__name__}: {str(error)[:300]}"
    if case.invalid:
        return f"expected an error ({case.invalid}), got {found}"
    return judged(case, kind, found)


def judged(case: Case, kind: str, found: Any) -> str:
    """Return "" if a result is the expected one, otherwise how they differ."""
    if case.predicate:
        found, kind = [bool(found) and found[0] is not False], "boolean"
    wanted = [expected(*one) for one in case.outputs]
    got = [quantity(one) if kind == "quantity" else shown(one) for one in found]
    if got != wanted:
        return f"expected {wanted}, got {found}"
    kinds = {one.lower() for one, _ in case.outputs if one}
    if kinds and kind.lower() not in kinds:
        return f"expected type {kinds}, got {kind}"
    return ""


def quantity(text: str) -> tuple[Decimal, str]:
    """Return a quantity's number and unit, so that trailing zeros do not count."""
    number, _, unit = text.partition(" ")
    return Decimal(number), unit


def expected(kind: str, text: str) -> Any:
    """Return an expected output in the form of `shown`."""
    if kind == "boolean":
        return text == "true"
    if kind in {"integer", "decimal"} or (not kind and text.replace(".", "").lstrip("-").isdigit()):
        return Decimal(text)
    if not kind and text in {"true", "false"}:
        return text == "true"
    if kind in {"Quantity", ""} and text[:1].isdigit() and text.endswith("'"):
        return quantity(text)
    if text.startswith("@"):
        return text.removeprefix("@").removeprefix("T")
    return text


def shown(value: Any) -> Any:
    """Return a result as `expected` writes it."""
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value
