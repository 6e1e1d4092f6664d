"""The DRG case explorer's place in the navigation."""

from django.utils.translation import gettext_lazy as _

from salus.insurance.pages import readers
from salus.web import navigation
from salus.web.navigation import Page


def register() -> None:
    """Offer the page."""
    navigation.register(
        Page(
            "drg-explorer",
            _("DRG case explorer"),
            "insurance:drg-explorer",
            frozenset(readers.EXPLORER),
            "insurance",
            "search",
            50,
        )
    )
