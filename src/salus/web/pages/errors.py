"""The pages of errors. They say what happened and what to do, and never anything about a resident."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_WORDS: dict[int, tuple[str | Promise, str | Promise]] = {
    400: (_("The request could not be understood"), _("Go back, reload the page and try again.")),
    403: (
        _("You may not open this page"),
        _("Your account has no role that allows it. An administrator of accounts can grant one."),
    ),
    404: (
        _("There is nothing at this address"),
        _("Check the address, or find the page from the home page."),
    ),
    500: (
        _("Something went wrong"),
        _("It has been recorded. Try again; if it happens again, tell the people who run this installation."),
    ),
}


def _page(request: HttpRequest, status: int) -> HttpResponse:
    title, text = _WORDS[status]
    return render(
        request, "web/errors/page.html", {"title": title, "text": text, "status": status}, status=status
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be understood."""
    return _page(request, 400)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that the reader may not make."""
    return _page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request for what is not there, or what the reader may not know of."""
    return _page(request, 404)


def failed(request: HttpRequest) -> HttpResponse:
    """Answer when the platform itself failed: no database is asked, since it may be the cause."""
    title, text = _WORDS[500]
    return HttpResponse(render_to_string("web/errors/bare.html", {"title": title, "text": text}), status=500)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was sent without this session's token."""
    context: dict[str, Any] = {
        "title": _("The form had expired"),
        "text": _("Nothing was changed. Go back, reload the page and send it again."),
        "status": 403,
    }
    return render(request, "web/errors/page.html", context, status=403)
