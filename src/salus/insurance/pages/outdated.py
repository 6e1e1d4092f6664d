"""Pages of what changes decided claims: one taken back, and the years to decide again after it."""

from collections import Counter
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from salus.insurance.models import Claim, OutdatedWhy, OutdatedYear
from salus.insurance.pages.claims import payer
from salus.insurance.queries import claims as reading
from salus.insurance.queries import outdated as queries
from salus.insurance.services import claims as services
from salus.kernel import audit
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.names import chosen
from salus.web import access, confirm
from salus.web.tables import BulkAction, ChoiceFilter, Column, RowAction, Table

AT_ONCE = 200
"""Years decided again by one press of a button."""


def _reason(row: OutdatedYear) -> str:
    """Return why the year is decided again: it stands on its claims, so no sensitive one is named."""
    named = {
        OutdatedWhy.LATE: _("Claim %(number)s came late"),
        OutdatedWhy.REVERSED: _("Claim %(number)s was taken back"),
    }
    if row.cause.categories or row.why not in named:
        return str(row.get_why_display())
    return named[OutdatedWhy(row.why)] % {"number": row.cause.number}


def _changed(claims: int) -> str:
    return ngettext("%(n)s claim came out otherwise.", "%(n)s claims came out otherwise.", claims) % {
        "n": claims
    }


def _decide(request: HttpRequest, rows: Any) -> str:
    """Decide the first years again, each in a transaction of its own, and say what came of it.

    What cannot be decided now stays on the list, and a message says why.
    """
    asker, years, changed = payer(request), 0, 0
    stopped: Counter[str] = Counter()
    for row in rows[:AT_ONCE]:
        if not OutdatedYear.objects.filter(pk=row.pk).exists():
            continue  # decided meanwhile, or with another mark of a person who was merged
        try:
            made = services.decide_again(asker, row.person_id, row.year, _reason(row), now=timezone.now())
        except SalusError as error:
            stopped[_(error.message)] += 1
            continue
        years, changed = years + 1, changed + len(made)
    for words, count in stopped.items():
        left = ngettext("%(n)s year was left: %(words)s.", "%(n)s years were left: %(words)s.", count)
        messages.error(request, left % {"n": count, "words": words})
    done = ngettext("%(n)s year was decided again.", "%(n)s years were decided again.", years) % {"n": years}
    return f"{done} {_changed(changed)}"


class Outdated(Table):
    """Years to decide again, the oldest mark first; no resident is named."""

    name = "outdated"
    caption = gettext_lazy("Years to decide again")
    default_sort = "found_at"
    private = True
    search = ("number", "place")
    search_label = gettext_lazy("Number or institution")
    empty_title = gettext_lazy("Nothing has to be decided again")
    empty_text = gettext_lazy(
        "A year comes here when a claim of it comes late or is taken back, or when the records of two "
        "residents are joined or separated."
    )
    columns: ClassVar = (
        Column(
            "cause", gettext_lazy("Claim"), kind="code", sort="number",
            value=lambda row: row.number or _("not shown"),
            link=lambda row: reverse("insurance:claim", args=[row.cause_id]) if row.number else None,
        ),
        Column("why", gettext_lazy("Why"), sort="why", value=lambda row: row.get_why_display()),
        Column(
            "institution", gettext_lazy("Institution"), sort="place", wide=True,
            value=lambda row: chosen(row.place, row.cause.institution.name_en) if row.place else "",
        ),
        Column("day", gettext_lazy("Day"), kind="day", sort="day"),
        Column("year", gettext_lazy("Benefit year"), kind="number", sort="year",
               value=lambda row: str(row.year)),
        Column("claims", gettext_lazy("Claims of the year"), kind="number", sort="claims"),
        Column("found_at", gettext_lazy("Since"), kind="moment", sort="found_at"),
    )  # fmt: skip
    filters: ClassVar = (ChoiceFilter("why", gettext_lazy("Why"), tuple(OutdatedWhy.choices)),)
    row_actions: ClassVar = (
        RowAction(
            gettext_lazy("Decide again"), lambda row: reverse("insurance:outdated-again", args=[row.pk])
        ),
    )
    bulk_actions: ClassVar = (BulkAction("again", gettext_lazy("Decide again"), _decide),)


@access.requires("fund_officer")
def outdated(request: HttpRequest) -> HttpResponseBase:
    """List the benefit years whose claims no longer stand on what is known."""
    asker = payer(request)
    action = "export" if "export" in request.GET else "search"
    audit.record([audit.entry(asker, action, resource_type="Claim", detail={"page": "outdated"})])
    context = {
        "title": _("Years to decide again"),
        "breadcrumbs": [(_("Claims"), reverse("insurance:claims"))],
    }
    return Outdated(request, queries.visible(asker, action)).respond("insurance/outdated.html", context)


@access.requires("fund_officer")
@require_POST
def again(request: HttpRequest, number: int) -> HttpResponseBase:
    """Decide one year again."""
    try:
        row = queries.opened(payer(request), number)
    except NotFound:
        raise Http404 from None
    messages.success(request, _decide(request, [row]))
    return HttpResponseRedirect(reverse("insurance:outdated"))


@access.requires("fund_officer")
@require_POST
def take_back(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take a claim back: what it used up and what the funds owe for it are given back."""
    asker = payer(request)
    try:
        claim: Claim = reading.open_claim(asker, number)
    except NotFound:
        raise Http404 from None
    question = _("Take claim %(number)s back? It is paid by nobody then, and cannot be sent again under this "
                 "number.") % {"number": claim.number}  # fmt: skip
    if page := confirm.needed(request, question, action=_("Take back")):
        return page
    try:
        services.take_back(
            asker, claim.institution, claim.number, request.POST.get("reason", ""), now=timezone.now()
        )
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The claim is taken back."))
    return HttpResponseRedirect(reverse("insurance:claim", args=[number]))
