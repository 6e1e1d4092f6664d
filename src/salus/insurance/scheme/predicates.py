"""The closed language of grouping rules: what a gate, a group or a split of a scheme may ask of a case.

    pdx in mdc_b and sex = 1
    main_pr in AA1.pr1 or (any_pr in JA2.pr2 and any_pr in JA2.pr3)
    sets(any_dx in Z.head, Z.chest, Z.pelvis) >= 2
    age_day <= 28 and weight < 1500
    mcc or cc

Places: `pdx` the principal diagnosis, `other_dx` any further one, `any_dx` either; `main_pr`, `other_pr` and
`any_pr` likewise for procedures; `all_other_dx` every further diagnosis (also where there is none). `sets`
counts how many of the named sets a place hits, `count` how many different codes of one set stand there. A
comparison of a value that is not known is false. Nothing else can be said, so every rule can be compiled to
SQL, explained, and searched for a case that meets it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from salus.kernel.errors import Invalid

Place: TypeAlias = Literal["pdx", "other_dx", "any_dx", "all_other_dx", "main_pr", "other_pr", "any_pr"]
Op: TypeAlias = Literal["=", "<>", "<", "<=", ">", ">="]
NumberField: TypeAlias = Literal["age", "age_day", "weight", "los", "icu_hours", "sex", "n_dx", "n_pr"]
TextField: TypeAlias = Literal["discharge", "department"]

PLACES: tuple[Place, ...] = (
    "pdx", "other_dx", "any_dx", "all_other_dx", "main_pr", "other_pr", "any_pr",
)  # fmt: skip
NUMBERS: tuple[NumberField, ...] = ("age", "age_day", "weight", "los", "icu_hours", "sex", "n_dx", "n_pr")
TEXTS: tuple[TextField, ...] = ("discharge", "department")
OPS: tuple[Op, ...] = ("=", "<>", "<", "<=", ">", ">=")
SET_NAME = re.compile(r"[^\W\d][\w.\-/+]*|\d[\w.\-/+]*")


@dataclass(frozen=True, slots=True)
class Const:
    """Always true, or never."""

    value: bool


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    parts: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: "Predicate"


@dataclass(frozen=True, slots=True)
class In:
    """A code of the set `name` stands at the place."""

    place: Place
    name: str


@dataclass(frozen=True, slots=True)
class Sets:
    """How many of the sets are hit at the place, compared with `number`."""

    place: Place
    names: tuple[str, ...]
    op: Op
    number: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many different codes of the set stand at the place, compared with `number`."""

    place: Place
    name: str
    op: Op
    number: int


@dataclass(frozen=True, slots=True)
class Compare:
    """A number of the case compared with `number`: false where it is not known."""

    field: NumberField
    op: Op
    number: int


