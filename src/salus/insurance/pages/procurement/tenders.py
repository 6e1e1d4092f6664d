"""The list of tenders, one tender with its timeline, and what moves it on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, OuterRef, Subquery, Sum
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from salus.insurance.models import SupplyContract, Tender, TenderDecision
from salus.insurance.pages.procurement import words
from salus.insurance.pages.procurement.forms import (
    AnnounceForm,
    CancelForm,
    DecideForm,
    GroupForm,
    TenderForm,
)
from salus.insurance.pages.procurement.tables import ContractTable, DecisionTable, TenderTable, pack_yuan
from salus.insurance.pages.procurement.visible import allowed, tender_of
from salus.insurance.queries.procurement import Counts, Stage, counts, savings_report, stage
from salus.insurance.services import procurement
from salus.insurance.tender import Strength
from salus.kernel.errors import SalusError
from salus.kernel.models import District
from salus.kernel.money import Fen, format_yuan, to_fen
from salus.kernel.names import chosen
from salus.web import access, charts, confirm
from salus.web.charts import Field

Text = Any
RUN = ("fund_officer",)
READ = ("fund_officer", "planner", "auditor", "manager")


def crumbs(tender: Tender | None = None) -> list[tuple[str, str]]:
    """Return the way back to the tenders, and to one of them."""
    trail = [(_("Tender room"), reverse("insurance:tenders"))]
    if tender is not None:
        trail.append((chosen(tender.name, tender.name_en), reverse("insurance:tender", args=[tender.code])))
    return trail


def back(tender: Tender) -> HttpResponseRedirect:
    """Go to a tender's page."""
    return HttpResponseRedirect(reverse("insurance:tender", args=[tender.code]))


def form_page(
    request: HttpRequest,
    form: forms.Form,
    title: str,
    label: str,
    tender: Tender | None = None,
    lead: str = "",
) -> HttpResponseBase:
    """Answer with a page that holds one form."""
    context = {"title": title, "breadcrumbs": crumbs(tender), "form": form, "label": label, "lead": lead}
    return render(request, "insurance/tender/form.html", context, status=422 if form.errors else 200)


@access.requires(*READ)
def show(request: HttpRequest) -> HttpResponseBase:
    """List the tenders."""
    rows = Tender.objects.select_related("round").annotate(group_count=Count("groups"))
    who = access.principal(request)
    context = {"title": _("Tender room"), "runs": allowed(who, "create", "tender")}
    return TenderTable(request, rows).respond("insurance/tender/list.html", context)


@access.requires(*RUN)
def new(request: HttpRequest) -> HttpResponseBase:
    """Make a tender."""
    form = TenderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = procurement.create_tender(
                access.principal(request), now=timezone.now(), **form.cleaned_data
            )
        except SalusError as error:
            words.refuse(form, error)
        else:
            return back(made)
    return form_page(request, form, _("New tender"), _("Make it"))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the timeline: what, whether done, and the particulars."""

    title: Text
    state: str
    at: datetime | date | None
    told: str = ""


def timeline(tender: Tender, now: datetime) -> list[Step]:
    """Return a tender's steps with their state: done, now, open or stopped."""
    here = stage(tender, now)
    told: Counts = counts(tender)
    order = [Stage.DRAFT, Stage.SEALED, Stage.OPENING, Stage.READY, Stage.DECIDED]
    place = order.index(here) if here in order else -1
    institutions = tender.groups.aggregate(n=Count("demand__institution", distinct=True))["n"] or 0

    def state(number: int) -> str:
        if place < 0:
            return "stopped"
        return "done" if place > number or here == Stage.DECIDED else "now" if place == number else "open"

    round = tender.round
    announced = "done" if round else "stopped" if place < 0 else "open"
    bids = _("standing: %(count)s, withdrawn: %(withdrawn)s") % {
        "count": told.standing, "withdrawn": told.withdrawn,
    }  # fmt: skip
    opened = _("opened: %(opened)s of %(count)s") % {"opened": told.opened, "count": told.standing}
    reported = _("institutions that reported: %(count)s") % {"count": institutions}
    return [
        Step(_("Demand"), state(0), tender.demand_until, reported),
        Step(_("Announced"), announced, round.opened_at if round else None, tender.ruleset),
        Step(_("Sealed bids"), state(1), round.commit_until if round else None, bids if round else ""),
        Step(_("Opening"), state(2), round.reveal_until if round else None, opened if round else ""),
        Step(_("Decision"), state(3), tender.decided_at, ""),
        Step(_("Contracts and supply"), "now" if here == Stage.DECIDED else state(4), None, ""),
    ]


