"""The pages of detection in the navigation, their card and the live state of a run."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from salus.web import access, home, live, navigation
from salus.web.home import Card, Figure
from salus.web.live import Region
from salus.web.navigation import Page

SIGNALS = frozenset({"epidemiologist", "auditor"})
CURVE = frozenset({"epidemiologist", "planner"})


def _signals(request: HttpRequest) -> list[Figure]:
    from salus.prevention.queries.signals import seeing

    rows = seeing.signals(access.principal(request))
    new, watched = rows.filter(verdict="").count(), rows.filter(verdict="watch").count()
    return [
        Figure(str(new), _("to judge"), "warn" if new else "ok"),
        Figure(str(watched), _("under watch"), "info" if watched else "ok"),
    ]


def run_context(request: HttpRequest) -> dict[str, Any]:
    """Return how the latest run of detection stands."""
    from salus.prevention.models import DetectionRun, RunState

    last = DetectionRun.objects.first()
    return {"run": last, "running": last is not None and last.state == RunState.RUNNING}


def register() -> None:
    """Offer the pages to the roles that they are for."""
    live.register(Region("detection-run", "prevention/signals/_run.html", run_context, SIGNALS, every=3.0))
    for page in (
        Page("signals", _("Signals"), "prevention:signals", SIGNALS, "prevention", "warning", 6),
        Page("curve", _("Epidemic curve"), "prevention:curve", CURVE, "prevention", "chart", 8),
        Page("detectors", _("How well detectors do"), "prevention:detectors", SIGNALS, "prevention", "search",
             20),
    ):  # fmt: skip
        navigation.register(page)
    home.register(
        Card(
            "signals", _("Signals"), frozenset({"epidemiologist"}), "prevention:signals", _signals,
            _("Counts that are higher than past years lead to expect."), "warning", 12,
        )
    )  # fmt: skip
