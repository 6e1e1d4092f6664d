"""Words and tones that several of these pages use."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel.names import chosen
from salus.prevention.models import Case, CaseStatus, Contact, ContactState

Text = str | Promise
TONES = {
    CaseStatus.SUSPECTED: "warn", CaseStatus.PROBABLE: "info", CaseStatus.CONFIRMED: "bad",
    CaseStatus.DISCARDED: "",
}  # fmt: skip
SEXES = {
    "male": gettext_lazy("Male"),
    "female": gettext_lazy("Female"),
    "other": gettext_lazy("Other"),
    "": "",
}
KINDS = {
    "arose": gettext_lazy("Arose from the record"),
    "reported": gettext_lazy("Reported"),
    "status": gettext_lazy("Status changed"),
    "decided": gettext_lazy("Decided"),
    "joined": gettext_lazy("Joined to another case"),
    "took-in": gettext_lazy("Another case joined"),
    "parted": gettext_lazy("Parted from another case"),
    "corrected": gettext_lazy("Corrected"),
}
REASONS = {
    "facts-withdrawn": gettext_lazy("what spoke for it was taken back"),
    "by-definition": gettext_lazy("left to the definition"),
}
ISOLATION = {
    "home": gettext_lazy("At home"),
    "hospital": gettext_lazy("In hospital"),
    "facility": gettext_lazy("In a facility"),
}
WAYS = (
    ("visit", gettext_lazy("Visit")),
    ("phone", gettext_lazy("Telephone")),
    ("online", gettext_lazy("On line")),
)
FACTS = {
    "diagnosis": gettext_lazy("Diagnosis"),
    "laboratory": gettext_lazy("Test"),
    "symptom": gettext_lazy("Symptom"),
    "temperature": gettext_lazy("Temperature"),
    "link": gettext_lazy("Linked case"),
    "exposure": gettext_lazy("Exposure"),
    "death": gettext_lazy("Cause of death"),
    "age": gettext_lazy("Age"),
}
RESULTS = {
    "positive": gettext_lazy("positive"),
    "negative": gettext_lazy("negative"),
    "confirmed": gettext_lazy("confirmed"),
    "provisional": gettext_lazy("suspected"),
    "probable": gettext_lazy("probable"),
    "suspected": gettext_lazy("suspected"),
    "refuted": gettext_lazy("refuted"),
}


def reporting_state(case: Case, now: datetime) -> tuple[Text, str]:
    """Return how a case's report stands, in words, and its tone."""
    if case.due_at is None:
        return _("Not to be reported"), ""
    if case.reported_at is not None:
        return (_("Late"), "warn") if case.late else (_("In time"), "ok")
    return (_("Overdue"), "bad") if case.due_at < now else (_("Owed"), "info")


def left(moment: datetime, now: datetime) -> str:
    """Return how long it is to an instant, or since it, in hours or days."""
    hours = abs((moment - now).total_seconds()) / 3600
    if hours < 48:
        said = _("%(n)s h") % {"n": f"{hours:.0f}"}
    else:
        said = _("%(n)s days") % {"n": f"{hours / 24:.0f}"}
    return (_("%(time)s left") if moment >= now else _("%(time)s over")) % {"time": said}


def contact_state(contact: Contact) -> tuple[Text, str]:
    """Return how a contact's follow-up stands today, in words, and its tone."""
    today = timezone.localdate()
    if contact.state != ContactState.FOLLOWED:
        tone = {ContactState.CASE: "bad", ContactState.LOST: "warn"}.get(ContactState(contact.state), "")
        return contact.get_state_display(), tone
    if contact.alert_on is not None and (today - contact.alert_on).days <= 1:
        return _("Alert"), "bad"
    if contact.last_visit == today:
        return _("Seen today"), "ok"
    return (_("Due today"), "info") if today <= contact.follow_until else (_("Follow-up over"), "")


def institution_name(case: Case | Contact) -> str:
    """Return the name of a row's institution in the reader's language."""
    place = case.institution
    return chosen(place.name, place.name_en) if place else ""


def age_shown(case: Case) -> str:
    """Return a case's age at its first day in years, in months under two."""
    years = case.age
    if case.birth_date is not None:
        years = (case.first_day - case.birth_date).days / 365.25
    if years is None:
        return ""
    return _("%(n)d months") % {"n": int(years * 12)} if years < 2 else str(int(years))
