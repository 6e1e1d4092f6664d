"""What the rules of translation share: writing Spark's words around translated parts."""

from collections.abc import Callable
from typing import Any, NoReturn

from sqlglot import exp

from salus.engine.portable import NotPortable
from salus.engine.types import Kind, kind, spark_type
from salus.engine.typing import TYPE

Rule = Callable[[Any], exp.Expr]


class Rules:
    """The rules of one topic: which function translates which kind of node."""

    def __init__(self) -> None:
        self._rules: dict[type[exp.Expr], Rule] = {}

    def on(self, *kinds: type[exp.Expr]) -> Callable[[Rule], Rule]:
        """Register a rule: it gets a node with translated parts and returns what to put there."""

        def register(rule: Rule) -> Rule:
            self._rules.update(dict.fromkeys(kinds, rule))
            return rule

        return register

    def of(self, node: exp.Expr) -> Rule | None:
        """Return the rule for a node, if there is one."""
        return self._rules.get(type(node))


def text(words: str, *parts: exp.Expr) -> exp.Expr:
    """Return Spark's words as they are, each part's own in its place `{0}`, `{1}`, …"""
    return exp.Var(this=words.format(*(spark(part) for part in parts)) if parts else words)


def spark(node: exp.Expr) -> str:
    """Return a translated part in Spark's words."""
    return str(node.sql(dialect="spark"))


def type_of(node: exp.Expr) -> str:
    """Return the type DuckDB gives a part; empty where it gives none."""
    return str(node.meta.get(TYPE) or "")


def as_type(node: exp.Expr, type: str) -> exp.Expr:
    """Return a part at the width that DuckDB gives it."""
    if not type or kind(type) is None:
        return node
    return text(f"cast({{0}} as {spark_type(type)})", node)


def refuse(construct: str, fix: str = "") -> NoReturn:
    """Say that something is not portable; the caller's place is added on the way out."""
    raise NotPortable(construct, fix=fix)


def of_kind(node: exp.Expr, *kinds: Kind) -> None:
    """Refuse a part that is not of one of the given kinds."""
    found = kind(type_of(node))
    if found is not None and found not in kinds:
        refuse(f"{found} where {' or '.join(kinds)} is portable", "Cast it.")


def constant(node: exp.Expr) -> bool:
    """Say whether a part is a number that stands in the statement and is not zero."""
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) != 0


def whole(node: exp.Expr, what: str, *, least: int) -> int:
    """Return a constant whole number; refuses anything else."""
    if (
        isinstance(node, exp.Literal)
        and not node.is_string
        and node.name.isdigit()
        and int(node.name) >= least
    ):
        return int(node.name)
    refuse(f"{what} that is no constant from {least}", "Write the number.")


def words_of(node: exp.Expr, what: str) -> str:
    """Return a constant text; refuses anything else."""
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.name)
    refuse(f"{what} that is no constant", "Write the text.")


def literal(words: str) -> str:
    """Return a text as Spark's SQL writes it."""
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


def name_of(node: exp.Expr) -> str:
    """Return an identifier's name."""
    return str(node.name)
