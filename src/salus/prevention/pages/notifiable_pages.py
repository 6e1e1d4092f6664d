"""The pages of notifiable disease in the navigation, their cards, imports and forms without a connection."""

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.prevention.pages.notifiable import exchange
from salus.web import access, home, imports, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

CASES = frozenset({"epidemiologist", "clinician", "village_doctor"})
OUTBREAKS = frozenset({"epidemiologist"})
REPORTING = frozenset({"epidemiologist", "clinician", "manager", "planner"})


def _cases(request: HttpRequest) -> list[Figure]:
    from salus.prevention.queries.notifiable import investigation

    found = investigation.home_counts(access.principal(request))
    return [
        Figure(str(found["owed"]), _("to report"), "info" if found["owed"] else "ok"),
        Figure(str(found["overdue"]), _("overdue"), "bad" if found["overdue"] else "ok"),
    ]


def _contacts(request: HttpRequest) -> list[Figure]:
    from salus.prevention.queries.notifiable import investigation, seeing

    rows = seeing.unaudited_contacts(access.principal(request))
    found = investigation.followed_counts(rows, timezone.localdate())
    return [
        Figure(str(found["due"]), _("due today"), "info" if found["due"] else "ok"),
        Figure(str(found["alert"]), _("with an alert"), "bad" if found["alert"] else "ok"),
    ]


def register() -> None:
    """Offer the pages to the roles that they are for, the import of line lists and the visit form."""
    from salus.prevention.pages.notifiable import visiting

    imports.register(exchange.importer())
    visiting.register()
    for page in (
        Page("cases", _("Notifiable cases"), "prevention:cases", CASES, "prevention", "people", 10),
        Page("contacts", _("Contacts under follow-up"), "prevention:contacts", CASES, "prevention", "link",
             12),
        Page("outbreaks", _("Outbreaks"), "prevention:outbreaks", OUTBREAKS, "prevention", "flow", 14),
        Page("reporting", _("Reporting by institution"), "prevention:reporting", REPORTING, "prevention",
             "clock", 16),
        Page("diseases", _("Notifiable diseases"), "prevention:diseases", CASES | {"planner"}, "prevention",
             "page", 18),
    ):  # fmt: skip
        navigation.register(page)
    home.register(
        Card(
            "cases", _("Notifiable cases"), frozenset({"epidemiologist", "clinician"}), "prevention:cases",
            _cases, _("Reports that are owed, and those whose deadline has passed."), "people", 20,
        )
    )  # fmt: skip
    home.register(
        Card(
            "contacts", _("Contacts under follow-up"), CASES, "prevention:contacts", _contacts,
            _("Who was exposed and is seen every day."), "link", 22,
        )
    )  # fmt: skip
