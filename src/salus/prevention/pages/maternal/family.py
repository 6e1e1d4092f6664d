"""Family planning: whom to see again, what was done for a resident; and the review of deaths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import OuterRef, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from salus.kernel import audit, names, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Target
from salus.prevention.models import DeathReview, FamilyAct, Guardianship, ProgrammeEntry, ReviewState
from salus.prevention.pages.maternal import forms, words
from salus.prevention.pages.maternal.children import name_of
from salus.prevention.pages.maternal.show import Act, Cell, Section, did, enter, page, plain, row
from salus.prevention.pages.residents import ResidentTable
from salus.prevention.queries.maternal import rules, seeing
from salus.prevention.queries.programme import seeing as programme
from salus.prevention.services.maternal import deaths as reviewing
from salus.prevention.services.maternal import family as doing
from salus.record.models import Person
from salus.web import access, confirm
from salus.web.tables import ChoiceFilter, Column

CASE = "death_case"


def what(one: FamilyAct) -> str:
    """Return the method or support of an act, in words."""
    name = doing.KINDS.get(one.kind, "")
    found = rules.name_of(name, one.code, one.day) if name and one.code else ""
    if one.amount:
        found += " · " + _("%(yuan)s yuan a year") % {"yuan": f"{one.amount / 100:,.0f}"}
    return found


def _due(queryset: Any, value: str) -> Any:
    return (
        queryset.filter(next_on__lte=timezone.localdate()) if value == "due" else queryset.filter(kind=value)
    )


class Acts(ResidentTable):
    """Acts of family planning, whom to see again first."""

    name = "family"
    caption = gettext_lazy("Family planning")
    private = True
    search = ("name",)
    search_label = gettext_lazy("Name")
    empty_title = gettext_lazy("Nothing was entered yet")
    empty_text = gettext_lazy("Checks, contraceptives and support are entered on a resident's page.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Name"),
            sort="name",
            wide=True,
            link=lambda one: reverse("prevention:family-resident", args=[one.entry]) if one.entry else None,
        ),
        Column(
            "kind", gettext_lazy("What"), sort="kind", value=lambda one: words.KINDS.get(one.kind, one.kind)
        ),
        Column("code", gettext_lazy("Method or support"), value=what),
        Column("day", gettext_lazy("Day"), kind="day", sort="day"),
        Column("next_on", gettext_lazy("Seen again"), kind="day", sort="next_on"),
    )
    filters: ClassVar = (
        ChoiceFilter(
            "show",
            gettext_lazy("Show"),
            (("due", gettext_lazy("To be seen now")), *words.KINDS.items()),
            narrow=_due,
        ),
    )
    default_sort = "-day"


@access.may("search", seeing.FAMILY)
def acts(request: HttpRequest) -> HttpResponseBase:
    """List the acts of family planning that the reader may see."""
    asker = access.principal(request)
    if asker.person_id is not None and not (asker.roles - {"resident"}):
        raise Http404
    entries = ProgrammeEntry.objects.filter(person_id=OuterRef("person_id")).order_by("-pk").values("pk")[:1]
    rows = seeing.family_acts(asker).filter(undone_at=None).annotate(name=name_of(), entry=entries)
    due = _due(rows, "due").count()
    context = {
        "title": _("Family planning"),
        "lead": _("Checks before pregnancy, contraceptives and their follow-up, births registered, support."),
        "figures": [(due, _("to be seen now"), "info" if due else "ok")],
    }
    return Acts(request, rows).respond("prevention/maternal/page.html", context)


def _resident(request: HttpRequest, number: int) -> tuple[ProgrammeEntry, Person]:
    try:
        entry = programme.open_entry(access.principal(request), number)
    except NotFound:
        raise Http404 from None
    person = Person.objects.filter(pk=entry.person_id).first()
    if person is None:
        raise Http404
    return entry, person


@access.may("search", seeing.FAMILY)
def resident(request: HttpRequest, number: int) -> HttpResponse:
    """Show what was done for a resident; `number` is any of her registrations."""
    asker = access.principal(request)
    entry, person = _resident(request, number)
    may = policy.permits(asker, "create", seeing.FAMILY)
    rows = seeing.family_acts(asker, "read").filter(person_id=person.pk)
    head = [
        _("Day"),
        _("What"),
        _("Method or support"),
        _("Quantity"),
        _("Seen again"),
        _("By"),
        _("Note"),
        "",
    ]
    shown = [
        row(
            one.day.isoformat(),
            words.KINDS.get(one.kind, one.kind),
            what(one),
            one.quantity,
            one.next_on,
            one.recorded_by,
            one.note,
            Cell(_("Taken back"), "warn")
            if one.undone_at
            else Cell(
                acts=[
                    Act(
                        _("Take back"),
                        reverse("prevention:family-undo", args=[number, one.pk]),
                        post=True,
                        ask=_("Take this entry back?"),
                        hidden=one.day.isoformat(),
                    )
                ]
                if may
                else []
            ),
        )
        for one in rows
    ]
    return page(
        request,
        person.name,
        [Section("acts", _("What was done"), header=head, rows=shown)],
        actions=[Act(_("Enter"), reverse("prevention:family-enter", args=[number]), True)] if may else [],
        breadcrumbs=[(_("Family planning"), reverse("prevention:family"))],
    )


@access.may("create", seeing.FAMILY)
def enter_act(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter an act of family planning for a resident."""
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    _entry, person = _resident(request, number)
    held = Guardianship.objects.select_related("child").filter(
        Q(end=None) | Q(end__gte=today), person_id=person.pk
    )
    called = dict(Person.objects.filter(pk__in=held.values("child__person_id")).values_list("pk", "name"))
    form = forms.FamilyForm(
        request.POST or None,
        initial={"day": today},
        children=[(str(one.child_id), called.get(one.child.person_id, "")) for one in held],
    )

    def take(given: Mapping[str, Any]) -> object:
        child = int(given["child"]) if given["child"] else None
        asked = doing.Asked(
            given["key"],
            person.pk,
            given["kind"],
            given["code"],
            given["day"],
            given["quantity"],
            child,
            note=given["note"],
        )
        return doing.enter(asker, asked, now=now)

    back = reverse("prevention:family-resident", args=[number])
    return enter(
        request,
        form,
        take,
        title=_("Enter for %(name)s") % {"name": person.name},
        done=_("It is entered."),
        back=back,
        crumbs=[(_("Family planning"), reverse("prevention:family")), (person.name, back)],
    )


