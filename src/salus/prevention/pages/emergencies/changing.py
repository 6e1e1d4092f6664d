"""What is entered on an emergency: the event, counts, statements, decisions, its end, tasks and requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import names
from salus.kernel.errors import NotAllowed, NotFound, SalusError
from salus.kernel.policy import Principal
from salus.prevention.models import (
    Emergency,
    GradingProposal,
    ProposalAct,
    ProposalState,
    ResourceRequest,
)
from salus.prevention.pages.emergencies import forms, words
from salus.prevention.queries.emergencies import seeing
from salus.prevention.services.emergencies import deciding, ending, entering, working
from salus.web import access

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something entered on an emergency: its form, heading, what takes it in, what is said then."""

    form: type[django_forms.Form]
    title: Any
    take: Callable[[Principal, Emergency, Given], object]
    done: Any
    action: str = "update"
    label: Any = gettext_lazy("Save")


def _count(asker: Principal, one: Emergency, given: Given) -> object:
    asked = entering.AskedCount(
        given["day"], given["cases"], given["severe"] or 0, given["in_hospital"] or 0, given["deaths"] or 0,
        given["district"], given["unit"],
    )  # fmt: skip
    return entering.enter_counts(asker, one.pk, [asked], now=timezone.now())


def _facts(asker: Principal, one: Emergency, given: Given) -> object:
    return entering.state_facts(asker, one.pk, given["flags"], now=timezone.now(), form=given["form"])


def _grade(asker: Principal, one: Emergency, given: Given) -> object:
    return deciding.grade_by_hand(asker, one.pk, given["grade"], given["reason"], now=timezone.now())


def _end(asker: Principal, one: Emergency, given: Given) -> object:
    return ending.ask_end(asker, one.pk, given["reason"], now=timezone.now())


def _removed(asker: Principal, one: Emergency, given: Given) -> object:
    return ending.state_removed(asker, one.pk, given["day"], given["note"], now=timezone.now())


def _task(asker: Principal, one: Emergency, given: Given) -> object:
    return working.add_task(asker, one.pk, given["title"], given["role"], given["due"], now=timezone.now())


def _request(asker: Principal, one: Emergency, given: Given) -> object:
    return working.ask_for(
        asker, one.pk, given["item"], given["quantity"], given["wanted"], now=timezone.now(),
        unit=given["unit"], note=given["note"],
    )  # fmt: skip


ENTRIES = {
    "counts": Entry(forms.CountForm, gettext_lazy("Enter counts"), _count,
                    gettext_lazy("The counts are kept, and the rules have looked again.")),
    "facts": Entry(forms.FactsForm, gettext_lazy("State what else is known"), _facts,
                   gettext_lazy("The statements are kept, and the rules have looked again.")),
    "grade": Entry(forms.GradeForm, gettext_lazy("Set the grade"), _grade,
                   gettext_lazy("The grade holds."), "decide", gettext_lazy("Set it")),
    "end": Entry(forms.EndForm, gettext_lazy("Propose the end of the response"), _end,
                 gettext_lazy("The end waits for a decision."), label=gettext_lazy("Propose")),
    "removed": Entry(forms.RemovedForm, gettext_lazy("State that the danger is removed"), _removed,
                     gettext_lazy("It is kept.")),
    "task": Entry(forms.TaskForm, gettext_lazy("Add a task"), _task, gettext_lazy("The task is added.")),
    "request": Entry(forms.RequestForm, gettext_lazy("Ask for resources"), _request,
                     gettext_lazy("The request is under way."), label=gettext_lazy("Ask")),
}  # fmt: skip


def trail(one: Emergency) -> list[tuple[Any, str]]:
    """Return the way back to an emergency."""
    districts = names.districts([one.district_code])
    return [
        (_("Emergency board"), reverse("prevention:emergencies")),
        (words.title_of(one, districts), reverse("prevention:emergency", args=[one.pk])),
    ]


def fault(form: django_forms.Form, error: SalusError) -> None:
    """Show an error of a service at the field it speaks of."""
    said = f"{_(error.message)}. {_(error.fix)}" if error.fix else _(error.message)
    form.add_error(error.where if error.where in form.fields else None, said)


