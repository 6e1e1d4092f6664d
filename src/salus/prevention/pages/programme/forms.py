"""The programme's forms: short, for a phone as well; the visit's is also filled in without a connection."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from salus.kernel.models import Institution, Staff
from salus.prevention.models import CloseReason, RecallOutcome
from salus.prevention.pages.notifiable.forms import day, text
from salus.prevention.pages.programme import words
from salus.prevention.queries.programme import catalogue
from salus.prevention.services.programme import giving
from salus.prevention.services.programme.placing import CENTRES, STATIONS


def number(name: str, *, decimals: int = 0) -> forms.DecimalField:
    """Return a field for a reading, within what it can be at all."""
    low, high = giving.BOUNDS[name]
    step = "1" if decimals == 0 else "0.1"
    widget = forms.NumberInput(attrs={"inputmode": "decimal" if decimals else "numeric", "step": step})
    return forms.DecimalField(
        label=words.READINGS[name], required=False, min_value=low, max_value=high,
        decimal_places=decimals, widget=widget,
    )  # fmt: skip


READINGS = (
    "systolic", "diastolic", "glucose", "weight", "heart_rate", "adherence", "stable", "side_effects",
    "medicines", "cigarettes", "alcohol", "exercise_days", "exercise_minutes", "referred_to",
)  # fmt: skip
OF_FORM = {
    "chronic": frozenset(READINGS) - {"stable"},
    "check": frozenset(READINGS) - {"stable", "adherence", "side_effects"},
    "mental": frozenset({"weight", "adherence", "stable", "side_effects", "medicines", "referred_to"}),
    "tuberculosis": frozenset({"weight", "adherence", "side_effects", "medicines", "referred_to"}),
}
"""Which readings the visit of each kind of programme asks for."""


class VisitForm(forms.Form):
    """A visit or check: readings, medicines, way of life."""

    day = day(_("Day"))
    way = forms.ChoiceField(label=_("Where"), choices=words.WAYS)
    systolic = number("systolic")
    diastolic = number("diastolic")
    glucose = number("glucose", decimals=1)
    weight = number("weight", decimals=1)
    heart_rate = number("heart_rate")
    adherence = forms.ChoiceField(label=words.READINGS["adherence"], choices=words.ADHERENCE, required=False)
    stable = forms.ChoiceField(label=words.READINGS["stable"], choices=words.STABLE, required=False)
    side_effects = text(words.READINGS["side_effects"], 120)
    medicines = text(words.READINGS["medicines"], 200)
    cigarettes = number("cigarettes")
    alcohol = number("alcohol")
    exercise_days = number("exercise_days")
    exercise_minutes = number("exercise_minutes")
    referred_to = text(words.READINGS["referred_to"], 120)
    note = text(_("Note"), 300)

    def __init__(self, *args: Any, kind: str = "", **kwargs: Any) -> None:
        """Keep the fields that a kind of programme asks for; all without one."""
        super().__init__(*args, **kwargs)
        if kind:
            for name in set(READINGS) - OF_FORM.get(kind, frozenset(READINGS)):
                del self.fields[name]


def readings(cleaned: dict[str, Any]) -> dict[str, Any]:
    """Return the readings of a cleaned visit form, as a visit keeps them."""
    return giving.plain({name: cleaned[name] for name in READINGS if name in cleaned})


class TryForm(forms.Form):
    """A try to reach a resident."""

    outcome = forms.ChoiceField(label=_("Outcome"), choices=RecallOutcome.choices)
    way = forms.ChoiceField(label=_("How"), choices=words.TRY_WAYS)
    appointment = day(_("Day of the appointment"), required=False)
    note = text(_("Note"), 300)


class CloseForm(forms.Form):
    """The end of a registration."""

    reason = forms.ChoiceField(label=_("Reason"), choices=[
        one for one in CloseReason.choices if one[0] not in ("merged", "taken_back", "aged_out")
    ])  # fmt: skip
    day = day(_("Day"))


class EnterForm(forms.Form):
    """A registration by hand."""

    programme = forms.ChoiceField(label=_("Programme"))
    anchor_on = day(_("Since"))

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """Offer the programmes of the day for which age does not decide."""
        super().__init__(*args, **kwargs)
        self.fields["programme"].choices = [  # type: ignore[attr-defined]
            (one.code, one.name) for one in catalogue.programmes(today).values() if one.enter_age is None
        ]


class FindForm(forms.Form):
    """A resident to register: by number or telephone."""

    identifier = text(_("Identity number"), 40)
    phone = text(_("Telephone"), 32)


class HandOverForm(forms.Form):
    """Another institution or doctor for a resident."""

    institution = forms.ModelChoiceField(label=_("Institution"), queryset=Institution.objects.none())
    doctor = forms.ModelChoiceField(label=_("Doctor"), queryset=Staff.objects.none(), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer primary care and its staff."""
        super().__init__(*args, **kwargs)
        kinds = (*CENTRES, *STATIONS)
        places = Institution.objects.filter(kind__in=kinds, active=True)
        self.fields["institution"].queryset = places  # type: ignore[attr-defined]
        self.fields["doctor"].queryset = Staff.objects.filter(institution__kind__in=kinds)  # type: ignore[attr-defined]


class FileForm(forms.Form):
    """The items of the health file that the record does not keep."""

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        """Make a field of each item."""
        super().__init__(*args, **kwargs)
        for item in catalogue.file_items(today):
            if item.kind == "choice":
                choices = [("", "---"), *((code, item.words(code)) for code, _en, _zh in item.choices)]
                self.fields[item.code] = forms.ChoiceField(label=item.name, choices=choices, required=False)
            elif item.kind == "text":
                self.fields[item.code] = forms.CharField(label=item.name, max_length=200, required=False)
