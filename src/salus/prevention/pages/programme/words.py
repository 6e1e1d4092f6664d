"""Words and tones of the programme's states for its pages."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from salus.prevention.models import (
    CloseReason,
    Control,
    EntryState,
    ProgrammeEntry,
    RecallOutcome,
    ServiceGiven,
)
from salus.prevention.queries.programme import catalogue
from salus.prevention.queries.programme.recall import Owed

WAYS = (
    ("clinic", gettext_lazy("In the clinic")),
    ("visit", gettext_lazy("At home")),
    ("phone", gettext_lazy("By telephone")),
    ("online", gettext_lazy("On line")),
)
TRY_WAYS = (
    ("phone", gettext_lazy("Called")),
    ("message", gettext_lazy("Written to")),
    ("visit", gettext_lazy("Looked for at home")),
)
STATUS = {
    "upcoming": (gettext_lazy("Upcoming"), ""),
    "due": (gettext_lazy("Due now"), "info"),
    "overdue": (gettext_lazy("Overdue"), "bad"),
    "complete": (gettext_lazy("Complete"), "ok"),
    "closed": (gettext_lazy("No longer given"), ""),
    "ended": (gettext_lazy("Ended"), ""),
    "contraindicated": (gettext_lazy("Contraindicated"), "warn"),
}
WHY = {
    "age": gettext_lazy("by age or time since the beginning"),
    "interval": gettext_lazy("by the interval since the last one"),
    "first": gettext_lazy("by the interval since the first one"),
    "after": gettext_lazy("by the interval since another vaccine"),
    "conflict": gettext_lazy("since another live vaccine was given"),
    "period": gettext_lazy("once in the period"),
    "bar": gettext_lazy("when the contraindication is over"),
    "poor": gettext_lazy("within two weeks after poor control"),
    "": "",
}
LEVELS = {
    0: ("", ""),
    1: (gettext_lazy("Home visit"), "warn"),
    2: (gettext_lazy("Passed on to the institution"), "bad"),
}
EVENTS = {
    "opened": gettext_lazy("Registered"),
    "closed": gettext_lazy("Closed"),
    "reopened": gettext_lazy("Opened again"),
    "handed-over": gettext_lazy("Handed over"),
    "followed": gettext_lazy("Moved along with the resident's record"),
    "doubted": gettext_lazy("The record took the diagnosis back: check it"),
}
PLACED = {
    "contract": gettext_lazy("by contract"),
    "care": gettext_lazy("by care"),
    "residence": gettext_lazy("by residence"),
    "hand": gettext_lazy("by hand"),
    "": "",
}
READINGS = {
    "systolic": gettext_lazy("Upper pressure (mmHg)"),
    "diastolic": gettext_lazy("Lower pressure (mmHg)"),
    "glucose": gettext_lazy("Fasting glucose (mmol/L)"),
    "weight": gettext_lazy("Weight (kg)"),
    "height": gettext_lazy("Height (cm)"),
    "waist": gettext_lazy("Waist (cm)"),
    "heart_rate": gettext_lazy("Heart rate (/min)"),
    "adherence": gettext_lazy("Takes her medicines"),
    "side_effects": gettext_lazy("Side effects"),
    "medicines": gettext_lazy("Medicines"),
    "cigarettes": gettext_lazy("Cigarettes a day"),
    "alcohol": gettext_lazy("Spirits a day (ml)"),
    "exercise_days": gettext_lazy("Exercise: days a week"),
    "exercise_minutes": gettext_lazy("Exercise: minutes a time"),
    "salt": gettext_lazy("Salt a day (g)"),
    "stable": gettext_lazy("State"),
    "referred_to": gettext_lazy("Referred to"),
}
ADHERENCE = (
    ("", "---"),
    ("regular", gettext_lazy("Regularly")),
    ("sometimes", gettext_lazy("Sometimes")),
    ("never", gettext_lazy("Not at all")),
)
STABLE = (
    ("", "---"),
    ("stable", gettext_lazy("Stable")),
    ("fairly", gettext_lazy("Fairly stable")),
    ("unstable", gettext_lazy("Not stable")),
)
SECTIONS = {
    "person": gettext_lazy("The person"),
    "history": gettext_lazy("History"),
    "living": gettext_lazy("Living conditions"),
}


def control(value: str) -> tuple[str, str]:
    """Return how control stands, in words, and its tone."""
    tone = {Control.GOOD: "ok", Control.POOR: "bad"}.get(Control(value), "")
    return str(Control(value).label), tone


def entry_state(entry: ProgrammeEntry) -> tuple[str, str]:
    """Return an entry's state in words, and its tone."""
    if entry.state == EntryState.OPEN:
        return (_("To be checked"), "warn") if entry.facts.get("doubted") else (_("Registered"), "ok")
    return str(CloseReason(entry.close_reason).label if entry.close_reason else _("Closed")), ""


def owed(one: Owed) -> tuple[str, str]:
    """Return in words how long a service has been due or overdue, and the tone."""
    if one.days_over > 0:
        words = ngettext("%(days)s day overdue", "%(days)s days overdue", one.days_over)
        return words % {"days": one.days_over}, "bad"
    return _("due until %(day)s") % {"day": _day_before(one.row.overdue_on)}, "info"


def _day_before(day: date) -> str:
    return date.fromordinal(day.toordinal() - 1).isoformat()


def outcome(value: str) -> str:
    """Return what a try came to, in words."""
    return str(RecallOutcome(value).label) if value in RecallOutcome.values else value


SEX = {"female": gettext_lazy("Female"), "male": gettext_lazy("Male")}


def item(value: Any) -> str:
    """Return a value of the health file that the record keeps, in words."""
    if isinstance(value, date):
        return value.isoformat()
    return str(SEX.get(value, value))


def programme(code: str, today: date) -> str:
    """Return a programme's name in the reader's language."""
    found = catalogue.programmes(today).get(code)
    return found.name if found else code


def values(row: ServiceGiven) -> list[tuple[str, Any]]:
    """Return what was found at a visit, in words."""
    said: dict[str, Any] = dict(row.values)
    found: list[tuple[str, Any]] = []
    if "systolic" in said and "diastolic" in said:
        pressure = f"{said.pop('systolic'):g}/{said.pop('diastolic'):g} mmHg"
        found.append((_("Blood pressure"), pressure))
    choices = {"adherence": dict(ADHERENCE), "stable": dict(STABLE)}
    for name, value in said.items():
        label = READINGS.get(name, name)
        if name in choices:
            value = choices[name].get(value, value)
        elif isinstance(value, float):
            value = f"{value:g}"
        found.append((str(label), value))
    return found
