"""Children: who is looked after here, one child's record, and what is entered on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.prevention.models import (
    CloseReason,
    EntryState,
    Holding,
    ProgrammeEntry,
    Screening,
    ScreeningState,
)
from salus.prevention.pages.maternal import drawing, forms, words
from salus.prevention.pages.maternal.show import Act, Cell, Section, enter, page, plain, row
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.maternal import children as reading
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.maternal import seeing as maternal
from salus.prevention.queries.maternal.children import Child
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.queries.vaccines import stock as holdings
from salus.prevention.services.maternal import screening
from salus.prevention.services.programme import giving
from salus.prevention.services.vaccines import safety, stock
from salus.record.models import Person
from salus.web import access
from salus.web.tables import ChoiceFilter, Column

KIND = seeing.KIND
CRUMBS = (gettext_lazy("Children"), "prevention:children")


def name_of(column: str = "person_id") -> Subquery:
    """Return a resident's name as a column of a list."""
    return Subquery(Person.objects.filter(pk=OuterRef(column)).values("name")[:1])


def _state(queryset: Any, value: str) -> Any:
    today = timezone.localdate()
    if value == "recall":
        found = Screening.objects.filter(state__in=screening.RECALL).values("entry__person_id")
        return queryset.filter(person_id__in=found)
    return queryset.filter(due__overdue_on__lte=today).distinct()


class Children(ResidentTable):
    """Children under 7, by name."""

    name = "children"
    caption = gettext_lazy("Children")
    private = True
    search = ("name",)
    search_label = gettext_lazy("Name")
    empty_title = gettext_lazy("No child is registered here")
    empty_text = gettext_lazy("Children are registered by the morning after their birth is recorded.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Name"),
            sort="name",
            wide=True,
            link=lambda one: reverse("prevention:child", args=[one.pk]),
        ),
        Column("anchor_on", gettext_lazy("Born"), kind="day", sort="anchor_on"),
        Column("institution__name", gettext_lazy("Institution"), sort="institution__name"),
        Column("doctor", gettext_lazy("Doctor"), value=lambda one: one.doctor.name if one.doctor else ""),
    )
    filters: ClassVar = (
        ChoiceFilter(
            "state",
            gettext_lazy("Show"),
            (("overdue", gettext_lazy("Something overdue")), ("recall", gettext_lazy("To be recalled"))),
            narrow=_state,
        ),
    )
    default_sort = "-anchor_on"


@access.may("search", KIND)
def children(request: HttpRequest) -> HttpResponseBase:
    """List the children whom the reader may see."""
    asker = access.principal(request)
    rows = maternal.child_entries(asker).filter(state=EntryState.OPEN).annotate(name=name_of())
    recalls = maternal.screenings(asker).filter(state__in=screening.RECALL)
    late = recalls.filter(recall_by__lt=timezone.localdate()).count()
    context = {
        "title": _("Children"),
        "lead": _("Growth, checks, vaccinations and newborn screening of children under 7."),
        "figures": [
            (rows.count(), _("children"), "plain"),
            (recalls.count(), _("to be recalled after screening"), "warn" if recalls else "ok"),
            (late, _("recall overdue"), "bad" if late else "ok"),
        ],
    }
    return Children(request, rows).respond("prevention/maternal/page.html", context)


def opened(request: HttpRequest, number: int, action: str = "read") -> ProgrammeEntry:
    """Return a child's registration; 404 where the reader may not know of it."""
    try:
        return maternal.open_child(access.principal(request), number, action)
    except NotFound:
        raise Http404 from None


@access.may("read", KIND)
def child(request: HttpRequest, number: int) -> HttpResponse:
    """Show a child's record."""
    entry = opened(request, number)
    today = timezone.localdate()
    found = reading.record(entry, today)
    if found is None:
        raise Http404
    may = policy.decide(access.principal(request), "update", seeing.target(entry)).allowed
    actions = [
        Act(_("Enter a check"), _to(entry, "check"), True),
        Act(_("Enter a dose"), _to(entry, "dose")),
    ]
    if found.person.deceased or entry.close_reason == CloseReason.DIED:
        actions = [Act(_("Review the death"), reverse("prevention:death-open", args=[number]))]
    return page(
        request,
        found.person.name,
        sections(found, may=may),
        marks=marks(found),
        lead=_("born on %(day)s") % {"day": found.birth.isoformat()},
        actions=actions if may else [],
        breadcrumbs=[(CRUMBS[0], reverse(CRUMBS[1]))],
    )


def marks(found: Child) -> list[tuple[Any, str]]:
    """Return what stands out of a child's record."""
    made: list[tuple[Any, str]] = []
    late = [one for one in (*found.visits, *found.doses) if one.finding.status == "overdue"]
    if late:
        made.append((_("%(n)d overdue") % {"n": len(late)}, "bad"))
    if any(one.state in screening.RECALL for one in found.screenings):
        made.append((_("To be recalled after screening"), "bad"))
    if found.measured:
        last = found.measured[-1]
        made += [
            (reading.class_name(code), "warn")
            for _z, code, wrong in last.scores.values()
            if code and not wrong
        ]
    if found.blood and found.blood[-1].anaemia not in ("", "none"):
        made.append(words.ANAEMIA[found.blood[-1].anaemia])
    return made


