"""A file holds many messages: cut it into them without losing a byte that means something."""

import codecs
import re
from collections.abc import Iterator

from salus.connect.hl7v2.charsets import wide

# MSH at the beginning of a line (or of a frame, or of the file), then delimiters as MSH-1 and MSH-2 hold them
START = re.compile(
    rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n\x0b\x1c]))[ \t\x0b\x00\x1a]*(MSH([^\sA-Za-z0-9])(?=[^\r\n]))"
)
END_OF_FRAME = re.compile(rb"\x1c(?=[\r\n\x0b]|\Z)")
ENVELOPE = re.compile(rb"(?:FHS|BHS|BTS|FTS)(?:[^\sA-Za-z0-9][^\r\n]*)?")
BLANK = b"\r\n\t \x0b\x1c\x00\x1a"


def split_messages(raw: bytes) -> Iterator[bytes]:
    """Yield each message of a file, in order.

    Batch envelopes (FHS, BHS, BTS, FTS), MLLP framing bytes, byte order marks and blank lines are left
    out. What is neither those nor a message (text before the first MSH, between frames, or a whole file
    without any) is yielded by itself, so that it can be refused with a reason instead of vanishing.
    """
    encoding = wide(raw)
    if encoding is not None:
        text = raw.decode(encoding, "surrogatepass" if encoding != "utf-16" else "replace")
        for piece in split_messages(text.lstrip("\ufeff").encode("utf-8", "replace")):
            yield codecs.BOM_UTF16_LE + piece.decode("utf-8").encode("utf-16-le")
        return
    position = 0
    found = START.search(raw)
    while found is not None:
        begin = found.start(1)
        yield from _strays(raw[position:begin])
        following = START.search(raw, found.end(1))
        stop = following.start(1) if following else len(raw)
        framed = END_OF_FRAME.search(raw, begin, stop)
        end = framed.start() if framed else stop
        message = _without_envelope(raw[begin:end])
        if message:
            yield message
        position = end
        found = following
    yield from _strays(raw[position:])


def looks_like_hl7v2(raw: bytes) -> bool:
    """Return whether a file holds at least one message (its first 64 KiB decide)."""
    head = raw[:65_536]
    encoding = wide(head)
    if encoding is not None:
        head = head.decode(encoding, "replace").lstrip("\ufeff").encode("utf-8", "replace")
    return START.search(head) is not None


def _without_envelope(message: bytes) -> bytes:
    message = message.strip(BLANK)
    if b"BTS" not in message and b"FTS" not in message and b"BHS" not in message and b"FHS" not in message:
        return message
    lines = re.split(rb"(\r\n|\r|\n)", message)
    while len(lines) > 1 and (ENVELOPE.fullmatch(lines[-1].strip()) or not lines[-1].strip(BLANK)):
        del lines[-2:]
    return b"".join(lines).strip(BLANK)


def _strays(piece: bytes) -> Iterator[bytes]:
    lines = re.split(rb"\r\n|\r|\n", piece.removeprefix(codecs.BOM_UTF8))
    kept = [line for line in lines if line.strip(BLANK) and not ENVELOPE.fullmatch(line.strip(BLANK))]
    if kept:
        yield b"\r".join(kept).strip(BLANK)
