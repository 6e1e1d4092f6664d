"""The cold chain: temperatures are read, an excursion puts what is in the fridge into quarantine."""

from __future__ import annotations

from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.kernel import audit, notifications, policy
from salus.kernel.errors import Conflict, Invalid, NotFound
from salus.kernel.policy import Principal
from salus.prevention.models import ColdReading, Excursion, Fridge, Holding
from salus.prevention.queries.vaccines import stock as reading
from salus.prevention.services.vaccines import stock

QUARANTINE = "cold-chain"


def read(
    principal: Principal, number: int, at: datetime, celsius: float, *, now: datetime
) -> Excursion | None:
    """Enter a temperature; return the excursion that it belongs to.

    One out of range begins an excursion, or goes on with it, and puts all batches in the fridge into
    quarantine; the next one in range ends it. Readings are entered in their order; one sent twice changes
    nothing.

    Raises:
        NotFound: there is no such fridge, or the principal may not change its stock.
        Invalid: the temperature cannot be right, or the instant lies in the future.
        Conflict: a later reading was entered already.
    """
    fridge = _mine(principal, number, "update")
    if at > now:
        raise Invalid("reading-at", _("The instant lies in the future"), where="at")
    if not -90 <= celsius <= 60:
        raise Invalid("reading-celsius", _("The reading cannot be right"), where="celsius")
    with transaction.atomic(), connection.cursor() as cursor:
        query = Fridge.objects.filter(pk=number)
        fridge = (query.select_for_update() if connection.vendor == "postgresql" else query).get()
        current = fridge.excursions.filter(ended=None).first()
        last = fridge.readings.order_by("-at").first()
        if last is not None and at <= last.at:
            if at == last.at and celsius == last.celsius:
                return current
            raise Conflict(
                "reading-order", _("A later temperature of this fridge was entered already"), where="at"
            )
        ColdReading.objects.create(fridge=fridge, at=at, celsius=celsius, by=principal.name[:150])
        if fridge.low <= celsius <= fridge.high:
            if current is not None:
                current.ended = at
                current.save(update_fields=["ended"])
        elif current is None:
            current = Excursion.objects.create(fridge=fridge, began=at, lowest=celsius, highest=celsius)
            Holding.objects.filter(fridge=fridge, left__gt=0, quarantined_at=None).update(
                quarantined_at=at, quarantine=QUARANTINE
            )
            for role in ("village_doctor", "epidemiologist"):
                notifications.notify_role(
                    role, "prevention", _("A fridge is out of its range: its vaccines are in quarantine"),
                    {}, institution_id=fridge.institution_id if role == "village_doctor" else None,
                    link=f"/prevention/vaccines/?place={fridge.institution_id}", urgent=True,
                    key=f"prevention.cold:{current.pk}",
                )  # fmt: skip
        else:
            current.lowest, current.highest = min(current.lowest, celsius), max(current.highest, celsius)
            current.save(update_fields=["lowest", "highest"])
        intent = audit.intend(cursor, [_kept(principal, fridge, "reading")])
    audit.settle(intent)
    return current


def decide(principal: Principal, number: int, decision: str, reason: str, *, now: datetime) -> Excursion:
    """Release what an excursion put into quarantine, or destroy it.

    Raises:
        NotFound: there is no such excursion, or the principal may not decide on it.
        Invalid: there is no such decision, or no reason is given.
        Conflict: the fridge is still out of range, or it was decided.
    """
    row = Excursion.objects.select_related("fridge__institution").filter(pk=number).first()
    if row is None or not policy.decide(principal, "decide", reading.target(row.fridge.institution)).allowed:
        raise NotFound("excursion-unknown", _("There is no such excursion"), where=str(number))
    if decision not in ("released", "destroyed"):
        raise Invalid("excursion-decision", _("There is no such decision"), where="decision")
    if not reason.strip():
        raise Invalid("excursion-reason", _("Say why"), where="reason")
    with transaction.atomic(), connection.cursor() as cursor:
        query = Excursion.objects.select_related("fridge").filter(pk=number)
        row = (query.select_for_update(of=("self",)) if connection.vendor == "postgresql" else query).get()
        if row.ended is None:
            raise Conflict("excursion-open", _("The fridge is still out of its range"))
        if row.decided:
            raise Conflict("excursion-decided", _("It was done already"))
        row.decided, row.decided_by, row.decided_at = decision, principal.name[:150], now
        row.reason = reason.strip()[:300]
        row.save()
        held = Holding.objects.filter(fridge=row.fridge, quarantine=QUARANTINE, quarantined_at__isnull=False)
        affected = [one for one in held if one.quarantined_at and one.quarantined_at <= row.ended]
        others = row.fridge.excursions.filter(decided="").exists()
        for one in affected:
            if decision == "destroyed":
                key = uuid5(NAMESPACE_OID, f"excursion-{row.pk}-{one.pk}")
                stock.destroy(one, principal, "cold-chain", key=key, now=now)
            elif not others:
                one.quarantined_at, one.quarantine = None, ""
                one.save(update_fields=["quarantined_at", "quarantine"])
        intent = audit.intend(cursor, [_kept(principal, row.fridge, decision)])
    audit.settle(intent)
    return row


def _mine(principal: Principal, number: int, action: str) -> Fridge:
    found = Fridge.objects.select_related("institution").filter(pk=number).first()
    if found is None or not policy.decide(principal, action, reading.target(found.institution)).allowed:
        raise NotFound("fridge-unknown", _("There is no such fridge"), where=str(number))
    return found


def _kept(principal: Principal, fridge: Fridge, kind: str) -> audit.AuditEntry:
    return audit.entry(
        principal, "update", resource_type="Fridge", resource_id=str(fridge.pk), detail={"kind": kind}
    )
