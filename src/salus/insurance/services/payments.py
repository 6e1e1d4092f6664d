"""Payment batches: what an institution is paid for the decisions of a month, and how it was reckoned."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Adjudication, BatchState, Clearing, PaymentBatch, PaymentItem
from salus.insurance.services import ledger, locking
from salus.insurance.services.ledger import Move
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, NotFound
from salus.kernel.models import Institution
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

SHARES = (("basic_fen", ""), ("serious_fen", "serious"), ("aid_fen", "aid"), ("free_fen", "free"))
"""The payers that are funds; the basic fund is that of the scheme."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision adds to the one before it of the same claim, in fen."""

    claimed: Fen
    funds: dict[str, Fen]
    resident: Fen
    withheld: Fen


def shares(decision: Adjudication | None) -> dict[str, Fen]:
    """Return what each fund pays by a decision."""
    if decision is None:
        return {}
    found: dict[str, Fen] = defaultdict(int)
    for column, fund in SHARES:
        if amount := getattr(decision, column):
            found[fund or decision.scheme] += amount
    return found


def change_of(decision: Adjudication) -> Change:
    """Return what a decision adds to the version before it."""
    before = None
    if decision.version > 1:
        before = Adjudication.objects.get(claim_id=decision.claim_id, version=decision.version - 1)
    new, old = shares(decision), shares(before)

    def more(value: str) -> Fen:
        return int(getattr(decision, value)) - (int(getattr(before, value)) if before else 0)

    return Change(
        more("charge_fen"),
        {fund: new.get(fund, 0) - old.get(fund, 0) for fund in sorted({*new, *old})},
        more("self_in_fen") + more("self_out_fen"),
        more("institution_fen"),
    )


def unpaid(institution: Institution, until: date) -> Iterator[Adjudication]:
    """Yield the decisions of an institution up to the end of a day that no batch holds, in their order."""
    rows = (
        Adjudication.objects.filter(claim__institution=institution, decided_on__lte=until, batch=None)
        .select_related("claim")
        .order_by("id")
    )
    yield from rows.iterator(chunk_size=2000)


def prepare(principal: Principal, institution: Institution, month: date, *, now: datetime) -> PaymentBatch:
    """Put all that was decided for an institution up to the end of a month and not yet paid into a batch.

    What settlements by group were booked to add or to take (`services.clearing`) goes with it.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is nothing to pay.
    """
    policy.require(principal, "create", Target("fund_payment", institution_id=institution.pk))
    last = _last(month)
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, f"batch:{institution.pk}")
        batch = PaymentBatch(
            institution=institution, month=month.replace(day=1), decisions=0, claimed_fen=0, approved_fen=0,
            resident_fen=0, deducted_fen=0, prepared_by=principal.name, prepared_at=now,
        )  # fmt: skip
        items: list[PaymentItem] = []
        decisions: list[int] = []
        for decision in unpaid(institution, last):
            change = change_of(decision)
            decisions.append(decision.pk)
            batch.claimed_fen += change.claimed
            batch.resident_fen += change.resident
            batch.deducted_fen += change.withheld
            for fund, amount in change.funds.items():
                batch.approved_fen += amount
                if amount:
                    items.append(PaymentItem(adjudication_id=decision.pk, fund=fund, amount_fen=amount))
        waiting = Clearing.objects.filter(line__institution=institution, day__lte=last, batch=None)
        cleared = list(waiting.select_for_update(of=("self",)).order_by("pk"))
        if not decisions and not any(one.amount_fen for one in cleared):
            raise NotFound("batch-empty", _("There is nothing to pay"), where=f"{last:%Y-%m}")
        batch.decisions = len(decisions)
        batch.cleared_fen = sum(one.amount_fen for one in cleared)
        batch.save()
        Clearing.objects.filter(pk__in=[one.pk for one in cleared]).update(batch=batch)
        for start in range(0, len(decisions), 500):
            Adjudication.objects.filter(pk__in=decisions[start : start + 500], batch=None).update(batch=batch)
        for item in items:
            item.batch = batch
        PaymentItem.objects.bulk_create(items, batch_size=500)
        intent = audit.intend(cursor, [_entry(principal, "create", batch)])
    audit.settle(intent)
    return batch


