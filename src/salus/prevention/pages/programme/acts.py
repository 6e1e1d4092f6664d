"""What is done to a registration by a button: take back, close, open again, hand over, register."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import EntryState, ProgrammeEntry
from salus.prevention.pages.programme import forms
from salus.prevention.pages.programme.resident import KIND, opened, trail
from salus.prevention.services.programme import entering, giving, recalling
from salus.web import access, undo


def _done(request: HttpRequest, act: Callable[[], object], words: str, back: str) -> HttpResponseBase:
    try:
        act()
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, words)
    return HttpResponseRedirect(back)


@access.may("update", KIND)
@require_POST
def undo_given(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take something given back."""
    try:
        row = giving.take_back(access.principal(request), number, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("prevention:programme-today"))
    undo.offer(
        request, _("The entry is taken back."), reverse("prevention:programme-given-restore", args=[number])
    )
    if row.entry_id is None:
        return HttpResponseRedirect(reverse("prevention:programme-today"))
    return HttpResponseRedirect(reverse("prevention:programme-entry", args=[row.entry_id]))


@access.may("update", KIND)
@require_POST
def restore_given(request: HttpRequest, number: int) -> HttpResponseBase:
    """Let something given count again."""
    asker = access.principal(request)
    return _done(
        request, lambda: giving.restore(asker, number, now=timezone.now()), _("The entry counts again."),
        reverse("prevention:programme-today"),
    )  # fmt: skip


@access.may("update", KIND)
@require_POST
def undo_try(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take a try back."""
    asker = access.principal(request)
    return _done(
        request, lambda: recalling.take_back(asker, number, now=timezone.now()), _("The try is taken back."),
        reverse("prevention:programme-today"),
    )  # fmt: skip


@access.may("update", KIND)
def close(request: HttpRequest, number: int) -> HttpResponseBase:
    """Close a registration."""
    entry, person = opened(request, number)
    form = forms.CloseForm(request.POST or None, initial={"day": timezone.localdate()})
    if request.method == "POST" and form.is_valid():
        asker = access.principal(request)
        try:
            entering.close_entry(
                asker, number, form.cleaned_data["reason"], form.cleaned_data["day"], now=timezone.now()
            )
        except NotFound:
            raise Http404 from None
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            undo.offer(
                request,
                _("The registration is closed."),
                reverse("prevention:programme-reopen", args=[number]),
            )
            return HttpResponseRedirect(reverse("prevention:programme-entry", args=[number]))
    return _form(request, _("Close the registration"), _("Close it"), entry, person, form)


@access.may("update", KIND)
@require_POST
def reopen(request: HttpRequest, number: int) -> HttpResponseBase:
    """Open a closed registration again."""
    asker = access.principal(request)
    return _done(
        request, lambda: entering.reopen_entry(asker, number, now=timezone.now()),
        _("The registration is open again."), reverse("prevention:programme-entry", args=[number]),
    )  # fmt: skip


@access.may("update", KIND)
def hand_over(request: HttpRequest, number: int) -> HttpResponseBase:
    """Hand a resident over to another institution or doctor."""
    entry, person = opened(request, number)
    start = {"institution": entry.institution_id, "doctor": entry.doctor_id}
    form = forms.HandOverForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        asker, said = access.principal(request), form.cleaned_data
        try:
            entering.hand_over(asker, number, said["institution"], said["doctor"], now=timezone.now())
        except NotFound:
            raise Http404 from None
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The resident is handed over."))
            return HttpResponseRedirect(reverse("prevention:programme-registers"))
    return _form(request, _("Hand over"), _("Hand over"), entry, person, form)


@access.may("create", KIND)
def enter(request: HttpRequest, number: int) -> HttpResponseBase:
    """Register a resident who is known here for another programme."""
    entry, person = opened(request, number)
    today = timezone.localdate()
    form = forms.EnterForm(request.POST or None, today=today, initial={"anchor_on": today})
    if request.method == "POST" and form.is_valid():
        asked = entering.Entering(person.pk, form.cleaned_data["programme"], form.cleaned_data["anchor_on"])
        try:
            made = entering.open_entry(
                access.principal(request), asked, now=timezone.now(), institution=entry.institution,
                doctor=entry.doctor,
            )  # fmt: skip
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The resident is registered."))
            return HttpResponseRedirect(reverse("prevention:programme-entry", args=[made.pk]))
    return _form(request, _("Register for another programme"), _("Register"), entry, person, form)


def _form(
    request: HttpRequest, title: str, button: str, entry: ProgrammeEntry, person: object, form: object
) -> HttpResponseBase:
    context = {
        "title": title,
        "button": button,
        "entry": entry,
        "person": person,
        "form": form,
        "open": entry.state == EntryState.OPEN,
        "breadcrumbs": trail(entry, person),  # type: ignore[arg-type]
    }
    return render(request, "prevention/programme/form.html", context)
