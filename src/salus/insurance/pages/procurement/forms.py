"""The forms of the tender room."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from salus.insurance.models import Bidder, Supplier, Supply, Tender, TenderGroup
from salus.insurance.pages.procurement.words import criterion
from salus.insurance.tender import load_rulesets
from salus.insurance.tender.qualifying import load_criteria
from salus.kernel.models import Institution
from salus.kernel.names import chosen

_FILE_BYTES = 5 * 1024 * 1024


def day(label: Any, **more: Any) -> forms.DateField:
    """Return a field for a day."""
    return forms.DateField(
        label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **more
    )


def instant(label: Any, **more: Any) -> forms.DateTimeField:
    """Return a field for an instant in the city's zone."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(
        label=label, widget=widget, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], **more
    )


class Named(forms.ModelChoiceField[Any]):
    """A choice among a register's entries, with code and name in the reader's language."""

    def label_from_instance(self, obj: Any) -> str:
        """Return code and name."""
        return f"{obj.code} {chosen(obj.name, obj.name_en)}"


class TenderForm(forms.Form):
    """A new tender."""

    code = forms.CharField(label=_("Code"), max_length=40)
    name = forms.CharField(label=_("Name of the tender"), max_length=120)
    name_en = forms.CharField(label=_("English name"), max_length=160, required=False)
    ruleset = forms.ChoiceField(label=_("Rule set"))
    demand_until = day(_("Institutions report demand until"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["ruleset"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  declared above
        field.choices = [
            (name, f"{name}: {one.table.get('title', '')}") for name, one in load_rulesets().items()
        ]


class GroupForm(forms.Form):
    """A group of a tender."""

    group = forms.CharField(label=_("Code"), max_length=40)
    molecule = forms.CharField(label=_("Molecule"), max_length=120)
    molecule_en = forms.CharField(label=_("Molecule in English"), max_length=120, required=False)
    atc = forms.CharField(label=_("ATC code"), max_length=10, required=False)
    form = forms.CharField(label=_("Form"), max_length=80, help_text=_("As tablet, capsule, injection."))
    reference = forms.CharField(
        label=_("Reference strength"), max_length=80,
        help_text=_("Volumes are counted in it; take the smallest on the market, as 5 mg."),
    )  # fmt: skip
    pack = forms.IntegerField(label=_("Units a pack"), min_value=1, max_value=100_000)
    ceiling = forms.DecimalField(
        label=_("Ceiling (yuan a pack)"), min_value=0, max_digits=14, decimal_places=2, required=False
    )
    old_price = forms.DecimalField(
        label=_("Price up to now (yuan a pack)"), min_value=0, max_digits=14, decimal_places=2, required=False
    )


class DemandForm(forms.Form):
    """What an institution needs in a year."""

    group = forms.ModelChoiceField(TenderGroup.objects.none(), label=_("Group"))
    institution = Named(Institution.objects.none(), label=_("Institution"))
    strength = forms.CharField(label=_("Strength"), max_length=80, help_text=_("Of one unit, as 5 mg."))
    pack = forms.IntegerField(label=_("Units a pack"), min_value=1, max_value=100_000)
    packs = forms.IntegerField(
        label=_("Packs a year"), min_value=0, max_value=10**9, help_text=_("Nought takes a report back.")
    )

    def __init__(self, tender: Tender, institutions: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["group"].queryset = tender.groups.order_by("code")  # type: ignore[attr-defined]
        self.fields["institution"].queryset = institutions  # type: ignore[attr-defined]


class MandateForm(forms.Form):
    """A mandate of an institution."""

    institution = Named(Institution.objects.none(), label=_("Institution"))
    agent = Named(
        Institution.objects.filter(active=True).order_by("code"), label=_("Purchasing organisation")
    )
    document = forms.CharField(label=_("Document"), max_length=80, help_text=_("Number of the signed paper."))
    valid_from = day(_("Valid from"))
    valid_to = day(_("Valid to"), required=False)

    def __init__(self, institutions: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["institution"].queryset = institutions  # type: ignore[attr-defined]


class AnnounceForm(forms.Form):
    """The times of a tender and its custodians' key."""

    commit_until = instant(_("Sealed bids until"))
    reveal_until = instant(_("Opening until"))
    public_key = forms.CharField(
        label=_("Custodians' public key"), required=False, max_length=80,
        help_text=_("From salus insurance tender keys. Without it bidders open their bids themselves."),
    )  # fmt: skip


class AdmitForm(forms.Form):
    """A bidder with its answers to the criteria."""

    supplier = Named(Supplier.objects.order_by("code"), label=_("Supplier"), required=False)
    new_code = forms.CharField(label=_("Or a new supplier: code"), max_length=40, required=False)
    new_name = forms.CharField(label=_("Its name"), max_length=120, required=False)
    groups = forms.ModelMultipleChoiceField(
        TenderGroup.objects.none(), label=_("Groups"), widget=forms.CheckboxSelectMultiple
    )
    evaluated = day(_("Quality evaluated on"), required=False)
    demand = forms.IntegerField(
        label=_("Reported of its product (reference units)"), min_value=0, required=False, initial=0,
        help_text=_("Decides between equal prices."),
    )  # fmt: skip

    def __init__(self, tender: Tender, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["groups"].queryset = tender.groups.order_by("code")  # type: ignore[attr-defined]
        for one in load_criteria():
            label = criterion(one.code)
            self.fields[f"answer-{one.code}"] = (
                forms.ChoiceField(
                    label=label, choices=[("", _("Choose")), ("yes", _("Yes")), ("no", _("No"))]
                )
                if one.kind == "yes"
                else forms.CharField(label=label, max_length=20, help_text=_("In reference units a year."))
            )

    def clean(self) -> dict[str, Any]:
        """See that a supplier is chosen or named."""
        values = super().clean() or {}
        if bool(values.get("supplier")) == bool(values.get("new_code") and values.get("new_name")):
            self.add_error("supplier", _("Choose a supplier, or give a new one's code and name."))
        return values

    def answers(self) -> dict[str, str]:
        """Return the answers by criterion."""
        given = self.cleaned_data.items()
        return {name.removeprefix("answer-"): value for name, value in given if name.startswith("answer-")}


class JsonFile(forms.FileField):
    """An uploaded JSON file, read."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        """Return what the file holds."""
        file = super().clean(data, initial)
        if file.size > _FILE_BYTES:
            raise forms.ValidationError(_("The file is too large."))
        try:
            return json.loads(file.read())
        except (ValueError, RecursionError):
            raise forms.ValidationError(_("The file is no JSON.")) from None


class SealedForm(forms.Form):
    """A sealed bid that was handed in at the office."""

    bidder = forms.ModelChoiceField(Bidder.objects.none(), label=_("Bidder"))
    sealed = JsonFile(label=_("The bidder's file sealed.json"))

    def __init__(self, tender: Tender, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["bidder"]
        field.queryset = tender.bidders.select_related("supplier")  # type: ignore[attr-defined]
        field.label_from_instance = lambda one: (  # type: ignore[attr-defined]
            f"{one.supplier.code} {chosen(one.supplier.name, one.supplier.name_en)}"
        )


class OpeningsForm(forms.Form):
    """Openings of bids, from the custodians or a bidder."""

    openings = JsonFile(
        label=_("File of openings"),
        help_text=_("From salus insurance tender open, or a bidder's opening.json."),
    )


class DecideForm(forms.Form):
    """The first day of supply."""

    starts = day(_("Supply begins on"))


class CancelForm(forms.Form):
    """Why a tender is cancelled."""

    reason = forms.CharField(label=_("Reason"), max_length=200)


class SupplyForm(forms.Form):
    """What happened under a contract."""

    kind = forms.ChoiceField(label=_("What happened"), choices=Supply.Kind.choices)
    on = day(_("Day"))
    units = forms.IntegerField(label=_("Reference units"), min_value=1, max_value=10**12)
