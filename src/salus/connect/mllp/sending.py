"""The sender: messages to an MLLP listener, each sent until it is answered."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from salus.connect.mllp.framing import Framer, frame

CHUNK = 64 * 1024
LONGEST_ANSWER = 1024 * 1024
ACCEPTED = ("AA", "CA")


@dataclass(slots=True)
class Sent:
    """What became of the messages sent.

    `codes` counts the answers by MSA-1; `answers[i]` is the answer to message i (None: none came);
    `latencies` are seconds from the last send to the answer; `reconnections` counts broken connections.
    """

    answers: list[bytes | None]
    codes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    reconnections: int = 0
    seconds: float = 0.0

    @property
    def accepted(self) -> int:
        """Return how many messages the listener took."""
        return sum(self.codes[code] for code in ACCEPTED)

    @property
    def unanswered(self) -> int:
        """Return how many messages were never answered."""
        return sum(answer is None for answer in self.answers)


def answer_code(answer: bytes) -> str:
    """Return MSA-1 of an acknowledgement, "" when there is none."""
    for line in answer.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(b"MSA") and len(line) > 4:
            fields = line.split(line[3:4])
            return fields[1].decode("ascii", "replace") if len(fields) > 1 else ""
    return ""


def answered_control_id(answer: bytes) -> bytes:
    """Return MSA-2 of an acknowledgement."""
    for line in answer.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(b"MSA") and len(line) > 4:
            fields = line.split(line[3:4])
            return fields[2] if len(fields) > 2 else b""
    return b""


def send(
    messages: Iterable[bytes],
    host: str,
    port: int,
    *,
    connections: int = 1,
    window: int = 1,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 30.0,
    retry_for: float = 60.0,
) -> Sent:
    """Send messages and wait for their answers; the blocking form of `send_all`."""
    return asyncio.run(
        send_all(
            list(messages), host, port, connections=connections, window=window, ssl_context=ssl_context,
            timeout=timeout, retry_for=retry_for,
        )
    )  # fmt: skip


async def send_all(
    messages: Sequence[bytes],
    host: str,
    port: int,
    *,
    connections: int = 1,
    window: int = 1,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float = 30.0,
    retry_for: float = 60.0,
) -> Sent:
    """Send messages over a number of connections and return their answers.

    Message i goes by connection `i % connections`, in order. `window` messages may be unanswered on a
    connection. A message whose answer does not come within `timeout` seconds, or whose connection breaks, is
    sent again, for at most `retry_for` seconds without any answer.
    """
    sent = Sent([None] * len(messages))
    begun = time.perf_counter()
    width = min(connections, max(1, len(messages)))
    lanes = [
        _lane(
            messages,
            range(lane, len(messages), width),
            host,
            port,
            window,
            ssl_context,
            timeout,
            retry_for,
            sent,
        )
        for lane in range(width)
    ]
    await asyncio.gather(*lanes)
    sent.seconds = time.perf_counter() - begun
    return sent


async def _lane(
    messages: Sequence[bytes],
    numbers: Sequence[int],
    host: str,
    port: int,
    window: int,
    ssl_context: ssl.SSLContext | None,
    timeout: float,
    retry_for: float,
    sent: Sent,
) -> None:
    done = 0
    last_progress = time.monotonic()
    pause = 0.05
    while done < len(numbers):
        before = done
        try:
            reader, writer = await asyncio.open_connection(host, port, ssl=ssl_context)
        except (OSError, ssl.SSLError):
            writer = None
        if writer is not None:
            try:
                async for _ in _exchange(messages, numbers[done:], reader, writer, window, timeout, sent):
                    done += 1
                    last_progress = time.monotonic()
            except (OSError, ssl.SSLError, asyncio.IncompleteReadError, TimeoutError):
                pass
            finally:
                writer.close()
        if done >= len(numbers):
            return
        sent.reconnections += 1
        pause = 0.05 if done > before else min(pause * 2, 1.0)
        if time.monotonic() - last_progress > retry_for:
            return
        await asyncio.sleep(pause)


async def _exchange(
    messages: Sequence[bytes],
    numbers: Sequence[int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    window: int,
    timeout: float,
    sent: Sent,
) -> AsyncIterator[None]:
    """Yield once for each answer."""
    framer = Framer(LONGEST_ANSWER)
    started: dict[int, float] = {}
    next_out = 0
    next_in = 0
    while next_in < len(numbers):
        while next_out < len(numbers) and next_out - next_in < window:
            writer.write(frame(messages[numbers[next_out]]))
            started[next_out] = time.perf_counter()
            next_out += 1
        await writer.drain()
        async with asyncio.timeout(timeout):
            chunk = await reader.read(CHUNK)
        if not chunk:
            raise ConnectionError("the listener closed the connection")
        for cut in framer.feed(chunk):
            sent.answers[numbers[next_in]] = cut.raw
            sent.codes[answer_code(cut.raw)] += 1
            sent.latencies.append(time.perf_counter() - started.pop(next_in))
            next_in += 1
            yield
