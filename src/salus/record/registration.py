"""What the record room registers with the ground when Django starts."""

from django.utils.translation import gettext_lazy as _


def register() -> None:
    """Register pages and providers."""
    from salus.record import consent, upgrade_job  # noqa: F401 - the latter declares its periodic job
    from salus.record.fhir.bulk import running  # noqa: F401 - declares its periodic jobs
    from salus.record.identity import jobs, relations  # noqa: F401 - declares its periodic jobs
    from salus.record.lake import jobs as lake_jobs  # noqa: F401 - declares its periodic jobs
    from salus.record.pages import resident_pages
    from salus.record.registers import projecting  # noqa: F401 - declares its periodic job
    from salus.web import navigation
    from salus.web.navigation import Page

    consent.register()
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
    navigation.register(
        Page(
            "lake-tables",
            _("Tables"),
            "record:lake-tables",
            frozenset({"planner", "epidemiologist", "integrator", "auditor"}),
            "plan",
            "columns",
            60,
        )
    )
    resident_pages.register()
