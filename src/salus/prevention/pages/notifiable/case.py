"""One case: its evidence, its clock, its investigation, and the forms to go on with it."""

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

from salus.kernel import names, policy
from salus.kernel.errors import NotAllowed, NotFound, SalusError
from salus.kernel.models import Institution
from salus.kernel.policy import Principal
from salus.prevention.models import Case
from salus.prevention.pages.notifiable import forms, words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import investigation as reading
from salus.prevention.queries.notifiable import seeing
from salus.prevention.services.notifiable import contacts, deciding, investigating, reporting
from salus.web import access, confirm

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that is entered on a case: its form, its heading, what takes it in, and what is said then."""

    form: type[django_forms.Form]
    title: Any
    take: Callable[[Principal, Case, Given], object]
    done: Any
    action: str = "update"


def _now() -> Any:
    return timezone.now()


def _exposure(asker: Principal, case: Case, given: Given) -> object:
    return investigating.add_exposure(asker, case.pk, investigating.AskedExposure(**given), now=_now())


def _sample(asker: Principal, case: Case, given: Given) -> object:
    return investigating.keep_sample(asker, case.pk, investigating.AskedSample(**given), now=_now())


def _isolation(asker: Principal, case: Case, given: Given) -> object:
    return investigating.isolate(
        asker, case.pk, given["kind"], given["start"], given["end"], given["place"], now=_now()
    )


def _link(asker: Principal, case: Case, given: Given) -> object:
    return investigating.link(asker, case.pk, given["source"], given["basis"], now=_now())


def _contact(asker: Principal, case: Case, given: Given) -> object:
    values = {name: value for name, value in given.items() if name != "district"}
    asked = contacts.AskedContact(**values, district_code=given["district"])
    return contacts.add_contact(asker, case.pk, asked, now=_now())


def _decide(asker: Principal, case: Case, given: Given) -> object:
    return deciding.decide(asker, case.pk, given["status"], given["reason"], now=_now())


def _correct(asker: Principal, case: Case, given: Given) -> object:
    return deciding.correct(asker, case.pk, deciding.Correction(**given), now=_now())


def _join(asker: Principal, case: Case, given: Given) -> object:
    return deciding.join(asker, case.pk, given["same_as"], now=_now())


ENTRIES = {
    "exposure": Entry(forms.ExposureForm, gettext_lazy("Add an exposure"), _exposure,
                      gettext_lazy("The exposure is entered.")),
    "sample": Entry(forms.SampleForm, gettext_lazy("Enter a sample or its result"), _sample,
                    gettext_lazy("The sample is entered.")),
    "isolation": Entry(forms.IsolationForm, gettext_lazy("Enter an isolation"), _isolation,
                       gettext_lazy("The isolation is entered.")),
    "link": Entry(forms.LinkForm, gettext_lazy("Say who infected the case"), _link,
                  gettext_lazy("The transmission is entered.")),
    "contact": Entry(forms.ContactForm, gettext_lazy("Add a contact"), _contact,
                     gettext_lazy("The contact is under follow-up.")),
    "decide": Entry(forms.DecideForm, gettext_lazy("Decide on the case"), _decide,
                    gettext_lazy("The decision is kept."), "decide"),
    "correct": Entry(forms.CorrectForm, gettext_lazy("Correct the case"), _correct,
                     gettext_lazy("The case is corrected.")),
    "join": Entry(forms.JoinForm, gettext_lazy("Join a second report"), _join,
                  gettext_lazy("The cases are joined."), "decide"),
}  # fmt: skip


def _opened(asker: Principal, number: int, action: str = "read") -> Case:
    try:
        return seeing.open_case(asker, number, action)
    except NotFound:
        raise Http404 from None


@access.may("read", "notifiable_case")
def case(request: HttpRequest, number: int) -> HttpResponse:
    """Show a case."""
    asker = access.principal(request)
    try:
        found = reading.investigation(asker, number)
    except NotFound:
        raise Http404 from None
    one, now = found.case, timezone.now()
    target = seeing.case_target(one)
    state, tone = words.reporting_state(one, now)
    shown_symptoms, shown_exposures = known.symptoms(), known.exposures()
    clock = words.left(one.due_at, now) if one.due_at and one.reported_at is None else ""
    context = {
        "title": _("%(disease)s: case %(number)d")
        % {"disease": known.disease_name(one.disease), "number": one.pk},
        "breadcrumbs": [(_("Notifiable cases"), reverse("prevention:cases"))],
        "found": found,
        "case": one,
        "sex": words.SEXES.get(one.sex, ""),
        "age": words.age_shown(one),
        "district": names.districts([one.district_code]).get(one.district_code, one.district_code),
        "status_tone": words.TONES.get(one.status, ""),  # type: ignore[call-overload]
        "report_state": state,
        "report_tone": tone,
        "clock": clock,
        "met": [
            (one_met.words, [_fact(fact, shown_symptoms, shown_exposures) for fact in one_met.facts])
            for one_met in found.met
        ],
        "exposures": [(e, shown_exposures.get(e.kind, e.kind)) for e in found.exposures],
        "isolations": [(i, words.ISOLATION.get(i.kind, i.kind)) for i in found.isolations],
        "contacts": [
            (c, shown_exposures.get(c.setting, c.setting), *words.contact_state(c)) for c in found.contacts
        ],
        "events": [
            (e, words.KINDS.get(e.kind, e.kind), _status(e.before), _status(e.after),
             words.REASONS.get(e.reason, e.reason))
            for e in found.events
        ],
        "samples": [(s, words.RESULTS.get(s.result, s.result)) for s in found.samples],
        "may_update": policy.decide(asker, "update", target).allowed,
        "may_decide": policy.decide(asker, "decide", target).allowed,
        "may_report": one.reported_at is None
        and one.due_at is not None
        and policy.decide(asker, "update", target).allowed,
    }  # fmt: skip
    return render(request, "prevention/notifiable/case.html", context)


def _status(value: str) -> Any:
    from salus.prevention.models import CaseStatus

    return CaseStatus(value).label if value in CaseStatus.values else value


def _fact(fact: Given, signs: Mapping[str, str], places: Mapping[str, str]) -> str:
    """Return a fact of the evidence as a reader understands it."""
    kind = str(words.FACTS.get(fact["kind"], fact["kind"]))
    what = fact["name"] or signs.get(fact["code"]) or places.get(fact["code"]) or fact["code"]
    parts = [kind, what]
    if fact["value"]:
        parts.append(str(words.RESULTS.get(fact["value"], fact["value"])))
    if fact["number"] is not None and fact["kind"] != "laboratory":
        parts.append(f"{fact['number']:.4g}")
    parts.append(fact["day"])
    return " · ".join(part for part in parts if part)


@access.may("read", "notifiable_case")
def enter(request: HttpRequest, number: int, what: str) -> HttpResponseBase:
    """Enter something on a case."""
    entry = ENTRIES.get(what)
    if entry is None:
        raise Http404
    asker = access.principal(request)
    one = _opened(asker, number, entry.action)
    more: dict[str, Any] = {}
    if what == "contact":
        more["districts"] = names.districts()
    if what == "correct":
        more["initial"] = {
            "onset": one.onset, "outcome": one.outcome, "died_on": one.died_on,
            "place_infected": one.place_infected, "note": one.note,
        }  # fmt: skip
    if what in ("isolation", "contact", "sample"):
        more["initial"] = {"start": timezone.localdate(), "taken_on": timezone.localdate()}
    form = entry.form(request.POST or None, **more)
    if request.method == "POST" and form.is_valid():
        try:
            entry.take(asker, one, form.cleaned_data)
        except (NotAllowed, SalusError) as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, entry.done)
            return HttpResponseRedirect(reverse("prevention:case", args=[number]))
    context = {
        "title": entry.title,
        "breadcrumbs": [
            (_("Notifiable cases"), reverse("prevention:cases")),
            (_("Case %(number)d") % {"number": number}, reverse("prevention:case", args=[number])),
        ],
        "form": form,
        "label": _("Enter it"),
    }
    return render(request, "web/form_page.html", context)


@access.may("update", "notifiable_case")
@require_POST
def report_arisen(request: HttpRequest, number: int) -> HttpResponseBase:
    """Report a case that arose from the record."""
    _did(
        request, lambda asker: reporting.report_arisen(asker, number, now=_now()), _("The case is reported.")
    )
    return HttpResponseRedirect(reverse("prevention:case", args=[number]))


@access.may("decide", "notifiable_case")
@require_POST
def by_definition(request: HttpRequest, number: int) -> HttpResponseBase:
    """Leave a case to its definition again."""
    _did(
        request, lambda asker: deciding.leave_to_definition(asker, number, now=_now()),
        _("The definition decides on the case."),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("prevention:case", args=[number]))


@access.may("decide", "notifiable_case")
@require_POST
def part(request: HttpRequest, number: int) -> HttpResponseBase:
    """Take a joining back."""
    question = _("Count this case by itself again?")
    if page := confirm.needed(request, question):
        return page
    _did(
        request, lambda asker: deciding.part(asker, number, now=_now()), _("The case counts by itself again.")
    )
    return HttpResponseRedirect(reverse("prevention:case", args=[number]))


@access.may("update", "notifiable_case")
@require_POST
def unlink(request: HttpRequest, number: int, transmission: int) -> HttpResponseBase:
    """Take a transmission back."""
    _did(
        request, lambda asker: investigating.unlink(asker, number, transmission, now=_now()),
        _("The transmission is taken back."),
    )  # fmt: skip
    return HttpResponseRedirect(reverse("prevention:case", args=[number]))


def _did(request: HttpRequest, act: Callable[[Principal], object], done: str) -> None:
    try:
        act(access.principal(request))
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, done)


@access.may("create", "notifiable_case")
def report(request: HttpRequest) -> HttpResponseBase:
    """Report a case."""
    asker = access.principal(request)
    own = sorted(asker.institution_ids)
    place = Institution.objects.filter(pk__in=own).order_by("pk").first() if own else None
    form = forms.ReportForm(
        request.POST or None,
        districts=names.districts(),
        initial={"diagnosed": timezone.localtime().replace(second=0, microsecond=0)},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        asked = reporting.Report(
            given["disease"], given["diagnosed"], given["certainty"], None, given["name"],
            given["birth_date"], given["age"], given["sex"], given["district"], given["address"], "",
            given["onset"], given["symptoms"], given["exposures"],
            [("", given["test"], _result(given["result"]))] if given["test"] and given["result"] else (),
            note=given["note"],
        )  # fmt: skip
        try:
            made = reporting.report(asker, asked, place, now=timezone.now())
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            if not made.new:
                messages.info(request, _("This case was known already; what you reported was added to it."))
            elif made.likely:
                messages.warning(request, _("Reported. It may be a case that is known already: see below."))
            else:
                messages.success(request, _("The case is reported."))
            return HttpResponseRedirect(
                reverse("prevention:case", args=[made.case.pk])
                if policy.decide(asker, "read", seeing.case_target(made.case)).allowed
                else reverse("prevention:cases")
            )
    context = {
        "title": _("Report a case"),
        "breadcrumbs": [(_("Notifiable cases"), reverse("prevention:cases"))],
        "form": form,
        "label": _("Report it"),
    }
    return render(request, "web/form_page.html", context)


def _result(said: str) -> str:
    from salus.prevention.surveillance.reading import verdict

    return verdict(said) or said.strip()