@access.may("update", seeing.FAMILY)
@require_POST
def undo_act(request: HttpRequest, number: int, act: int) -> HttpResponseBase:
    """Take an act of family planning back."""
    if asked := confirm.needed(request, _("Take this entry back?")):
        return asked
    return did(
        request,
        lambda: doing.take_back(access.principal(request), act, now=timezone.now()),
        _("The entry is taken back."),
        reverse("prevention:family-resident", args=[number]),
    )


REVIEW_TONE = {ReviewState.OPEN: "warn", ReviewState.READY: "info", ReviewState.CLOSED: "ok"}


class Reviews(ResidentTable):
    """Reviews of deaths, the first to be due first."""

    name = "reviews"
    caption = gettext_lazy("Reviews of deaths")
    private = True
    search = ("name",)
    search_label = gettext_lazy("Name")
    empty_title = gettext_lazy("No death is to be reviewed")
    empty_text = gettext_lazy("Deaths of mothers and children are found in the record every night.")
    columns: ClassVar = (
        Column(
            "name",
            gettext_lazy("Name"),
            sort="name",
            wide=True,
            link=lambda one: reverse("prevention:death", args=[one.pk]),
        ),
        Column("kind", gettext_lazy("Whose death"), sort="kind", value=lambda one: one.get_kind_display()),
        Column("died_on", gettext_lazy("Died on"), kind="day", sort="died_on"),
        Column(
            "state",
            gettext_lazy("State"),
            sort="state",
            value=lambda one: one.get_state_display(),
            tone=lambda one: REVIEW_TONE[ReviewState(one.state)],
        ),
        Column("due_on", gettext_lazy("Review due"), kind="day", sort="due_on"),
        Column("conclusion", gettext_lazy("Conclusion"), value=lambda one: one.get_conclusion_display()),
    )
    filters: ClassVar = (
        ChoiceFilter("state", gettext_lazy("State"), tuple(ReviewState.choices), field="state"),
    )
    default_sort = "due_on"