@dataclass(frozen=True, slots=True)
class OneOf:
    """A word of the case is one of the values: false where it is not known."""

    field: TextField
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A number or word of the case is known."""

    field: NumberField | TextField


@dataclass(frozen=True, slots=True)
class Severity:
    """A further diagnosis counts as MCC (or as CC): its exclusion group does not hold the principal."""

    level: Literal["mcc", "cc"]


Atom: TypeAlias = In | Sets | Count | Compare | OneOf | Known | Severity
Predicate: TypeAlias = Const | And | Or | Not | In | Sets | Count | Compare | OneOf | Known | Severity

TRUE = Const(True)
FALSE = Const(False)


class BadPredicate(Invalid):
    """A rule that the language does not hold."""


def all_of(*parts: Predicate) -> Predicate:
    """Return the conjunction, without constants and nesting."""
    flat: list[Predicate] = []
    for part in parts:
        if part == FALSE:
            return FALSE
        flat += part.parts if isinstance(part, And) else () if part == TRUE else (part,)
    flat = list(dict.fromkeys(flat))
    return TRUE if not flat else flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(*parts: Predicate) -> Predicate:
    """Return the disjunction, without constants and nesting."""
    flat: list[Predicate] = []
    for part in parts:
        if part == TRUE:
            return TRUE
        flat += part.parts if isinstance(part, Or) else () if part == FALSE else (part,)
    flat = list(dict.fromkeys(flat))
    return FALSE if not flat else flat[0] if len(flat) == 1 else Or(tuple(flat))


def negated(part: Predicate) -> Predicate:
    """Return the opposite, without double negation."""
    if isinstance(part, Const):
        return Const(not part.value)
    return part.part if isinstance(part, Not) else Not(part)


def atoms(predicate: Predicate) -> Iterator[Atom]:
    """Yield what a predicate asks, from left to right, repeats included."""
    if isinstance(predicate, And | Or):
        for part in predicate.parts:
            yield from atoms(part)
    elif isinstance(predicate, Not):
        yield from atoms(predicate.part)
    elif not isinstance(predicate, Const):
        yield predicate


def set_names(predicate: Predicate) -> Iterator[str]:
    """Yield the sets that a predicate reads."""
    for atom in atoms(predicate):
        if isinstance(atom, Sets):
            yield from atom.names
        elif isinstance(atom, In | Count):
            yield atom.name


def written(predicate: Predicate, within: int = 0) -> str:
    """Return a predicate in the language; `parse` reads it back to an equal one."""
    match predicate:
        case Const(value):
            return "true" if value else "false"
        case And(parts):
            text = " and ".join(written(part, 2) for part in parts)
            return f"({text})" if within else text
        case Or(parts):
            text = " or ".join(written(part, 1) for part in parts)
            return f"({text})" if within >= 1 else text
        case Not(part):
            return f"not {written(part, 3)}"
        case In(place, name):
            return f"{place} in {name}"
        case Sets(place, names, op, number):
            return f"sets({place} in {', '.join(names)}) {op} {number}"
        case Count(place, name, op, number):
            return f"count({place} in {name}) {op} {number}"
        case Compare(name, op, number):
            return f"{name} {op} {number}"
        case OneOf(name, values):
            return f"{name} in ({', '.join(_quoted(value) for value in values)})"
        case Known(name):
            return f"{name} known"
        case Severity(level):
            return level


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<op><=|>=|<>|=|<|>)|(?P<mark>[(),])|(?P<word>[\w.\-/+]+))"
)


def parse(text: str, where: str = "") -> Predicate:
    """Read a rule of the language; `where` is told with the error. Raises `BadPredicate`."""
    return _Reader(text, where).whole()


class _Reader:
    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise self.wrong(f"{text[at : at + 10].strip()!r} is no word of the language")
            kind = found.lastgroup or ""
            self.tokens.append((kind, found[kind]))
            at = found.end()
        self.at = 0

    def wrong(self, message: str) -> BadPredicate:
        return BadPredicate(
            "scheme-predicate",
            f"{message} in the rule: {self.text}",
            where=self.where,
            fix="The language of rules stands in docs/drg.md.",
        )

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *wanted: str) -> str:
        _, value = self.peek()
        if wanted and value not in wanted:
            raise self.wrong(f"{' or '.join(wanted)} was expected" + (f", not {value!r}" if value else ""))
        self.at += 1
        return value

    def whole(self) -> Predicate:
        found = self.either()
        if self.at < len(self.tokens):
            raise self.wrong(f"{self.peek()[1]!r} stands where the rule should end")
        return found

    def either(self) -> Predicate:
        parts = [self.both()]
        while self.peek()[1] == "or":
            self.take()
            parts.append(self.both())
        return any_of(*parts) if len(parts) > 1 else parts[0]

    def both(self) -> Predicate:
        parts = [self.one()]
        while self.peek()[1] == "and":
            self.take()
            parts.append(self.one())
        return all_of(*parts) if len(parts) > 1 else parts[0]

    def one(self) -> Predicate:
        kind, word = self.peek()
        if word == "not":
            self.take()
            return negated(self.one())
        if word == "(":
            self.take()
            found = self.either()
            self.take(")")
            return found
        if kind != "word":
            raise self.wrong(f"{word!r} begins no question" if word else "the rule ends too early")
        self.take()
        if word in ("true", "false"):
            return Const(word == "true")
        if word in ("mcc", "cc"):
            return Severity("mcc" if word == "mcc" else "cc")
        if word in ("sets", "count"):
            return self.counted(word)
        if word in PLACES:
            self.take("in")
            return In(word, self.set_name())
        if word in NUMBERS or word in TEXTS:
            return self.field(word)
        raise self.wrong(f"{word!r} is neither a place nor a field")

    def counted(self, word: str) -> Predicate:
        self.take("(")
        place = cast(Place, self.take(*PLACES))
        self.take("in")
        names = [self.set_name()]
        while self.peek()[1] == ",":
            self.take()
            names.append(self.set_name())
        self.take(")")
        op, number = cast(Op, self.take(*OPS)), self.number()
        if place == "all_other_dx":
            raise self.wrong("all_other_dx cannot be counted")
        if word == "sets":
            return Sets(place, tuple(names), op, number)
        if len(names) > 1:
            raise self.wrong("count takes one set")
        return Count(place, names[0], op, number)

    def field(self, word: str) -> Predicate:
        if self.peek()[1] == "known":
            self.take()
            return Known(cast(NumberField, word))
        if word in NUMBERS:
            op = cast(Op, self.take(*OPS))
            return Compare(word, op, self.number())
        self.take("in")
        self.take("(")
        values = [self.word()]
        while self.peek()[1] == ",":
            self.take()
            values.append(self.word())
        self.take(")")
        return OneOf(cast(TextField, word), tuple(values))

    def set_name(self) -> str:
        kind, word = self.peek()
        if kind != "word" or not SET_NAME.fullmatch(word):
            raise self.wrong(f"{word!r} is no name of a set")
        return self.take()

    def number(self) -> int:
        kind, word = self.peek()
        if kind != "word" or not re.fullmatch(r"-?\d{1,9}", word):
            raise self.wrong(f"{word!r} is no whole number")
        return int(self.take())

    def word(self) -> str:
        kind, word = self.peek()
        if kind != "text":
            raise self.wrong(f"{word!r} is no word in quotes")
        return self.take()[1:-1].replace("''", "'")
