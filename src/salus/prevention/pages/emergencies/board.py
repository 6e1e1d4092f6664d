"""The emergency board, live, and one emergency with its evidence, figures, plan, reports and history."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from salus.kernel import names, policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import (
    Emergency,
    EmergencyGrade,
    EmergencyKind,
    EmergencyState,
    GradingProposal,
    ProposalState,
    RequestState,
    TaskState,
)
from salus.prevention.pages.emergencies import drawing, words
from salus.prevention.queries.emergencies import counting, figures, rules, seeing
from salus.prevention.queries.notifiable.diseases import chinese
from salus.prevention.services.emergencies import deciding, ending
from salus.web import access
from salus.web.tables import ChoiceFilter, Column, Table

_AWAITED = (RequestState.ASKED, RequestState.GRANTED, RequestState.SENT)
SHOWN = 60
"""How many emergencies the board shows at once; more are in the list of all."""


def alive(principal: Principal) -> QuerySet[Emergency]:
    """Return what the board shows: proposed and open, the gravest first, with their overdue tasks."""
    now = timezone.now()
    return (
        seeing.emergencies(principal)
        .filter(state__in=(EmergencyState.PROPOSED, EmergencyState.OPEN))
        .annotate(
            open_tasks=Count("tasks", filter=Q(tasks__state=TaskState.OPEN)),
            overdue=Count("tasks", filter=Q(tasks__state=TaskState.OPEN, tasks__due_at__lt=now)),
        )
        .order_by("grade", "-noticed_at")
    )


def board_context(request: HttpRequest) -> dict[str, Any]:
    """Return the board: what waits for a decision, then the open ones by grade."""
    asker, now = access.principal(request), timezone.now()
    rows = list(alive(asker)[:SHOWN])
    districts = names.districts({row.district_code for row in rows})
    waiting = {
        one.emergency_id: one
        for one in GradingProposal.objects.filter(
            emergency__in=[row.pk for row in rows], state=ProposalState.WAITING
        )
    }
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        proposal = waiting.get(row.pk)
        report, report_tone = words.due(row.next_report_at, now)
        first, first_tone = ("", "") if row.reported_at else words.due(row.report_due_at, now)
        card = {
            "one": row,
            "title": words.title_of(row, districts),
            "kind": words.kind_of(row),
            "where": districts.get(row.district_code, row.district_code),
            "tone": words.TONES.get(row.grade or 5, ""),
            "clock": words.span((now - row.noticed_at).total_seconds()),
            "first": first,
            "first_tone": first_tone,
            "report": report,
            "report_tone": report_tone,
            "proposal": proposal,
            "proposed": words.grade_name(proposal.grade) if proposal else "",
            "proposed_tone": words.TONES.get(proposal.grade, "") if proposal else "",
            "lead": proposal.get_act_display() if proposal else "",
        }
        key = "waiting" if row.state == EmergencyState.PROPOSED else str(row.grade)
        groups.setdefault(key, []).append(card)
    order = ["waiting", *(str(grade) for grade in EmergencyGrade.values)]
    titles: dict[str, Any] = {"waiting": _("Wait for a decision")} | {
        str(grade.value): grade.label for grade in EmergencyGrade
    }
    return {
        "groups": [(key, titles[key], groups[key]) for key in order if key in groups],
        "counted": {
            "open": sum(row.state == EmergencyState.OPEN for row in rows),
            "waiting": sum(one["proposal"] is not None for held in groups.values() for one in held),
            "overdue": sum(getattr(row, "overdue", 0) for row in rows),
            "late": sum(row.reported_at is None and row.report_due_at < now for row in rows),
        },
        "cut": len(rows) == SHOWN,
    }


@access.may("search", "health_emergency")
def board(request: HttpRequest) -> HttpResponse:
    """Show the board."""
    asker = access.principal(request)
    context = {
        "title": _("Emergency board"),
        "enters": policy.permits(asker, "create", "health_emergency"),
        "faults": rules.faults(),
    }
    return render(request, "prevention/emergencies/board.html", context)


class Past(Table):
    """All emergencies, the newest first."""

    name = "emergencies"
    caption = gettext_lazy("All emergencies")
    search = ("title", "place")
    search_label = gettext_lazy("Title or place")
    default_sort = "-noticed_at"
    empty_title = gettext_lazy("There was no emergency")
    empty_text = gettext_lazy("Events come here from cases and outbreaks, or are entered by a person.")
    columns: ClassVar = (
        Column("title", gettext_lazy("Title"), sort="title", wide=True,
               link=lambda row: reverse("prevention:emergency", args=[row.pk])),
        Column("kind", gettext_lazy("Kind"), sort="kind", value=words.kind_of),
        Column("grade", gettext_lazy("Grade"), sort="grade", value=lambda row: words.grade_name(row.grade),
               tone=lambda row: words.TONES.get(row.grade or 5, "")),
        Column("state", gettext_lazy("State"), sort="state", value=lambda row: row.get_state_display(),
               tone=lambda row: words.STATES[EmergencyState(row.state)]),
        Column("district_code", gettext_lazy("District"), sort="district_code"),
        Column("noticed_at", gettext_lazy("Noticed"), kind="moment", sort="noticed_at"),
        Column("reported_at", gettext_lazy("Reported upwards"), kind="moment", sort="reported_at"),
        Column("closed_at", gettext_lazy("Ended"), kind="moment", sort="closed_at"),
    )  # fmt: skip
    filters: ClassVar = (
        ChoiceFilter("state", gettext_lazy("State"), tuple(EmergencyState.choices)),
        ChoiceFilter("kind", gettext_lazy("Kind"), tuple(EmergencyKind.choices)),
    )


@access.may("search", "health_emergency")
def past(request: HttpRequest) -> HttpResponseBase:
    """List all emergencies."""
    rows = seeing.emergencies(access.principal(request))
    context = {
        "title": _("All emergencies"),
        "breadcrumbs": [(_("Emergency board"), reverse("prevention:emergencies"))],
    }
    return Past(request, rows).respond("prevention/emergencies/past.html", context)


@access.may("read", "health_emergency")
def emergency(request: HttpRequest, number: int) -> HttpResponse:
    """Show one emergency."""
    asker, now = access.principal(request), timezone.now()
    try:
        one = seeing.open_one(asker, number)
    except NotFound:
        raise Http404 from None
    today = timezone.localdate()
    counts = counting.counts_of(one, today)
    total = counting.sums_of(one, counts, None, today)
    fresh = counting.sums_of(one, counts, today, today)
    districts = names.districts({one.district_code, *(row.district for row in counts)})
    proposals = list(one.proposals.all())
    waiting = next((row for row in proposals if row.state == ProposalState.WAITING), None)
    target = seeing.target(one)
    updates = policy.decide(asker, "update", target).allowed
    alive_ = one.state in (EmergencyState.PROPOSED, EmergencyState.OPEN)
    known = dict(rules.flags())
    first, first_tone = ("", "") if one.reported_at else words.due(one.report_due_at, now)
    report, report_tone = words.due(one.next_report_at, now)
    level = None
    if one.grade is not None:
        level = rules.response().level(rules.graded(one.grade), today, one.district_code)
    context = {
        "title": words.title_of(one, districts),
        "breadcrumbs": [(_("Emergency board"), reverse("prevention:emergencies"))],
        "one": one,
        "kind": words.kind_of(one),
        "where": districts.get(one.district_code, one.district_code),
        "grade": words.grade_name(one.grade),
        "grade_tone": words.TONES.get(one.grade or 5, ""),
        "state_tone": words.STATES[EmergencyState(one.state)],
        "level": rules.level_name(level) if level else "",
        "led_by": (level.led_by_zh if chinese() else level.led_by) if level else "",
        "clock": words.span((now - one.noticed_at).total_seconds()),
        "first": first, "first_tone": first_tone,
        "late": one.reported_at is not None and one.reported_at > one.report_due_at,
        "report": report, "report_tone": report_tone,
        "flags": [known.get(flag, flag) for flag in one.flags],
        "total": total, "fresh": fresh,
        "curve": drawing.curve(figures.curve_of(counts)),
        "waiting": waiting,
        "evidence": words.evidence(waiting) if waiting else None,
        "waiting_grade": words.grade_name(waiting.grade) if waiting else "",
        "waiting_tone": words.TONES.get(waiting.grade, "") if waiting else "",
        "may_decide": waiting is not None and policy.decide(asker, "decide", target).allowed
        and deciding.may_decide(asker, one, rules.graded(waiting.grade)),
        "decided": [
            (row, words.grade_name(row.grade), words.grade_name(row.decided_grade),
             words.PROPOSALS[row.state], words.evidence(row), words.by_whom(row.proposed_by))
            for row in proposals if row.state != ProposalState.WAITING
        ],
        "tasks": [
            (task, words.task_title(task), *words.task_state(task, now), words.role_name(task.role))
            for task in one.tasks.select_related("assignee")
        ],
        "requests": [
            (row, words.REQUESTS[RequestState(row.state)], row.state in _AWAITED and row.wanted_by < now)
            for row in one.requests.all()
        ],
        "reports": list(one.reports.all()),
        "acts": [(act, words.act_words(act), words.by_whom(act.by)) for act in one.acts.all()[:200]],
        "counts": [(row, districts.get(row.district_code, row.district_code)) for row in one.counts.all()],
        "clear": ending.clear_of(one, today) if one.state == EmergencyState.OPEN else None,
        "alive": alive_,
        "updates": updates and alive_,
        "opens": updates and one.state == EmergencyState.OPEN,
        "grades": alive_ and policy.decide(asker, "decide", target).allowed,
        "reports_up": updates and one.reported_at is None and one.state != EmergencyState.REJECTED,
        "drafts": updates and one.state in (EmergencyState.OPEN, EmergencyState.CLOSED),
    }  # fmt: skip
    return render(request, "prevention/emergencies/emergency.html", context)
