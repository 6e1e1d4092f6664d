"""The pages of an import: upload, preview row by row, carry out, undo."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from salus.kernel import policy
from salus.kernel.errors import SalusError
from salus.web import access, confirm, imports, undo
from salus.web.imports import Importer
from salus.web.imports.reading import LARGEST
from salus.web.models import ImportBatch, ImportRow, RowState
from salus.web.tables import ChoiceFilter, Column, Table

TONES = {
    RowState.WRONG: "bad",
    RowState.FAILED: "bad",
    RowState.KEPT: "warn",
    RowState.READY: "info",
    RowState.DONE: "ok",
}


class UploadForm(forms.Form):
    """The file to import."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV in UTF-8 or GB 18030, or an Excel workbook; up to 50,000 rows. "
            "Nothing is written before you have seen the preview."
        ),
    )


def _importer(request: HttpRequest, name: str) -> Importer:
    """Return the kind of import, for those who may; for others there is none."""
    try:
        importer = imports.get(name)
    except KeyError:
        raise Http404 from None
    if not policy.permits(access.principal(request), importer.action, importer.kind):
        raise Http404
    return importer


def _cell(name: str) -> Callable[[ImportRow], str]:
    return lambda row: str(row.cells.get(name, ""))


def _table(importer: Importer) -> type[Table]:
    """Return a table with the importer's own columns."""

    class RowTable(Table):
        name = "import-rows"
        caption = gettext_lazy("Rows of the file")
        columns = (
            Column("number", gettext_lazy("Line"), kind="number", sort="number"),
            Column(
                "state",
                gettext_lazy("State"),
                sort="state",
                value=lambda row: row.get_state_display(),
                tone=lambda row: TONES.get(row.state, ""),
            ),
            Column("words", gettext_lazy("What was found"), wide=True),
            *(
                Column(f"cell-{column.name}", column.title, value=_cell(column.name))
                for column in importer.columns
            ),
        )
        filters = (ChoiceFilter("state", gettext_lazy("State"), RowState.choices),)
        default_sort = "number"

    return RowTable


@access.requires()
def upload(request: HttpRequest, name: str) -> HttpResponse:
    """Take a file, judge its rows and go to the preview."""
    importer = _importer(request, name)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            batch = imports.stage(access.principal(request), importer, file.name, file.read(LARGEST + 1))
        except SalusError as error:
            form.add_error("file", " ".join(_(text) for text in (error.message, error.fix) if text))
        else:
            return HttpResponseRedirect(reverse("web:import-batch", args=[name, batch.pk]))
    context: dict[str, Any] = {
        "title": importer.title,
        "breadcrumbs": [],
        "importer": importer,
        "form": form,
        "batches": ImportBatch.objects.filter(importer=name).select_related("account")[:20],
    }
    return render(request, "web/import.html", context)


@access.requires()
def batch(request: HttpRequest, name: str, number: int) -> HttpResponseBase:
    """Show a file row by row with what would happen, or what has."""
    importer = _importer(request, name)
    held = get_object_or_404(ImportBatch.objects.select_related("account"), pk=number, importer=name)
    table = _table(importer)(request, ImportRow.objects.filter(batch=held))
    found = imports.counts(held)
    context: dict[str, Any] = {
        "title": held.filename,
        "breadcrumbs": [(importer.title, reverse("web:import", args=[name]))],
        "importer": importer,
        "batch": held,
        "figures": [
            (state.label, found[state], TONES.get(state, "")) for state in RowState if state in found
        ],
        "ready": found.get(RowState.READY, 0),
        "done": found.get(RowState.DONE, 0),
    }
    return table.respond("web/import_batch.html", context)


@require_POST
@access.requires()
def carry_out(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Carry out the rows that are ready; a long file goes on with the next press of the button."""
    importer = _importer(request, name)
    held = get_object_or_404(ImportBatch, pk=number, importer=name)
    left = imports.apply(access.principal(request), importer, held)
    done = imports.counts(held).get(RowState.DONE, 0)
    here = reverse("web:import-batch", args=[name, number])
    if left:
        messages.info(
            request, ngettext("%(count)s row is left.", "%(count)s rows are left.", left) % {"count": left}
        )
    else:
        text = ngettext("%(count)s row is imported.", "%(count)s rows are imported.", done) % {"count": done}
        undo.offer(request, text, reverse("web:import-undo", args=[name, number]))
    return HttpResponseRedirect(here)


@require_POST
@access.requires()
def take_back(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Undo what was carried out."""
    importer = _importer(request, name)
    held = get_object_or_404(ImportBatch, pk=number, importer=name)
    if asked := confirm.needed(
        request, _("Take back every row that this file wrote?"), action=_("Take back")
    ):
        return asked
    left = imports.undo(access.principal(request), importer, held)
    if left:
        messages.info(
            request, ngettext("%(count)s row is left.", "%(count)s rows are left.", left) % {"count": left}
        )
    else:
        messages.success(request, _("The import is undone."))
    return HttpResponseRedirect(reverse("web:import-batch", args=[name, number]))
