"""The reader's language: chosen on the account, so it follows the reader to another device."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation

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
