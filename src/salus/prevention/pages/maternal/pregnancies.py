"""Pregnancies: the list with those at risk, one pregnancy's record, and what is entered on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.prevention.models import CloseReason, EntryState, Newborn, Pregnancy, ProgrammeEntry, ServiceGiven
from salus.prevention.pages.maternal import forms, words
from salus.prevention.pages.maternal.children import name_of
from salus.prevention.pages.maternal.show import Act, Cell, Section, did, enter, page, plain, row
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.maternal import children as reading
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.maternal import seeing as maternal
from salus.prevention.queries.programme import catalogue, seeing
from salus.prevention.schedule import Episode, Given, Resident
from salus.prevention.services.maternal import pregnancies as doing
from salus.prevention.services.programme import giving
from salus.record.models import Person
from salus.web import access, confirm
from salus.web.tables import ChoiceFilter, Column

KIND = seeing.KIND
LABELS = {
    "weight": gettext_lazy("weight (kg)"),
    "systolic": gettext_lazy("upper pressure"),
    "diastolic": gettext_lazy("lower pressure"),
    "fundus": gettext_lazy("fundus (cm)"),
    "fetal_heart": gettext_lazy("fetal heart rate"),
    "haemoglobin": gettext_lazy("haemoglobin (g/L)"),
    "platelets": gettext_lazy("platelets"),
}


def _held(entry: ProgrammeEntry) -> Pregnancy | None:
    held: Pregnancy | None = getattr(entry, "pregnancy", None)  # absent where none was taken up
    return held


def _colour(entry: ProgrammeEntry) -> str:
    held = _held(entry)
    if held is None:
        return _("Not judged yet")
    return " · ".join(str(one.text) for one in words.risk(held, timezone.localdate()))


def _tone(entry: ProgrammeEntry) -> str:
    held = _held(entry)
    return "" if held is None else words.risk(held, timezone.localdate())[0].tone or ""


def _narrow(queryset: Any, value: str) -> Any:
    today = timezone.localdate()
    if value == "risk":
        return queryset.filter(
            Q(pregnancy__colour__in=("yellow", "orange", "red")) | Q(pregnancy__infectious=True)
        )
    if value == "follow":
        return queryset.filter(pregnancy__follow_on__lte=today, pregnancy__outcome="")
    if value == "report":
        return queryset.filter(pregnancy__report_by__isnull=False, pregnancy__reported_at=None)
    if value == "new":
        return queryset.filter(pregnancy=None)
    return queryset.filter(pregnancy__colour=value)


class Pregnancies(ResidentTable):
    """Pregnancies, those that are due first first."""

    name = "pregnancies"
    caption = gettext_lazy("Pregnancies")
    private = True
    search = ("name",)
    search_label = gettext_lazy("Name")
    empty_title = gettext_lazy("No pregnancy is registered here")
    empty_text = gettext_lazy("A pregnancy is registered when the record tells of it, or by hand.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Name"),
            sort="name",
            wide=True,
            link=lambda one: reverse("prevention:pregnancy", args=[one.pk]),
        ),
        Column("risk", gettext_lazy("Risk"), value=_colour, tone=_tone),
        Column("anchor_on", gettext_lazy("Last period"), kind="day", sort="anchor_on"),
        Column(
            "edd",
            gettext_lazy("Expected"),
            kind="day",
            sort="pregnancy__edd",
            value=lambda one: held.edd if (held := _held(one)) else rules.expected(one.anchor_on),
        ),
        Column(
            "follow",
            gettext_lazy("Looked after next"),
            kind="day",
            sort="pregnancy__follow_on",
            value=lambda one: held.follow_on if (held := _held(one)) else None,
        ),
        Column("institution__name", gettext_lazy("Institution"), sort="institution__name", optional=True),
    )
    filters: ClassVar = (
        ChoiceFilter(
            "show",
            gettext_lazy("Show"),
            (
                ("risk", gettext_lazy("At risk")),
                ("follow", gettext_lazy("To be looked after now")),
                ("report", gettext_lazy("Risk to be reported")),
                ("new", gettext_lazy("Not judged yet")),
                ("red", gettext_lazy("Red")),
                ("orange", gettext_lazy("Orange")),
                ("yellow", gettext_lazy("Yellow")),
            ),
            narrow=_narrow,
        ),
    )
    default_sort = "anchor_on"


@access.may("search", KIND)
def pregnancies(request: HttpRequest) -> HttpResponseBase:
    """List the pregnancies whom the reader may see."""
    rows = maternal.pregnancy_entries(access.principal(request)).filter(state=EntryState.OPEN)
    rows = rows.annotate(name=name_of())
    at_risk, follow, report = (_narrow(rows, value).count() for value in ("risk", "follow", "report"))
    context = {
        "title": _("Pregnancies"),
        "lead": _(
            "Antenatal visits, and risk in five colours: who is at risk is looked after by a day of her own."
        ),
        "figures": [
            (rows.count(), _("pregnancies"), "plain"),
            (at_risk, _("at risk"), "warn" if at_risk else "ok"),
            (follow, _("to be looked after now"), "bad" if follow else "ok"),
            (report, _("risk to be reported"), "bad" if report else "ok"),
        ],
    }
    return Pregnancies(request, rows).respond("prevention/maternal/page.html", context)


def opened(request: HttpRequest, number: int, action: str = "read") -> tuple[ProgrammeEntry, Person]:
    """Return a pregnancy's registration and the resident; 404 where the reader may not know of it."""
    try:
        entry = maternal.open_pregnancy(access.principal(request), number, action)
    except NotFound:
        raise Http404 from None
    person = Person.objects.filter(pk=entry.person_id).first()
    if person is None:
        raise Http404
    return entry, person


