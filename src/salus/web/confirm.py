"""Ask before something is done that matters: by a dialogue with JavaScript, by a page without."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _

FIELD = "confirmed"


def needed(
    request: HttpRequest, question: str | Promise, *, action: str | Promise = ""
) -> HttpResponse | None:
    """Return the page that asks, or None when the reader has already said yes.

    A form with `data-confirm` asks in a dialogue and then posts `confirmed=1`; without JavaScript the
    form arrives here without it, and the page returned posts the same values again with it.

    Args:
        request: a POST request.
        question: what is asked, in full.
        action: the label of the button that does it.
    """
    if request.POST.get(FIELD) == "1":
        return None
    kept = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in {"csrfmiddlewaretoken", FIELD}
        for value in values
    ]
    context = {
        "title": _("Please confirm"),
        "question": question,
        "action": action or _("Continue"),
        "kept": kept,
        "back": request.headers.get("Referer", "/"),
    }
    return render(request, "web/confirm.html", context)
