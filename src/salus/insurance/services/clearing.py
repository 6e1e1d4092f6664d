"""Clearing: what a published settlement by group adds to payment by item goes into the books and is paid.

Claims are paid by item as they are decided. A year's settlement says what each institution is due by group
for the same cases; the difference is booked once and goes into the institution's next payment batch.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Clearing, JournalEntry, PublicationState, SettlementLine, SettlementRun
from salus.insurance.services import ledger, locking
from salus.insurance.services.ledger import Move
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

KIND = "clearing"


def book(principal: Principal, run: SettlementRun, *, now: datetime) -> list[Clearing]:
    """Book the difference of each institution and insured group: paid by group, less by item.

    What was booked of the year before, by whatever version or method, is taken into account: after a
    corrected version only what it changes is booked.

    Raises:
        NotAllowed: the principal may not.
        Conflict: the settlement is not published or is booked already, or the month is closed.
    """
    policy.require(principal, "create", Target("fund_payment"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        run = SettlementRun.objects.get(pk=run.pk)
        if run.state != PublicationState.PUBLISHED:
            raise Conflict("clearing-state", _("Only a published settlement can be booked"))
        if booked(run):
            raise Conflict("clearing-booked", _("The settlement is booked already"))
        held, day = _held(run.year), timezone.localdate(now)
        made = Clearing.objects.bulk_create(
            Clearing(
                line=line, fund=line.insured, day=day, booked_at=now, booked_by=principal.name,
                amount_fen=line.paid - line.by_item - held.get((line.institution_id, line.insured), 0),
            )
            for line in SettlementLine.objects.filter(run=run).order_by("pk")
        )  # fmt: skip
        for fund in sorted({one.fund for one in made}):
            entries = {_key(one): [_move(one.amount_fen)] for one in made if one.fund == fund}
            ledger.post_many(fund, day, KIND, entries, by=principal.name, now=now)
        intent = audit.intend(cursor, [_entry(principal, "create", run, sum(one.amount_fen for one in made))])
    audit.settle(intent)
    return made


def booked(run: SettlementRun) -> bool:
    """Whether what the settlement adds stands in the books."""
    return Clearing.objects.filter(line__run=run).exists()


def take_back(principal: Principal, run: SettlementRun, *, now: datetime) -> None:
    """Take a settlement's booking back, as long as no payment holds a part of it and none was booked since.

    Raises:
        NotAllowed: the principal may not.
        Conflict: it is not booked, a payment holds it, another version was booked since, or the month is
            closed.
    """
    policy.require(principal, "create", Target("fund_payment"))
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, "settlements")
        mine = Clearing.objects.filter(line__run=run).select_for_update(of=("self",))
        rows = list(mine.order_by("pk"))
        if not rows:
            raise Conflict("clearing-none", _("The settlement is not booked"))
        if any(one.batch_id for one in rows):
            raise Conflict(
                "clearing-paid", _("A payment holds what was booked"),
                fix=_("Take the payment back first, or publish a corrected settlement"),
            )  # fmt: skip
        if Clearing.objects.filter(line__run__year=run.year, pk__gt=rows[-1].pk).exists():
            raise Conflict("clearing-later", _("Another settlement of the year was booked since"))
        for one in rows:
            if entry := JournalEntry.objects.filter(fund=one.fund, key=_key(one)).first():
                ledger.reverse(entry, timezone.localdate(now), by=principal.name, now=now)
        intent = audit.intend(cursor, [_entry(principal, "delete", run, sum(one.amount_fen for one in rows))])
        Clearing.objects.filter(pk__in=[one.pk for one in rows]).delete()
    audit.settle(intent)


def _move(amount: Fen) -> Move:
    return Move("benefit", "payable", amount) if amount > 0 else Move("payable", "benefit", -amount)


def _key(one: Clearing) -> str:
    return f"{KIND}:{one.pk}"


def _held(year: int) -> Mapping[tuple[int, str], Fen]:
    """Return what is booked of a year by institution and insured group."""
    rows = Clearing.objects.filter(line__run__year=year).values_list("line__institution_id", "line__insured")
    return {(place, insured): total for place, insured, total in rows.annotate(total=Sum("amount_fen"))}


def _entry(principal: Principal, action: str, run: SettlementRun, amount: Fen) -> audit.AuditEntry:
    return audit.entry(
        principal, action, resource_type="Clearing", resource_id=str(run.pk),
        detail={"year": run.year, "method": run.method, "version": run.version, "fen": amount},
    )  # fmt: skip
