"""Composite parameters: two values of one element, written "code$value".

Source: https://hl7.org/fhir/R4/search.html#combining.
"""

import re
from datetime import datetime
from typing import Any

from salus.record.rules.r4 import kinds
from salus.record.store.extract.leaves import JOINT, PART_MOST
from salus.record.store.extract.values import reference, system_hash
from salus.record.store.searching.conditions import (
    LAST,
    Condition,
    Direct,
    Fragment,
    amount_span,
    condition,
)
from salus.record.store.searching.parameters import Parameter
from salus.record.store.searching.query import SearchError, bad_value, split, unescape


def composite(
    parameter: Parameter, modifier: str, value: str, *, name: str, now: datetime, base: str
) -> Direct:
    """Return the condition of a composite parameter; commas in the value are alternatives.

    Raises `SearchError`.
    """
    if modifier:
        raise SearchError(
            "unknown-modifier", "This parameter does not have that modifier", where=name,
            fix="Leave the modifier out",
        )  # fmt: skip
    texts: list[str] = []
    params: list[Any] = []
    for one in split(value, ","):
        parts = split(one, "$")
        if len(parts) != 2 or not all(parts):
            raise bad_value(name, "Write two values with $ between them, such as 8480-6$gt140")
        for pair in parameter.pairs:
            text, values = (
                _joint(parameter, pair[0], parts, name, base)
                if len(pair) == 1
                else _both(parameter, pair, parts, name, now, base)
            )
            texts.append(text)
            params += values
    return Direct("(" + " or ".join(texts) + ")", params)


def _both(
    parameter: Parameter, pair: tuple[int, ...], parts: list[str], name: str, now: datetime, base: str
) -> Fragment:
    """Return the condition where both parts stand once in a resource: that it has the one and the other."""
    found: list[Condition | Direct] = []
    for kind, path, part in zip(("token", parameter.second), pair, parts, strict=True):
        single = Parameter(parameter.type, name, kind, (path,))
        found.append(condition(single, "", part, name=name, now=now, base=base))
    texts, params = zip(*(one.sql("{r}") for one in found), strict=True)
    return f"({' and '.join(texts)})", [value for values in params for value in values]


def _joint(parameter: Parameter, path: int, parts: list[str], name: str, base: str) -> Fragment:
    """Return the condition that a row of an index of pairs has both parts."""
    front, exact = _front(parts[0], name)
    column = "x.id" if parameter.second == "reference" else "x.code"
    where, params = [f"x.path = {path}"], list[Any]()
    if parameter.second == "quantity":
        sql, values, unit = amount_span("quantity", parts[1], name)
        where.append(sql)
        params += values
        rest, system = (unit[1], unit[0]) if unit else ("", "")
        if system:
            where.append("x.system = %s")
            params.append(system_hash(system))
    elif parameter.second == "reference":
        given = unescape(parts[1]).removeprefix(f"{base}/" if base else "")
        target = reference(given) if "/" in given or ":" in given else None
        rest = target[1] if target else given
        if target:
            where.append("x.kind = %s")
            params.append(target[0])
        elif given in kinds():
            raise bad_value(name, "Write Type/id or an id")
    else:
        pieces = [unescape(piece) for piece in split(parts[1], "|")]
        if len(pieces) > 2 or not pieces[-1]:
            raise bad_value(name, "Write code$code or code$system|code")
        rest = pieces[-1]
        if len(pieces) == 2:
            where.append("x.system = %s")
            params.append(system_hash(pieces[0]))
    text, values = _beginning(column, front, exact, rest[:PART_MOST])
    met = " and ".join([*where, text, "x.rid = {r}.rid"])
    return f"exists (select 1 from record_{parameter.second} x where {met})", [*params, *values]  # noqa: S608 - our own names, values are parameters


def _front(text: str, name: str) -> tuple[str, bool]:
    """Return how the key of a pair begins, by its code; and whether that names the code's system too."""
    pieces = [unescape(piece) for piece in split(text, "|")]
    if len(pieces) > 2 or not pieces[-1]:
        raise bad_value(name, "Write code$value or system|code$value")
    code = pieces[-1][:PART_MOST]
    if len(pieces) == 1:
        return f"{code}{JOINT}", False
    return f"{code}{JOINT}{system_hash(pieces[0])}{JOINT}", True


def _beginning(column: str, front: str, exact: bool, rest: str) -> Fragment:
    if exact and rest:
        return f"{column} = %s", [front + rest]
    between = f"({column} >= %s and {column} < %s)"
    if exact or not rest:
        return between, [front, front + LAST]
    escaped = re.sub("([~%_])", r"~\1", f"{JOINT}{rest}")
    return f"({between} and {column} like %s escape '~')", [front, front + LAST, f"%{escaped}"]
