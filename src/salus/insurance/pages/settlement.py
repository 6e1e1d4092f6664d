"""Pages of settlement by group: the versions, a hospital settlement report, one institution's part."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from salus.insurance.models import (
    Clearing,
    GroupMethod,
    PublicationState,
    SettlementChange,
    SettlementRun,
)
from salus.insurance.pages import readers
from salus.insurance.queries import settlement as queries
from salus.insurance.queries.settlement import WITHHELD
from salus.insurance.services import clearing
from salus.insurance.services import settlement as services
from salus.kernel import names, policy
from salus.kernel.errors import NotFound, SalusError
from salus.kernel.models import Institution
from salus.kernel.money import to_yuan
from salus.kernel.policy import Target
from salus.web import access, charts, confirm, undo
from salus.web.charts import Drawing
from salus.web.tables import ChoiceFilter, Column, ListRows, Table

INSURED = (("employee", gettext_lazy("Employees")), ("resident", gettext_lazy("Residents")))
TONES = {PublicationState.DRAFT: "info", PublicationState.PUBLISHED: "ok", PublicationState.WITHDRAWN: "warn"}
CHARTED = 12
"""Institutions in a chart: those with the largest differences."""


def cell(value: Any, digits: int | None = None) -> Any:
    """Return a figure as a table shows it: rounded to so many digits, or the word for what is withheld."""
    if value == WITHHELD:
        return _("withheld")
    if isinstance(value, float) and digits is not None:
        return Decimal(str(round(value, digits))).quantize(Decimal(1).scaleb(-digits))
    return value


def yuan(value: Any) -> Any:
    """Return fen as yuan, or the word for what is withheld."""
    return _("withheld") if value == WITHHELD else None if value is None else float(to_yuan(value))


@dataclass(frozen=True, slots=True)
class Yuan(Column):
    """A column of yuan, shown with two decimals; exported as a number."""

    def shown(self, row: Any) -> SafeString | str:
        """Return the cell: the amount with its fen, or the word for what is withheld."""
        value = self.read(row)
        return (
            number_format(value, 2, force_grouping=True)
            if isinstance(value, float)
            else Column.shown(self, row)
        )


def money(fen: Any) -> str:
    """Return fen as yuan with two decimals, grouped, or the word for what is withheld."""
    return _("withheld") if fen == WITHHELD else number_format(to_yuan(fen), 2, force_grouping=True)


def place_name(place: Institution) -> str:
    """Return an institution's name in the reader's language."""
    return names.chosen(place.name, place.name_en)


def insured_title(code: str) -> str:
    """Return the name of an insured group."""
    return str(dict(INSURED).get(code, code))


class RunTable(Table):
    """The settlements that the reader sees."""

    name = "settlements"
    caption = gettext_lazy("Settlements")
    columns: ClassVar = (
        Column(
            "year", gettext_lazy("Year"), kind="code", sort="year",
            link=lambda run: reverse("insurance:settlement", args=[run.pk]),
        ),
        Column("method", gettext_lazy("Method"), sort="method", value=lambda run: run.get_method_display()),
        Column("version", gettext_lazy("Version"), kind="code", sort="version"),
        Column(
            "state", gettext_lazy("State"), sort="state", value=lambda run: run.get_state_display(),
            tone=lambda run: TONES[run.state],
        ),
        Column("cases", gettext_lazy("Cases"), kind="number", sort="cases"),
        Column(
            "parameters", gettext_lazy("Parameters"), wide=True,
            value=lambda run: run.parameters.get("title", ""),
        ),
        Column("recorded_at", gettext_lazy("Recorded"), kind="moment", sort="recorded_at"),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("method", gettext_lazy("Method"), GroupMethod.choices),
        ChoiceFilter("state", gettext_lazy("State"), PublicationState.choices),
    )
    empty_title = gettext_lazy("No year has been settled yet")
    empty_text = gettext_lazy("A settlement appears here when it is recorded.")


class LineTable(Table):
    """What institutions are due, by insured group."""

    name = "settlement-lines"
    caption = gettext_lazy("What institutions are due (yuan)")
    columns: ClassVar = (
        Column(
            "institution",
            gettext_lazy("Institution"),
            sort="institution",
            link=lambda row: row["link"],
            wide=True,
        ),
        Column(
            "insured",
            gettext_lazy("Insured"),
            sort="insured",
            value=lambda row: insured_title(row["insured"]),
        ),
        Column("cases", gettext_lazy("Cases"), kind="number"),
        Yuan("by_item", gettext_lazy("By item"), kind="number"),
        Yuan("by_group", gettext_lazy("By group"), kind="number"),
        Yuan("difference", gettext_lazy("Difference"), kind="number"),
        Yuan("kept", gettext_lazy("Surplus kept"), kind="number", optional=True),
        Yuan("borne", gettext_lazy("Borne by the fund"), kind="number", optional=True),
        Yuan("cut", gettext_lazy("Cut"), kind="number", optional=True),
        Yuan("entitled", gettext_lazy("Due"), kind="number"),
        Yuan("forfeited", gettext_lazy("Deposit lost"), kind="number", optional=True),
        Yuan("monthly", gettext_lazy("Paid monthly"), kind="number", optional=True),
        Yuan("advance", gettext_lazy("Advance"), kind="number", optional=True),
        Yuan("final", gettext_lazy("Final payment"), kind="number"),
    )
    filters: ClassVar = (ChoiceFilter("insured", gettext_lazy("Insured"), INSURED),)
    search_label = gettext_lazy("Institution")


class FigureTable(Table):
    """How institutions or departments compare."""

    name = "settlement-figures"
    prefix = "f-"
    caption = gettext_lazy("How they compare with the city")
    columns: ClassVar = (
        Column("who", gettext_lazy("Institution or department"), sort="who", wide=True),
        Column("cases", gettext_lazy("Cases"), kind="number"),
        Column("groups", gettext_lazy("Groups"), kind="number"),
        Column("weight", gettext_lazy("Total weight"), kind="number"),
        Column("case_mix_index", gettext_lazy("Case-mix index"), kind="number"),
        Column("cost_index", gettext_lazy("Cost index"), kind="number"),
        Column("time_index", gettext_lazy("Time index"), kind="number"),
        Column("outlier_share", gettext_lazy("Outliers (%)"), kind="number"),
        Column("low_risk_mortality", gettext_lazy("Low-risk mortality (%)"), kind="number"),
        Column("readmission_share", gettext_lazy("Readmitted (%)"), kind="number"),
    )
    search_label = gettext_lazy("Institution or department")
    empty_title = gettext_lazy("There are no figures")
    empty_text = gettext_lazy("A settlement by DIP points has none: they need groups with weights.")


@access.requires(*readers.SETTLEMENT)
@require_GET
def settlements(request: HttpRequest) -> HttpResponseBase:
    """List the settlements."""
    found = queries.runs(access.principal(request))
    return RunTable(request, found).respond("insurance/settlements.html", {"title": _("Settlement by group")})


@access.requires(*readers.SETTLEMENT)
@require_GET
def settlement(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show a settlement: budgets, what institutions are due, how they compare."""
    principal = access.principal(request)
    run = _run(request, pk)
    rows = queries.lines(principal, run)
    shown = [_line_row(run, row) for row in rows]
    table = LineTable(request, ListRows(shown, key="row"))
    compared = queries.figures(principal, run)
    figures = FigureTable(request, ListRows([_figure_row(row, _name(row)) for row in compared], key="row"))
    seen = queries.reach(principal)
    context = {
        "title": _title(run),
        "breadcrumbs": [(_("Settlement by group"), reverse("insurance:settlements"))],
        "run": run,
        "tone": TONES[PublicationState(run.state)],
        "pools": _pools(run) if seen.everything else [],
        "changes": run.changes.all() if seen.everything else [],
        "withheld": any(row["cases"] == WITHHELD for row in (*rows, *compared)),
        "may_update": policy.decide(principal, "update", Target("settlement")).allowed,
        "may_book": policy.permits(principal, "create", "fund_payment"),
        "booked": _booked(run) if seen.everything else [],
        "differences": _differences(rows),
        "indices": _indices(compared),
        "figures": figures,
    }
    if request.headers.get("HX-Target") == figures.html_id or request.GET.get("f-export") in ("csv", "xlsx"):
        return figures.respond("insurance/settlement.html", context)
    return table.respond("insurance/settlement.html", context)


