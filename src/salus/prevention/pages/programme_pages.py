"""The pages of the health programme in the navigation, the doctor's card, the form without a connection."""

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.web import access, home, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

DOCTORS = frozenset({"village_doctor", "clinician"})
READERS = frozenset({"planner", "epidemiologist", "manager", "village_doctor"})
RESIDENT = frozenset({"resident"})


def _today(request: HttpRequest) -> list[Figure]:
    from salus.prevention.queries.programme import recall

    found = recall.home_counts(access.principal(request), timezone.localdate())
    return [
        Figure(str(found["due"]), _("to call or see"), "info" if found["due"] else "ok"),
        Figure(str(found["overdue"]), _("overdue"), "bad" if found["overdue"] else "ok"),
    ]


def _nothing(request: HttpRequest) -> list[Figure]:
    return []


def register() -> None:
    """Offer the pages to the roles that they are for, and the visit form."""
    from salus.prevention.pages.programme import offline

    offline.register()
    for page in (
        Page("programme-today", _("My residents today"), "prevention:programme-today", DOCTORS, "prevention",
             "people", 30),
        Page("programme-registers", _("Registers of the programme"), "prevention:programme-registers",
             DOCTORS, "prevention", "page", 34),
        Page("programme-indicators", _("Indicators of the programme"), "prevention:programme-indicators",
             READERS, "prevention", "chart", 36),
        Page("my-health-programme", _("My health programme"), "prevention:my-programme", RESIDENT,
             "residents", "heart", 45),
    ):  # fmt: skip
        navigation.register(page)
    home.register(
        Card(
            "programme-today", _("My residents today"), frozenset({"village_doctor"}),
            "prevention:programme-today", _today, _("Who is due for a visit, check or dose."), "people", 15,
        )
    )  # fmt: skip
    home.register(
        Card(
            "my-health-programme", _("My health programme"), RESIDENT, "prevention:my-programme", _nothing,
            _("Which visits, checks and vaccinations are due for you, and what you were given."), "heart", 45,
        )
    )  # fmt: skip
