"""The forms of an emergency: short, for a phone as well."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from salus.kernel.models import Account, Role
from salus.prevention.models import EmergencyGrade, EmergencyKind, RequestState
from salus.prevention.pages.emergencies import words
from salus.prevention.pages.notifiable.forms import day, moment, text
from salus.prevention.queries.emergencies import rules
from salus.prevention.queries.notifiable import diseases as known

_ROLES = ("epidemiologist", "planner", "clinician", "inspector", "dispatcher", "village_doctor")


def number(label: Any, *, required: bool = False) -> forms.IntegerField:
    """Return a field for a count."""
    return forms.IntegerField(
        label=label, required=required, min_value=0, max_value=10_000_000,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )  # fmt: skip


def _flags(label: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label, required=False, choices=rules.flags, widget=forms.CheckboxSelectMultiple
    )


def _districts(form: forms.Form, districts: dict[str, str]) -> None:
    field: Any = form.fields["district"]
    field.choices = [("", "---"), *sorted((code, name) for code, name in districts.items() if len(code) >= 6)]


class EventForm(forms.Form):
    """An event as somebody reports it."""

    title = text(_("Title"), 120, required=True)
    kind = forms.ChoiceField(label=_("Kind"), choices=EmergencyKind.choices)
    disease = forms.ChoiceField(
        label=_("Disease (of an infectious event)"), required=False,
        choices=lambda: [("", "---"), *known.choices()],
    )  # fmt: skip
    district = forms.ChoiceField(label=_("District"), choices=())
    place = text(_("Place"), 120)
    unit = text(_("School, company or site, if all are of one"), 120)
    noticed = moment(_("The news came"))
    began_on = day(_("First persons ill on"))
    cases = number(_("Persons ill"))
    severe = number(_("of them severe"))
    in_hospital = number(_("of them in hospital"))
    deaths = number(_("Deaths"))
    flags = _flags(_("What else is known"))
    note = text(_("What is known so far"), 2000, rows=3)

    def __init__(self, *args: Any, districts: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the districts of the register."""
        super().__init__(*args, **kwargs)
        _districts(self, districts or {})


class CountForm(forms.Form):
    """Persons newly affected on a day in a place."""

    day = day(_("Day"))
    district = forms.ChoiceField(label=_("District"), choices=(), required=False)
    unit = text(_("School, company or site"), 120)
    cases = number(_("Persons newly ill"), required=True)
    severe = number(_("of them severe"))
    in_hospital = number(_("of them in hospital"))
    deaths = number(_("Deaths"))

    def __init__(self, *args: Any, districts: dict[str, str] | None = None, **kwargs: Any) -> None:
        """Offer the districts of the register."""
        super().__init__(*args, **kwargs)
        _districts(self, districts or {})


class FactsForm(forms.Form):
    """What no count says."""

    flags = _flags(_("What is known"))
    form = forms.ChoiceField(
        label=_("Form of the disease"), required=False,
        choices=lambda: [("", "---"), *words.FORMS.items()],
    )  # fmt: skip


class GradeForm(forms.Form):
    """A grade set by a person."""

    grade = forms.TypedChoiceField(label=_("Grade"), choices=EmergencyGrade.choices, coerce=int)
    reason = text(_("Why"), 500, required=True, rows=3)


class DecideForm(forms.Form):
    """A decision on a proposal."""

    verdict = forms.ChoiceField(
        label=pgettext_lazy("proposal", "Decision"),
        choices=(("confirm", _("Confirm")), ("reject", _("Reject"))),
        widget=forms.RadioSelect,
    )  # fmt: skip
    grade = forms.TypedChoiceField(
        label=_("Grade that holds"), choices=EmergencyGrade.choices, coerce=int, required=False
    )
    reason = text(_("Why"), 500, required=True, rows=3)


class EndForm(forms.Form):
    """The end asked for by a person."""

    reason = text(_("Why the response may end"), 500, required=True, rows=3)


class RemovedForm(forms.Form):
    """Since when the danger is removed."""

    day = day(_("Danger removed on"))
    note = text(_("How"), 500, required=True, rows=2)


class TaskForm(forms.Form):
    """A task that the plan does not hold."""

    title = text(_("Task"), 160, required=True)
    role = forms.ChoiceField(
        label=_("Who does it"), choices=lambda: [(role, Role(role).label) for role in _ROLES]
    )
    due = moment(pgettext_lazy("deadline", "Due"))


class DoneForm(forms.Form):
    """What came of a task."""

    note = text(_("What was done"), 500, rows=3)


class DropForm(forms.Form):
    """Why a task is not needed."""

    note = text(_("Why"), 500, required=True, rows=2)


class GiveForm(forms.Form):
    """To whom a task is given."""

    account = forms.ModelChoiceField(label=_("Give it to"), queryset=Account.objects.none())

    def __init__(self, *args: Any, role: str = "", **kwargs: Any) -> None:
        """Offer the accounts that hold the task's role."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["account"]
        field.queryset = Account.objects.filter(
            grants__role=role, grants__valid_to=None, is_active=True
        ).distinct().order_by("username")  # fmt: skip


class RequestForm(forms.Form):
    """What is needed."""

    item = text(_("Item"), 120, required=True)
    quantity = forms.IntegerField(label=_("Quantity"), min_value=1, max_value=2_000_000_000)
    unit = text(_("Unit"), 24)
    wanted = moment(_("Wanted by"))
    note = text(_("Note"), 300)


class RequestStateForm(forms.Form):
    """How a request goes on."""

    state = forms.ChoiceField(label=_("State"), choices=RequestState.choices)
    given = number(_("Given so far"))
    note = text(_("Note"), 300)


class ReportForm(forms.Form):
    """The words of a situation report."""

    situation = text(_("Situation"), 6000, rows=4)
    measures = text(_("Measures taken"), 6000, required=True, rows=6)
    needs = text(_("Needs"), 4000, rows=3)
    outlook = text(_("Assessment and next steps"), 6000, rows=4)
