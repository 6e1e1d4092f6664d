"""Home: what each role should see first, and the way to every page it may open."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from salus.web import access, home


@access.requires()
def show(request: HttpRequest) -> HttpResponse:
    """Show the cards of the rooms for the reader's roles."""
    shown = []
    for card in home.cards(access.roles(request)):
        figures = card.figures(request)
        if figures is not None:
            shown.append((card, figures))
    name = str(request.user)
    return render(
        request, "web/home.html", {"title": _("Welcome, %(name)s") % {"name": name}, "cards": shown}
    )
