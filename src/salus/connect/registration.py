"""What the connect room registers with the ground when Django starts."""

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from salus.web import home, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

_INTEGRATOR = frozenset({"integrator"})
_REGISTER = frozenset({"integrator", "administrator"})


def register() -> None:
    """Register the REST journal, the periodic jobs, the pages and the card of the home page."""
    from salus.connect import jobs as jobs  # importing declares the periodic jobs
    from salus.connect import journal
    from salus.record.fhir import journal as rest

    rest.register(journal.ConnectJournal())
    for page in (
        Page(
            "sources",
            gettext_lazy("Sources and message flow"),
            "connect:sources",
            _REGISTER,
            "messages",
            "flow",
            10,
        ),
        Page("messages", gettext_lazy("Messages"), "connect:messages", _INTEGRATOR, "messages", "page", 20),
        Page(
            "dead-letters",
            gettext_lazy("Dead letters"),
            "connect:dead-letters",
            _INTEGRATOR,
            "messages",
            "inbox",
            30,
        ),
        Page("loads", gettext_lazy("Loads"), "connect:loads", _INTEGRATOR, "messages", "upload", 40),
    ):
        navigation.register(page)
    home.register(
        Card(
            "dead-letters",
            gettext_lazy("Messages"),
            _INTEGRATOR,
            "connect:dead-letters",
            _figures,
            icon="flow",
            order=10,
        )
    )


def _figures(request: HttpRequest) -> list[Figure]:
    from salus.connect import dead_letters, queries

    waiting = dead_letters.open_letters().count()
    came = queries.flow()
    return [
        Figure(f"{came.received:,}", _("messages received")),
        Figure(
            f"{waiting:,}",
            ngettext("dead letter waits", "dead letters wait", waiting),
            "warn" if waiting else "ok",
        ),
    ]
