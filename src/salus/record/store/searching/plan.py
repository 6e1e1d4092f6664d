"""From a query's parameters to the conditions of one SQL statement, chains included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from salus.record.rules.r4 import kind_of, kinds
from salus.record.store.searching.conditions import Condition, Direct, Fragment, condition, paths_in
from salus.record.store.searching.parameters import Parameter, search_parameters
from salus.record.store.searching.query import (
    COUNT,
    COUNT_MOST,
    PRESENTATION,
    SearchError,
    SearchQuery,
    bad_value,
)


class Sees(Protocol):
    """What a principal may see: `kernel.policy.Scope`."""

    def sql(self, column: str = ...) -> Fragment:
        """Return a condition on the column that holds the row's person."""


Scopes = Callable[[str], Sees]


@dataclass(slots=True)
class Plan:
    """A search, understood."""

    type: str
    conditions: list[Condition | Direct] = field(default_factory=list)
    sort: str = ""
    count: int = COUNT
    cursor: str = ""
    total: bool = False
    include: list[str] = field(default_factory=list)
    revinclude: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)


def plan(resource_type: str, query: SearchQuery, scopes: Scopes, now: datetime) -> Plan:
    """Understand a query.

    Raises `SearchError`.
    """
    made = Plan(resource_type)
    for name, value in query.parameters:
        if name in PRESENTATION:
            continue
        try:
            if not _control(made, name, value):
                made.conditions.append(_filter(resource_type, name, value, query, scopes, now))
        except SearchError as error:
            if query.strict or error.code not in {"unknown-parameter", "unknown-modifier"}:
                raise
            made.ignored.append(name)
            continue
        made.used.append((name, value))
    return made


def _control(made: Plan, name: str, value: str) -> bool:
    """Take in a parameter that says how to answer; False if it is a filter."""
    match name:
        case "_count":
            if not (value.isascii() and value.isdigit()):
                raise bad_value(name, "Write a whole number")
            made.count = min(int(value[:9]), COUNT_MOST)
        case "_sort":
            made.sort = value
        case "_cursor":
            made.cursor = value
        case "_total":
            if value not in {"none", "accurate", "estimate"}:
                raise bad_value(name, "Use none or accurate")
            made.total = value != "none"
        case "_include":
            made.include.append(value)
        case "_revinclude":
            made.revinclude.append(value)
        case _:
            return False
    return True


def _unknown(name: str) -> SearchError:
    return SearchError(
        "unknown-parameter",
        "This resource type has no such search parameter",
        where=name,
        fix="The CapabilityStatement lists the parameters",
    )


def _filter(
    resource_type: str, name: str, value: str, query: SearchQuery, scopes: Scopes, now: datetime
) -> Condition | Direct:
    if name.startswith("_has:"):
        return _has(resource_type, name, value, query, scopes, now)
    first, _, chained = name.partition(".")
    code, _, modifier = first.partition(":")
    parameter = search_parameters(resource_type).get(code)
    if parameter is None:
        raise _unknown(name)
    if chained:
        return _chain(parameter, modifier, chained, value, name, query, scopes, now)
    return condition(parameter, modifier, value, name=name, now=now, base=query.base)


def _seen(resource_type: str, scopes: Scopes, inner: Condition | Direct) -> Fragment:
    """Return the condition that a resource `t` of a type may be seen and meets another condition."""
    seen, seen_params = scopes(resource_type).sql("t.person_id")
    text, params = inner.sql("t")
    if isinstance(inner, Condition) and not inner.negative:
        text = f"t.rid in {inner.subquery()}"  # found once, not for each resource
    kind = kind_of(resource_type)
    return f"(t.kind = {kind} and not t.deleted and ({seen}) and {text})", [*seen_params, *params]


def _chain(
    parameter: Parameter,
    modifier: str,
    chained: str,
    value: str,
    name: str,
    query: SearchQuery,
    scopes: Scopes,
    now: datetime,
) -> Direct:
    """Return the condition that a referenced resource meets a condition ("subject:Patient.name=…")."""
    if parameter.kind != "reference" or (modifier and modifier not in kinds()):
        raise _unknown(name)
    targets = [modifier] if modifier else [t for t in parameter.targets if t in kinds()]
    links = paths_in(parameter.paths).replace("x.", "d.")
    alternatives: list[str] = []
    params: list[Any] = []
    code = chained.partition(":")[0]
    for target in targets:
        if code not in search_parameters(target) or "." in chained:
            continue
        inner = _filter(target, chained, value, query, scopes, now)
        text, values = _seen(target, scopes, inner)
        alternatives.append(
            "select d.rid from record_resource t cross join record_reference d"  # noqa: S608 - our own names
            f" where d.id = t.id and d.kind = t.kind and {links} and {text}"
        )
        params += values
    if not alternatives:
        raise _unknown(name)
    return Direct(f"{{r}}.rid in ({' union all '.join(alternatives)})", params)


def _has(
    resource_type: str, name: str, value: str, query: SearchQuery, scopes: Scopes, now: datetime
) -> Direct:
    """Return the condition that a resource referring here meets another ("_has:Observation:patient:code")."""
    parts = name.split(":", 3)
    if len(parts) != 4 or parts[1] not in kinds() or parts[3].startswith("_has"):
        raise _unknown(name)
    _, other, link, rest = parts
    parameter = search_parameters(other).get(link)
    if parameter is None or parameter.kind != "reference" or "." in rest:
        raise _unknown(name)
    inner = _filter(other, rest, value, query, scopes, now)
    text, params = _seen(other, scopes, inner)
    links = paths_in(parameter.paths).replace("x.", "d.")
    rows = (
        "select 1 from record_reference d join record_resource t on t.rid = d.rid"  # noqa: S608 - our own names
        f" where {links} and d.id = {{r}}.id and d.kind = {kind_of(resource_type)} and {text}"
    )
    return Direct(f"exists ({rows})", params)


def split_include(text: str) -> Sequence[str]:
    """Return type, parameter and target type of an `_include` value.

    Raises `SearchError` ("bad-value").
    """
    parts = text.split(":")
    if len(parts) not in {2, 3} or parts[0] not in kinds():
        raise bad_value("_include", "Write Type:parameter or Type:parameter:TargetType")
    if len(parts) == 3 and parts[2] not in kinds():
        raise bad_value("_include", "The target is not a resource type of FHIR R4")
    return [*parts, ""][:3]
