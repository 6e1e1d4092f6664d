"""A resident's own programme: what she is owed and when, what she was given, her certificates."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from salus.prevention.models import EntryState
from salus.prevention.pages.programme import words
from salus.prevention.queries.programme import catalogue, residents, seeing
from salus.record.identity.queries import current
from salus.record.models import Person
from salus.web import access, documents


@access.requires("resident")
def mine(request: HttpRequest) -> HttpResponseBase:
    """Show a resident her schedule, what was given, and how control stands: hers only."""
    asker, today = access.principal(request).with_purpose("PATRQT"), timezone.localdate()
    context: dict[str, Any] = {"title": _("My health programme"), "person": None, "today": today}
    if asker.person_id is None:
        return render(request, "prevention/programme/mine.html", context)
    person = Person.objects.filter(pk=current(asker.person_id)).first()
    if person is None:
        return render(request, "prevention/programme/mine.html", context)
    entries = [one for one in seeing.of_person(asker, person.pk) if one.state == EntryState.OPEN]
    owed = residents.owed(entries, person, today)
    context |= {
        "person": person,
        "entries": [
            (one, words.programme(one.programme, today), *words.control(one.control)) for one in entries
        ],
        "owed": [
            (one, *words.STATUS[one.status]) for one in owed if one.status in ("due", "overdue", "upcoming")
        ],
        "given": [
            (row, catalogue.service_name(row.product, today), *words.control(row.control), words.values(row))
            for row in residents.given_to(person.pk, asker)
            if row.undone_at is None
        ],
    }
    return render(request, "prevention/programme/mine.html", context)


@access.requires("resident")
def certificate(request: HttpRequest, form: str) -> HttpResponseBase:
    """Give a resident the certificate of what she was given, as PDF or Word."""
    asker, today = access.principal(request).with_purpose("PATRQT"), timezone.localdate()
    person = Person.objects.filter(pk=current(asker.person_id)).first() if asker.person_id else None
    if person is None or form not in ("pdf", "docx"):
        raise Http404
    entries = seeing.of_person(asker, person.pk, "export")
    rows = [
        [row.day.isoformat(), catalogue.service_name(row.product, today), words.control(row.control)[0]
         if row.control else "–", row.given_by]
        for row in reversed(residents.given_to(person.pk, asker, 500))
        if row.undone_at is None
    ]  # fmt: skip
    place = next((one.institution for one in entries if one.institution), None)
    document = documents.Document(
        _("Certificate of services given"),
        place.name if place else "",
        today,
        language="zh-hans" if (get_language() or "").startswith("zh") else "en",
        parts=[
            documents.Facts(
                [(_("Name"), person.name),
                 (_("Born"), person.birth_date.isoformat() if person.birth_date else "–")]
            ),
            documents.Table(
                [_("Day"), _("Service"), _("Control"), _("By")], rows, caption=_("Services given")
            ),
        ],
    )  # fmt: skip
    return documents.answer(document, form, "health-programme")
