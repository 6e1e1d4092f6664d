"""The registers: who is registered for what at whose institution; and registering somebody by hand."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import names, policy
from salus.kernel.errors import SalusError
from salus.prevention.models import Control, EntryState, ProgrammeEntry
from salus.prevention.pages.programme import forms, words
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.services.programme import entering
from salus.record.identity import queries as identity
from salus.record.models import Person
from salus.web import access
from salus.web.tables import ChoiceFilter, Column


def _programmes() -> list[tuple[str, str]]:
    return [(one.code, one.name) for one in catalogue.programmes(timezone.localdate()).values()]


def _control(row: ProgrammeEntry) -> str:
    return words.control(row.control)[0] if row.control else ""


class Registers(ResidentTable):
    """Registrations, the newest first."""

    name = "registers"
    caption = gettext_lazy("Registrations")
    keyset = "id"
    empty_title = gettext_lazy("Nobody is registered yet")
    empty_text = gettext_lazy("A diagnosis in a hospital, an age or a birth registers a resident by itself.")
    columns: ClassVar = (
        Column("person", gettext_lazy("Resident"), value=lambda row: row.person_name, wide=True,
               link=lambda row: reverse("prevention:programme-entry", args=[row.pk])),
        Column("programme", gettext_lazy("Programme"),
               value=lambda row: words.programme(row.programme, timezone.localdate())),
        Column("state", gettext_lazy("State"), value=lambda row: words.entry_state(row)[0],
               tone=lambda row: words.entry_state(row)[1]),
        Column("control", gettext_lazy("Control"), value=_control,
               tone=lambda row: words.control(row.control)[1]),
        Column("anchor_on", gettext_lazy("Since"), kind="day"),
        Column("origin", gettext_lazy("How entered"), value=lambda row: row.get_origin_display()),
        Column("institution", gettext_lazy("Institution"),
               value=lambda row: names.chosen(row.institution.name, row.institution.name_en)
               if row.institution else ""),
        Column("doctor", gettext_lazy("Doctor"), value=lambda row: row.doctor.name if row.doctor else ""),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("programme", gettext_lazy("Programme"), lazy(_programmes, list)),
        ChoiceFilter("state", gettext_lazy("State"), tuple(EntryState.choices)),
        ChoiceFilter("control", gettext_lazy("Control"), tuple(c for c in Control.choices if c[0])),
    )  # fmt: skip


@access.requires("village_doctor", "clinician")
def registers(request: HttpRequest) -> HttpResponseBase:
    """List the registrations that the reader may see."""
    asker = access.principal(request)
    rows = seeing.entries(asker).annotate(person_name=_name()).order_by("-pk")
    may = policy.permits(asker, "create", seeing.KIND)
    return Registers(request, rows).respond(
        "prevention/programme/registers.html", {"title": _("Registers of the programme"), "may": may}
    )


def _name() -> Any:
    from django.db.models import OuterRef, Subquery

    return Subquery(Person.objects.filter(pk=OuterRef("person_id")).values("name")[:1])


@access.may("create", seeing.KIND)
def register(request: HttpRequest) -> HttpResponseBase:
    """Register a resident by hand: find her by number or telephone, then say for what."""
    asker, today = access.principal(request), timezone.localdate()
    find = forms.FindForm(request.POST or None)
    form = forms.EnterForm(
        request.POST if "programme" in request.POST else None, today=today, initial={"anchor_on": today}
    )
    found: list[Any] = []
    if request.method == "POST" and find.is_valid():
        said = find.cleaned_data
        if said["identifier"] or said["phone"]:
            found = list(
                identity.search(asker, identifier=said["identifier"], phone=said["phone"], limit=5).persons
            )
            seeing.audited(asker, [one.person_id for one in found], "register")
        if not found:
            find.add_error(None, _("No resident whom you may see has this number or telephone."))
        elif len(found) > 1 and not said["identifier"]:
            find.add_error(None, _("Several residents have this telephone: give the identity number."))
            found = []
    if found and form.is_bound and form.is_valid():
        asked = entering.Entering(
            found[0].person_id, form.cleaned_data["programme"], form.cleaned_data["anchor_on"]
        )
        try:
            made = entering.open_entry(asker, asked, now=timezone.now())
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The resident is registered."))
            return HttpResponseRedirect(reverse("prevention:programme-entry", args=[made.pk]))
    context = {
        "title": _("Register a resident"),
        "breadcrumbs": [(_("Registers of the programme"), reverse("prevention:programme-registers"))],
        "find": find,
        "form": form,
        "found": found[0] if found else None,
    }
    return render(request, "prevention/programme/register.html", context)
