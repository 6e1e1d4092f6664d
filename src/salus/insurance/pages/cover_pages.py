"""The pages of funds, claims and free treatment in the navigation."""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from salus.web import home, imports, navigation
from salus.web.home import Card, Figure
from salus.web.navigation import Page

FUND = frozenset({"fund_officer", "planner", "auditor"})
PAID = frozenset({"fund_officer", "manager", "auditor"})
OFFICER = frozenset({"fund_officer"})
FOLLOWERS = frozenset({"clinician", "fund_officer"})
RESIDENT = frozenset({"resident"})


def _suspicions(request: HttpRequest) -> list[Figure]:
    from salus.insurance.pages.claims import payer
    from salus.insurance.queries import review

    waiting = review.visible(payer(request)).filter(verdict="", probability__gte=0.5).count()
    return [Figure(str(waiting), _("more likely than not"), "warn" if waiting else "ok")]


def _outdated(request: HttpRequest) -> list[Figure]:
    from salus.insurance.pages.claims import payer
    from salus.insurance.queries import outdated

    waiting = outdated.visible(payer(request)).count()
    return [Figure(str(waiting), _("after claims that came late or were taken back"),
                   "warn" if waiting else "ok")]  # fmt: skip


def _nothing(request: HttpRequest) -> list[Figure]:
    return []


def register() -> None:
    """Offer the pages to the roles that they are for, and the imports of members and of their wages."""
    from salus.insurance.pages.member_import import MEMBERS
    from salus.insurance.pages.payroll_import import PAYROLL

    imports.register(MEMBERS)
    imports.register(PAYROLL)
    for page in (
        Page("fund", _("Funds"), "insurance:fund", FUND, "insurance", "chart", 10),
        Page("members", _("Members"), "insurance:members", OFFICER, "insurance", "people", 15),
        Page("claims", _("Claims"), "insurance:claims", OFFICER, "insurance", "page", 20),
        Page("suspicions", _("Suspicious claims"), "insurance:suspicions", OFFICER, "insurance", "search",
             25),
        Page("outdated", _("Years to decide again"), "insurance:outdated", OFFICER, "insurance", "clock", 27),
        Page("payments", _("Payments to institutions"), "insurance:payments", PAID, "insurance",
             "building", 30),
        Page("treatments", _("Free treatment: follow-up"), "insurance:treatments", FOLLOWERS, "insurance",
             "heart", 40),
        Page("my-claims", _("What I paid and why"), "insurance:my-claims", RESIDENT, "residents", "page", 40),
    ):  # fmt: skip
        navigation.register(page)
    home.register(
        Card(
            "my-claims", _("What I paid and why"), RESIDENT, "insurance:my-claims", _nothing,
            _("Every claim of yours, line by line: who paid, how much, and by which rule."), "page", 40,
        )
    )  # fmt: skip
    home.register(
        Card(
            "suspicions", _("Suspicious claims"), OFFICER, "insurance:suspicions", _suspicions,
            _("Claims that look miscoded or false, the likeliest first, with the evidence."), "search", 20,
        )
    )  # fmt: skip
    home.register(
        Card(
            "outdated", _("Years to decide again"), OFFICER, "insurance:outdated", _outdated,
            _("Residents' years whose claims were decided in another order than they are known now."),
            "clock", 25,
        )
    )  # fmt: skip
    home.register(
        Card(
            "fund", _("Funds"), FUND, "insurance:fund", _nothing,
            _("Income, payouts and reserves of each fund, and the year's forecast."), "chart", 10,
        )
    )  # fmt: skip
