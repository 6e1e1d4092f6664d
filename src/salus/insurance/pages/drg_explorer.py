"""The DRG case explorer: codes typed or pasted, where the case goes, each rule tried, and alternatives.

It knows no resident: nothing that is asked is kept, and codes stand in no address.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from salus.insurance.drg.explain import Case, Explanation, explain, what_if
from salus.insurance.drg.trail import trail
from salus.insurance.pages import readers
from salus.insurance.scheme import STARTER, Scheme, load_scheme
from salus.kernel.errors import SalusError
from salus.web import access

STARTER_NAME = "starter"
_MOST_CODES = 60
_CODE = re.compile(r"[\w.+*\-/†‡]{1,30}")
REASONS = {
    "grouped": gettext_lazy("Grouped"),
    "no-principal": gettext_lazy("There is no principal diagnosis"),
    "unknown-principal": gettext_lazy("The scheme does not know the principal diagnosis"),
    "no-mdc": gettext_lazy("No category takes the case"),
    "no-adrg": gettext_lazy("Categories take the case, but none of their groups"),
    "no-drg": gettext_lazy("The group has no DRG for the case"),
}
OUTCOMES = {
    "counts": gettext_lazy("Counts"),
    "excluded": gettext_lazy("Does not count beside this principal diagnosis"),
    "suppressed": gettext_lazy("Does not count within this group"),
    "died": gettext_lazy("Does not count because the patient died"),
}


def folder() -> Path:
    """Return the folder whose subfolders are the city's own schemes."""
    return Path(settings.DATA_DIR) / "schemes"


def names() -> list[str]:
    """Return the schemes that can be chosen: Salus' own and the city's."""
    own = sorted(one.parent.name for one in folder().glob("*/scheme.toml"))
    return [STARTER_NAME, *own]


def scheme_of(name: str) -> Scheme:
    """Return a scheme by its name, read anew when its folder changed."""
    path = STARTER if name == STARTER_NAME else folder() / name
    return _read(str(path), max(one.stat().st_mtime_ns for one in path.iterdir()))


@lru_cache(maxsize=4)
def _read(path: str, changed: int) -> Scheme:
    return load_scheme(path)


class CodesField(forms.CharField):
    """Codes between spaces, commas, bars or lines."""

    def clean(self, value: Any) -> Any:
        """Return the codes as a tuple."""
        words = [one for one in re.split(r"[\s,;|，；、]+", super().clean(value) or "") if one]
        if len(words) > _MOST_CODES:
            raise ValidationError(_("Give at most %(n)s codes.") % {"n": _MOST_CODES})
        if wrong := [one for one in words if not _CODE.fullmatch(one)]:
            raise ValidationError(_("%(word)s is no code.") % {"word": wrong[0][:30]})
        return tuple(words)


class CaseForm(forms.Form):
    """A case without a patient."""

    scheme = forms.ChoiceField(label=gettext_lazy("Grouping scheme"))
    dx = CodesField(
        label=gettext_lazy("Diagnoses"), widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
        help_text=gettext_lazy("The principal first; paste them between spaces, commas or lines."),
    )  # fmt: skip
    pr = CodesField(
        label=gettext_lazy("Procedures"), required=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        help_text=gettext_lazy("The main one first."),
    )  # fmt: skip
    gender = forms.TypedChoiceField(
        label=gettext_lazy("Sex"), required=False, coerce=int, empty_value=None,
        choices=[("", gettext_lazy("Not said")), ("1", gettext_lazy("Male")), ("2", gettext_lazy("Female"))],
    )  # fmt: skip
    age = forms.IntegerField(label=gettext_lazy("Age in years"), required=False, min_value=0, max_value=130)
    age_day = forms.IntegerField(
        label=gettext_lazy("Age in days"), required=False, min_value=0, max_value=50_000
    )
    weight = forms.IntegerField(
        label=gettext_lazy("Birth weight in grams"), required=False, min_value=0, max_value=9_999
    )
    los = forms.IntegerField(label=gettext_lazy("Days of stay"), required=False, min_value=0, max_value=9_999)
    clinical = forms.BooleanField(
        label=gettext_lazy("These are clinical codes: map them first"), required=False
    )

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        choices = [(name, _("Salus starter scheme") if name == STARTER_NAME else name) for name in names()]
        cast(forms.ChoiceField, self.fields["scheme"]).choices = choices


@access.requires(*readers.EXPLORER)
@require_http_methods(["GET", "POST"])
def explorer(request: HttpRequest) -> HttpResponseBase:
    """Ask for codes, and answer with the group, the rules tried and what other principals would give."""
    form = CaseForm(request.POST or None)
    context: dict[str, Any] = {"title": _("DRG case explorer"), "form": form}
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            scheme = scheme_of(given["scheme"])
        except (SalusError, OSError):
            form.add_error("scheme", _("This scheme cannot be read; check it with the lint command."))
        else:
            case = Case(
                dx=given["dx"], pr=given["pr"], gender=given["gender"], age=given["age"],
                age_day=given["age_day"], weight=given["weight"], los=given["los"],
            )  # fmt: skip
            context |= answer(scheme, case, clinical=given["clinical"])
    return render(request, "insurance/drg_explorer.html", context)


def answer(scheme: Scheme, case: Case, *, clinical: bool) -> dict[str, Any]:
    """Return what the page shows of a case."""
    told = explain(scheme, case, clinical=clinical)
    others = what_if(scheme, case, clinical=clinical)
    weight = scheme.weights.get(told.drg)
    return {
        "told": told,
        "scheme": scheme,
        "weight": weight.weight if weight else None,
        "reason": REASONS[told.reason],
        "tone": "ok" if told.reason == "grouped" else "warn",
        "steps": trail(told, gates=False),
        "passed_over": [one.mdc for one in told.tried if not one.gate.held],
        "complications": [(one, OUTCOMES[one.outcome]) for one in told.complications],
        "unknown": [*told.unknown_dx, *told.unknown_pr],
        "others": [(one, _moved(scheme, told, one.drg)) for one in others],
    }


def _moved(scheme: Scheme, told: Explanation, drg: str) -> str:
    """Return by how much another group's weight differs, with its sign; empty if it is not known."""
    here, there = scheme.weights.get(told.drg), scheme.weights.get(drg)
    return f"{there.weight - here.weight:+}" if here and there else ""