@access.requires(*readers.SETTLEMENT)
@require_GET
def institution(request: HttpRequest, pk: int, code: str) -> HttpResponseBase:
    """Show one institution's part of a settlement: months and departments."""
    principal = access.principal(request)
    run = _run(request, pk)
    place = get_object_or_404(Institution, code=code)
    try:
        months = queries.months(principal, run, place)
        rows = queries.figures(principal, run, place)
    except NotFound:
        raise Http404 from None
    name = place_name(place)
    lines = [row for row in queries.lines(principal, run) if row["institution"].pk == place.pk]
    table = FigureTable(request, ListRows([_figure_row(row, row["department"]) for row in rows], key="row"))
    context = {
        "title": name,
        "breadcrumbs": [
            (_("Settlement by group"), reverse("insurance:settlements")),
            (_title(run), reverse("insurance:settlement", args=[run.pk])),
        ],
        "run": run,
        "lines": [_line_texts(row) for row in lines],
        "withheld": any(row["cases"] == WITHHELD for row in (*rows, *months)),
        "months": _months(months),
    }
    return table.respond("insurance/settlement_institution.html", context)


@access.requires("fund_officer")
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Publish a settlement, asking first."""
    run = _run(request, pk)
    question = _("Let institutions see this settlement? A version published before is withdrawn.")
    if page := confirm.needed(request, question, action=_("Publish")):
        return page
    return _changed(
        request, run, lambda: services.publish(access.principal(request), run, now=timezone.now()),
        _("The settlement is published."),
    )  # fmt: skip


@access.requires("fund_officer")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Withdraw a settlement for the reason given."""
    run = _run(request, pk)
    reason = request.POST.get("reason", "")
    return _changed(
        request, run,
        lambda: services.withdraw(access.principal(request), run, reason=reason, now=timezone.now()),
        _("The settlement is withdrawn."),
    )  # fmt: skip


