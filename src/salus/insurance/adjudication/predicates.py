"""The closed language in which edits say what is wrong: read once, then run as SQL or as Python, equally.

    claim.kind == 'inpatient' and days(claim.admitted, claim.discharged) > 90
    not (item.licence in institution.licences)
    any_starts(claim.diagnoses, 'O80', 'O82') and person.sex != 'female'

Fields are those of `FIELDS`; constants are whole numbers, decimals for quantities, text, `True` and `False`.
Operators: `and or not`, `== != < <= > >=`, `in` of constants in parentheses or of a list field,
`is None`, `is not None`, `+ -` of whole numbers; functions `day('2025-01-01')`, `days(a, b)`, `size(list)`,
`starts(text, 'A', …)`, `any_starts(list, 'A', …)`. A comparison with a missing value is unknown, and what is
unknown raises no edit (SQL's three-valued logic); a missing list is an empty one.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from salus.kernel.errors import Invalid

Level = Literal["claim", "line"]
Kind = Literal["whole", "milli", "text", "date", "flag", "list"]
Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its column in the tables of facts, the kind of its values, and where it is known."""

    column: str
    kind: Kind
    level: Level


def _fields(level: Level, words: str) -> dict[str, Field]:
    found = {}
    for one in words.split():
        name, kind = one.split(":")
        found[name] = Field(name.replace(".", "_"), kind, level)  # type: ignore[arg-type]
    return found


FIELDS: Mapping[str, Field] = {
    **_fields("claim", """
        as_of:date claim.known:flag claim.copies:whole claim.lines:whole claim.line_sum:whole
        claim.person:text claim.institution:text claim.kind:text claim.admitted:date claim.discharged:date
        claim.submitted:date claim.diagnoses:list claim.procedures:list claim.principal:text
        claim.referral:text claim.illness:text claim.charge:whole claim.unknown_diagnoses:whole
        claim.sex_clashes:whole claim.illness_fits:flag claim.registered:flag
        person.known:flag person.sex:text person.birth_date:date person.death_date:date person.age:whole
        person.class:text institution.known:flag institution.contracted:flag institution.tier:whole
        institution.district:text institution.licences:list institution.designated:list
        cover.scheme:text cover.starts:date cover.waiting_until:date"""),
    **_fields("line", """
        line.copies:whole line.service_date:date line.item:text line.quantity:milli line.unit_price:whole
        line.charge:whole line.expected:whole line.department:text
        item.known:flag item.listed:flag item.kind:text item.class:text item.sex:text item.min_age:whole
        item.max_age:whole item.care:text item.licence:text item.waiting_days:whole item.indicated:flag"""),
}  # fmt: skip
"""Every field that an edit may name: amounts in fen, quantities in units, ages in completed years."""

_COMPARED = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a predicate: its kind, its SQL over the fields' columns, and its value over facts."""

    kind: Kind
    sql: str
    value: Callable[[Facts], Any]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A predicate that was read: SQL that is true, false or null, and the same over a mapping of facts."""

    words: str
    level: Level
    fields: tuple[str, ...]
    sql: str
    value: Callable[[Facts], Any]

    def holds(self, facts: Facts) -> bool:
        """Say whether it is true of facts, given by the fields' columns."""
        return self.value(facts) is True


