"""A price list: its prices, and publishing, withdrawing, discarding and rolling back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.insurance.models import PriceList, PriceListState
from salus.insurance.pages.prices.tables import ItemTable
from salus.insurance.pages.prices.words import DECIDERS, LIST_TONES, READERS
from salus.insurance.queries import prices as queries
from salus.insurance.services import prices as services
from salus.kernel import policy
from salus.kernel.errors import SalusError
from salus.web import access, confirm
from salus.web.tables import ListRows


class DayForm(forms.Form):
    """From when a list is in force."""

    effective_from = forms.DateField(
        label=gettext_lazy("In force from"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )


class BackForm(DayForm):
    """From when an earlier list is in force again, and why."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500)


class ReasonForm(forms.Form):
    """Why a list is withdrawn."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500)


@access.requires(*READERS)
@require_GET
def page(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a list with its prices beside those before it, and what may be done with it."""
    principal = access.principal(request)
    found = get_object_or_404(queries.lists(principal), number=number)
    today = timezone.localdate()
    held = queries.list_in_force(today)
    may = policy.permits(principal, "publish", "service_price")
    published = found.state == PriceListState.PUBLISHED
    pending = published and found.effective_from is not None and found.effective_from > today
    newest = PriceList.objects.filter(state=PriceListState.PUBLISHED).order_by("-effective_from").first()
    last = newest.effective_from if newest and newest.effective_from else today
    first = {"effective_from": max(today, last) + timedelta(days=1)}
    rows = queries.compared(found)
    context = {
        "title": found.title,
        "breadcrumbs": [(_("Price reform"), reverse("insurance:prices"))],
        "list": found,
        "tone": LIST_TONES[PriceListState(found.state)],
        "in_force": held is not None and held.pk == found.pk,
        "pending": pending,
        "count": len(rows),
        "changed": sum(1 for row in rows if row["change"]),
        "publish": DayForm(initial=first, auto_id="publish-%s")
        if may and found.state == PriceListState.DRAFT
        else None,
        "withdraw": ReasonForm(auto_id="withdraw-%s") if may and pending else None,
        "back": BackForm(initial=first, auto_id="back-%s")
        if may and published and newest is not None and newest.pk != found.pk
        else None,
    }
    table = ItemTable(request, ListRows(rows))
    return table.respond("insurance/prices/list.html", context)


@require_POST
@access.requires(*DECIDERS)
def publish(request: HttpRequest, number: int) -> HttpResponseBase:
    """Publish a draft, asking first."""
    question = _(
        "Publish this list? From its first day claims are paid by it. It cannot be changed afterwards."
    )
    return _decided(
        request, number, DayForm, question, _("Publish"), _("The list is published."),
        lambda principal, found, given: services.publish(
            principal, found, effective_from=given["effective_from"], today=timezone.localdate(),
            now=timezone.now(),
        ),
    )  # fmt: skip


@require_POST
@access.requires(*DECIDERS)
def withdraw(request: HttpRequest, number: int) -> HttpResponseBase:
    """Withdraw a published list before its first day, asking first."""
    return _decided(
        request, number, ReasonForm, _("Withdraw this list before it takes effect?"), _("Withdraw"),
        _("The list is withdrawn."),
        lambda principal, found, given: services.withdraw(
            principal, found, reason=given["reason"], today=timezone.localdate(), now=timezone.now()
        ),
    )  # fmt: skip


@require_POST
@access.requires(*DECIDERS)
def roll_back(request: HttpRequest, number: int) -> HttpResponseBase:
    """Publish a new list with this list's prices, asking first."""
    question = _("Publish a new list with the prices of this one? Nothing that was is changed.")
    return _decided(
        request, number, BackForm, question, _("Roll back"), _("A new list restores these prices."),
        lambda principal, found, given: services.roll_back(
            principal, found, effective_from=given["effective_from"], reason=given["reason"],
            today=timezone.localdate(), now=timezone.now(),
        ),
    )  # fmt: skip


@require_POST
@access.requires(*DECIDERS)
def discard(request: HttpRequest, number: int) -> HttpResponseBase:
    """Discard a draft, asking first."""
    return _decided(
        request, number, forms.Form, _("Discard this draft?"), _("Discard"), _("The draft is discarded."),
        lambda principal, found, given: services.discard(principal, found, now=timezone.now()),
    )  # fmt: skip


def _decided(
    request: HttpRequest,
    number: int,
    kind: type[forms.Form],
    question: str,
    action: str,
    done: str,
    decide: Callable[[policy.Principal, PriceList, dict[str, Any]], PriceList],
) -> HttpResponseBase:
    """Ask, check what was given, decide, and show the list that came of it."""
    principal = access.principal(request)
    found = get_object_or_404(queries.lists(principal), number=number)
    form = kind(request.POST)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(str(one) for one in errors))
        return redirect("insurance:price-list", number)
    if asked := confirm.needed(request, question, action=action):
        return asked
    try:
        made = decide(principal, found, form.cleaned_data)
    except SalusError as fault:
        messages.error(request, str(fault))
        return redirect("insurance:price-list", number)
    messages.success(request, done)
    return redirect("insurance:price-list", made.number)
