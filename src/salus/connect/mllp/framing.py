"""Cutting a byte stream into frames, whatever the sender gets wrong."""

from dataclasses import dataclass
from typing import Literal

START = b"\x0b"
END = b"\x1c"
CLOSING = b"\x1c\r"
KEPT_STRAY = 4096


@dataclass(frozen=True, slots=True)
class Cut:
    """What came out of the stream.

    `kind`: "frame" (whole), "unclosed" (a new start byte before the end bytes: what came is incomplete) or
    "oversize" (more than the limit; `raw` is its beginning).
    """

    kind: Literal["frame", "unclosed", "oversize"]
    raw: bytes


class Framer:
    """An incremental cutter of one connection's bytes.

    Bytes between frames are dropped and counted in `stray`; the first of them are kept in `stray_head`. An
    oversize frame is reported once, and its rest is skipped up to its end bytes.
    """

    __slots__ = ("_buffer", "_closing", "_inside", "_scanned", "_skipping", "limit", "stray", "stray_head")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stray = 0
        self.stray_head = b""
        self._buffer = bytearray()
        self._inside = False
        self._scanned = 0
        self._closing = False
        self._skipping = False

    @property
    def held(self) -> int:
        """Return how many bytes of an unfinished frame are held."""
        return len(self._buffer)

    @property
    def partial(self) -> bool:
        """Return whether a frame has begun and not ended."""
        return self._inside or self._skipping

    @property
    def may_end(self) -> bool:
        """Return whether the last byte was an end byte whose carriage return has not come."""
        return self._inside and self._buffer.endswith(END)

    def feed(self, chunk: bytes) -> list[Cut]:
        """Take bytes; return what they complete."""
        cuts: list[Cut] = []
        buffer = self._buffer
        buffer += chunk
        while buffer:
            if self._skipping:
                if not self._skip():
                    break
                continue
            if not self._inside:
                start = buffer.find(START)
                lost = len(buffer) if start < 0 else start
                if lost:
                    self._lose(bytes(buffer[:lost]))
                    del buffer[:lost]
                if start < 0:
                    break
                del buffer[:1]
                self._inside = True
                self._scanned = 0
                continue
            end = buffer.find(END, self._scanned)
            again = _restart(buffer, self._scanned, end)
            if again >= 0:
                cuts.append(Cut("unclosed", bytes(buffer[:again])))
                del buffer[: again + 1]
                self._scanned = 0
                continue
            if end < 0 or end + 1 == len(buffer):
                self._scanned = max(0, len(buffer) - 4) if end < 0 else end
                if len(buffer) > self.limit:
                    cuts.append(self._oversize())
                    continue
                break
            following = buffer[end + 1]
            if following in b"\r\n\x0b" or buffer[end + 1 : end + 4] == b"MSH":
                raw = bytes(buffer[:end])
                del buffer[: end + (2 if following in b"\r\n" else 1)]
                self._inside = False
                self._scanned = 0
                cuts.append(Cut("oversize", raw[:KEPT_STRAY]) if len(raw) > self.limit else Cut("frame", raw))
                continue
            self._scanned = end + 1  # 0x1C inside the text (UTF-16 has such bytes)
        return cuts

    def finish(self) -> list[Cut]:
        """Take an end byte as the end although its carriage return never came."""
        if not self.may_end:
            return []
        raw = bytes(self._buffer[:-1])
        self._buffer.clear()
        self._inside = False
        self._scanned = 0
        return [Cut("frame", raw)]

    def abandon(self) -> bytes:
        """Give up an unfinished frame and return what came of it."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._inside = self._skipping = False
        self._scanned = 0
        return raw

    def _lose(self, lost: bytes) -> None:
        blank = lost.strip(b"\r\n\x1c \x00")
        if blank:
            self.stray += len(lost)
            if len(self.stray_head) < KEPT_STRAY:
                self.stray_head += lost[: KEPT_STRAY - len(self.stray_head)]

    def _oversize(self) -> Cut:
        head = bytes(self._buffer[:KEPT_STRAY])
        del self._buffer[:-1]
        self._inside = False
        self._skipping = True
        return Cut("oversize", head)

    def _skip(self) -> bool:
        buffer = self._buffer
        end = buffer.find(CLOSING)
        if end < 0:
            del buffer[: len(buffer) - 1]
            return False
        del buffer[: end + 2]
        self._skipping = False
        return bool(buffer)


def _restart(buffer: bytearray, scanned: int, end: int) -> int:
    """Return where a new frame begins before the end of this one, -1 if none does."""
    position = buffer.find(b"\x0bMSH", max(0, scanned - 4), end if end >= 0 else len(buffer))
    while position >= 0:
        if position == 0 or buffer[position - 1] in b"\r\n\x1c":
            return position
        position = buffer.find(b"\x0bMSH", position + 1, end if end >= 0 else len(buffer))
    return -1


def frame(message: bytes) -> bytes:
    """Return a message between its framing bytes."""
    return START + message + CLOSING
