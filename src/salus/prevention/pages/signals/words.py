"""Words and tones of signals, methods and reasons."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import names
from salus.kernel.models import Institution
from salus.prevention.models import Signal, SignalLevel, Verdict
from salus.prevention.queries.signals.story import AGES

Text = str | Promise
TONES: dict[str, str] = {
    Verdict.OUTBREAK: "bad",
    Verdict.FALSE: "",
    Verdict.KNOWN: "info",
    Verdict.ERROR: "",
    Verdict.WATCH: "warn",
}
METHODS: dict[str, Text] = {
    "farrington": gettext_lazy("Farrington, flexible"),
    "farrington-classic": gettext_lazy("Farrington, as first published"),
    "ears-c1": "EARS C1",
    "ears-c2": "EARS C2",
    "ears-c3": "EARS C3",
    "rki": "RKI",
    "bayes": gettext_lazy("Bayes, recent weeks"),
    "cdc": gettext_lazy("Four weeks against past years"),
    "moving-percentile": gettext_lazy("Moving percentile"),
    "cusum": "CUSUM",
    "nb-cusum": gettext_lazy("Negative binomial CUSUM"),
    "glr": gettext_lazy("Likelihood ratio chart"),
    "combined": gettext_lazy("Combined score"),
    "scan": gettext_lazy("Scan over districts"),
}
REASONS: dict[str, Text] = {
    "compared": gettext_lazy("compared with the bound"),
    "below-limit": gettext_lazy("too few cases in the last weeks to judge by itself"),
    "all-zero": gettext_lazy("compared; no case in all of the history"),
    "reduced-history": gettext_lazy("compared; part of the history is missing or of another definition"),
    "gap": gettext_lazy("a count that the method needs is missing"),
    "no-variation": gettext_lazy("the history does not vary"),
}
SETTINGS: dict[str, Text] = {
    "method": gettext_lazy("method"),
    "paper": gettext_lazy("settings of"),
    "years": gettext_lazy("years"),
    "half_window": gettext_lazy("weeks on either side"),
    "alpha": gettext_lazy("level"),
    "weeks": gettext_lazy("weeks looked at"),
    "share": gettext_lazy("largest share of the city"),
    "replications": gettext_lazy("simulations"),
    "duration": gettext_lazy("weeks the cluster lasts"),
    "false_alarms": gettext_lazy("false alarms a week"),
    "length": gettext_lazy("length"),
    "around": gettext_lazy("around"),
    "percentile": gettext_lazy("percentile"),
}


def method_name(method: str) -> Text:
    """Return a method's name for readers."""
    return METHODS.get(method, method)


def settings_of(options: Mapping[str, object]) -> str:
    """Return a method's settings in one line."""
    told = [f"{SETTINGS.get(name, name)} {value}" for name, value in options.items() if name != "method"]
    return ", ".join(told)


def institutions(codes: set[str]) -> dict[str, str]:
    """Return the names of institutions by their codes."""
    rows = Institution.objects.filter(code__in=codes).values_list("code", "name", "name_en")
    return {code: names.chosen(name, english) for code, name, english in rows}


def place_of(signal: Signal, districts: Mapping[str, str], places: Mapping[str, str]) -> str:
    """Return where a signal is, in words."""
    if signal.level == SignalLevel.CLUSTER:
        return ", ".join(districts.get(code, code) for code in signal.districts)
    if signal.level == SignalLevel.DISEASE:
        return _("Whole city")
    district = districts.get(signal.district_code, signal.district_code)
    if signal.level == SignalLevel.INSTITUTION:
        place = places.get(signal.institution_code, signal.institution_code)
        return _("%(place)s (%(district)s)") % {"place": place, "district": district}
    return district


def age_title(group: int) -> str:
    """Return an age group's name."""
    low, high = AGES[group]
    if high > 150:
        return _("%(low)d and over") % {"low": low}
    return _("under 1") if high == 1 else f"{low}–{high - 1}"


def chance(p: float) -> str:
    """Return a p-value as people read it: once in how many."""
    if p < 1e-6:
        return "<\u00a00.000001"
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.1e}"


def number(value: float | None, digits: int = 1) -> str:
    """Return a count that may be an estimate."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.{digits}f}"
