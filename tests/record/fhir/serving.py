"""Other people's HTTP servers, on loopback, which answer badly now and then."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Call:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answered: int = 0


@dataclass
class Elsewhere:
    """A server that is not ours: its address, what it serves by path, what came to it."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    answer: Callable[[Call], int] = lambda call: 200
    cut: Callable[[], bool] = lambda: False
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Serve on a free port of loopback until the end of the block."""
    world = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            length = int(self.headers.get("content-length", 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            call = Call(self.command, self.path, headers, self.rfile.read(length))
            with world.lock:
                world.calls.append(call)
                content = world.files.get(self.path)
                call.answered = world.answer(call) if content is None else 200
            if content is not None:
                self._send_file(content)
            elif call.answered == 0:  # say nothing and hang up
                self.close_connection = True
            elif 300 <= call.answered < 400:
                self.send_response(call.answered)
                self.send_header("location", world.address + "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()
            else:
                self.send_response(call.answered)
                self.send_header("content-length", "0")
                self.end_headers()

        def _send_file(self, content: bytes) -> None:
            start = 0
            asked = self.headers.get("range", "")
            if asked.startswith("bytes="):
                start = int(asked[6:].partition("-")[0])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("content-range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("content-length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            if world.cut():
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _take  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    world.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def now_and_then(seed: int, share: float) -> Callable[[], bool]:
    """Return a coin that falls on True in a share of throws."""
    rng = random.Random(seed)
    return lambda: rng.random() < share
