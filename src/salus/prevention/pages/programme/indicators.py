"""The programme's indicators: registered, managed, controlled and on time, by district or institution."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel import names, suppression
from salus.kernel.models import District
from salus.prevention.pages.programme import words
from salus.prevention.queries.programme import indicators as reading
from salus.prevention.queries.programme.indicators import Indicator
from salus.web import access, charts

CITY = frozenset({"planner", "epidemiologist"})


@access.requires("planner", "epidemiologist", "manager", "village_doctor")
def indicators(request: HttpRequest) -> HttpResponseBase:
    """Show the indicators of what the reader answers for; small counts are hidden from planners."""
    asker, today = access.principal(request), timezone.localdate()
    roles = access.roles(request)
    wide = bool(roles & CITY)
    by = request.GET.get("by", "district") if wide else "institution"
    by = by if by in ("district", "institution") else "district"
    districts = asker.district_codes if wide and asker.bounded_by_district() else None
    institutions = None if wide else asker.institution_ids
    found = reading.indicators(today, by=by, institutions=institutions, districts=districts)
    hidden = suppression.hidden_cells([one.registered for one in found]).tolist() if wide and found else []
    called = (
        dict(District.objects.values_list("code", "name"))
        if by == "district"
        else names.institutions([int(one.place) for one in found if one.place])
    )
    tables: dict[str, list[Any]] = {}
    for place, one in enumerate(found):
        key: Any = one.place if by == "district" else int(one.place) if one.place else 0
        tables.setdefault(one.programme, []).append(
            (called.get(key, one.place or "–"), None if hidden and hidden[place] else _shown(one))
        )
    context = {
        "title": _("Indicators of the programme"),
        "wide": wide,
        "by": by,
        "tables": [(words.programme(code, today), rows) for code, rows in tables.items()],
        "charts": [drawn for code in ("hypertension", "diabetes") if (drawn := _trend(code, institutions))],
        "today": today,
    }
    return render(request, "prevention/programme/indicators.html", context)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _shown(one: Indicator) -> dict[str, Any]:
    return {
        "registered": one.registered, "expected": one.expected, "managed": _percent(one.managed_share),
        "standard": _percent(one.standard_share), "control": _percent(one.control_rate),
        "judged": one.judged, "on_time": _percent(one.on_time_share), "overdue": one.overdue,
    }  # fmt: skip


def _trend(code: str, institutions: frozenset[int] | None) -> Any:
    today = timezone.localdate()
    rows = [
        {"month": month, "share": round(100 * share, 1)}
        for month, share in reading.trend(today, code, institutions)
    ]
    if len(rows) < 2:
        return None
    title = _("%(programme)s: judged visits with good control") % {"programme": words.programme(code, today)}
    return charts.line(
        rows,
        charts.Field("month", _("Month"), "temporal"),
        charts.Field("share", _("Share (%)")),
        title=title,
    )
