"""The whole platform in one ASGI process: the FHIR API beside Django."""

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "salus.settings")

from django.core.asgi import get_asgi_application

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

django_application = get_asgi_application()

from salus.kernel.collector import calm_collector  # noqa: E402
from salus.record.fhir import apart  # noqa: E402  Django must be set up first
from salus.record.fhir.cors import with_cors as fhir_application  # noqa: E402  Django must be set up first

calm_collector()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a request to the FHIR API or to Django by its path."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "http" and (scope["path"] == "/fhir" or scope["path"].startswith("/fhir/")):
        await fhir_application(scope, receive, send)
    elif scope["type"] == "http":
        await django_application(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await apart.begin()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await apart.end()
            await send({"type": "lifespan.shutdown.complete"})
            return
