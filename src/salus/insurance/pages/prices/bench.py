"""The workbench: lists, studies and what they rest on; recording a basis; asking for a study; its answer."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.insurance import price_tasks
from salus.insurance.models import PriceBasis, PriceStudy, StudyState
from salus.insurance.pages.prices import tables
from salus.insurance.pages.prices.words import (
    CONFLICTS,
    DECIDERS,
    KINDS,
    READERS,
    STAGES,
    STUDY_TONES,
    key_title,
)
from salus.insurance.queries import prices as queries
from salus.insurance.repricing.tables import BadRows
from salus.insurance.services import prices as services
from salus.kernel import policy
from salus.kernel.errors import SalusError
from salus.kernel.money import format_yuan, to_yuan
from salus.web import access, charts
from salus.web.charts import Drawing
from salus.web.tables import ListRows, Table

LARGEST_UPLOAD = 200 * 1024 * 1024
_FAULTS = 50
_BARS = 12


@access.requires(*READERS)
def workbench(request: HttpRequest) -> HttpResponseBase:
    """Show the list in force, all lists, and to who decides also studies and bases."""
    principal = access.principal(request)
    decides = policy.permits(principal, "create", "service_price")
    shown: list[Table] = [tables.ListTable(request, queries.lists(principal))]
    if decides:
        shown.append(tables.StudyTable(request, queries.studies(principal)))
        shown.append(tables.BasisTable(request, queries.bases(principal)))
    context = {
        "title": _("Price reform"),
        "held": queries.list_in_force(timezone.localdate()),
        "decides": decides,
        "tables": shown,
        "bases": queries.bases(principal) if decides else [],
    }
    return answered(request, shown, "insurance/prices/workbench.html", context)


def answered(
    request: HttpRequest, shown: list[Table], template: str, context: dict[str, Any]
) -> HttpResponseBase:
    """Answer a page of several tables: the one that is asked for alone or as a file, else the page."""
    target = getattr(getattr(request, "htmx", None), "target", None)
    for table in shown:
        if target == table.html_id or request.GET.get(f"{table.prefix}export"):
            return table.respond(template, context)
    return shown[0].respond(template, context)


class BasisForm(forms.Form):
    """A year of services, as files."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    year = forms.IntegerField(label=gettext_lazy("Year"), min_value=1990, max_value=2200)
    services = forms.FileField(
        label=gettext_lazy("Services"),
        help_text=gettext_lazy(
            "CSV: code, name, department, family, rank, price, cost, labour_share and more."
        ),
    )
    volumes = forms.FileField(
        label=gettext_lazy("Volumes"), help_text=gettext_lazy("CSV: service, hospital, tier, group, volume.")
    )
    freed = forms.FileField(
        label=gettext_lazy("Money that was freed"),
        required=False,
        help_text=gettext_lazy("CSV: hospital, group, amount and fund."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse files that are too large."""
        given = super().clean() or {}
        for name in ("services", "volumes", "freed"):
            if (file := given.get(name)) is not None and file.size > LARGEST_UPLOAD:
                self.add_error(name, _("The file is too large."))
        return given


@access.requires(*DECIDERS)
def new_basis(request: HttpRequest) -> HttpResponseBase:
    """Record a basis from files; rows that cannot be read are named and nothing is recorded."""
    form = BasisForm(request.POST or None, request.FILES or None)
    faults: list[SalusError] = []
    if request.method == "POST" and form.is_valid():
        try:
            made = _record(request, form.cleaned_data)
        except BadRows as bad:
            faults = list(bad.faults[:_FAULTS])
            form.add_error(None, _("Rows cannot be read; nothing was recorded."))
        except SalusError as fault:
            form.add_error(None, str(fault))
        else:
            messages.success(request, _("The basis “%(title)s” is recorded.") % {"title": made.title})
            return redirect("insurance:prices")
    context = {
        "title": _("Record a basis"),
        "breadcrumbs": [(_("Price reform"), reverse("insurance:prices"))],
        "form": form,
        "faults": faults,
    }
    return render(request, "insurance/prices/basis.html", context, status=422 if form.errors else 200)


def _record(request: HttpRequest, given: dict[str, Any]) -> PriceBasis:
    with tempfile.TemporaryDirectory() as folder:
        paths: dict[str, Path] = {}
        for name in ("services", "volumes", "freed"):
            if given.get(name) is not None:
                paths[name] = Path(folder) / f"{name}.csv"
                with paths[name].open("wb") as target:
                    for chunk in given[name].chunks():
                        target.write(chunk)
        return services.record_basis(
            access.principal(request), paths["services"], paths["volumes"], paths.get("freed"),
            title=given["title"], year=given["year"], now=timezone.now(),
        )  # fmt: skip


class StudyForm(forms.Form):
    """What is asked of new prices; the rest follows the rules that come with the programme."""

    title = forms.CharField(label=gettext_lazy("Title"), max_length=200)
    basis = forms.ModelChoiceField(PriceBasis.objects.all(), label=gettext_lazy("Basis"), empty_label=None)
    closeness = forms.IntegerField(
        label=gettext_lazy("Closeness to what services are worth"),
        min_value=0,
        max_value=100,
        initial=50,
        help_text=gettext_lazy("0 changes as little as possible, 100 comes as near as possible."),
    )
    returned = forms.DecimalField(
        label=gettext_lazy("Returned of the freed money (%)"), min_value=0, max_value=100, initial=100
    )
    hospital = forms.DecimalField(
        label=gettext_lazy("Most a hospital's revenue may change (%)"), min_value=0, max_value=100, initial=6
    )
    tier = forms.DecimalField(
        label=gettext_lazy("Most a tier's revenue may change (%)"), min_value=0, max_value=100, initial=3
    )
    group = forms.DecimalField(
        label=gettext_lazy("Most an insured group may pay more (%)"), min_value=0, max_value=100, initial=3
    )


@access.requires(*DECIDERS)
def new_study(request: HttpRequest) -> HttpResponseBase:
    """Ask for new prices; a worker works them out."""
    form = StudyForm(request.POST or None, initial={"title": _("New prices")})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        choices = {name: str(given[name]) for name in ("returned", "hospital", "tier", "group")}
        try:
            made = services.ask(
                access.principal(request), given["basis"], {**choices, "closeness": given["closeness"]},
                title=given["title"], now=timezone.now(),
            )  # fmt: skip
        except SalusError as fault:
            form.add_error(None, str(fault))
        else:
            price_tasks.run_study.enqueue(made.pk)
            return redirect("insurance:price-study", made.pk)
    context = {
        "title": _("Ask for new prices"),
        "breadcrumbs": [(_("Price reform"), reverse("insurance:prices"))],
        "form": form,
        "label": _("Work them out"),
    }
    return render(request, "web/form_page.html", context, status=422 if form.errors else 200)


@access.requires(*DECIDERS)
@require_GET
def study(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show a study: how far it is, why there is no answer, or its answer."""
    found = get_object_or_404(queries.studies(access.principal(request)), pk=pk)
    kind = request.GET.get("by", "")
    kind = kind if kind in KINDS else "tier"
    context: dict[str, Any] = {
        "title": found.title,
        "breadcrumbs": [(_("Price reform"), reverse("insurance:prices"))],
        "study": found,
        "tone": STUDY_TONES[StudyState(found.state)],
        "going_on": found.state in {StudyState.QUEUED, StudyState.RUNNING},
        "stage": STAGES.get(found.stage, ""),
        "progress": round(100 * found.done / found.total) if found.total else None,
        "conflicts": [_conflict(one) for one in found.conflicts],
    }
    moves = tables.MoveTable(request, found.moves.all())
    rows = [_touched(one) for one in found.impact if one["kind"] == kind]
    impact = tables.ImpactTable(request, ListRows(rows, key="key"))
    if found.state == StudyState.DONE:
        here = reverse("insurance:price-study", args=[found.pk])
        context |= {
            "facts": _facts(found),
            "curve": _curve(found),
            "tabs": [(title, f"{here}?by={name}#impact", name == kind) for name, title in KINDS.items()],
            "bars": _bars(rows),
            "impact": impact,
            "lists": found.lists.all(),
        }
    context["table"] = moves
    return answered(request, [moves, impact], "insurance/prices/study.html", context)


@require_POST
@access.requires(*DECIDERS)
def draft(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Draft a price list of a study's answer."""
    principal = access.principal(request)
    found = get_object_or_404(queries.studies(principal), pk=pk)
    return _drafted(
        request,
        lambda: services.draft_from_study(
            principal, found, title=request.POST.get("title", ""), now=timezone.now()
        ),
        reverse("insurance:price-study", args=[pk]),
    )


@require_POST
@access.requires(*DECIDERS)
def draft_present(request: HttpRequest) -> HttpResponseBase:
    """Draft a price list of a basis's present prices."""
    principal = access.principal(request)
    number = request.POST.get("basis", "")
    chosen = int(number) if number.isdecimal() and len(number) < 19 else 0
    found = get_object_or_404(queries.bases(principal), pk=chosen)
    return _drafted(
        request,
        lambda: services.draft_from_basis(principal, found, title=found.title, now=timezone.now()),
        reverse("insurance:prices"),
    )


def _drafted(request: HttpRequest, make: Any, back: str) -> HttpResponseBase:
    try:
        made = make()
    except SalusError as fault:
        messages.error(request, str(fault))
        return redirect(back)
    messages.success(request, _("The list is drafted. Look through it, then publish it."))
    return redirect("insurance:price-list", made.number)


def _facts(found: PriceStudy) -> dict[str, Any]:
    said = found.summary
    (total,) = (one for one in found.impact if one["kind"] == "total")
    return {
        "raised": said["raised"],
        "cut": said["cut"],
        "kept": said["services"] - said["raised"] - said["cut"],
        "returned": number_format(to_yuan(total["returned"]), 2, force_grouping=True),
        "change": number_format(to_yuan(total["change"]), 2, force_grouping=True),
        "revenue_off": _fen(said["revenue_off_fen"]),
        "fund_off": _fen(said["fund_off_fen"]),
        "gap": f"{100 * said['gap']:.4f}",
    }


def _fen(text: str) -> str:
    """Write an exact amount of fen, which may be a fraction, in yuan."""
    top, _slash, bottom = text.partition("/")
    return f"{int(top) / int(bottom or 1) / 100:+.4f}"


def _conflict(one: dict[str, Any]) -> dict[str, Any]:
    ends = (one["low"], one["high"])
    kind = str(CONFLICTS.get(one["kind"], one["kind"]))
    return {
        "name": f"{kind} {key_title(one['kind'], one['key'])}".strip(),
        "allowed": ""
        if ends == (None, None)
        else " – ".join("…" if e is None else format_yuan(e) for e in ends),
        "alone": "" if one["alone"] is None else format_yuan(one["alone"]),
    }


def _touched(one: dict[str, Any]) -> dict[str, Any]:
    money = ("services", "change", "returned", "net", "fund", "own", "own_net")
    net = one["change"] if one["net"] is None else one["net"]
    share = Decimal(f"{100 * net / one['services']:.2f}") if one["services"] else None
    return {
        "key": one["key"] or "-",
        "title": key_title(one["kind"], one["key"]) or str(_("Not said")),
        "net_share": share,
        **{name: tables.grouped(one[name]) for name in money},
    }


def _curve(found: PriceStudy) -> Drawing:
    """Draw how change and distance trade against each other, a point for each closeness."""
    rows = [
        {
            "change": round(one["change"] / 10**8, 2),
            "distance": round(one["distance"] / 10**8, 2),
        }
        for one in found.curve
    ]
    return charts.line(
        rows,
        charts.Field("change", _("Weighted change (million yuan)")),
        charts.Field("distance", _("Distance from worth"), unit=_("million yuan")),
        title=_("What coming nearer costs in change"),
        note=_("Closeness from 0 (left) to 100; this study asked for %(closeness)s.")
        % {"closeness": found.closeness},
    )


def _bars(rows: list[dict[str, Any]]) -> Drawing | None:
    known = [row for row in rows if row["net_share"] is not None]
    far = sorted(known, key=lambda row: (-abs(row["net_share"]), row["key"]))[:_BARS]
    if not far:
        return None
    return charts.bar(
        sorted(far, key=lambda row: -row["net_share"]),
        charts.Field("title", _("Who"), kind="nominal"),
        charts.Field("net_share", _("Net change"), unit="%"),
        title=_("Net change of service revenue"),
        horizontal=True,
        note=_("Those with the largest changes."),
    )