@access.may("read", KIND)
def pregnancy(request: HttpRequest, number: int) -> HttpResponse:
    """Show a pregnancy's record."""
    entry, person = opened(request, number)
    today, now = timezone.localdate(), timezone.now()
    held = maternal.pregnancy_of(entry)
    may = policy.decide(access.principal(request), "update", seeing.target(entry)).allowed
    going = may and (held is None or not held.outcome) and entry.state == EntryState.OPEN
    edd = held.edd if held else rules.expected(entry.anchor_on)
    weeks, days = rules.gestation(edd, held.ended_on if held and held.ended_on else today)
    notices = []
    if held is None:
        notices.append((_("The pregnancy's dates were not entered yet: its risk is not judged."), "warning"))
    elif held.report_by and held.reported_at is None and not held.outcome:
        said = (
            _("The risk has to be reported by %(at)s.")
            if held.report_by >= now
            else _("The risk should have been reported by %(at)s.")
        )
        notices.append((said % {"at": plain(held.report_by).text}, "warning"))
    actions = []
    if going:
        actions = [Act(_("Dates"), _to(entry, "dates"), held is None)]
        if held is not None:
            actions = [
                Act(_("Enter a visit"), _to(entry, "visit"), True),
                Act(_("Judge the risk"), _to(entry, "risk")),
                Act(_("Follow-up"), _to(entry, "act")),
                Act(_("Delivery or end"), _to(entry, "end")),
                *actions,
            ]
    if may:
        actions.append(Act(_("Family planning"), reverse("prevention:family-resident", args=[number])))
        if person.deceased or entry.close_reason == CloseReason.DIED:
            actions.append(Act(_("Review the death"), reverse("prevention:death-open", args=[number])))
    return page(
        request,
        person.name,
        _sections(entry, person, held, may=may),
        notices=notices,
        actions=actions,
        marks=[(one.text, one.tone) for one in words.risk(held, today)] if held else [],
        lead=_("%(weeks)d weeks and %(days)d days, expected on %(edd)s")
        % {"weeks": weeks, "days": days, "edd": edd.isoformat()},
        breadcrumbs=[(_("Pregnancies"), reverse("prevention:pregnancies"))],
    )


