"""Pages of free treatment: who is to be followed up, and the entry of a follow-up."""

from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.insurance.models import FollowUpState, FreeTreatment
from salus.insurance.queries import free_treatment as reading
from salus.insurance.services import follow_up
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.policy import permits
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, Table

WAYS = (
    ("visit", gettext_lazy("At the institution")),
    ("home", gettext_lazy("At home")),
    ("phone", gettext_lazy("By telephone")),
)


def _overdue(row: FreeTreatment) -> str:
    if row.state != FollowUpState.OPEN:
        return "ok" if row.state in (FollowUpState.CURED, FollowUpState.STABLE) else ""
    return "bad" if row.due is not None and row.due < timezone.localdate() else "info"


def _due(queryset: Any, value: str) -> Any:
    rows = queryset.filter(state=FollowUpState.OPEN)
    today = timezone.localdate()
    return rows.filter(due__lt=today) if value == "overdue" else rows.filter(due__gte=today)


class Treatments(Table):
    """Free treatments, the next due first."""

    name = "treatments"
    caption = gettext_lazy("Free treatment of the poor")
    default_sort = "due"
    empty_title = gettext_lazy("Nobody is being followed")
    empty_text = gettext_lazy("A treatment is opened when a claim is settled with free treatment.")
    columns: ClassVar = (
        Column(
            "id", gettext_lazy("Treatment"), kind="code", sort="id",
            link=lambda row: reverse("insurance:treatment", args=[row.pk]),
        ),
        Column(
            "illness", gettext_lazy("Illness"), value=lambda row: reading.illness_name(row.illness), wide=True
        ),
        Column("institution__name", gettext_lazy("Hospital"), sort="institution__name"),
        Column("opened_on", gettext_lazy("Discharged"), kind="day", sort="opened_on"),
        Column("due", gettext_lazy("Next follow-up"), kind="day", sort="due"),
        Column(
            "state", gettext_lazy("State"), value=lambda row: row.get_state_display(), tone=_overdue,
            sort="state",
        ),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("state", gettext_lazy("State"), tuple(FollowUpState.choices)),
        ChoiceFilter(
            "due", gettext_lazy("Visit due"),
            (("overdue", gettext_lazy("Overdue")), ("coming", gettext_lazy("Coming"))), narrow=_due,
        ),
    )  # fmt: skip


@access.may("search", "follow_up")
def treatments(request: HttpRequest) -> HttpResponseBase:
    """List the treatments with their next follow-up; no resident is named."""
    table = Treatments(request, reading.visible(access.principal(request)))
    return table.respond("insurance/treatments.html", {"title": _("Free treatment: follow-up")})


class FollowUpForm(forms.Form):
    """What is entered of a follow-up."""

    day = forms.DateField(
        label=gettext_lazy("Day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    way = forms.ChoiceField(label=gettext_lazy("How"), choices=WAYS)
    state = forms.ChoiceField(label=gettext_lazy("The patient is"), choices=FollowUpState.choices)
    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )


@access.may("read", "follow_up")
def treatment(request: HttpRequest, number: int) -> HttpResponse:
    """Show a treatment with its follow-ups, and enter the next one."""
    asker = access.principal(request)
    try:
        found = reading.open_treatment(asker, number)
    except NotFound:
        raise Http404 from None
    enters = found.treatment.state == FollowUpState.OPEN and permits(asker, "update", "follow_up")
    form = FollowUpForm(request.POST or None, initial={"day": timezone.localdate(), "state": "open"})
    if request.method == "POST" and enters and form.is_valid():
        given = form.cleaned_data
        try:
            follow_up.record(
                asker, number, given["day"], given["way"], given["state"], given["note"], now=timezone.now()
            )
        except SalusError as error:
            form.add_error("day" if error.where == "day" else None, _(error.message))
        else:
            messages.success(request, _("The follow-up is entered."))
            return HttpResponseRedirect(reverse("insurance:treatment", args=[number]))
    context = {
        "title": _("Free treatment %(number)d") % {"number": number},
        "breadcrumbs": [(_("Free treatment: follow-up"), reverse("insurance:treatments"))],
        "found": found,
        "illness": reading.illness_name(found.treatment.illness),
        "tone": _overdue(found.treatment),
        "entries": [(one, dict(WAYS).get(one.way, one.way)) for one in found.entries],
        "form": form if enters else None,
    }
    return render(request, "insurance/treatment.html", context)
