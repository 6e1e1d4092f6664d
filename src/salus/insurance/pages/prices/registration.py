"""Where the pages of prices stand in the navigation."""

from django.utils.translation import gettext_lazy as _

from salus.insurance.pages.prices.words import READERS
from salus.web import navigation
from salus.web.navigation import Page


def register() -> None:
    """Offer the workbench."""
    roles = frozenset(READERS)
    navigation.register(Page("prices", _("Price reform"), "insurance:prices", roles, "insurance", "sort", 50))
