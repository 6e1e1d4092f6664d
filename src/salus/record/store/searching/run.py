"""Running a search: which resources match, their page, and what is included beside them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.record import json
from salus.record.rules.r4 import kind_of, type_names
from salus.record.store.extract import IndexRows
from salus.record.store.index import extract
from salus.record.store.reading import COLUMNS, read_rids, stored
from salus.record.store.searching.conditions import Condition, Direct, paths_in
from salus.record.store.searching.cursor import fingerprint, seal, unseal
from salus.record.store.searching.parameters import search_parameters
from salus.record.store.searching.plan import Plan, Scopes, Sees, plan, split_include
from salus.record.store.searching.query import Page, SearchError, SearchQuery
from salus.record.store.searching.sort import Key, beyond, order_by, sort_keys
from salus.record.store.types import Stored

INCLUDED_MOST = 10_000
ONE_PERSON = re.compile(r"r\.person_id (=|in) ")
PART = 400  # ids in one statement


def search(
    cursor: CursorWrapper,
    resource_type: str,
    query: SearchQuery,
    scope: Sees | Scopes,
    *,
    now: datetime | None = None,
) -> Page:
    """Return one page of the resources of a type that match a query and may be seen.

    `scope` is a `kernel.policy.Scope`, or a function from a resource type to one: it is part of every
    statement, also for included and chained resources. Pages follow the sort keys of the last row, so
    rows that arrive meanwhile neither repeat nor hide others. `now` is what `ap` on dates is measured
    from. Raises `SearchError`.
    """
    scopes: Scopes = (lambda _: scope) if hasattr(scope, "sql") else scope
    made = plan(resource_type, query, scopes, now or datetime.now(UTC))
    source, params, number = _matching(made, scopes)
    total = None
    if made.total or made.count == 0:
        cursor.execute(f"select count(*) from (select distinct {number} {source}) q", params)  # noqa: S608 - our own names, values are parameters
        total = int(cursor.fetchone()[0])
    if made.count == 0:
        return Page([], [], None, total, tuple(made.ignored), tuple(made.used))
    keys = sort_keys(made.type, made.sort, number)
    rids, following = _page(cursor, made, query, keys, source, params)
    resources = read_rids(cursor, rids)
    return Page(
        resources,
        _included(cursor, made, resources, scopes),
        following,
        total,
        tuple(made.ignored),
        tuple(made.used),
    )


def _matching(made: Plan, scopes: Scopes) -> tuple[str, list[Any], str]:
    """Return the from and where clauses that name the matching resources `r`, and their number's column."""
    seen, seen_params = scopes(made.type).sql("r.person_id")
    conditions = list(made.conditions)
    start, number = "from record_resource r", "r.rid"
    params: list[Any] = []
    texts: list[str] = []
    if not ONE_PERSON.search(seen) and not any(
        "{r}.id in" in c.text for c in conditions if isinstance(c, Direct)
    ):
        leads = [c for c in conditions if isinstance(c, Condition) and not c.negative]
        if leads:
            lead = min(leads, key=lambda c: (c.rank, not c.single))
            conditions.remove(lead)
            if lead.single:
                # The index holds these resources in the order of their numbers: the page is its first part.
                # A cross join, because SQLite then keeps the order in which the tables are named.
                start, number = f"from record_{lead.table} x cross join record_resource r", "x.rid"
                texts.append(f"r.rid = x.rid and {lead.where}")
            else:
                texts.append(f"r.rid in {lead.subquery()}")
            params += lead.params
    texts.append(f"r.kind = {kind_of(made.type)} and not r.deleted and r.version > 0")
    for one in conditions:
        text, values = one.sql("r")
        texts.append(text)
        params += values
    texts.append(f"({seen})")
    return f"{start} where {' and '.join(texts)}", [*params, *seen_params], number


