"""How values are put into the search index and how a search's values are made to meet them."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from functools import lru_cache
from hashlib import blake2b
from math import inf, nextafter
from zoneinfo import ZoneInfo

from salus.record.json import as_float, number
from salus.record.rules.r4 import kinds

EARLIEST = -(2**62)  # the open ends of a period, in µs
LATEST = 2**62
DAY = 86_400_000_000
TEXT_MOST = 200  # characters of a string that are indexed; PostgreSQL's index rows end at 2,700 bytes
TOKEN_MOST = 400
URI_MOST = 600
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
KINDS = kinds()
DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


@lru_cache(65_536)
def normal(text: str) -> str:
    """Return a text as strings are compared: without case, accents, width and repeated spaces; hanzi stay.

    Source: https://hl7.org/fhir/R4/search.html#string.
    """
    if text.isascii():
        return " ".join(text.lower().split())[:TEXT_MOST]
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFC", bare.casefold()).split())[:TEXT_MOST]


@lru_cache(16_384)
def system_hash(system: str | None) -> int:
    """Return a system's URI as the 64-bit number that the index keeps; 0 for none."""
    if not system:
        return 0
    return int.from_bytes(blake2b(system.encode(), digest_size=8).digest(), signed=True) or 1


def reference(text: str) -> tuple[int, str] | None:
    """Return the target of a literal reference as (kind, id), or (0, address) if it is not a local one.

    None for a contained resource.
    """
    name, _, rest = text.partition("/")
    kind = KINDS.get(name)
    if kind is not None and rest:
        return kind, rest.partition("/")[0][:URI_MOST]
    if text.startswith("#") or not text:
        return None
    return 0, text.partition("|")[0][:URI_MOST]


def number_span(text: str) -> tuple[float, float]:
    """Return the numbers that a written number stands for: half its last digit either way.

    With an exponent a tenth of that: the standard's example has 1e2 stand for 95 to 105.
    Raises `ValueError` for what is not a number. Source: https://hl7.org/fhir/R4/search.html#number.
    """
    value = Decimal(number(text))
    finer = 2 if "e" in text.lower() else 1
    half = Decimal(5).scaleb(int(value.as_tuple().exponent) - finer)
    near = as_float(value)  # is inside, also where a double cannot tell the ends apart
    with localcontext(prec=len(text) + 5):
        return min(as_float(value - half), near), max(as_float(value + half), nextafter(near, inf))


class Calendar:
    """Turns FHIR dates into spans of µs; dates without a zone are days of the city's zone."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.span = lru_cache(131_072)(self._span)

    def _micros(self, moment: datetime) -> int:
        return (moment - EPOCH) // MICROSECOND

    def _midnight(self, year: int, month: int, day: int) -> int:
        return self._micros(datetime(year, month, day, tzinfo=self.zone))

    def _span(self, text: str) -> tuple[int, int]:
        """Return the first and the last µs of a date, dateTime or instant of any precision.

        Raises `ValueError` for what is not one.
        """
        match = DATE.fullmatch(text)
        if match is None:
            raise ValueError("not a date")
        year, month, day, hour, minute, second, fraction, offset = match.groups()
        if day is None:
            y, m = int(year), int(month or 1)
            low = self._midnight(y, m, 1)
            y, m = (y + 1, 1) if month is None or m == 12 else (y, m + 1)
            return low, (self._midnight(y, m, 1) if y <= 9999 else LATEST) - 1
        if hour is None:
            first = date(int(year), int(month), int(day))
            low = self._midnight(first.year, first.month, first.day)
            if first == date.max:
                return low, LATEST - 1
            last = first + timedelta(days=1)
            return low, self._midnight(last.year, last.month, last.day) - 1
        at = datetime.fromisoformat(
            f"{year}-{month}-{day}T{hour}:{minute}:{min(second or '00', '59')}{offset or ''}"
        )
        low = self._micros(at if at.tzinfo else at.replace(tzinfo=self.zone))
        if second is None:
            return low, low + 59_999_999
        digits = (fraction or "")[:6]
        low += int(digits.ljust(6, "0"))
        return low, low + 10 ** (6 - len(digits)) - 1


def is_long(low: int, high: int) -> int:
    """Return 1 for a span of more than a day: short ones are kept apart, to be looked up by one end."""
    return 1 if high - low > DAY else 0
