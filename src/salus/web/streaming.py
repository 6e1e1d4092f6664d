"""Streamed answers that work alike under ASGI and WSGI, without gathering the whole body in memory."""

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def respond(request: HttpRequest, chunks: Iterator[bytes], content_type: str) -> StreamingHttpResponse:
    """Return a streaming answer for a synchronous iterator of byte chunks.

    When a chunk cannot be made, the connection breaks off, so a half file never looks like a whole one.
    """
    body = _asynchronous(chunks) if isinstance(request, ASGIRequest) else chunks
    return StreamingHttpResponse(body, content_type=content_type)


async def _asynchronous(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Pull each chunk in the request's own thread, where its database connections live."""
    pull = sync_to_async(lambda: next(chunks, None))
    while (chunk := await pull()) is not None:
        yield chunk
