"""Sorting and the pages that follow from it: the rows after a row, by all keys at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.record.store.searching.conditions import BY_RID, Fragment, paths_in
from salus.record.store.searching.parameters import Parameter, search_parameters
from salus.record.store.searching.query import SearchError

VALUE = {
    "token": ("x.code", "x.code"),
    "string": ("x.value", "x.value"),
    "date": ("x.low", "x.high"),
    "reference": ("x.id", "x.id"),
    "quantity": ("x.low", "x.high"),
    "number": ("x.value", "x.value"),
    "uri": ("x.value", "x.value"),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key: its SQL on resource `r`, a join that it needs, and its direction."""

    sql: str
    join: str
    descending: bool


def sort_keys(resource_type: str, text: str, number: str) -> list[Key]:
    """Return the keys of a `_sort` value ("date,-_lastUpdated"); the resource's own number, the column
    `number`, ends them.

    A resource with several values sorts by its lowest going up and its highest going down; those without
    come last. Raises `SearchError` ("unknown-parameter").
    """
    keys: list[Key] = []
    for one in text.split(",") if text else ():
        descending = one.startswith("-")
        name = one.removeprefix("-")
        parameter = search_parameters(resource_type).get(name)
        if parameter is None or parameter.kind == "composite":
            raise SearchError(
                "unknown-parameter", "Cannot sort by this", where="_sort", fix="Sort by a search parameter"
            )
        keys.append(_key(parameter, descending, len(keys)))
    return [*keys, Key(number, "", False)]


def _key(parameter: Parameter, descending: bool, number: int) -> Key:
    if parameter.code == "_id":
        return Key("r.id", "", descending)
    if parameter.code == "_lastUpdated":
        return Key("r.updated", "", descending)
    low, high = VALUE[parameter.kind]
    value = f"max({high})" if descending else f"min({low})"
    where = paths_in(parameter.paths)
    if parameter.kind in BY_RID:
        rows = f"select {value} from record_{parameter.kind} x where x.rid = r.rid and +{where}"  # noqa: S608 - our own names, values are parameters
        return Key(f"({rows})", "", descending)
    rows = f"select x.rid, {value} as v from record_{parameter.kind} x where {where} group by x.rid"  # noqa: S608 - our own names, values are parameters
    return Key(f"s{number}.v", f" left join ({rows}) s{number} on s{number}.rid = r.rid", descending)


def order_by(keys: Sequence[Key]) -> str:
    """Return the order of columns k0, k1, … with missing values last."""
    parts = [f"k{i} is null, k{i}{' desc' if key.descending else ''}" for i, key in enumerate(keys[:-1])]
    return ", ".join([*parts, f"k{len(keys) - 1}"])


def beyond(keys: Sequence[Key], values: Sequence[Any]) -> Fragment:
    """Return the condition that a row comes after the row with these values.

    Raises `SearchError` ("bad-cursor") if there are not as many values as keys.
    """
    if len(values) != len(keys):
        raise SearchError("bad-cursor", "This page does not belong to the search", where="_cursor")
    alternatives: list[str] = []
    params: list[Any] = []
    before: list[str] = []
    before_params: list[Any] = []
    for i, (key, value) in enumerate(zip(keys, values, strict=True)):
        last = i == len(keys) - 1
        if value is not None:
            sign = "<" if key.descending else ">"
            missing = "" if last else f" or k{i} is null"
            alternatives.append(" and ".join([*before, f"(k{i} {sign} %s{missing})"]))
            params += [*before_params, value]
        before.append(f"k{i} = %s" if value is not None else f"k{i} is null")
        before_params += [value] if value is not None else []
    return "(" + " or ".join(f"({one})" for one in alternatives) + ")", params
