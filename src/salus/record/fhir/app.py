"""The ASGI application under /fhir: reads a request, hands it to a lane of threads, sends the answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import validate_host

from salus.kernel.errors import SalusError
from salus.record import json
from salus.record.fhir import service
from salus.record.fhir.body import MAX_BUNDLE, MAX_RESOURCE
from salus.record.fhir.lanes import Overloaded
from salus.record.fhir.outcome import FhirError, FilePart, Response, from_error, respond
from salus.record.fhir.request import Request, decode_text, parse_query, split_path

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BLOCK = 256 * 1024  # bytes of a file sent at once
CHUNK_WAIT = 30.0  # seconds that a sender may stay silent within a body
logger = logging.getLogger("salus.record.fhir")


class Disconnected(Exception):
    """The asker went away before the request was whole."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one HTTP request under /fhir (ASGI 3)."""
    try:
        response = await _answer(scope, receive)
    except SalusError as error:
        response = respond(from_error(error))
    except Overloaded:
        response = respond(
            FhirError(
                503, "throttled", "Too many requests wait", fix="Try later", headers=(("retry-after", "1"),)
            )
        )
    except Disconnected:
        return
    except Exception as error:  # noqa: BLE001  the last resort: nothing of the fault may reach the asker
        service.log_fault(error)
        response = service.fault(error)
    await _send(scope, send, response)


async def _answer(scope: Scope, receive: Receive) -> Response:
    request = _request(scope)
    if request.method == "OPTIONS":
        return Response(204, headers=(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),))
    task = service.admit(request)
    if task.takes_body:
        await service.authenticate(task)  # nobody unknown may send megabytes
        limit = MAX_RESOURCE if request.segments else MAX_BUNDLE
        request.body = await _body(request, receive, limit)
    response = await service.perform(task)
    if (
        request.query
        and request.parameter("_pretty") == "true"
        and response.body
        and "json" in response.media
    ):
        return replace(response, body=json.dumps(json.loads(response.body), indent=True))
    return response


def _request(scope: Scope) -> Request:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    raw_query: bytes = scope.get("query_string", b"")
    target = raw_path.split(b"?", 1)[0][len("/fhir/") :].decode("latin-1")
    return Request(
        method=scope["method"],
        segments=split_path(raw_path),
        query=parse_query(raw_query) if raw_query else [],
        headers=headers,
        body=b"",
        base=_base(scope.get("scheme", "http"), headers.get("host", "localhost")),
        target=target + ("?" + decode_text(raw_query) if raw_query else ""),
    )


@lru_cache(maxsize=256)
def _base(scheme: str, host: str) -> str:
    """Return the API's address; a Host that is not ours must not end up in links."""
    name = host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host
    if not validate_host(name.lower(), [*settings.ALLOWED_HOSTS, "testserver"]):
        raise FhirError(400, "invalid", "This server is not known by that host name", fix="Set SALUS_HOSTS")
    return f"{scheme}://{host}/fhir"


async def _body(request: Request, receive: Receive, limit: int) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise FhirError(415, "not-supported", "Compressed bodies are not taken", fix="Send the body as it is")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise FhirError(413, "too-long", f"The body is longer than {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(CHUNK_WAIT):
                message = await receive()
        except TimeoutError:
            raise FhirError(408, "timeout", "The body did not come to its end") from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise FhirError(413, "too-long", f"The body is longer than {limit} bytes")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(scope: Scope, send: Send, response: Response) -> None:
    body = b"" if scope["method"] == "HEAD" else response.body
    length = len(response.body) if response.file is None else response.file.length
    headers = [(b"content-length", str(length).encode())] if response.status not in {204, 304} else []
    if length:
        headers.append((b"content-type", response.media.encode()))
    headers.append((b"cache-control", b"no-store"))
    headers.append((b"x-content-type-options", b"nosniff"))
    headers.extend(
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers
    )
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.file is not None and scope["method"] != "HEAD":
        await _send_file(send, response.file)
    else:
        await send({"type": "http.response.body", "body": body})


async def _send_file(send: Send, part: FilePart) -> None:
    """Send a part of a file in blocks; the disk is read beside the event loop."""
    with await asyncio.to_thread(open, part.path, "rb") as file:
        file.seek(part.start)
        left = part.length
        while left > 0:
            block = await asyncio.to_thread(file.read, min(BLOCK, left))
            if not block:
                raise OSError("the file is shorter than it was")
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
        if part.length == 0:
            await send({"type": "http.response.body", "body": b""})
