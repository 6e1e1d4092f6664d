"""Outbreaks: the list, one with its curve, chain and cases, opening and closing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from salus.kernel import names, policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import CaseStatus, OutbreakState
from salus.prevention.pages.notifiable import cases, drawing, forms
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import investigation as reading
from salus.prevention.queries.notifiable import seeing
from salus.prevention.services.notifiable import outbreaks as doing
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, Table
from salus.web.tables.filters import Filter


class Outbreaks(Table):
    """Outbreaks, the newest first."""

    name = "outbreaks"
    caption = gettext_lazy("Outbreaks")
    search = ("title", "place")
    search_label = gettext_lazy("Title or place")
    default_sort = "-opened_on"
    empty_title = gettext_lazy("There is no outbreak")
    empty_text = gettext_lazy("Open one here, or from cases chosen in the line list.")
    columns: ClassVar = (
        Column("title", gettext_lazy("Title"), sort="title", wide=True,
               link=lambda row: reverse("prevention:outbreak", args=[row.pk])),
        Column("disease", gettext_lazy("Disease"), sort="disease",
               value=lambda row: known.disease_name(row.disease)),
        Column("state", gettext_lazy("State"), sort="state", value=lambda row: row.get_state_display(),
               tone=lambda row: "bad" if row.state == OutbreakState.OPEN else ""),
        Column("n", gettext_lazy("Cases"), kind="number", sort="n"),
        Column("confirmed", gettext_lazy("Confirmed"), kind="number", sort="confirmed"),
        Column("place", gettext_lazy("Place"), sort="place"),
        Column("opened_on", gettext_lazy("Opened on"), kind="day", sort="opened_on"),
        Column("closed_on", gettext_lazy("Closed on"), kind="day", sort="closed_on"),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("state", gettext_lazy("State"), tuple(OutbreakState.choices)),
        ChoiceFilter("disease", gettext_lazy("Disease"), known.choices),
    )


@access.may("search", "outbreak")
def outbreaks(request: HttpRequest) -> HttpResponseBase:
    """List the outbreaks of the reader's area."""
    asker = access.principal(request)
    counted = Q(cases__duplicate_of=None) & ~Q(cases__status=CaseStatus.DISCARDED)
    rows = seeing.outbreaks(asker).annotate(
        n=Count("cases", filter=counted),
        confirmed=Count("cases", filter=Q(cases__status=CaseStatus.CONFIRMED, cases__duplicate_of=None)),
    )
    return Outbreaks(request, rows).respond(
        "prevention/notifiable/outbreaks.html",
        {"title": _("Outbreaks"), "opens": policy.permits(asker, "create", "outbreak")},
    )


class _Cases(cases.LineList):
    """The outbreak's cases."""

    name = "outbreak-cases"
    caption = gettext_lazy("Cases of the outbreak")
    columns: ClassVar[Sequence[Column]] = tuple(
        c for c in cases.LineList.columns if c.name not in ("disease", "outbreak_id")
    )
    filters: ClassVar[Sequence[Filter]] = ()


@access.may("read", "outbreak")
@require_http_methods(["GET", "POST"])
def outbreak(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show an outbreak: curve, chain, cases."""
    asker = access.principal(request)
    try:
        one = seeing.open_outbreak(asker, number)
    except NotFound:
        raise Http404 from None
    rows = reading.outbreak_cases(asker, one)
    chain, held = reading.chain_of(rows)
    days = rows.values_list("first_day", "status")
    followed = reading.followed_counts(
        seeing.contacts(asker).filter(case__outbreak=one), timezone.localdate()
    )
    context: dict[str, Any] = {
        "title": one.title,
        "breadcrumbs": [(_("Outbreaks"), reverse("prevention:outbreaks"))],
        "outbreak": one,
        "disease": known.disease_name(one.disease),
        "district": names.districts([one.district_code]).get(one.district_code, one.district_code),
        "statuses": [
            (status.label, count)
            for status in CaseStatus
            if (count := sum(1 for _day, found in days if found == status))
        ],
        "mean": f"{chain.mean_secondary:.2f}" if chain.edges and chain.mean_secondary else "",
        "followed": followed,
        "curve": drawing.curve(days),
        "chain": drawing.tree(chain, held),
        "closes": one.state == OutbreakState.OPEN
        and policy.decide(asker, "decide", seeing.outbreak_target(one)).allowed,
        "exports": policy.permits(asker, "export", "notifiable_case"),
    }
    return _Cases(request, rows).respond("prevention/notifiable/outbreak.html", context)


@access.may("create", "outbreak")
def open_outbreak(request: HttpRequest) -> HttpResponseBase:
    """Open an outbreak."""
    form = forms.OutbreakForm(
        request.POST or None, districts=names.districts(), initial={"opened_on": timezone.localdate()}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            made = doing.open_outbreak(
                access.principal(request), given["title"], given["disease"], given["opened_on"],
                now=timezone.now(), district_code=given["district"], place=given["place"],
                definition=given["definition"],
            )  # fmt: skip
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The outbreak is open. Put cases into it from the line list."))
            return HttpResponseRedirect(reverse("prevention:outbreak", args=[made.pk]))
    context = {
        "title": _("Open an outbreak"),
        "breadcrumbs": [(_("Outbreaks"), reverse("prevention:outbreaks"))],
        "form": form,
        "label": _("Open it"),
    }
    return render(request, "web/form_page.html", context)


@access.may("decide", "outbreak")
def close(request: HttpRequest, number: int) -> HttpResponseBase:
    """Close an outbreak."""
    asker = access.principal(request)
    try:
        one = seeing.open_outbreak(asker, number, "decide")
    except NotFound:
        raise Http404 from None
    form = forms.CloseForm(request.POST or None, initial={"day": timezone.localdate(), "note": one.note})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            doing.close(asker, number, given["day"], given["note"], now=timezone.now())
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The outbreak is closed."))
            return HttpResponseRedirect(reverse("prevention:outbreak", args=[number]))
    context = {
        "title": _("Close the outbreak"),
        "breadcrumbs": [
            (_("Outbreaks"), reverse("prevention:outbreaks")),
            (one.title, reverse("prevention:outbreak", args=[number])),
        ],
        "form": form,
        "label": _("Close it"),
    }
    return render(request, "web/form_page.html", context)
