"""One resource: its versions, who sent each, its content as stored, and the correction of a field."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from salus.kernel import audit, policy
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal, Target
from salus.record import correction, json, sensitive, store, timeline, words
from salus.record.pages.resident_asker import asker
from salus.record.rules.r4 import kinds
from salus.record.store import Stored
from salus.web import access

VERSIONS = 100
READERS = ("resident", "village_doctor", "clinician", "epidemiologist")


class CorrectionForm(forms.Form):
    """Which value is wrong, what it should be, and why."""

    field = forms.ChoiceField(label=gettext_lazy("Field"))
    value = forms.CharField(label=gettext_lazy("Correct value"), max_length=2000)
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        min_length=correction.REASON,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The reason is kept with the correction and shown to the resident."),
    )

    def __init__(self, *args: Any, leaves: list[correction.Leaf], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = [(one.pointer, f"{one.path}: {str(one.value)[:60]}") for one in leaves]
        self.fields["field"].choices = shown  # type: ignore[attr-defined]  # a ChoiceField has choices


@access.requires(*READERS)
@require_GET
def show(request: HttpRequest, type: str, id: str) -> HttpResponseBase:
    """Show a version of a resource and the list of all versions."""
    principal, stored = _open(request, type, id, "read")
    with connection.cursor() as cursor:
        versions = store.history(cursor, type, id, limit=VERSIONS)
    versions = [
        one for one in versions if one.deleted or policy.decide(principal, "history", _target(one)).allowed
    ]
    asked = request.GET.get("version", "")
    shown = next((one for one in versions if str(one.version) == asked), versions[0] if versions else stored)
    previous = next((one for one in versions if one.version == shown.version - 1), None)
    context = {
        "title": _title(stored),
        "type": type,
        "breadcrumbs": _trail(stored),
        "stored": stored,
        "shown": shown,
        "text": _pretty(shown),
        "said": _said(shown),
        "changed": _changed(previous, shown),
        "versions": [_line(one) for one in versions],
        "more": len(versions) == VERSIONS,
        "correctable": correction.may_correct(principal, stored),
    }
    return render(request, "record/resource.html", context)


@access.requires("village_doctor", "clinician")
@require_http_methods(["GET", "POST"])
def correct(request: HttpRequest, type: str, id: str) -> HttpResponseBase:
    """Ask for a correction and write it as a new version with its provenance."""
    principal, stored = _open(request, type, id, "correct")
    leaves = correction.leaves(json.loads(stored.body))
    form = CorrectionForm(request.POST or None, leaves=leaves)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            correction.correct(
                principal, stored, given["field"], given["value"], given["reason"], now=timezone.now()
            )
        except SalusError as error:
            where = error.where if error.where in form.fields else None
            form.add_error(where, _(error.message))
        else:
            messages.success(request, _("The correction is stored as a new version."))
            return HttpResponseRedirect(reverse("record:resource", args=[type, id]))
    context = {
        "title": _("Correct a field"),
        "breadcrumbs": [
            *_trail(stored),
            (_title(stored), reverse("record:resource", args=[type, id])),
        ],
        "form": form,
        "label": _("Store the correction"),
    }
    return render(request, "web/form_page.html", context)


def _open(request: HttpRequest, type: str, id: str, action: str) -> tuple[Principal, Stored]:
    """Return the asker and the resource if the policy allows it, and leave the audit row; else Http404."""
    principal = asker(request)
    if type not in kinds():
        raise Http404
    with connection.cursor() as cursor:
        stored = store.read(cursor, type, id)
    if stored is None:
        raise Http404
    decision = policy.decide(principal, action, _target(stored))
    audit.record(
        [
            audit.entry(
                principal,
                "read",
                person_id=stored.person_id,
                resource_type=type,
                resource_id=id,
                outcome="ok" if decision.allowed else "refused",
                detail={"page": "resource"},
                break_glass="break_glass" in decision.flags,
            )
        ]
    )
    if not decision.allowed or (stored.deleted and action != "read"):
        raise Http404
    return principal, stored


def _target(stored: Stored) -> Target:
    return Target(
        "resource",
        person_id=stored.person_id,
        resource_type=stored.type,
        source_id=stored.source_id,
        categories=sensitive.categories(stored.type, stored.body),
        rid=stored.rid,
    )


def _title(stored: Stored) -> str:
    """Return what the resource is called: what it says, or its type and the beginning of its id."""
    said = "" if stored.deleted else timeline.title_of(stored)
    return said or f"{words.type_title(stored.type)} {stored.id[:12]}"


def _trail(stored: Stored) -> list[tuple[str, str]]:
    if stored.person_id is None:
        return []
    return [(_("Record"), reverse("record:resident", args=[stored.person_id]))]


def _pretty(one: Stored) -> str:
    if one.deleted:
        return ""
    return json.dumps(json.loads(one.body), indent=True).decode()


def _said(one: Stored) -> list[correction.Leaf]:
    """Return the values that people read; what the platform keeps of its own stands in the resource."""
    if one.deleted:
        return []
    return correction.leaves(json.loads(one.body))[:300]


def _line(one: Stored) -> dict[str, Any]:
    return {
        "version": one.version,
        "at": datetime.fromtimestamp(one.updated / 1_000_000, UTC),
        "institution": timeline.institution_of(one.source_id)[0],
        "source_id": one.source_id,
        "deleted": one.deleted,
    }


def _changed(previous: Stored | None, shown: Stored) -> list[tuple[str, str, str]]:
    """Return path, value before and value after of what the shown version changed."""
    if previous is None or previous.deleted or shown.deleted:
        return []
    before, after = (
        {leaf.path: str(leaf.value) for leaf in correction.leaves(json.loads(one.body))}
        for one in (previous, shown)
    )
    paths = dict.fromkeys([*before, *after])
    return [
        (path, before.get(path, "–"), after.get(path, "–"))
        for path in paths
        if before.get(path) != after.get(path)
    ][:100]
