"""Bytes to text: the character set that MSH-18 declares, or the source's own when it declares none.

Source of the names: HL7 table 0211; codecs in `rules/v2/charsets.csv`.
"""

import codecs
import re

from salus.connect.errors import Untranslatable
from salus.connect.hl7v2.rules import charsets

HEADER = re.compile(rb"MSH([^\r\n\x0b\x1c]*)")
JAPANESE = ("iso2022_jp", "iso2022_jp_1")


def decode(raw: bytes, default: str) -> tuple[str, str, list[str]]:
    """Return a message's text, the codec it is in, and warnings.

    `default` is the source's character set. Bytes beyond ASCII in a message that declares ASCII are read
    in the source's character set, UTF-8 or GB 18030, whichever fits first, with a warning. Raises
    `Untranslatable` with the offset of the first byte that fits nothing.
    """
    warnings: list[str] = []
    if raw.startswith(codecs.BOM_UTF8):
        return _strict(raw[3:], "utf-8"), "utf-8", warnings
    two_byte = wide(raw)
    if two_byte is not None:
        return _strict(raw, two_byte), "utf-16", warnings
    names = _declared(raw, default)
    if raw.isascii():
        codec = _codec(names, default, warnings)
        if codec in JAPANESE and b"\x1b" in raw:
            return _strict(raw, "iso2022_jp_2"), codec, warnings
        if codec.startswith("utf-16"):
            codec = "utf-8"
        return raw.decode("ascii"), codec, warnings
    codec = _codec(names, default, warnings)
    if codec == "ascii" or not names:
        declared = bool(names)
        for candidate in dict.fromkeys((lookup(default) or "utf-8", "utf-8", "gb18030")):
            if candidate == "ascii":
                continue
            try:
                text = raw.decode(candidate)
            except UnicodeDecodeError:
                continue
            if declared:
                warnings.append(f"MSH-18 declares ASCII, the message is not: read as {candidate}")
            elif candidate != lookup(default):
                warnings.append(f"the message is not in the source's character set: read as {candidate}")
            return text, candidate, warnings
        return _strict(raw, lookup(default) or "utf-8"), codec, warnings
    if codec in JAPANESE:
        return _strict(raw, "iso2022_jp_2"), codec, warnings
    if codec.startswith("utf-16"):  # the header would not have been readable
        warnings.append("MSH-18 declares UTF-16, the message is not: read as utf-8")
        codec = "utf-8"
    return _strict(raw, codec), codec, warnings


def wide(raw: bytes) -> str | None:
    """Return the codec of bytes whose header is UTF-16, with or without a byte order mark, else None."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for codec in ("utf-16-be", "utf-16-le"):
        found = raw[:128].find("MSH".encode(codec))
        if found >= 0 and found % 2 == 0:
            return codec
    return None


def lookup(name: str) -> str | None:
    """Return the Python codec of an HL7 (or common) name of a character set, None when it is unknown."""
    key = " ".join(name.upper().split())
    found = charsets().get(key)
    if found is None and key:
        try:
            info = codecs.lookup(key)
        except (LookupError, ValueError):
            return None
        found = info.name if getattr(info, "_is_text_encoding", True) else None
    return found


def _declared(raw: bytes, default: str) -> list[str]:
    found = HEADER.search(raw)
    if found is None:
        return []
    line = found.group(1)
    if not line:
        return []
    names = _names(line.decode("latin-1"))
    if not line.isascii() and not any(lookup(name) for name in names):
        # a trailing byte of a double-byte character may look like a separator
        names = _names(line.decode(lookup(default) or "gb18030", "replace"))
    return names


def _names(line: str) -> list[str]:
    fields = line[1:].split(line[0])
    if len(fields) < 17:
        return []
    repetition = fields[0][1:2] or "~"
    return [
        name.split(fields[0][:1] or "^")[0].strip() for name in fields[16].split(repetition) if name.strip()
    ]


def _codec(names: list[str], default: str, warnings: list[str]) -> str:
    known = [codec for codec in (lookup(name) for name in names) if codec]
    if len(known) < len(names):
        warnings.append("MSH-18 names a character set that is not known")
    if any(codec in JAPANESE for codec in known):
        return "iso2022_jp"
    wider = [codec for codec in known if codec != "ascii"]
    if wider:
        return wider[0]
    if known:
        return "ascii"
    names.clear()
    return lookup(default) or "utf-8"


def _strict(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        raise Untranslatable(
            "undecodable",
            f"a byte does not fit the character set {codec}",
            where=f"byte {error.start}",
            fix="Correct MSH-18 or the source's character set, then replay the message.",
        ) from None