def _sections(entry: ProgrammeEntry, person: Person, held: Pregnancy | None, *, may: bool) -> list[Section]:
    today = timezone.localdate()
    after = ProgrammeEntry.objects.filter(
        person_id=entry.person_id, programme="postpartum", facts__pregnancy=entry.pk
    ).first()
    given = list(
        ServiceGiven.objects.filter(
            entry__in=[one for one in (entry, after) if one], undone_at=None
        ).order_by("day")
    )
    episodes = [Episode(entry.anchor, entry.anchor_on, entry.ended_on)]
    programmes = ["pregnancy"]
    if after is not None:
        programmes.append("postpartum")
        episodes.append(Episode("delivery", after.anchor_on))
        left = after.facts.get("anchors", {}).get("discharge-mother")
        if left:
            episodes.append(Episode("discharge-mother", plain_day(left)))
    resident = Resident(
        person.birth_date or entry.anchor_on, episodes, [Given(one.product, one.day) for one in given]
    )
    owed = reading.owed(programmes, resident, today)
    made = []
    if held is not None:
        known = rules.table("maternal_risk", today)
        colours = rules.table("maternal_colours", today)
        stand = list(held.factors.filter(ended_on=None).order_by("pk"))
        care = [colours[held.colour]] + ([colours["purple"]] if held.infectious else [])
        made.append(
            Section(
                "risk",
                _("Risk"),
                text=" ".join(
                    one.row["care_zh"] if catalogue.chinese() else one.row["care_en"] + "." for one in care
                ),
                header=[_("Factor"), _("Colour"), _("Found on"), _("Found by"), _("Source")],
                rows=[
                    row(
                        rules.name_of("maternal_risk", one.factor, today),
                        Cell(
                            colours[known[one.factor].row["colour"]].name,
                            colours[known[one.factor].row["colour"]].row["tone"],
                        )
                        if one.factor in known
                        else Cell(),
                        one.found_on,
                        _("its values") if one.by_rule else one.recorded_by,
                        (
                            known[one.factor].row["source"]
                            + ("" if known[one.factor].row["checked"] == "read" else _(" (from memory)"))
                        )
                        if one.factor in known
                        else "",
                    )
                    for one in stand
                ],
                empty=_("No factor of risk was found."),
            )
        )
    made.append(
        Section(
            "visits",
            _("Visits due"),
            header=[_("Service"), _("State"), _("From"), _("Overdue from"), _("Why then")],
            links=[Act(_("Enter a postpartum visit"), _to(after, "after"))]
            if may and after is not None and after.state == EntryState.OPEN
            else [],
            rows=[words.owed(one) for one in owed],
        )
    )
    made.append(
        Section(
            "given",
            _("Visits given"),
            header=[_("Day"), _("Visit"), _("Found"), _("By")],
            rows=[
                row(
                    one.day.isoformat(), catalogue.service_name(one.product, today), values(one), one.given_by
                )
                for one in reversed(given)
            ],
        )
    )
    if held is not None:
        made.append(_acts(held))
        if held.outcome:
            made += _outcome(entry, held, may=may)
    return made


def plain_day(text: str) -> Any:
    """Return a day from its ISO text."""
    from datetime import date

    return date.fromisoformat(text)


def values(one: ServiceGiven) -> str:
    """Return what a visit found, in words."""
    found = [f"{label}: {one.values[name]:g}" for name, label in LABELS.items() if name in one.values]
    return "; ".join([*found, *([one.note] if one.note else [])])


def _acts(held: Pregnancy) -> Section:
    return Section(
        "acts",
        _("What was done about the risk"),
        header=[_("At"), _("What"), _("Looked after next"), _("By"), _("Note")],
        rows=[
            row(one.at, words.ACTS.get(one.kind, one.kind), one.next_on, one.by, one.note)
            for one in held.acts.all()
        ],
    )


