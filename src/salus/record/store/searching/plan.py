"""From a query's parameters to the conditions of one SQL statement, chains included."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from salus.record.rules.r4 import kind_of, kinds
from salus.record.store.searching.composite import composite
from salus.record.store.searching.conditions import Condition, Direct, Fragment, condition, paths_in
from salus.record.store.searching.parameters import Parameter, search_parameters
from salus.record.store.searching.query import (
    COUNT,
    COUNT_MOST,
    NOT_SERVED,
    PRESENTATION,
    SearchError,
    SearchQuery,
    bad_value,
    split,
    unescape,
)

if TYPE_CHECKING:
    from salus.record.store.searching.walking import Walk


class Sees(Protocol):
    """What a principal may see: `kernel.policy.Scope`."""

    def sql(self, column: str = ...) -> Fragment:
        """Return a condition on the column that holds the row's person."""


Scopes = Callable[[str], Sees]


DEEPEST = 4
"""Links that a chain may have, `_has` included."""
SOURCE = re.compile(r"urn:salus:source:([0-9]{1,9})")


@dataclass(slots=True)
class Plan:
    """A search, understood. `again` holds the includes that follow what they include (`:iterate`).

    `walk` is how to follow a lead of many resources; `few` says that the lead's are few and named.
    """

    type: str
    conditions: list[Condition | Direct] = field(default_factory=list)
    sort: str = ""
    count: int = COUNT
    cursor: str = ""
    total: bool = False
    include: list[str] = field(default_factory=list)
    revinclude: list[str] = field(default_factory=list)
    again: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    used: list[tuple[str, str]] = field(default_factory=list)
    walk: "Walk | None" = None
    few: bool = False


@dataclass(frozen=True, slots=True)
class _Asking:
    """What stays the same while a parameter is understood; `depth` counts the links followed so far."""

    name: str
    value: str
    query: SearchQuery
    scopes: Scopes
    now: datetime
    depth: int = 0

    def deeper(self) -> "_Asking":
        if self.depth >= DEEPEST:
            raise bad_value(self.name, f"Follow at most {DEEPEST} links")
        return replace(self, depth=self.depth + 1)


def plan(resource_type: str, query: SearchQuery, scopes: Scopes, now: datetime) -> Plan:
    """Understand a query.

    Raises `SearchError`.
    """
    made = Plan(resource_type)
    for name, value in query.parameters:
        if name in PRESENTATION:
            continue
        try:
            if name.partition(":")[0] in NOT_SERVED or (name == "_contained" and value != "false"):
                raise _not_served(name)
            if not _control(made, name, value):
                asking = _Asking(name, value, query, scopes, now)
                made.conditions.append(_filter(resource_type, name, asking))
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
        case "_include:iterate" | "_include:recurse" | "_revinclude:iterate" | "_revinclude:recurse":
            made.again.append((name.partition(":")[0], value))
        case "_contained":
            pass  # "false", which is what is done
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


def _not_served(name: str) -> SearchError:
    return SearchError(
        "not-served",
        "This parameter of the standard is not answered here",
        where=name,
        fix="The CapabilityStatement lists the parameters",
    )


def _filter(resource_type: str, name: str, asking: _Asking) -> Condition | Direct:
    if name.startswith("_has:"):
        return _has(resource_type, name, asking.deeper())
    first, _, chained = name.partition(".")
    code, _, modifier = first.partition(":")
    if code == "_source" and not chained:
        return _from_source(modifier, asking)
    if code == "_list" and not first.partition(":")[1] and not chained:
        return _on_list(asking)
    parameter = search_parameters(resource_type).get(code)
    if parameter is None:
        raise _unknown(asking.name)
    if chained:
        return _chain(parameter, modifier, chained, asking.deeper())
    understood = composite if parameter.kind == "composite" else condition
    return understood(
        parameter, modifier, asking.value, name=asking.name, now=asking.now, base=asking.query.base
    )


def _from_source(modifier: str, asking: _Asking) -> Direct:
    """Return the condition on `meta.source`, which the store sets: "urn:salus:source:" and a number."""
    if modifier not in {"", "missing", "not"}:
        raise SearchError("unknown-modifier", "This parameter does not have that modifier", where=asking.name)
    if modifier == "missing":
        if asking.value not in {"true", "false"}:
            raise bad_value(asking.name, "Use true or false")
        return Direct(f"{{r}}.source_id is {'' if asking.value == 'true' else 'not '}null", [])
    numbers = [int(m[1]) for one in split(asking.value, ",") if (m := SOURCE.fullmatch(unescape(one)))]
    text = f"{{r}}.source_id in ({', '.join(['%s'] * len(numbers))})" if numbers else "1=0"
    return Direct(f"({{r}}.source_id is null or not ({text}))" if modifier else text, numbers)


