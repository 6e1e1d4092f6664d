"""What the connect room registers with the ground when Django starts."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from salus.web import home, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

if TYPE_CHECKING:
    from salus.connect.models import SourceCredential
    from salus.record.smart.tokens import SourceIdentity

_INTEGRATOR = frozenset({"integrator"})
_REGISTER = frozenset({"integrator", "administrator"})


def register() -> None:
    """Register the REST journal, the sources' credentials, the periodic jobs, the pages and the home card."""
    from salus.connect import bulk_import, journal
    from salus.connect import jobs as jobs  # importing declares the periodic jobs
    from salus.connect.trust import facts_of
    from salus.record.fhir import asker
    from salus.record.fhir import journal as rest
    from salus.record.identity import sources as trusted
    from salus.record.smart import tokens

    rest.register(journal.ConnectJournal())
    bulk_import.serve()
    asker.register_source_check(_in_service)
    trusted.register_lookup(facts_of)
    tokens.register_source_secrets(_by_token)
    tokens.register_source_clients(_by_client)
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
        Page(
            "bulk",
            gettext_lazy("Exports and imports"),
            "connect:exports",
            _INTEGRATOR,
            "messages",
            "download",
            50,
        ),
        Page(
            "subscriptions",
            gettext_lazy("Subscriptions"),
            "connect:subscriptions",
            _INTEGRATOR,
            "messages",
            "bell",
            60,
        ),
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


def _in_service(source_id: int) -> bool:
    from salus.connect.models import SourceSystem

    return SourceSystem.objects.filter(pk=source_id, active=True).exists()


def _identity(credential: "SourceCredential | None") -> "SourceIdentity | None":
    from salus.record.smart.tokens import SourceIdentity

    if credential is None:
        return None
    source = credential.source
    scopes = frozenset(credential.scopes.split()) or None
    return SourceIdentity(source.pk, source.code, source.institution_id, scopes)


def _by_token(token: str) -> "SourceIdentity | None":
    from salus.connect import sources

    return _identity(sources.by_token(token)) if token.startswith("slc_") else None


def _by_client(client_id: str) -> "SourceIdentity | None":
    from salus.connect import sources

    return _identity(sources.by_client(client_id))


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
