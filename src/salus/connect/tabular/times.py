"""Dates and times as institutions write them, read into FHIR's.

Source: FHIR R4, section 2.24.0.1 (date, dateTime, instant, time).
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

_ISO = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?\s*"
    r"(Z|[+-]\d{2}:?\d{2})?)?)?)?"
)
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "m": r"(?P<m>\d{1,2})",
    "d": r"(?P<d>\d{1,2})",
    "H": r"(?P<H>\d{1,2})",
    "M": r"(?P<M>\d{1,2})",
    "S": r"(?P<S>\d{1,2})",
    "f": r"(?P<f>\d{1,6})",
}

Moment: TypeAlias = datetime | date | str
"""A point in time as precise as it was written: a datetime, a date, or "YYYY" or "YYYY-MM"."""


def _offset(text: str | None, zone: ZoneInfo) -> object:
    if text is None:
        return zone
    if text == "Z":
        return UTC
    return datetime.strptime(text.replace(":", ""), "%z").tzinfo


@lru_cache(maxsize=512)
def _reader(form: str) -> Callable[[str], Moment | None]:
    """Return a reader of one strptime format; the common directives go by a regular expression."""
    pattern, tight = "", ""
    index = 0
    while index < len(form):
        letter = form[index]
        if letter == "%" and index + 1 < len(form):
            directive = form[index + 1]
            if directive not in _DIRECTIVES:
                break
            pattern += _DIRECTIVES[directive]
            tight += directive
            index += 2
        else:
            pattern += re.escape(letter)
            index += 1
    else:
        if len(set(tight)) == len(tight) and "Y" in tight:
            if not re.search(r"%[a-zA-Z][^%]", form):  # nothing between digits: widths must be fixed
                pattern = pattern.replace(r"\d{1,2}", r"\d{2}")
            return _by_pattern(re.compile(pattern), tight)

    def by_strptime(text: str) -> Moment | None:
        try:
            read = datetime.strptime(text, form)
        except ValueError:
            return None
        return read if re.search(r"%[HIMScXp]", form) else read.date()

    return by_strptime


def _by_pattern(compiled: re.Pattern[str], directives: str) -> Callable[[str], Moment | None]:
    def read(text: str) -> Moment | None:
        match = compiled.fullmatch(text)
        if match is None:
            return None
        part = match.groupdict()
        try:
            year, month, day = int(part["Y"]), int(part.get("m") or 1), int(part.get("d") or 1)
            if "H" in directives:
                micro = (part.get("f") or "").ljust(6, "0") or "0"
                return datetime(
                    year,
                    month,
                    day,
                    int(part["H"]),
                    int(part.get("M") or 0),
                    int(part.get("S") or 0),
                    int(micro),
                )
            whole = date(year, month, day)
        except ValueError:
            return None
        if "m" not in directives:
            return f"{year:04d}"
        return whole if "d" in directives else f"{year:04d}-{month:02d}"

    return read


def read_moment(text: str, formats: Sequence[str], zone: ZoneInfo) -> Moment | None:
    """Return the moment written in `text`, trying `formats` in order and then ISO 8601; None if none fits.

    Datetimes come back aware: without an offset of their own they are in `zone`.
    """
    for form in formats:
        moment = _reader(form)(text)
        if moment is not None:
            if isinstance(moment, datetime) and moment.tzinfo is None:
                return moment.replace(tzinfo=zone)
            return moment
    return _iso(text, zone)


def _iso(text: str, zone: ZoneInfo) -> Moment | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if hour is not None:
            micro = int((fraction or "0")[:6].ljust(6, "0"))
            moment = datetime(
                int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro
            )
            return moment.replace(tzinfo=_offset(offset, zone))  # type: ignore[arg-type]
        whole = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    if day is not None:
        return whole
    return year if month is None else f"{year}-{month}"


def fhir_date(moment: Moment) -> str:
    """Return a FHIR date, as precise as the moment."""
    if isinstance(moment, str):
        return moment
    return f"{moment:%Y-%m-%d}" if moment.year >= 1000 else moment.isoformat()[:10]


def fhir_datetime(moment: Moment) -> str:
    """Return a FHIR dateTime; a date stays a date."""
    return moment.isoformat() if isinstance(moment, datetime) else fhir_date(moment)


def aware(moment: Moment, zone: ZoneInfo) -> datetime:
    """Return the moment as an aware datetime: dates at their first instant in `zone`."""
    if isinstance(moment, datetime):
        return moment
    if isinstance(moment, str):
        year, _, month = moment.partition("-")
        moment = date(int(year), int(month or 1), 1)
    return datetime.combine(moment, time(), tzinfo=zone)


_TIME = re.compile(r"(\d{1,2}):?(\d{2})(?::?(\d{2}))?")


def fhir_time(text: str) -> str | None:
    """Return a FHIR time ("08:30:00") from "8:30", "083000" or "08:30:00"; None if it is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return f"{hour:02d}:{minute:02d}:{second:02d}"
