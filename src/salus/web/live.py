"""Live regions: a part of a page that the server sends anew whenever it changes (server-sent events).

Without JavaScript the page shows the region as it was when it was opened; where a proxy holds back the
stream, the script asks again at the region's pace.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils import translation

from salus.web import access

LONGEST = 600.0  # seconds; then the browser connects again, so that nothing lives for ever
HEARTBEAT = 15.0  # seconds between signs of life, so that proxies keep the stream open


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page that is kept up to date.

    `context(request)` gives the values of `template`; it is asked every `every` seconds for each reader
    who has the page open, so it must be cheap. `roles` as in `access.requires`.
    """

    name: str
    template: str
    context: Callable[[HttpRequest], dict[str, Any]]
    roles: frozenset[str] = frozenset()
    every: float = 2.0


_regions: dict[str, Region] = {}


def register(region: Region) -> None:
    """Offer a live region; registering a name again replaces it."""
    _regions[region.name] = region


def get(name: str) -> Region:
    """Return a registered region.

    Raises:
        KeyError: there is none of that name.
    """
    return _regions[name]


def render(region: Region, request: HttpRequest) -> str:
    """Return the region's present content as HTML."""
    return render_to_string(region.template, region.context(request), request=request)


def _checked(request: HttpRequest, region: Region) -> None:
    """Raise PermissionDenied when the reader is not, or no longer, allowed to see the region."""
    if not request.user.is_authenticated or (region.roles and not access.roles(request) & region.roles):
        raise PermissionDenied


def stream(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer with the region: as a stream of events where it can be, else once."""
    try:
        region = get(name)
    except KeyError:
        raise Http404 from None
    _checked(request, region)
    if not isinstance(request, ASGIRequest) or "text/event-stream" not in request.headers.get("Accept", ""):
        answer: HttpResponseBase = HttpResponse(render(region, request))
    else:
        language = translation.get_language() or "en"
        answer = StreamingHttpResponse(_events(request, region, language), content_type="text/event-stream")
        answer["X-Accel-Buffering"] = "no"
    answer["Cache-Control"] = "no-store"
    return answer


async def _events(request: HttpRequest, region: Region, language: str) -> AsyncIterator[bytes]:
    started = spoken = time.monotonic()
    shown = None
    yield b"retry: 3000\n\n"
    while time.monotonic() - started < LONGEST:
        try:
            html = await sync_to_async(_fresh)(request, region, language)
        except PermissionDenied:
            yield b"event: ended\ndata: \n\n"
            return
        now = time.monotonic()
        if html != shown:
            shown, spoken = html, now
            yield "".join(f"data: {line}\n" for line in html.splitlines()).encode() + b"\n"
        elif now - spoken > HEARTBEAT:
            spoken = now
            yield b": still here\n\n"
        await asyncio.sleep(region.every)


def _fresh(request: HttpRequest, region: Region, language: str) -> str:
    """Ask again who is reading and what there is: a revoked role ends the stream at the next turn."""
    from django.contrib.auth import get_user

    request.session = type(request.session)(request.session.session_key)
    request.user = get_user(request)
    request._salus_principal = None  # type: ignore[attr-defined]
    _checked(request, region)
    with translation.override(language):
        return render(region, request)
