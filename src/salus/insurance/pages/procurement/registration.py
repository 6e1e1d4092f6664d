"""What the tender room registers: its page and its card on Home."""

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.web import home, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page


def register() -> None:
    """Register the page and the card."""
    roles = frozenset({"fund_officer", "planner", "auditor", "manager"})
    navigation.register(
        Page("tenders", gettext_lazy("Tender room"), "insurance:tenders", roles, "insurance", "pill", 40)
    )
    home.register(
        Card(
            "tenders",
            gettext_lazy("Tenders"),
            frozenset({"fund_officer"}),
            "insurance:tenders",
            _figures,
            icon="pill",
            order=40,
        )  # fmt: skip
    )


def _figures(request: HttpRequest) -> list[Figure] | None:
    from salus.insurance.models import Tender

    announced = Tender.objects.filter(state=Tender.State.ANNOUNCED)
    sealed = announced.filter(round__commit_until__gt=timezone.now()).count()
    waiting = announced.count() - sealed
    if not sealed and not waiting:
        return None
    return [
        Figure(f"{sealed:,}", _("taking sealed bids")),
        Figure(f"{waiting:,}", _("to be opened or decided"), "warn" if waiting else ""),
    ]