def sections(found: Child, *, may: bool) -> list[Section]:
    """Return the parts of a child's record, with what may be entered."""
    entry, today = found.entry, timezone.localdate()
    charts = [
        one
        for one in (
            drawing.growth(found, name) for name in ("weight-for-age", "height-for-age", "head-for-age")
        )
        if one is not None
    ]
    head = [_("Service"), _("State"), _("From"), _("Overdue from"), _("Why then")]
    shown = [one for one in found.visits if one.finding.status not in ("closed", "ended")]
    doses = [one for one in found.doses if one.finding.status not in ("closed", "ended")]
    vaccines = {product for one in found.doses for product in one.service.products}
    given = [
        row(
            one.day.isoformat(),
            words.product(one.product, today),
            one.values.get("batch", ""),
            one.institution.name if one.institution else "",
            *(
                [
                    Cell(
                        acts=[
                            Act(
                                _("Adverse event"),
                                reverse("prevention:aefi-enter", args=[one.pk]),
                                hidden=f"{one.product} {one.day}",
                            )
                        ]
                    )
                ]
                if may
                else []
            ),
        )
        for one in reversed(found.given)
        if one.product in vaccines
    ]
    checks = [
        row(
            one.day.isoformat(),
            catalogue.service_name(one.product, today),
            dict(words.WAYS).get(one.way, ""),
            one.given_by,
            one.note,
        )
        for one in reversed(found.given)
        if one.product not in vaccines
    ]
    tests = [
        row(
            rules.name_of("maternal_screening", one.test, one.taken_on),
            words.screening(one),
            one.taken_on,
            one.value,
            one.recall_by if one.state in screening.RECALL else None,
            *(
                [
                    Cell(
                        acts=[
                            Act(
                                _("Enter the result"),
                                reverse("prevention:screening-settle", args=[one.pk]),
                                hidden=one.test,
                            )
                        ]
                    )
                    if one.state in screening.NEXT
                    else Cell()
                ]
                if may
                else []
            ),
        )
        for one in found.screenings
    ]
    missing = sorted(set(rules.table("maternal_screening", today)) - {one.test for one in found.screenings})
    blood = [
        row(
            one.day.isoformat(), one.haemoglobin, Cell(*words.ANAEMIA[one.anaemia]) if one.anaemia else Cell()
        )
        for one in reversed(found.blood)
    ]
    more = [""] if may else []
    return [
        Section(
            "growth",
            _("Growth"),
            drawings=charts,
            text="" if charts else _("No measurement was entered yet, or the sex is not known."),
        ),
        Section("doses", _("Vaccinations due"), header=head, rows=[words.owed(one) for one in doses]),
        Section("visits", _("Visits and checks due"), header=head, rows=[words.owed(one) for one in shown]),
        Section(
            "given",
            _("Vaccinations given"),
            rows=given,
            header=[_("Day"), _("Vaccine"), _("Batch number"), _("Institution"), *more],
        ),
        Section(
            "checks",
            _("Checks given"),
            rows=checks,
            header=[_("Day"), _("Visit or check"), _("How"), _("By"), _("Note")],
        ),
        Section(
            "screening",
            _("Newborn screening"),
            [Act(_("Enter a sample"), _to(entry, "screening"))] if may else [],
            _("Not taken yet: %(tests)s")
            % {"tests": ", ".join(rules.name_of("maternal_screening", one, today) for one in missing)}
            if missing
            else "",
            header=[_("Test"), _("State"), _("Taken on"), _("Value"), _("Recall by"), *more],
            rows=tests,
        ),
        Section(
            "blood", _("Blood counts"), header=[_("Day"), _("Haemoglobin (g/L)"), _("Finding")], rows=blood
        ),
    ]


def _to(entry: ProgrammeEntry, what: str) -> str:
    return reverse("prevention:child-enter", args=[entry.pk, what])


def _crumbs(entry: ProgrammeEntry) -> list[tuple[Any, str]]:
    name = Person.objects.filter(pk=entry.person_id).values_list("name", flat=True).first() or ""
    return [(CRUMBS[0], reverse(CRUMBS[1])), (name, reverse("prevention:child", args=[entry.pk]))]


