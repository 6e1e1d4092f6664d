"""My residents today: whom to call or see, longest overdue first; made for a phone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.prevention.pages.programme import words
from salus.prevention.queries.programme import catalogue, recall
from salus.web import access

SIZE = 25


@access.requires("village_doctor", "clinician")
def today(request: HttpRequest) -> HttpResponseBase:
    """Show a page of the doctor's day."""
    asker, day = access.principal(request), timezone.localdate()
    which = request.GET.get("list", "due")
    which = which if which in recall.LISTS else "due"
    programme = request.GET.get("programme", "")
    everybody = request.GET.get("who") == "all"
    page = int(request.GET["page"]) if request.GET.get("page", "").isdecimal() else 1
    page = min(max(page, 1), 10_000)
    context: dict[str, Any] = {
        "title": _("My residents today"),
        "which": which,
        "programme": programme,
        "everybody": everybody,
        "programmes": [(one.code, one.name) for one in catalogue.programmes(day).values()],
        "today": day,
        "has_own": asker.staff_id is not None,
    }
    found = recall.day(
        asker, day, which="due" if which == "done" else which, everybody=everybody, programme=programme,
        start=(page - 1) * SIZE, size=SIZE if which != "done" else 0,
    )  # fmt: skip
    context["counts"] = found.counts
    if which == "done":
        given, tries = recall.done_on(asker, day)
        context["given"] = [
            (row, catalogue.service_name(row.product, day), words.control(row.control), words.values(row))
            for row in given
        ]
        context["tries"] = [(row, words.outcome(row.outcome)) for row in tries]
    else:
        context["residents"] = [
            (one, [(owed, *words.owed(owed)) for owed in one.owed], words.LEVELS[one.level],
             words.outcome(one.last_outcome))
            for one in found.residents
        ]  # fmt: skip
        context["page"] = page
        context["pages"] = max(1, -(-found.total // SIZE))
    return render(request, "prevention/programme/today.html", context)