def read(words: str, limit: int | None = None) -> Predicate:
    """Read a predicate, `limit` standing for the rule's; raises `Invalid` naming what is not in it."""
    try:
        tree = ast.parse(words.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise _bad("it cannot be read", words) from None
    if limit is not None:
        tree = _Limit(limit).visit(tree)
    names: list[str] = []
    term = _term(tree, words, names)
    if term.kind != "flag":
        raise _bad("it is no yes or no", words)
    level: Level = "line" if any(FIELDS[name].level == "line" for name in names) else "claim"
    return Predicate(words, level, tuple(dict.fromkeys(names)), term.sql, term.value)


class _Limit(ast.NodeTransformer):
    """Puts the rule's limit in the place of the word."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the constant for the name."""
        return ast.copy_location(ast.Constant(self.limit), node) if node.id == "limit" else node


def _bad(what: str, words: str) -> Invalid:
    return Invalid(
        "edit-predicate",
        f"a predicate is not in the language: {what}",
        where=words,
        fix="See the fields and operators in docs/adjudication.md.",
    )


def _term(node: ast.expr, words: str, names: list[str]) -> Term:
    if isinstance(node, ast.Constant):
        return _constant(node.value, words)
    if isinstance(node, ast.Name | ast.Attribute):
        return _field(ast.unparse(node), words, names)
    if isinstance(node, ast.BoolOp):
        terms = [_flag(one, words, names) for one in node.values]
        return _all(terms) if isinstance(node.op, ast.And) else _any(terms)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _not(_flag(node.operand, words, names))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _term(node.operand, words, names)
        if inner.kind == "whole":
            return Term("whole", f"(-{inner.sql})", _lifted(lambda a: -a, inner))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left, right = (_term(one, words, names) for one in (node.left, node.right))
        if left.kind == right.kind == "whole":
            if isinstance(node.op, ast.Add):
                return Term("whole", f"({left.sql} + {right.sql})", _lifted(lambda a, b: a + b, left, right))
            return Term("whole", f"({left.sql} - {right.sql})", _lifted(lambda a, b: a - b, left, right))
        raise _bad("+ and - are for whole numbers", words)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _comparison(node.left, node.ops[0], node.comparators[0], words, names)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, node.args, words, names)
    raise _bad(f"it has no {ast.unparse(node)}", words)


def _flag(node: ast.expr, words: str, names: list[str]) -> Term:
    term = _term(node, words, names)
    if term.kind != "flag":
        raise _bad(f"{ast.unparse(node)} is no yes or no", words)
    return term


def _constant(value: object, words: str) -> Term:
    if isinstance(value, bool):
        return Term("flag", "true" if value else "false", lambda _: value)
    if isinstance(value, int):
        return Term("whole", str(value), lambda _: value)
    if isinstance(value, float):
        exact = Decimal(repr(value)) * 1000
        if exact == exact.to_integral_value():
            thousandths = int(exact)
            return Term("milli", str(thousandths), lambda _: thousandths)
    if isinstance(value, str):
        return Term("text", _quoted(value), lambda _: value)
    raise _bad(f"it has no constant {value!r}", words)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _field(name: str, words: str, names: list[str]) -> Term:
    field = FIELDS.get(name)
    if field is None:
        raise _bad(f"there is no field {name}", words)
    names.append(name)
    column = field.column
    return Term(field.kind, column, lambda facts: facts[column])


def _lifted(of: Callable[..., Any], *terms: Term) -> Callable[[Facts], Any]:
    """Apply a function to values, giving nothing where one is missing."""

    def value(facts: Facts) -> Any:
        values = [term.value(facts) for term in terms]
        return None if any(one is None for one in values) else of(*values)

    return value


def _all(terms: Sequence[Term]) -> Term:
    def value(facts: Facts) -> bool | None:
        values = [term.value(facts) for term in terms]
        return False if False in values else None if None in values else True

    return Term("flag", "(" + " and ".join(term.sql for term in terms) + ")", value)


def _any(terms: Sequence[Term]) -> Term:
    def value(facts: Facts) -> bool | None:
        values = [term.value(facts) for term in terms]
        return True if True in values else None if None in values else False

    return Term("flag", "(" + " or ".join(term.sql for term in terms) + ")", value)


def _not(term: Term) -> Term:
    return Term("flag", f"(not {term.sql})", _lifted(lambda a: not a, term))


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr, words: str, names: list[str]) -> Term:
    if isinstance(operator, ast.Is | ast.IsNot):
        if not (isinstance(right, ast.Constant) and right.value is None):
            raise _bad("`is` is for None", words)
        term = _term(left, words, names)
        missing = Term("flag", f"({term.sql} is null)", lambda facts: term.value(facts) is None)
        return missing if isinstance(operator, ast.Is) else _not(missing)
    if isinstance(operator, ast.In | ast.NotIn):
        inside = _inside(_term(left, words, names), right, words, names)
        return inside if isinstance(operator, ast.In) else _not(inside)
    a, b = _term(left, words, names), _term(right, words, names)
    a, b = _same(a, b), _same(b, a)
    if a.kind != b.kind or a.kind == "list":
        raise _bad(f"{ast.unparse(left)} and {ast.unparse(right)} are not of one kind", words)
    sign = _COMPARED[type(operator)]
    return Term("flag", f"({a.sql} {sign} {b.sql})", _lifted(_ORDERS[sign], a, b))


