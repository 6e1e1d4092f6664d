"""Each search parameter as a condition on the index tables. Source: https://hl7.org/fhir/R4/search.html."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.record.json import as_float, number
from salus.record.rules.r4 import kinds
from salus.record.store.extract.values import (
    DAY,
    TEXT_MOST,
    TOKEN_MOST,
    URI_MOST,
    normal,
    number_span,
    reference,
    system_hash,
)
from salus.record.store.index import extractor
from salus.record.store.searching.parameters import Parameter
from salus.record.store.searching.query import SearchError, bad_value, split, unescape
from salus.record.store.stamp import micros

Fragment = tuple[str, list[Any]]
PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
LAST = "\U0010ffff"
# How likely a condition is to leave few rows, best first: where the database starts.
RANK = {
    "identifier": 0,
    "reference": 1,
    "day": 2,
    "string": 3,
    "uri": 4,
    "token": 5,
    "quantity": 6,
    "number": 7,
    "date": 8,
}
BY_KEY = {"token", "reference", "uri"}  # their keys end with the resource's number: one can be looked up
BY_RID = {"date", "string"}  # these have an index on the resource's number


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a resource: there is (or is not) a row of an index table with these properties.

    `where` speaks of the table as `x`. `exact` says that it fixes the key up to the resource's number,
    `bounded` that its rows are one stretch of the table's key: to read some of them costs only those.
    """

    table: str
    where: str
    params: list[Any]
    negative: bool = False
    exact: bool = False
    single: bool = False
    bounded: bool = False
    rank: int = 9

    def sql(self, alias: str) -> Fragment:
        """Return the condition on a resource under an alias, to be tested resource by resource."""
        no = "not " if self.negative else ""
        if self.table in BY_RID or (self.table in BY_KEY and self.exact):
            # The sign keeps the database from walking the whole path for each resource.
            where = self.where.replace("x.path", "+x.path", 1) if self.table in BY_RID else self.where
            rows = f"select 1 from record_{self.table} x where {where} and x.rid = {alias}.rid"  # noqa: S608 - our own names, values are parameters
            return f"{no}exists ({rows})", self.params
        return f"{alias}.rid {no}in {self.subquery()}", self.params

    def subquery(self) -> str:
        """Return the numbers of the resources with such a row, as a subquery."""
        return f"(select x.rid from record_{self.table} x where {self.where})"  # noqa: S608 - our own names, values are parameters


@dataclass(frozen=True, slots=True)
class Direct:
    """A condition on the resource's own row, with `{r}` for its alias."""

    text: str
    params: list[Any]

    def sql(self, alias: str) -> Fragment:
        """Return the condition on a resource under an alias."""
        return self.text.replace("{r}", alias), self.params


def paths_in(paths: Sequence[int]) -> str:
    """Return the condition on an index row's path."""
    listed = ", ".join(str(path) for path in paths)
    return f"x.path = {listed}" if len(paths) == 1 else f"x.path in ({listed})"


def condition(
    parameter: Parameter, modifier: str, value: str, *, name: str, now: datetime, base: str
) -> Condition | Direct:
    """Return the condition of one parameter; commas in the value are alternatives.

    Raises `SearchError` for a modifier or a value that the parameter cannot have.
    """
    if modifier == "missing":
        return _missing(parameter, value, name)
    if parameter.code == "_id":
        _no_modifier(modifier, name, "not")
        ids = [unescape(one) for one in split(value, ",")]
        return Direct(f"{{r}}.id {modifier} in ({', '.join(['%s'] * len(ids))})", ids)
    texts: list[str] = []
    params: list[Any] = []
    exact = True
    stretch = parameter.kind == "string" and modifier != "contains"
    day = False
    if parameter.kind == "date":
        dated = [_prefixed(one) for one in split(value, ",")]
        stretch = all(prefix == "eq" for prefix, _ in dated)
        day = stretch and all(len(date) >= len("2026-01-31") for _, date in dated)
    for one in split(value, ","):
        if one == "":
            raise bad_value(name, "Give a value, or leave the parameter out")
        text, values, fixed = _alternative(parameter, modifier, one, name, now, base)
        texts.append(text)
        params += values
        exact = exact and fixed
    joined = texts[0] if len(texts) == 1 else "(" + " or ".join(texts) + ")"
    if parameter.code == "_lastUpdated":
        return Direct(joined, params)
    identifying = parameter.kind == "token" and parameter.code == "identifier"
    single = exact and len(texts) == 1 and len(parameter.paths) == 1
    ranked = "identifier" if identifying else "day" if day else parameter.kind
    return Condition(
        parameter.kind,
        f"{paths_in(parameter.paths)} and {joined}",
        params,
        negative=modifier in {"not", "not-in"},
        exact=exact,
        single=single,
        bounded=exact or stretch,
        rank=RANK[ranked],
    )


