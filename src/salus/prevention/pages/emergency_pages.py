"""Which pages of this part stand in the navigation, and what else it registers."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.web import access, home, live, navigation
from salus.web.home import Card, Figure
from salus.web.live import Region
from salus.web.navigation import Page

BOARD = frozenset({"epidemiologist", "planner", "dispatcher", "inspector", "auditor"})
TASKS = frozenset(
    {"epidemiologist", "planner", "dispatcher", "inspector", "clinician", "village_doctor", "auditor"}
)


def _board(request: HttpRequest) -> list[Figure]:
    from salus.prevention.models import EmergencyState, ProposalState
    from salus.prevention.queries.emergencies import seeing

    rows = seeing.emergencies(access.principal(request))
    waiting = rows.filter(proposals__state=ProposalState.WAITING).count()
    opened = rows.filter(state=EmergencyState.OPEN).count()
    return [
        Figure(str(opened), _("open"), "bad" if opened else "ok"),
        Figure(str(waiting), _("wait for a decision"), "warn" if waiting else "ok"),
    ]


def _tasks(request: HttpRequest) -> list[Figure] | None:
    from salus.prevention.models import EmergencyState, TaskState
    from salus.prevention.queries.emergencies import seeing

    rows = seeing.tasks(access.principal(request)).filter(
        state=TaskState.OPEN, emergency__state=EmergencyState.OPEN
    )
    count = rows.count()
    if not count:
        return None
    overdue = rows.filter(due_at__lt=timezone.now()).count()
    return [
        Figure(str(count), _("to do"), "info"),
        Figure(str(overdue), _("tasks overdue"), "bad" if overdue else "ok"),
    ]


def _live(request: HttpRequest) -> dict[str, Any]:
    from salus.prevention.pages.emergencies.board import board_context  # loads the charts

    return board_context(request)


def register() -> None:
    """Offer the board, its live region and the tasks to the roles that they are for."""
    live.register(Region("emergency-board", "prevention/emergencies/_board.html", _live, BOARD, every=5.0))
    for page in (
        Page("emergencies", _("Emergency board"), "prevention:emergencies", BOARD, "prevention", "warning",
             2),
        Page("emergency-tasks", _("Emergency tasks"), "prevention:emergency-tasks", TASKS, "prevention",
             "check", 4),
    ):  # fmt: skip
        navigation.register(page)
    home.register(
        Card(
            "emergencies", _("Emergency board"), BOARD, "prevention:emergencies", _board,
            _("Events that are or may be public health emergencies."), "warning", 10,
        )
    )  # fmt: skip
    home.register(
        Card(
            "emergency-tasks", _("Emergency tasks"), TASKS, "prevention:emergency-tasks", _tasks,
            _("What the response plans ask of you."), "check", 11,
        )
    )  # fmt: skip