@access.may("update", KIND)
def enter_on(request: HttpRequest, number: int, what: str) -> HttpResponseBase:
    """Enter a check, a dose or a sample on a child's record."""
    entry = opened(request, number, "update")
    asker, today, now = access.principal(request), timezone.localdate(), timezone.now()
    found = reading.record(entry, today)
    if found is None:
        raise Http404
    back = reverse("prevention:child", args=[number])
    posted = request.POST or None
    if what == "check":
        offered = {
            product: its.pk
            for code in ("child", "newborn")
            if (its := found.entries.get(code)) and its.state == EntryState.OPEN
            for service in catalogue.services_of(code, today).services
            for product in service.products
        }
        form: Any = forms.CheckForm(
            posted,
            initial={"day": today, "way": "clinic", "key": uuid4(), "product": "child-check"},
            products=[(code, catalogue.service_name(code, today)) for code in offered],
        )

        def check(given: Mapping[str, Any]) -> object:
            values = {name: given[name] for name in ("weight", "height", "head", "haemoglobin")}
            if given["lying"]:
                values["lying"] = given["lying"] == "yes"
            asked = giving.Giving(
                given["key"], given["product"], given["day"], given["way"], values, given["note"]
            )
            return giving.give(asker, offered[given["product"]], asked, now=now)

        return enter(
            request,
            form,
            check,
            title=_("Enter a check"),
            done=_("The check is entered."),
            back=back,
            crumbs=_crumbs(entry),
        )
    if what == "dose":
        its = found.entries.get("immunisation")
        if its is None or its.state != EntryState.OPEN:
            raise Http404
        return _dose(request, entry, its, found, back)
    if what == "screening":
        form = forms.ScreeningForm(posted, initial={"taken_on": today})
        return enter(
            request,
            form,
            lambda given: screening.take(asker, number, given["test"], given["taken_on"], now=now),
            title=_("Enter a sample"),
            done=_("The sample is entered."),
            back=back,
            crumbs=_crumbs(entry),
        )
    raise Http404


def _dose(
    request: HttpRequest, entry: ProgrammeEntry, its: ProgrammeEntry, found: Child, back: str
) -> HttpResponseBase:
    asker, today, now = access.principal(request), timezone.localdate(), timezone.now()
    due = [one for one in found.doses if one.finding.status in ("due", "overdue")]
    first = [one.finding.product or one.service.products[0] for one in due]
    every = [product for one in found.doses for product in one.service.products]
    place = entry.institution_id
    if place not in asker.institution_ids and len(asker.institution_ids) == 1:
        place = next(iter(asker.institution_ids))
    held = (
        Holding.objects.select_related("batch")
        .filter(institution=place, left__gt=0)
        .order_by("batch__expires_on")
    )
    form = forms.DoseForm(
        request.POST or None,
        initial={"day": today, "key": uuid4()},
        products=[(code, words.product(code, today)) for code in dict.fromkeys([*first, *every])],
        batches=[
            (
                str(one.pk),
                f"{words.product(one.batch.product, today)} · {one.batch.number} · {one.batch.expires_on}",
            )
            for one in held
            if not holdings.why_not(one, today)
        ],
    )

    def take(given: Mapping[str, Any]) -> object:
        asked = giving.Giving(
            given["key"], given["product"], given["day"], values={"site": given["site"]}, note=given["note"]
        )
        number = int(given["holding"]) if given["holding"] else None
        return stock.give(asker, its.pk, asked, now=now, holding=number)

    return enter(
        request,
        form,
        take,
        title=_("Enter a dose"),
        done=_("The dose is entered and taken from the stock."),
        back=back,
        crumbs=_crumbs(entry),
    )


@access.may("update", KIND)
def settle(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter what a newborn's screening came to."""
    held = Screening.objects.filter(pk=number).first()
    if held is None:
        raise Http404
    entry = opened(request, held.entry_id, "update")
    asker, now = access.principal(request), timezone.now()
    states = [(one, ScreeningState(one).label) for one in screening.NEXT.get(ScreeningState(held.state), ())]
    form = forms.SettleForm(request.POST or None, initial={"day": timezone.localdate()}, states=states)
    return enter(
        request,
        form,
        lambda given: screening.settle(
            asker, number, given["state"], given["day"], value=given["value"], note=given["note"], now=now
        ),
        title=rules.name_of("maternal_screening", held.test, held.taken_on),
        done=_("The screening is brought up to date."),
        back=reverse("prevention:child", args=[held.entry_id]),
        crumbs=_crumbs(entry),
    )


@access.may("create", safety.EVENT)
def event(request: HttpRequest, given: int) -> HttpResponseBase:
    """Enter something untoward after a dose."""
    asker, now = access.principal(request), timezone.now()
    at = timezone.localtime().replace(second=0, microsecond=0)
    form = forms.EventForm(request.POST or None, initial={"onset": at, "found_at": at})
    return enter(
        request,
        form,
        lambda said: safety.enter_event(asker, given, safety.Event(**said), now=now),
        title=_("Adverse event after vaccination"),
        done=_("The event is entered: report it in time."),
        back=reverse("prevention:aefi"),
        crumbs=[(_("Adverse events"), reverse("prevention:aefi"))],
    )


__all__ = ["child", "children", "enter_on", "event", "name_of", "plain", "sections", "settle"]