def _no_modifier(modifier: str, name: str, *allowed: str) -> None:
    if modifier and modifier not in allowed:
        raise SearchError(
            "unknown-modifier",
            "This parameter does not have that modifier",
            where=name,
            fix="Leave the modifier out",
        )


def _missing(parameter: Parameter, value: str, name: str) -> Condition | Direct:
    if value not in {"true", "false"}:
        raise bad_value(name, "Use true or false")
    if not parameter.paths:
        return Direct("1=0" if value == "true" else "1=1", [])
    return Condition(parameter.kind, paths_in(parameter.paths), [], negative=value == "true")


def _alternative(
    parameter: Parameter, modifier: str, text: str, name: str, now: datetime, base: str
) -> tuple[str, list[Any], bool]:
    """Return the condition of one value on an index row `x`, and whether it fixes the row's key."""
    match parameter.kind:
        case "token":
            if modifier in {"in", "not-in", "below", "above"}:
                return _of_terminology(parameter, modifier, text, name)
            _no_modifier(modifier, name, "not")
            return _token(parameter, text, name)
        case "string":
            _no_modifier(modifier, name, "exact", "contains")
            return _string(modifier, text)
        case "reference":
            return _reference(parameter, modifier, text, name, base)
        case "uri":
            _no_modifier(modifier, name, "below", "above")
            return _uri(modifier, text)
        case "date":
            _no_modifier(modifier, name)
            return _date(parameter, text, name, now)
        case _:
            _no_modifier(modifier, name)
            return _amount(parameter.kind, text, name)


def _token(parameter: Parameter, text: str, name: str) -> tuple[str, list[Any], bool]:
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise bad_value(name, "Write code, system|code, |code or system|")
    code = parts[-1][:TOKEN_MOST]
    if len(parts) == 1 or (parameter.plain_code and code):
        return "x.code = %s", [code], True
    system = system_hash(parts[0])
    if not code:
        return "x.system = %s", [system], False
    return "(x.code = %s and x.system = %s)", [code, system], True


def _of_terminology(parameter: Parameter, modifier: str, text: str, name: str) -> tuple[str, list[Any], bool]:
    """Return the condition that a code is in a value set, or under or over another code (or is it)."""
    from salus.kernel.errors import SalusError
    from salus.record.terminology import queries  # loads models, which few searches need

    try:
        if modifier in {"in", "not-in"}:
            wanted = [(of, list(codes)) for of, codes in queries.members(unescape(text))]
        else:
            of, _, code = (unescape(part) for part in text.rpartition("|"))
            where = queries.system(of)
            wanted = [(of, [code, *(where.below(code) if modifier == "below" else where.above(code))])]
    except SalusError as error:
        raise SearchError("bad-value", error.message, where=name, fix=error.fix) from None
    texts: list[str] = []
    params: list[Any] = []
    for of, codes in wanted:
        parts = ["x.system = %s"] if not parameter.plain_code or not codes else []
        params += [system_hash(of)] if parts else []
        if codes:
            parts.append(f"x.code in ({', '.join(['%s'] * len(codes))})")
            params += codes
        elif parameter.plain_code:  # bare codes: all of the system's, by name
            found = [one.code for one in queries.system(of).concepts("", queries.EXPANDED_MOST)[0]]
            parts, params = [f"x.code in ({', '.join(['%s'] * len(found))})"], [*params[:-1], *found]
        texts.append("(" + " and ".join(parts) + ")")
    return "(" + " or ".join(texts) + ")", params, False


def _string(modifier: str, text: str) -> tuple[str, list[Any], bool]:
    plain = unescape(text)
    wanted = normal(plain)
    if modifier == "exact":
        given = plain[:TEXT_MOST]
        return "(x.value = %s and x.exact = %s)", [wanted, "" if wanted == given else given], False
    if modifier == "contains":
        escaped = re.sub("([~%_])", r"~\1", wanted)
        return "x.value like %s escape '~'", [f"%{escaped}%"], False
    return "(x.value >= %s and x.value < %s)", [wanted, wanted + LAST], False


def _reference(
    parameter: Parameter, modifier: str, text: str, name: str, base: str
) -> tuple[str, list[Any], bool]:
    given = unescape(text)
    if base and given.startswith(base):
        given = given[len(base) :].lstrip("/")
    if modifier:
        if modifier not in kinds():
            _no_modifier(modifier, name)
        given = given if "/" in given else f"{modifier}/{given}"
        if not given.startswith(f"{modifier}/"):
            return "1=0", [], True
    if "/" in given or ":" in given or "|" in given:
        target = reference(given)
        if target is None:
            raise bad_value(name, "Write Type/id, an id or a URL")
        return "(x.id = %s and x.kind = %s)", [target[1], target[0]], True
    if parameter.targets:
        listed = ", ".join(str(kinds()[one]) for one in parameter.targets if one in kinds())
        return f"(x.id = %s and x.kind in ({listed}))", [given], True
    return "x.id = %s", [given], True


