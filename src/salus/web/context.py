"""What every page's frame needs to know about the request: navigation, language, theme, unread messages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation
from django.utils.functional import cached_property

from salus.web import access, navigation
from salus.web.offline.keys import device_account
from salus.web.offline.registry import visible

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "salus_theme"


class Shell:
    """The frame of one page; each part is worked out only when the template asks for it."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @cached_property
    def groups(self) -> list[navigation.Group]:
        """Return the side navigation of the reader."""
        if not self.signed_in:
            return []
        return navigation.groups(access.roles(self._request), self._request.path)

    @cached_property
    def signed_in(self) -> bool:
        """Tell whether somebody is signed in."""
        user = getattr(self._request, "user", None)
        return bool(user is not None and user.is_authenticated)

    @cached_property
    def page(self) -> navigation.Page | None:
        """Return the registered page that the address belongs to."""
        return navigation.current(self._request.path)

    @cached_property
    def theme(self) -> str:
        """Return auto, light or dark: what the reader chose on this device."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "auto")
        return chosen if chosen in THEMES else "auto"

    @property
    def themes(self) -> tuple[str, ...]:
        """Return the themes there are."""
        return THEMES

    @property
    def languages(self) -> list[tuple[str, str]]:
        """Return code and own name of each language."""
        return [
            (code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES
        ]

    @cached_property
    def unread(self) -> int:
        """Return how many notifications the reader has not opened, counted to 100 at most."""
        if not self.signed_in:
            return 0
        from salus.web.pages.notifications import unread  # the page's query; imported late: it needs models

        return unread(self._request)

    @cached_property
    def device(self) -> str:
        """Return the name by which this device knows the account; empty when nobody is signed in."""
        return device_account(int(self._request.user.pk or 0)) if self.signed_in else ""

    @cached_property
    def offline(self) -> bool:
        """Tell whether the reader has forms that work without a connection."""
        return self.signed_in and bool(visible(access.roles(self._request)))

    @property
    def city(self) -> str:
        """Return the name of the city that runs this installation, or an empty text."""
        return str(getattr(settings, "SALUS_CITY", ""))


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context processor: give every template its frame."""
    return {"shell": Shell(request)}