@access.requires("fund_officer")
@require_POST
def undo_change(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take back the last change of a settlement."""
    change = get_object_or_404(SettlementChange, pk=pk)
    run = _run(request, change.run_id)
    try:
        services.undo(access.principal(request), change, now=timezone.now())
        messages.success(request, _("The change was taken back."))
    except SalusError as error:
        messages.error(request, _(error.message))
    return redirect("insurance:settlement", run.pk)


@access.requires("fund_officer")
@require_POST
def book(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Book what a settlement adds to payment by item, asking first."""
    run = _run(request, pk)
    question = _("Book what each institution is due by group less what it got by item? "
                 "The next payments to institutions hold it.")  # fmt: skip
    if page := confirm.needed(request, question, action=_("Book it")):
        return page
    try:
        clearing.book(access.principal(request), run, now=timezone.now())
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        undo.offer(
            request, _("The settlement is booked."), reverse("insurance:settlement-unbook", args=[run.pk])
        )
    return redirect("insurance:settlement", run.pk)


@access.requires("fund_officer")
@require_POST
def unbook(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take the booking of a settlement back."""
    run = _run(request, pk)
    try:
        clearing.take_back(access.principal(request), run, now=timezone.now())
    except SalusError as error:
        messages.error(request, _(error.message))
    else:
        messages.success(request, _("The booking was taken back."))
    return redirect("insurance:settlement", run.pk)


def _booked(run: SettlementRun) -> list[dict[str, Any]]:
    """Return what is booked of a settlement by insured group: to institutions, from them, in payments."""
    sums: dict[str, dict[str, int]] = {}
    for one in Clearing.objects.filter(line__run=run).order_by("fund"):
        mine = sums.setdefault(one.fund, dict.fromkeys(("gives", "takes", "held"), 0))
        mine["gives" if one.amount_fen > 0 else "takes"] += one.amount_fen
        mine["held"] += one.amount_fen if one.batch_id else 0
    return [
        {"insured": insured_title(fund), **{name: money(fen) for name, fen in mine.items()}}
        for fund, mine in sums.items()
    ]


def _changed(request: HttpRequest, run: SettlementRun, act: Any, done: str) -> HttpResponse:
    try:
        change = act()
        undo.offer(request, done, reverse("insurance:settlement-undo", args=[change.pk]))
    except SalusError as error:
        messages.error(request, _(error.message))
    return redirect("insurance:settlement", run.pk)


def _run(request: HttpRequest, pk: int) -> SettlementRun:
    try:
        return queries.run(access.principal(request), pk)
    except NotFound:
        raise Http404 from None


def _title(run: SettlementRun) -> str:
    return _("%(year)s, %(method)s, version %(version)s") % {
        "year": run.year, "method": run.get_method_display(), "version": run.version,
    }  # fmt: skip


def _name(row: dict[str, Any]) -> str:
    return place_name(row["institution"])


def _line_row(run: SettlementRun, row: dict[str, Any]) -> dict[str, Any]:
    amounts = {name: yuan(row[name]) for name in (*queries.MONEY, "advance", "monthly", "difference")}
    return {
        "row": row["row"], "institution": _name(row), "insured": row["insured"],
        "cases": cell(row["cases"]), **amounts,
        "link": reverse("insurance:settlement-institution", args=[run.pk, row["institution"].code]),
    }  # fmt: skip


def _line_texts(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "insured_title": insured_title(row["insured"]), "cases": cell(row["cases"]),
        **{name: money(row[name]) for name in (*queries.MONEY, "advance", "monthly")},
    }  # fmt: skip


def _figure_row(row: dict[str, Any], who: str) -> dict[str, Any]:
    digits = {"weight": 1, "case_mix_index": 3, "cost_index": 3, "time_index": 3}
    wanted = (*digits, "cases", "groups", "outlier_share", "low_risk_mortality", "readmission_share")
    return {"row": row["row"], "who": who, **{name: cell(row[name], digits.get(name, 2)) for name in wanted}}


def _pools(run: SettlementRun) -> list[dict[str, Any]]:
    wanted = ("budget", "paid", "left", "reserve", "reserve_used", "forfeited")
    return [
        {"insured": insured_title(pool.insured), **{name: money(getattr(pool, name)) for name in wanted}}
        for pool in run.pools.order_by("insured")
    ]


def _differences(rows: list[dict[str, Any]]) -> Drawing | None:
    """Draw the largest differences between payment by group and by item, both insured groups together."""
    sums: dict[str, int] = {}
    for row in rows:
        if row["difference"] != WITHHELD:
            sums[_name(row)] = sums.get(_name(row), 0) + row["difference"]
    largest = sorted(sums.items(), key=lambda pair: (-abs(pair[1]), pair[0]))[:CHARTED]
    if not largest:
        return None
    data = [
        {"who": name, "yuan": float(to_yuan(fen))}
        for name, fen in sorted(largest, key=lambda pair: (-pair[1], pair[0]))
    ]
    return charts.bar(
        data,
        charts.Field("who", _("Institution"), kind="nominal"),
        charts.Field("yuan", _("By group less by item"), unit=_("yuan")),
        title=_("Who gains and who loses against payment by item"),
        horizontal=True,
        note=_("The institutions with the largest differences."),
    )


def _indices(rows: list[dict[str, Any]]) -> Drawing | None:
    """Draw the cost index of the institutions furthest from the city's."""
    known = [row for row in rows if isinstance(row["cost_index"], float)]
    far = sorted(known, key=lambda row: -abs(row["cost_index"] - 1))[:CHARTED]
    if len(far) < 2:
        return None
    data = [
        {"who": _name(row), "index": round(row["cost_index"], 3)}
        for row in sorted(far, key=lambda row: -row["cost_index"])
    ]
    return charts.bar(
        data,
        charts.Field("who", _("Institution"), kind="nominal"),
        charts.Field("index", _("Cost index")),
        title=_("Cost against the city in the same groups"),
        horizontal=True,
        note=_("1 is as the city; the institutions furthest from it."),
    )


def _months(rows: list[dict[str, Any]]) -> Drawing | None:
    known = [row for row in rows if row["cases"] != WITHHELD]
    if not known:
        return None
    return charts.bar(
        [{"month": row["month"].strftime("%Y-%m"), "yuan": float(to_yuan(row["amount"]))} for row in known],
        charts.Field("month", _("Month"), kind="ordinal"),
        charts.Field("yuan", _("Fund's amount"), unit=_("yuan")),
        title=_("The fund's amounts by month of discharge"),
    )
