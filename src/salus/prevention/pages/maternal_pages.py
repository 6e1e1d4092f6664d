"""The pages of mother and child and of vaccines in the navigation."""

from django.utils.translation import gettext_lazy as _

from salus.web import navigation
from salus.web.navigation import Page

CARE = frozenset({"village_doctor", "clinician"})


def register() -> None:
    """Offer the pages to the roles that they are for, and the periodic work."""
    from salus.prevention.services.maternal import deaths  # noqa: F401 - registers its periodic job
    from salus.prevention.services.vaccines import safety, stock  # noqa: F401 - as above

    for page in (
        Page("children", _("Children"), "prevention:children", CARE, "prevention", "person", 50),
        Page("pregnancies", _("Pregnancies"), "prevention:pregnancies", CARE, "prevention", "heart", 52),
        Page(
            "vaccines",
            _("Vaccine stock"),
            "prevention:vaccines",
            CARE | {"epidemiologist", "manager"},
            "prevention",
            "syringe",
            54,
        ),
        Page(
            "aefi",
            _("Adverse events"),
            "prevention:aefi",
            CARE | {"epidemiologist"},
            "prevention",
            "warning",
            56,
        ),
        Page(
            "recalls",
            _("Batch recalls"),
            "prevention:recalls",
            CARE | {"epidemiologist"},
            "prevention",
            "undo",
            58,
        ),
        Page("family", _("Family planning"), "prevention:family", CARE, "prevention", "people", 60),
        Page(
            "deaths",
            _("Deaths of mothers and children"),
            "prevention:deaths",
            CARE | {"epidemiologist"},
            "prevention",
            "page",
            62,
        ),
        Page(
            "committee",
            _("Review committee"),
            "prevention:committee",
            frozenset({"planner", "epidemiologist"}),
            "prevention",
            "check",
            64,
        ),
        Page(
            "my-children",
            _("My children"),
            "prevention:my-children",
            frozenset({"resident"}),
            "prevention",
            "person",
            66,
        ),
    ):
        navigation.register(page)
