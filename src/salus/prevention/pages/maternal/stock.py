"""Vaccines: a clinic's stock and cold chain, adverse events, recalls and who has to be told."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import uuid4

from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import audit, policy
from salus.kernel.errors import NotAllowed, NotFound
from salus.kernel.models import Institution, InstitutionKind
from salus.kernel.policy import Principal
from salus.prevention.models import (
    AdverseEvent,
    BatchRecall,
    Excursion,
    Holding,
    RecalledDose,
    StockMove,
    VaccineBatch,
)
from salus.prevention.pages.maternal import forms, words
from salus.prevention.pages.maternal.children import name_of
from salus.prevention.pages.maternal.show import Act, Cell, Section, did, enter, page, plain, row
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.programme import seeing
from salus.prevention.queries.vaccines import stock as reading
from salus.prevention.services.vaccines import cold, safety, stock
from salus.record.models import Person
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, Table

WHY_NOT = {
    "expired": gettext_lazy("Expired"),
    "quarantined": gettext_lazy("In quarantine"),
    "recalled": gettext_lazy("Recalled"),
    "used-up": gettext_lazy("Used up"),
}
_READINGS, _MOVES = 12, 20


def _place(request: HttpRequest, action: str = "read") -> Institution:
    text = request.GET.get("place") or request.POST.get("place") or ""
    try:
        return reading.place(access.principal(request), int(text) if text.isdigit() else None, action)
    except NotAllowed:
        raise Http404 from None


@access.may("read", reading.KIND)
def stocks(request: HttpRequest) -> HttpResponse:
    """Show a clinic's vaccines: what may be given, what runs short or out, the cold chain, the last moves."""
    asker, today = access.principal(request), timezone.localdate()
    place = _place(request)
    may = policy.decide(asker, "update", reading.target(place)).allowed
    decides = policy.decide(asker, "decide", reading.target(place)).allowed
    here = f"?place={place.pk}"
    lines = reading.lines(place, today)
    held = [one for one in reading.holdings(place) if one.left]
    waiting = list(reading.open_excursions(place))
    short = [one for one in lines if one.short]
    recalls = policy.permits(asker, "create", safety.RECALL)
    others = [one for one in reading.places(asker) if one.pk != place.pk][:12]
    notices = [
        (
            _("%(fridge)s was out of its range from %(at)s on (%(low)s to %(high)s °C): quarantine.")
            % {
                "fridge": one.fridge.name,
                "low": f"{one.lowest:g}",
                "high": f"{one.highest:g}",
                "at": plain(one.began).text,
            },
            "warning",
        )
        for one in waiting
    ]
    sections = [
        Section(
            "vaccines",
            _("Vaccines"),
            header=[
                _("Vaccine"),
                _("May be given"),
                _("Least stock"),
                _("State"),
                _("May not be given"),
                _("Expire soon"),
                _("First expiry"),
            ],
            rows=[
                row(
                    words.product(one.product, today),
                    one.usable,
                    one.minimum,
                    Cell(_("Short"), "bad") if one.short else Cell(_("Enough"), "ok"),
                    one.barred,
                    one.soon,
                    one.first_expiry,
                )
                for one in lines
            ],
        ),
        Section(
            "batches",
            _("Batches, the first to expire first"),
            header=[_("Batch"), _("Last day of use"), _("Doses left"), _("State"), _("Fridge"), ""],
            rows=[
                row(
                    Cell(
                        f"{words.product(one.batch.product, today)} {one.batch.number}", more=one.batch.maker
                    ),
                    one.batch.expires_on,
                    one.left,
                    _batch_state(one, today),
                    one.fridge.name,
                    Cell(acts=_batch_acts(one, may=may, recalls=recalls, here=here)),
                )
                for one in held
            ],
            empty=_("The clinic holds no vaccine."),
        ),
        Section(
            "cold",
            _("Cold chain"),
            [Act(_("Enter a temperature"), reverse("prevention:vaccine-enter", args=["reading"]) + here)]
            if may and reading.fridges(place)
            else [],
            header=[_("At"), _("Fridge"), _("Temperature (°C)"), _("State"), _("By")],
            rows=[
                row(
                    one.at,
                    one.fridge.name,
                    one.celsius,
                    Cell(_("In range"), "ok")
                    if one.fridge.low <= one.celsius <= one.fridge.high
                    else Cell(_("Out of range"), "bad"),
                    one.by,
                )
                for fridge in reading.fridges(place)
                for one in fridge.readings.select_related("fridge").order_by("-at")[:_READINGS]
            ],
        ),
        Section(
            "excursions",
            _("Times out of range"),
            header=[_("Began"), _("Ended"), _("Fridge"), _("Lowest to highest (°C)"), _("Decided"), ""],
            rows=[
                row(
                    one.began,
                    one.ended,
                    one.fridge.name,
                    f"{one.lowest:g} – {one.highest:g}",
                    _decided(one),
                    Cell(
                        acts=[
                            Act(
                                _("Decide"),
                                reverse("prevention:excursion", args=[one.pk]),
                                hidden=one.fridge.name,
                            )
                        ]
                        if decides and one.ended and not one.decided
                        else []
                    ),
                )
                for one in Excursion.objects.select_related("fridge").filter(fridge__institution=place)[
                    :_READINGS
                ]
            ],
        ),
        Section(
            "moves",
            _("Last moves"),
            header=[_("Day"), _("Batch"), _("What"), _("Doses"), _("Reason"), _("By")],
            rows=[
                row(
                    one.day,
                    f"{one.holding.batch.product} {one.holding.batch.number}",
                    one.get_kind_display(),
                    f"{one.change:+d}",
                    one.reason,
                    one.by,
                )
                for one in StockMove.objects.select_related("holding__batch").filter(
                    holding__institution=place
                )[:_MOVES]
            ],
        ),
    ]
    if others:
        sections.append(
            Section(
                "others",
                _("Other clinics"),
                facts=[(one.code, Cell(one.name, url=f"?place={one.pk}")) for one in others],
            )
        )
    soon = sum(one.soon for one in lines)
    return page(
        request,
        _("Vaccine stock"),
        sections,
        lead=place.name,
        notices=notices,
        actions=[
            Act(_("Receive vaccine"), reverse("prevention:vaccine-enter", args=["receipt"]) + here, True)
        ]
        if may
        else [],
        figures=[
            (sum(one.usable for one in lines), _("doses that may be given"), "plain"),
            (len(short), _("vaccines short"), "bad" if short else "ok"),
            (soon, _("doses expire soon"), "warn" if soon else "ok"),
            (len(waiting), _("times out of range to decide on"), "bad" if waiting else "ok"),
        ],
    )


