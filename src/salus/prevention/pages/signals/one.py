"""One signal: its series, the cases behind it, what is near, how it was judged; judging and taking back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from salus.kernel import names, policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import OutbreakState, Signal, Verdict
from salus.prevention.pages.signals import drawing, words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import seeing as cases_seen
from salus.prevention.queries.signals import seeing, story
from salus.prevention.services.signals import triage
from salus.prevention.services.signals.triage import Judgement
from salus.web import access, undo

NEW = "new"


class TriageForm(forms.Form):
    """A verdict, with the outbreak that the signal belongs to."""

    verdict = forms.ChoiceField(
        label=gettext_lazy("Verdict"), choices=Verdict.choices, widget=forms.RadioSelect
    )
    outbreak = forms.ChoiceField(label=gettext_lazy("Outbreak"), required=False, choices=())
    title = forms.CharField(
        label=gettext_lazy("Title of the new outbreak"), required=False, max_length=120,
        help_text=gettext_lazy("Only where a new outbreak is opened."),
    )  # fmt: skip
    began_on = forms.DateField(
        label=gettext_lazy("The outbreak began on"), required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text=gettext_lazy("Where it is known: from it the detectors' delay is reckoned."),
    )  # fmt: skip
    note = forms.CharField(
        label=gettext_lazy("Note"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, outbreaks: list[tuple[str, Any]], opens: bool, **kwargs: Any) -> None:
        """Offer the open outbreaks of the disease."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["outbreak"]
        new = [(NEW, gettext_lazy("Open a new outbreak"))] if opens else []
        field.choices = [("", "---"), *new, *outbreaks]

    def clean(self) -> dict[str, Any]:
        """A new outbreak needs a title."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("outbreak") == NEW and not given.get("title", "").strip():
            self.add_error("title", _("Give the outbreak a title"))
        return given


def _opened(request: HttpRequest, number: int, action: str = "read") -> Signal:
    try:
        return seeing.open_signal(access.principal(request), number, action)
    except NotFound:
        raise Http404 from None


def _form(request: HttpRequest, signal: Signal) -> TriageForm:
    asker = access.principal(request)
    rows = cases_seen.outbreaks(asker).filter(disease=signal.disease, state=OutbreakState.OPEN)
    choices = [(str(row.pk), row.title) for row in rows.order_by("-opened_on")[:50]]
    title = _("%(disease)s, %(day)s") % {
        "disease": known.disease_name(signal.disease), "day": signal.first_week.isoformat(),
    }  # fmt: skip
    return TriageForm(
        request.POST or None, outbreaks=choices, opens=policy.permits(asker, "create", "outbreak"),
        initial={"title": title, "outbreak": str(signal.outbreak_id or ""), "verdict": signal.verdict},
    )  # fmt: skip


@access.may("read", "signal")
@require_http_methods(["GET", "POST"])
def signal(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a signal; posted to, keep the verdict."""
    asker = access.principal(request)
    one = _opened(request, number)
    decides = policy.decide(asker, "decide", seeing.target(one)).allowed
    form = _form(request, one) if decides else None
    if request.method == "POST":
        if form is None:
            raise Http404
        if form.is_valid() and (answer := _judged(request, one, form)):
            return answer
    return render(request, "prevention/signals/signal.html", _context(request, one, form))


def _judged(request: HttpRequest, one: Signal, form: TriageForm) -> HttpResponseBase | None:
    given = form.cleaned_data
    chosen, new = given["outbreak"], given["outbreak"] == NEW
    judgement = Judgement(
        given["verdict"], given["note"], int(chosen) if chosen and not new else None,
        given["title"] if new else "", given["began_on"],
    )  # fmt: skip
    try:
        made = triage.judge(
            access.principal(request), one.pk, judgement, now=timezone.now(), today=timezone.localdate()
        )
    except SalusError as error:
        form.add_error(error.where if error.where in form.fields else None, _(error.message))
        return None
    undo.offer(request, _("The verdict is kept."), reverse("prevention:signal-undo", args=[one.pk, made.pk]))
    return HttpResponseRedirect(reverse("prevention:signal", args=[one.pk]))