@access.requires(*READ)
def page(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show one tender: its timeline, groups, bidders and, once decided, decisions and contracts."""
    tender, who, now = tender_of(code), access.principal(request), timezone.now()
    here = stage(tender, now)
    groups = tender.groups.annotate(
        units=Sum("demand__units"), institutions=Count("demand__institution", distinct=True)
    ).order_by("code")
    runs = allowed(who, "update", "tender")
    context = {
        "title": chosen(tender.name, tender.name_en),
        "breadcrumbs": crumbs(),
        "tender": tender,
        "stage": here,
        "stage_title": Stage.TITLES[here],
        "stage_tone": Stage.TONES[here],
        "steps": timeline(tender, now),
        "groups": [(group, pack_yuan(group.ceiling), pack_yuan(group.old_price)) for group in groups],
        "bidders": _bidders(tender) if runs or allowed(who, "export", "tender") else [],
        "runs": runs,
        "group_form": GroupForm() if runs and here == Stage.DRAFT else None,
        "root": tender.round.root if tender.round else "",
    }
    if here != Stage.DECIDED:
        return render(request, "insurance/tender/tender.html", context)
    return _decisions(request, tender).respond("insurance/tender/tender.html", context)


def _bidders(tender: Tender) -> list[dict[str, Any]]:
    """Return bidders with the groups they may bid for and whether a sealed bid stands: never what it says."""
    standing = set()
    if tender.round is not None:
        standing = set(tender.round.commitments.filter(withdrawn_at=None).values_list("party", flat=True))
    found = []
    for bidder in tender.bidders.select_related("supplier").order_by("supplier__code"):
        judged = bidder.qualifications.select_related("group").order_by("group__code")
        found.append(
            {
                "bidder": bidder,
                "name": chosen(bidder.supplier.name, bidder.supplier.name_en),
                "groups": ", ".join(one.group.code for one in judged),
                "unmet": [
                    words.criterion(code) for code in sorted({code for one in judged for code in one.unmet})
                ],
                "sealed": sum(f"{one.group.code}/{bidder.supplier.code}" in standing for one in judged),
            }
        )
    return found


def _decisions(request: HttpRequest, tender: Tender) -> DecisionTable:
    rows = TenderDecision.objects.filter(group__tender=tender).select_related("group", "supplier")
    return DecisionTable(request, rows)


@access.requires(*READ)
def contracts(request: HttpRequest, code: str) -> HttpResponseBase:
    """List a tender's contracts."""
    tender = tender_of(code)
    region = District.objects.filter(pk=OuterRef("region"))
    rows = (
        SupplyContract.objects.filter(group__tender=tender)
        .select_related("group", "supplier", "second")
        .annotate(
            units=Sum("lines__units"),
            region_zh=Subquery(region.values("name")[:1]),
            region_en=Subquery(region.values("name_en")[:1]),
        )
    )
    context = {"title": _("Contracts"), "breadcrumbs": crumbs(tender)}
    return ContractTable(request, rows).respond("web/table_page.html", context)


@access.requires(*READ)
def savings(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show what a tender saves, as agreed and as used, and how much the fund and residents keep."""
    tender = tender_of(code)
    reports = savings_report(tender)
    rows = [
        {
            "code": one.group, "molecule": chosen(one.molecule, one.molecule_en),
            "agreed": one.agreed, "used": one.used,
            "texts": [
                format_yuan(fen)
                for fen in (one.agreed.total, one.agreed.fund, one.agreed.residents, one.used.total)
            ],
        }
        for one in reports
    ]  # fmt: skip
    totals = [
        sum(one.agreed.total for one in reports), sum(one.agreed.fund for one in reports),
        sum(one.agreed.residents for one in reports), sum(one.used.total for one in reports),
    ]  # fmt: skip
    context = {
        "title": _("Savings"),
        "breadcrumbs": crumbs(tender),
        "tender": tender,
        "rows": rows,
        "totals": [format_yuan(fen) for fen in totals],
        "drawing": _drawing(rows) if rows else None,
    }
    return render(request, "insurance/tender/savings.html", context)


def _drawing(rows: list[dict[str, Any]]) -> charts.Drawing:
    """Draw each group's agreed saving, split between fund and residents."""

    def yuan(fen: Fen) -> float:
        return fen / 100  # the height of a bar; the table beside it holds the exact figures

    flat = [
        {"group": row["molecule"], "yuan": yuan(fen), "who": str(who)}
        for row in rows
        for who, fen in ((_("Fund"), row["agreed"].fund), (_("Residents"), row["agreed"].residents))
    ]
    return charts.bar(
        flat, Field("group", _("Group"), "nominal"), Field("yuan", _("Saving a year"), unit=_("yuan")),
        series=Field("who", _("Who keeps it"), "nominal"), title=_("Who keeps the saving of a year"),
    )  # fmt: skip


# --- what moves a tender on ------------------------------------------------------------------------


@require_POST
@access.requires(*RUN)
def add_group(request: HttpRequest, code: str) -> HttpResponseBase:
    """State a group."""
    tender = tender_of(code)
    form = GroupForm(request.POST)
    if form.is_valid():
        values = dict(form.cleaned_data)
        values["code"] = values.pop("group")
        for name in ("ceiling", "old_price"):
            values[name] = None if values[name] is None else to_fen(values[name])
        try:
            Strength.parse(values["reference"])
            procurement.add_group(access.principal(request), tender, **values)
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The group was added."))
            return back(tender)
    return form_page(request, form, _("Add a group"), _("Add"), tender)


@require_POST
@access.requires(*RUN)
def remove_group(request: HttpRequest, code: str, group: str) -> HttpResponseBase:
    """Take a group out."""
    tender = tender_of(code)
    found = get_object_or_404(tender.groups, code=group)
    if asked := confirm.needed(request, _("Take this group out of the tender?")):
        return asked
    try:
        procurement.remove_group(access.principal(request), found)
    except SalusError as error:
        messages.error(request, words.of_error(error))
    else:
        messages.success(request, _("The group was taken out."))
    return back(tender)


@access.requires(*RUN)
def announce(request: HttpRequest, code: str) -> HttpResponseBase:
    """Announce a tender: from then on nothing of it changes."""
    tender = tender_of(code)
    form = AnnounceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        question = _("Announce the tender? Its rules, groups, demand and times cannot be changed afterwards.")
        if asked := confirm.needed(request, question, action=_("Announce")):
            return asked
        try:
            procurement.announce(access.principal(request), tender, now=timezone.now(), **form.cleaned_data)
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The tender is announced; sealed bids are taken."))
            return back(tender)
    lead = _("Times are fixed with the announcement: the database itself refuses what is late.")
    return form_page(request, form, _("Announce"), _("Announce"), tender, lead)


@access.requires(*RUN)
def decide(request: HttpRequest, code: str) -> HttpResponseBase:
    """Decide a tender by its announced rules and publish the outcome."""
    tender = tender_of(code)
    form = DecideForm(request.POST or None, initial={"starts": timezone.localdate()})
    if request.method == "POST" and form.is_valid():
        question = _("Decide the tender and publish every bid and decision? This cannot be undone.")
        if asked := confirm.needed(request, question, action=_("Decide")):
            return asked
        try:
            procurement.decide(access.principal(request), tender, now=timezone.now(), **form.cleaned_data)
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The tender is decided and published."))
            return back(tender)
    lead = _("The announced rules decide. Nobody chooses a winner by hand.")
    return form_page(request, form, _("Decide"), _("Decide"), tender, lead)


@access.requires(*RUN)
def cancel(request: HttpRequest, code: str) -> HttpResponseBase:
    """Cancel a tender with a reason."""
    tender = tender_of(code)
    form = CancelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if asked := confirm.needed(
            request, _("Cancel the tender? This cannot be undone."), action=_("Cancel it")
        ):
            return asked
        try:
            procurement.cancel(access.principal(request), tender, form.cleaned_data["reason"])
        except SalusError as error:
            words.refuse(form, error)
        else:
            messages.success(request, _("The tender is cancelled."))
            return back(tender)
    return form_page(request, form, _("Cancel the tender"), _("Cancel it"), tender)