def _batch_state(held: Holding, today: Any) -> Cell:
    why = reading.why_not(held, today)
    return Cell(WHY_NOT[why], "bad") if why else Cell(_("May be given"), "ok")


def _batch_acts(held: Holding, *, may: bool, recalls: bool, here: str) -> list[Act]:
    acts, about = [], f"{held.batch.product} {held.batch.number}"
    if may:
        acts.append(
            Act(_("Lost"), reverse("prevention:holding-enter", args=[held.pk, "loss"]) + here, hidden=about)
        )
        if not held.quarantined_at and not held.batch.recalled_at:
            to = reverse("prevention:holding-enter", args=[held.pk, "transfer"]) + here
            acts.append(Act(_("Pass on"), to, hidden=about))
    if recalls and held.batch.recalled_at is None:
        acts.append(Act(_("Recall"), reverse("prevention:batch-recall", args=[held.batch_id]), hidden=about))
    return acts


def _decided(one: Excursion) -> Cell:
    if not one.decided:
        return Cell(_("To be decided"), "bad")
    said = _("Released") if one.decided == "released" else _("Destroyed")
    return Cell(said, "ok" if one.decided == "released" else "", more=one.reason)


def _crumbs() -> list[tuple[Any, str]]:
    return [(_("Vaccine stock"), reverse("prevention:vaccines"))]


