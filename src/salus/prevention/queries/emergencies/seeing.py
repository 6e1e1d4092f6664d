"""Which emergencies and tasks somebody may see, as the policy says. They name no resident."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as _

from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import Emergency, EmergencyTask

_TABLE = "prevention_emergency"


def target(emergency: Emergency, kind: str = "health_emergency") -> Target:
    """Return what the policy judges of an emergency, or of its tasks."""
    return Target(kind, district_code=emergency.district_code or None)


def emergencies(principal: Principal, action: str = "search") -> QuerySet[Emergency]:
    """Return the emergencies that the principal may see."""
    condition, values = policy.scope(principal, action, "", kind="health_emergency").sql(
        f"{_TABLE}.person_id"
    )
    return Emergency.objects.extra(where=[condition], params=values)  # noqa: S610 - the policy's condition


def tasks(principal: Principal, action: str = "search") -> QuerySet[EmergencyTask]:
    """Return the tasks that the principal may see: of her roles, or all for who leads the response."""
    condition, values = policy.scope(principal, action, "", kind="emergency_task").sql(f"{_TABLE}.person_id")
    rows = EmergencyTask.objects.select_related("emergency", "assignee").extra(  # noqa: S610 - the policy's
        where=[condition], params=values
    )
    if not leads(principal, action):
        rows = rows.filter(role__in=principal.roles)
    return rows


def leads(principal: Principal, action: str = "search") -> bool:
    """Say whether all tasks of a response are open to the principal for an action, not only of her roles.

    Who may change an emergency leads its response; who may export emergencies (an auditor) sees all tasks.
    """
    if principal.kind == "system" or policy.permits(principal, "update", "health_emergency"):
        return True
    return action != "update" and policy.permits(principal, "export", "health_emergency")


def open_one(principal: Principal, number: int, action: str = "read") -> Emergency:
    """Return an emergency if the principal may do the action on it.

    Raises:
        NotFound: it is not there, or the principal may not know that it is.
    """
    found = Emergency.objects.filter(pk=number).first()
    if found is None or not policy.decide(principal, action, target(found)).allowed:
        raise NotFound("emergency-unknown", _("There is no such emergency"), where=str(number))
    return found


def open_task(principal: Principal, number: int, action: str = "read") -> EmergencyTask:
    """Return a task if the principal may do the action on it.

    Raises:
        NotFound: it is not there, or it is another's.
    """
    found = tasks(principal, action).filter(pk=number).first()
    if found is None:
        raise NotFound("task-unknown", _("There is no such task"), where=str(number))
    return found