def _same(a: Term, b: Term) -> Term:
    """Return a whole constant as thousandths where it is held against a quantity."""
    if a.kind == "whole" and b.kind == "milli" and a.sql.lstrip("-").isdigit():
        thousandths = int(a.sql) * 1000
        return Term("milli", str(thousandths), lambda _: thousandths)
    return a


def _inside(a: Term, right: ast.expr, words: str, names: list[str]) -> Term:
    if isinstance(right, ast.Tuple | ast.List):
        options = [_same(_term(one, words, names), a) for one in right.elts]
        constants = all(isinstance(one, ast.Constant) for one in right.elts)
        if not options or not constants or any(one.kind != a.kind for one in options):
            raise _bad(f"{ast.unparse(right)} are not constants of the kind of what is sought", words)
        sql = f"({a.sql} in ({', '.join(one.sql for one in options)}))"
        return Term("flag", sql, _lifted(lambda sought, *given: sought in given, a, *options))
    b = _term(right, words, names)
    if b.kind != "list" or a.kind != "text":
        raise _bad(f"{ast.unparse(right)} is no list of texts", words)

    def value(facts: Facts) -> bool:
        sought = a.value(facts)
        return sought is not None and sought in (b.value(facts) or ())

    return Term("flag", f"coalesce(list_contains({b.sql}, {a.sql}), false)", value)


def _day(node: ast.expr, words: str) -> Term:
    try:
        day = date.fromisoformat(node.value if isinstance(node, ast.Constant) else "")  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise _bad(f"{ast.unparse(node)} is no day", words) from None
    return Term("date", f"date '{day.isoformat()}'", lambda _: day)


def _call(name: str, args: Sequence[ast.expr], words: str, names: list[str]) -> Term:
    if name == "day" and len(args) == 1:
        return _day(args[0], words)
    terms = [_term(one, words, names) for one in args]
    kinds = [term.kind for term in terms]
    if name == "days" and kinds == ["date", "date"]:
        a, b = terms
        days: Callable[[date, date], int] = lambda first, last: (last - first).days  # noqa: E731
        return Term("whole", f"date_diff('day', {a.sql}, {b.sql})", _lifted(days, a, b))
    if name == "size" and kinds == ["list"]:
        of = terms[0]
        return Term("whole", f"coalesce(len({of.sql}), 0)", lambda facts: len(of.value(facts) or ()))
    constants = [one.value for one in args[1:] if isinstance(one, ast.Constant)]
    prefixes = tuple(one for one in constants if isinstance(one, str) and one)
    if name in ("starts", "any_starts") and prefixes and len(prefixes) == len(args) - 1:
        of = terms[0]
        if name == "starts" and of.kind == "text":
            sql = " or ".join(f"starts_with({of.sql}, {_quoted(one)})" for one in prefixes)
            return Term("flag", f"({sql})", _lifted(lambda text: text.startswith(prefixes), of))
        if name == "any_starts" and of.sql in ("claim_diagnoses", "claim_procedures"):
            # The engines have no function over a list's texts: facts hold them joined, each after a `;`.
            sql = " or ".join(f"contains({of.sql}_text, {_quoted(';' + one)})" for one in prefixes)
            sought = tuple(";" + one for one in prefixes)

            def value(facts: Facts) -> bool:
                joined = "".join(";" + one for one in of.value(facts) or () if one is not None)
                return any(one in joined for one in sought)

            return Term("flag", f"({sql})", value)
    raise _bad(f"there is no {name} of these", words)