def discard(principal: Principal, number: int) -> None:
    """Take a batch back that is not paid: its decisions wait for another one; the audit keeps what it was.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such batch.
        Conflict: it is paid.
    """
    policy.require(principal, "create", Target("fund_payment"))
    with transaction.atomic(), connection.cursor() as cursor:
        batch = _locked(number)
        if batch.state == BatchState.PAID:
            raise Conflict("batch-paid", _("The batch is paid"), where=str(number))
        intent = audit.intend(cursor, [_entry(principal, "delete", batch)])
        batch.items.all().delete()
        Adjudication.objects.filter(batch=batch).update(batch=None)
        Clearing.objects.filter(batch=batch).update(batch=None)
        batch.delete()
    audit.settle(intent)


def approve(principal: Principal, number: int, *, now: datetime) -> PaymentBatch:
    """Approve a prepared batch; whoever prepared it may not.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such batch.
        Conflict: it is approved already, or the principal prepared it.
    """
    policy.require(principal, "approve", Target("fund_payment"))
    with transaction.atomic(), connection.cursor() as cursor:
        batch = _locked(number)
        if batch.state != BatchState.PREPARED:
            raise Conflict("batch-state", _("The batch is approved already"), where=str(number))
        if batch.prepared_by == principal.name:
            raise Conflict(
                "batch-four-eyes", _("Who prepared a batch may not approve it"), where=str(number),
                fix=_("Ask a colleague"),
            )  # fmt: skip
        batch.state, batch.approved_by, batch.approved_at = BatchState.APPROVED, principal.name, now
        batch.save(update_fields=["state", "approved_by", "approved_at"])
        intent = audit.intend(cursor, [_entry(principal, "approve", batch)])
    audit.settle(intent)
    return batch


def pay(principal: Principal, number: int, day: date, *, now: datetime) -> PaymentBatch:
    """Enter the payment of an approved batch into the funds' journals.

    A fund to which the institution owes more than it gets receives the difference.

    Raises:
        NotAllowed: the principal may not.
        NotFound: there is no such batch.
        Conflict: it is not approved, is paid already, or the month is closed.
    """
    policy.require(principal, "approve", Target("fund_payment"))
    with transaction.atomic(), connection.cursor() as cursor:
        batch = _locked(number)
        if batch.state != BatchState.APPROVED:
            raise Conflict("batch-state", _("The batch is not approved, or paid already"), where=str(number))
        sums: dict[str, Fen] = defaultdict(int)
        for item in batch.items.all():
            sums[item.fund] += item.amount_fen
        for one in batch.clearings.all():
            sums[one.fund] += one.amount_fen
        for fund, amount in sums.items():
            move = Move("payable", "cash", amount) if amount > 0 else Move("cash", "payable", -amount)
            ledger.post(fund, day, "payment", f"batch:{batch.pk}", [move], by=principal.name, now=now)
        batch.state, batch.paid_on = BatchState.PAID, day
        batch.save(update_fields=["state", "paid_on"])
        intent = audit.intend(cursor, [_entry(principal, "pay", batch)])
    audit.settle(intent)
    return batch


def book(decision: Adjudication, before: Adjudication | None, day: date, *, by: str, now: datetime) -> None:
    """Enter what a decision adds to the one before it into the journals, in the caller's transaction."""
    new, old = shares(decision), shares(before)
    for fund in sorted({*new, *old}):
        change = new.get(fund, 0) - old.get(fund, 0)
        move = Move("benefit", "payable", change) if change > 0 else Move("payable", "benefit", -change)
        key = f"claim:{decision.claim_id}:{decision.version}"
        ledger.post(fund, day, "benefit", key, [move], by=by, now=now)


def _last(month: date) -> date:
    from calendar import monthrange

    return month.replace(day=monthrange(month.year, month.month)[1])


def _locked(number: int) -> PaymentBatch:
    query = PaymentBatch.objects.filter(pk=number)
    found = (query.select_for_update() if connection.vendor == "postgresql" else query).first()
    if found is None:
        raise NotFound("batch-unknown", _("There is no such batch"), where=str(number))
    return found


def _entry(principal: Principal, action: str, batch: PaymentBatch) -> audit.AuditEntry:
    return audit.entry(
        principal,
        action,
        resource_type="PaymentBatch",
        resource_id=str(batch.pk),
        detail={
            "institution": batch.institution_id,
            "month": f"{batch.month:%Y-%m}",
            "fen": batch.approved_fen + batch.cleared_fen,
        },
    )


FILE_COLUMNS: Sequence[str] = (
    "claim_number", "version", "kind", "claimed_fen", "approved_fen", "resident_fen", "deducted_fen",
    "employee_fen", "resident_fund_fen", "serious_fen", "aid_fen", "free_fen",
)  # fmt: skip
"""The columns of a batch's reconciliation file."""