def _on_list(asking: _Asking) -> Direct:
    """Return the condition that a List that may be seen names the resource."""
    ids = [unescape(one).removeprefix("List/") for one in split(asking.value, ",")]
    seen, params = asking.scopes("List").sql("l.person_id")
    links = paths_in(search_parameters("List")["item"].paths).replace("x.", "d.")
    rows = (
        "select 1 from record_resource l join record_reference d on d.rid = l.rid"  # noqa: S608 - our own names
        f" where l.kind = {kind_of('List')} and not l.deleted and l.id in ({', '.join(['%s'] * len(ids))})"
        f" and ({seen}) and {links} and d.id = {{r}}.id and d.kind = {{r}}.kind"
    )
    return Direct(f"exists ({rows})", [*ids, *params])


def _seen(resource_type: str, alias: str, asking: _Asking, inner: Condition | Direct) -> Fragment:
    """Return the condition that a resource of a type may be seen and meets another condition."""
    seen, seen_params = asking.scopes(resource_type).sql(f"{alias}.person_id")
    text, params = inner.sql(alias)
    if isinstance(inner, Condition) and not inner.negative:
        text = f"{alias}.rid in {inner.subquery()}"  # found once, not for each resource
    kind = kind_of(resource_type)
    return f"({alias}.kind = {kind} and not {alias}.deleted and ({seen}) and {text})", [*seen_params, *params]


def _chain(parameter: Parameter, modifier: str, chained: str, asking: _Asking) -> Direct:
    """Return the condition that a referenced resource meets a condition ("subject:Patient.name=…")."""
    if parameter.kind != "reference" or (modifier and modifier not in kinds()):
        raise _unknown(asking.name)
    targets = [modifier] if modifier else [t for t in parameter.targets if t in kinds()]
    links = paths_in(parameter.paths).replace("x.", "d.")
    alias = f"t{asking.depth}"
    alternatives: list[str] = []
    params: list[Any] = []
    for target in targets:
        try:
            inner = _filter(target, chained, asking)
        except SearchError as error:
            if error.code != "unknown-parameter":
                raise
            continue
        text, values = _seen(target, alias, asking, inner)
        alternatives.append(
            f"select d.rid from record_resource {alias} cross join record_reference d"  # noqa: S608 - our own names
            f" where d.id = {alias}.id and d.kind = {alias}.kind and {links} and {text}"
        )
        params += values
    if not alternatives:
        raise _unknown(asking.name)
    return Direct(f"{{r}}.rid in ({' union all '.join(alternatives)})", params)


def _has(resource_type: str, name: str, asking: _Asking) -> Direct:
    """Return the condition that a resource referring here meets another ("_has:Observation:patient:code")."""
    parts = name.split(":", 3)
    if len(parts) != 4 or parts[1] not in kinds():
        raise _unknown(asking.name)
    _, other, link, rest = parts
    parameter = search_parameters(other).get(link)
    if parameter is None or parameter.kind != "reference":
        raise _unknown(asking.name)
    alias = f"t{asking.depth}"
    inner = _filter(other, rest, asking)
    text, params = _seen(other, alias, asking, inner)
    links = paths_in(parameter.paths).replace("x.", "d.")
    rows = (
        f"select 1 from record_reference d join record_resource {alias} on {alias}.rid = d.rid"  # noqa: S608 - our own names
        f" where {links} and d.id = {{r}}.id and d.kind = {kind_of(resource_type)} and {text}"
    )
    return Direct(f"exists ({rows})", params)


def split_include(text: str) -> Sequence[str]:
    """Return type, parameter and target type of an `_include` value; "*" alone is every type's parameters.

    Raises `SearchError` ("bad-value").
    """
    if text == "*":
        return ["*", "*", ""]
    parts = text.split(":")
    if len(parts) not in {2, 3} or parts[0] not in kinds():
        raise bad_value("_include", "Write Type:parameter or Type:parameter:TargetType")
    if len(parts) == 3 and parts[2] not in kinds():
        raise bad_value("_include", "The target is not a resource type of FHIR R4")
    return [*parts, ""][:3]
