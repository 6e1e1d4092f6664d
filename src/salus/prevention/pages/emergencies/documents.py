"""Situation reports: the page, its editing, and the document as PDF and Word in both languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST

from salus.kernel import names, policy
from salus.kernel.errors import NotFound, SalusError
from salus.prevention.models import EmergencyKind, ReportState, RequestState, SituationReport
from salus.prevention.pages.emergencies import drawing, forms, words
from salus.prevention.pages.emergencies.changing import fault, trail
from salus.prevention.queries.emergencies import seeing
from salus.prevention.queries.notifiable.diseases import chinese
from salus.prevention.services.emergencies import reporting
from salus.web import access, confirm, documents
from salus.web.documents import Chart, Facts, KeyFigure, KeyFigures, Paragraph, Part, Table

LANGUAGES = ("en", "zh-hans")
TONES = {ReportState.DRAFT: "warn", ReportState.ISSUED: "ok", ReportState.REPLACED: ""}


def document(held: SituationReport, language: str) -> documents.Document:
    """Return a report as a document in a language; an issued one gives the same bytes always."""
    with translation.override(language):
        shown, one = figures(held), held.emergency
        parts: dict[str, Part] = {
            "event": Facts(shown["facts"]),
            "figures": KeyFigures(
                [KeyFigure(value, label, note) for value, label, note in shown["key"]]
            ),
            "curve": Chart(shown["curve"]) if shown["curve"] else Paragraph(_("No persons yet."), "note"),
            "places": Table(
                [_("District"), _("School, company or site"), _("New that day"), _("Total"), _("Deaths")],
                shown["places"] or [["", "", 0, 0, 0]], caption=_("Persons by place"), widths=(3, 4, 1, 1, 1),
            ),
            "requests": Table(
                [_("Item"), _("Asked for"), _("Given"), _("Wanted by"), _("State")],
                shown["requests"] or [["", None, None, "", ""]], caption=_("Resources asked for"),
                widths=(4, 2, 1, 2, 2),
            ),
            "done": Table(
                [pgettext("task", "Done"), _("When")], shown["done"] or [["", ""]],
                caption=_("Tasks done"), widths=(5, 2),
            ),
        }  # fmt: skip
        at = held.issued_at or held.created
        return documents.from_template(
            "prevention/documents/situation.txt",
            {
                "number": held.number,
                "version": held.version,
                "final": held.final,
                "draft": held.state == ReportState.DRAFT,
                "replaced": held.state == ReportState.REPLACED,
                "event": shown["title"],
                "day": held.day.isoformat(),
                "situation": _lines(held.situation),
                "automatic": shown["sentence"],
                "measures": _lines(held.measures),
                "needs": _lines(held.needs),
                "outlook": _lines(held.outlook),
                "contacts": shown["contacts"],
                "tasks": shown["tasks"],
                "has_requests": bool(shown["requests"]),
                "has_done": bool(shown["done"]),
                "issued_by": held.issued_by,
            },
            issuer=_("Centre for disease control, %(place)s") % {"place": shown["where"] or one.place},
            date=timezone.localtime(at).date(),
            parts=parts,
            language=language,
        )


def _lines(text: str) -> list[str]:
    return [line.strip().lstrip("-•· ").strip() for line in text.splitlines() if line.strip()]


def figures(held: SituationReport) -> dict[str, Any]:
    """Return a report's kept numbers, worded in the reader's language."""
    kept: Mapping[str, Any] = held.figures
    pick = 1 if chinese() else 0
    new, before, total = kept["new"], kept["before"], kept["total"]
    kind = kept["disease"][pick] or EmergencyKind(kept["kind"]).label
    where = kept["district_names"][pick]
    delta = new["cases"] - before["cases"]
    key = [
        (new["cases"], _("new cases"), _change(delta)),
        (total["cases"], _("cases in all"), _("suspected besides: %(n)d") % {"n": total["suspected"]}
         if total["suspected"] else ""),
        (total["deaths"], _("deaths"), _("new: %(n)d") % {"n": new["deaths"]}),
    ]  # fmt: skip
    if total["in_hospital"] or total["severe"]:
        key.append((total["in_hospital"], _("in hospital"), _("severe: %(n)d") % {"n": total["severe"]}))
    if kept["contacts"]["all"]:
        key.append(
            (kept["contacts"]["followed"], _("contacts followed"),
             _("not seen that day: %(n)d") % {"n": kept["contacts"]["unseen"]})
        )  # fmt: skip
    return {
        "title": held.emergency.title,
        "where": where,
        "kind": kind,
        "key": key,
        "facts": [
            (_("Event"), held.emergency.title),
            (_("Kind"), kind),
            (_("Grade"), words.grade_name(kept["grade"])),
            (_("Place"), " ".join(filter(None, (where, kept["place"])))),
            (_("First persons ill on"), kept["began_on"]),
            (_("News received"), _moment(kept["noticed_at"])),
            (_("Reported to the next level"), _moment(kept["reported_at"])),
            (_("Response begun"), _moment(kept["opened_at"])),
            (_("Last new case"), kept["last_case"] or "–"),
        ],
        "sentence": _(
            "As of the end of %(day)s: that day %(new)d new cases, deaths %(new_deaths)d; "
            "in all %(cases)d cases, deaths %(deaths)d."
        )
        % {
            "day": kept["day"], "new": new["cases"], "new_deaths": new["deaths"], "cases": total["cases"],
            "deaths": total["deaths"],
        },
        "curve": drawing.curve(kept["curve"]),
        "places": [
            [names_[pick], unit, fresh, all_, dead] for _c, names_, unit, fresh, all_, dead in kept["places"]
        ],
        "contacts": _(
            "Contacts: %(all)d in all, %(followed)d followed, %(unseen)d not seen that day, "
            "%(alert)d with an alert, %(became)d became cases."
        )
        % kept["contacts"]
        if kept["contacts"]["all"]
        else "",
        "tasks": _("Tasks: %(done)d done, %(open)d open, of them %(overdue)d overdue.") % kept["tasks"],
        "done": [[row[1] if pick else row[0], _moment(row[2])] for row in kept["done"]],
        "requests": [
            [item, f"{quantity} {unit}".strip(), given, _moment(wanted), RequestState(state).label]
            for item, quantity, given, unit, wanted, state in kept["requests"]
        ],
    }  # fmt: skip


def _change(delta: int) -> str:
    if delta == 0:
        return _("as many as the day before")
    if delta > 0:
        return _("%(n)d more than the day before") % {"n": delta}
    return _("%(n)d fewer than the day before") % {"n": -delta}


def _moment(text: str) -> str:
    return timezone.localtime(datetime.fromisoformat(text)).strftime("%Y-%m-%d %H:%M") if text else "–"


def _opened(request: HttpRequest, number: int, action: str = "read") -> SituationReport:
    try:
        return reporting.open_report(access.principal(request), number, action)
    except NotFound:
        raise Http404 from None


@access.may("read", "health_emergency")
def report(request: HttpRequest, number: int) -> HttpResponse:
    """Show a report."""
    held = _opened(request, number)
    asker, target = access.principal(request), seeing.target(held.emergency)
    updates = policy.decide(asker, "update", target).allowed
    draft_ = held.state == ReportState.DRAFT
    shown = figures(held)
    context = {
        "title": _("Situation report %(number)s") % {"number": held.number},
        "breadcrumbs": trail(held.emergency),
        "held": held,
        "tone": TONES[ReportState(held.state)],
        "shown": shown,
        "event": words.title_of(held.emergency, names.districts([held.emergency.district_code])),
        "situation": held.situation.splitlines(),
        "measures": _lines(held.measures),
        "needs": _lines(held.needs),
        "outlook": held.outlook.splitlines(),
        "edits": draft_ and updates,
        "issues": draft_ and policy.decide(asker, "decide", target).allowed,
        "corrects": held.state == ReportState.ISSUED and updates,
        "exports": policy.decide(asker, "export", target).allowed,
        "versions": held.emergency.reports.filter(number=held.number).exclude(pk=held.pk),
        "languages": [("en", "English"), ("zh-hans", "中文")],
    }
    return render(request, "prevention/emergencies/report.html", context)


@access.may("update", "health_emergency")
@require_POST
def draft(request: HttpRequest, number: int) -> HttpResponse:
    """Draft the next report, or renew the numbers of the present draft."""
    try:
        made = reporting.draft(access.principal(request), number, now=timezone.now())
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("prevention:emergency", args=[number]))
    return HttpResponseRedirect(reverse("prevention:emergency-report", args=[made.pk]))


@access.may("update", "health_emergency")
def edit(request: HttpRequest, number: int) -> HttpResponseBase:
    """Write the words of a draft."""
    held = _opened(request, number, "update")
    start = {name: getattr(held, name) for name in ("situation", "measures", "needs", "outlook")}
    form = forms.ReportForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            reporting.edit(
                access.principal(request), number, reporting.Words(**form.cleaned_data), now=timezone.now()
            )
        except SalusError as error:
            fault(form, error)
        else:
            messages.success(request, _("The draft is kept."))
            return HttpResponseRedirect(reverse("prevention:emergency-report", args=[number]))
    context = {
        "title": _("Write situation report %(number)s") % {"number": held.number},
        "breadcrumbs": [
            *trail(held.emergency),
            (_("Situation report %(number)s") % {"number": held.number},
             reverse("prevention:emergency-report", args=[number])),
        ],
        "form": form,
        "label": _("Save"),
    }  # fmt: skip
    return render(request, "web/form_page.html", context)


def _posted(
    request: HttpRequest, number: int, question: str, run: Callable[[], Any], done: str
) -> HttpResponse:
    if page := confirm.needed(request, question):
        return page
    try:
        made = run()
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
        return HttpResponseRedirect(reverse("prevention:emergency-report", args=[number]))
    messages.success(request, done)
    if made is None:
        return HttpResponseRedirect(reverse("prevention:emergencies"))
    return HttpResponseRedirect(reverse("prevention:emergency-report", args=[made.pk]))


@access.may("decide", "health_emergency")
@require_POST
def issue(request: HttpRequest, number: int) -> HttpResponse:
    """Issue a report."""
    return _posted(
        request, number, _("Issue the report? It cannot be changed then, only corrected by a new version."),
        lambda: reporting.issue(access.principal(request), number, now=timezone.now()),
        _("The report is issued."),
    )  # fmt: skip


@access.may("update", "health_emergency")
@require_POST
def correct(request: HttpRequest, number: int) -> HttpResponse:
    """Begin a correction."""
    return _posted(
        request, number, _("Begin a new version of this report?"),
        lambda: reporting.correct(access.principal(request), number, now=timezone.now()),
        _("The new version is a draft."),
    )  # fmt: skip


@access.may("update", "health_emergency")
@require_POST
def discard(request: HttpRequest, number: int) -> HttpResponse:
    """Throw a draft away."""
    return _posted(
        request, number, _("Throw the draft away?"),
        lambda: reporting.discard(access.principal(request), number, now=timezone.now()),
        _("The draft is thrown away."),
    )  # fmt: skip


@access.may("export", "health_emergency")
def download(request: HttpRequest, number: int, language: str, form: str) -> HttpResponse:
    """Answer with the report as PDF or Word."""
    held = _opened(request, number, "export")
    if language not in LANGUAGES or form not in documents.FORMATS:
        raise Http404
    name = f"situation-{held.emergency_id}-{held.number}-v{held.version}-{language}"
    return documents.answer(document(held, language), form, name)
