"""For residents: who may use my data. To allow, to refuse, to take either back, and what was said when."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from salus.kernel import audit
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.models import Institution
from salus.record.consent import services
from salus.record.consent.services import Said
from salus.record.identity.relations import KEEPERS
from salus.record.models import CareRelation, PatientLink
from salus.record.pages.resident_asker import asker
from salus.record.words import type_title
from salus.web import access

PURPOSES = {
    "TREAT": gettext_lazy("Treatment"),
    "HRESCH": gettext_lazy("Research"),
    "HOPERAT": gettext_lazy("Running, quality and teaching of institutions"),
    "HPAYMT": gettext_lazy("Payment, beyond what the fund's duty needs"),
    "": gettext_lazy("Everything that needs my consent"),
}
KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "": (gettext_lazy("My whole record"), ()),
    "sensitive": (gettext_lazy("What is sensitive: HIV, mental health, reproductive health"), ()),
    "results": (gettext_lazy("Results and reports"), ("Observation", "DiagnosticReport", "ImagingStudy")),
    "diagnoses": (gettext_lazy("Diagnoses"), ("Condition",)),
    "medicines": (
        gettext_lazy("Medicines"),
        ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
    ),
    "visits": (gettext_lazy("Visits and stays"), ("Encounter", "EpisodeOfCare", "Appointment")),
    "documents": (gettext_lazy("Documents"), ("DocumentReference", "Composition", "Media")),
}


class ConsentForm(forms.Form):
    """One statement: allow or refuse, what for, whom, which part, until when."""

    denies = forms.ChoiceField(
        label=gettext_lazy("What I say"),
        choices=[("yes", gettext_lazy("I do not allow")), ("no", gettext_lazy("I allow"))],
    )
    purpose = forms.ChoiceField(
        label=gettext_lazy("What for"), choices=list(PURPOSES.items()), required=False
    )
    institution = forms.ChoiceField(label=gettext_lazy("Whom"), required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("Which part"),
        choices=[(name, title) for name, (title, _types) in KINDS.items()],
        required=False,
    )
    until = forms.DateField(
        label=gettext_lazy("Until (empty: until I take it back)"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, institutions: Iterable[tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        everybody = ("", gettext_lazy("All institutions"))
        self.fields["institution"].choices = [everybody, *institutions]  # type: ignore[attr-defined]


@access.requires("resident")
@require_http_methods(["GET", "POST"])
def mine(request: HttpRequest) -> HttpResponseBase:
    """Show what a resident said about her data, and take in what she says now."""
    principal = asker(request)
    title = _("Who may use my data")
    if principal.person_id is None:
        return render(request, "record/no_record.html", {"title": title})
    places = _institutions(principal.person_id)
    form = ConsentForm(request.POST or None, institutions=places)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        chosen = [(code, name) for code, name in places if code == given["institution"]]
        try:
            services.say(
                principal,
                denies=given["denies"] == "yes",
                purpose=given["purpose"],
                institutions=chosen,
                types=KINDS[given["kind"]][1],
                sensitive=given["kind"] == "sensitive",
                until=given["until"],
                now=timezone.now(),
            )
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("What you said holds from now on, in every institution."))
            return HttpResponseRedirect(reverse("record:my-consents"))
    said = services.said(principal)
    audit.record(
        [
            audit.entry(
                principal, "search", person_id=principal.person_id, resource_type="Consent",
                detail={"count": len(said)},
            )
        ]
    )  # fmt: skip
    context = {
        "title": title,
        "form": form,
        "said": [(one, _words(one), _versions(principal, one)) for one in said],
    }
    return render(request, "record/consents.html", context)


@access.requires("resident")
@require_POST
def withdraw(request: HttpRequest, id: str) -> HttpResponseBase:
    """Take one statement back."""
    try:
        services.withdraw(asker(request), id, now=timezone.now())
    except NotFound:
        raise Http404 from None
    messages.success(request, _("The statement is taken back; it no longer holds anywhere."))
    return HttpResponseRedirect(reverse("record:my-consents"))


def _institutions(person_id: Any) -> list[tuple[str, str]]:
    """Return code and name of the institutions that treated the person."""
    rids = list(PatientLink.objects.filter(person_id=person_id).values_list("patient_rid", flat=True))
    known = CareRelation.objects.filter(patient_rid__in=rids).values_list("institution_id", flat=True)
    found = Institution.objects.filter(pk__in=list(known)).exclude(kind__in=KEEPERS)
    return list(found.order_by("name").values_list("code", "name"))


def _versions(principal: Any, one: Said) -> list[tuple[Said, dict[str, str]]]:
    if one.version == 1:
        return []
    return [(version, _words(version)) for version in services.history(principal, one.id)]


def _words(one: Said) -> dict[str, str]:
    """Return a statement in words."""
    purposes = [str(PURPOSES.get(code, code)) for code in one.purposes] or [str(PURPOSES[""])]
    parts = [str(KINDS["sensitive"][0])] if one.sensitive else []
    parts += [str(type_title(type)) for type in one.types]
    return {
        "what": _("I do not allow") if one.denies else _("I allow"),
        "purposes": ", ".join(purposes),
        "whom": ", ".join(one.institutions) or _("All institutions"),
        "part": ", ".join(parts) or str(KINDS[""][0]),
        "status": _("in force") if one.active else _("taken back"),
    }
