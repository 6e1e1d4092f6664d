"""Conditions as published groupers write them (`record.zdList[0] in adrg_zd and …`), read into the language.

The text is parsed and every node is matched against the closed list below; nothing is ever evaluated.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from salus.insurance.scheme.predicates import (
    FALSE,
    TRUE,
    And,
    BadPredicate,
    Compare,
    Const,
    Count,
    In,
    Known,
    NumberField,
    OneOf,
    Op,
    Place,
    Predicate,
    Severity,
    TextField,
    all_of,
    any_of,
    negated,
)

_NUMBERS: dict[str, NumberField] = {
    "age": "age", "ageday": "age_day", "age_day": "age_day", "agedays": "age_day", "nl": "age",
    "weight": "weight", "birthweight": "weight", "gender": "sex", "sex": "sex",
    "inhospitaltime": "los", "los": "los", "staydays": "los", "days": "los",
    "icuhours": "icu_hours", "icu_hours": "icu_hours",
}  # fmt: skip
_TEXTS: dict[str, TextField] = {
    "leavingtype": "discharge", "discharge": "discharge", "leaving": "discharge",
    "dept": "department", "department": "department",
}  # fmt: skip
_LISTS = {"zdlist": "dx", "sslist": "pr", "dx": "dx", "pr": "pr", "dxlist": "dx", "prlist": "pr"}
_OPS: dict[type[ast.cmpop], Op] = {
    ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_TURNED: dict[Op, Op] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of a condition stand for.

    `sets` gives the scheme's set of a name such as `adrg_zd`, or None where there is none; `literal` keeps
    a list written in the condition itself and returns its name; `matched` gives the set of a number in
    `"2" in ss_matched`; `texts` gives the values of a list of words such as `dept_list`.
    """

    sets: Callable[[str], str | None]
    literal: Callable[[str, tuple[str, ...]], str]
    matched: Callable[[str], str | None] = lambda number: None
    texts: Callable[[str], tuple[str, ...]] = lambda name: ()
    kinds: dict[str, str] = field(default_factory=dict)


