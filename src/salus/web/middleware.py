"""The reader's language, which follows the account; static files under ASGI and WSGI alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class AccountLanguageMiddleware:
    """Use the language stored on the account in preference to the browser's."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer the request in the account's language."""
        if iscoroutinefunction(self):
            return self._answer_later(request)
        self._activate(request, request.user)
        return self.get_response(request)

    async def _answer_later(self, request: HttpRequest) -> Any:
        self._activate(request, await request.auser())
        answer: Any = self.get_response(request)
        return await answer

    @staticmethod
    def _activate(request: HttpRequest, user: Any) -> None:
        language = getattr(user, "language", "") if user.is_authenticated else ""
        if language and language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language() or language


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise that neither leaves the event loop nor streams: the files are small and known at start."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer with the file at the address, or pass the request on."""
        found = self.files.get(request.path_info)
        if found is None:
            return self.get_response(request)
        answer = self.serve(found, request)
        return self._later(answer) if iscoroutinefunction(self) else answer

    @staticmethod
    async def _later(answer: HttpResponse) -> HttpResponse:
        return answer

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Return the file with WhiteNoise's own headers."""
        told = static_file.get_response(request.method, request.META)
        body = b""
        if told.file is not None:
            with told.file as file:
                body = file.read()
        answer = HttpResponse(body, status=int(told.status))
        del answer["content-type"]
        for key, value in told.headers:
            answer[key] = value
        return answer