def _outcome(entry: ProgrammeEntry, held: Pregnancy, *, may: bool) -> list[Section]:
    facts = [
        (_("Outcome"), Cell(held.get_outcome_display())),
        (_("Day"), plain(held.ended_on)),
        (_("Mode of delivery"), Cell(dict(words.MODES).get(held.mode, ""))),
        (_("Place of delivery"), Cell(held.place)),
        (_("Blood loss (mL)"), plain(held.blood_loss)),
    ]
    born = []
    for one in held.newborns.select_related("entry"):
        acts = []
        if may and one.alive and one.entry_id is None:
            acts = [
                Act(
                    _("Link to the child"),
                    reverse("prevention:newborn-link", args=[entry.pk, one.pk]),
                    hidden=str(one.number),
                )
            ]
        elif may and one.entry_id is not None:
            acts = [
                Act(
                    _("Take the link back"),
                    reverse("prevention:newborn-unlink", args=[entry.pk, one.pk]),
                    post=True,
                    ask=_("Is this not her child?"),
                    hidden=str(one.number),
                )
            ]
        born.append(
            row(
                one.number,
                Cell(_("alive"), "ok") if one.alive else Cell(_("stillborn"), "bad"),
                {"male": _("Male"), "female": _("Female")}.get(one.sex, ""),
                one.weight,
                one.apgar_1,
                Cell(_("Child's record"), url=reverse("prevention:child", args=[one.entry_id]))
                if one.entry_id
                else Cell(_("not linked yet") if one.alive else ""),
                *([Cell(acts=acts)] if may else []),
            )
        )
    head = [_("Child"), _("State"), _("Sex"), _("Weight (g)"), _("Apgar after 1 minute"), _("Record")]
    return [
        Section("outcome", _("How it ended"), facts=facts),
        Section("born", _("Children born"), header=[*head, *([""] if may else [])], rows=born),
    ]


def _to(entry: ProgrammeEntry, what: str) -> str:
    return reverse("prevention:pregnancy-enter", args=[entry.pk, what])


@access.may("update", KIND)
def enter_on(request: HttpRequest, number: int, what: str) -> HttpResponseBase:
    """Enter something on a pregnancy."""
    if what == "after":
        return _after(request, number)
    entry, person = opened(request, number, "update")
    asker, today, now = access.principal(request), timezone.localdate(), timezone.now()
    held = maternal.pregnancy_of(entry)
    posted: Any = request.POST or None
    keyed: dict[str, Any] = {"day": today, "key": uuid4(), "way": "clinic"}

    def visit(given: Mapping[str, Any]) -> object:
        return doing.visit(asker, number, _giving(given), now=now)

    def end(given: Mapping[str, Any]) -> object:
        born = [
            doing.Child(
                not given[f"dead_{n}"], given[f"sex_{n}"], given[f"weight_{n}"], apgar_1=given[f"apgar_{n}"]
            )
            for n in range(1, given["born"] + 1)
        ]
        names = ("outcome", "day", "mode", "place", "blood_loss", "discharged")
        return doing.end(
            asker, number, doing.Ending(**{name: given[name] for name in names}, children=born), now=now
        )

    form: Any
    take: Any
    if what == "dates":
        names = ("gravidity", "parity", "height", "weight")
        initial = {name: getattr(held, name) for name in names} if held else {}
        if held and held.edd_by == "ultrasound":
            initial["edd"] = held.edd
        form = forms.DatesForm(posted, initial=initial)
        title, done = _("Dates and first values"), _("The dates are entered, and the risk is judged.")
        take = lambda given: doing.take_up(asker, number, doing.Dates(**given), now=now)  # noqa: E731
    elif what == "visit":
        form = forms.AntenatalForm(posted, initial=keyed, products=_products("pregnancy"))
        title, done, take = _("Enter a visit"), _("The visit is entered."), visit
    elif what == "risk" and held is not None:
        stand = list(held.factors.filter(ended_on=None, by_rule=False).values_list("factor", flat=True))
        form = forms.RiskForm(posted, initial={**keyed, "factors": stand})
        title, done = _("Judge the risk"), _("The risk is judged.")
        take = lambda given: doing.assess(  # noqa: E731
            asker, number, given["factors"], key=given["key"], note=given["note"], now=now
        )
    elif what == "act" and held is not None:
        usual = rules.follow_on(rules.Risk(held.colour, held.infectious), today)
        form = forms.ActForm(posted, initial={**keyed, "next_on": usual})
        title, done = _("Follow-up"), _("The follow-up is entered.")
        take = lambda given: doing.act(  # noqa: E731
            asker, number, given["kind"], given["note"], key=given["key"], next_on=given["next_on"], now=now
        )
    elif what == "end" and held is not None:
        form = forms.EndForm(posted, initial={"day": today, "outcome": "birth", "born": 1})
        title, done, take = _("Delivery or end"), _("The pregnancy's end is entered."), end
    else:
        raise Http404
    return enter(
        request,
        form,
        take,
        title=title,
        done=done,
        back=reverse("prevention:pregnancy", args=[number]),
        crumbs=_crumbs(entry, person),
    )


