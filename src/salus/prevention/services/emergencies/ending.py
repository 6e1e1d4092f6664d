"""The end of a response: proposed by its rule, or by a person, and confirmed like a grade."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel.errors import Conflict
from salus.kernel.policy import Principal
from salus.prevention.models import (
    Emergency,
    EmergencyState,
    GradingProposal,
    ProposalAct,
    ProposalState,
)
from salus.prevention.queries.emergencies import counting, rules, seeing
from salus.prevention.queries.notifiable.diseases import catalogue
from salus.prevention.services.emergencies import acts, evaluating
from salus.prevention.surveillance.response_rules import may_end


@dataclass(frozen=True, slots=True)
class Clear:
    """How far an emergency is from its end: the last case, the days asked for, the first day it may end."""

    last_case: date | None
    days: int
    ends_from: date | None
    statement: bool
    stated: date | None
    met: bool
    source: str


def clear_of(emergency: Emergency, day: date) -> Clear:
    """Return how the rule for the end stands on a day."""
    ending = rules.response().ending(emergency.kind, day, emergency.district_code)
    known = catalogue().get(emergency.disease) if emergency.disease else None
    days = ending.clear_days(known.incubation[1] if known else None)
    counts = counting.counts_of(emergency, day)
    last = max((one.day for one in counts if one.cases), default=emergency.began_on)
    stated = emergency.danger_removed_on
    met = may_end(last, day, days) and (not ending.statement or stated is not None)
    return Clear(
        last, days, last + timedelta(days=days + 1), ending.statement, stated, met, ending.source
    )  # fmt: skip


def look(number: int, *, now: datetime) -> GradingProposal | None:
    """Propose the end of an open emergency when its rule is met; returns the proposal, if one is made."""
    day = timezone.localtime(now).date()
    with transaction.atomic():
        one = acts.alone(number)
        if one.state != EmergencyState.OPEN or one.grade is None:
            return None
        found = clear_of(one, day)
        if not found.met:
            # A new case takes back what the rule proposed; what a person asked for stays.
            one.proposals.filter(
                state=ProposalState.WAITING, act=ProposalAct.STAND_DOWN, proposed_by=evaluating.BY
            ).update(state=ProposalState.OVERTAKEN)
            return None
        return _propose(one, found, day, evaluating.BY, now)


def _propose(
    one: Emergency, found: Clear, day: date, by: str, now: datetime
) -> GradingProposal | None:  # fmt: skip
    digest = f"end-{found.last_case:%Y%m%d}" if found.last_case else "end"
    past = one.proposals.filter(act=ProposalAct.STAND_DOWN)
    rests = past.filter(
        state=ProposalState.REJECTED, digest=digest,
        decided_at__gt=now - timedelta(days=rules.response().again_days),
    )  # fmt: skip
    waiting = one.proposals.filter(state=ProposalState.WAITING).first()
    if waiting is not None or (by == evaluating.BY and rests.exists()):
        return None
    judged = evaluating.assess(one, day)
    made = GradingProposal.objects.create(
        emergency=one, act=ProposalAct.STAND_DOWN, grade=one.grade or 5, day=day,
        evidence=evaluating.evidence_of(judged) | {
            "last_case": found.last_case.isoformat() if found.last_case else "", "clear_days": found.days,
            "removed_on": found.stated.isoformat() if found.stated else "", "rule_met": found.met,
            "source": found.source,
        },
        version=judged.version, digest=digest, proposed_by=by, proposed_at=now,
    )  # fmt: skip
    acts.note(one, "proposed", by=by, now=now, act=ProposalAct.STAND_DOWN.value, grade=one.grade)
    acts.tell(
        one, ["epidemiologist", "planner"], "emergency-proposed",
        _("%(title)s: the end of the response waits for your decision"), now=now,
        key=f"emergency-proposal-{made.pk}",
    )  # fmt: skip
    return made


def ask_end(principal: Principal, number: int, reason: str, *, now: datetime) -> GradingProposal:
    """Propose the end as a person, whether the rule is met or not; somebody decides on it.

    Raises:
        NotFound: there is no such emergency.
        Conflict: it is not open, or a proposal waits already.
    """
    one = seeing.open_one(principal, number, "update")
    day = timezone.localtime(now).date()
    with acts.kept(principal, one, "ask-end"):
        one = acts.alone(number)
        if one.state != EmergencyState.OPEN:
            raise Conflict("emergency-not-open", _("The emergency is not open"), where=str(number))
        acts.note(one, "end-asked", by=principal.name, now=now, words=reason.strip())
        made = _propose(one, clear_of(one, day), day, principal.name, now)
        if made is None:
            raise Conflict("proposal-waiting", _("A proposal waits already"), where=str(number))
    return made


def state_removed(principal: Principal, number: int, day: date, note: str, *, now: datetime) -> Emergency:
    """State since when the danger is removed (the food withdrawn, the source closed); the rule looks again.

    Raises:
        NotFound: there is no such emergency.
        Conflict: it is not open.
    """
    one = seeing.open_one(principal, number, "update")
    with acts.kept(principal, one, "removed"):
        one = acts.alone(number)
        if one.state != EmergencyState.OPEN:
            raise Conflict("emergency-not-open", _("The emergency is not open"), where=str(number))
        one.danger_removed_on, one.updated = day, now
        one.save(update_fields=["danger_removed_on", "updated"])
        acts.note(one, "removed", by=principal.name, now=now, words=note.strip(), day=day.isoformat())
        look(number, now=now)
    return one
