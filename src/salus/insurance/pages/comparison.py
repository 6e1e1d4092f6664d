"""Pages that compare payment methods: who gains, who loses, what the fund pays."""

from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from salus.insurance.models import PaymentComparison
from salus.insurance.pages import readers
from salus.insurance.pages.settlement import CHARTED, Yuan, cell, insured_title, money, place_name, yuan
from salus.insurance.queries import settlement as queries
from salus.insurance.queries.settlement import WITHHELD
from salus.kernel.models import Institution
from salus.web import access, charts
from salus.web.charts import Drawing
from salus.web.tables import Column, ListRows, Table

DIMENSIONS = {
    "institution": gettext_lazy("Institutions"),
    "department": gettext_lazy("Departments"),
    "tier": gettext_lazy("Tiers"),
    "insured": gettext_lazy("Insured groups"),
    "institution_department": gettext_lazy("Institutions and departments"),
    "institution_insured": gettext_lazy("Institutions and insured groups"),
}
TIERS = {
    "tertiary": gettext_lazy("Tertiary"),
    "secondary": gettext_lazy("Secondary"),
    "primary": gettext_lazy("Primary"),
}


class ComparisonTable(Table):
    """The comparisons recorded."""

    name = "payment-comparisons"
    caption = gettext_lazy("Comparisons of payment methods")
    columns: ClassVar = (
        Column(
            "title", gettext_lazy("What was compared"), sort="title", wide=True,
            link=lambda row: reverse("insurance:comparison", args=[row.pk]),
        ),
        Column("year", gettext_lazy("Year"), kind="code", sort="year"),
        Column(
            "pilots", gettext_lazy("Pilots"), kind="number",
            value=lambda row: len(row.options.get("pilot", [])),
        ),
        Column("recorded_at", gettext_lazy("Recorded"), kind="moment", sort="recorded_at"),
    )  # fmt: skip
    search = ("title",)
    empty_title = gettext_lazy("Nothing has been compared yet")
    empty_text = gettext_lazy("A comparison appears here when it is recorded.")


class ComparedTable(Table):
    """What the fund would pay by each method."""

    name = "compared"
    caption = gettext_lazy("What the fund would pay (yuan)")
    columns: ClassVar = (
        Column("who", gettext_lazy("Compared"), sort="who", wide=True),
        Column("cases", gettext_lazy("Cases"), kind="number"),
        Yuan("item", gettext_lazy("By item"), kind="number"),
        Yuan("drg", gettext_lazy("By DRG"), kind="number"),
        Yuan("drg_change", gettext_lazy("DRG less item"), kind="number"),
        Column("drg_share", gettext_lazy("DRG (%)"), kind="number"),
        Yuan("dip", gettext_lazy("By DIP"), kind="number"),
        Yuan("dip_change", gettext_lazy("DIP less item"), kind="number"),
        Column("dip_share", gettext_lazy("DIP (%)"), kind="number"),
        Yuan("pilot", gettext_lazy("With the pilot"), kind="number", optional=True),
        Yuan("pilot_change", gettext_lazy("Pilot less item"), kind="number"),
    )
    search_label = gettext_lazy("Compared")


@access.requires(*readers.COMPARISON)
@require_GET
def comparisons(request: HttpRequest) -> HttpResponseBase:
    """List the comparisons."""
    found = queries.comparisons(access.principal(request))
    context = {"title": _("Payment methods compared")}
    return ComparisonTable(request, found).respond("insurance/comparisons.html", context)


@access.requires(*readers.COMPARISON)
@require_GET
def comparison(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show a comparison by the dimension chosen."""
    principal = access.principal(request)
    found: PaymentComparison = get_object_or_404(queries.comparisons(principal), pk=pk)
    dimension = request.GET.get("by", "")
    dimension = dimension if dimension in DIMENSIONS else "institution"
    rows = queries.comparison_lines(principal, found, dimension)
    city = next(iter(queries.comparison_lines(principal, found, "city")), None)
    table = ComparedTable(request, ListRows([_row(row) for row in rows], key="row"))
    here = reverse("insurance:comparison", args=[found.pk])
    context = {
        "title": found.title,
        "breadcrumbs": [(_("Payment methods compared"), reverse("insurance:comparisons"))],
        "comparison": found,
        "pilots": _pilots(found.options.get("pilot", [])),
        "city": {name: money(city[name]) for name in ("item", "drg", "dip", "pilot")} if city else None,
        "tabs": [(title, f"{here}?by={name}", name == dimension) for name, title in DIMENSIONS.items()],
        "withheld": any(row["cases"] == WITHHELD for row in rows),
        "drawings": _drawings(rows),
    }
    return table.respond("insurance/comparison.html", context)


def _pilots(codes: list[str]) -> list[str]:
    """Return the names of the pilots in the order of their codes."""
    return [place_name(place) for place in Institution.objects.filter(code__in=codes).order_by("code")]


def _who(row: dict[str, Any]) -> str:
    parts = [
        place_name(row["institution"]) if row["institution"] else "",
        row["department"],
        str(TIERS.get(row["tier"], row["tier"])),
        insured_title(row["insured"]) if row["insured"] else "",
    ]
    return " · ".join(part for part in parts if part) or str(_("Not said"))


def _row(row: dict[str, Any]) -> dict[str, Any]:
    amounts = ("item", "drg", "dip", "pilot", "drg_change", "dip_change", "pilot_change")
    return {
        "row": row["row"], "who": _who(row), "cases": cell(row["cases"]),
        **{name: yuan(row[name]) for name in amounts},
        **{name: cell(row[name], 2) for name in ("drg_share", "dip_share")},
    }  # fmt: skip


def _drawings(rows: list[dict[str, Any]]) -> list[Drawing]:
    """Draw what DRG and what DIP change for those whom they change most, a chart for each."""
    known = [row for row in rows if row["cases"] != WITHHELD and row["item"]]
    methods = (
        ("drg", _("What DRG changes against payment by item")),
        ("dip", _("What DIP changes against payment by item")),
    )
    found = []
    for method, title in methods:
        share = f"{method}_share"
        far = sorted(known, key=lambda row: (-abs(row[share]), row["row"]))[:CHARTED]
        if far:
            data = [
                {"who": _who(row), "share": round(row[share], 2)}
                for row in sorted(far, key=lambda row: -row[share])
            ]
            found.append(
                charts.bar(
                    data,
                    charts.Field("who", _("Compared"), kind="nominal"),
                    charts.Field("share", _("Against payment by item"), unit="%"),
                    title=title,
                    horizontal=True,
                    note=_("Those with the largest changes."),
                )
            )
    return found
