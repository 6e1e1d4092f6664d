"""Look-ups among a source's own resources for conditional references, creates and updates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from django.db.backends.utils import CursorWrapper

from salus.record import json
from salus.record.rules.r4 import kind_of, rows


@dataclass(frozen=True, slots=True)
class Search:
    """A conditional search: only `identifier=system|value` and `_id=…` can be looked up."""

    name: str
    system: str = ""
    value: str = ""


def parse_search(query: str) -> Search:
    """Return the search of a conditional reference or request; only identifier and id are looked up."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(pairs) != 1:
        return Search("other", value=query[:200])
    name, text = pairs[0]
    if name != "identifier":
        return Search(name if name == "_id" else "other", value=text)
    system, bar, value = text.partition("|")
    return Search("identifier", system, value) if bar else Search("identifier", "", text)


def identifiers_of(resource: dict[str, Any]) -> Iterable[Search]:
    """Yield the searches by identifier that find a resource."""
    listed = resource.get("identifier")
    for identifier in listed if isinstance(listed, list) else [listed]:
        if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
            system = identifier.get("system")
            yield Search("identifier", system if isinstance(system, str) else "", identifier["value"])
            yield Search("identifier", "", identifier["value"])


@cache
def _identifier_paths() -> dict[str, int]:
    """Return the number of each type's identifier in the search index."""
    return {
        row["type"]: int(row["path"])
        for row in rows("index_paths")
        if row["expression"] == f"{row['type']}.identifier"
    }


def _holders(
    cursor: CursorWrapper, kind: str, values: Sequence[str], source_id: int
) -> list[tuple[str, dict[str, Any]]]:
    """Return id and content of the source's living resources that bear one of the identifier values."""
    path = _identifier_paths().get(kind)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(values) if path else 0, 500):
        part = list(values[start : start + 500])
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            "select r.id, r.body from record_token t join record_resource r on r.rid = t.rid "  # noqa: S608 - our own marks
            f"where t.path = %s and t.code in ({marks}) and r.kind = %s and r.source_id = %s "
            "and not r.deleted",
            [path, *part, kind_of(kind), source_id],
        )
        for id_, body in cursor.fetchall():
            found[id_] = json.loads(bytes(body))
    return list(found.items())


def look_up(
    cursor: CursorWrapper, source_id: int, wanted: Iterable[tuple[str, Search]]
) -> dict[tuple[str, Search], str]:
    """Return the platform's ids of what the searches find among a source's; ambiguous ones find nothing."""
    by_type: dict[str, set[Search]] = {}
    for kind, search in wanted:
        if search.name == "identifier" and search.value:
            by_type.setdefault(kind, set()).add(search)
    holders: dict[tuple[str, Search], set[str]] = {}
    for kind, searches in by_type.items():
        for id_, resource in _holders(cursor, kind, sorted({search.value for search in searches}), source_id):
            for borne in identifiers_of(resource):
                if borne in searches:
                    holders.setdefault((kind, borne), set()).add(id_)
    return {key: next(iter(ids)) for key, ids in holders.items() if len(ids) == 1}
