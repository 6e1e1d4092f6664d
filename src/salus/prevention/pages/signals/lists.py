"""The list and map of signals, with the run of detection beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import names, policy
from salus.kernel.errors import SalusError
from salus.kernel.jobs import run_periodic
from salus.prevention.models import DetectionRun, RunState, SignalLevel, Verdict
from salus.prevention.pages.signals import drawing, words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.signals import seeing, story
from salus.prevention.queries.signals.settings import in_use
from salus.prevention.services.signals import running
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, DateFilter, Table
from salus.web.tables.rows import Asked, QuerySetRows

OPEN = ("", Verdict.WATCH.value)
"""Verdicts of signals that somebody still has to look at."""


def _districts() -> list[tuple[str, str]]:
    return sorted((code, name) for code, name in names.districts().items() if len(code) == 6)


def _state(queryset: Any, value: str) -> Any:
    match value:
        case "open":
            return queryset.filter(verdict__in=OPEN)
        case "new":
            return queryset.filter(verdict="")
        case _:
            return queryset.filter(verdict=value)


def _in_district(queryset: Any, value: str) -> Any:
    # A cluster's districts are a JSON list of codes of fixed length, so that a text search is exact.
    return queryset.filter(districts__icontains=f'"{value}"')


class SignalRows(QuerySetRows):
    """Signals with the names of their places and their rank on the page."""

    def page(self, asked: Asked, offset: int, size: int) -> Sequence[Any]:
        """Return a page with names."""
        rows = self._named(super().page(asked, offset, size))
        for n, row in enumerate(rows, offset + 1):
            row.rank = n
        return rows

    def every(self, asked: Asked) -> Iterator[Any]:
        """Return all matching rows with names and ranks."""
        for n, row in enumerate(self._named(super().every(asked)), 1):
            row.rank = n
            yield row

    def _named(self, rows: Iterable[Any]) -> list[Any]:
        held = list(rows)
        districts = names.districts({code for row in held for code in row.districts})
        places = words.institutions({row.institution_code for row in held} - {""})
        for row in held:
            row.place = words.place_of(row, districts, places)
        return held


class Signals(Table):
    """Signals, the surest and largest first."""

    name = "signals"
    caption = gettext_lazy("Signals")
    page_size = 10
    search = ("disease", "institution_code")
    search_label = gettext_lazy("Disease or place")
    default_sort = "-priority"
    empty_title = gettext_lazy("There is no signal")
    empty_text = gettext_lazy("Detection found no count that is too high, or has not run yet.")
    columns: ClassVar = (
        Column("rank", gettext_lazy("Rank"), kind="number"),
        Column("disease", gettext_lazy("Disease"), sort="disease", wide=True,
               value=lambda row: known.disease_name(row.disease),
               link=lambda row: reverse("prevention:signal", args=[row.pk])),
        Column("place", gettext_lazy("Place"), sort="district_code", wide=True),
        Column("observed", gettext_lazy("Cases"), kind="number", sort="observed",
               value=lambda row: round(row.observed, 1)),
        Column("expected", gettext_lazy("Expected cases"), kind="number", sort="expected",
               value=lambda row: round(row.expected, 1)),
        Column("bound", gettext_lazy("Bound"), kind="number", sort="bound", optional=True,
               value=lambda row: None if row.bound is None else round(row.bound, 1)),
        Column("pvalue", gettext_lazy("p-value"), sort="pvalue", value=lambda row: words.chance(row.pvalue)),
        Column("last_week", gettext_lazy("Week from"), kind="day", sort="last_week"),
        Column("weeks", gettext_lazy("Weeks"), kind="number", sort="weeks", optional=True),
        Column("verdict", gettext_lazy("Verdict"), sort="verdict",
               value=lambda row: row.get_verdict_display() or _("To judge"),
               tone=lambda row: words.TONES.get(row.verdict, "info")),
        Column("priority", gettext_lazy("Priority"), kind="number", sort="priority", optional=True,
               value=lambda row: round(row.priority, 1)),
        Column("level", gettext_lazy("Level"), sort="level", optional=True,
               value=lambda row: row.get_level_display()),
        Column("method", gettext_lazy("Method"), sort="method", optional=True),
        Column("as_of", gettext_lazy("Data as of"), kind="moment", sort="as_of", optional=True),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter(
            "state", gettext_lazy("Verdict"),
            (("open", gettext_lazy("To judge or under watch")), ("new", gettext_lazy("To judge")),
             *Verdict.choices),
            narrow=_state,
        ),
        ChoiceFilter("disease", gettext_lazy("Disease"), known.choices),
        ChoiceFilter("district", gettext_lazy("District"), _districts, narrow=_in_district),
        ChoiceFilter("level", gettext_lazy("Level"), tuple(SignalLevel.choices)),
        DateFilter("week", gettext_lazy("Week"), field="last_week", unit="day"),
    )  # fmt: skip

    def searched(self, queryset: Any, search: str) -> Any:
        """Find signals by the names of diseases, districts and institutions."""
        from django.db.models import Q

        from salus.kernel.models import District, Institution

        low = search.lower()
        codes = [
            code for code, one in known.catalogue().items()
            if low in one.name.lower() or low in one.name_zh or low in code
        ]  # fmt: skip
        places = Institution.objects.filter(
            Q(name__icontains=search) | Q(name_en__icontains=search) | Q(code=search)
        )
        found = Q(disease__in=codes) | Q(
            institution_code__in=list(places.values_list("code", flat=True)[:200])
        )
        districts = District.objects.filter(Q(name__icontains=search) | Q(name_en__icontains=search))
        for code in districts.values_list("code", flat=True)[:30]:
            found |= Q(districts__icontains=f'"{code}"')
        return queryset.filter(found)

    def __init__(self, request: HttpRequest, rows: Any, **context: Any) -> None:
        """Bind the list to a request and the signals that its reader may see."""
        super().__init__(request, rows, **context)
        self.rows = SignalRows(rows, searched=self.searched, apply=self._filtered)


@access.may("search", "signal")
def signals(request: HttpRequest) -> HttpResponseBase:
    """List the signals of the reader's area, beside the map of those still open, which come first."""
    if not request.GET:
        return HttpResponseRedirect(f"{reverse('prevention:signals')}?state=open")
    asker = access.principal(request)
    rows = seeing.signals(asker, "export" if request.GET.get("export") else "search")
    alive = rows.filter(verdict__in=OPEN)
    told, fault = None, ""
    try:
        told = in_use()
    except SalusError as error:
        fault = f"{error.message} {error.where}"
    figures = story.by_district(alive.only("districts"))
    context = {
        "title": _("Signals"),
        "runs": policy.decide(asker, "create", running.target()).allowed,
        "map": drawing.city_map(figures, _("Open signals by district")),
        "open": alive.count(),
        "new": rows.filter(verdict="").count(),
        "city": alive.filter(level=SignalLevel.DISEASE).count(),
        "rate": f"{100 * float(told.selection['false_discovery']):g}" if told else "",
        "fault": fault,
    }
    return Signals(request, rows).respond("prevention/signals/signals.html", context)


@access.may("create", "signal")
@require_POST
def run_now(request: HttpRequest) -> HttpResponseBase:
    """Put a run of detection on the queue."""
    try:
        policy.require(access.principal(request), "create", running.target())
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        alive = DetectionRun.objects.filter(state=RunState.RUNNING)
        if alive.filter(started_at__gt=timezone.now() - running.LOST_AFTER).exists():
            messages.warning(request, _("Detection is running already."))
        else:
            run_periodic.enqueue("prevention.signals")
            messages.success(request, _("Detection was started. The list changes when it ends."))
    return HttpResponseRedirect(reverse("prevention:signals"))
