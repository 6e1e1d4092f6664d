"""The residents' pages in the navigation."""

from django.utils.translation import gettext_lazy as _

from salus.web import navigation
from salus.web.navigation import Page

READERS = frozenset({"village_doctor", "clinician", "epidemiologist"})
RESIDENT = frozenset({"resident"})


def register() -> None:
    """Offer the pages to the roles that they are for."""
    for page in (
        Page("residents", _("Residents"), "record:residents", READERS, "residents", "people", 10),
        Page(
            "emergency-access",
            _("Emergency access"),
            "record:emergency-access",
            frozenset({"village_doctor", "clinician"}),
            "residents",
            "warning",
            20,
        ),
        Page("my-record", _("My record"), "record:my-record", RESIDENT, "residents", "heart", 10),
        Page("my-readers", _("Who read my record"), "record:my-readers", RESIDENT, "residents", "shield", 20),
    ):
        navigation.register(page)
