"""The forms of an investigation: short, for a phone as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from salus.prevention.models import CaseOutcome, CaseStatus
from salus.prevention.pages.notifiable import words
from salus.prevention.queries.notifiable import diseases as known


def day(label: Any, *, required: bool = True) -> forms.DateField:
    """Return a field for a day."""
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    return forms.DateField(label=label, required=required, widget=widget)


def moment(label: Any, *, required: bool = True) -> forms.DateTimeField:
    """Return a field for an instant in the city's time."""
    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    return forms.DateTimeField(label=label, required=required, widget=widget)


def text(label: Any, length: int, *, required: bool = False, rows: int = 0) -> forms.CharField:
    """Return a field for a text; of several rows where asked."""
    widget: forms.Widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
    return forms.CharField(label=label, max_length=length, required=required, widget=widget)


def _with_blank(
    choices: Callable[[], dict[str, str]] | dict[Any, Any],
) -> Callable[[], list[tuple[str, Any]]]:
    return lambda: [("", "---"), *(choices() if callable(choices) else choices).items()]


def _named(choices: Callable[[], dict[str, str]]) -> Callable[[], list[tuple[str, str]]]:
    return lambda: sorted(choices().items(), key=lambda pair: pair[1])


CERTAINTY = (
    ("suspected", _("Suspected")),
    ("probable", _("Diagnosed clinically")),
    ("confirmed", _("Confirmed by the laboratory")),
)
SEX = (("", "---"), ("male", _("Male")), ("female", _("Female")), ("other", _("Other")))


class ReportForm(forms.Form):
    """A case report card."""

    disease = forms.ChoiceField(label=_("Disease"), choices=known.choices)
    certainty = forms.ChoiceField(label=_("The diagnosis is"), choices=CERTAINTY)
    diagnosed = moment(_("Diagnosed"))
    onset = day(_("Onset"), required=False)
    name = text(_("Name"), 120, required=True)
    sex = forms.ChoiceField(label=_("Sex"), choices=SEX, required=False)
    birth_date = day(_("Birth date"), required=False)
    age = forms.FloatField(label=_("Age (years), where the birth date is not known"), required=False,
                           min_value=0, max_value=130)  # fmt: skip
    district = forms.ChoiceField(label=_("District of residence"), required=False, choices=())
    address = text(_("Address"), 200)
    symptoms = forms.MultipleChoiceField(
        label=_("Symptoms"), required=False, choices=_named(known.symptoms),
        widget=forms.SelectMultiple(attrs={"size": 8}),
    )  # fmt: skip
    exposures = forms.MultipleChoiceField(
        label=_("Exposures"), required=False, choices=_named(known.exposures),
        widget=forms.SelectMultiple(attrs={"size": 6}),
    )  # fmt: skip
    test = text(_("Test"), 120)
    result = text(_("Result"), 120)
    note = text(_("Note"), 1000, rows=3)

    def __init__(self, *args: Any, districts: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the districts of the register."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["district"]
        field.choices = [("", "---"), *sorted((districts or {}).items())]


class DecideForm(forms.Form):
    """A person's judgement."""

    status = forms.ChoiceField(label=_("The case is"), choices=CaseStatus.choices)
    reason = text(_("Why"), 300, required=True, rows=2)


class CorrectForm(forms.Form):
    """What is known better now."""

    onset = day(_("Onset"), required=False)
    outcome = forms.ChoiceField(label=_("Outcome"), choices=CaseOutcome.choices, required=False)
    died_on = day(_("Died on"), required=False)
    place_infected = text(_("Place of infection"), 120)
    note = text(_("Note"), 1000, rows=3)


class ExposureForm(forms.Form):
    """Where or by what somebody was infected."""

    kind = forms.ChoiceField(label=_("Exposure or setting"), choices=_named(known.exposures))
    place = text(_("Place"), 120)
    start = day(_("From"), required=False)
    end = day(_("To"), required=False)
    source = forms.BooleanField(label=_("Suspected source of the infection"), required=False)
    note = text(_("Note"), 300)


class SampleForm(forms.Form):
    """A sample, its result and its sequence."""

    number = text(_("Sample's number"), 60, required=True)
    kind = text(_("Specimen"), 40, required=True)
    taken_on = day(_("Taken on"))
    laboratory = text(_("Laboratory"), 120)
    test = text(_("Test"), 120)
    loinc = text(_("LOINC code"), 20)
    result = text(_("Result"), 120)
    result_on = day(_("Result on"), required=False)
    lineage = text(_("Lineage or type"), 60)
    accession = text(_("Sequence's accession number"), 60)


class IsolationForm(forms.Form):
    """A stay in isolation."""

    kind = forms.ChoiceField(label=_("Where"), choices=_with_blank(words.ISOLATION))
    place = text(_("Place"), 120)
    start = day(_("From"))
    end = day(_("To"), required=False)


class LinkForm(forms.Form):
    """Who infected the case."""

    source = forms.IntegerField(label=_("Number of the case that infected this one"), min_value=1)
    basis = text(_("Basis"), 120, required=True)


class JoinForm(forms.Form):
    """Of which case this one is a second report."""

    same_as = forms.IntegerField(label=_("Number of the case that it is the same as"), min_value=1)


class ContactForm(forms.Form):
    """Who was exposed."""

    name = text(_("Name"), 120, required=True)
    phone = text(_("Telephone"), 32)
    sex = forms.ChoiceField(label=_("Sex"), choices=SEX, required=False)
    age = forms.FloatField(label=_("Age (years)"), required=False, min_value=0, max_value=130)
    address = text(_("Address"), 200)
    district = forms.ChoiceField(label=_("District of residence"), required=False, choices=())
    setting = forms.ChoiceField(label=_("Setting"), choices=_named(known.exposures))
    last_exposure = day(_("Last exposure"))

    def __init__(self, *args: Any, districts: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the districts of the register."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["district"]
        field.choices = [("", "---"), *sorted((districts or {}).items())]


class VisitForm(forms.Form):
    """A day's follow-up of a contact; it works without a connection as well."""

    day = day(_("Day"))
    way = forms.ChoiceField(label=_("How"), choices=words.WAYS)
    temperature = forms.DecimalField(
        label=_("Temperature (°C)"), required=False, min_value=30, max_value=45, max_digits=3,
        decimal_places=1,
    )  # fmt: skip
    symptoms = forms.MultipleChoiceField(
        label=_("Symptoms"), required=False, choices=_named(known.symptoms),
        widget=forms.SelectMultiple(attrs={"size": 6}),
    )  # fmt: skip
    isolating = forms.BooleanField(label=_("Keeps to isolation"), required=False, initial=True)
    note = text(_("Note"), 300)


class OutbreakForm(forms.Form):
    """An outbreak."""

    title = text(_("Title"), 120, required=True)
    disease = forms.ChoiceField(label=_("Disease"), choices=known.choices)
    district = forms.ChoiceField(label=_("District"), required=False, choices=())
    place = text(_("Place"), 120)
    definition = text(_("Case definition of the outbreak"), 2000, rows=3)
    opened_on = day(_("Opened on"))

    def __init__(self, *args: Any, districts: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the districts of the register."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["district"]
        field.choices = [("", "---"), *sorted((districts or {}).items())]


class CloseForm(forms.Form):
    """What an outbreak came to."""

    day = day(_("Closed on"))
    note = text(_("Findings"), 4000, rows=4)
