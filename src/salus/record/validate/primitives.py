"""Is this JSON value a FHIR primitive of that type? Source: https://hl7.org/fhir/R4/datatypes.html#primitive."""

import binascii
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from salus.record.json import LARGEST_INTEGER
from salus.record.validate.schema import patterns

Test = Callable[..., bool]  # (value, depth): the depth is not looked at, so that a test can stand in a shape
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
SEEN_MOST = 20_000  # remembered values of one type; a hospital's codes and systems are few
SEEN_LENGTH = 80


def _json(pattern: str) -> str:
    """Return a pattern with XML's notion of white space, which leaves e.g. the ideographic space alone."""
    return pattern.replace(r"[ \r\n\t\S]", r"[^\x00-\x08\x0b\x0c\x0e-\x1f]").replace(
        r"\S", r"[^ \t\r\n\x00-\x1f]"
    ).replace(r"[^\s]", r"[^ \t\r\n\x00-\x1f]").replace(r"(\s[", r"( [")  # fmt: skip


def _string(value: Any, depth: int = 0) -> bool:
    return value.__class__ is str and value != "" and (value.isprintable() or CONTROL.search(value) is None)


def _boolean(value: Any, depth: int = 0) -> bool:
    return value is True or value is False


def _integer(value: Any, depth: int = 0) -> bool:
    return value.__class__ is int and -(2**31) <= value < 2**31


def _unsigned(value: Any, depth: int = 0) -> bool:
    return value.__class__ is int and 0 <= value < 2**31


def _positive(value: Any, depth: int = 0) -> bool:
    return value.__class__ is int and 0 < value < 2**31


def _decimal(value: Any, depth: int = 0) -> bool:
    if value.__class__ is int:
        return bool(-LARGEST_INTEGER < value < LARGEST_INTEGER)
    return value.__class__ is Decimal or value.__class__ is float


def _base64(value: Any, depth: int = 0) -> bool:
    if value.__class__ is not str or not value or not value.isascii():
        return False
    try:
        binascii.a2b_base64("".join(value.split()), strict_mode=True)
    except binascii.Error:
        return False
    return True


def _remembering(test: Test) -> Test:
    """Return a test that remembers the short values that passed: codes and systems come again and again."""
    seen: set[str] = set()

    def remembered(value: Any, depth: int = 0) -> bool:
        if value.__class__ is not str:
            return False
        if value in seen:
            return True
        if not test(value):
            return False
        if len(value) <= SEEN_LENGTH:
            if len(seen) >= SEEN_MOST:
                seen.clear()
            seen.add(value)
        return True

    return remembered


def _pattern(name: str) -> Test:
    matches = re.compile(_json(patterns()[name])).fullmatch

    def test(value: Any, depth: int = 0) -> bool:
        return value.__class__ is str and value != "" and matches(value) is not None

    return test


def _calendar(name: str) -> Test:
    """Return the test of a date, dateTime or instant: the pattern, and a day that the calendar has."""
    matches = re.compile(patterns()[name]).fullmatch

    def test(value: Any, depth: int = 0) -> bool:
        if value.__class__ is not str or matches(value) is None:
            return False
        try:
            if len(value) >= 10:
                date.fromisoformat(value[:10])
        except ValueError:
            return False
        return True

    return test


TESTS: dict[str, Test] = {
    "boolean": _boolean,
    "integer": _integer,
    "unsignedInt": _unsigned,
    "positiveInt": _positive,
    "decimal": _decimal,
    "base64Binary": _base64,
    "string": _string,
    "markdown": _string,
    "xhtml": _string,
    "date": _remembering(_calendar("date")),
    "dateTime": _calendar("dateTime"),
    "instant": _calendar("instant"),
    "time": _pattern("time"),
    "id": _pattern("id"),
    **{name: _remembering(_pattern(name)) for name in ("code", "uri", "url", "canonical", "oid", "uuid")},
}
