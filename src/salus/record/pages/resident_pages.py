"""The residents' pages in the navigation."""

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from salus.web import home, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

READERS = frozenset({"village_doctor", "clinician", "epidemiologist"})
RESIDENT = frozenset({"resident"})
COUNTERS = frozenset({"planner", "epidemiologist", "fund_officer", "dispatcher", "inspector"})
REVIEWERS = frozenset({"integrator"})


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
        Page("population", _("Population"), "record:population", COUNTERS, "plan", "map", 10),
        Page("my-record", _("My record"), "record:my-record", RESIDENT, "residents", "heart", 10),
        Page("my-readers", _("Who read my record"), "record:my-readers", RESIDENT, "residents", "shield", 20),
        Page("my-consents", _("Who may use my data"), "record:my-consents", RESIDENT, "residents", "key", 30),
    ):
        navigation.register(page)
    for card in (
        Card(
            "residents",
            _("Residents"),
            READERS,
            "record:residents",
            _nothing,
            _("Find a resident whom your role lets you see, and open the whole record."),
            "people",
            10,
        ),
        Card(
            "my-record",
            _("My record"),
            RESIDENT,
            "record:my-record",
            _nothing,
            _("Visits, results, medicines and vaccinations from every institution that treated you."),
            "heart",
            10,
        ),
        Card(
            "my-readers",
            _("Who read my record"),
            RESIDENT,
            "record:my-readers",
            _nothing,
            _("Everybody who opened your record, when and why."),
            "shield",
            20,
        ),
        Card(
            "my-consents",
            _("Who may use my data"),
            RESIDENT,
            "record:my-consents",
            _nothing,
            _("Allow and refuse uses of your record, and take either back at any time."),
            "key",
            30,
        ),
        Card(
            "population",
            _("Population"),
            COUNTERS,
            "record:population",
            _nothing,
            _("How many residents live where, by age and sex."),
            "map",
            20,
        ),
        Card(
            "identity-review",
            _("Identity review"),
            REVIEWERS,
            "record:identity-reviews",
            _reviews,
            icon="link",
            order=20,
        ),
    ):
        home.register(card)


def _nothing(request: HttpRequest) -> list[Figure]:
    return []


def _reviews(request: HttpRequest) -> list[Figure]:
    from salus.record.models import ReviewPair, ReviewStatus

    waiting = ReviewPair.objects.filter(status=ReviewStatus.OPEN).count()
    label = ngettext("pair waits for review", "pairs wait for review", waiting)
    return [Figure(number_format(waiting, force_grouping=True), label, "warn" if waiting else "ok")]
