"""The pages of source systems: the register with the flow, one source, its mapping and credentials."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from salus.connect import queries, sources
from salus.connect.models import FlowCount, SourceCredential, SourceSystem
from salus.connect.views.tables import SourceTable
from salus.kernel.errors import SalusError
from salus.web import access, confirm
from salus.web.templatetags.salus import name_in_language

_DAYS_SHOWN = 14


def _total(name: str) -> Any:
    sums = (
        FlowCount.objects.filter(source=OuterRef("pk")).order_by().values("source").annotate(total=Sum(name))
    )
    return Coalesce(Subquery(sums.values("total")), 0)


@access.may("search", "source")
def show(request: HttpRequest) -> HttpResponseBase:
    """List the sources and show that every message that came is accounted for."""
    names = ("received", "stored", "repeated", "dead")
    rows = SourceSystem.objects.select_related("institution").annotate(
        **{name: _total(name) for name in names}
    )
    context = {"title": _("Sources and message flow"), "flow": queries.flow()}
    return SourceTable(request, rows).respond("connect/sources.html", context)


class MappingForm(forms.Form):
    """A source's mapping."""

    mapping = forms.CharField(
        label=gettext_lazy("Mapping (TOML)"),
        help_text=gettext_lazy(
            "The language is described in docs/connect.md. A change is kept as a new revision."
        ),
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "code"}),
        strip=False,
        required=False,
    )
    note = forms.CharField(label=gettext_lazy("What changed"), max_length=300, required=False)


@access.may("read", "source")
def page(request: HttpRequest, code: str) -> HttpResponseBase:
    """Show one source: facts, flow by day, credentials, mapping and pulls."""
    source = get_object_or_404(SourceSystem.objects.select_related("institution"), code=code)
    rate = queries.error_rate(source)
    context = {
        "title": name_in_language(source),
        "breadcrumbs": [(_("Sources"), reverse("connect:sources"))],
        "source": source,
        "flow": queries.flow(source),
        "days": source.flow.order_by("-day")[:_DAYS_SHOWN],
        "rate": None if rate is None else f"{rate * 100:.2f} %",
        "rate_high": rate is not None and rate > source.error_rate_limit,
        "credentials": source.credentials.select_related("made_by"),
        "revisions": source.mapping_revisions.select_related("made_by")[:20],
        "pulls": source.pulls.order_by("name"),
        "tabular": source.format in {"csv", "excel", "database"} or bool(source.mapping),
    }
    return render(request, "connect/source.html", context)


@access.may("update", "source")
def mapping(request: HttpRequest, code: str) -> HttpResponseBase:
    """Change a source's mapping; a mapping with a fault is refused with its place."""
    source = get_object_or_404(SourceSystem, code=code)
    form = MappingForm(request.POST or None, initial={"mapping": source.mapping})
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["mapping"].replace("\r\n", "\n")
        try:
            account = access.principal(request).account_id
            changed = sources.set_mapping(source, text, note=form.cleaned_data["note"], account_id=account)
        except SalusError as fault:
            form.add_error("mapping", str(fault))
        else:
            messages.success(request, _("The mapping was changed.") if changed else _("Nothing was changed."))
            return HttpResponseRedirect(reverse("connect:source", args=[code]))
    context = {
        "title": _("Mapping"),
        "breadcrumbs": [
            (_("Sources"), reverse("connect:sources")),
            (source.name, reverse("connect:source", args=[code])),
        ],
        "form": form,
        "source": source,
    }
    return render(request, "connect/mapping.html", context, status=422 if form.errors else 200)


@require_POST
@access.may("update", "source")
def issue(request: HttpRequest, code: str) -> HttpResponseBase:
    """Make a bearer token and show it, once."""
    source = get_object_or_404(SourceSystem, code=code)
    replaced = SourceCredential.objects.filter(source=source, pk=request.POST.get("replaces") or 0).first()
    _credential, secret = sources.issue_token(
        source,
        label=request.POST.get("label", "")[:100],
        scopes="system/*.cruds",
        replaces=replaced,
        account_id=access.principal(request).account_id,
    )
    context = {
        "title": _("New token"),
        "breadcrumbs": [
            (_("Sources"), reverse("connect:sources")),
            (source.name, reverse("connect:source", args=[code])),
        ],
        "secret": secret,
        "source": source,
        "replaced": replaced,
    }
    answer = render(request, "connect/token.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@access.may("update", "source")
def revoke(request: HttpRequest, code: str, number: int) -> HttpResponseBase:
    """End a credential."""
    credential = get_object_or_404(SourceCredential, pk=number, source__code=code)
    if (
        asked := confirm.needed(request, _("End this credential now? Its sender will be refused."))
    ) is not None:
        return asked
    sources.revoke(credential)
    messages.success(request, _("The credential has ended."))
    return HttpResponseRedirect(reverse("connect:source", args=[code]))


def stored_words(count: int) -> str:
    """Return how many messages were stored, in words."""
    return ngettext("%(count)s message was stored.", "%(count)s messages were stored.", count) % {
        "count": count
    }