@access.may("update", reading.KIND)
def enter_on(request: HttpRequest, what: str) -> HttpResponseBase:
    """Enter doses that came, or a temperature."""
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    place = _place(request, "update")
    back = f"{reverse('prevention:vaccines')}?place={place.pk}"
    posted = request.POST or None
    form: Any
    if what == "receipt":
        first = reading.fridges(place).first()
        initial = {"day": today, "key": uuid4(), "fridge": first.name if first else "1"}
        form = forms.ReceiptForm(posted, initial=initial)
        return enter(
            request,
            form,
            lambda given: stock.receive(asker, place, stock.Receipt(**given), now=now),
            title=_("Receive vaccine"),
            done=_("The doses are on the shelf."),
            back=back,
            crumbs=_crumbs(),
        )
    if what == "reading":
        fridges = [(str(one.pk), one.name) for one in reading.fridges(place)]
        at = timezone.localtime().replace(second=0, microsecond=0)
        form = forms.ReadingForm(posted, initial={"at": at}, fridges=fridges)
        return enter(
            request,
            form,
            lambda given: cold.read(asker, int(given["fridge"]), given["at"], given["celsius"], now=now),
            title=_("Enter a temperature"),
            done=_("The temperature is entered."),
            back=back,
            crumbs=_crumbs(),
        )
    raise Http404


@access.may("update", reading.KIND)
def enter_on_holding(request: HttpRequest, number: int, what: str) -> HttpResponseBase:
    """Enter doses of a batch that were lost or are passed on."""
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    place = _place(request, "update")
    held = Holding.objects.select_related("batch").filter(pk=number, institution=place).first()
    if held is None:
        raise Http404
    about = f"{words.product(held.batch.product, today)} {held.batch.number}"
    back = f"{reverse('prevention:vaccines')}?place={place.pk}"
    initial = {"day": today, "key": uuid4(), "fridge": "1"}
    if what == "loss":
        return enter(
            request,
            forms.LossForm(request.POST or None, initial=initial),
            lambda given: stock.lose(
                asker, number, given["quantity"], given["reason"], given["day"], key=given["key"], now=now
            ),
            title=_("Lost doses: %(batch)s") % {"batch": about},
            done=_("The loss is entered."),
            back=back,
            crumbs=_crumbs(),
        )
    if what != "transfer":
        raise Http404
    kinds = (
        InstitutionKind.COMMUNITY_CENTRE,
        InstitutionKind.TOWNSHIP_CENTRE,
        InstitutionKind.VILLAGE_CLINIC,
        InstitutionKind.COMMUNITY_STATION,
    )
    clinics = Institution.objects.filter(Q(kind__in=kinds) | Q(pk=place.pk), active=True).order_by("code")
    form = forms.TransferForm(
        request.POST or None, initial=initial, places=[(str(one.pk), one.name) for one in clinics]
    )
    return enter(
        request,
        form,
        lambda given: stock.transfer(
            asker,
            number,
            Institution.objects.get(pk=int(given["to"])),
            given["fridge"],
            given["quantity"],
            given["day"],
            key=given["key"],
            now=now,
        ),
        title=_("Pass on: %(batch)s") % {"batch": about},
        done=_("The doses are passed on."),
        back=back,
        crumbs=_crumbs(),
    )


@access.may("decide", reading.KIND)
def excursion(request: HttpRequest, number: int) -> HttpResponseBase:
    """Decide on what was out of its range."""
    asker, now = access.principal(request), timezone.now()
    found = Excursion.objects.select_related("fridge__institution").filter(pk=number).first()
    if found is None or not policy.decide(asker, "decide", reading.target(found.fridge.institution)).allowed:
        raise Http404
    return enter(
        request,
        forms.ExcursionForm(request.POST or None),
        lambda given: cold.decide(asker, number, given["decision"], given["reason"], now=now),
        title=_("Decide on batches in quarantine"),
        done=_("It is decided."),
        back=f"{reverse('prevention:vaccines')}?place={found.fridge.institution_id}",
        crumbs=_crumbs(),
    )


