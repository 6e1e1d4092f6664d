"""The forms of mother and child and of vaccines: short, for a phone as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from salus.prevention.models import Avoidable, PregnancyOutcome
from salus.prevention.pages.maternal import words
from salus.prevention.pages.notifiable.forms import day as a_day
from salus.prevention.pages.notifiable.forms import moment, text
from salus.prevention.queries.maternal import rules

SEX = (("", "---"), ("male", _("Male")), ("female", _("Female")))


class Keyed(forms.Form):
    """A form that counts once however often it is sent."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)


def figure(label: Any, low: float, high: float, *, required: bool = False, whole: bool = False) -> Any:
    """Return a field for a number between two bounds."""
    if whole:
        return forms.IntegerField(label=label, required=required, min_value=int(low), max_value=int(high))
    return forms.FloatField(label=label, required=required, min_value=low, max_value=high)


def named(name: str, *, blank: bool = False) -> Any:
    """Return a function that gives the choices of a rules file today."""

    def choices() -> list[tuple[str, Any]]:
        found: list[tuple[str, Any]] = list(rules.choices(name, timezone.localdate()))
        return [("", "---"), *found] if blank else found

    return choices


class CheckForm(Keyed):
    """A visit or check of a child."""

    product = forms.ChoiceField(label=_("Visit or check"), choices=())
    day = a_day(_("Day"))
    way = forms.ChoiceField(label=_("How"), choices=words.WAYS)
    weight = figure(_("Weight (kg)"), 1, 150)
    height = figure(_("Length or height (cm)"), 30, 200)
    lying = forms.ChoiceField(
        label=_("Measured"),
        required=False,
        choices=(("", _("as is usual at the age")), ("yes", _("lying")), ("no", _("standing"))),
    )
    head = figure(_("Head (cm)"), 20, 70)
    haemoglobin = figure(_("Haemoglobin (g/L)"), 20, 250)
    note = text(_("Note"), 300)

    def __init__(self, *args: Any, products: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the visits of the child's programmes."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["product"]
        field.choices = products


class DoseForm(Keyed):
    """A dose of vaccine."""

    product = forms.ChoiceField(label=_("Vaccine"), choices=())
    day = a_day(_("Day"))
    holding = forms.ChoiceField(
        label=_("Batch"),
        required=False,
        choices=(),
        help_text=_("Without one, the first to expire is taken."),
    )
    site = text(_("Where on the body"), 40)
    note = text(_("Note"), 300)

    def __init__(
        self,
        *args: Any,
        products: Sequence[tuple[str, str]] = (),
        batches: Sequence[tuple[str, str]] = (),
        **kwargs: Any,
    ) -> None:
        """Offer the vaccines that are due first, and the clinic's batches."""
        super().__init__(*args, **kwargs)
        held: Any = self.fields
        held["product"].choices = products
        held["holding"].choices = [("", _("First to expire")), *batches]


class ScreeningForm(forms.Form):
    """A newborn's sample."""

    test = forms.ChoiceField(label=_("Test"), choices=named("maternal_screening"))
    taken_on = a_day(_("Taken on"))


class SettleForm(forms.Form):
    """What a screening came to."""

    state = forms.ChoiceField(label=_("Now"), choices=())
    day = a_day(_("Day"))
    value = text(_("Value"), 60)
    note = text(_("Note"), 300)

    def __init__(self, *args: Any, states: Sequence[tuple[str, Any]] = (), **kwargs: Any) -> None:
        """Offer what the screening can become."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["state"]
        field.choices = states


class EventForm(forms.Form):
    """Something untoward after a dose."""

    reaction = forms.ChoiceField(label=_("Reaction"), choices=named("vaccine_reactions"))
    onset = moment(_("Began"))
    found_at = moment(_("Became known"))
    serious = forms.BooleanField(
        label=_("Serious (hospital, danger to life, lasting damage)"), required=False
    )
    story = text(_("Course"), 2000, rows=4)


class JudgeForm(forms.Form):
    """The experts' judgement."""

    causality = forms.ChoiceField(label=_("Cause"), choices=named("vaccine_causality"))
    outcome = forms.ChoiceField(label=_("Outcome"), choices=words.OUTCOMES)


class DatesForm(forms.Form):
    """A pregnancy's dates and first values."""

    edd = a_day(_("Expected delivery by ultrasound"), required=False)
    gravidity = figure(_("Pregnancies, with this one"), 1, 25, whole=True)
    parity = figure(_("Births before"), 0, 20, whole=True)
    height = figure(_("Height (cm)"), 100, 220)
    weight = figure(_("Weight before (kg)"), 25, 250)


class RiskForm(Keyed):
    """Which factors of risk stand."""

    factors = forms.MultipleChoiceField(
        label=_("Factors of risk"), required=False, choices=(), widget=forms.CheckboxSelectMultiple
    )
    note = text(_("Note"), 300)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the factors that nobody can tell from values, the gravest last."""
        super().__init__(*args, **kwargs)
        today = timezone.localdate()
        known = rules.table("maternal_colours", today)
        field: Any = self.fields["factors"]
        field.choices = [
            (one.code, f"{one.name} ({known[one.row['colour']].name})")
            for one in rules.table("maternal_risk", today).values()
            if not one.row["field"]
        ]


class AntenatalForm(Keyed):
    """A visit before or after delivery."""

    product = forms.ChoiceField(label=_("Visit"), choices=())
    day = a_day(_("Day"))
    way = forms.ChoiceField(label=_("How"), choices=words.WAYS)
    weight = figure(_("Weight (kg)"), 25, 250)
    systolic = figure(_("Upper pressure (mmHg)"), 50, 300, whole=True)
    diastolic = figure(_("Lower pressure (mmHg)"), 30, 200, whole=True)
    fundus = figure(_("Height of the fundus (cm)"), 5, 60)
    fetal_heart = figure(_("Fetal heart rate (/min)"), 50, 240, whole=True)
    haemoglobin = figure(_("Haemoglobin (g/L)"), 20, 250)
    platelets = figure(_("Platelets (10⁹/L)"), 1, 1500)
    note = text(_("Note"), 300)

    def __init__(self, *args: Any, products: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the visits of the programme."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["product"]
        field.choices = products


class ActForm(Keyed):
    """What was done about a risk."""

    kind = forms.ChoiceField(
        label=_("What"),
        choices=tuple((code, words.ACTS[code]) for code in ("followed", "referred", "reported")),
    )
    next_on = a_day(_("Looked after next"), required=False)
    note = text(_("Note"), 300, required=True, rows=2)


class EndForm(forms.Form):
    """How a pregnancy ended; a block for each child of a multiple birth is filled as far as needed."""

    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=[one for one in PregnancyOutcome.choices if one[0]]
    )
    day = a_day(_("Day"))
    mode = forms.ChoiceField(label=_("Mode of delivery"), required=False, choices=(("", "---"), *words.MODES))
    place = text(_("Place of delivery"), 120)
    blood_loss = figure(_("Blood loss (mL)"), 0, 10_000, whole=True)
    discharged = a_day(_("Mother left the hospital on"), required=False)
    born = figure(_("Children born"), 0, 3, whole=True, required=True)
    sex_1 = forms.ChoiceField(label=_("First child: sex"), required=False, choices=SEX)
    weight_1 = figure(_("First child: weight (g)"), 200, 8000, whole=True)
    apgar_1 = figure(_("First child: Apgar after 1 minute"), 0, 10, whole=True)
    dead_1 = forms.BooleanField(label=_("First child: stillborn"), required=False)
    sex_2 = forms.ChoiceField(label=_("Second child: sex"), required=False, choices=SEX)
    weight_2 = figure(_("Second child: weight (g)"), 200, 8000, whole=True)
    apgar_2 = figure(_("Second child: Apgar after 1 minute"), 0, 10, whole=True)
    dead_2 = forms.BooleanField(label=_("Second child: stillborn"), required=False)
    sex_3 = forms.ChoiceField(label=_("Third child: sex"), required=False, choices=SEX)
    weight_3 = figure(_("Third child: weight (g)"), 200, 8000, whole=True)
    apgar_3 = figure(_("Third child: Apgar after 1 minute"), 0, 10, whole=True)
    dead_3 = forms.BooleanField(label=_("Third child: stillborn"), required=False)


class LinkForm(forms.Form):
    """Which registered child a newborn is."""

    child = forms.ChoiceField(label=_("Child"), choices=())

    def __init__(self, *args: Any, children: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the children born on these days."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["child"]
        field.choices = children


class ReceiptForm(Keyed):
    """Doses that came."""

    product = forms.ChoiceField(label=_("Vaccine"), choices=named("vaccine_products"))
    number = text(_("Batch number"), 40, required=True)
    maker = text(_("Maker"), 120, required=True)
    expires_on = a_day(_("Last day of use"))
    fridge = text(_("Fridge"), 60, required=True)
    quantity = figure(_("Doses"), 1, 100_000, whole=True, required=True)
    day = a_day(_("Received on"))


class LossForm(Keyed):
    """Doses that were lost."""

    quantity = figure(_("Doses"), 1, 100_000, whole=True, required=True)
    reason = text(_("How"), 200, required=True)
    day = a_day(_("Day"))


class TransferForm(Keyed):
    """Doses that are passed on."""

    to = forms.ChoiceField(label=_("To"), choices=())
    fridge = text(_("Fridge"), 60, required=True)
    quantity = figure(_("Doses"), 1, 100_000, whole=True, required=True)
    day = a_day(_("Day"))

    def __init__(self, *args: Any, places: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the clinics."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["to"]
        field.choices = places


class ReadingForm(forms.Form):
    """A temperature."""

    fridge = forms.ChoiceField(label=_("Fridge"), choices=())
    at = moment(_("At"))
    celsius = figure(_("Temperature (°C)"), -90, 60, required=True)

    def __init__(self, *args: Any, fridges: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the clinic's fridges."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["fridge"]
        field.choices = fridges


class ExcursionForm(forms.Form):
    """What becomes of batches in quarantine."""

    decision = forms.ChoiceField(
        label=_("The batches are"), choices=(("released", _("Released")), ("destroyed", _("Destroyed")))
    )
    reason = text(_("Why"), 300, required=True, rows=2)


class RecallForm(forms.Form):
    """A recall of a batch."""

    reason = text(_("Why"), 300, required=True, rows=2)
    advice = text(_("What to tell residents"), 300, required=True, rows=2)


class WorkForm(forms.Form):
    """What came of telling a resident."""

    state = forms.ChoiceField(
        label=_("State"), choices=tuple((code, said[0]) for code, said in words.DOSES.items())
    )
    note = text(_("Note"), 300)


class FamilyForm(Keyed):
    """An act of family planning."""

    kind = forms.ChoiceField(label=_("What"), choices=tuple(words.KINDS.items()))
    code = forms.ChoiceField(label=_("Method or support"), required=False, choices=())
    day = a_day(_("Day"))
    quantity = figure(_("Quantity"), 1, 1000, whole=True)
    child = forms.ChoiceField(label=_("Child (for support)"), required=False, choices=())
    note = text(_("Note or findings"), 300)

    def __init__(self, *args: Any, children: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        """Offer the methods and kinds of support of today, and the resident's children."""
        super().__init__(*args, **kwargs)
        held: Any = self.fields
        held["code"].choices = [
            ("", "---"),
            (_("Contraceptives"), named("maternal_contraception")()),
            (_("Births and support"), named("maternal_support")()),
        ]
        held["child"].choices = [("", "---"), *children]


class DeathForm(forms.Form):
    """A death to be reviewed."""

    died_on = a_day(_("Died on"))
    cause = text(_("Underlying cause (ICD-10)"), 10)


class ReviewForm(forms.Form):
    """The course of events, and which delays played a part."""

    story = text(_("Course of events, without names"), 6000, rows=8)
    items = forms.MultipleChoiceField(
        label=_("What played a part"), required=False, choices=(), widget=forms.CheckboxSelectMultiple
    )
    ready = forms.BooleanField(label=_("Put it before the committee"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the items of the three delays."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["items"]
        today = timezone.localdate()
        field.choices = [
            (one.code, f"{words.DELAYS[one.row['delay']]}: {one.name}")
            for one in rules.table("maternal_delays", today).values()
        ]


class ConcludeForm(forms.Form):
    """The committee's conclusion."""

    conclusion = forms.ChoiceField(
        label=_("Conclusion"), choices=[one for one in Avoidable.choices if one[0]]
    )
    advice = text(_("What should change"), 4000, rows=4)
