"""Plain words for what FHIR says in codes: statuses and classes of visits; types are the audit's."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from salus.kernel.audit.words import type_title as type_title

STATUSES: dict[str, str | Promise] = {
    "active": _("ongoing"),
    "amended": _("amended"),
    "arrived": _("arrived"),
    "booked": _("booked"),
    "cancelled": _("cancelled"),
    "completed": _("completed"),
    "corrected": _("corrected"),
    "current": _("current"),
    "draft": _("draft"),
    "entered-in-error": _("entered in error"),
    "final": _("final"),
    "finished": _("finished"),
    "fulfilled": _("kept"),
    "in-progress": _("in progress"),
    "inactive": _("inactive"),
    "not-done": _("not done"),
    "noshow": _("did not come"),
    "on-hold": _("on hold"),
    "pending": _("pending"),
    "planned": _("planned"),
    "preliminary": _("preliminary"),
    "proposed": _("proposed"),
    "registered": _("registered"),
    "remission": _("in remission"),
    "resolved": _("resolved"),
    "revoked": _("withdrawn"),
    "stopped": _("stopped"),
    "superseded": _("superseded"),
    "unknown": _("unknown"),
    "waitlist": _("on the waiting list"),
}
VISITS: dict[str, str | Promise] = {
    "AMB": _("Outpatient visit"),
    "EMER": _("Emergency visit"),
    "FLD": _("Visit in the field"),
    "HH": _("Home visit"),
    "IMP": _("Hospital stay"),
    "ACUTE": _("Hospital stay"),
    "NONAC": _("Hospital stay"),
    "OBSENC": _("Observation stay"),
    "PRENC": _("Visit before admission"),
    "SS": _("Short stay"),
    "VR": _("Remote visit"),
}


def status_title(code: str) -> str:
    """Return what a status is called; a code that is not known is shown as it is."""
    return str(STATUSES.get(code, code))
