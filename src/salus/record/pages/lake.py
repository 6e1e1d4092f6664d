"""Pages of the lake: its tables, one table's columns and completeness, and copies for research."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.kernel import audit, policy
from salus.kernel.errors import NotFound, SalusError
from salus.record.models import CopyState, ResearchCopy
from salus.web import confirm
from salus.web.access import may, principal
from salus.web.tables import ChoiceFilter, Column, ListRows, Table

TONES = {
    CopyState.READY: "ok",
    CopyState.FAILED: "bad",
    CopyState.WAITING: "info",
    CopyState.RUNNING: "info",
    CopyState.DELETED: "",
}
KINDS = {
    "build": gettext_lazy("Built from the start"),
    "refresh": gettext_lazy("Refreshed"),
    "fold": gettext_lazy("Compacted"),
    "merge": gettext_lazy("Small files merged"),
}
LEVELS = {
    "0": gettext_lazy("five years of birth, district"),
    "1": gettext_lazy("ten years of birth, district"),
    "2": gettext_lazy("ten years of birth, city"),
    "3": gettext_lazy("twenty years of birth, city"),
}


def instant(micros: int) -> datetime:
    """Return microseconds since 1970 UTC as a moment."""
    return datetime.fromtimestamp(micros / 1e6, tz=UTC)


class LakeTables(Table):
    """The tables of the lake."""

    name = "lake-tables"
    caption = gettext_lazy("Tables")
    default_sort = "name"
    search = ("name", "about")
    empty_title = gettext_lazy("There are no tables yet")
    empty_text = gettext_lazy("The worker builds them from the record within five minutes.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Table"),
            kind="code",
            sort="name",
            link=lambda row: reverse("record:lake-table", args=[row["name"]]),
        ),
        Column("about", gettext_lazy("What a row is"), wide=True),
        Column("resource", gettext_lazy("Made of"), sort="resource"),
        Column("rows", gettext_lazy("Row versions"), kind="number", sort="rows"),
        Column("megabytes", gettext_lazy("MB"), kind="number", sort="megabytes"),
        Column("files", gettext_lazy("Files"), kind="number", sort="files", optional=True),
        Column("fresh", gettext_lazy("As of"), kind="second", sort="fresh"),
        Column("refused", gettext_lazy("Not readable"), kind="number", sort="refused", optional=True),
    )


@may("read", "lake")
@require_GET
def tables(request: HttpRequest) -> HttpResponseBase:
    """List the tables with their rows, size and freshness."""
    from salus.record.lake import queries

    manifest = queries.present()
    fresh = instant(manifest.read_at) if manifest else None
    rows = [
        {
            "name": table.name,
            "about": table.description,
            "resource": table.resource_type,
            "rows": table.rows,
            "megabytes": round(table.bytes / 1e6, 2),
            "files": len(table.files),
            "fresh": fresh,
            "refused": table.refused,
        }
        for table in (manifest.tables.values() if manifest else ())
    ]
    context = {
        "title": _("Tables"),
        "manifest": manifest,
        "fresh": fresh,
        "research": policy.permits(principal(request), "read", "research_export"),
    }
    return LakeTables(request, ListRows(rows, key="name")).respond("record/lake_tables.html", context)


class LakeColumns(Table):
    """The columns of one table."""

    name = "lake-columns"
    caption = gettext_lazy("Columns")
    search = ("name", "about")
    columns: ClassVar = (
        Column("name", gettext_lazy("Column"), kind="code", sort="name"),
        Column("type", gettext_lazy("Type"), kind="code"),
        Column("fhir_type", gettext_lazy("FHIR type"), kind="code", optional=True),
        Column("filled", gettext_lazy("Filled (%)"), kind="number", sort="filled"),
        Column("about", gettext_lazy("What it is"), wide=True),
    )


@may("read", "lake")
@require_GET
def table(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show one table: columns with types and completeness, sources, refreshes."""
    from salus.record.lake import quality, queries

    manifest = queries.present()
    if manifest is None or name not in manifest.tables:
        raise Http404
    one = manifest.tables[name]
    report = quality.latest() or {}
    sources = report.get("tables", {}).get(name, [])
    rows = sum(source["rows"] for source in sources)
    filled = {
        column.name: sum(source["filled"].get(column.name, 0) for source in sources) for column in one.columns
    }
    columns = [
        {
            "name": column.name,
            "type": column.type.lower(),
            "fhir_type": column.fhir_type,
            "filled": round(100 * filled[column.name] / rows, 1) if rows else None,
            "about": column.description,
        }
        for column in one.columns
    ]
    runs = [
        (instant(run.at), _kind(run.kind), run.lines, run.rows.get(name, 0), run.seconds)
        for run in reversed(manifest.runs)
        if name in run.rows or name in run.rebuilt or run.kind.endswith(f" {one.resource_type}")
    ]
    context = {
        "title": name,
        "breadcrumbs": [(_("Tables"), reverse("record:lake-tables"))],
        "one": one,
        "fresh": instant(manifest.read_at),
        "measured": instant(report["read_at"]) if report else None,
        "sources": [_source(source) for source in sources],
        "delays": [line for line in report.get("timeliness", []) if line["table_name"] == name][-24:],
        "runs": runs[:20],
    }
    return LakeColumns(request, ListRows(columns, key="name")).respond("record/lake_table.html", context)


