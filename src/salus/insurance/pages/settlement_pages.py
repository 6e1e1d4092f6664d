"""Where the pages of settlement by group stand in the navigation."""

from django.utils.translation import gettext_lazy as _

from salus.insurance.pages import readers
from salus.web import navigation
from salus.web.navigation import Page


def register() -> None:
    """Offer the pages."""
    navigation.register(
        Page(
            "settlements",
            _("Settlement by group"),
            "insurance:settlements",
            frozenset(readers.SETTLEMENT),
            "insurance",
            "chart",
            40,
        )
    )
    navigation.register(
        Page(
            "payment-comparisons",
            _("Payment methods compared"),
            "insurance:comparisons",
            frozenset(readers.COMPARISON),
            "insurance",
            "sort",
            45,
        )
    )
