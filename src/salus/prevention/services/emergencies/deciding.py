"""A person decides on a proposal: confirms it, confirms another grade, or rejects it, and says why.

Who may confirm follows from the level of the grade that is decided (`rules/emergency_response.toml`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import policy
from salus.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from salus.kernel.events import emit
from salus.kernel.policy import Principal
from salus.prevention.events import EmergencyDeclared, EmergencyEnded, EmergencyRegraded
from salus.prevention.models import (
    Emergency,
    EmergencyState,
    EmergencyTask,
    GradingProposal,
    ProposalAct,
    ProposalState,
    ReportState,
    SituationReport,
    TaskState,
)
from salus.prevention.queries.emergencies import rules, seeing
from salus.prevention.services.emergencies import acts, entering, evaluating
from salus.prevention.surveillance.grading import Grade


def may_decide(principal: Principal, emergency: Emergency, grade: Grade) -> bool:
    """Say whether a principal may confirm a grade of an emergency."""
    day = emergency.began_on
    action = rules.response().level(grade, day, emergency.district_code).action
    return policy.decide(principal, action, seeing.target(emergency)).allowed


def decide(
    principal: Principal,
    number: int,
    reason: str,
    *,
    now: datetime,
    grade: int | None = None,
    reject: bool = False,
) -> GradingProposal:
    """Decide on a waiting proposal.

    Args:
        principal: who decides.
        number: the proposal's.
        reason: why, in a few words.
        now: when.
        grade: the grade that holds; the proposed one if None.
        reject: whether nothing shall follow.

    Raises:
        NotFound: there is no such proposal, or the principal may not know of it.
        NotAllowed: the grade must be confirmed by somebody else.
        Conflict: it is decided or overtaken already.
        Invalid: the reason is missing, or the grade does not fit the proposal.
    """
    held = GradingProposal.objects.filter(pk=number).first()
    if held is None:
        raise NotFound("proposal-unknown", _("There is no such proposal"), where=str(number))
    one = seeing.open_one(principal, held.emergency_id, "decide")
    chosen = rules.graded(held.grade if grade is None else grade)
    if len(reason.strip()) < 3:
        raise Invalid("emergency-reason", _("Say why"), where="reason")
    # To set aside what would need an approval needs the same approval.
    for needed in {rules.graded(held.grade), chosen} if not reject else {rules.graded(held.grade)}:
        if not may_decide(principal, one, needed):
            raise NotAllowed(
                "emergency-approval", _("This grade must be confirmed by the health commission's planner"),
                where="grade", fix=_("Ask the planner to decide"),
            )  # fmt: skip
    with acts.kept(principal, one, "reject" if reject else "confirm", act=held.act, grade=int(chosen)):
        one = acts.alone(one.pk)
        state = ProposalState.REJECTED
        if not reject:
            state = ProposalState.CONFIRMED if chosen == held.grade else ProposalState.CHANGED
        if not GradingProposal.objects.filter(pk=number, state=ProposalState.WAITING).update(
            state=state, decided_by=principal.name, decided_at=now, reason=reason.strip()[:500],
            decided_grade=None if reject else int(chosen),
        ):  # fmt: skip
            raise Conflict("proposal-decided", _("It is decided already"), where=str(number))
        acts.note(
            one, "rejected" if reject else "confirmed", by=principal.name, now=now, words=reason.strip(),
            act=held.act, proposed=held.grade, grade=int(chosen),
        )  # fmt: skip
        if reject:
            if held.act == ProposalAct.OPEN:
                one.state, one.closed_at, one.updated = EmergencyState.REJECTED, now, now
                one.save(update_fields=["state", "closed_at", "updated"])
        elif held.act == ProposalAct.STAND_DOWN:
            _end(one, now=now)
        else:
            _hold(one, chosen, held.act, now=now)
    held.refresh_from_db()
    return held


def grade_by_hand(
    principal: Principal, number: int, grade: int, reason: str, *, now: datetime
) -> GradingProposal:
    """Set an emergency's grade without or against the rules, with a reason.

    What the rules find then is kept as evidence beside the decision.

    Raises:
        NotFound: there is no such emergency.
        NotAllowed: the grade must be confirmed by somebody else.
        Conflict: it is over, or has this grade already.
        Invalid: there is no such grade, or the reason is missing.
    """
    one = seeing.open_one(principal, number, "decide")
    chosen = rules.graded(grade)
    if one.state not in (EmergencyState.PROPOSED, EmergencyState.OPEN):
        raise Conflict("emergency-over", _("The emergency is over"), where=str(number))
    if one.grade == chosen:
        raise Conflict("emergency-same", _("It has this grade already"), where="grade")
    if len(reason.strip()) < 3:
        raise Invalid("emergency-reason", _("Say why"), where="reason")
    if not may_decide(principal, one, chosen) or (
        one.grade is not None and not may_decide(principal, one, rules.graded(one.grade))
    ):
        raise NotAllowed(
            "emergency-approval", _("This grade must be confirmed by the health commission's planner"),
            where="grade", fix=_("Ask the planner to decide"),
        )  # fmt: skip
    act = ProposalAct.OPEN
    if one.grade is not None:
        act = ProposalAct.ESCALATE if chosen < one.grade else ProposalAct.LOWER
    day = timezone.localtime(now).date()
    with acts.kept(principal, one, "grade", grade=int(chosen)):
        one = acts.alone(number)
        one.proposals.filter(state=ProposalState.WAITING).update(state=ProposalState.OVERTAKEN)
        found = evaluating.assess(one, day)
        made = GradingProposal.objects.create(
            emergency=one, act=act, grade=int(chosen), day=day, evidence=evaluating.evidence_of(found),
            version=found.version, digest=evaluating.digest_of(act, found), state=ProposalState.CONFIRMED,
            proposed_by=principal.name, proposed_at=now, decided_by=principal.name, decided_at=now,
            decided_grade=int(chosen), reason=reason.strip()[:500],
        )  # fmt: skip
        acts.note(one, "graded", by=principal.name, now=now, words=reason.strip(), act=act, grade=int(chosen))
        _hold(one, chosen, act, now=now)
    return made


def _hold(one: Emergency, grade: Grade, act: str, *, now: datetime) -> None:
    """Let a grade hold: its plan, its reports, word to those concerned and to other rooms."""
    before, day = one.grade, timezone.localtime(now).date()
    level = rules.response().level(grade, day, one.district_code)
    one.grade, one.state, one.updated = int(grade), EmergencyState.OPEN, now
    if one.opened_at is None:
        one.opened_at = now
    one.next_report_at = now + timedelta(hours=level.every_hours) if level.every_hours else None
    one.save()
    planned = rules.response().plan(one.kind, grade, day, one.district_code)
    there = set(one.tasks.exclude(code="").values_list("code", flat=True))
    fresh = [task for task in planned if task.code not in there]
    EmergencyTask.objects.bulk_create(
        EmergencyTask(
            emergency=one, code=task.code, title=task.title, title_zh=task.title_zh, role=task.role,
            due_at=now + timedelta(hours=task.hours), created=now,
        )
        for task in fresh
    )  # fmt: skip
    if fresh:
        acts.note(one, "planned", by=evaluating.BY, now=now, tasks=len(fresh))
    key = f"emergency-{one.pk}-{act}-{int(grade)}-{now:%Y%m%d%H%M}"
    acts.tell(
        one, ["epidemiologist", "planner"], "emergency-graded",
        _("%(title)s: grade %(grade)s holds, the response is under way"), now=now,
        params={"grade": grade.name}, urgent=grade <= Grade.II, key=key,
    )  # fmt: skip
    others = {task.role for task in fresh} - {"epidemiologist", "planner"}
    if others:
        from django.urls import reverse

        acts.tell(
            one, others, "emergency-tasks", _("%(title)s: there are tasks for you"), now=now,
            urgent=grade <= Grade.II, key=f"{key}-tasks", link=reverse("prevention:emergency-tasks"),
        )  # fmt: skip
    if before is None:
        emit(EmergencyDeclared(one.pk, one.kind, one.disease, one.district_code, int(grade)))
    else:
        emit(EmergencyRegraded(one.pk, one.kind, one.disease, one.district_code, before, int(grade)))
    entering.offer(one, day)


def _end(one: Emergency, *, now: datetime) -> None:
    one.state, one.closed_at, one.updated = EmergencyState.CLOSED, now, now
    one.save(update_fields=["state", "closed_at", "updated"])
    left = one.tasks.filter(state=TaskState.OPEN).update(state=TaskState.DROPPED)
    acts.note(one, "ended", by=evaluating.BY, now=now, tasks=left)
    day = timezone.localtime(now).date()
    level = rules.response().level(rules.graded(one.grade or Grade.NOTICE), day, one.district_code)
    one.next_report_at = now + timedelta(days=level.final_days)
    one.save(update_fields=["next_report_at"])
    SituationReport.objects.filter(emergency=one, state=ReportState.DRAFT).delete()
    acts.tell(
        one, ["epidemiologist", "planner"], "emergency-ended",
        _("%(title)s: the response ended, the closing report is due"), now=now,
        key=f"emergency-{one.pk}-ended",
    )  # fmt: skip
    emit(EmergencyEnded(one.pk, one.kind, one.disease, one.district_code, one.grade or Grade.NOTICE))