@access.may("search", seeing.DEATH)
def deaths(request: HttpRequest) -> HttpResponseBase:
    """List the reviews of deaths that the reader may see."""
    rows = seeing.reviews(access.principal(request)).annotate(name=name_of())
    late = rows.exclude(state=ReviewState.CLOSED).filter(due_on__lt=timezone.localdate()).count()
    context = {
        "title": _("Deaths of mothers and children"),
        "lead": _(
            "Each is reviewed: which of the three delays played a part, and could it have been avoided?"
        ),
        "figures": [
            (rows.filter(state=ReviewState.OPEN).count(), _("to be investigated"), "info"),
            (late, _("overdue"), "bad" if late else "ok"),
        ],
    }
    return Reviews(request, rows).respond("prevention/maternal/page.html", context)


@access.may("read", seeing.DEATH)
def death(request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a review with its form."""
    asker = access.principal(request)
    try:
        one = seeing.open_review(asker, number)
    except NotFound:
        raise Http404 from None
    name = Person.objects.filter(pk=one.person_id).values_list("name", flat=True).first() or ""
    may = policy.decide(asker, "update", seeing.death_target(one)).allowed and one.state != ReviewState.CLOSED
    return page(
        request,
        name,
        _case(one),
        marks=[(one.get_state_display(), REVIEW_TONE[ReviewState(one.state)])],
        actions=[Act(_("Investigate"), reverse("prevention:death-enter", args=[number]), True)]
        if may
        else [],
        breadcrumbs=[(_("Deaths of mothers and children"), reverse("prevention:deaths"))],
    )


def _case(one: DeathReview) -> list[Section]:
    """Return a review's parts; nothing in them names the dead, her institution or her staff."""
    today = timezone.localdate()
    code = one.district_code
    facts = [
        (_("Whose death"), Cell(one.get_kind_display())),
        (_("Died on"), plain(one.died_on)),
        (_("Age (days)"), plain(one.age_days) if one.kind != "maternal" else Cell()),
        (_("Underlying cause (ICD-10)"), Cell(one.cause)),
        (_("District"), Cell(names.districts([code]).get(code, code))),
        (_("Review due"), plain(one.due_on)),
        (_("Course of events"), Cell(one.story)),
        (_("Conclusion"), Cell(one.get_conclusion_display())),
        (_("What should change"), Cell(one.advice)),
    ]
    known = rules.table("maternal_delays", today)
    items = [
        row(known[it.item].name, str(words.DELAYS[known[it.item].row["delay"]]), it.note)
        for it in one.items.filter(present=True)
        if it.item in known
    ]
    return [
        Section("case", _("The case"), facts=facts),
        Section("items", _("What played a part"), header=[_("Item"), _("Delay"), _("Note")], rows=items),
    ]


@access.may("update", seeing.DEATH)
def investigate(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter the course of events and what played a part."""
    asker, now, today = access.principal(request), timezone.now(), timezone.localdate()
    try:
        one = seeing.open_review(asker, number, "update")
    except NotFound:
        raise Http404 from None
    there = list(one.items.filter(present=True).values_list("item", flat=True))
    form = forms.ReviewForm(request.POST or None, initial={"story": one.story, "items": there})

    def take(given: Mapping[str, Any]) -> object:
        items = {code: (code in given["items"], "") for code in rules.table("maternal_delays", today)}
        return reviewing.investigate(asker, number, given["story"], items, ready=given["ready"], now=now)

    return enter(
        request,
        form,
        take,
        title=_("Investigate a death"),
        done=_("The investigation is entered."),
        back=reverse("prevention:death", args=[number]),
        crumbs=[(_("Deaths of mothers and children"), reverse("prevention:deaths"))],
    )


@access.may("create", seeing.DEATH)
def enter_death(request: HttpRequest, number: int) -> HttpResponseBase:
    """Open the review of a resident's death by hand; `number` is any of her registrations."""
    asker, now = access.principal(request), timezone.now()
    entry, person = _resident(request, number)
    return enter(
        request,
        forms.DeathForm(request.POST or None),
        lambda given: reviewing.enter(asker, entry.person_id, given["died_on"], given["cause"], now=now),
        title=_("Review the death of %(name)s") % {"name": person.name},
        done=_("The review is opened."),
        back=reverse("prevention:deaths"),
        crumbs=[(_("Deaths of mothers and children"), reverse("prevention:deaths"))],
    )


@access.may("search", CASE)
def committee(request: HttpRequest) -> HttpResponse:
    """List the cases before the committee, and those that it concluded, without names."""
    asker = access.principal(request)
    audit.record([audit.entry(asker, "search", resource_type="DeathCase")])
    rows = DeathReview.objects.exclude(state=ReviewState.OPEN).order_by("-state", "due_on")[:200]
    shown = [
        row(
            Cell(
                _("Case %(number)d") % {"number": one.pk}, url=reverse("prevention:death-case", args=[one.pk])
            ),
            one.get_kind_display(),
            one.died_on,
            Cell(one.get_state_display(), REVIEW_TONE[ReviewState(one.state)]),
            one.get_conclusion_display() if one.conclusion else "",
            one.due_on,
        )
        for one in rows
    ]
    head = [_("Case"), _("Whose death"), _("Died on"), _("State"), _("Conclusion"), _("Review due")]
    return page(
        request,
        _("Review committee"),
        [Section("cases", _("Cases"), header=head, rows=shown, empty=_("No case is before the committee."))],
        lead=_("Cases are read without names of residents, institutions or staff."),
    )


@access.may("read", CASE)
def case(request: HttpRequest, number: int) -> HttpResponse:
    """Show a case to the committee, without a name."""
    asker = access.principal(request)
    one = DeathReview.objects.exclude(state=ReviewState.OPEN).filter(pk=number).first()
    audit.record(
        [
            audit.entry(
                asker,
                "read",
                person_id=one.person_id if one else None,
                resource_type="DeathCase",
                resource_id=str(number),
                outcome="ok" if one else "refused",
            )
        ]
    )
    if one is None:
        raise Http404
    may = policy.decide(asker, "decide", Target(CASE)).allowed and one.state == ReviewState.READY
    return page(
        request,
        _("Case %(number)d") % {"number": one.pk},
        _case(one),
        actions=[Act(_("Conclude"), reverse("prevention:death-conclude", args=[number]), True)]
        if may
        else [],
        breadcrumbs=[(_("Review committee"), reverse("prevention:committee"))],
    )


@access.may("decide", CASE)
def conclude(request: HttpRequest, number: int) -> HttpResponseBase:
    """Enter the committee's conclusion."""
    asker, now = access.principal(request), timezone.now()
    if not DeathReview.objects.filter(pk=number, state=ReviewState.READY).exists():
        raise Http404
    return enter(
        request,
        forms.ConcludeForm(request.POST or None),
        lambda given: reviewing.conclude(asker, number, given["conclusion"], given["advice"], now=now),
        title=_("Conclude case %(number)d") % {"number": number},
        done=_("The conclusion is kept."),
        back=reverse("prevention:death-case", args=[number]),
        crumbs=[(_("Review committee"), reverse("prevention:committee"))],
    )
