"""JSON of resources with every decimal as it was written: 1.10 stays 1.10. Pure.

A number with a point or an exponent becomes a `Decimal`, any other an `int`, and both are written with the
digits they came with. FHIR asks for it: "implementations SHALL preserve the precision"
(https://hl7.org/fhir/R4/datatypes.html#decimal). Every body of a resource is read and written here.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import orjson

MOST_CHARACTERS = 400
"""Of one number as it is written; a double has 17 digits, IEEE 754's longest decimal 34."""
LARGEST_EXPONENT = 6144
"""Of ten, either way: what IEEE 754's decimal128 holds."""
LARGEST_INTEGER = 10**MOST_CHARACTERS
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_POSITION = re.compile(r"byte (\d+)")


class NotJson(ValueError):
    """These bytes cannot be read as JSON. Says nothing of their content.

    `reason` is "syntax", "encoding", "depth" or "number" (too long, or too large an exponent); `position` is
    the byte at which the fault is, where it is known.
    """

    def __init__(self, reason: str, position: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if len(text) > MOST_CHARACTERS or not -LARGEST_EXPONENT <= value.adjusted() <= LARGEST_EXPONENT:
        raise InvalidOperation
    return value


_decode = msgspec.json.Decoder(float_hook=_decimal).decode


def loads(raw: bytes | str) -> Any:
    """Return what JSON bytes (UTF-8) or text say; raises `NotJson`. NaN and Infinity are not JSON."""
    try:
        return _decode(raw)
    except InvalidOperation:
        raise NotJson("number") from None
    except msgspec.ValidationError:
        # Nothing is expected of the value, so this is an integer that has thousands of digits
        raise NotJson("number") from None
    except msgspec.DecodeError as fault:
        found = _POSITION.search(str(fault))
        raise NotJson("syntax", int(found[1]) if found else None) from None
    except UnicodeError:
        raise NotJson("encoding") from None
    except RecursionError:
        raise NotJson("depth") from None


def number(text: str) -> int | Decimal:
    """Return a number as people and other formats write it (+5, 05, .5 and 5. too), with its digits.

    Raises `ValueError` for what is none, or is too long or large to be stored.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text) is None or len(text) > MOST_CHARACTERS:
        raise ValueError("not a number")
    if text.lstrip("+-").isdigit():
        return int(text)
    try:
        return _decimal(text)
    except InvalidOperation:
        raise ValueError("not a number of a size that can be stored") from None


def _written(value: Any) -> orjson.Fragment:
    if value.__class__ is Decimal and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _widened(value: Any) -> Any:
    """Return a value with the integers that do not fit 64 bits as decimals, which are written alike."""
    if isinstance(value, dict):
        return {key: _widened(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_widened(inner) for inner in value]
    if value.__class__ is int and not -(2**63) <= value < 2**64:
        return Decimal(value)
    return value


def dumps(value: Any, *, sort_keys: bool = False, indent: bool = False) -> bytes:
    """Return a value as JSON bytes; raises `TypeError` for what JSON cannot hold.

    With `sort_keys` the same content gives the same bytes whatever order its keys came in.
    """
    option = (orjson.OPT_SORT_KEYS if sort_keys else 0) | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return orjson.dumps(value, _written, option)
    except orjson.JSONEncodeError as fault:
        if "64-bit" not in str(fault):
            raise
    return orjson.dumps(_widened(value), _written, option)


def as_float(value: int | float | Decimal) -> float:
    """Return the nearest double, for indexes and drawing; the largest there is for what lies beyond."""
    try:
        near = float(value)
    except OverflowError:
        near = float("inf") if value > 0 else float("-inf")
    return min(max(near, -LARGEST_DOUBLE), LARGEST_DOUBLE)


LARGEST_DOUBLE = 1.7976931348623157e308
