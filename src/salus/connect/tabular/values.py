"""Placeholders of a mapping: `{COLUMN|filter:argument}` compiled once, evaluated for each row."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from salus.connect.errors import Untranslatable
from salus.connect.tabular import times
from salus.kernel.errors import Invalid
from salus.record import json

Cells: TypeAlias = Mapping[str, str | None]
Value: TypeAlias = Callable[[Cells], Any]
Filter: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class CodeMap:
    """What a source writes → (code, display, system), and what happens to a code that is not listed."""

    name: str
    values: Mapping[str, tuple[str, str, str]]
    otherwise: str
    local_system: str

    def look_up(self, local: str) -> tuple[str, str, str] | None:
        """Return code, display and system of a local code; None where it is to be dropped.

        Raises Untranslatable for an unlisted code if the map says so.
        """
        if (found := self.values.get(local)) is not None:
            return found
        if self.otherwise == "keep":
            return local, "", self.local_system
        if self.otherwise == "drop":
            return None
        if self.otherwise == "error":
            raise Untranslatable(
                "unknown-code",
                f"the code {local[:40]!r} is not in the code map {self.name}",
                fix="Add it to the map and replay.",
            )
        return self.otherwise, "", ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What placeholders may refer to: code maps, constants, date formats and the zone of the source."""

    codes: Mapping[str, CodeMap] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    dates: Sequence[str] = ()
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))


_TRUE = frozenset({"1", "y", "yes", "t", "true", "是", "有"})
_FALSE = frozenset({"0", "2", "n", "no", "f", "false", "否", "无"})


def _bad(code: str, expected: str) -> Untranslatable:
    return Untranslatable(code, f"the value is not {expected}", fix="Correct the value or the mapping.")


def number(text: str) -> int | Decimal:
    """Return the number written in `text` with its digits: 5 as int, 5.0 and 5e0 as decimals.

    Raises Untranslatable if it is no number.
    """
    cleaned = text.replace(",", "").replace("，", "").strip()
    try:
        return json.number(unicodedata.normalize("NFKC", cleaned))
    except ValueError:
        raise _bad("not-a-number", "a number") from None


def _integer(text: str) -> int:
    value = number(text)
    if not -(2**63) <= value < 2**63 or int(value) != value:
        raise _bad("not-an-integer", "a whole number")
    return int(value)


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise _bad("not-a-boolean", "yes or no")


def _time(text: str) -> str:
    read = times.fhir_time(text)
    if read is None:
        raise _bad("not-a-time", "a time of day")
    return read


def _moment_filter(name: str, argument: str, scope: Scope) -> Filter:
    formats = (argument,) if argument else tuple(scope.dates)
    zone = scope.zone

    def read(text: str) -> str:
        moment = times.read_moment(text, formats, zone)
        if moment is None:
            raise _bad("not-a-date", "a date in one of the formats of the mapping")
        if name == "date":
            return times.fhir_date(moment)
        if name == "datetime":
            return times.fhir_datetime(moment)
        return times.aware(moment, zone).isoformat(timespec="milliseconds")

    return read


def _code_filter(name: str, argument: str, scope: Scope) -> Filter:
    if argument not in scope.codes:
        raise Invalid("mapping", f"there is no code map named {argument!r}", fix="Add [codes.NAME].")
    code_map = scope.codes[argument]
    part = {"code": 0, "display": 1, "system": 2}.get(name)

    def pick(text: str) -> Any:
        found = code_map.look_up(text)
        if found is None:
            return None
        if part is not None:
            return found[part] or None
        code, display, system = found
        coding = {"system": system, "code": code, "display": display}
        return {key: value for key, value in coding.items() if value}

    return pick


def _whole(argument: str, name: str) -> int:
    if not argument.isdecimal():
        raise Invalid("mapping", f"the filter {name} needs a whole number", fix="See docs/connect.md.")
    return int(argument)


def _text_filter(name: str, arguments: list[str]) -> Filter | None:
    """Return one of the filters that change text, or None if `name` is none of them."""
    match name, arguments:
        case "upper", []:
            return str.upper
        case "lower", []:
            return str.lower
        case "digits", []:
            return lambda text: "".join(letter for letter in text if letter.isdecimal()) or None
        case "pad", [width]:
            size = min(_whole(width, name), 64)
            return lambda text: text.rjust(size, "0")
        case "slice", [start, stop]:
            first = _whole(start, name)
            last = _whole(stop, name) if stop else None
            return lambda text: text[first:last] or None
        case "split", [separator, index]:
            at = _whole(index, name)

            def piece(text: str) -> str | None:
                parts = text.split(separator) if separator else text.split()
                return (parts[at].strip() or None) if at < len(parts) else None

            return piece
        case "replace", [old, new]:
            return lambda text: text.replace(old, new) or None
    return None