def _after(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter a visit after delivery: `number` is the registration that began with it."""
    asker, now = access.principal(request), timezone.now()
    try:
        entry = seeing.open_entry(asker, number, "update")
    except NotFound:
        raise Http404 from None
    person = Person.objects.filter(pk=entry.person_id).first()
    origin = entry.facts.get("pregnancy")
    if entry.programme != "postpartum" or person is None or not origin:
        raise Http404
    initial = {"day": timezone.localdate(), "key": uuid4(), "way": "visit"}
    form = forms.AntenatalForm(request.POST or None, initial=initial, products=_products("postpartum"))
    for name in ("fundus", "fetal_heart"):
        del form.fields[name]
    return enter(
        request,
        form,
        lambda given: giving.give(asker, number, _giving(given), now=now),
        title=_("Enter a postpartum visit"),
        done=_("The visit is entered."),
        back=reverse("prevention:pregnancy", args=[origin]),
        crumbs=_crumbs_of(int(origin), person.name),
    )


def _giving(given: Mapping[str, Any]) -> giving.Giving:
    found = {name: given[name] for name in LABELS if given.get(name) is not None}
    return giving.Giving(given["key"], given["product"], given["day"], given["way"], found, given["note"])


def _products(programme: str) -> list[tuple[str, str]]:
    today = timezone.localdate()
    return [
        (product, catalogue.service_name(one.code, today))
        for one in catalogue.services_of(programme, today).services
        for product in one.products
    ]


def _crumbs(entry: ProgrammeEntry, person: Person) -> list[tuple[Any, str]]:
    return _crumbs_of(entry.pk, person.name)


def _crumbs_of(number: int, name: str) -> list[tuple[Any, str]]:
    return [
        (_("Pregnancies"), reverse("prevention:pregnancies")),
        (name, reverse("prevention:pregnancy", args=[number])),
    ]


@access.may("update", KIND)
def link(request: HttpRequest, number: int, newborn: int) -> HttpResponseBase:
    """Say which registered child a newborn is."""
    entry, person = opened(request, number, "update")
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    held = Newborn.objects.select_related("pregnancy").filter(pk=newborn, pregnancy__entry=entry).first()
    if held is None or held.pregnancy.ended_on is None:
        raise Http404
    near = timedelta(days=rules.limit("birth_match_days", today))
    ended = held.pregnancy.ended_on
    rows = (
        maternal.child_entries(asker)
        .filter(anchor_on__range=(ended - near, ended + near), born=None, state=EntryState.OPEN)
        .annotate(name=name_of())
        .order_by("name")[:50]
    )
    offered = list(rows)
    seeing.audited(asker, [one.person_id for one in offered], "newborn-link")
    form = forms.LinkForm(
        request.POST or None,
        children=[(str(one.pk), f"{one.name} · {one.anchor_on}") for one in offered],
    )
    return enter(
        request,
        form,
        lambda given: doing.link_child(asker, number, newborn, int(given["child"]), now=now),
        title=_("Link to the child"),
        done=_("Mother and child are linked."),
        back=reverse("prevention:pregnancy", args=[number]),
        crumbs=_crumbs(entry, person),
    )


@access.may("update", KIND)
@require_POST
def unlink(request: HttpRequest, number: int, newborn: int) -> HttpResponseBase:
    """Take the link of mother and child back."""
    if asked := confirm.needed(request, _("Is this not her child?")):
        return asked
    return did(
        request,
        lambda: doing.unlink_child(access.principal(request), number, newborn, now=timezone.now()),
        _("The link is taken back."),
        reverse("prevention:pregnancy", args=[number]),
    )
