"""What the web room registers with the ground when Django starts."""

from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from salus.web import home, imports, live, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

_AUDITOR = frozenset({"auditor"})
_ADMINISTRATOR = frozenset({"administrator"})
_HEALTH = frozenset({"administrator", "integrator", "auditor"})


def register() -> None:
    """Register the kit's own pages, cards, live regions, checks and imports."""
    from salus.web.connections import close_after_each_request
    from salus.web.pages import account_import, audit, health

    close_after_each_request()
    for page in (
        Page("home", gettext_lazy("Home"), "web:home", group="home", icon="home", order=1),
        Page(
            "notifications",
            gettext_lazy("Notifications"),
            "web:notifications",
            group="home",
            icon="bell",
            order=90,
        ),
        Page(
            "accounts",
            gettext_lazy("Accounts and roles"),
            "web:accounts",
            _ADMINISTRATOR,
            "administration",
            "people",
            10,
        ),
        Page("audit", gettext_lazy("Audit"), "web:audit", _AUDITOR, "administration", "shield", 20),
        Page(
            "emergencies",
            gettext_lazy("Emergency access"),
            "web:emergencies",
            _AUDITOR,
            "administration",
            "warning",
            30,
        ),
        Page("health", gettext_lazy("System health"), "web:health", _HEALTH, "administration", "heart", 40),
    ):
        navigation.register(page)
    for card in (
        Card(
            "accounts",
            gettext_lazy("Accounts and roles"),
            _ADMINISTRATOR,
            "web:accounts",
            _accounts,
            icon="people",
            order=10,
        ),
        Card(
            "emergencies",
            gettext_lazy("Emergency access"),
            _AUDITOR,
            "web:emergencies",
            _emergencies,
            icon="warning",
            order=10,
        ),
        Card("audit", gettext_lazy("Audit"), _AUDITOR, "web:audit", _audit, icon="shield", order=20),
        Card("health", gettext_lazy("System health"), _HEALTH, "web:health", _health, icon="heart", order=90),
    ):
        home.register(card)
    health.register()
    live.register(live.Region("health", "web/health_live.html", health.state, _HEALTH, every=3.0))
    live.register(
        live.Region(
            "audit-chains", "web/audit_chains_live.html", audit.verification_state, _AUDITOR, every=1.0
        )
    )
    imports.register(account_import.ACCOUNTS)


def _figure(count: int, label: str, tone: str = "") -> Figure:
    return Figure(number_format(count, force_grouping=True), label, tone)


def _accounts(request: HttpRequest) -> list[Figure]:
    from salus.kernel.models import Account

    locked = Account.objects.filter(locked=True).count()
    found = [_figure(Account.objects.filter(is_active=True).count(), _("open accounts"))]
    return [*found, _figure(locked, _("locked"), "warn")] if locked else found


def _emergencies(request: HttpRequest) -> list[Figure]:
    from salus.kernel.models import BreakGlass

    waiting = BreakGlass.objects.filter(reviewed_at=None).count()
    return [_figure(waiting, ngettext("to review", "to review", waiting), "warn" if waiting else "ok")]


def _audit(request: HttpRequest) -> list[Figure]:
    from salus.kernel.models import AuditChain

    rows = sum(AuditChain.objects.using("audit").values_list("head_seq", flat=True))
    return [_figure(rows, _("rows in the chains"))]


def _health(request: HttpRequest) -> list[Figure]:
    from salus.kernel.models import HandlerCursor, HandlerFailure, PeriodicJob

    troubles = (
        HandlerCursor.objects.filter(attempts__gt=0).count()
        + HandlerFailure.objects.filter(resolved_at=None).count()
        + PeriodicJob.objects.filter(enabled=True).exclude(last_error="").count()
    )
    if not troubles:
        return [Figure(_("Well"), _("nothing is stuck"), "ok")]
    return [_figure(troubles, ngettext("thing is stuck", "things are stuck", troubles), "bad")]