def _filter(source: str, scope: Scope) -> tuple[str, Filter]:
    name, _, rest = source.partition(":")
    name = name.strip()
    if name in {"date", "datetime", "instant"}:
        return name, _moment_filter(name, rest, scope)
    if name in {"code", "coding", "display", "system"}:
        return name, _code_filter(name, rest, scope)
    if name == "default":
        return name, lambda value: value
    simple: dict[str, Filter] = {"number": number, "integer": _integer, "boolean": _boolean, "time": _time}
    if name in simple and not rest:
        return name, simple[name]
    arguments = rest.split(":") if rest or source.endswith(":") else []
    text = _text_filter(name, arguments)
    if text is None:
        raise Invalid("mapping", f"there is no filter {source!r}", fix="See the filters in docs/connect.md.")
    return name, text


_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders, ready to be evaluated: `columns` are those it reads."""

    evaluate: Value
    columns: frozenset[str]
    optional: frozenset[str] = frozenset()


def _placeholder(source: str, scope: Scope) -> tuple[Value, str, bool]:
    """Return the evaluation of one placeholder, the column it reads ("" for a constant), whether optional."""
    column, *filters = source.split("|")
    column = column.strip()
    optional = column.endswith("?")
    column = column.removesuffix("?")
    if not column:
        raise Invalid("mapping", "a placeholder names no column", fix="Write {COLUMN}; {{ for a brace.")
    constant: str | None = None
    if column.startswith("$"):
        if column[1:] not in scope.constants and column not in {"$file", "$row"}:
            raise Invalid("mapping", f"there is no constant {column}", fix="Add it to [constants].")
        constant = scope.constants.get(column[1:])
    steps: list[Filter] = []
    fallback: str | None = "" if optional else None
    for written in filters:
        name, step = _filter(written, scope)
        if name == "default":
            fallback = written.partition(":")[2]
        else:
            steps.append(step)

    def evaluate(cells: Cells) -> Any:
        value: Any = constant if constant is not None else cells.get(column)
        if value is None:
            return fallback
        for step in steps:
            value = step(value)
            if value is None:
                return fallback
        return value

    def located(cells: Cells) -> Any:
        try:
            return evaluate(cells)
        except Untranslatable as fault:
            fault.where = fault.where or column
            raise

    return (located if steps else evaluate), ("" if column.startswith("$") else column), optional


def compile_text(source: str, scope: Scope) -> Template | str:
    """Return a text with placeholders compiled, or the plain text if it has none.

    Raises Invalid if a placeholder, filter, map or constant is not understood.
    """
    pieces: list[str | Value] = []
    columns: set[str] = set()
    optional_columns: set[str] = set()
    plain, at = "", 0
    for token in _TOKEN.finditer(source):
        plain += source[at : token.start()]
        at = token.end()
        text = token[0]
        if text in {"{{", "}}"}:
            plain += text[0]
            continue
        if token[1] is None:
            raise Invalid("mapping", "a brace has no partner", fix="Write {{ or }} for a literal brace.")
        if plain:
            pieces.append(plain)
            plain = ""
        value, column, optional = _placeholder(token[1], scope)
        pieces.append(value)
        if column:
            columns.add(column)
            if optional:
                optional_columns.add(column)
    plain += source[at:]
    if not pieces:
        return plain
    if plain:
        pieces.append(plain)
    if len(pieces) == 1 and not isinstance(pieces[0], str):
        only = pieces[0]

        def single(cells: Cells) -> Any:
            value = only(cells)
            return None if value == "" else value

        return Template(single, frozenset(columns), frozenset(optional_columns))

    def joined(cells: Cells) -> str | None:
        parts: list[str] = []
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            value = piece(cells)
            if value is None:
                return None
            parts.append(value if isinstance(value, str) else str(value))
        return "".join(parts) or None

    return Template(joined, frozenset(columns), frozenset(optional_columns))
