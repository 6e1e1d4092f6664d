"""How institutions report: in time, late, missed, by institution; and what each still owes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms as django_forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel.errors import NotAllowed
from salus.kernel.names import chosen
from salus.prevention.pages.notifiable import forms
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import quality
from salus.web import access
from salus.web.tables import Column, Table
from salus.web.tables.rows import ListRows

READERS = ("epidemiologist", "clinician", "manager", "planner", "village_doctor")


class SpanForm(django_forms.Form):
    """Of which cases: diagnosed from a day to a day, of one disease or all."""

    first = forms.day(gettext_lazy("Diagnosed from"))
    last = forms.day(gettext_lazy("to"))
    disease = django_forms.ChoiceField(label=gettext_lazy("Disease"), required=False, choices=())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the diseases."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["disease"]
        field.choices = [("", _("All diseases")), *known.choices()]


class Timeliness(Table):
    """Institutions, those with the most late and missed reports first."""

    name = "timeliness"
    caption = gettext_lazy("Reports by institution")
    empty_title = gettext_lazy("No case was to be reported in this time")
    columns: ClassVar = (
        Column("name", gettext_lazy("Institution"), sort="name", wide=True),
        Column("owed", gettext_lazy("To report"), kind="number", sort="owed"),
        Column("timely", gettext_lazy("In time"), kind="number", sort="timely"),
        Column("late", gettext_lazy("Late"), kind="number", sort="late"),
        Column("missed", gettext_lazy("Missed"), kind="number", sort="missed"),
        Column("open", gettext_lazy("Not yet due"), kind="number", sort="open"),
        Column("share", gettext_lazy("In time (%)"), kind="number", sort="share"),
    )


@access.requires(*READERS)
def reporting(request: HttpRequest) -> HttpResponseBase:
    """Show how institutions reported."""
    today = timezone.localdate()
    first, last, disease = today - timedelta(days=89), today, ""
    form = SpanForm(request.GET if "first" in request.GET else None,
                    initial={"first": first, "last": last})  # fmt: skip
    if form.is_bound and form.is_valid():
        first, last = sorted((form.cleaned_data["first"], form.cleaned_data["last"]))
        disease = form.cleaned_data["disease"]
    try:
        found = quality.timeliness_for(
            access.principal(request), first, last, now=timezone.now(), diseases=[disease] if disease else ()
        )
    except NotAllowed:
        raise PermissionDenied from None
    rows: list[dict[str, Any]] = [
        {
            "id": one.institution or "-",
            "name": chosen(one.name, one.name_en) if one.institution else _("Institution not known"),
            "owed": one.owed, "timely": one.timely, "late": one.late, "missed": one.missed, "open": one.open,
            "share": None if one.share_timely is None else round(100 * one.share_timely, 1),
        }
        for one in found
    ]  # fmt: skip
    sums = {name: sum(row[name] for row in rows) for name in ("owed", "timely", "late", "missed", "open")}
    closed = sums["timely"] + sums["late"] + sums["missed"]
    context = {
        "title": _("Reporting by institution"),
        "form": form,
        "sums": sums,
        "share": f"{100 * sums['timely'] / closed:.1f}" if closed else "",
        "span": (_day(first), _day(last)),
    }
    return Timeliness(request, ListRows(rows)).respond("prevention/notifiable/reporting.html", context)


def _day(day: date) -> str:
    return day.isoformat()
