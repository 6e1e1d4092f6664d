"""Pages of other origins: an app in a browser may read answers if its origin is registered with it.

Source: WHATWG Fetch, "HTTP-CORS protocol"; SMART App Launch 2.2, "Considerations for Cross-Origin Resource
Sharing (CORS) support". Cookies play no part: the API knows tokens only.
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from salus.record.fhir.app import Receive, Scope, Send, application
from salus.record.fhir.lanes import Lane, Overloaded

KEPT = 5.0  # seconds that the register of apps is not asked again
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = (
    b"accept, authorization, content-type, if-match, if-modified-since, if-none-exist, if-none-match,"
    b" prefer, x-purpose-of-use"
)
EXPOSED = b"content-location, etag, last-modified, location, retry-after, x-progress"
_held: tuple[float, frozenset[str]] = (0.0, frozenset())


async def with_cors(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request under /fhir (ASGI 3); let a registered origin's page read the answer."""
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    if origin is None:
        await application(scope, receive, send)
        return
    known = origin.decode("latin-1") in await _origins()
    if known and scope["method"] == "OPTIONS":
        answer = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", HEADERS),
            (b"access-control-max-age", b"600"),
        ]
        headers = [*_letting_in(origin), *answer]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return

    async def marked(message: Any) -> None:
        if message["type"] == "http.response.start":
            more = [*_letting_in(origin), (b"access-control-expose-headers", EXPOSED)] if known else []
            message = {**message, "headers": [*message.get("headers", ()), *more, (b"vary", b"Origin")]}
        await send(message)

    await application(scope, receive, marked)


def stop() -> None:
    """End the thread that asks the register and forget what it said."""
    global _held
    if _register.cache_info().currsize:
        _register().stop()
    _held = (0.0, frozenset())


def _letting_in(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"access-control-allow-origin", origin)]


async def _origins() -> frozenset[str]:
    """Return the origins of all registered apps, as they were within the last seconds."""
    global _held
    until, found = _held
    if time.monotonic() > until:
        try:
            found = await _register().do(None)
        except Overloaded:
            return found
        _held = (time.monotonic() + KEPT, found)
    return found


@lru_cache(1)
def _register() -> Lane[None, frozenset[str]]:
    return Lane("origins", _ask, threads=1, batch=4096)


def _ask(askers: Sequence[None]) -> list[frozenset[str]]:
    from oauth2_provider.models import Application

    lists = Application.objects.exclude(allowed_origins="").values_list("allowed_origins", flat=True)
    found = frozenset(origin for origins in lists for origin in origins.split())
    return [found] * len(askers)
