"""The line list: every case that the reader may see, searched, sorted, filtered, exported, joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from salus.kernel import audit, names
from salus.kernel.errors import SalusError
from salus.kernel.policy import Principal, permits
from salus.prevention.models import Case, CaseOrigin, CaseStatus
from salus.prevention.pages.notifiable import words
from salus.prevention.queries.notifiable import diseases as known
from salus.prevention.queries.notifiable import seeing
from salus.prevention.services.notifiable import outbreaks
from salus.web import access
from salus.web.tables import BulkAction, ChoiceFilter, Column, DateFilter, Table
from salus.web.tables.filters import Filter
from salus.web.tables.rows import Asked, QuerySetRows


def _reporting(queryset: Any, value: str) -> Any:
    now = timezone.now()
    match value:
        case "overdue":
            return queryset.filter(reported_at=None, due_at__lt=now)
        case "owed":
            return queryset.filter(reported_at=None, due_at__gte=now)
        case "late":
            return queryset.filter(reported_at__gt=F("due_at"))
        case _:
            return queryset.filter(reported_at__lte=F("due_at"))


def _districts() -> list[tuple[str, str]]:
    return sorted(names.districts().items(), key=lambda pair: pair[0])


def _together(request: HttpRequest, rows: Any) -> str:
    """Open an outbreak with the cases chosen."""
    chosen = list(rows.values_list("pk", "disease", "district_code", "first_day")[:2001])
    found = {disease for _pk, disease, _district, _day in chosen}
    if len(found) != 1 or len(chosen) > 2000:
        return _("An outbreak is of one disease, with 2,000 cases at most to begin with. Nothing was done.")
    disease = found.pop()
    districts = {district for _pk, _disease, district, _day in chosen}
    first = min(day for *_rest, day in chosen)
    title = _("%(disease)s, %(day)s") % {"disease": known.disease_name(disease), "day": first.isoformat()}
    try:
        outbreaks.open_outbreak(
            access.principal(request), title, disease, timezone.localdate(), now=timezone.now(),
            district_code=districts.pop() if len(districts) == 1 else "", cases=[one[0] for one in chosen],
        )  # fmt: skip
    except SalusError as error:
        return _(error.message)
    return ngettext(
        "An outbreak was opened with %(n)d case.", "An outbreak was opened with %(n)d cases.", len(chosen)
    ) % {"n": len(chosen)}


class CaseRows(QuerySetRows):
    """Cases with their district's name; each resident whom a page names gets an audit row."""

    asker: Principal

    def page(self, asked: Asked, offset: int, size: int) -> Sequence[Any]:
        """Return a page, noted in the audit."""
        rows = list(self._named(super().page(asked, offset, size)))
        entries = [
            audit.entry(
                self.asker, "read", person_id=row.person_id, resource_type="NotifiableCase",
                resource_id=str(row.pk), detail={"page": "list"},
            )
            for row in rows
        ]  # fmt: skip
        if entries:
            audit.record(entries)
        return rows

    def every(self, asked: Asked) -> Iterator[Any]:
        """Return all matching rows; the export as a whole is in the audit."""
        return iter(self._named(super().every(asked)))

    def _named(self, rows: Iterable[Any]) -> Any:
        known_names = names.districts()

        def with_name(row: Any) -> Any:
            row.district_shown = known_names.get(row.district_code, row.district_code)
            return row

        return [with_name(row) for row in rows] if isinstance(rows, list) else map(with_name, rows)


