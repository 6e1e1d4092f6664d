"""Running a search: which resources match, their page, and what is included beside them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.backends.utils import CursorWrapper

from salus.record.identity import rows
from salus.record.rules.r4 import kind_of
from salus.record.store.reading import COLUMNS, read_rids, stored
from salus.record.store.searching.conditions import Condition, Direct
from salus.record.store.searching.cursor import fingerprint, seal, unseal
from salus.record.store.searching.including import included
from salus.record.store.searching.leading import Lead
from salus.record.store.searching.leading import lead as find_lead
from salus.record.store.searching.plan import Plan, Scopes, Sees, plan
from salus.record.store.searching.query import Page, SearchQuery
from salus.record.store.searching.sort import Key, beyond, order_by, sort_keys
from salus.record.store.searching.walking import Walk, walked
from salus.record.store.types import Stored

ONE_PERSON = re.compile(r"(?<!\w)r\.person_id (=|in) ")


def search(
    cursor: CursorWrapper,
    resource_type: str | Sequence[str],
    query: SearchQuery,
    scope: Sees | Scopes,
    *,
    now: datetime | None = None,
) -> Page:
    """Return one page of the resources of a type, or of several, that match a query and may be seen.

    `scope` is a `kernel.policy.Scope`, or a function from a resource type to one: it is part of every
    statement, also for included and chained resources. Pages follow the sort keys of the last row, so
    rows that arrive meanwhile neither repeat nor hide others. `now` is what `ap` on dates is measured
    from. Every type must have every parameter. Raises `SearchError`.
    """
    scopes: Scopes = (lambda _: scope) if hasattr(scope, "sql") else scope
    types = [resource_type] if isinstance(resource_type, str) else list(dict.fromkeys(resource_type))
    at = now or datetime.now(UTC)
    plans = [plan(type, query, scopes, at) for type in types]
    if not plans:
        return Page([], [], None, 0)
    made = plans[0]
    matching = [_matching(cursor, one, scopes) for one in plans]
    total = None
    if made.total or made.count == 0:
        total = sum(_count(cursor, *one) for one in matching)
    ignored, used = tuple(made.ignored), tuple(made.used)
    if made.count == 0:
        return Page([], [], None, total, ignored, used)
    if len(plans) == 1 and made.few and not made.sort:
        resources, following = _whole(cursor, made, query, matching[0])
    else:
        if len(plans) == 1 and made.walk is not None and not made.sort:
            rids, following = walked(cursor, made.walk, query, made.type, made.count, made.cursor)
        else:
            rids, following = _page(cursor, plans, query, matching)
        resources = read_rids(cursor, rids)
    if following is None and not made.cursor:
        total = len(resources)  # the page is all there is
    found = included(cursor, made, resources, scopes) if made.include or made.revinclude or made.again else []
    return Page(resources, found, following, total, ignored, used)


def _count(cursor: CursorWrapper, source: str, params: list[Any], number: str) -> int:
    cursor.execute(f"select count(*) from (select distinct {number} {source}) q", params)  # noqa: S608 - our own names, values are parameters
    return int(cursor.fetchone()[0])


def _matching(cursor: CursorWrapper, made: Plan, scopes: Scopes) -> tuple[str, list[Any], str]:
    """Return the from and where clauses that name the matching resources `r`, and their number's column.

    Where they are better walked, note in the plan how.
    """
    seen, seen_params = scopes(made.type).sql("r.person_id")
    conditions = list(made.conditions)
    start, number = "from record_resource r", "r.rid"
    params: list[Any] = []
    texts: list[str] = []
    led: list[Any] = []
    first: Lead | None = None
    if not ONE_PERSON.search(seen) and not any(
        "{r}.id in" in c.text for c in conditions if isinstance(c, Direct)
    ):
        leads = [c for c in conditions if isinstance(c, Condition) and not c.negative]
        if leads:
            first = find_lead(cursor, leads)
            lead = first.condition
            conditions.remove(lead)
            if first.few:
                made.few = True
                known = first.rids or ()
                if cursor.db.vendor == "sqlite":
                    # As one parameter: the statement's text stays the same, and so it stays prepared
                    start = "from json_each(%s) few cross join record_resource r"
                    texts.append("r.rid = few.value")
                    led = [f"[{','.join(map(str, known))}]"]
                else:
                    texts.append(f"r.rid in ({', '.join(map(str, known)) or 'null'})")
            elif lead.single:
                # The index holds these resources in the order of their numbers: the page is its first part.
                # A cross join, because SQLite then keeps the order in which the tables are named.
                start, number = f"from record_{lead.table} x cross join record_resource r", "x.rid"
                texts.append(f"r.rid = x.rid and {lead.where}")
                led = lead.params
            else:
                texts.append(f"r.rid in {lead.subquery()}")
                led = lead.params
    beside = len(texts)
    texts.append(f"r.kind = {kind_of(made.type)} and not r.deleted and r.version > 0")
    for one in conditions:
        text, values = one.sql("r")
        texts.append(text)
        params += values
    texts.append(f"({seen})")
    params += seen_params
    if first is not None and first.walkable(cursor.db.vendor):
        made.walk = Walk(first, " and ".join(texts[beside:]), params)
    return f"{start} where {' and '.join(texts)}", [*led, *params], number


def _whole(
    cursor: CursorWrapper, made: Plan, query: SearchQuery, matching: tuple[str, list[Any], str]
) -> tuple[list[Stored], str | None]:
    """Return a page's resources and the cursor of the next page, where all that can match are known.

    They are so few that sorting them costs nothing: they are read at once, not their numbers first.
    """
    source, params, number = matching
    mark = fingerprint(made.type, query.parameters)
    if made.cursor:
        source, params = f"{source} and {number} > %s", [*params, unseal(mark, made.cursor)[0]]
    found = rows.fetch(cursor, f"select {COLUMNS} {source} order by {number} limit {made.count + 1}", params)
    page = [stored(row) for row in found[: made.count]]
    return page, seal(mark, [page[-1].rid]) if len(found) > made.count else None


def _page(
    cursor: CursorWrapper,
    plans: Sequence[Plan],
    query: SearchQuery,
    matching: Sequence[tuple[str, list[Any], str]],
) -> tuple[list[int], str | None]:
    """Return the numbers of the page's resources in order, and the cursor of the next page."""
    made = plans[0]
    mark = fingerprint(",".join(one.type for one in plans), query.parameters)
    after = unseal(mark, made.cursor) if made.cursor else None
    parts: list[str] = []
    params: list[Any] = []
    keys: list[Key] = []
    for one, (source, values, number) in zip(plans, matching, strict=True):
        keys = sort_keys(one.type, made.sort, number)
        columns = ", ".join(f"{key.sql} as k{i}" for i, key in enumerate(keys))
        start, _, where = source.partition(" where ")
        part = f"select distinct {columns} {start}{''.join(key.join for key in keys)} where {where}"
        if after and len(keys) == 1:
            part, values = f"{part} and {number} > %s", [*values, after[0]]
        parts.append(part)
        params += values
    inner = " union all ".join(parts)
    if len(keys) > 1 or len(parts) > 1:
        text, values = beyond(keys, after) if after else ("1=1", [])
        sql, params = f"select * from ({inner}) q where {text}", [*params, *values]  # noqa: S608 - our own names, values are parameters
    else:
        sql = inner
    cursor.execute(f"{sql} order by {order_by(keys)} limit {made.count + 1}", params)
    found = cursor.fetchall()
    page = found[: made.count]
    following = seal(mark, page[-1]) if len(found) > made.count else None
    return [row[-1] for row in page], following
