"""How well each detector does, shown or silent, and which are in use."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from salus.kernel.errors import SalusError
from salus.prevention.pages.signals import words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.signals import performance as reading
from salus.prevention.queries.signals import settings
from salus.prevention.queries.signals.performance import Performance, Share
from salus.web import access

SPANS = (("26", 26), ("52", 52), ("156", 156))


def share_shown(share: Share) -> tuple[str, str]:
    """Return a share and its interval in words; of too few, the numbers alone."""
    if not share.whole:
        return "–", ""
    if share.few:
        return _("%(part)d of %(whole)d") % {"part": share.part, "whole": share.whole}, _("too few to tell")
    low, high = share.interval or (0.0, 1.0)
    text = _("%(value)s %% (%(part)d of %(whole)d)") % {
        "value": f"{100 * (share.value or 0):.0f}", "part": share.part, "whole": share.whole,
    }  # fmt: skip
    return text, _("95 %%: %(low)s to %(high)s %%") % {"low": f"{100 * low:.0f}", "high": f"{100 * high:.0f}"}


def _row(one: Performance) -> dict[str, Any]:
    if one.name == reading.LIST:
        name: Any = _("The list shown")
        role = _("shown")
    else:
        name, role = one.name, _("silent") if one.shadow else _("shown")
    few = len(one.delays) < reading.FEW
    return {
        "name": name,
        "method": words.method_name(one.method) if one.method else "",
        "role": role,
        "list": one.name == reading.LIST,
        "shadow": one.shadow,
        "sensitivity": share_shown(one.found),
        "predictive": share_shown(one.predictive),
        "false": one.false,
        "alarms": one.alarms,
        "rate": "–" if one.alarms_a_week is None else f"{one.alarms_a_week:.1f}",
        "delay": "–" if one.delay is None else f"{one.delay:g}",
        "few": few and one.delay is not None,
    }


@access.requires("epidemiologist", "auditor")
def detectors(request: HttpRequest) -> HttpResponseBase:
    """Show sensitivity, predictive value, false alarms and delay of each method, from the verdicts."""
    today = timezone.localdate()
    asked = request.GET.get("weeks", "52")
    weeks = dict(SPANS).get(asked, 52)
    first, last = today - timedelta(weeks=weeks), today
    fault, rows, in_use = "", [], []
    try:
        rows = [_row(one) for one in reading.performance(first, last)]
        in_use = [_use(one) for one in settings.in_use().rows if one.last is None or one.last >= today]
    except SalusError as error:
        fault = f"{error.message} {error.where}"
    true, untrue = reading.episodes(first, last)
    context = {
        "title": _("How well detectors do"),
        "spans": [
            ("26", _("Half a year"), weeks == 26), ("52", _("A year"), weeks == 52),
            ("156", _("Three years"), weeks == 156),
        ],
        "rows": rows, "in_use": in_use, "fault": fault, "few": reading.FEW,
        "true": len(true), "untrue": len(untrue), "unlisted": sum(not one.listed for one in true),
        "file": settings.own_file(),
    }  # fmt: skip
    return render(request, "prevention/signals/detectors.html", context)


def _use(one: Any) -> dict[str, Any]:
    last: date | None = one.last
    return {
        "name": one.name,
        "disease": _("all") if one.disease == "*" else known.disease_name(one.disease),
        "role": _("silent") if one.shadow else _("shown"),
        "method": words.method_name(one.method),
        "settings": words.settings_of(one.settings),
        "least": one.least_weeks,
        "first": one.first, "last": last, "source": one.source,
        "checked": _("read") if one.checked == "read" else _("from memory"),
    }  # fmt: skip