class LineList(Table):
    """Cases, the newest first."""

    def __init__(self, request: HttpRequest, rows: QuerySet[Case], **context: Any) -> None:
        """Bind the list to a request and the cases that its reader may see."""
        super().__init__(request, rows, **context)
        found = CaseRows(rows, search=self.search, apply=self._filtered)
        found.asker = access.principal(request)
        self.rows = found

    name = "cases"
    caption = gettext_lazy("Line list")
    default_sort = "-first_day"
    private = True
    search = ("name", "external_id")
    search_label = gettext_lazy("Name or the sender's number")
    empty_title = gettext_lazy("There are no cases")
    empty_text = gettext_lazy("Cases arise from diagnoses, tests and deaths of the record, and by report.")
    columns: ClassVar[Sequence[Column]] = (
        Column(
            "id", gettext_lazy("Case"), kind="code", sort="id",
            link=lambda row: reverse("prevention:case", args=[row.pk]),
        ),
        Column("disease", gettext_lazy("Disease"), sort="disease", wide=True,
               value=lambda row: known.disease_name(row.disease)),
        Column("status", gettext_lazy("Status"), sort="status", value=lambda row: row.get_status_display(),
               tone=lambda row: words.TONES.get(row.status, "")),
        Column("name", gettext_lazy("Name"), sort="name"),
        Column("sex", gettext_lazy("Sex"), value=lambda row: words.SEXES.get(row.sex, "")),
        Column("age", gettext_lazy("Age"), value=words.age_shown),
        Column("district_code", gettext_lazy("District"), sort="district_code",
               value=lambda row: row.district_shown),
        Column("institution", gettext_lazy("Institution"), sort="institution__name",
               value=words.institution_name),
        Column("first_day", gettext_lazy("First day"), kind="day", sort="first_day"),
        Column("reporting", gettext_lazy("Report"), sort="due_at",
               value=lambda row: words.reporting_state(row, timezone.now())[0],
               tone=lambda row: words.reporting_state(row, timezone.now())[1]),
        Column("diagnosed_at", gettext_lazy("Diagnosed"), kind="moment", sort="diagnosed_at", optional=True),
        Column("due_at", gettext_lazy("Report due"), kind="moment", sort="due_at", optional=True),
        Column("reported_at", gettext_lazy("Reported"), kind="moment", sort="reported_at", optional=True),
        Column("outcome", gettext_lazy("Outcome"), sort="outcome", optional=True,
               value=lambda row: row.get_outcome_display() if row.outcome else ""),
        Column("origin", gettext_lazy("Known from"), sort="origin", optional=True,
               value=lambda row: row.get_origin_display()),
        Column("place_infected", gettext_lazy("Place of infection"), sort="place_infected", optional=True),
        Column("outbreak_id", gettext_lazy("Outbreak"), kind="code", sort="outbreak_id", optional=True),
        Column("external_id", gettext_lazy("Sender's number"), kind="code", optional=True),
    )  # fmt: skip
    filters: ClassVar[Sequence[Filter]] = (
        ChoiceFilter("disease", gettext_lazy("Disease"), known.choices),
        ChoiceFilter("status", gettext_lazy("Status"), tuple(CaseStatus.choices)),
        ChoiceFilter(
            "reporting", gettext_lazy("Report"),
            (("overdue", gettext_lazy("Overdue")), ("owed", gettext_lazy("Owed")),
             ("late", gettext_lazy("Late")), ("timely", gettext_lazy("In time"))),
            narrow=_reporting,
        ),
        ChoiceFilter("district", gettext_lazy("District"), _districts, field="district_code"),
        ChoiceFilter("origin", gettext_lazy("Known from"), tuple(CaseOrigin.choices)),
        DateFilter("day", gettext_lazy("Onset or diagnosis"), field="first_day", unit="day"),
    )  # fmt: skip


class OwnList(LineList):
    """The same for an institution's own cases: they are not exported."""

    exports = False


class InvestigatedList(LineList):
    """The same for those who open outbreaks."""

    bulk_actions: ClassVar = (BulkAction("outbreak", gettext_lazy("Open an outbreak with these"), _together),)


@access.may("search", "notifiable_case")
def line_list(request: HttpRequest) -> HttpResponseBase:
    """List the cases that the reader may see; whoever is named on the page is in the audit."""
    asker = access.principal(request)
    exports = permits(asker, "export", "notifiable_case")
    action = "export" if exports and request.GET.get("export") else "search"
    table = table_of(request, seeing.cases(asker, action))
    context = {
        "title": _("Notifiable cases"),
        "reports": permits(asker, "create", "notifiable_case"),
        "exports": exports,
    }
    return table.respond("prevention/notifiable/cases.html", context)


def table_of(request: HttpRequest, rows: QuerySet[Case]) -> LineList:
    """Return the line list over some of the cases, with what this reader may do with them."""
    asker = access.principal(request)
    kind: type[LineList] = InvestigatedList if permits(asker, "create", "outbreak") else LineList
    if not permits(asker, "export", "notifiable_case"):
        kind = OwnList
    return kind(request, rows)
