"""Rules as conditions of SQL over a kind of case: bits of words, flags, counts and severity."""

from salus.insurance.drg.asked import Asked, counted_name, further_name
from salus.insurance.scheme.predicates import (
    And,
    Compare,
    Const,
    Count,
    In,
    Known,
    Not,
    OneOf,
    Or,
    Place,
    Predicate,
    Sets,
    Severity,
)

FLAGS = 60
"""Flags of a word."""


class Conditions:
    """Writes a scheme's rules as conditions; `asked` says which bit each set and flag is."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def sql(self, rule: Predicate) -> str:
        """Return a rule as a condition over a kind of case."""
        match rule:
            case Const(value):
                return "true" if value else "false"
            case And(parts):
                return "(" + " and ".join(map(self.sql, parts)) + ")"
            case Or(parts):
                return "(" + " or ".join(map(self.sql, parts)) + ")"
            case Not(part):
                return f"not ({self.sql(part)})"
            case In("all_other_dx", name):
                return f"a{self.asked.whole.index(name)} = 1"
            case In(place, name):
                return self._hit(place, name)
            case Sets(place, names, op, number):
                terms = " + ".join(f"case when {self._hit(place, name)} then 1 else 0 end" for name in names)
                return f"({terms}) {op} {number}"
            case Count(place, name, op, number):
                return f"({self._count(place, name)}) {op} {number}"
            case Severity(level):
                return f"{level} = 1"
            case Compare() | OneOf() | Known():
                at = self.asked.flags.index(rule)
                return _bit(f"f{at // FLAGS}", 1 << (at % FLAGS))

    def _hit(self, place: Place, name: str) -> str:
        asked, found = self.asked, []
        if place in ("pdx", "any_dx"):
            word, bit = asked.first_dx.place(name)
            found.append(_bit(f"p{word}", bit))
        if place in ("main_pr", "any_pr"):
            word, bit = asked.first_pr.place(name)
            found.append(_bit(f"q{word}", bit))
        if place not in ("pdx", "main_pr"):
            word, bit = asked.further.place(further_name(place, name))
            found.append(_bit(f"w{word}", bit))
        return found[0] if len(found) == 1 else f"({' or '.join(found)})"

    def _count(self, place: Place, name: str) -> str:
        found = []
        if place not in ("other_dx", "other_pr"):
            first = self._hit("pdx" if place.endswith("dx") else "main_pr", name)
            found.append(f"case when {first} then 1 else 0 end")
        if place not in ("pdx", "main_pr"):
            found.append(f"k{self.asked.counts.index(counted_name(place, name))}")
        return " + ".join(found)


def flag_sql(flag: Compare | OneOf | Known) -> str:
    """Return a question of a case's own columns: false, never null, where the value is not known."""
    column = {"sex": "c.gender", "n_dx": "coalesce(len(c.dx), 0)", "n_pr": "coalesce(len(c.pr), 0)"}.get(
        flag.field, f"c.{flag.field}"
    )
    match flag:
        case Compare(_, op, number):
            return f"{column} {op} {number}"
        case OneOf(_, values):
            return f"{column} in ({', '.join(map(quoted, values))})"
        case Known():
            return f"{column} is not null"


def _bit(word: str, bit: int) -> str:
    return f"{word} % {2 * bit} >= {bit}"


def quoted(text: str) -> str:
    """Return a text as a constant of SQL."""
    return "'" + text.replace("'", "''") + "'"
