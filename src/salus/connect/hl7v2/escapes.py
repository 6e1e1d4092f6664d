"""Escape sequences: what `\\F\\` and its kin mean, and how to write them.

Source: HL7 v2.8.2 chapter 2, section 2.7. A sequence that the standard does not know, or that is not
closed, is kept letter by letter: it is somebody's text.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from salus.connect.hl7v2.delimiters import Delimiters

HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+\Z")
UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
SPACING = re.compile(r"\.(sp|br|in|ti|sk|ce|fi|nf)\s*([+-]?\d*)\Z")
CHARSET_SWITCHES = {
    "2442": "\x1b$B",
    "2440": "\x1b$@",
    "2441": "\x1b$A",
    "242843": "\x1b$(C",
    "242844": "\x1b$(D",
}


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    """Return a value with its escape sequences resolved.

    `codec` is the message's character set, in which `\\Xhh..\\` gives bytes. Formatting commands become
    the white space they stand for; highlighting is dropped.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    return _unescaper(
        mark,
        delimiters.field,
        delimiters.component,
        delimiters.repetition,
        delimiters.subcomponent,
        delimiters.truncation,
        codec,
    )(text)


def escape(text: str, delimiters: Delimiters) -> str:
    """Return a text as a value: delimiters as sequences, line breaks as `\\.br\\`."""
    mark = delimiters.escape
    if not mark:
        return text
    replaced = {
        mark: f"{mark}E{mark}",
        delimiters.field: f"{mark}F{mark}",
        delimiters.component: f"{mark}S{mark}",
        delimiters.repetition: f"{mark}R{mark}",
        delimiters.subcomponent: f"{mark}T{mark}",
        "\n": f"{mark}.br{mark}",
        "\r": f"{mark}X0D{mark}",
    }
    if delimiters.truncation:
        replaced[delimiters.truncation] = f"{mark}P{mark}"
    return "".join(replaced.get(character, character) for character in text)


@lru_cache(maxsize=64)
def _unescaper(
    mark: str, field: str, component: str, repetition: str, subcomponent: str, truncation: str, codec: str
) -> Callable[[str], str]:
    single = {"F": field, "S": component, "R": repetition, "T": subcomponent, "E": mark, "H": "", "N": ""}
    if truncation:
        single["P"] = truncation

    def resolve(body: str) -> str | None:
        if body in single:
            return single[body]
        kind, rest = body[:1], body[1:]
        if kind == "X" and HEX.match(rest):
            return _hex(rest, codec)
        if kind == "Z":  # locally defined: nobody but the sender knows what it means
            return None
        if kind == ".":
            return _spacing(body)
        return None

    def run(text: str) -> str:
        parts = text.split(mark)
        out = [parts[0]]
        position = 1
        while position < len(parts):
            body = parts[position]
            if position == len(parts) - 1:  # opened, never closed
                out.append(mark + body)
                break
            if body[:1] in "CM" and HEX.match(body[1:]):
                out.append(_switched(body, parts[position + 1], mark))
                position += 2
                continue
            value = resolve(body)
            if value is None:
                # not a sequence: keep the mark and the text, and let the next mark open one
                out.append(mark + body)
                position += 1
                if position == len(parts):
                    break
                continue
            out.append(value)
            out.append(parts[position + 1])
            position += 2
        return "".join(out)

    return run


def _hex(digits: str, codec: str) -> str | None:
    try:
        value = bytes.fromhex(digits).decode("utf-8" if codec.startswith("utf-16") else codec)
    except (UnicodeDecodeError, LookupError):
        return None
    return UNSAFE.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _spacing(body: str) -> str | None:
    found = SPACING.match(body)
    if found is None:
        return None
    command, digits = found.groups()
    count = min(int(digits), 200) if digits.lstrip("+-") and not digits.startswith("-") else 1
    if command in ("sp", "sk"):
        return ("\n" if command == "sp" else " ") * max(count, 1)
    if command in ("br", "ce"):
        return "\n"
    return ""


def _switched(body: str, following: str, mark: str) -> str:
    """Resolve a switch of character set: the text up to the next sequence is in the set named."""
    sequence = CHARSET_SWITCHES.get(body[1:].upper())
    if body[0] == "C":  # back to single bytes: nothing to convert
        return following
    if sequence is not None and following.isascii():
        try:
            return (sequence.encode("ascii") + following.encode("ascii") + b"\x1b(B").decode("iso2022_jp_2")
        except UnicodeDecodeError:
            pass
    return f"{mark}{body}{mark}{following}"
