"""The engine's codes in the reader's language: reasons of decisions, ties, criteria, and errors."""

from __future__ import annotations

from django import forms
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from salus.insurance.tender.qualifying import load_criteria
from salus.kernel.errors import SalusError

Text = str | Promise

REASONS: dict[str, Text] = {
    "winner": _("Won"),
    "not-qualified": _("A qualification criterion is not met"),
    "above-ceiling": _("Above the ceiling"),
    "beyond-number": _("Beyond the number of winners"),
    "above-multiple": _("Dearer than the allowed multiple of the lowest price"),
    "not-opened": _("Not opened in time"),
    "void": _("What was opened is no valid bid"),
}
TONES = {"winner": "ok", "beyond-number": "", "not-opened": "bad", "void": "bad"}
KEPT: dict[str, Text] = {
    "multiple": _("within the multiple"),
    "cut": _("dear, but far enough under the ceiling"),
    "unit-price": _("dear, but at a very low unit price"),
}
TIES: dict[str, Text] = {
    "demand": _("equal price: more demand reported"),
    "evaluated": _("equal price: evaluated earlier"),
    "capacity": _("equal price: larger capacity"),
    "draw": _("equal price: drawn by lot"),
}
_ERRORS: dict[str, Text] = {
    "strength-malformed": _("This is no strength. Write 5 mg or 80mg/12.5mg."),
    "strength-incomparable": _("The strength cannot be compared with the group's."),
    "volume-not-whole": _("The volume is not a whole number of the group's reference units."),
    "volume-range": _("A pack holds at least one unit, and packs are not negative."),
    "money-malformed": _("This is no amount of money."),
    "money-fraction": _("An amount of money has at most two decimals."),
    "price-ratio-unknown": _("The rules state no price factor for this strength."),
    "rules-unknown": _("There is no such rule set."),
}


def of_error(error: SalusError) -> str:
    """Return an error's words for a reader: what was wrong, where, and what to do."""
    said = str(_ERRORS.get(error.code) or gettext(error.message))
    more = gettext(error.fix) if error.fix and error.code not in _ERRORS else ""
    where = f" ({error.where})" if error.where and error.code not in _ERRORS else ""
    return f"{said}{where}" + (f" {more}" if more else "")


def refuse(form: forms.BaseForm, error: SalusError) -> None:
    """Put a service's refusal at the field that it names, or on top of the form."""
    form.add_error(error.where if error.where in form.fields else None, of_error(error))


def criterion(code: str) -> str:
    """Return a qualification criterion's title in the reader's language."""
    english = (get_language() or "en").startswith("en")
    titles = {one.code: one.title if english else one.title_zh for one in load_criteria()}
    return titles.get(code, gettext("Not judged for this group") if code == "qualification" else code)
