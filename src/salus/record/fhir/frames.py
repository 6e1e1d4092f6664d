"""Values over a stream between two processes of this program."""

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any


class Frames(asyncio.Protocol):
    """Pickled values over a stream, each after its length. Both ends are this program, on one machine."""

    def __init__(self) -> None:
        self.transport: Any = None  # uvloop's transports and asyncio's have no class in common
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport

    def say(self, value: Any) -> None:
        """Send a value; without a connection it is lost, as the answer would be."""
        if self.transport is not None and not self.transport.is_closing():
            raw = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
            self.transport.write(len(raw).to_bytes(4) + raw)

    def heard(self, part: bytes) -> Iterator[Any]:
        """Yield the values that are whole now."""
        self._buffer += part
        at = 0
        while len(self._buffer) - at >= 4:
            end = at + 4 + int.from_bytes(self._buffer[at : at + 4])
            if len(self._buffer) < end:
                break
            yield pickle.loads(memoryview(self._buffer)[at + 4 : end])  # noqa: S301  our own child's
            at = end
        del self._buffer[:at]
