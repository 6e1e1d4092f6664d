"""The epidemic curve explorer: a disease by place, age and time, with nowcast, R, forecast and export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import audit, names, policy
from salus.kernel.errors import SalusError
from salus.kernel.policy import Target
from salus.prevention.models import Case
from salus.prevention.pages.signals import drawing, words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.signals import curve as reading
from salus.prevention.queries.signals.curve import Asked, Curve
from salus.prevention.queries.signals.story import AGES
from salus.web import access, streaming

WHY = {
    "report": gettext_lazy("Only by onset: choose it above."),
    "hidden": gettext_lazy("Not shown where counts are hidden."),
    "interval": gettext_lazy("No serial interval of this disease is known to the platform."),
    "few": gettext_lazy("Too few cases to tell."),
    "past": gettext_lazy("Only where the period reaches to the present."),
}


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}), required=False
    )


class CurveForm(forms.Form):
    """What the curve counts."""

    disease = forms.ChoiceField(label=gettext_lazy("Disease"), choices=known.choices)
    district = forms.ChoiceField(label=gettext_lazy("District"), required=False, choices=())
    age = forms.ChoiceField(label=gettext_lazy("Age"), required=False, choices=())
    first = _day(gettext_lazy("From"))
    last = _day(gettext_lazy("To"))
    by = forms.ChoiceField(
        label=gettext_lazy("Counted by"),
        required=False,
        choices=(("onset", gettext_lazy("Onset or diagnosis")), ("report", gettext_lazy("Report"))),
    )
    step = forms.ChoiceField(
        label=gettext_lazy("A bar is"),
        required=False,
        choices=(
            ("week", gettext_lazy("a week")),
            ("day", gettext_lazy("a day")),
            ("month", gettext_lazy("a month")),
        ),
    )

    def __init__(self, *args: Any, hide: bool, **kwargs: Any) -> None:
        """Offer districts and age groups; who sees hidden counts chooses among weeks by onset only."""
        super().__init__(*args, **kwargs)
        district: Any = self.fields["district"]
        age: Any = self.fields["age"]
        places = sorted((code, name) for code, name in names.districts().items() if len(code) == 6)
        district.choices = [("", _("All districts")), *places]
        age.choices = [("", _("All ages")), *((str(n), words.age_title(n)) for n in range(len(AGES)))]
        if hide:
            del self.fields["by"], self.fields["step"]


@access.may("read", "case_counts")
def curve(request: HttpRequest) -> HttpResponseBase:
    """Show the curve that is asked for, or export it."""
    asker, today = access.principal(request), timezone.localdate()
    hide = "suppress" in policy.require(asker, "read", Target("case_counts")).flags
    initial = {
        "first": (today - timedelta(weeks=52)).isoformat(),
        "last": today.isoformat(),
        "by": "onset",
        "step": "week",
        "disease": _commonest(today),
        "district": "",
        "age": "",
    }
    form = CurveForm({**initial, **{k: v for k, v in request.GET.items() if v}}, hide=hide)
    found: Curve | None = None
    fault = ""
    step = "week"
    if form.is_valid():
        given = form.cleaned_data
        step = "week" if hide else given.get("step") or "week"
        asked = Asked(
            given["disease"],
            given["first"] or today - timedelta(weeks=52),
            given["last"] or today,
            given["district"],
            int(given["age"]) if given["age"] else None,
            given.get("by") or "onset",
            step,
            hide,
        )
        try:
            found = reading.curve(asked, today)
        except SalusError as error:
            fault = _(error.message)
        if found is not None and request.GET.get("export") == "csv":
            return _exported(request, found, asked)
    interval = found.interval if found else None
    query = request.GET.copy()
    query["export"] = "csv"
    context = {
        "title": _("Epidemic curve"),
        "form": form,
        "found": found,
        "fault": fault,
        "hide": hide,
        "export": query.urlencode(),
        "disease": known.disease_name(form.cleaned_data["disease"]) if form.is_valid() else "",
        "curve": drawing.epidemic(found.bins, step) if found else None,
        "reproduction": drawing.reproduction(found) if found else None,
        "latest": found.reproduction[-1] if found and found.reproduction else None,
        "ahead": drawing.ahead(found) if found else None,
        "why_reproduction": WHY.get(found.why.get("reproduction", "")) if found else "",
        "why_ahead": WHY.get(found.why.get("ahead", "")) if found else "",
        "interval": interval,
        "mean": f"{interval[0]:g}" if interval else "",
        "sd": f"{interval[1]:g}" if interval else "",
    }
    return render(request, "prevention/signals/curve.html", context)


def _commonest(today: Any) -> str:
    """Return the disease with the most cases of the last weeks, to begin with."""
    from django.db.models import Count

    span = (today - timedelta(weeks=12), today)
    row = (
        Case.objects.filter(first_day__range=span, duplicate_of=None)
        .values("disease")
        .annotate(n=Count("id"))
        .order_by("-n")
        .first()
    )
    return row["disease"] if row else next(iter(sorted(known.catalogue())), "")


def _exported(request: HttpRequest, found: Curve, asked: Asked) -> HttpResponseBase:
    asker = access.principal(request)
    policy.require(asker, "export", Target("case_counts"))
    audit.record(
        [audit.entry(asker, "export", resource_type="CaseCounts", detail={"disease": asked.disease})]
    )
    answer = streaming.respond(request, _lines(found, asked), "text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="curve-{asked.disease}.csv"'
    return answer


def _lines(found: Curve, asked: Asked) -> Iterator[bytes]:
    yield "\ufeff".encode()
    header = ["disease", "district", "by", "step", "from", "cases", "nowcast", "nowcast_low", "nowcast_high"]
    rows: list[list[Any]] = [header]
    for one in found.bins:
        figures = [None if v is None else round(v, 2) for v in (one.mean, one.low, one.high)]
        cases = "hidden" if one.cases is None else one.cases
        rows.append([asked.disease, asked.district, asked.by, asked.step, one.start, cases, *figures])
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    yield out.getvalue().encode()
