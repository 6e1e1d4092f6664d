"""Tasks and requests of a response: taken, done, added, dropped; asked for, granted, sent, arrived."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop as _

from salus.kernel import notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.models import Account, Role
from salus.kernel.policy import Principal
from salus.prevention.models import (
    EmergencyState,
    EmergencyTask,
    RequestState,
    ResourceRequest,
    TaskState,
)
from salus.prevention.queries.emergencies import seeing
from salus.prevention.services.emergencies import acts

_AFTER = {
    RequestState.ASKED: {RequestState.GRANTED, RequestState.REFUSED},
    RequestState.GRANTED: {RequestState.SENT, RequestState.ARRIVED, RequestState.REFUSED},
    RequestState.SENT: {RequestState.ARRIVED},
    RequestState.ARRIVED: set(),
    RequestState.REFUSED: {RequestState.ASKED},
}


def take(
    principal: Principal, number: int, *, now: datetime, account: Account | None = None
) -> EmergencyTask:
    """Take a task, or give it to somebody; taking one that is one's own already changes nothing.

    Raises:
        NotFound: there is no such task.
        Conflict: it is done, or somebody else has it and the principal may not give it away.
    """
    task = seeing.open_task(principal, number, "update")
    wanted = account.pk if account is not None else principal.account_id
    if wanted is None:
        raise Invalid("task-account", _("Only an account can take a task"), where="assignee")
    if task.assignee_id == wanted:
        return task
    if task.assignee_id is not None and not _may_lead(principal, task):
        raise Conflict("task-taken", _("Somebody else has taken it"), where=str(number))
    if account is not None and account.pk != principal.account_id and not _may_lead(principal, task):
        raise Conflict("task-give", _("You may take tasks, not give them to others"), where=str(number))
    with acts.kept(principal, task.emergency, "take", task=number):
        rows = EmergencyTask.objects.filter(pk=number, state=TaskState.OPEN, assignee=task.assignee_id)
        if not rows.update(assignee=wanted):
            raise Conflict("task-changed", _("It has changed in the meantime"), where=str(number))
        acts.note(task.emergency, "taken", by=principal.name, now=now, task=task.title, task_zh=task.title_zh)
        if account is not None and account.pk != principal.account_id:
            from django.urls import reverse

            notifications.notify(
                account, "emergency-task", _("%(title)s: a task was given to you"),
                {"title": task.emergency.title}, link=reverse("prevention:emergency-tasks"), urgent=True,
            )  # fmt: skip
    task.refresh_from_db()
    return task


def _may_lead(principal: Principal, task: EmergencyTask) -> bool:
    return policy.decide(principal, "update", seeing.target(task.emergency)).allowed


def finish(principal: Principal, number: int, note: str, *, now: datetime) -> EmergencyTask:
    """Note that a task is done; doing it twice changes nothing.

    Raises:
        NotFound: there is no such task.
        Conflict: it was dropped.
    """
    task = seeing.open_task(principal, number, "update")
    if task.state == TaskState.DONE:
        return task
    with acts.kept(principal, task.emergency, "finish", task=number):
        if not EmergencyTask.objects.filter(pk=number, state=TaskState.OPEN).update(
            state=TaskState.DONE, done_at=now, done_by=principal.name, note=note.strip()[:500]
        ):
            raise Conflict("task-dropped", _("The task is not open any more"), where=str(number))
        acts.note(
            task.emergency, "done", by=principal.name, now=now, words=note, task=task.title,
            task_zh=task.title_zh, late=now > task.due_at,
        )  # fmt: skip
    task.refresh_from_db()
    return task


def drop(principal: Principal, number: int, reason: str, *, now: datetime) -> EmergencyTask:
    """Say that a task is not needed, and why.

    Raises:
        NotFound: there is no such task, or the principal does not lead the response.
        Invalid: the reason is missing.
        Conflict: it is not open.
    """
    task = seeing.open_task(principal, number, "update")
    seeing.open_one(principal, task.emergency_id, "update")
    if len(reason.strip()) < 3:
        raise Invalid("emergency-reason", _("Say why"), where="reason")
    with acts.kept(principal, task.emergency, "drop", task=number):
        if not EmergencyTask.objects.filter(pk=number, state=TaskState.OPEN).update(
            state=TaskState.DROPPED, note=reason.strip()[:500], done_by=principal.name, done_at=now
        ):
            raise Conflict("task-dropped", _("The task is not open any more"), where=str(number))
        acts.note(
            task.emergency, "dropped", by=principal.name, now=now, words=reason, task=task.title,
            task_zh=task.title_zh,
        )  # fmt: skip
    task.refresh_from_db()
    return task


def add_task(
    principal: Principal, number: int, title: str, role: str, due_at: datetime, *, now: datetime
) -> EmergencyTask:
    """Add a task to an open emergency.

    Raises:
        NotFound: there is no such emergency.
        Invalid: the title is empty or there is no such role.
        Conflict: the emergency is not open.
    """
    one = seeing.open_one(principal, number, "update")
    if not title.strip() or role not in Role.values:
        raise Invalid("task-wrong", _("Give the task a title and a role"), where="title")
    if one.state != EmergencyState.OPEN:
        raise Conflict("emergency-not-open", _("The emergency is not open"), where=str(number))
    with acts.kept(principal, one, "add-task"):
        made = EmergencyTask.objects.create(
            emergency=one, title=title.strip()[:160], title_zh=title.strip()[:160], role=role,
            due_at=due_at, created=now,
        )  # fmt: skip
        acts.note(one, "added", by=principal.name, now=now, task=made.title, task_zh=made.title_zh)
    return made


def ask_for(
    principal: Principal,
    number: int,
    item: str,
    quantity: int,
    wanted_by: datetime,
    *,
    now: datetime,
    unit: str = "",
    note: str = "",
) -> ResourceRequest:
    """Ask for resources.

    Raises:
        NotFound: there is no such emergency.
        Invalid: the item is missing or the quantity is not positive.
        Conflict: the emergency is over.
    """
    one = seeing.open_one(principal, number, "update")
    if not item.strip() or quantity < 1:
        raise Invalid("request-wrong", _("Say what is needed, and how many"), where="item")
    if one.state not in (EmergencyState.PROPOSED, EmergencyState.OPEN):
        raise Conflict("emergency-over", _("The emergency is over"), where=str(number))
    with acts.kept(principal, one, "ask-for"):
        made = ResourceRequest.objects.create(
            emergency=one, item=item.strip()[:120], quantity=quantity, unit=unit.strip()[:24],
            wanted_by=wanted_by, note=note.strip()[:300], asked_by=principal.name, asked_at=now, updated=now,
        )  # fmt: skip
        acts.note(one, "asked-for", by=principal.name, now=now, item=made.item, quantity=quantity)
        acts.tell(
            one, ["planner"], "emergency-request", _("%(title)s: resources are asked for"), now=now,
            key=f"emergency-request-{made.pk}", urgent=True,
        )  # fmt: skip
    return made


def answer(
    principal: Principal,
    number: int,
    state: str,
    *,
    now: datetime,
    given: int | None = None,
    note: str = "",
) -> ResourceRequest:
    """Move a request on; `given` is how many have been given so far.

    Raises:
        NotFound: there is no such request.
        Invalid: more is given than was asked for, or fewer than before.
        Conflict: a request does not go from its present state to that one.
    """
    row = ResourceRequest.objects.filter(pk=number).first()
    if row is None:
        raise NotFound("request-unknown", _("There is no such request"), where=str(number))
    one = seeing.open_one(principal, row.emergency_id, "update")
    if state != row.state and (
        state not in RequestState.values or RequestState(state) not in _AFTER[RequestState(row.state)]
    ):
        raise Conflict("request-state", _("A request does not go from its state to that one"), where="state")
    total = row.given if given is None else given
    if state == RequestState.ARRIVED and given is None:
        total = row.quantity
    if not row.given <= total <= row.quantity:
        raise Invalid(
            "request-given", _("Give between what was given before and what is asked"), where="given"
        )
    with acts.kept(principal, one, "answer", request=number):
        if not ResourceRequest.objects.filter(pk=number, state=row.state).update(
            state=state, given=total, note=(note.strip() or row.note)[:300], updated=now
        ):
            raise Conflict("request-changed", _("It has changed in the meantime"), where=str(number))
        acts.note(
            one, "answered", by=principal.name, now=now, words=note, item=row.item, state=state, given=total
        )
    row.refresh_from_db()
    return row