def read(text: str, names: Names, where: str = "") -> Predicate:
    """Read one condition; raises `BadPredicate` for anything that is not in the closed list."""
    words = text.strip()
    if len(words) > _LONGEST:
        raise BadPredicate("scheme-condition", "the condition is too long", where=where)
    try:
        tree = ast.parse(words or "True", mode="eval")
        return _Condition(words, names, where).read(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadPredicate("scheme-condition", f"this cannot be read: {words[:200]}", where=where) from None


class _Condition:
    def __init__(self, text: str, names: Names, where: str) -> None:
        self.text, self.names, self.where = text, names, where

    def wrong(self, node: ast.AST, why: str = "is not understood") -> BadPredicate:
        return BadPredicate(
            "scheme-condition",
            f"{ast.unparse(node)!r} {why} in the condition: {self.text[:300]}",
            where=self.where,
            fix="What conditions may say stands in docs/drg.md.",
        )

    def read(self, node: ast.expr) -> Predicate:
        match node:
            case ast.Constant(value=bool() as value):
                return Const(value)
            case ast.BoolOp(op=ast.And(), values=values):
                return _plain(all_of(*map(self.read, values)))
            case ast.BoolOp(op=ast.Or(), values=values):
                return any_of(*map(self.read, values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.read(operand))
            case ast.Compare(left=left, ops=ops, comparators=rights):
                lefts = [left, *rights[:-1]]
                return all_of(
                    *(self.compare(node, a, op, b) for a, op, b in zip(lefts, ops, rights, strict=True))
                )
            case ast.Call():
                return self.call(node)
            case ast.Attribute() | ast.Name() | ast.Subscript():
                return self.truth(node)
        raise self.wrong(node)

    def truth(self, node: ast.expr) -> Predicate:
        """A list is true unless empty, a number unless unknown or 0."""
        if isinstance(node, ast.Name) and node.id.lower() in ("true", "false"):
            return Const(node.id.lower() == "true")
        if isinstance(node, ast.Name) and node.id.lower() in ("mcc", "cc", "has_mcc", "has_cc"):
            return Severity("mcc" if node.id.lower().endswith("mcc") else "cc")
        if place := self.place(node):
            return _any_code(place)
        if (name := self.field(node)) and name in _NUMBERS.values():
            return all_of(Known(name), Compare(cast(NumberField, name), "<>", 0))
        if name:
            return Known(name)
        raise self.wrong(node)

    def call(self, node: ast.Call) -> Predicate:
        name = node.func.id.lower() if isinstance(node.func, ast.Name) else ""
        if name in ("has_mcc", "has_cc"):
            return Severity("mcc" if name == "has_mcc" else "cc")
        if name in ("bool", "any") and len(node.args) == 1:
            return self.read(node.args[0])
        if name == "intersect" and len(node.args) == 2:
            first, second = node.args
            place, codes = self.place(first), second
            if place is None:
                place, codes = self.place(second), first
            if place:
                return self.hits(place, codes, node)
        if (
            isinstance(node.func, ast.Attribute)
            and node.func.attr == "intersection"
            and len(node.args) == 1
            and (place := self.place(node.func.value) or self.place(node.args[0]))
        ):
            codes = node.args[0] if self.place(node.func.value) else node.func.value
            return self.hits(place, codes, node)
        raise self.wrong(node)

    def hits(self, place: Place, codes: ast.expr, node: ast.expr) -> Predicate:
        name = self.codes(place, codes, node)
        return In(place, name) if name else FALSE

    def compare(self, node: ast.expr, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Predicate:
        if isinstance(op, ast.In | ast.NotIn):
            found = self.member(node, left, right)
            return negated(found) if isinstance(op, ast.NotIn) else found
        if isinstance(right, ast.Constant) and right.value is None:
            if not (name := self.field(left)):
                raise self.wrong(node)
            known = isinstance(op, ast.NotEq | ast.IsNot)
            return Known(name) if known else negated(Known(name))
        sign = _OPS.get(type(op))
        if sign is None:
            raise self.wrong(node)
        if self.number(left) is not None:
            left, right, sign = right, left, _TURNED[sign]
        number = self.number(right)
        if counted := self.counted(left):
            if number is None:
                raise self.wrong(node)
            return counted(sign, number)
        if not (name := self.field(left)):
            raise self.wrong(node)
        if name in _TEXTS.values():
            value = right.value if isinstance(right, ast.Constant) else None
            if sign not in ("=", "<>") or not isinstance(value, str | int):
                raise self.wrong(node)
            found = OneOf(cast(TextField, name), (str(value),))
            return found if sign == "=" else all_of(Known(name), negated(found))
        if number is None:
            raise self.wrong(node)
        return Compare(cast(NumberField, name), sign, number)

    def counted(self, node: ast.expr) -> Callable[[Op, int], Predicate] | None:
        """Read `len(…)`: of a list, or of what it shares with a set."""
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"):
            return None
        if len(node.args) != 1:
            raise self.wrong(node)
        inner = node.args[0]
        place = self.place(inner)
        if place in ("any_dx", "any_pr"):
            length: NumberField = "n_dx" if place == "any_dx" else "n_pr"
            return lambda op, number: Compare(length, op, number)
        if place in ("other_dx", "other_pr"):
            further: NumberField = "n_dx" if place == "other_dx" else "n_pr"
            return lambda op, number: Compare(further, op, number + 1)
        shared = self.call(inner) if isinstance(inner, ast.Call) else None
        if isinstance(shared, In):
            return lambda op, number: Count(shared.place, shared.name, op, number)
        if shared == FALSE:
            return lambda op, number: Const(_holds(0, op, number))
        raise self.wrong(node)

    def member(self, node: ast.expr, left: ast.expr, right: ast.expr) -> Predicate:
        if isinstance(left, ast.Constant) and isinstance(right, ast.Name):
            if right.id.lower().endswith("_matched"):
                name = self.names.matched(str(left.value))
                return (
                    In("any_pr" if right.id.lower().startswith("ss") else "any_dx", name) if name else FALSE
                )
            raise self.wrong(node)
        if isinstance(left, ast.Constant) and (place := self.place(right)):
            return In(place, self.names.literal(place[-2:], (str(left.value),)))
        if place := self.place(left):
            return self.hits(place, right, node)
        if name := self.field(left):
            values = self.values(right)
            if values is None and isinstance(right, ast.Name):
                values = self.names.texts(right.id)
            if values is None:
                raise self.wrong(node)
            if name in _TEXTS.values():
                return OneOf(cast(TextField, name), values) if values else FALSE
            if not all(value.isdigit() for value in values):
                raise self.wrong(node)
            return any_of(*(Compare(cast(NumberField, name), "=", int(value)) for value in values))
        raise self.wrong(node)

    def place(self, node: ast.expr) -> Place | None:
        """Return the place that `record.zdList`, `[0]` or `[1:]` of it, or `set(…)` around it names."""
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("set", "list")
            and len(node.args) == 1
        ):
            return self.place(node.args[0])
        if isinstance(node, ast.Subscript):
            kind = self.list_kind(node.value)
            if kind is None:
                return None
            match node.slice:
                case ast.Constant(value=0):
                    return "pdx" if kind == "dx" else "main_pr"
                case ast.Slice(lower=ast.Constant(value=1), upper=None, step=None):
                    return "other_dx" if kind == "dx" else "other_pr"
                case ast.Slice(lower=None, upper=ast.Constant(value=1), step=None):
                    return "pdx" if kind == "dx" else "main_pr"
            raise self.wrong(node)
        kind = self.list_kind(node)
        return None if kind is None else "any_dx" if kind == "dx" else "any_pr"

    def list_kind(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "record":
            return _LISTS.get(node.attr.lower())
        return None

    def field(self, node: ast.expr) -> NumberField | TextField | None:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("int", "float", "str")
            and len(node.args) == 1
        ):
            return self.field(node.args[0])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "record":
            name = node.attr
        elif isinstance(node, ast.Name):
            name = node.id
        else:
            return None
        return _NUMBERS.get(name.lower()) or _TEXTS.get(name.lower())

    def number(self, node: ast.expr) -> int | None:
        """Return a whole number, also one in quotes (`gender=="1"`)."""
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool):
            try:
                value = float(str(node.value))
            except ValueError:
                return None
            return int(value) if value == int(value) else None
        return None

    def values(self, node: ast.expr) -> tuple[str, ...] | None:
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            found = []
            for one in node.elts:
                if not (isinstance(one, ast.Constant) and isinstance(one.value, str | int)):
                    raise self.wrong(node)
                found.append(str(one.value))
            return tuple(found)
        return None

    def codes(self, place: Place, node: ast.expr, whole: ast.expr) -> str | None:
        """Return the name of the set that a name or a written list stands for; None for an empty one."""
        values = self.values(node)
        if values is not None:
            return self.names.literal("dx" if place.endswith("dx") else "pr", values) if values else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "set":
            return self.codes(place, node.args[0], whole) if len(node.args) == 1 else None
        if isinstance(node, ast.Name):
            return self.names.sets(node.id)
        raise self.wrong(whole)


def _plain(rule: Predicate) -> Predicate:
    """Drop from a conjunction what its other parts imply: a list with a wanted code is not empty."""
    if not isinstance(rule, And):
        return rule
    places = {part.place for part in rule.parts if isinstance(part, In)}
    compared = {part.field for part in rule.parts if isinstance(part, Compare)}
    implied: set[Predicate] = {Known(name) for name in compared}
    if places & {"main_pr", "any_pr", "other_pr"}:
        implied.add(Compare("n_pr", ">=", 1))
    if places & {"pdx", "any_dx", "other_dx"}:
        implied.add(Compare("n_dx", ">=", 1))
    return all_of(*(part for part in rule.parts if part not in implied))


def _any_code(place: Place) -> Predicate:
    """A place holds a code at all."""
    if place in ("any_dx", "pdx"):
        return Compare("n_dx", ">=", 1)
    if place in ("any_pr", "main_pr"):
        return Compare("n_pr", ">=", 1)
    return Compare("n_dx" if place == "other_dx" else "n_pr", ">=", 2)


def _holds(left: int, op: Op, right: int) -> bool:
    return {
        "=": left == right, "<>": left != right, "<": left < right,
        "<=": left <= right, ">": left > right, ">=": left >= right,
    }[op]  # fmt: skip


__all__ = ["FALSE", "TRUE", "Names", "read"]
