"""Demand as reported and mandates; what was delivered and used, and taken back."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from salus.insurance.models import ContractLine, Demand, Supply, Tender
from salus.insurance.pages.procurement import words
from salus.insurance.pages.procurement.forms import DemandForm, MandateForm, SupplyForm
from salus.insurance.pages.procurement.tables import DemandTable, FulfilmentTable, SupplyTable
from salus.insurance.pages.procurement.tenders import READ, crumbs, form_page
from salus.insurance.pages.procurement.visible import allowed, mandating, narrowed, reporting, tender_of
from salus.insurance.queries import procurement as queries
from salus.insurance.services import procurement
from salus.kernel.errors import SalusError
from salus.kernel.models import Institution
from salus.kernel.names import chosen
from salus.web import access, undo
from salus.web.tables import ListRows


@access.requires(*READ)
def show(request: HttpRequest, code: str) -> HttpResponseBase:
    """List what was reported, with a form for those who may report."""
    tender, who = tender_of(code), access.principal(request)
    institutions = reporting(who, timezone.localdate())
    reports = tender.state == Tender.State.DRAFT and institutions.exists()
    rows = narrowed(
        Demand.objects.filter(group__tender=tender), who, "tender_demand", "institution"
    ).select_related("group", "institution", "mandate__agent")
    context = {
        "title": _("Reported demand"),
        "breadcrumbs": crumbs(tender),
        "tender": tender,
        "form": DemandForm(tender, institutions) if reports else None,
        "mandates": mandating(who).exists(),
    }
    return DemandTable(request, rows).respond("insurance/tender/demand.html", context)


@require_POST
@access.requires("fund_officer", "manager")
def report(request: HttpRequest, code: str) -> HttpResponseBase:
    """Report demand, or take a report back; the page offers to undo it."""
    tender, who = tender_of(code), access.principal(request)
    form = DemandForm(tender, reporting(who, timezone.localdate()), request.POST)
    if form.is_valid():
        values = form.cleaned_data
        try:
            before = procurement.report_demand(
                who, values["group"], values["institution"], strength=values["strength"], pack=values["pack"],
                packs=values["packs"], now=timezone.now(),
            )  # fmt: skip
        except SalusError as error:
            words.refuse(form, error)
        else:
            again = reverse(
                "insurance:demand-again",
                args=[
                    code, values["group"].pk, values["institution"].pk, values["strength"].replace("/", "_"),
                    values["pack"], before,
                ],
            )  # fmt: skip
            said = _("The demand was reported.") if values["packs"] else _("The report was taken back.")
            undo.offer(request, said, again)
            return HttpResponseRedirect(reverse("insurance:demand", args=[code]))
    return form_page(request, form, _("Report demand"), _("Report"), tender)


@require_POST
@access.requires("fund_officer", "manager")
def report_again(
    request: HttpRequest, code: str, group: int, institution: int, strength: str, pack: int, packs: int
) -> HttpResponseBase:
    """Report what stood before: the undoing of a report."""
    tender = tender_of(code)
    try:
        procurement.report_demand(
            access.principal(request), get_object_or_404(tender.groups, pk=group),
            get_object_or_404(Institution, pk=institution), strength=strength.replace("_", "/"), pack=pack,
            packs=packs, now=timezone.now(),
        )  # fmt: skip
    except SalusError as error:
        messages.error(request, words.of_error(error))
    else:
        messages.success(request, _("What stood before stands again."))
    return HttpResponseRedirect(reverse("insurance:demand", args=[code]))


@access.requires("fund_officer", "manager")
def mandate(request: HttpRequest) -> HttpResponseBase:
    """Record a mandate for a purchasing organisation."""
    who = access.principal(request)
    form = MandateForm(mandating(who), request.POST or None, initial={"valid_from": timezone.localdate()})
    if request.method == "POST" and form.is_valid():
        try:
            procurement.give_mandate(who, **form.cleaned_data)
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The mandate was recorded."))
            return HttpResponseRedirect(reverse("insurance:tenders"))
    return form_page(request, form, _("Record a mandate"), _("Record"))


# --- supply ----------------------------------------------------------------------------------------


@access.requires(*READ)
def fulfilment(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show how far each institution is with what it agreed to buy, alerts first."""
    tender, who = tender_of(code), access.principal(request)
    lines = narrowed(
        ContractLine.objects.filter(contract__group__tender=tender), who, "tender_supply", "institution"
    ).select_related("contract__group", "contract__supplier", "institution")
    rows = queries.fulfilment(
        lines.order_by("contract__group__code", "institution__code"), timezone.localdate()
    )
    rows.sort(key=lambda one: not one.alerts)
    alerts = {
        code: (words_, sum(code in one.alerts for one in rows)) for code, words_ in queries.ALERTS.items()
    }
    context = {
        "title": _("Fulfilment"),
        "breadcrumbs": crumbs(tender),
        "tender": tender,
        "alerts": list(alerts.values()),
    }
    table = FulfilmentTable(request, ListRows(rows, key="pk"))
    return table.respond("insurance/tender/fulfilment.html", context)


