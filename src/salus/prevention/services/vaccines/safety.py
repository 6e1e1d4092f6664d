"""What happens after vaccination: adverse events with deadline and cause; batches recalled, worked off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.events import emit
from salus.kernel.jobs import periodic
from salus.kernel.policy import Principal, Target
from salus.prevention.events import AdverseEventFound, BatchRecalled
from salus.prevention.models import (
    AdverseEvent,
    BatchRecall,
    RecalledDose,
    ServiceGiven,
    StockMove,
    VaccineBatch,
)
from salus.prevention.queries.maternal import rules
from salus.prevention.queries.programme import seeing
from salus.prevention.queries.vaccines import stock as reading

EVENT, RECALL = "adverse_event", "vaccine_recall"
OUTCOMES = ("recovered", "better", "lasting", "died", "unknown")
DOSE_STATES = ("told", "examined", "not-found", "refused")


@dataclass(frozen=True, slots=True)
class Event:
    """Something untoward after a dose: what, since when, when it became known."""

    reaction: str
    onset: datetime
    found_at: datetime
    serious: bool = False
    story: str = ""


def event_target(row: AdverseEvent) -> Target:
    """Return what the policy judges of an adverse event."""
    return Target(
        EVENT, person_id=row.given.person_id, institution_id=row.institution_id,
        district_code=row.district_code or None,
    )  # fmt: skip


def report_by(reaction: str, found_at: datetime) -> datetime:
    """Return until when an adverse event is reported: 48 hours, a death within 2."""
    code = "report_hours_death" if reaction == "death" else "report_hours"
    hours = rules.limit(code, found_at.date(), name="vaccine_limits")
    return found_at + timedelta(hours=hours)


def enter_event(principal: Principal, given: int, asked: Event, *, now: datetime) -> AdverseEvent:
    """Enter something untoward after a dose.

    Raises:
        NotFound: there is no such dose, or the principal may not see it.
        Invalid: a value breaks a rule; `where` names it.
        Conflict: it was entered already.
    """
    dose = ServiceGiven.objects.select_related("institution").filter(pk=given, undone_at=None).first()
    place = dose.institution_id if dose else None
    if (
        dose is None
        or not policy.decide(
            principal,
            "create",
            Target(
                EVENT,
                person_id=dose.person_id,
                institution_id=place,
                district_code=dose.district_code or None,
            ),
        ).allowed
    ):
        raise NotFound("given-unknown", _("There is no such entry"), where=str(given))
    known = rules.table("vaccine_reactions", timezone.localdate(now)).get(asked.reaction)
    if known is None:
        raise Invalid("aefi-reaction", _("There is no such reaction"), where="reaction")
    if timezone.localdate(asked.onset) < dose.day or asked.onset > asked.found_at or asked.found_at > now:
        raise Invalid("aefi-onset", _("It began after the dose and before it became known"), where="onset")
    with transaction.atomic(), connection.cursor() as cursor:
        if AdverseEvent.objects.filter(given=dose, reaction=asked.reaction, onset=asked.onset).exists():
            raise Conflict("aefi-known", _("It was entered already"))
        move = StockMove.objects.select_related("holding").filter(given=dose, kind="dose").first()
        row = AdverseEvent.objects.create(
            given=dose, product=dose.product, batch_id=move.holding.batch_id if move else None,
            institution_id=place, district_code=dose.district_code, reaction=asked.reaction,
            onset=asked.onset,
            serious=asked.serious or bool(known.row["serious"]), found_at=asked.found_at,
            report_by=report_by(asked.reaction, asked.found_at), story=asked.story.strip(),
            recorded_by=principal.name[:150], updated=now,
        )  # fmt: skip
        emit(AdverseEventFound(row.pk, row.product, row.serious, place))
        if row.serious:
            notifications.notify_role(
                "epidemiologist", "prevention", _("A serious adverse event after vaccination"), {},
                district_code=row.district_code or None, link=f"/prevention/adverse-events/{row.pk}/",
                urgent=True, key=f"prevention.aefi:{row.pk}",
            )  # fmt: skip
        intent = audit.intend(cursor, [_kept(principal, "create", row)])
    audit.settle(intent)
    return row


def report_event(principal: Principal, number: int, *, now: datetime) -> AdverseEvent:
    """Report an adverse event to disease control.

    Raises:
        NotFound: there is no such event, or the principal may not change it.
        Conflict: it was reported.
    """
    _event(principal, number, "update")
    with transaction.atomic(), connection.cursor() as cursor:
        row = _locked(number)
        if row.reported_at is not None:
            raise Conflict("aefi-reported", _("It was done already"))
        row.reported_at, row.updated = now, now
        row.save(update_fields=["reported_at", "updated"])
        intent = audit.intend(cursor, [_kept(principal, "update", row, reported=True)])
    audit.settle(intent)
    return row


def judge_event(
    principal: Principal, number: int, causality: str, outcome: str, *, now: datetime
) -> AdverseEvent:
    """Enter what the experts found to be the cause, and how it ended.

    Raises:
        NotFound: there is no such event, or the principal may not decide on it.
        Invalid: there is no such cause or outcome.
        Conflict: it was not reported yet.
    """
    _event(principal, number, "decide")
    if causality not in rules.table("vaccine_causality", timezone.localdate(now)):
        raise Invalid("aefi-cause", _("There is no such cause"), where="causality")
    if outcome not in OUTCOMES:
        raise Invalid("aefi-outcome", _("There is no such outcome"), where="outcome")
    with transaction.atomic(), connection.cursor() as cursor:
        row = _locked(number)
        if row.reported_at is None:
            raise Conflict("aefi-unreported", _("It was not reported yet"))
        row.causality, row.outcome = causality, outcome
        row.judged_by, row.judged_on = principal.name[:150], timezone.localdate(now)
        row.updated = now
        row.save()
        intent = audit.intend(cursor, [_kept(principal, "decide", row, causality=causality)])
    audit.settle(intent)
    return row


def recall(principal: Principal, number: int, reason: str, advice: str, *, now: datetime) -> BatchRecall:
    """Recall a batch: it is not given any more, and everybody who received it is put on a list.

    Raises:
        NotAllowed: the principal may not recall.
        NotFound: there is no such batch.
        Invalid: the reason or the advice is missing.
        Conflict: it is recalled.
    """
    policy.require(principal, "create", Target(RECALL))
    if not reason.strip():
        raise Invalid("recall-reason", _("Say why"), where="reason")
    if not advice.strip():
        raise Invalid("recall-advice", _("Say what residents are told"), where="advice")
    with transaction.atomic(), connection.cursor() as cursor:
        query = VaccineBatch.objects.filter(pk=number)
        batch = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
        if batch is None:
            raise NotFound("batch-unknown", _("There is no such batch"), where=str(number))
        if batch.recalled_at is not None:
            raise Conflict("batch-recalled", _("The batch is recalled"))
        batch.recalled_at = now
        batch.save(update_fields=["recalled_at"])
        row = BatchRecall.objects.create(
            batch=batch, reason=reason.strip()[:300], advice=advice.strip()[:300], at=now,
            by=principal.name[:150],
        )  # fmt: skip
        count = extend(row)
        emit(BatchRecalled(row.pk, batch.product, batch.pk, count))
        places = RecalledDose.objects.filter(recall=row, given__institution__isnull=False)
        for place in sorted(set(places.values_list("given__institution", flat=True))):
            notifications.notify_role(
                "village_doctor", "prevention", _("A batch is recalled: residents have to be told"), {},
                institution_id=place, link=f"/prevention/recalls/{row.pk}/", urgent=True,
                key=f"prevention.batch-recall:{row.pk}:{place}",
            )  # fmt: skip
        intent = audit.intend(
            cursor,
            [
                audit.entry(
                    principal, "create", resource_type="BatchRecall", resource_id=str(row.pk),
                    detail={"product": batch.product, "doses": count},
                )
            ],
        )  # fmt: skip
    audit.settle(intent)
    return row


def extend(row: BatchRecall) -> int:
    """Bring a recall's list up to date with who received the batch; return how many stand on it.

    Doses that were taken back and that nobody worked on leave the list.
    """
    wanted = set(reading.received(row.batch).values_list("pk", flat=True))
    there = set(row.doses.values_list("given_id", flat=True))
    RecalledDose.objects.filter(recall=row, state="open").exclude(given__in=wanted).delete()
    fresh: Iterable[int] = sorted(wanted - there)
    RecalledDose.objects.bulk_create(
        (RecalledDose(recall=row, given_id=pk) for pk in fresh), batch_size=500, ignore_conflicts=True
    )
    return len(wanted)


def work_off(principal: Principal, number: int, state: str, note: str, *, now: datetime) -> RecalledDose:
    """Say what came of telling a resident of a recall; "open" takes it back.

    Raises:
        NotFound: there is no such dose, or the principal may not change it.
        Invalid: there is no such state.
    """
    row = RecalledDose.objects.select_related("given").filter(pk=number).first()
    if row is None or not policy.decide(principal, "update", seeing.target(row.given)).allowed:
        raise NotFound("recalled-unknown", _("There is no such entry"), where=str(number))
    if state not in (*DOSE_STATES, "open"):
        raise Invalid("recalled-state", _("There is no such state"), where="state")
    with transaction.atomic(), connection.cursor() as cursor:
        row.state, row.note = state, note.strip()[:300]
        row.at, row.by = (now, principal.name[:150]) if state != "open" else (None, "")
        row.save()
        intent = audit.intend(
            cursor,
            [
                audit.entry(
                    principal, "update", person_id=row.given.person_id, resource_type="RecalledDose",
                    resource_id=str(row.pk), detail={"state": state},
                )
            ],
        )  # fmt: skip
    audit.settle(intent)
    return row


def _event(principal: Principal, number: int, action: str) -> AdverseEvent:
    row = AdverseEvent.objects.select_related("given", "batch", "institution").filter(pk=number).first()
    allowed = row is not None and policy.decide(principal, action, event_target(row)).allowed
    audit.record(
        [
            audit.entry(
                principal, action, person_id=row.given.person_id if row else None,
                resource_type="AdverseEvent", resource_id=str(number), outcome="ok" if allowed else "refused",
            )
        ]
    )  # fmt: skip
    if row is None or not allowed:
        raise NotFound("aefi-unknown", _("There is no such adverse event"), where=str(number))
    return row


def open_event(principal: Principal, number: int) -> AdverseEvent:
    """Return an adverse event if the principal may read it; leaves the audit row, raises NotFound."""
    return _event(principal, number, "read")


def _locked(number: int) -> AdverseEvent:
    query = AdverseEvent.objects.select_related("given").filter(pk=number)
    return (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).get()


def _kept(principal: Principal, action: str, row: AdverseEvent, **detail: object) -> audit.AuditEntry:
    return audit.entry(
        principal, action, person_id=row.given.person_id, resource_type="AdverseEvent",
        resource_id=str(row.pk), detail={"product": row.product, **detail},
    )  # fmt: skip


@periodic(every=timedelta(days=1), name="prevention.vaccine-recalls")
def every_night(day: date | None = None) -> None:
    """Put doses of recalled batches that were entered since on the lists."""
    for row in BatchRecall.objects.select_related("batch"):
        extend(row)
