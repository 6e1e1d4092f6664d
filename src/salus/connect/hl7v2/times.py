"""HL7 v2 times (DT, TM, DTM, TS) as FHIR dates, and as moments.

A time without an offset is in the source's zone. Source: HL7 v2.8.2 chapter 2A, DTM; FHIR R4 data types.
Times written the ISO way (2020-05-01 14:06) are read too: many senders do.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

COMPACT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d*))?)?)?)?)?)?\s*([+-]\d{4}|Z)?\Z", re.ASCII
)
ISO = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d*))?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?\Z",
    re.ASCII,
)
CLOCK = re.compile(r"(\d\d):?(\d\d)?(?::?(\d\d)(?:\.(\d+))?)?(?:[+-]\d{4})?\Z", re.ASCII)


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """Return a time zone by name; China's when the name is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("Asia/Shanghai")


@lru_cache(maxsize=16_384)
def date_time(text: str, zone_name: str) -> str | None:
    """Return a FHIR dateTime with the precision given, None when the text is no date."""
    parsed = _parse(text, zone_name)
    if parsed is None:
        return None
    moment, precision, fraction = parsed
    if precision == 1:
        return f"{moment.year:04d}"
    if precision == 2:
        return f"{moment.year:04d}-{moment.month:02d}"
    if precision == 3:
        return f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    return _stamp(moment, fraction)


@lru_cache(maxsize=4_096)
def instant(text: str, zone_name: str) -> str | None:
    """Return a FHIR instant; None unless the text says the time of day."""
    parsed = _parse(text, zone_name)
    if parsed is None or parsed[1] < 4:
        return None
    return _stamp(parsed[0], parsed[2])


@lru_cache(maxsize=16_384)
def date(text: str) -> str | None:
    """Return a FHIR date (year, month or day as given); the time of day is left out."""
    parsed = _parse(text, "Asia/Shanghai")
    if parsed is None:
        return None
    moment, precision, _ = parsed
    return f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"[: (4, 7, 10)[min(precision, 3) - 1]]


@lru_cache(maxsize=16_384)
def moment(text: str, zone_name: str) -> datetime | None:
    """Return the aware moment at which the time begins, None when the text is no date."""
    parsed = _parse(text, zone_name)
    return parsed[0] if parsed else None


def clock(text: str) -> str | None:
    """Return a FHIR time (hh:mm:ss) of a TM, None when the text is no time of day."""
    found = CLOCK.match(text.strip())
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        return None
    return f"{hour}:{minute or '00'}:{second or '00'}" + (f".{fraction[:6]}" if fraction else "")


def says_time(text: str) -> bool:
    """Return whether a DTM says a time of day other than midnight."""
    parsed = _parse(text, "Asia/Shanghai")
    return (
        parsed is not None
        and parsed[1] > 3
        and (parsed[0].hour, parsed[0].minute, parsed[0].second) != (0, 0, 0)
    )


def later(text: str, zone_name: str, minutes: float) -> str | None:
    """Return the FHIR instant some minutes after a DTM that says the time of day."""
    parsed = _parse(text, zone_name)
    if parsed is None or parsed[1] < 4 or not 0 <= minutes <= 1_000_000:
        return None
    try:
        return _stamp(parsed[0] + timedelta(minutes=minutes), "")
    except OverflowError:
        return None


def _parse(text: str, zone_name: str) -> tuple[datetime, int, str] | None:
    found = COMPACT.match(text) or ISO.match(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    precision = 1 if month is None else 2 if day is None else 3 if hour is None else 4
    where: tzinfo
    if offset is None:
        where = zone(zone_name)
    elif offset == "Z":
        where = UTC
    else:
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 14 or minutes > 59:
            return None
        span = timedelta(hours=hours, minutes=minutes)
        where = timezone(-span if offset[0] == "-" else span)
    try:
        result = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0),
            int((fraction or "")[:6].ljust(6, "0") or 0), where,
        )  # fmt: skip
        result.astimezone(UTC)  # year 1 and year 9999 have no moment in every zone
    except (ValueError, OverflowError):
        return None
    return result, precision, (fraction or "")[:6]


def _stamp(moment: datetime, fraction: str) -> str:
    offset = moment.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)  # local mean time before 1901 has seconds, FHIR has none
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    part = f".{fraction}" if fraction.strip("0") else ""
    return (
        f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{moment.hour:02d}:{moment.minute:02d}:"
        f"{moment.second:02d}{part}{sign}{hours:02d}:{minutes:02d}"
    )