def _uri(modifier: str, text: str) -> tuple[str, list[Any], bool]:
    given = unescape(text)[:URI_MOST]
    if modifier == "below":
        return "(x.value >= %s and x.value < %s)", [given, given + LAST], False
    if modifier == "above":  # the addresses that this one lies under, by whole segments
        ends = [
            at for at, sign in enumerate(given) if sign == "/" and given[at - 1 : at] not in {"/", ":", ""}
        ]
        wider = [given[:at] for at in ends] + [given[: at + 1] for at in ends] + [given]
        return f"x.value in ({', '.join(['%s'] * len(wider))})", wider, False
    return "x.value = %s", [given], True


def _prefixed(text: str) -> tuple[str, str]:
    match = PREFIX.fullmatch(text)
    return (match[1] or "eq", match[2]) if match else ("eq", text)


def _date(parameter: Parameter, text: str, name: str, now: datetime) -> tuple[str, list[Any], bool]:
    prefix, given = _prefixed(text)
    try:
        low, high = extractor().calendar.span(given.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise bad_value(name, "Write a date as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from None
    if prefix == "ap":
        # A tenth of the way to the present either side, as the standard proposes.
        slack = abs(micros(now) - (low + high) // 2) // 10
        low, high = low - slack, high + slack
    if parameter.code == "_lastUpdated":
        template = {
            "eq": "({r}.updated >= %s and {r}.updated <= %s)",
            "ap": "({r}.updated >= %s and {r}.updated <= %s)",
            "ne": "not ({r}.updated >= %s and {r}.updated <= %s)",
        }
        if prefix in template:
            return template[prefix], [low, high], False
        return {
            "gt": ("{r}.updated > %s", [high], False),
            "sa": ("{r}.updated > %s", [high], False),
            "ge": ("{r}.updated >= %s", [low], False),
            "lt": ("{r}.updated < %s", [low], False),
            "eb": ("{r}.updated < %s", [low], False),
            "le": ("{r}.updated <= %s", [high], False),
        }[prefix]
    after = "((x.long = 0 and x.low > %s and x.high > %s) or (x.long = 1 and x.high > %s))"
    within = "(x.long in (0, 1) and x.low >= %s and x.low <= %s and x.high <= %s)"
    match prefix:
        case "eq":
            return within, [low, high, high], False
        case "ne":
            return "(x.low < %s or x.high > %s)", [low, high], False
        case "gt":
            return after, [high - DAY, high, high], False
        case "ge":
            return f"({after} or {within})", [high - DAY, high, high, low, high, high], False
        case "lt":
            return "(x.long in (0, 1) and x.low < %s)", [low], False
        case "le":
            return f"(x.low < %s or {within})", [low, low, high, high], False
        case "sa":
            return "(x.long in (0, 1) and x.low > %s)", [high], False
        case "eb":
            return "(x.long in (0, 1) and x.low < %s and x.high < %s)", [low, low], False
        case _:
            return "(x.low <= %s and x.high >= %s)", [high, low], False


def _amount(kind: str, text: str, name: str) -> tuple[str, list[Any], bool]:
    sql, params, unit = amount_span(kind, text, name)
    if unit and unit[1]:
        sql, params = f"({sql} and x.code = %s)", [*params, unit[1]]
        if unit[0]:
            sql, params = f"({sql} and x.system = %s)", [*params, system_hash(unit[0])]
    return sql, params, False


def amount_span(kind: str, text: str, name: str) -> tuple[str, list[Any], tuple[str, str] | None]:
    """Return the condition of a number or quantity without its unit, and the unit as (system, code)."""
    parts = split(text, "|")
    prefix, given = _prefixed(parts[0])
    try:
        low, high = number_span(given)
        value = as_float(number(given))
    except ValueError:
        raise bad_value(
            name, "Write a number such as 5.4, or for a quantity 5.4||mg or 5.4|system|mg"
        ) from None
    if len(parts) not in ({1, 3} if kind == "quantity" else {1}):
        raise bad_value(name, "Write a quantity as 5.4, 5.4||mg or 5.4|system|mg")
    first, last = ("x.low", "x.high") if kind == "quantity" else ("x.value", "x.value")
    if prefix == "ap":
        slack = abs(value) * 0.1
        low, high = min(low, value - slack), max(high, value + slack)
    choices: dict[str, Fragment] = {
        "eq": (f"({first} >= %s and {first} < %s and {last} < %s)", [low, high, high]),
        "ne": (f"({first} < %s or {last} >= %s)", [low, high]),
        "gt": (f"{last} > %s", [value]),
        "ge": (f"{last} >= %s", [value]),
        "lt": (f"{first} < %s", [value]),
        "le": (f"{first} <= %s", [value]),
        "sa": (f"{first} > %s", [value]),
        "eb": (f"{last} < %s", [value]),
        "ap": (f"({first} <= %s and {last} >= %s)", [high, low]),
    }
    sql, params = choices[prefix]
    unit = (unescape(parts[1]), unescape(parts[2])) if len(parts) == 3 else None
    return sql, params, unit
