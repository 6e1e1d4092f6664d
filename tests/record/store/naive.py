"""Search as a plain loop over index rows in memory: what the SQL must agree with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.record.rules.r4 import kinds
from salus.record.store.extract import IndexRows
from salus.record.store.extract.values import Calendar, normal, number_span, reference, system_hash
from salus.record.store.searching import search_parameters

Row = tuple[Any, ...]


@dataclass
class Indexed:
    """A resource with the rows extracted from it."""

    id: str
    type: str
    rows: IndexRows


def _token(row: Row, value: str) -> bool:
    _, code, _, system = row
    if "|" not in value:
        return bool(code == value)
    wanted_system, _, wanted = value.partition("|")
    if not wanted:
        return bool(system == system_hash(wanted_system))
    return bool(code == wanted and system == system_hash(wanted_system))


def _string(row: Row, value: str, modifier: str) -> bool:
    _, text, _, exact = row
    if modifier == "exact":
        return (exact or text) == value
    wanted = normal(value)
    return wanted in text if modifier == "contains" else text.startswith(wanted)


def _date(row: Row, value: str, calendar: Calendar) -> bool:
    _, _, low, high, _ = row
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    first, last = calendar.span(text)
    inside = first <= low and high <= last
    return bool(
        {
            "eq": inside,
            "ne": not inside,
            "gt": high > last,
            "lt": low < first,
            "ge": high > last or inside,
            "le": low < first or inside,
            "sa": low > last,
            "eb": high < first,
        }[prefix]
    )


def _quantity(row: Row, value: str) -> bool:
    _, low, high, _, code, system = row
    number, *unit = value.split("|")
    if unit and (unit[1] != code or (unit[0] and system_hash(unit[0]) != system)):
        return False
    prefix, text = (number[:2], number[2:]) if number[:2].isalpha() else ("eq", number)
    first, last = number_span(text)
    given = float(text)
    inside = first <= low < last and high < last
    return bool(
        {
            "eq": inside,
            "ne": low < first or high >= last,
            "gt": high > given,
            "ge": high >= given,
            "lt": low < given,
            "le": low <= given,
            "sa": low > given,
            "eb": high < given,
        }[prefix]
    )


def _reference(row: Row, value: str, targets: Sequence[str]) -> bool:
    _, id_, _, kind = row
    if "/" in value:
        return reference(value) == (kind, id_)
    return bool(id_ == value and (not targets or kind in {kinds()[t] for t in targets}))


def matches(one: Indexed, name: str, value: str, calendar: Calendar) -> bool:
    """Return whether a resource meets one parameter."""
    code, _, modifier = name.partition(":")
    if code == "_id":
        return one.id in value.split(",")
    parameter = search_parameters(one.type)[code]
    rows = [row for row in one.rows.of(parameter.kind) if row[0] in parameter.paths]
    if modifier == "missing":
        return bool(rows) == (value == "false")

    def meets(row: Row, wanted: str) -> bool:
        match parameter.kind:
            case "token":
                wanted = wanted.rpartition("|")[2] if parameter.plain_code else wanted
                return _token(row, wanted)
            case "string":
                return _string(row, wanted, modifier)
            case "date":
                return _date(row, wanted, calendar)
            case "quantity":
                return _quantity(row, wanted)
            case "reference":
                return _reference(row, wanted, parameter.targets)
            case _:
                return bool(row[1] == (float(wanted) if parameter.kind == "number" else wanted))

    found = any(meets(row, wanted) for row in rows for wanted in value.split(","))
    return not found if modifier == "not" else found


def sort_value(one: Indexed, name: str) -> Any:
    """Return what a resource sorts by under one key, None if it has no value."""
    parameter = search_parameters(one.type)[name.removeprefix("-")]
    columns = {"token": (1, 1), "string": (1, 1), "date": (2, 3), "reference": (1, 1), "quantity": (1, 2)}
    low, high = columns[parameter.kind]
    rows = [row for row in one.rows.of(parameter.kind) if row[0] in parameter.paths]
    if not rows:
        return None
    return max(row[high] for row in rows) if name.startswith("-") else min(row[low] for row in rows)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