def _context(request: HttpRequest, one: Signal, form: TriageForm | None) -> dict[str, Any]:
    asker = access.principal(request)
    near = story.nearby(asker, one)
    behind = story.behind(asker, one)
    codes = {code for row in [one, *near] for code in row.districts} | {
        code for code, _n in behind.by_district
    }
    districts = names.districts(codes | {child[1] for child in one.explains})
    places = words.institutions({row.institution_code for row in [one, *near]} - {""})
    explained = words.institutions({child[2] for child in one.explains} - {""})
    institutions = names.institutions(number for number, _n in behind.by_institution)
    place = words.place_of(one, districts, places)
    disease = known.disease_name(one.disease)
    asked = {
        "disease": one.disease, "day_from": one.first_week.isoformat(),
        "day_to": (one.last_week + timedelta(days=6)).isoformat(),
    }  # fmt: skip
    if len(one.districts) == 1:
        asked["district"] = one.districts[0]
    return {
        "title": _("%(disease)s: %(place)s") % {"disease": disease, "place": place},
        "breadcrumbs": [(_("Signals"), reverse("prevention:signals"))],
        "one": one,
        "place": place,
        "method": words.method_name(str(one.options.get("method", one.method))),
        "settings": words.settings_of(one.options),
        "reason": words.REASONS.get(one.reason, one.reason),
        "chance": words.chance(one.pvalue),
        "observed": words.number(one.observed),
        "expected": words.number(one.expected),
        "bound": words.number(one.bound),
        "excess": words.number(one.excess),
        "ratio": f"{one.ratio:.1f}" if one.ratio is not None and one.expected >= 0.05 else "",
        "reported": words.number(one.reported),
        "share": f"{100 * one.share:.0f}",
        "tone": words.TONES.get(one.verdict, "info"),
        "explains": [
            explained.get(institution, institution) if institution else districts.get(district, district)
            for _level, district, institution in one.explains
        ],
        "series": drawing.series(story.series(one)),
        "ages": drawing.ages(behind),
        "behind": behind,
        "by_district": [(districts.get(code, code), n) for code, n in behind.by_district],
        "by_institution": [(institutions.get(pk or 0, _("not known")), n) for pk, n in behind.by_institution],
        "line_list": f"{reverse('prevention:cases')}?{urlencode(asked)}"
        if policy.permits(asker, "search", "notifiable_case") else "",
        "curve": f"{reverse('prevention:curve')}?{urlencode(_curve(one))}"
        if policy.permits(asker, "search", "case_counts") else "",
        "near": [
            (row, known.disease_name(row.disease), words.place_of(row, districts, places),
             words.TONES.get(row.verdict, "info"))
            for row in near
        ],
        "history": [
            (row, words.number(row.observed), words.number(row.expected), words.number(row.bound),
             words.chance(row.pvalue))
            for row in one.history.all()
        ],
        "verdicts": [
            (row, words.TONES.get(row.verdict, "info")) for row in one.verdicts.select_related("outbreak")
        ],
        "form": form,
        "undoes": form is not None,
    }  # fmt: skip


def _curve(one: Signal) -> dict[str, str]:
    first = one.first_week - timedelta(weeks=26)
    found = {"disease": one.disease, "first": first.isoformat()}
    if len(one.districts) == 1:
        found["district"] = one.districts[0]
    return found


@access.may("decide", "signal")
@require_POST
def take_back(request: HttpRequest, number: int, verdict: int) -> HttpResponseBase:
    """Take a verdict back."""
    try:
        triage.undo(access.principal(request), number, verdict, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The verdict was taken back; it stays in the history."))
    return HttpResponseRedirect(reverse("prevention:signal", args=[number]))
