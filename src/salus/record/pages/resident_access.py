"""Emergency access to a record with a reason; and for residents: my record, and who read it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from salus.kernel import audit, policy
from salus.kernel.audit import queries as audit_queries
from salus.kernel.errors import SalusError
from salus.kernel.policy.rulebook import BOOK
from salus.record.fhir.bulk import queries as bulk
from salus.record.identity import queries
from salus.record.identity.engine import normalise
from salus.record.models import PatientLink, PersonIdentifier
from salus.record.pages.resident_asker import EMERGENCY, asker
from salus.web import access


class EmergencyForm(forms.Form):
    """Whose record, and why now."""

    identifier = forms.CharField(
        label=gettext_lazy("Identity or passport number"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = forms.CharField(
        label=gettext_lazy("What is the emergency?"),
        min_length=BOOK.break_glass.reason_min_length,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@access.requires(*sorted(EMERGENCY))
@require_http_methods(["GET", "POST"])
def emergency(request: HttpRequest) -> HttpResponseBase:
    """Open one record for a few hours; auditors and the resident are told at once."""
    form = EmergencyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        principal = asker(request)
        person = _person(form.cleaned_data["identifier"])
        if person is None:
            audit.record([audit.entry(principal, "break-glass", resource_type="Person", outcome="refused")])
            form.add_error("identifier", _("No resident has this number."))
        else:
            try:
                policy.begin_break_glass(principal, person, form.cleaned_data["reason"], now=timezone.now())
            except SalusError as error:
                form.add_error("reason" if error.where == "reason" else None, _(error.message))
            else:
                hours = BOOK.break_glass.hours
                messages.warning(
                    request,
                    _("The record is open to you for %(hours)g hours. Auditors were told.")
                    % {"hours": hours},
                )
                return HttpResponseRedirect(reverse("record:resident", args=[person]))
    context = {
        "title": _("Emergency access"),
        "form": form,
        "hours": BOOK.break_glass.hours,
    }
    return render(request, "record/emergency.html", context)


def _person(number: str) -> UUID | None:
    """Return the person whose record carries this number, exactly."""
    value = normalise.identifier(number)
    rids = (
        PersonIdentifier.objects.filter(value=value).values_list("patient_rid", flat=True)[:10]
        if value
        else []
    )
    persons = set(PatientLink.objects.filter(patient_rid__in=list(rids)).values_list("person_id", flat=True))
    return persons.pop() if len(persons) == 1 else None


@access.requires("resident")
@require_GET
def mine(request: HttpRequest) -> HttpResponseBase:
    """Lead a resident to her own record."""
    person_id = asker(request).person_id
    if person_id is None:
        return render(request, "record/no_record.html", {"title": _("My record")})
    return HttpResponseRedirect(reverse("record:resident", args=[person_id]))


@access.requires("resident")
@require_GET
def readers(request: HttpRequest) -> HttpResponseBase:
    """Tell a resident who read or changed her record: when, who, where, what and why."""
    principal = asker(request)
    if principal.person_id is None:
        return render(request, "record/no_record.html", {"title": _("Who read my record")})
    found: list[Any]
    found, following = audit_queries.accesses(
        principal,
        principal.person_id,
        also=queries.joined_into(principal.person_id),
        limit=50,
        after=request.GET.get("after") or None,
    )
    exports = bulk.exports_with(principal, principal.person_id)
    context = {"title": _("Who read my record"), "found": found, "after": following, "exports": exports}
    return render(request, "record/readers.html", context)