def _page(
    cursor: CursorWrapper,
    made: Plan,
    query: SearchQuery,
    keys: Sequence[Key],
    source: str,
    params: list[Any],
) -> tuple[list[int], str | None]:
    """Return the numbers of the page's resources in order, and the cursor of the next page."""
    mark = fingerprint(made.type, query.parameters)
    columns = ", ".join(f"{key.sql} as k{i}" for i, key in enumerate(keys))
    start, _, where = source.partition(" where ")
    inner = f"select distinct {columns} {start}{''.join(key.join for key in keys)} where {where}"
    after = unseal(mark, made.cursor) if made.cursor else None
    if len(keys) > 1:
        text, values = beyond(keys, after) if after else ("1=1", [])
        sql, params = f"select * from ({inner}) q where {text}", [*params, *values]  # noqa: S608 - our own names, values are parameters
    elif after:
        sql, params = f"{inner} and {keys[0].sql} > %s", [*params, after[0]]
    else:
        sql = inner
    cursor.execute(f"{sql} order by {order_by(keys)} limit {made.count + 1}", params)
    rows = cursor.fetchall()
    page = rows[: made.count]
    following = seal(mark, page[-1]) if len(rows) > made.count else None
    return [row[-1] for row in page], following


def _included(cursor: CursorWrapper, made: Plan, page: Sequence[Stored], scopes: Scopes) -> list[Stored]:
    """Return what `_include` and `_revinclude` add to a page, each resource once, none of the page's own."""
    found: dict[int, Stored] = {}
    for text in made.include:
        for one in _targets(cursor, made, text, page, scopes):
            found[one.rid] = one
    for text in made.revinclude:
        for one in _referring(cursor, made, text, page, scopes):
            found[one.rid] = one
    shown = {one.rid for one in page}
    if len(found) > INCLUDED_MOST:
        raise _too_many()
    return [one for rid, one in sorted(found.items()) if rid not in shown]


def _too_many() -> SearchError:
    return SearchError(
        "too-many-included",
        "The page would include more than 10,000 resources",
        where="_revinclude",
        fix="Ask for fewer with _count",
    )


def _targets(
    cursor: CursorWrapper, made: Plan, text: str, page: Sequence[Stored], scopes: Scopes
) -> list[Stored]:
    owner, code, target = split_include(text)
    parameters = search_parameters(owner)
    wanted = list(parameters.values()) if code == "*" else [parameters[code]] if code in parameters else []
    wanted = [one for one in wanted if one.kind == "reference"]
    if not wanted:
        raise SearchError("bad-value", "There is no such reference to include", where="_include")
    if owner != made.type:
        return []
    paths = {path for one in wanted for path in one.paths}
    rows = IndexRows()
    for one in page:
        extract(one.type, json.loads(one.body), one.rid, rows)
    by_kind: dict[int, set[str]] = {}
    for path, id_, _, kind in rows.reference:
        if path in paths and kind and (not target or type_names()[kind] == target):
            by_kind.setdefault(kind, set()).add(id_)
    found: list[Stored] = []
    for kind, ids in by_kind.items():
        found += _present(cursor, kind, "r.id", sorted(ids), scopes)
    return found


def _referring(
    cursor: CursorWrapper, made: Plan, text: str, page: Sequence[Stored], scopes: Scopes
) -> list[Stored]:
    owner, code, target = split_include(text)
    parameter = search_parameters(owner).get(code)
    if parameter is None or parameter.kind != "reference":
        raise SearchError("bad-value", "There is no such reference to include", where="_revinclude")
    if target and target != made.type:
        return []
    rids: set[int] = set()
    where = paths_in(parameter.paths)
    ids = [one.id for one in page]
    for start in range(0, len(ids), PART):
        part = ids[start : start + PART]
        cursor.execute(
            f"select x.rid from record_reference x where {where} and x.kind = {kind_of(made.type)}"  # noqa: S608 - our own names, values are parameters
            f" and x.id in ({', '.join(['%s'] * len(part))})",
            part,
        )
        rids |= {row[0] for row in cursor.fetchall()}
        if len(rids) > INCLUDED_MOST:
            raise _too_many()
    return _present(cursor, kind_of(owner), "r.rid", sorted(rids), scopes)


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
