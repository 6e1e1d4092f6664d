"""What the record room registers with the ground when Django starts."""

from django.utils.translation import gettext_lazy as _


def register() -> None:
    """Register pages and providers."""
    from salus.record.identity import jobs, relations  # noqa: F401 - declares its periodic jobs
    from salus.record.pages import resident_pages
    from salus.record.registers import projecting  # noqa: F401 - declares its periodic job
    from salus.web import navigation
    from salus.web.navigation import Page

    relations.register()
    navigation.register(
        Page(
            "identity-review",
            _("Identity review"),
            "record:identity-reviews",
            frozenset({"integrator"}),
            "residents",
            "link",
            30,
        )
    )
    resident_pages.register()
