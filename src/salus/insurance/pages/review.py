"""Pages of suspicious claims: the ranked list, one with its evidence, and the examiner's verdict."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.insurance.models import ReviewVerdict, Suspicion
from salus.insurance.pages.claims import payer
from salus.insurance.queries import review as reading
from salus.insurance.review.scoring import kinds
from salus.insurance.services import review as services
from salus.kernel import audit, policy
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.jobs import run_periodic
from salus.kernel.money import format_yuan
from salus.kernel.names import chosen
from salus.kernel.policy import Target
from salus.web import access, undo
from salus.web.tables import ChoiceFilter, Column, Table

_kind = lazy(reading.kind_name, str)
TONES = {"": "info", ReviewVerdict.CONFIRMED: "bad", ReviewVerdict.DISMISSED: "ok"}


def _state(queryset: Any, value: str) -> Any:
    return queryset.filter(verdict="" if value == "open" else value)


class Suspicions(Table):
    """Suspicious claims, the likeliest first; no resident is named."""

    name = "suspicions"
    caption = gettext_lazy("Suspicious claims")
    default_sort = "-probability"
    private = True
    search = ("claim__number", "claim__institution__code", "claim__institution__name", "what")
    search_label = gettext_lazy("Number, institution or code")
    empty_title = gettext_lazy("No claim looks suspicious")
    empty_text = gettext_lazy("The claims of a year are reviewed each night, and when you ask for it.")
    columns: ClassVar = (
        Column(
            "claim__number", gettext_lazy("Claim"), kind="code",
            link=lambda row: reverse("insurance:suspicion", args=[row.pk]),
        ),
        Column("kind", gettext_lazy("Kind"), sort="kind", value=lambda row: reading.kind_name(row.kind)),
        Column(
            "probability", gettext_lazy("Probability"), kind="number", sort="probability",
            value=lambda row: f"{row.probability:.0%}",
        ),
        Column("evidence", gettext_lazy("Evidence"), wide=True, value=reading.words),
        Column(
            "institution", gettext_lazy("Institution"), sort="claim__institution__name",
            value=lambda row: chosen(row.claim.institution.name, row.claim.institution.name_en),
        ),
        Column("department", gettext_lazy("Department"), optional=True),
        Column("claim__discharged", gettext_lazy("Day"), kind="day", sort="claim__discharged"),
        Column(
            "charge", gettext_lazy("Charge"), kind="number", sort="claim__charge_fen",
            value=lambda row: format_yuan(row.claim.charge_fen),
        ),
        Column(
            "false_share", gettext_lazy("False alarms down to here"), kind="number", optional=True,
            value=lambda row: f"{row.false_share:.0%}",
        ),
        Column(
            "verdict", gettext_lazy("Verdict"), sort="verdict", tone=lambda row: TONES[row.verdict],
            value=lambda row: row.get_verdict_display() or _("To be examined"),
        ),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter(
            "state", gettext_lazy("Verdict"),
            (("open", gettext_lazy("To be examined")), *ReviewVerdict.choices), narrow=_state,
        ),
        ChoiceFilter("kind", gettext_lazy("Kind"), tuple((one.kind, _kind(one.kind)) for one in kinds())),
    )  # fmt: skip


class VerdictForm(forms.Form):
    """What an examiner makes of a suspicion."""

    verdict = forms.ChoiceField(label=gettext_lazy("Verdict"), choices=ReviewVerdict.choices)
    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@access.may("search", "suspicion")
def suspicions(request: HttpRequest) -> HttpResponseBase:
    """List what the review found, the likeliest first."""
    asker = payer(request)
    action = "export" if "export" in request.GET else "search"
    rows = reading.visible(asker, action)
    audit.record([audit.entry(asker, action, resource_type="Suspicion", detail={"page": "suspicions"})])
    last = rows.order_by("-found_at").values_list("found_at", flat=True).first()
    context = {"title": _("Suspicious claims"), "last": last}
    return Suspicions(request, rows).respond("insurance/suspicions.html", context)


@access.may("create", "suspicion")
@require_POST
def run_now(request: HttpRequest) -> HttpResponseBase:
    """Put a review on the queue."""
    policy.require(access.principal(request), "create", Target("suspicion"))
    run_periodic.enqueue(services.JOB)
    messages.success(request, _("The claims are being reviewed; the list is new in a few minutes."))
    return HttpResponseRedirect(reverse("insurance:suspicions"))


@access.may("read", "suspicion")
def suspicion(request: HttpRequest, number: int) -> HttpResponse:
    """Show a suspicion with its evidence and take the verdict."""
    asker = payer(request)
    try:
        found = reading.opened(asker, number)
    except NotFound:
        raise Http404 from None
    form = VerdictForm(request.POST or None)
    if request.method == "POST" and not found.verdict and form.is_valid():
        given = form.cleaned_data
        try:
            services.judge(asker, number, given["verdict"], given["note"], now=timezone.now())
        except SalusError as error:
            form.add_error(None, _(error.message))
        else:
            undo.offer(request, _("The verdict is kept."), reverse("insurance:suspicion-undo", args=[number]))
            return HttpResponseRedirect(reverse("insurance:suspicion", args=[number]))
    context = {
        "title": _("Suspicion about claim %(number)s") % {"number": found.claim.number},
        "breadcrumbs": [(_("Suspicious claims"), reverse("insurance:suspicions"))],
        "found": found,
        "kind": reading.kind_name(found.kind),
        "words": reading.words(found),
        "probability": f"{found.probability:.0%}",
        "false_share": f"{found.false_share:.0%}",
        "charge": format_yuan(found.claim.charge_fen),
        "tone": TONES[found.verdict],
        "beside": [
            (reading.kind_name(one.kind), reverse("insurance:suspicion", args=[one.pk]))
            for one in Suspicion.objects.filter(claim=found.claim).exclude(pk=number).order_by("-probability")
        ],
        "form": None if found.verdict else form,
    }
    return render(request, "insurance/suspicion.html", context)


@access.may("update", "suspicion")
@require_POST
def take_back(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take the verdict back."""
    try:
        services.judge(payer(request), number, "", "", now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The verdict is taken back."))
    return HttpResponseRedirect(reverse("insurance:suspicion", args=[number]))
