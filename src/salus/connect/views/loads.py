"""The pages of loads: listed, uploaded with a preview, undone."""

import secrets
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.connect import tasks
from salus.connect.loading import Preview, load_file, preview_file
from salus.connect.models import Load, SourceSystem, Via
from salus.connect.reasons import reason_title
from salus.connect.undoing import undo_load
from salus.connect.views.tables import LoadTable
from salus.kernel.errors import SalusError
from salus.kernel.models import Account
from salus.web import access, confirm

LARGEST_UPLOAD = 200 * 1024 * 1024
_AT_ONCE_BYTES = 2 * 1024 * 1024
_AT_ONCE_MESSAGES = 500
_PREVIEWED = 500


@access.may("search", "message")
def show(request: HttpRequest) -> HttpResponseBase:
    """List the loads."""
    rows = Load.objects.select_related("source")
    return LoadTable(request, rows).respond("connect/loads.html", {"title": _("Loads")})


@access.may("read", "message")
def page(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show one load: how far it is, its counts, and what undoing it did."""
    load = get_object_or_404(Load.objects.select_related("source", "started_by"), pk=number)
    context = {
        "title": load.name,
        "breadcrumbs": [(_("Loads"), reverse("connect:loads"))],
        "load": load,
        "undoable": load.state in {Load.State.DONE, Load.State.FAILED, Load.State.UNDOING},
        "going_on": load.state in {Load.State.RUNNING, Load.State.UNDOING},
        "share": round(100 * load.done_bytes / load.size) if load.size else None,
    }
    return render(request, "connect/load.html", context)


class UploadForm(forms.Form):
    """A file of a source."""

    source = forms.ModelChoiceField(
        SourceSystem.objects.filter(active=True), label=gettext_lazy("Source"), to_field_name="code"
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "FHIR JSON or NDJSON, HL7 v2, CSV or Excel with the source's mapping, CDA, zip."
        ),
    )


def _uploads() -> Path:
    folder = Path(settings.DATA_DIR) / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@access.may("create", "message")
def upload(request: HttpRequest) -> HttpResponseBase:
    """Take a file and show, before anything is stored, what loading it would do."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data["file"]
        if given.size > LARGEST_UPLOAD:
            form.add_error("file", _("The file is too large to upload; load it with salus load."))
        else:
            token = secrets.token_hex(16)
            with (_uploads() / token).open("wb") as target:
                for chunk in given.chunks():
                    target.write(chunk)
            kept = request.session.setdefault("connect-uploads", {})
            kept[token] = {"source": form.cleaned_data["source"].pk, "name": Path(given.name).name[:200]}
            request.session.modified = True
            return HttpResponseRedirect(reverse("connect:preview", args=[token]))
    context: dict[str, Any] = {
        "title": _("Load a file"),
        "breadcrumbs": [(_("Loads"), reverse("connect:loads"))],
        "form": form,
        "label": _("Preview"),
    }
    return render(request, "web/form_page.html", context, status=422 if form.errors else 200)


def _uploaded(request: HttpRequest, token: str) -> tuple[SourceSystem, Path, str]:
    """Return source, place and name of a file that this reader uploaded; raises BadRequest otherwise."""
    kept = request.session.get("connect-uploads", {}).get(token)
    place = _uploads() / token
    if kept is None or not token.isalnum() or not place.is_file():
        raise BadRequest("the upload is not there any more")
    return get_object_or_404(SourceSystem, pk=kept["source"]), place, kept["name"]


@access.may("create", "message")
def preview(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show row by row what loading an uploaded file would do."""
    source, place, name = _uploaded(request, token)
    failure, seen = "", None
    try:
        seen = preview_file(source, place, name=name, limit=_PREVIEWED)
    except SalusError as fault:
        failure = str(fault)
    context = {
        "title": _("Preview"),
        "breadcrumbs": [(_("Loads"), reverse("connect:loads"))],
        "source": source,
        "name": name,
        "token": token,
        "failure": failure,
        "preview": seen,
        "counts": _counts(seen),
        "reasons": [(reason_title(code), n) for code, n in seen.reasons.most_common()] if seen else [],
        "rows": [(position, receipt, reason_title(receipt.code)) for position, receipt in seen.rows]
        if seen
        else [],
    }
    return render(request, "connect/preview.html", context)


def _counts(seen: Preview | None) -> dict[str, int]:
    return {name: seen.counts[name] if seen else 0 for name in ("stored", "repeated", "dead")}


@require_POST
@access.may("create", "message")
def carry_out(request: HttpRequest, token: str) -> HttpResponseBase:
    """Load an uploaded file: a small one at once, a large one by a worker."""
    source, place, name = _uploaded(request, token)
    account_id = access.principal(request).account_id or 0
    request.session["connect-uploads"].pop(token, None)
    request.session.modified = True
    if place.stat().st_size > _AT_ONCE_BYTES:
        tasks.load_upload.enqueue(source.pk, str(place), name, account_id)
        messages.success(request, _("The file was handed to a worker; its load appears here when it begins."))
        return HttpResponseRedirect(reverse("connect:loads"))
    try:
        account = Account.objects.get(pk=account_id)
        load = load_file(source, place, via=Via.PAGE, name=name, started_by=account)
    finally:
        place.unlink(missing_ok=True)
    return HttpResponseRedirect(reverse("connect:load", args=[load.pk]))


@require_POST
@access.may("update", "message")
def undo(request: HttpRequest, number: int) -> HttpResponseBase:
    """Undo a load: a small one at once, a large one by a worker."""
    load = get_object_or_404(Load, pk=number)
    question = _("Take back everything that this load wrote? What later messages changed stays.")
    if (asked := confirm.needed(request, question, action=_("Undo"))) is not None:
        return asked
    actor = access.principal(request).name
    try:
        if load.stored > _AT_ONCE_MESSAGES:
            tasks.undo.enqueue(load.pk, actor)
            messages.success(request, _("The undoing was handed to a worker."))
        else:
            report = undo_load(load, actor=actor)
            messages.success(
                request,
                _(
                    "%(messages)s messages undone; "
                    "%(kept)s resources stay because something later changed them."
                )
                % {"messages": report.messages, "kept": len(report.kept)},
            )
    except SalusError as fault:
        messages.error(request, str(fault))
    return HttpResponseRedirect(reverse("connect:load", args=[number]))