@access.may("create", safety.RECALL)
def recall_batch(request: HttpRequest, number: int) -> HttpResponseBase:
    """Recall a batch."""
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    batch = VaccineBatch.objects.filter(pk=number).first()
    if batch is None:
        raise Http404
    return enter(
        request,
        forms.RecallForm(request.POST or None),
        lambda given: safety.recall(asker, number, given["reason"], given["advice"], now=now),
        title=_("Recall %(batch)s") % {"batch": f"{words.product(batch.product, today)} {batch.number}"},
        done=_("The batch is recalled; who received it stands on the list."),
        back=reverse("prevention:recalls"),
        crumbs=[(_("Batch recalls"), reverse("prevention:recalls"))],
        label=_("Recall the batch"),
    )


@access.may("read", safety.RECALL)
def recalls(request: HttpRequest) -> HttpResponse:
    """List the batches that were recalled, and how far telling residents is."""
    asker, today = access.principal(request), timezone.localdate()
    mine = RecalledDose.objects.all() if _wide(asker) else reading.recalled_doses(asker)
    counts = {
        one["recall"]: (one["n"], one["left"])
        for one in mine.values("recall").annotate(n=Count("pk"), left=Count("pk", filter=Q(state="open")))
    }
    rows = []
    for one in BatchRecall.objects.select_related("batch").order_by("-at"):
        whole, left = counts.get(one.pk, (0, 0))
        rows.append(
            row(
                Cell(
                    f"{words.product(one.batch.product, today)} {one.batch.number}",
                    url=reverse("prevention:recall", args=[one.pk]),
                    more=one.batch.maker,
                ),
                one.at,
                one.reason,
                whole,
                Cell(str(left), "bad" if left else "ok"),
            )
        )
    head = [_("Batch"), _("Recalled"), _("Why"), _("Residents"), _("To be told")]
    return page(
        request,
        _("Batch recalls"),
        [Section("recalls", _("Recalled batches"), header=head, rows=rows, empty=_("No batch is recalled."))],
        lead=_("A recalled batch is given nowhere any more, and everybody who received it is told."),
    )


def _wide(asker: Principal) -> bool:
    """Whether somebody sees counts of the whole city: who may recall."""
    return policy.permits(asker, "create", safety.RECALL)


class Doses(ResidentTable):
    """Residents who received a recalled batch, those to be told first."""

    name = "doses"
    caption = gettext_lazy("Who received the batch")
    private = True
    search = ("name",)
    search_label = gettext_lazy("Name")
    empty_title = gettext_lazy("None of your residents received the batch")
    empty_text = gettext_lazy("Doses that are entered later are put on the list every night.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Name"),
            sort="name",
            wide=True,
            link=lambda one: reverse("prevention:recalled-dose", args=[one.pk]),
        ),
        Column(
            "state",
            gettext_lazy("State"),
            sort="state",
            value=lambda one: words.DOSES[one.state][0],
            tone=lambda one: words.DOSES[one.state][1],
        ),
        Column(
            "day", gettext_lazy("Dose on"), kind="day", sort="given__day", value=lambda one: one.given.day
        ),
        Column("phone", gettext_lazy("Telephone"), kind="code"),
        Column(
            "institution",
            gettext_lazy("Institution"),
            value=lambda one: one.given.institution.name if one.given.institution else "",
        ),
        Column("note", gettext_lazy("Note"), optional=True),
    )
    filters: ClassVar = (
        ChoiceFilter(
            "state",
            gettext_lazy("State"),
            tuple((code, said[0]) for code, said in words.DOSES.items()),
            field="state",
        ),
    )

    def resident(self, row: Any) -> Any:
        """Return who received the dose."""
        return row.given.person_id