def _line(request: HttpRequest, number: int, action: str) -> ContractLine:
    line = get_object_or_404(
        ContractLine.objects.select_related("contract__group__tender", "contract__supplier", "institution"),
        pk=number,
    )
    if not allowed(access.principal(request), action, "tender_supply", line.institution_id):
        raise Http404
    return line


@access.requires(*READ)
def supply(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show and enter what happened under one contract line."""
    line = _line(request, number, "read")
    who, contract = access.principal(request), line.contract
    writes = allowed(who, "create", "tender_supply", line.institution_id)
    if request.method == "POST" and not writes:
        raise PermissionDenied
    form = SupplyForm(request.POST or None, initial={"on": timezone.localdate()}) if writes else None
    if request.method == "POST" and form is not None and "bulk" not in request.POST and form.is_valid():
        try:
            made = procurement.record_supply(who, line, now=timezone.now(), **form.cleaned_data)
        except SalusError as error:
            words.refuse(form, error)
        else:
            undo.offer(request, _("The entry was made."), reverse("insurance:supply-reverse", args=[made.pk]))
            return HttpResponseRedirect(reverse("insurance:supply", args=[number]))
    rows = line.supplies.select_related("entered_by").annotate(
        reversed=Subquery(Supply.objects.filter(reverses=OuterRef("pk")).values("pk")[:1])
    )
    [stand] = queries.fulfilment([line], timezone.localdate())
    tender = contract.group.tender
    context: dict[str, Any] = {
        "title": _("Supply: %(institution)s") % {
            "institution": chosen(line.institution.name, line.institution.name_en)
        },
        "breadcrumbs": [
            *crumbs(tender), (_("Fulfilment"), reverse("insurance:fulfilment", args=[tender.code])),
        ],
        "line": line, "stand": stand, "form": form,
        "alerts": [queries.ALERTS[one] for one in stand.alerts],
    }  # fmt: skip
    table = SupplyTable(request, rows)
    if request.method == "POST":
        context["table"] = table
        return render(request, "insurance/tender/supply.html", context, status=422)
    return table.respond("insurance/tender/supply.html", context)


@require_POST
@access.requires("fund_officer", "manager")
def reverse_supply(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take an entry back."""
    row = get_object_or_404(Supply.objects.select_related("line__contract__group__tender"), pk=number)
    _line(request, row.line_id, "update")
    try:
        procurement.take_back(access.principal(request), row, now=timezone.now())
    except SalusError as error:
        messages.error(request, words.of_error(error))
    else:
        messages.success(request, _("The entry was taken back."))
    return HttpResponseRedirect(reverse("insurance:supply", args=[row.line_id]))
