"""What codes of mother and child are called."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.prevention.models import Pregnancy, Screening, ScreeningState
from salus.prevention.pages.maternal.show import Cell
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.maternal.children import Owed
from salus.prevention.queries.programme import catalogue, residents

STATUS = {
    "upcoming": (gettext_lazy("Not yet due"), ""),
    "due": (gettext_lazy("Due"), "info"),
    "overdue": (gettext_lazy("Overdue"), "bad"),
    "complete": (gettext_lazy("Complete"), "ok"),
    "closed": (gettext_lazy("No longer given"), ""),
    "ended": (gettext_lazy("Ended"), ""),
    "contraindicated": (gettext_lazy("Contraindicated"), "warn"),
}
WHY = {
    "age": gettext_lazy("by age or time"),
    "interval": gettext_lazy("interval since the last one"),
    "first": gettext_lazy("interval since the first one"),
    "after": gettext_lazy("interval since another vaccine"),
    "conflict": gettext_lazy("another live vaccine was given"),
    "period": gettext_lazy("once in the period"),
    "bar": gettext_lazy("when the contraindication ends"),
}
SCREENING_TONE = {
    ScreeningState.TAKEN: "info",
    ScreeningState.NEGATIVE: "ok",
    ScreeningState.POSITIVE: "bad",
    ScreeningState.INVALID: "warn",
    ScreeningState.RECALLED: "warn",
    ScreeningState.CONFIRMED: "bad",
    ScreeningState.EXCLUDED: "ok",
    ScreeningState.REFUSED: "",
}
ANAEMIA = {
    "none": (gettext_lazy("No anaemia"), "ok"),
    "mild": (gettext_lazy("Mild anaemia"), "warn"),
    "moderate": (gettext_lazy("Moderate anaemia"), "bad"),
    "severe": (gettext_lazy("Severe anaemia"), "bad"),
}
INDICATORS = {
    "weight-for-age": gettext_lazy("Weight for age"),
    "height-for-age": gettext_lazy("Height for age"),
    "weight-for-height": gettext_lazy("Weight for height"),
    "bmi-for-age": gettext_lazy("Body mass for age"),
    "head-for-age": gettext_lazy("Head for age"),
}
ACTS = {
    "judged": gettext_lazy("Risk judged"),
    "followed": gettext_lazy("Followed up"),
    "referred": gettext_lazy("Referred"),
    "reported": gettext_lazy("Risk reported"),
}
MODES = (
    ("vaginal", gettext_lazy("Vaginal")),
    ("assisted", gettext_lazy("Assisted vaginal")),
    ("caesarean", gettext_lazy("Caesarean section")),
)
KINDS = {
    "check": gettext_lazy("Check before pregnancy"),
    "supply": gettext_lazy("Contraceptive supplied"),
    "follow-up": gettext_lazy("Contraceptive followed up"),
    "registration": gettext_lazy("Birth registered"),
    "support": gettext_lazy("Child-rearing support"),
}
DOSES = {
    "open": (gettext_lazy("To be told"), "bad"),
    "told": (gettext_lazy("Told"), "ok"),
    "examined": (gettext_lazy("Examined"), "ok"),
    "not-found": (gettext_lazy("Not found"), "warn"),
    "refused": (gettext_lazy("Refused"), ""),
}
OUTCOMES = (
    ("recovered", gettext_lazy("Recovered")),
    ("better", gettext_lazy("Better")),
    ("lasting", gettext_lazy("Lasting damage")),
    ("died", gettext_lazy("Died")),
    ("unknown", gettext_lazy("Not known")),
)
WAYS = (
    ("clinic", gettext_lazy("In the clinic")),
    ("visit", gettext_lazy("Home visit")),
    ("phone", gettext_lazy("By telephone")),
    ("online", gettext_lazy("On line")),
)
DELAYS = {
    "1": gettext_lazy("First delay: to seek care"),
    "2": gettext_lazy("Second delay: to reach care"),
    "3": gettext_lazy("Third delay: to receive care"),
}


def owed(one: Owed) -> list[Cell]:
    """Return a service's cells: name with its step, state, from when, until when, why."""
    found, service = one.finding, one.service
    name = service.name_zh if catalogue.chinese() else service.name_en
    step = _("dose %(n)d") % {"n": found.step} if service.kind == "series" and found.step else ""
    if service.kind == "windows":
        step = residents.step_name(service, found.step, found.path)
    words, tone = STATUS[found.status]
    more = _("given: %(n)d") % {"n": found.counted} if found.counted else ""
    if found.missed:
        more += (" · " if more else "") + _("missed: %(n)d") % {"n": found.missed}
    return [
        Cell(name, more=step),
        Cell(words, tone, more=more),
        day(found.due_on),
        day(found.overdue_on),
        Cell(WHY.get(found.reason, "")),
    ]


def day(value: date | None) -> Cell:
    """Return a day's cell."""
    return Cell(value.isoformat() if value else "")


def risk(held: Pregnancy, today: date) -> list[Cell]:
    """Return the cells of a pregnancy's colours: the colour, and purple beside it."""
    known = rules.table("maternal_colours", today)
    found = [Cell(known[held.colour].name, known[held.colour].row["tone"])]
    if held.infectious:
        found.append(Cell(known["purple"].name, known["purple"].row["tone"]))
    return found


def screening(one: Screening) -> Cell:
    """Return the cell of a screening's state."""
    state = ScreeningState(one.state)
    return Cell(state.label, SCREENING_TONE[state])


def product(code: str, today: date) -> str:
    """Return what a vaccine or kind of visit is called."""
    known = rules.table("vaccine_products", today)
    return known[code].name if code in known else catalogue.service_name(code, today)


def pair(words: Any, tone: str) -> Cell:
    """Return a status."""
    return Cell(words, tone)
