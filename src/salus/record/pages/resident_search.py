"""Resident search: by name, pinyin, birth date, identity number or phone, among those that one may see.

What was searched for names a resident, so it is posted and kept in the session, never in an address.
"""

from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from salus.kernel import audit, names
from salus.record.identity import queries
from salus.record.pages.resident_asker import EMERGENCY, READERS, asker
from salus.web import access

SESSION = "resident-search"
PAGE = 50


class SearchForm(forms.Form):
    """What is known of the resident; all that is given must hold."""

    text = forms.CharField(label=gettext_lazy("Name or pinyin"), max_length=80, required=False)
    birth_date = forms.DateField(
        label=gettext_lazy("Birth date"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    identifier = forms.CharField(label=gettext_lazy("Identity number"), max_length=40, required=False)
    phone = forms.CharField(label=gettext_lazy("Phone"), max_length=30, required=False)


@access.requires(*sorted(READERS))
@require_http_methods(["GET", "POST"])
def show(request: HttpRequest) -> HttpResponseBase:
    """Show the form and one page of what it finds; each resident on it gets an audit row."""
    if request.method == "POST":
        form = SearchForm(request.POST)
        if form.is_valid():
            asked = {
                name: value.isoformat() if isinstance(value, date) else value
                for name, value in form.cleaned_data.items()
            }
            request.session[SESSION] = {name: value for name, value in asked.items() if value}
            return HttpResponseRedirect(reverse("record:residents"))
        return render(request, "record/residents.html", {"form": form})
    known: dict[str, Any] = request.session.get(SESSION, {})
    principal = asker(request)
    page = queries.search(
        principal,
        str(known.get("text", "")),
        birth_date=date.fromisoformat(known["birth_date"]) if known.get("birth_date") else None,
        identifier=str(known.get("identifier", "")),
        phone=str(known.get("phone", "")),
        after=_mark(request.GET.get("after", "")),
        limit=PAGE,
    )
    detail = {"parameters": sorted(known), "count": len(page.persons)}
    audit.record(
        [
            audit.entry(
                principal,
                "search",
                person_id=one.person_id,
                resource_type="Person",
                detail=detail,
                break_glass=one.person_id in principal.break_glass,
            )
            for one in page.persons
        ]
        or [audit.entry(principal, "search", resource_type="Person", detail=detail)]
    )
    context = {
        "title": _("Residents"),
        "form": SearchForm(initial=known),
        "found": page.persons,
        "districts": names.districts({one.district_code for one in page.persons}),
        "after": page.after,
        "searched": bool(known),
        "emergency": bool(EMERGENCY & principal.roles),
    }
    return render(request, "record/residents.html", context)


def _mark(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
