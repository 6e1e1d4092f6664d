"""Cases for other systems and from them: SORMAS-shaped CSV, FHIR, and the import of line lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms as django_forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from salus.kernel.errors import Invalid, NotFound, SalusError
from salus.kernel.policy import Principal
from salus.prevention.models import Case
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import exporting, seeing
from salus.prevention.services.notifiable import importing
from salus.prevention.surveillance.linelists import headings
from salus.record import json
from salus.web import access, streaming
from salus.web.imports import ImportColumn, Importer, Verdict

MOST = 20 * 1024 * 1024  # bytes of a bundle that is taken in at once
FORMATS = (("sormas", gettext_lazy("CSV as SORMAS has it")), ("fhir", gettext_lazy("FHIR bundle (JSON)")))


class ExportForm(django_forms.Form):
    """Which cases, in which form."""

    format = django_forms.ChoiceField(label=gettext_lazy("As"), choices=FORMATS)
    disease = django_forms.ChoiceField(label=gettext_lazy("Disease"), required=False, choices=())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the diseases."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["disease"]
        field.choices = [("", _("All diseases")), *known.choices()]


class BundleForm(django_forms.Form):
    """A FHIR bundle."""

    file = django_forms.FileField(label=gettext_lazy("File (JSON, 20 MB at most)"))


@access.may("export", "notifiable_case")
def exchange(request: HttpRequest) -> HttpResponseBase:
    """Offer exports, and take a FHIR bundle in."""
    asker = access.principal(request)
    outbreak = None
    if number := request.GET.get("outbreak", ""):
        try:
            outbreak = seeing.open_outbreak(asker, int(number) if number.isdecimal() else 0)
        except NotFound:
            raise Http404 from None
    posted = request.method == "POST"
    form = BundleForm(request.POST, request.FILES) if posted else BundleForm()
    problems: list[str] = []
    if posted and form.is_valid():
        try:
            problems = _take(request, asker, form.cleaned_data["file"])
        except Invalid as error:
            form.add_error("file", _(error.message))
        else:
            if not problems:
                return HttpResponseRedirect(reverse("prevention:cases"))
    context = {
        "title": _("FHIR and SORMAS"),
        "breadcrumbs": [(_("Notifiable cases"), reverse("prevention:cases"))],
        "out": ExportForm(),
        "form": form,
        "outbreak": outbreak,
        "problems": problems,
    }
    return render(request, "prevention/notifiable/exchange.html", context)


def _take(request: HttpRequest, asker: Principal, file: Any) -> list[str]:
    if file.size > MOST:
        raise Invalid("bundle-size", _("The file is too large"), where="file")
    try:
        bundle = json.loads(file.read())
    except ValueError:
        raise Invalid("bundle-json", _("The file is no JSON"), where="file") from None
    receipts, refused = importing.take_bundle(asker, bundle, now=timezone.now())
    new = sum(receipt.new for receipt in receipts)
    messages.success(
        request,
        ngettext("%(n)d case is new", "%(n)d cases are new", new) % {"n": new}
        + ", "
        + _("%(n)d were known already.") % {"n": len(receipts) - new},
    )
    return [f"{number}: {_(error.message)}" for number, error in refused[:100]]


@access.may("export", "notifiable_case")
@require_POST
def export(request: HttpRequest) -> HttpResponseBase:
    """Stream the cases that the reader may export."""
    form = ExportForm(request.POST)
    if not form.is_valid():
        raise Http404
    asker = access.principal(request)
    rows = seeing.cases(asker, "export")
    if disease := form.cleaned_data["disease"]:
        rows = rows.filter(disease=disease)
    if number := request.POST.get("outbreak", ""):
        rows = rows.filter(outbreak=int(number) if number.isdecimal() else 0)
    stamp = timezone.localtime().strftime("%Y%m%d-%H%M")
    if form.cleaned_data["format"] == "fhir":
        answer = streaming.respond(request, exporting.fhir(rows), "application/fhir+json")
        answer["Content-Disposition"] = f'attachment; filename="cases-{stamp}.json"'
    else:
        answer = streaming.respond(request, exporting.sormas(rows), "text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="cases-{stamp}-sormas.csv"'
    answer["Cache-Control"] = "no-store"
    return answer


Row = Mapping[str, str]


def check(principal: Principal, rows: Sequence[Row]) -> list[Verdict]:
    """Judge each row: it can be read, its number stands once, and whether its case is there already."""
    now = timezone.now()
    seen: set[tuple[str, str]] = set()
    found = []
    numbers = sorted({row.get("id", "") for row in rows} - {""})
    held: set[tuple[str, str]] = set()
    for start in range(0, len(numbers), 500):
        known_rows = Case.objects.filter(external_id__in=numbers[start : start + 500])
        held |= set(known_rows.values_list("disease", "external_id"))
    for row in rows:
        try:
            line = importing.line_of(row)
            importing.report_of(line, now)
        except SalusError as error:
            where = f" ({error.where})" if error.where else ""
            found.append(Verdict("wrong", f"{_(error.message)}{where}"))
            continue
        key = (line.disease, line.number)
        if line.number and key in seen:
            found.append(Verdict("wrong", _("The number stands in the file twice.")))
        elif line.number and key in held:
            found.append(Verdict("same", _("The case is known already.")))
        else:
            found.append(Verdict("ready"))
        seen.add(key)
    return found


def apply(principal: Principal, row: Row) -> dict[str, Any] | None:
    """Report one row."""
    made = importing.take_line(principal, importing.line_of(row), now=timezone.now())
    return {"case": made.case.pk} if made.new else None


def undo(principal: Principal, way_back: dict[str, Any]) -> None:
    """Delete the case again, unless somebody has worked on it."""
    try:
        importing.take_back(principal, int(way_back["case"]))
    except NotFound:
        return


_TITLES = {
    "id": gettext_lazy("Number"), "disease": gettext_lazy("Disease"), "name": gettext_lazy("Name"),
    "first_name": gettext_lazy("Given name"), "last_name": gettext_lazy("Family name"),
    "sex": gettext_lazy("Sex"), "age": gettext_lazy("Age (years)"),
    "birth_date": gettext_lazy("Birth date"), "birth_day": gettext_lazy("Day of birth"),
    "birth_month": gettext_lazy("Month of birth"), "birth_year": gettext_lazy("Year of birth"),
    "onset": gettext_lazy("Onset"), "diagnosed": gettext_lazy("Diagnosed"),
    "reported": gettext_lazy("Reported"), "classification": gettext_lazy("Classification"),
    "outcome": gettext_lazy("Outcome"), "died_on": gettext_lazy("Died on"),
    "district": gettext_lazy("District's code"), "institution": gettext_lazy("Institution"),
    "place_infected": gettext_lazy("Place of infection"), "icd10": gettext_lazy("ICD-10"),
    "symptoms": gettext_lazy("Symptoms"), "exposures": gettext_lazy("Exposures"),
    "tests": gettext_lazy("Tests (name=result; …)"), "temperature": gettext_lazy("Temperature (°C)"),
}  # fmt: skip


def _also(field: str) -> tuple[str, ...]:
    plain = [heading for heading, named in headings().items() if named == field and heading != field]
    return (*plain, *(f"casedata.{heading}" for heading in plain), f"casedata.{field}")


def importer() -> Importer:
    """Return the import of line lists: plain, national report card, SORMAS or R's headings."""
    return Importer(
        name="linelist",
        title=gettext_lazy("Import a line list"),
        action="export",
        kind="notifiable_case",
        columns=tuple(
            ImportColumn(field, title, required=field == "disease", also=_also(field))
            for field, title in _TITLES.items()
        ),
        check=check,
        apply=apply,
        undo=undo,
        back="prevention:cases",
        text=gettext_lazy(
            "One case a row. Headings of the national report card, of SORMAS and of common line lists are "
            "understood; a case that is known already is added to."
        ),
    )