@access.may("read", safety.RECALL)
def recall(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a recall with the reader's residents who received the batch."""
    asker, today = access.principal(request), timezone.localdate()
    found = BatchRecall.objects.select_related("batch").filter(pk=number).first()
    if found is None:
        raise Http404
    rows = reading.recalled_doses(asker).filter(recall=found).select_related("given__institution")
    rows = rows.annotate(name=name_of("given__person_id"), phone=_phone())
    audit.record([audit.entry(asker, "read", resource_type="BatchRecall", resource_id=str(number))])
    context = {
        "title": f"{words.product(found.batch.product, today)} {found.batch.number}",
        "lead": _("%(reason)s Residents are told: %(advice)s")
        % {"reason": found.reason, "advice": found.advice},
        "breadcrumbs": [(_("Batch recalls"), reverse("prevention:recalls"))],
    }
    return Doses(request, rows).respond("prevention/maternal/page.html", context)


def _phone() -> Any:
    from django.db.models import OuterRef, Subquery

    return Subquery(Person.objects.filter(pk=OuterRef("given__person_id")).values("phone")[:1])


@access.may("update", seeing.KIND)
def recalled_dose(request: HttpRequest, number: int) -> HttpResponseBase:
    """Say what came of telling a resident."""
    asker, now = access.principal(request), timezone.now()
    found = RecalledDose.objects.select_related("given").filter(pk=number).first()
    if found is None or not policy.decide(asker, "update", seeing.target(found.given)).allowed:
        raise Http404
    name = Person.objects.filter(pk=found.given.person_id).values_list("name", flat=True).first() or ""
    seeing.audited(asker, [found.given.person_id], "recall")
    back = reverse("prevention:recall", args=[found.recall_id])
    state = "told" if found.state == "open" else found.state
    return enter(
        request,
        forms.WorkForm(request.POST or None, initial={"state": state, "note": found.note}),
        lambda given: safety.work_off(asker, number, given["state"], given["note"], now=now),
        title=name,
        done=_("It is noted."),
        back=back,
        crumbs=[(_("Batch recalls"), reverse("prevention:recalls"))],
    )


class Events(Table):
    """Adverse events, those to be reported first."""

    name = "aefi"
    caption = gettext_lazy("Adverse events after vaccination")
    exports = False
    empty_title = gettext_lazy("No adverse event is known")
    empty_text = gettext_lazy("They are entered beside the dose on a child's record.")
    columns: ClassVar = (
        Column(
            "number",
            gettext_lazy("Number"),
            value=lambda one: f"{one.pk}",
            link=lambda one: reverse("prevention:aefi-event", args=[one.pk]),
        ),
        Column(
            "reaction",
            gettext_lazy("Reaction"),
            wide=True,
            value=lambda one: rules.name_of("vaccine_reactions", one.reaction, timezone.localdate()),
        ),
        Column(
            "serious",
            gettext_lazy("Gravity"),
            sort="serious",
            value=lambda one: _("Serious") if one.serious else _("Not serious"),
            tone=lambda one: "bad" if one.serious else "",
        ),
        Column(
            "product",
            gettext_lazy("Vaccine"),
            value=lambda one: words.product(one.product, timezone.localdate()),
        ),
        Column(
            "report",
            gettext_lazy("Report"),
            sort="report_by",
            value=lambda one: report_state(one)[0],
            tone=lambda one: report_state(one)[1],
        ),
        Column("report_by", gettext_lazy("Report by"), kind="moment", sort="report_by"),
        Column(
            "causality",
            gettext_lazy("Cause"),
            value=lambda one: (
                rules.name_of("vaccine_causality", one.causality, timezone.localdate())
                if one.causality
                else _("Not judged yet")
            ),
        ),
    )
    filters: ClassVar = (
        ChoiceFilter(
            "show",
            gettext_lazy("Show"),
            (("open", gettext_lazy("To be reported")),),
            narrow=lambda rows, _value: rows.filter(reported_at=None),
        ),
    )
    default_sort = "-report_by"


def report_state(one: AdverseEvent) -> tuple[Any, str]:
    """Return how an event's report stands."""
    if one.reported_at is not None:
        return (_("Reported"), "ok") if one.reported_at <= one.report_by else (_("Reported late"), "warn")
    return (_("Overdue"), "bad") if one.report_by < timezone.now() else (_("To be reported"), "info")


@access.may("search", safety.EVENT)
def events(request: HttpRequest) -> HttpResponseBase:
    """List the adverse events that the reader may see."""
    asker = access.principal(request)
    audit.record([audit.entry(asker, "search", resource_type="AdverseEvent")])
    condition, values = policy.scope(asker, "search", "", kind=safety.EVENT).sql(
        "prevention_adverseevent.person_id"
    )
    rows = AdverseEvent.objects.extra(where=[condition], params=values)  # noqa: S610 - the policy's condition
    waiting = rows.filter(reported_at=None)
    late = waiting.filter(report_by__lt=timezone.now()).count()
    context = {
        "title": _("Adverse events"),
        "lead": _(
            "Suspected reactions after vaccination: reported within 48 hours, deaths within 2, then judged."
        ),
        "figures": [
            (waiting.count(), _("to be reported"), "info"),
            (late, _("overdue"), "bad" if late else "ok"),
        ],
    }
    return Events(request, rows).respond("prevention/maternal/page.html", context)


@access.may("read", safety.EVENT)
def event(request: HttpRequest, number: int) -> HttpResponse:
    """Show an adverse event."""
    asker, today = access.principal(request), timezone.localdate()
    try:
        one = safety.open_event(asker, number)
    except NotFound:
        raise Http404 from None
    target = safety.event_target(one)
    sees = policy.decide(asker, "read", seeing.target(one.given)).allowed
    name = (
        Person.objects.filter(pk=one.given.person_id).values_list("name", flat=True).first() if sees else None
    )
    state, tone = report_state(one)
    facts = [
        (_("Resident"), Cell(name or _("not shown"))),
        (_("Vaccine"), Cell(words.product(one.product, today))),
        (_("Batch number"), Cell(one.batch.number if one.batch else one.given.values.get("batch", ""))),
        (_("Dose on"), plain(one.given.day)),
        (_("Began"), plain(one.onset)),
        (_("Became known"), plain(one.found_at)),
        (_("Report by"), plain(one.report_by)),
        (_("Reported"), plain(one.reported_at)),
        (_("Cause"), Cell(rules.name_of("vaccine_causality", one.causality, today) if one.causality else "")),
        (_("Outcome"), Cell(dict(words.OUTCOMES).get(one.outcome, ""))),
        (_("Judged by"), Cell(one.judged_by)),
        (_("Course"), Cell(one.story)),
    ]
    acts = []
    if one.reported_at is None and policy.decide(asker, "update", target).allowed:
        acts.append(Act(_("Report it"), reverse("prevention:aefi-report", args=[number]), post=True))
    links = []
    if one.reported_at is not None and policy.decide(asker, "decide", target).allowed:
        links.append(Act(_("Judge the cause"), reverse("prevention:aefi-judge", args=[number]), True))
    if acts:
        facts.append((_("Still to do"), Cell(acts=acts)))
    return page(
        request,
        rules.name_of("vaccine_reactions", one.reaction, today),
        [Section("event", _("The event"), facts=facts)],
        actions=links,
        marks=[(state, tone), *([(_("Serious"), "bad")] if one.serious else [])],
        breadcrumbs=[(_("Adverse events"), reverse("prevention:aefi"))],
    )


@access.may("update", safety.EVENT)
@require_POST
def report(request: HttpRequest, number: int) -> HttpResponseBase:
    """Report an adverse event."""
    return did(
        request,
        lambda: safety.report_event(access.principal(request), number, now=timezone.now()),
        _("The event is reported."),
        reverse("prevention:aefi-event", args=[number]),
    )


@access.may("decide", safety.EVENT)
def judge(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter the experts' judgement of an adverse event."""
    asker, now = access.principal(request), timezone.now()
    return enter(
        request,
        forms.JudgeForm(request.POST or None),
        lambda given: safety.judge_event(asker, number, given["causality"], given["outcome"], now=now),
        title=_("Judge the cause"),
        done=_("The judgement is kept."),
        back=reverse("prevention:aefi-event", args=[number]),
        crumbs=[(_("Adverse events"), reverse("prevention:aefi"))],
    )
