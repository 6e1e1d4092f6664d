"""What `_include` and `_revinclude` add to a page of matches, repeated where they say `:iterate`."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.record import json
from salus.record.rules.r4 import kind_of, kinds, type_names
from salus.record.store.extract import IndexRows
from salus.record.store.index import extract
from salus.record.store.reading import COLUMNS, stored
from salus.record.store.searching.conditions import paths_in
from salus.record.store.searching.parameters import Parameter, search_parameters
from salus.record.store.searching.plan import Plan, Scopes, split_include
from salus.record.store.searching.query import SearchError
from salus.record.store.types import Stored

INCLUDED_MOST = 10_000
ROUNDS = 10
"""How often `:iterate` follows what it has just included."""
PART = 400  # ids in one statement


def included(cursor: CursorWrapper, made: Plan, page: Sequence[Stored], scopes: Scopes) -> list[Stored]:
    """Return what a search's includes add to a page, each resource once, none of the page's own.

    What is included follows the matches; with `:iterate` also what was included before.
    Raises `SearchError`. Source: https://hl7.org/fhir/R4/search.html#include.
    """
    found: dict[int, Stored] = {one.rid: one for one in page}
    forward = made.include
    backward = made.revinclude
    fresh = [*_all(cursor, forward, backward, page, scopes, made.type)]
    forward = [text for name, text in made.again if name == "_include"]
    backward = [text for name, text in made.again if name == "_revinclude"]
    fresh += _all(cursor, forward, backward, page, scopes, made.type) if made.again else []
    for _ in range(ROUNDS):
        fresh = [one for one in {one.rid: one for one in fresh}.values() if one.rid not in found]
        found |= {one.rid: one for one in fresh}
        if len(found) - len(page) > INCLUDED_MOST:
            raise _too_many()
        if not fresh or not made.again:
            break
        fresh = _all(cursor, forward, backward, fresh, scopes, "")
    shown = {one.rid for one in page}
    return [one for rid, one in sorted(found.items()) if rid not in shown]


def _all(
    cursor: CursorWrapper,
    forward: Iterable[str],
    backward: Iterable[str],
    page: Sequence[Stored],
    scopes: Scopes,
    type: str,
) -> list[Stored]:
    found: list[Stored] = []
    for text in forward:
        found += _targets(cursor, text, page, scopes, type)
    for text in backward:
        found += _referring(cursor, text, page, scopes)
    return found


def _too_many() -> SearchError:
    return SearchError(
        "too-many-included",
        "The page would include more than 10,000 resources",
        where="_revinclude",
        fix="Ask for fewer with _count",
    )


def _references(owner: str, code: str, where: str) -> list[Parameter]:
    """Return the reference parameters that an include names; raises `SearchError` where there is none."""
    parameters = search_parameters(owner)
    wanted = list(parameters.values()) if code == "*" else [parameters[code]] if code in parameters else []
    wanted = [one for one in wanted if one.kind == "reference"]
    if not wanted and not (code == "*" and owner in kinds()):
        raise SearchError("bad-value", "There is no such reference to include", where=where)
    return wanted


def _targets(
    cursor: CursorWrapper, text: str, page: Sequence[Stored], scopes: Scopes, type: str
) -> list[Stored]:
    owner, code, target = split_include(text)
    owners = {one.type for one in page} | {type} - {""} if owner == "*" else {owner}
    paths = {path for name in owners for one in _references(name, code, "_include") for path in one.paths}
    rows = IndexRows()
    for one in page:
        if one.type in owners and not one.deleted:
            extract(one.type, json.loads(one.body), one.rid, rows)
    by_kind: dict[int, set[str]] = {}
    for path, id_, _, kind in rows.reference:
        if path in paths and kind and (not target or type_names()[kind] == target):
            by_kind.setdefault(kind, set()).add(id_)
    found: list[Stored] = []
    for kind, ids in by_kind.items():
        found += _present(cursor, kind, "r.id", sorted(ids), scopes)
    return found


def _referring(cursor: CursorWrapper, text: str, page: Sequence[Stored], scopes: Scopes) -> list[Stored]:
    owner, code, target = split_include(text)
    owners = sorted(kinds()) if owner == "*" else [owner]
    wanted = [one for name in owners for one in _references(name, code, "_revinclude")]
    paths = sorted({path for one in wanted for path in one.paths})
    by_kind: dict[int, list[str]] = {}
    for one in page:
        if not target or one.type == target:
            by_kind.setdefault(kind_of(one.type), []).append(one.id)
    rids: set[int] = set()
    for kind, ids in by_kind.items():
        for start in range(0, len(ids) if paths else 0, PART):
            part = ids[start : start + PART]
            cursor.execute(
                f"select x.rid from record_reference x where {paths_in(paths)} and x.kind = {kind}"  # noqa: S608 - our own names, values are parameters
                f" and x.id in ({', '.join(['%s'] * len(part))}) limit {INCLUDED_MOST + 1}",
                part,
            )
            rids |= {row[0] for row in cursor.fetchall()}
            if len(rids) > INCLUDED_MOST:
                raise _too_many()
    if owner != "*":
        return _present(cursor, kind_of(owner), "r.rid", sorted(rids), scopes)
    found: list[Stored] = []
    for kind, some in _by_kind(cursor, sorted(rids)).items():
        found += _present(cursor, kind, "r.rid", some, scopes)
    return found


def _by_kind(cursor: CursorWrapper, rids: Sequence[int]) -> dict[int, list[int]]:
    """Return resources' numbers by their kind."""
    found: dict[int, list[int]] = {}
    for start in range(0, len(rids), PART):
        part = list(rids[start : start + PART])
        cursor.execute(
            f"select kind, rid from record_resource where rid in ({', '.join(['%s'] * len(part))})",  # noqa: S608 - marks
            part,
        )
        for kind, rid in cursor.fetchall():
            found.setdefault(kind, []).append(rid)
    return found


def _present(
    cursor: CursorWrapper, kind: int, column: str, values: Sequence[Any], scopes: Scopes
) -> list[Stored]:
    """Return the present resources of a kind with one of the values, as far as they may be seen."""
    seen, seen_params = scopes(type_names()[kind]).sql("r.person_id")
    found: list[Stored] = []
    for start in range(0, len(values), PART):
        part = list(values[start : start + PART])
        marks = ", ".join(["%s"] * len(part))
        cursor.execute(
            f"select {COLUMNS} from record_resource r where r.kind = {kind} and {column} in ({marks})"  # noqa: S608 - our own names, values are parameters
            f" and not r.deleted and r.version > 0 and ({seen})",
            [*part, *seen_params],
        )
        found += [stored(row) for row in cursor.fetchall()]
    return found
