"""A bad network between a browser and a server: it loses requests before or after the server has acted."""

import asyncio
import random
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BadNetwork:
    """Forwards to `port`; while `down` nothing comes through, and `loss` of the forms' requests are lost;
    paths in `refused` never come through.

    Half of what is lost is lost on the way there, half on the way back, after the server has committed.
    """

    port: int
    seed: int = 1
    loss: float = 0.0
    down: bool = False
    refused: frozenset[str] = frozenset()
    lost_before: int = 0
    lost_after: int = 0
    passed: int = 0
    address: str = ""
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.down:
                await self._one(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        path = lines[0].split(" ")[1]
        self.paths.append(path)
        headers: dict[str, Any] = {
            name.lower(): value.strip()
            for name, _colon, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        fate = self._fate(path)
        if fate == "before":
            self.lost_before += 1
            return
        kept = [line for line in lines[1:] if line and not line.lower().startswith("connection:")]
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        back.write("\r\n".join([lines[0], *kept, "Connection: close", "", ""]).encode("latin-1") + body)
        await back.drain()
        answer = await there.read(-1)
        back.close()
        if fate == "after" or self.down:
            self.lost_after += 1
            return
        self.passed += 1
        writer.write(answer)
        await writer.drain()

    def _fate(self, path: str) -> str:
        if path in self.refused:
            return "before"
        if (
            self.loss
            and path in {"/offline/submit", "/offline/session"}
            and self._random.random() < self.loss
        ):
            return self._random.choice(["before", "after"])
        return "passes"