def _kind(kind: str) -> Any:
    return KINDS.get(kind.partition(" ")[0], kind)


def _source(source: dict[str, Any]) -> dict[str, Any]:
    cells = source["rows"] * len(source["filled"])
    share = round(100 * sum(source["filled"].values()) / cells, 1) if cells else None
    return {"source": source["source"], "rows": source["rows"], "persons": source["persons"], "share": share}


class Copies(Table):
    """The copies for research."""

    name = "research-copies"
    caption = gettext_lazy("Copies for research")
    default_sort = "-asked"
    search = ("project", "title", "basis")
    empty_title = gettext_lazy("No copy was asked for yet")
    empty_text = gettext_lazy("A copy holds pseudonyms instead of persons, and only groups of at least k.")
    columns: ClassVar = (
        Column(
            "id",
            gettext_lazy("Copy"),
            kind="code",
            sort="id",
            link=lambda row: reverse("record:research-copy", args=[row.pk]),
        ),
        Column("project", gettext_lazy("Study"), kind="code", sort="project"),
        Column("title", gettext_lazy("Title"), wide=True),
        Column(
            "state",
            gettext_lazy("State"),
            value=lambda row: row.get_state_display(),
            tone=lambda row: TONES[row.state],
            sort="state",
        ),
        Column(
            "persons", gettext_lazy("Persons"), kind="number", value=lambda row: row.report.get("persons")
        ),
        Column("k", gettext_lazy("Least group"), kind="number", sort="k"),
        Column("asked_by", gettext_lazy("Asked by"), sort="asked_by"),
        Column("asked", gettext_lazy("Asked on"), kind="moment", sort="asked"),
    )
    filters: ClassVar = (ChoiceFilter("state", gettext_lazy("State"), tuple(CopyState.choices)),)


@may("read", "research_export")
@require_GET
def copies(request: HttpRequest) -> HttpResponseBase:
    """List the copies for research."""
    context = {
        "title": _("Copies for research"),
        "breadcrumbs": [(_("Tables"), reverse("record:lake-tables"))],
        "may_ask": policy.permits(principal(request), "create", "research_export"),
    }
    return Copies(request, ResearchCopy.objects.all()).respond("record/research.html", context)


