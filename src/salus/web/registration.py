"""What the web room registers with the ground when Django starts."""

from django.utils.translation import gettext_lazy as _

from salus.web import navigation
from salus.web.navigation import Page


def register() -> None:
    """Register the kit's own pages."""
    for page in (
        Page("home", _("Home"), "web:home", group="home", icon="home", order=1),
        Page("notifications", _("Notifications"), "web:notifications", group="home", icon="bell", order=90),
    ):
        navigation.register(page)
