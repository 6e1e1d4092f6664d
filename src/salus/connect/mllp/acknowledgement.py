"""Acknowledgements: what the sender is told, in its own delimiters, version and character set.

Source: HL7 v2.8.2 chapter 2, sections 2.9 (original and enhanced mode), 2.14.1 (ACK), 2.14.5 (ERR); tables
0008 and 0357 (from memory).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from salus.connect.hl7v2.charsets import wide
from salus.kernel.ids import uuid7

Code = Literal["AA", "AE", "AR"]
ACCEPT = {"AA": "CA", "AE": "CE", "AR": "CR"}
# table 0357
ERROR_CODES = {
    "missing-segment": ("100", "Segment sequence error"),
    "missing-message-type": ("101", "Required field missing"),
    "missing-trigger": ("101", "Required field missing"),
    "missing-patient": ("101", "Required field missing"),
    "missing-merge-identifier": ("101", "Required field missing"),
    "undecodable": ("102", "Data type error"),
    "not-hl7": ("100", "Segment sequence error"),
    "unsupported-message-type": ("200", "Unsupported message type"),
    "unsupported-trigger": ("201", "Unsupported event code"),
    "unsupported-version": ("203", "Unsupported version id"),
}
OTHER = ("207", "Application internal error")
REFUSED = ("not-hl7", "unsupported-version")
LONGEST_FIELD = 250
LONGEST_REASON = 400
PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d+)(?:\.(\d+))?)?\Z")
UNSAFE = re.compile(rb"[\x00-\x1f]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message: AA stored (or a repeat), AE refused with a reason, AR not HL7.

    `reason` is for a person and holds nothing about a resident; `code` is stable; `where` is a place such as
    "PID-3" or "byte 120".
    """

    result: Code
    code: str = ""
    reason: str = ""
    where: str = ""
    fix: str = ""


def refusal(code: str, reason: str, where: str = "", fix: str = "") -> Answer:
    """Return the answer to a message that cannot be taken: AR if it is no HL7 v2, else AE."""
    return Answer("AR" if code in REFUSED else "AE", code, reason, where, fix)


def acknowledge(raw: bytes, answer: Answer, *, now: datetime | None = None) -> bytes | None:
    """Return the acknowledgement of a message, None when the sender asked for none.

    Enhanced mode (both MSH-15 and MSH-16 valued, and MSH-15 asking) gets CA, CE or CR; every other sender
    gets AA, AE or AR. Header fields are echoed byte for byte.
    """
    encoded = wide(raw)
    text = raw.decode(encoded, "replace").lstrip("\ufeff") if encoded else ""
    if encoded and text.startswith("MSH"):
        plain = acknowledge(text.encode("utf-8", "replace"), answer, now=now)
        return plain.decode("utf-8", "replace").encode(encoded) if plain is not None else None
    fields, separator, encoding = _header(raw)
    result = _result(fields, answer)
    if result is None:
        return None
    mark = separator.decode("latin-1")
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%d%H%M%S+0000").encode()
    version = fields[12].split(encoding[:1])[0] or b"2.5"
    kind = fields[9].split(encoding[:1])
    trigger = kind[1] if len(kind) > 1 else b""
    component = encoding[:1]
    sort = b"ACK" + (component + trigger if trigger else b"")
    if trigger and _level(version) >= 25:
        sort += component + b"ACK"
    own = uuid7().hex[:20].encode()
    header = [
        b"MSH", encoding, fields[5], fields[6], fields[3], fields[4], stamp, b"", sort, own,
        fields[11] or b"P", version, b"", b"", b"", b"", fields[17], fields[18],
    ]  # fmt: skip
    reason = _text(_reason(answer), mark, encoding.decode("latin-1"))
    msa = [b"MSA", result.encode(), fields[10]]
    if answer.result != "AA" and _level(version) < 27:
        msa.append(reason)
    segments = [_join(header, separator), _join(msa, separator)]
    if answer.result != "AA":
        segments.append(_join(_err(answer, version, component, encoding, reason), separator))
    return b"\r".join(segments) + b"\r"


def _result(fields: list[bytes], answer: Answer) -> str | None:
    accept, application = fields[15].strip().upper(), fields[16].strip().upper()
    good = answer.result == "AA"

    def wanted(condition: bytes) -> bool:
        return condition == b"AL" or (condition == b"SU" and good) or (condition == b"ER" and not good)

    known = (b"AL", b"NE", b"SU", b"ER")
    if accept not in known or application not in known:
        return answer.result
    if accept == b"AL" or wanted(accept):
        return ACCEPT[answer.result]
    return answer.result if wanted(application) else None


def _header(raw: bytes) -> tuple[list[bytes], bytes, bytes]:
    start = raw.find(b"MSH")
    line = re.split(rb"[\r\n]", raw[start : start + 8192], maxsplit=1)[0] if 0 <= start < 64 else b""
    separator, encoding = b"|", b"^~\\&"
    fields: list[bytes] = []
    if len(line) > 4 and not line[3:4].isalnum() and not line[3:4].isspace():
        separator = line[3:4]
        fields = [b"MSH", separator, *line[4:].split(separator)]
        found = fields[2] if len(fields) > 2 else b""
        if 1 <= len(found) <= 6 and not any(found[i : i + 1].isalnum() for i in range(len(found))):
            encoding = found if len(found) >= 4 else encoding
        else:
            separator, fields = b"|", []
    fields += [b""] * (25 - len(fields))
    return [UNSAFE.sub(b"", field)[:LONGEST_FIELD] for field in fields], separator, encoding


def _err(answer: Answer, version: bytes, component: bytes, encoding: bytes, reason: bytes) -> list[bytes]:
    number, meaning = ERROR_CODES.get(answer.code, OTHER)
    found = PLACE.match(answer.where)
    segment, field, part = found.groups() if found else ("", "", "")
    code = component.join((number.encode(), meaning.encode(), b"HL70357"))
    own = answer.code.encode("ascii", "replace")
    if _level(version) < 25:
        subcomponent = encoding[3:4] or b"&"
        nested = subcomponent.join((number.encode(), meaning.encode(), b"HL70357"))
        place = component.join(
            ((segment or "").encode(), b"1" if segment else b"", (field or "").encode(), nested)
        )
        return [b"ERR", place]
    pieces = [
        piece
        for piece in ((segment or "").encode(), b"1" if segment else b"", (field or "").encode())
        if piece
    ]
    if part:
        pieces += [b"1", part.encode()]
    location = component.join(pieces)
    return [b"ERR", b"", location, code, b"E", own, b"", b"", reason]


def _level(version: bytes) -> int:
    found = re.match(rb"2\.(\d)", version)
    return 20 + int(found.group(1)) if found else 25


def _reason(answer: Answer) -> str:
    parts = [answer.reason or answer.code or "not taken"]
    if answer.where:
        parts.append(f"at {answer.where}")
    if answer.fix:
        parts.append(answer.fix)
    return " - ".join(parts)[:LONGEST_REASON]


def _text(text: str, separator: str, encoding: str) -> bytes:
    mark = encoding[2:3]
    named = dict(zip(encoding[:4], "SRET", strict=False)) | {separator: "F"}
    out = "".join(f"{mark}{named[letter]}{mark}" if letter in named else letter for letter in text)
    return out.encode("ascii", "replace").translate(None, bytes(range(32)))


def _join(fields: list[bytes], separator: bytes) -> bytes:
    while len(fields) > 1 and not fields[-1]:
        fields.pop()
    return separator.join(fields)
