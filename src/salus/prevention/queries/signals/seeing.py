"""Which signals somebody may see, as the policy says. They name nobody, so that lists leave no audit rows."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_noop as _

from salus.kernel import policy
from salus.kernel.errors import NotFound
from salus.kernel.policy import Principal, Target
from salus.prevention.models import Signal


def target(signal: Signal) -> Target:
    """Return what the policy judges of a signal."""
    return Target("signal", district_code=signal.district_code or None)


def signals(principal: Principal, action: str = "search") -> QuerySet[Signal]:
    """Return the signals that the principal may see, those withdrawn left out."""
    scope = policy.scope(principal, action, "", kind="signal")
    condition, values = scope.sql("prevention_signal.person_id")
    rows = Signal.objects.filter(withdrawn=False)
    return rows.extra(where=[condition], params=values)  # noqa: S610 - the policy's own condition


def open_signal(principal: Principal, number: int, action: str = "read") -> Signal:
    """Return a signal if the principal may do the action on it; raises NotFound."""
    found = Signal.objects.select_related("outbreak").filter(pk=number).first()
    if found is None or not policy.decide(principal, action, target(found)).allowed:
        raise NotFound("signal-unknown", _("There is no such signal"), where=str(number))
    return found
