"""The diseases as the rules hold them on a day: lists, deadlines, definitions, and faulty files."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.surveillance import STANDARD, Disease, Listing, deadline_rules
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, Table
from salus.web.tables.rows import ListRows

READERS = ("epidemiologist", "clinician", "village_doctor", "planner", "manager")
CLASSES = {
    "A": gettext_lazy("Class A"),
    "B": gettext_lazy("Class B"),
    "C": gettext_lazy("Class C"),
    "local": gettext_lazy("The city's own"),
}
LEVELS = {
    "suspected": gettext_lazy("Suspected"),
    "probable": gettext_lazy("Probable"),
    "confirmed": gettext_lazy("Confirmed"),
    "discarded": gettext_lazy("Discarded"),
}


class Diseases(Table):
    """Diseases on a day's lists."""

    name = "diseases"
    caption = gettext_lazy("Notifiable diseases")
    default_sort = "order"
    search_label = gettext_lazy("Name or ICD-10 code")
    columns: ClassVar = (
        Column("name", gettext_lazy("Disease"), sort="name", wide=True,
               link=lambda row: reverse("prevention:disease", args=[row["id"]])),
        Column("class", gettext_lazy("Class"), sort="class", value=lambda row: CLASSES[row["class"]]),
        Column("hours", gettext_lazy("Report within (h)"), kind="number", sort="hours"),
        Column("icd10", gettext_lazy("ICD-10"), kind="code"),
        Column("incubation", gettext_lazy("Incubation (days)")),
        Column("contact_days", gettext_lazy("Contacts followed (days)"), kind="number", sort="contact_days"),
        Column("own", gettext_lazy("Source"), sort="own"),
    )  # fmt: skip
    filters: ClassVar = (ChoiceFilter("class", gettext_lazy("Class"), tuple(CLASSES.items())),)


def hours_of(listing: Listing, day: date) -> int | None:
    """Return within how many hours a listed disease is reported on a day."""
    return next(
        (
            rule.hours
            for rule in deadline_rules()
            if rule.managed == listing.managed
            and rule.first <= day
            and (rule.last is None or day <= rule.last)
        ),
        None,
    )


def _asked(request: HttpRequest) -> date:
    try:
        return date.fromisoformat(request.GET.get("on", ""))
    except ValueError:
        return timezone.localdate()


@access.requires(*READERS)
def diseases(request: HttpRequest) -> HttpResponseBase:
    """List the diseases that were notifiable on a day: today if none is asked for."""
    day = _asked(request)
    catalogue = known.catalogue()
    order = list(CLASSES)
    rows: list[dict[str, Any]] = []
    for code, one in catalogue.on(day).items():
        listing = one.listed(day)
        if listing is None:
            continue
        rows.append(
            {
                "id": code, "name": known.name_of(one), "class": listing.class_,
                "hours": hours_of(listing, day), "icd10": " ".join(one.icd10),
                "incubation": f"{one.incubation[0]}–{one.incubation[1]}", "contact_days": one.contact_days,
                "own": _("National") if one.origin == str(STANDARD) else _("The city's own"),
                "order": (order.index(listing.class_), code),
            }
        )  # fmt: skip
    rows.sort(key=lambda row: row["order"])
    context = {
        "title": _("Notifiable diseases"),
        "day": day,
        "faults": catalogue.faults,
        "folder": str(known.own_folder()),
        "counts": [(title, sum(row["class"] == code for row in rows)) for code, title in CLASSES.items()],
    }
    return Diseases(request, ListRows(rows)).respond("prevention/notifiable/diseases.html", context)


@access.requires(*READERS)
def disease(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show a disease: its lists, and the definition that holds on a day."""
    one: Disease | None = known.catalogue().get(code)
    if one is None:
        raise Http404
    day = _asked(request)
    definition = one.definition(day)
    formulas = []
    if definition is not None:
        for level, title in LEVELS.items():
            ways = [
                [_term(name, {k: known.words_of(c) for k, c in definition.criteria.items()}) for name in part]
                for part in definition.formulas[level]
            ]
            formulas.append((title, ways))
    signs, places = known.symptoms(), known.exposures()
    criteria = [
        (
            known.words_of(c),
            ", ".join([*(signs.get(x) or places.get(x) or x for x in c.codes), *c.names, *c.organisms]),
        )
        for c in (definition.criteria.values() if definition else ())
    ]
    context = {
        "title": known.name_of(one),
        "breadcrumbs": [(_("Notifiable diseases"), reverse("prevention:diseases"))],
        "disease": one,
        "icd10": " ".join(one.icd10),
        "day": day,
        "listings": [
            (listing, CLASSES[listing.class_], hours_of(listing, listing.first)) for listing in one.listings
        ],
        "definition": definition,
        "formulas": formulas,
        "criteria": criteria,
    }
    return render(request, "prevention/notifiable/disease.html", context)


def _term(name: str, said: dict[str, str]) -> str:
    if name.startswith("!"):
        return _("not: %(what)s") % {"what": said[name[1:]]}
    return said[name]
