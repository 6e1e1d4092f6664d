"""A resident's programmes: what is due and why, what was given, the tries, registrations; and her file."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel import policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import EntryState, ProgrammeEntry
from salus.prevention.pages.programme import forms, words
from salus.prevention.queries.programme import catalogue, control, residents, seeing
from salus.prevention.services.programme import filing, giving, recalling
from salus.record.models import Person
from salus.web import access, undo

KIND = seeing.KIND


def opened(request: HttpRequest, number: int) -> tuple[ProgrammeEntry, Person]:
    """Return an entry and its resident for a reader; 404 where she may not know of it."""
    try:
        entry = seeing.open_entry(access.principal(request), number)
    except NotFound:
        raise Http404 from None
    person = Person.objects.filter(pk=entry.person_id).first()
    if person is None:
        raise Http404
    return entry, person


def trail(entry: ProgrammeEntry, person: Person) -> list[tuple[str, str]]:
    """Return the breadcrumbs of a page under a resident's."""
    return [
        (_("My residents today"), reverse("prevention:programme-today")),
        (person.name, reverse("prevention:programme-entry", args=[entry.pk])),
    ]


@access.may("read", KIND)
def resident(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a resident's programmes."""
    asker, today = access.principal(request), timezone.localdate()
    entry, person = opened(request, number)
    mine = seeing.of_person(asker, person.pk)
    given = residents.given_to(person.pk, asker)
    may = policy.decide(asker, "update", seeing.target(entry)).allowed
    owed = residents.owed(mine, person, today)
    by_service = catalogue.programme_by_service(today)
    entry_of = {one.programme: one.pk for one in mine if one.state == EntryState.OPEN}
    forms_of = {one.code: one.form for one in catalogue.programmes(today).values()}
    context = {
        "title": person.name,
        "breadcrumbs": trail(entry, person)[:1],
        "entry": entry,
        "person": person,
        "age": control.age_on(person.birth_date, today),
        "may": may,
        "owed": [
            (one, *words.STATUS[one.status], words.WHY.get(one.why, ""),
             entry_of.get(by_service.get(one.service, "")),
             forms_of.get(by_service.get(one.service, ""), "") in forms.OF_FORM)
            for one in owed if one.status not in ("complete", "closed", "ended")
        ],
        "entries": [
            (one, words.programme(one.programme, today), *words.entry_state(one),
             *words.control(one.control), words.PLACED.get(one.placed_by, ""))
            for one in mine
        ],
        "given": [
            (row, catalogue.service_name(row.product, today), *words.control(row.control), words.values(row))
            for row in given
        ],
        "tries": [
            (row, words.outcome(row.outcome), dict(words.TRY_WAYS).get(row.way, row.way))
            for row in residents.tries(person.pk)
        ],
        "events": [
            (event, words.EVENTS.get(event.kind, event.kind), words.programme(event.entry.programme, today))
            for event in _events(mine)
        ],
        "referred": [one for one in mine if one.facts.get("referred") and one.control != "good"],
        "due_now": any(one.status in ("due", "overdue") for one in owed),
    }  # fmt: skip
    return render(request, "prevention/programme/resident.html", context)


def _events(entries: list[ProgrammeEntry]) -> list[Any]:
    from salus.prevention.models import EntryEvent

    rows = EntryEvent.objects.filter(entry__in=[one.pk for one in entries]).select_related("entry")
    return list(rows[:20])


def _key(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        return None


@access.may("update", KIND)
def visit(request: HttpRequest, number: int, service: str) -> HttpResponseBase:
    """Enter a visit: readings, medicines, way of life; judged at once."""
    asker, today = access.principal(request), timezone.localdate()
    entry, person = opened(request, number)
    rules = catalogue.programme(entry.programme, today)
    known = next(
        (s for s in catalogue.services_of(entry.programme, today).services if s.code == service), None
    )
    if known is None or rules.form not in forms.OF_FORM or entry.state != EntryState.OPEN:
        raise Http404
    form = forms.VisitForm(request.POST or None, kind=rules.form, initial={"day": today, "way": "clinic"})
    clash = None
    if request.method == "POST" and form.is_valid():
        asked = giving.Giving(
            _key(request, "key") or uuid4(), known.products[0], form.cleaned_data["day"],
            form.cleaned_data["way"], forms.readings(form.cleaned_data), form.cleaned_data["note"],
        )  # fmt: skip
        try:
            made = giving.give(asker, number, asked, now=timezone.now(), replaces=_key(request, "replaces"))
        except giving.VisitClash as error:
            clash = error.held
        except NotFound:
            raise Http404 from None
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            told(request, made)
            return HttpResponseRedirect(reverse("prevention:programme-entry", args=[number]))
    context = {
        "title": catalogue.service_name(service, today),
        "breadcrumbs": trail(entry, person),
        "entry": entry,
        "person": person,
        "form": form,
        "key": request.POST.get("key") or str(uuid4()),
        "clash": clash,
        "clash_values": words.values(clash) if clash else [],
        "targets": [
            one for one in catalogue.targets(today)
            if one.programme == entry.programme
            and one.age_from <= (control.age_on(person.birth_date, today) or 0) < one.age_to
        ],
    }  # fmt: skip
    return render(request, "prevention/programme/visit.html", context)


def told(request: HttpRequest, made: giving.Given) -> None:
    """Say what was entered, what its readings ask for, and offer to take it back."""
    verdict = made.verdict
    if verdict is not None and verdict.urgent:
        messages.error(request, _("Dangerous readings: send her to a hospital at once."))
    elif verdict is not None and verdict.refer:
        messages.warning(request, _("Poor control twice in a row: refer her to a hospital."))
    elif verdict is not None and verdict.control == "poor":
        messages.warning(request, _("Not controlled: see her again within two weeks."))
    undo.offer(
        request, _("The visit is entered."), reverse("prevention:programme-given-undo", args=[made.row.pk])
    )


@access.may("update", KIND)
def attempt(request: HttpRequest, number: int) -> HttpResponseBase:
    """Note a try to reach a resident."""
    asker, today = access.principal(request), timezone.localdate()
    entry, person = opened(request, number)
    start = request.GET.get("outcome", "not_reached")
    form = forms.TryForm(request.POST or None, initial={"outcome": start, "way": "phone"})
    if request.method == "POST" and form.is_valid():
        asked = recalling.Asked(
            _key(request, "key") or uuid4(), form.cleaned_data["outcome"], today, form.cleaned_data["way"],
            form.cleaned_data["appointment"], form.cleaned_data["note"],
        )  # fmt: skip
        try:
            made = recalling.attempt(asker, person.pk, asked, now=timezone.now())
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            undo.offer(
                request, _("The try is noted."), reverse("prevention:programme-try-undo", args=[made.pk])
            )
            return HttpResponseRedirect(reverse("prevention:programme-today"))
    context = {
        "title": _("Note a try"),
        "breadcrumbs": trail(entry, person),
        "entry": entry,
        "person": person,
        "form": form,
        "key": request.POST.get("key") or str(uuid4()),
        "tries": [(row, words.outcome(row.outcome)) for row in residents.tries(person.pk, 5)],
    }
    return render(request, "prevention/programme/try.html", context)


@access.may("read", "health_file")
def health_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show and write a resident's health file."""
    asker, today = access.principal(request), timezone.localdate()
    entry, person = opened(request, number)
    try:
        view = residents.file_of(asker, person, entry, today)
    except NotFound:
        raise Http404 from None
    kept = {item.code: value for item, value in view.items if not item.from_record}
    form = forms.FileForm(request.POST or None, today=today, initial=kept)
    if request.method == "POST" and form.is_valid():
        try:
            filing.write_file(asker, number, form.cleaned_data, now=timezone.now())
        except NotFound:
            raise Http404 from None
        except SalusError as error:
            form.add_error(error.where if error.where in form.fields else None, _(error.message))
        else:
            messages.success(request, _("The file is written."))
            return HttpResponseRedirect(reverse("prevention:programme-file", args=[number]))
    sections: dict[str, list[Any]] = {}
    for item, value in view.items:
        field = form[item.code] if item.code in form.fields else None
        sections.setdefault(item.section, []).append((item, words.item(value), field))
    context = {
        "title": _("Health file"),
        "breadcrumbs": trail(entry, person),
        "entry": entry,
        "person": person,
        "form": form,
        "complete": view.complete,
        "tone": "ok" if view.complete >= 90 else "warn" if view.complete >= 60 else "bad",
        "sections": [(words.SECTIONS.get(name, name), items) for name, items in sections.items()],
        "place": entry.institution,
    }
    return render(request, "prevention/programme/file.html", context)
