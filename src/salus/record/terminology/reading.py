"""A file of codes as rows: CSV (code, display, parent), or a FHIR CodeSystem or ConceptMap in JSON. Pure."""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.kernel.errors import Invalid
from salus.record import json

CODE_MOST, DISPLAY_MOST = 200, 1_000
EQUIVALENCES = frozenset(
    {
        "relatedto", "equivalent", "equal", "wider", "subsumes", "narrower", "specializes", "inexact",
        "unmatched", "disjoint",
    }
)  # fmt: skip
"""https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html"""


@dataclass(frozen=True, slots=True)
class Read:
    """What a file holds. `rows` are (code, display, parent), or for a map (source, code, target, code,
    display, equivalence); `digest` is of the file's bytes.
    """

    kind: str
    url: str
    version: str
    name: str
    complete: bool
    digest: str
    rows: list[tuple[str, ...]]


def read(path: Path, system: str = "", version: str = "") -> Read:
    """Return what a file holds; `system` and `version` are needed for CSV and overrule JSON.

    Raises:
        Invalid: the file is neither form, a code is missing, twice there or too long, or a parent is missing.
    """
    raw = path.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    if raw.lstrip()[:1] == b"{":
        try:
            resource = json.loads(raw)
        except json.NotJson:
            raise Invalid("terminology-json", "The file is not valid JSON", where=path.name) from None
        return _resource(resource, digest, system, version, path.name)
    if not system:
        raise Invalid(
            "terminology-system", "A CSV file does not say which code system it is", fix="Give --system URL"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("terminology-encoding", "The file is not UTF-8", where=path.name) from None
    table = csv.DictReader(text.splitlines())
    if not {"code", "display"} <= set(table.fieldnames or ()):
        raise Invalid("terminology-columns", "The file needs the columns code and display", where=path.name)
    rows = [(one["code"] or "", one["display"] or "", one.get("parent") or "") for one in table]
    return Read("codes", system, version or "1", path.stem, True, digest, _checked(rows, path.name))


def _resource(found: Any, digest: str, system: str, version: str, name: str) -> Read:
    kind = found.get("resourceType") if isinstance(found, dict) else None
    if kind not in {"CodeSystem", "ConceptMap"}:
        raise Invalid("terminology-type", "The file is no CodeSystem and no ConceptMap", where=name)
    url = system or str(found.get("url") or "")
    if not url:
        raise Invalid("terminology-system", "The resource has no url", fix="Give --system URL", where=name)
    said = version or str(found.get("version") or "1")
    title = str(found.get("title") or found.get("name") or "")[:200]
    try:
        if kind == "ConceptMap":
            return Read("map", url, said, title, True, digest, list(_mappings(found)))
        complete = found.get("content", "complete") == "complete"
        rows = _checked(list(_concepts(found.get("concept", ()), "")), name)
    except (AttributeError, KeyError, TypeError):
        raise Invalid(
            "terminology-structure", f"The file's structure is not that of a {kind}", where=name
        ) from None
    return Read("codes", url, said, title, complete, digest, rows)


def _concepts(concepts: Iterable[dict[str, Any]], parent: str) -> Iterator[tuple[str, str, str]]:
    stack = [(one, parent) for one in reversed(list(concepts))]
    while stack:
        one, above = stack.pop()
        for said in one.get("property", ()):
            if said.get("code") in {"parent", "subsumedBy"} and not above:
                above = str(said.get("valueCode") or said.get("valueString") or "")
        yield str(one["code"]), str(one.get("display") or ""), above
        stack += [(inner, str(one["code"])) for inner in reversed(one.get("concept", ()))]


def _mappings(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for group in found.get("group", ()):
        source, target = str(group.get("source") or ""), str(group.get("target") or "")
        for element in group["element"]:
            for one in element.get("target", ()):
                equivalence = str(one.get("equivalence") or "equivalent")
                if equivalence not in EQUIVALENCES:
                    raise Invalid(
                        "terminology-equivalence", "This is no equivalence of FHIR R4", where=equivalence
                    )
                yield (
                    source,
                    str(element["code"])[:CODE_MOST],
                    target,
                    str(one.get("code") or "")[:CODE_MOST],
                    str(one.get("display") or "")[:DISPLAY_MOST],
                    equivalence,
                )


def _checked(rows: list[tuple[str, str, str]], name: str) -> list[tuple[str, ...]]:
    codes: set[str] = set()
    made: list[tuple[str, ...]] = []
    for number, (code, display, parent) in enumerate(rows, 1):
        code, parent = code.strip(), parent.strip()
        if not code or len(code) > CODE_MOST or code in codes:
            why = "is missing" if not code else "is there twice" if code in codes else "is too long"
            raise Invalid("terminology-code", f"A code {why}", where=f"{name}, code {number}")
        codes.add(code)
        made.append((code, display.strip()[:DISPLAY_MOST], parent))
    missing = next((n for n, row in enumerate(made, 1) if row[2] and row[2] not in codes), None)
    if missing is not None:
        raise Invalid("terminology-parent", "A parent is not in the file", where=f"{name}, code {missing}")
    return made
