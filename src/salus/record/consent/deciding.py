"""Whether a Consent forbids: one SQL condition, for a list's rows and for one thing alike."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from salus.kernel import policy
from salus.kernel.policy import Principal, Target
from salus.kernel.policy.words import beside
from salus.record.consent.projecting import TYPE
from salus.record.consent.purposes import wider
from salus.record.identity import rows
from salus.record.rules.r4 import kind_of, kinds
from salus.record.store import stamp

Fragment = tuple[str, list[Any]]
BELOW = "length(a.place) > length(d.place) and substr(a.place, 1, length(d.place)) = d.place"
"""That a provision is an exception to another, or to an exception to it."""
_silent: ContextVar[frozenset[UUID]] = ContextVar("silent", default=frozenset())
SECURITY = "_security"
CODED = ("code", "type", "category", "class", "vaccine-code", "service-type", "substance", "medication")
"""Search parameters whose codes say what a resource is about."""


def moment() -> int:
    """Return the present in µs since 1970 UTC, by which provisions begin and end."""
    return stamp.micros(datetime.now(UTC))


def allowed_sql(principal: Principal, purposes: tuple[str, ...], resource_type: str, column: str) -> Fragment:
    """Return the condition that no Consent of the row's person denies it to the principal.

    For each of the purposes; `column` names the row's person, with `rid` beside it.
    """
    parts: list[str] = []
    params: list[Any] = []
    for purpose in purposes:
        denied, values = _matches("d", principal, purpose, resource_type, column)
        excepted, more = _matches("a", principal, purpose, resource_type, column)
        parts.append(
            f"not exists ({_said(column)} and d.denies and {denied}"  # noqa: S608 - our own names, values are parameters
            " and not exists (select 1 from record_consentprovision a where a.rid = d.rid"
            f" and not a.denies and {BELOW} and {excepted}))"
        )
        params += [*values, *more]
    return " and ".join(parts) or "1=1", params


@contextmanager
def heard(persons: Iterable[UUID]) -> Iterator[None]:
    """While the block lasts, take these persons' silence as asked: one question for a batch of decisions.

    Who has given a Consent is asked for each decision as ever. Blocks are as short as one batch of reads.
    """
    asked = set(persons)
    spoken: set[UUID] = set()
    if asked:
        sql = (
            "select distinct cr.person_id from record_resource cr"  # noqa: S608 - our own number
            f" where cr.kind = {kind_of(TYPE)} and cr.person_id in ({{marks}})"
        )
        with connection.cursor() as cursor:
            keys = [rows.key(cursor, person) for person in asked]
            spoken = {rows.person(found) for (found,) in rows.fetch_in(cursor, sql, keys)}
    mark = _silent.set(frozenset(asked - spoken))
    try:
        yield
    finally:
        _silent.reset(mark)


def allowed(principal: Principal, purposes: tuple[str, ...], target: Target) -> bool:
    """Return whether no Consent denies the target to the principal for any of the purposes."""
    if target.person_id is None or target.person_id in _silent.get():
        return True
    with connection.cursor() as cursor:
        person: UUID | str | None = rows.key(cursor, target.person_id)
        found = rows.fetch(cursor, f"{_said('%s')} limit 1", [person])
        if not found:  # most people have said nothing
            return True
        text, values = allowed_sql(principal, purposes, target.resource_type or "", "x.person_id")
        casts = ("%s::uuid", "%s::bigint") if cursor.db.vendor == "postgresql" else ("%s", "%s")
        sql = f"select 1 from (select {casts[0]} as person_id, {casts[1]} as rid) x where {text}"  # noqa: S608 - our own fragments
        return bool(rows.fetch(cursor, sql, [person, target.rid or 0, *values]))


def _said(column: str) -> str:
    """Return the provisions `d` of a person's Consents; the person's Consents, mostly none, are read first.

    SQLite keeps the order of a cross join, PostgreSQL that of subqueries with an offset, whatever its
    statistics say.
    """
    if connection.vendor == "postgresql":
        return (
            f"select 1 from (select c0.rid from record_resource c0 where c0.person_id = {column}"  # noqa: S608 - our own names
            f" and c0.kind = {kind_of(TYPE)} offset 0) cr cross join lateral"
            " (select * from record_consentprovision d0 where d0.rid = cr.rid offset 0) d where true"
        )
    return (
        "select 1 from record_resource cr cross join record_consentprovision d"  # noqa: S608 - our own names
        f" where d.rid = cr.rid and cr.kind = {kind_of(TYPE)} and cr.person_id = {column}"
    )


def _matches(alias: str, principal: Principal, purpose: str, resource_type: str, column: str) -> Fragment:
    """Return the condition that a provision covers this principal, purpose, type, row and moment."""
    now, rid = moment(), beside(column, "rid")
    chain = wider(purpose)
    actors, actor_values = _actors(alias, principal)
    label, label_values = _coded(alias, "label", (_paths(resource_type, (SECURITY,))), rid)
    code, code_values = _coded(alias, "code", _paths(resource_type, CODED), rid)
    kind = kinds().get(resource_type, 0)
    return (
        f"{alias}.valid_from <= %s and {alias}.valid_to >= %s"  # noqa: S608 - our own names, values are parameters
        f" and {alias}.purpose in ('', {', '.join(['%s'] * len(chain))})"
        f" and {alias}.kind in (0, {kind}) and ({alias}.actor = '' or {actors})"
        f" and ({alias}.label = '' or {label} or ({alias}.category <> '' and exists (select 1 from"
        f" record_sensitive rs where rs.rid = {rid} and {alias}.category in ('*', rs.category))))"
        f" and ({alias}.code = '' or {code})"
        f" and ({alias}.resource_id = '' or exists (select 1 from record_resource rr where rr.rid = {rid}"
        f" and rr.id = {alias}.resource_id and rr.kind = {alias}.resource_kind))",
        [now, now, *chain, *actor_values, *label_values, *code_values],
    )


def _actors(alias: str, principal: Principal) -> Fragment:
    """Return the condition that a provision's actor is the principal's institution or the principal."""
    codes: list[str] = []
    values: list[Any] = []
    if institutions := sorted(principal.institution_ids):
        codes.append(f"select code from kernel_institution where id in ({_marks(institutions)})")  # noqa: S608 - marks
        values += institutions
    if principal.staff_id is not None:
        codes.append("select code from kernel_staff where id = %s")
        values.append(principal.staff_id)
    if not codes:
        return "1=0", []
    known = " union all ".join(codes)
    prefixes = [(kind_of(type), f"{type}/") for type in ("Organization", "Practitioner")]
    referred = " or ".join(
        f"(ao.kind = {kind} and {alias}.actor = '{prefix}' || ao.id)" for kind, prefix in prefixes
    )
    paths = _paths("Organization", ("identifier",)) + _paths("Practitioner", ("identifier",))
    return (
        f"{alias}.actor in ({known}) or ({alias}.actor like '%%/%%' and exists (select 1 from record_token at"  # noqa: S608 - our own names, values are parameters
        f" join record_resource ao on ao.rid = at.rid where at.path in ({_listed(paths)})"
        f" and at.code in ({known}) and ({referred})))",
        [*values, *values],
    )


def _coded(alias: str, column: str, paths: tuple[int, ...], rid: str) -> Fragment:
    """Return the condition that the row has the provision's code under one of the index paths."""
    if not paths:
        return "1=0", []
    return (
        f"exists (select 1 from record_token t where t.path in ({_listed(paths)})"  # noqa: S608 - our own names and numbers
        f" and t.code = {alias}.{column} and t.rid = {rid}"
        f" and ({alias}.{column}_system = 0 or t.system = {alias}.{column}_system))",
        [],
    )


def _paths(resource_type: str, codes: tuple[str, ...]) -> tuple[int, ...]:
    from salus.record.store.searching.parameters import search_parameters

    found = search_parameters(resource_type)
    return tuple(
        path for code in codes if code in found and found[code].kind == "token" for path in found[code].paths
    )


def _listed(paths: tuple[int, ...]) -> str:
    return ", ".join(str(path) for path in paths)


def _marks(values: list[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def register() -> None:
    """Register with the kernel that Consents are asked."""
    policy.register_consent(allowed=allowed, allowed_sql=allowed_sql)