@access.may("update", "health_emergency")
def act(request: HttpRequest, number: int, act: str) -> HttpResponseBase:
    """Show and take in one of the entries."""
    entry = ENTRIES.get(act)
    asker = access.principal(request)
    try:
        one = seeing.open_one(asker, number, entry.action if entry else "update")
    except NotFound:
        raise Http404 from None
    if entry is None:
        raise Http404
    now = timezone.localtime()
    more: dict[str, Any] = {"districts": names.districts()} if act == "counts" else {}
    start = {
        "day": now.date(), "district": one.district_code, "flags": one.flags, "form": one.form,
        "grade": one.grade, "due": now, "wanted": now,
    }  # fmt: skip
    form = entry.form(request.POST or None, initial=start, **more)
    if request.method == "POST" and form.is_valid():
        try:
            entry.take(asker, one, form.cleaned_data)
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, entry.done)
            return HttpResponseRedirect(reverse("prevention:emergency", args=[number]))
    context = {"title": entry.title, "breadcrumbs": trail(one), "form": form, "label": entry.label}
    return render(request, "web/form_page.html", context)


@access.may("create", "health_emergency")
def new(request: HttpRequest) -> HttpResponseBase:
    """Enter an event."""
    now = timezone.localtime()
    form = forms.EventForm(
        request.POST or None, districts=names.districts(), initial={"noticed": now, "began_on": now.date()}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        asked = entering.AskedEvent(
            title=given["title"], kind=given["kind"], district_code=given["district"],
            began_on=given["began_on"], noticed_at=given["noticed"], disease=given["disease"],
            place=given["place"], note=given["note"], flags=tuple(given["flags"]),
            cases=given["cases"] or 0, severe=given["severe"] or 0, in_hospital=given["in_hospital"] or 0,
            deaths=given["deaths"] or 0, unit=given["unit"],
        )  # fmt: skip
        try:
            made = entering.open_event(access.principal(request), asked, now=timezone.now())
        except NotAllowed as error:
            form.add_error("district", _(error.message))
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, _("The event is entered, and the rules have looked at it."))
            return HttpResponseRedirect(reverse("prevention:emergency", args=[made.pk]))
    context = {
        "title": _("Enter an event"),
        "breadcrumbs": [(_("Emergency board"), reverse("prevention:emergencies"))],
        "form": form,
        "label": _("Enter"),
    }
    return render(request, "web/form_page.html", context)


@access.may("decide", "health_emergency")
def decide(request: HttpRequest, number: int) -> HttpResponseBase:
    """Decide on a proposal, with its evidence in view."""
    asker = access.principal(request)
    held = GradingProposal.objects.filter(pk=number).first()
    try:
        if held is None:
            raise Http404
        one = seeing.open_one(asker, held.emergency_id, "decide")
    except NotFound:
        raise Http404 from None
    form = forms.DecideForm(request.POST or None, initial={"verdict": "confirm", "grade": held.grade})
    if held.act == ProposalAct.STAND_DOWN:
        del form.fields["grade"]
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            deciding.decide(
                asker, number, given["reason"], now=timezone.now(), grade=given.get("grade") or None,
                reject=given["verdict"] == "reject",
            )  # fmt: skip
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, _("The decision is kept."))
            return HttpResponseRedirect(reverse("prevention:emergency", args=[one.pk]))
    context = {
        "title": _("Decide: %(act)s") % {"act": held.get_act_display()},
        "breadcrumbs": trail(one),
        "form": form,
        "held": held,
        "grade": words.grade_name(held.grade),
        "tone": words.TONES.get(held.grade, ""),
        "evidence": words.evidence(held),
        "waits": held.state == ProposalState.WAITING,
    }
    return render(request, "prevention/emergencies/decide.html", context)


@access.may("update", "health_emergency")
@require_POST
def reported(request: HttpRequest, number: int) -> HttpResponse:
    """Note that the event was reported upwards."""
    try:
        entering.reported(access.principal(request), number, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("It is kept that the event was reported."))
    return HttpResponseRedirect(reverse("prevention:emergency", args=[number]))


@access.may("update", "health_emergency")
def request_state(request: HttpRequest, number: int) -> HttpResponseBase:
    """Move a request for resources on."""
    asker = access.principal(request)
    row = ResourceRequest.objects.filter(pk=number).first()
    try:
        if row is None:
            raise Http404
        one = seeing.open_one(asker, row.emergency_id, "update")
    except NotFound:
        raise Http404 from None
    form = forms.RequestStateForm(
        request.POST or None, initial={"state": row.state, "given": row.given, "note": row.note}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            working.answer(
                asker, number, given["state"], now=timezone.now(), given=given["given"], note=given["note"]
            )
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, _("The request is moved on."))
            return HttpResponseRedirect(reverse("prevention:emergency", args=[one.pk]))
    title = _("%(item)s, %(quantity)d %(unit)s") % {
        "item": row.item, "quantity": row.quantity, "unit": row.unit,
    }  # fmt: skip
    context = {"title": title, "breadcrumbs": trail(one), "form": form, "label": _("Save")}
    return render(request, "web/form_page.html", context)