class AskForm(forms.Form):
    """What a copy for research is asked for with."""

    project = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]{1,39}$",
        label=gettext_lazy("Study"),
        help_text=gettext_lazy(
            "Small letters, digits and hyphens. All copies of a study share its pseudonyms."
        ),
    )
    title = forms.CharField(label=gettext_lazy("Title"), min_length=5, max_length=200)
    basis = forms.CharField(
        label=gettext_lazy("Ethics approval"),
        min_length=5,
        max_length=120,
        help_text=gettext_lazy("The number of the ethics committee's approval."),
    )
    tables = forms.MultipleChoiceField(
        label=gettext_lazy("Tables"),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Only those that the study needs. Patients are always part of a copy."),
    )
    as_of = forms.DateField(
        label=gettext_lazy("As of"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("The record as it stood at the end of that day; today if empty."),
    )
    k = forms.IntegerField(
        label=gettext_lazy("Least group"),
        min_value=2,
        max_value=1000,
        initial=5,
        help_text=gettext_lazy("How many persons must share sex, years of birth and district."),
    )


@may("create", "research_export")
def ask(request: HttpRequest) -> HttpResponse:
    """Take the request for a copy; the worker makes it."""
    from salus.record.lake.research import columns, services

    form = AskForm(request.POST or None)
    form.fields["tables"].choices = [(n, n) for n in columns.tables() if n != "patient"]  # type: ignore[attr-defined]
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        try:
            made = services.ask(
                principal(request), asked["project"], title=asked["title"], basis=asked["basis"],
                tables=("patient", *asked["tables"]), as_of=asked["as_of"], k=asked["k"],
            )  # fmt: skip
        except SalusError as error:
            form.add_error(None, _(error.message))
        else:
            messages.success(request, _("The copy is asked for; it is made within a few minutes."))
            return HttpResponseRedirect(reverse("record:research-copy", args=[made.pk]))
    context = {
        "title": _("Ask for a copy for research"),
        "breadcrumbs": [
            (_("Tables"), reverse("record:lake-tables")),
            (_("Copies for research"), reverse("record:research")),
        ],
        "form": form,
        "label": _("Ask for the copy"),
    }
    return render(request, "web/form_page.html", context)


@may("read", "research_export")
@require_GET
def copy(request: HttpRequest, number: int) -> HttpResponse:
    """Show one copy: what it holds, how private it is, its files."""
    made = get_object_or_404(ResearchCopy, pk=number)
    report = made.report
    context = {
        "title": _("Copy %(number)d of %(project)s") % {"number": made.pk, "project": made.project},
        "breadcrumbs": [
            (_("Tables"), reverse("record:lake-tables")),
            (_("Copies for research"), reverse("record:research")),
        ],
        "made": made,
        "tone": TONES[CopyState(made.state)],
        "ready": made.state == CopyState.READY,
        "report": report,
        "levels": [
            (LEVELS.get(level, level), groups, report["persons_by_level"].get(level, 0))
            for level, groups in sorted(report.get("groups", {}).items())
        ],
        "rows": sorted(report.get("rows", {}).items()),
        "withheld": sorted(report.get("withheld_values", {}).items()),
        "may_delete": made.state != CopyState.DELETED
        and policy.permits(principal(request), "delete", "research_export"),
        "may_take": policy.permits(principal(request), "create", "research_export"),
    }
    return render(request, "record/research_copy.html", context)


@may("create", "research_export")
@require_GET
def file(request: HttpRequest, number: int, name: str) -> HttpResponseBase:
    """Give one table of a copy as a Parquet file; each is an audit row."""
    from salus.record.lake.research import services

    made = get_object_or_404(ResearchCopy, pk=number, state=CopyState.READY)
    path = services.folder_of(made) / f"{name}.parquet"
    if name not in made.report.get("rows", {}) or not path.is_file():
        raise Http404
    asker = principal(request).with_purpose("HRESCH")
    detail = {"project": made.project, "table": name, "rows": made.report["rows"][name]}
    audit.record(
        [audit.entry(asker, "export", resource_type="ResearchCopy", resource_id=str(made.pk), detail=detail)]
    )
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=f"{made.project}-{made.pk}-{name}.parquet"
    )


@may("delete", "research_export")
@require_POST
def delete(request: HttpRequest, number: int) -> HttpResponse:
    """Delete a copy's files."""
    from salus.record.lake.research import services

    question = _("Delete the files of this copy? It can be made again from the same study.")
    if page := confirm.needed(request, question, action=_("Delete")):
        return page
    try:
        services.delete(principal(request), number)
    except NotFound:
        raise Http404 from None
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The copy's files are deleted."))
    return HttpResponseRedirect(reverse("record:research-copy", args=[number]))
