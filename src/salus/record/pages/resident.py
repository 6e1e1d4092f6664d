"""A resident's record: who she is, what happened in order of time, and results as charts."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from salus.record import timeline
from salus.record.identity import queries
from salus.record.models import Person
from salus.record.pages.resident_asker import open_person
from salus.record.store import Stored
from salus.web import access, charts

PAGE = 50
CHARTS = 4
SEXES = {
    "male": gettext_lazy("male"),
    "female": gettext_lazy("female"),
    "other": gettext_lazy("other"),
    "unknown": gettext_lazy("unknown"),
}


@access.requires("resident", "village_doctor", "clinician", "epidemiologist")
@require_GET
def show(request: HttpRequest, person_id: UUID, section: str = "") -> HttpResponseBase:
    """Show the record, or one section of it, by institution if one is chosen."""
    chosen = next((one for one in timeline.SECTIONS if one.name == section), None)
    if section and chosen is None:
        raise Http404
    principal = open_person(request, person_id, page="timeline", section=section)
    person = Person.objects.filter(pk=queries.current(person_id)).first()
    if person is None:
        raise Http404
    record = timeline.of(principal, person.pk)
    items = [one for one in record.items if not section or one.section == section]
    places = sorted({(one.institution_id, one.institution) for one in items if one.institution_id}, key=str)
    place = request.GET.get("institution", "")
    if place:
        items = [one for one in items if str(one.institution_id) == place]
    page = Paginator(items, PAGE).get_page(request.GET.get("page"))
    context = {
        "title": person.name or _("Resident"),
        "breadcrumbs": [(_("Residents"), reverse("record:residents"))] if _searches(principal.roles) else [],
        "person": person,
        "sex": SEXES.get(person.sex, "–"),
        "patients": _by_place(timeline.patients(principal, person.pk)),
        "tabs": _tabs(person.pk, record, section),
        "section": section,
        "page": page,
        "places": places,
        "place": place,
        "series": [_chart(one) for one in _most(record, request)] if section == "labs" else [],
        "more_series": record.series if section == "labs" else [],
        "record": record,
        "glass": person.pk in principal.break_glass,
    }
    return render(request, "record/resident.html", context)


def _by_place(found: list[tuple[Stored, str]]) -> list[tuple[str, list[Stored]]]:
    """Group the sources' records of a person by the institution that keeps them."""
    places: dict[str, list[Stored]] = {}
    for stored, place in found:
        places.setdefault(place, []).append(stored)
    return sorted(places.items())


def _searches(roles: frozenset[str]) -> bool:
    return bool(roles & {"village_doctor", "clinician", "epidemiologist"})


def _tabs(person_id: UUID, record: timeline.Record, section: str) -> list[dict[str, Any]]:
    tabs: list[dict[str, Any]] = [
        {
            "title": _("Everything"),
            "url": reverse("record:resident", args=[person_id]),
            "count": record.total,
            "current": not section,
        }
    ]
    for one in timeline.SECTIONS:
        count = sum(item.section == one.name for item in record.items)
        url = reverse("record:resident-section", args=[person_id, one.name])
        tabs.append({"title": one.title, "url": url, "count": count, "current": section == one.name})
    return tabs


def _most(record: timeline.Record, request: HttpRequest) -> list[timeline.Series]:
    wanted = request.GET.get("result", "")
    if wanted.isdigit() and int(wanted) < len(record.series):
        return [record.series[int(wanted)]]
    return record.series[:CHARTS]


def _chart(series: timeline.Series) -> charts.Drawing:
    return charts.line(
        [{"at": at, "value": value} for at, value in series.points],
        charts.Field("at", _("When"), kind="temporal"),
        charts.Field("value", series.title, unit=series.unit),
        title=f"{series.title} ({series.unit})" if series.unit else series.title,
        band=(series.low, series.high) if series.low is not None or series.high is not None else None,
        note=_("The shaded band is the reference range.")
        if series.low is not None or series.high is not None
        else "",
    )
