"""Words of the pages of prices."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from salus.insurance.models import PriceListState, StudyState

READERS = ("planner", "fund_officer", "manager", "auditor")
DECIDERS = ("planner", "fund_officer")

REASONS: dict[str, Promise] = {
    "lowest": _("Lowest allowed"),
    "highest": _("Highest allowed"),
    "target": _("At its worth"),
    "unchanged": _("Not worth a change"),
    "family": _("Order in its family"),
    "weight": _("Weighed against change"),
    "balance": _("For neutrality"),
}
REASON_TONES = {"lowest": "warn", "highest": "warn", "target": "ok", "balance": "info", "family": "info"}
STAGES: dict[str, Promise] = {
    "reading": _("Reading the basis"),
    "prices": _("Listing the prices that are possible"),
    "relaxing": _("Solving the relaxed programme"),
    "conflicts": _("Looking for limits that contradict each other"),
    "rounding": _("Placing prices on their steps"),
    "curve": _("Trading change off against targets"),
}
PULLS: dict[str, Promise] = {
    "change": _("change"),
    "target": _("worth"),
    "revenue": _("revenue"),
    "fund": _("fund"),
    "hospital": _("hospitals"),
    "tier": _("tiers"),
    "group": _("insured groups"),
    "family": _("family"),
}
KINDS: dict[str, Promise] = {
    "tier": _("Tiers"),
    "group": _("Insured groups"),
    "department": _("Departments"),
    "hospital": _("Hospitals"),
}
TIERS: dict[str, Promise] = {"tier1": _("Tier 1"), "tier2": _("Tier 2"), "tier3": _("Tier 3")}
GROUPS: dict[str, Promise] = {
    "employee": _("Working employees"),
    "retired": _("Retired employees"),
    "resident": _("Adult residents"),
    "resident-elderly": _("Elderly residents"),
    "minor": _("Children and students"),
    "low-income": _("Low-income households"),
    "elsewhere": _("Insured elsewhere"),
    "uninsured": _("Without insurance"),
}
CONFLICTS: dict[str, Promise] = {
    "revenue": _("Revenue"),
    "fund": _("Fund"),
    "hospital": _("Hospital"),
    "tier": _("Tier"),
    "group": _("Insured group"),
    "family": _("Order of prices"),
}
LIST_TONES = {
    PriceListState.DRAFT: "info",
    PriceListState.PUBLISHED: "ok",
    PriceListState.WITHDRAWN: "warn",
    PriceListState.DISCARDED: "",
}
STUDY_TONES = {
    StudyState.QUEUED: "info",
    StudyState.RUNNING: "info",
    StudyState.DONE: "ok",
    StudyState.FAILED: "bad",
}


def key_title(kind: str, key: str) -> str:
    """Return the name of one of a kind: a tier, a group, a department or a hospital."""
    return str({"tier": TIERS, "group": GROUPS}.get(kind, {}).get(key, key))
