"""The population page: residents by district, age group and sex, as a map, a chart and a table."""

from functools import partial
from typing import Any, ClassVar

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from salus.kernel import names
from salus.kernel.models import District
from salus.record.registers import population
from salus.record.registers.population import AGES, OLD, Line, Population
from salus.web import access, charts, maps
from salus.web.charts import Drawing
from salus.web.tables import Column, ListRows, Table

SEXES = {"female": gettext_lazy("female"), "male": gettext_lazy("male"), "other": gettext_lazy("not known")}
MEASURES = {"residents": gettext_lazy("Residents"), "old": gettext_lazy("Share aged 60 and over")}
ROLES = ("planner", "epidemiologist", "fund_officer", "dispatcher", "inspector")


class DistrictTable(Table):
    """Residents of each district by age group and sex."""

    name = "population"
    caption = gettext_lazy("Residents by district, age group and sex")
    empty_title = gettext_lazy("No resident is on record yet")
    empty_text = gettext_lazy("Residents appear here when the institutions' records arrive.")


@access.requires(*ROLES)
@require_GET
def show(request: HttpRequest) -> HttpResponseBase:
    """Show the counts, shaded on the map by the measure chosen."""
    found = population.population(access.principal(request), timezone.localdate())
    places = names.districts() | {"": str(_("District not known"))}
    table = _table(request, found, places)
    measure = request.GET.get("measure", "")
    measure = measure if measure in MEASURES else "residents"
    context = {
        "title": _("Population"),
        "found": found,
        "map": _map(found, places, measure) if found.lines else None,
        "ages": _ages(found) if found.lines else None,
        "measures": MEASURES.items(),
        "measure": measure,
        "old": OLD,
    }
    return table.respond("record/population.html", context)


def age_title(low: int) -> str:
    """Return the name of an age group."""
    following = next((age for age in AGES if age > low), None)
    return f"{low}+" if following is None else f"{low}\u2060–\u2060{following - 1}"


def _shown(count: int | None) -> int | str:
    return _("withheld") if count is None else count


def _table(request: HttpRequest, found: Population, places: dict[str, str]) -> Table:
    rows = [_row(line, places.get(line.district, line.district)) for line in found.lines]
    if rows:
        rows.append(_row(found.whole, _("All")))

    class Shown(DistrictTable):
        columns: ClassVar = (
            Column("district", gettext_lazy("District")),
            *(
                Column(_name(age, sex), f"{SEXES[sex]} {age_title(age)}", kind="number")
                for age, sex in found.columns
            ),
            Column("total", gettext_lazy("All"), kind="number"),
        )

    return Shown(request, ListRows(rows, key="district"))


def _name(age: int, sex: str) -> str:
    return f"{sex}-{age}"


def _row(line: Line, title: str) -> dict[str, Any]:
    cells = {_name(age, sex): _shown(count) for (age, sex), count in line.cells.items()}
    return {"district": title, **cells, "total": _shown(line.total)}


def _map(found: Population, places: dict[str, str], measure: str) -> Drawing:
    areas = [
        maps.Area(code, places[code], polygon)
        for code, polygon in District.objects.filter(level="district")
        .exclude(polygon="")
        .values_list("code", "polygon")
    ]
    figure = partial(_figure, measure=measure)
    figures = {line.district: figure(line) for line in found.lines if line.district}
    return maps.choropleth(
        areas,
        figures,
        title=MEASURES[measure],
        measure=MEASURES[measure],
        unit="%" if measure == "old" else "",
        digits=1 if measure == "old" else 0,
    )


def _figure(line: Line, *, measure: str) -> maps.Figure:
    if measure == "residents":
        return maps.SUPPRESSED if line.total is None else line.total
    aged = line.aged(OLD)
    if aged is None or line.total is None:
        return maps.SUPPRESSED
    return 100 * aged / line.total if line.total else None


def _ages(found: Population) -> Drawing:
    rows = [
        {"age": age_title(age), "sex": str(SEXES[sex]), "count": count}
        for (age, sex), count in found.whole.cells.items()
    ]
    return charts.bar(
        rows,
        charts.Field("age", _("Age"), kind="ordinal"),
        charts.Field("count", _("Residents")),
        title=_("Residents by age group and sex"),
        series=charts.Field("sex", _("Sex"), kind="nominal"),
    )
