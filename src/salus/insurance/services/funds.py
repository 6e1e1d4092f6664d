"""The funds' own money: what is received, interest, transfers between funds, closing a month."""

from calendar import monthrange
from datetime import date, datetime

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from salus.insurance.models import Fund, JournalEntry, LedgerAccount, MonthClose
from salus.insurance.models.fund import INCOME
from salus.insurance.queries import fund as asking
from salus.insurance.services import ledger, locking
from salus.insurance.services.ledger import Move
from salus.kernel import audit, policy
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

MOST: Fen = 10**14
"""The largest amount of one voucher: a million million yuan, which sums of fen in 64 bits can still hold."""


def receive(
    principal: Principal, fund: str, account: str, amount: Fen, day: date, key: str, *, now: datetime
) -> JournalEntry | None:
    """Enter money that a fund received: interest, a budget's allotment, the reserve it opens with.

    The same `key` (a voucher's number) enters once; for another amount, account or day it is refused.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no such fund or income, or the amount is not positive.
        Conflict: the month is closed, or the voucher was entered with another content (`voucher-used`).
    """
    policy.require(principal, "create", Target("fund"))
    if fund not in Fund.values or account not in (*INCOME, LedgerAccount.RESERVE):
        raise Invalid("fund-unknown", _("There is no such fund or kind of income"), where=f"{fund} {account}")
    _sound(amount, key)
    kind = "opening" if account == LedgerAccount.RESERVE else "receipt"
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, f"voucher:{key}")
        move = Move("cash", account, amount)
        entry = ledger.post(fund, day, kind, f"receipt:{key}", [move], by=principal.name, now=now)
        _same(entry, day, move)
        detail = {"fund": fund, "account": account, "fen": amount}
        item = audit.entry(principal, "create", resource_type="JournalEntry", resource_id=key, detail=detail)
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return entry


def transfer(
    principal: Principal, giver: str, taker: str, amount: Fen, day: date, key: str, *, now: datetime
) -> None:
    """Pass money from one fund to another, such as the premium of serious-illness cover.

    The same `key` enters once; for other funds, another amount or day it is refused.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no such fund, both are one, or the amount is not positive.
        Conflict: a month is closed, or the voucher was entered with another content (`voucher-used`).
    """
    policy.require(principal, "create", Target("fund"))
    if giver not in Fund.values or taker not in Fund.values or giver == taker:
        raise Invalid("fund-unknown", _("There is no such fund"), where=f"{giver} {taker}")
    _sound(amount, key)
    moves = {giver: Move("transfer_out", "cash", amount), taker: Move("cash", "transfer_in", amount)}
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, f"voucher:{key}")
        others = JournalEntry.objects.filter(key=f"transfer:{key}").exclude(fund__in=list(moves))
        if others.exists():
            raise _used()
        for fund, move in sorted(moves.items()):
            entry = ledger.post(fund, day, "transfer", f"transfer:{key}", [move], by=principal.name, now=now)
            _same(entry, day, move)
        detail = {"from": giver, "to": taker, "fen": amount}
        item = audit.entry(principal, "create", resource_type="JournalEntry", resource_id=key, detail=detail)
        intent = audit.intend(cursor, [item])
    audit.settle(intent)


def _sound(amount: Fen, key: str) -> None:
    if not 0 < amount <= MOST:
        raise Invalid("ledger-negative", _("An amount must be positive and not too large"), where="amount")
    if not 0 < len(key) <= 60 or not key.isprintable():
        raise Invalid("voucher-number", _("A voucher's number must have 1 to 60 characters"), where="key")


def _same(entry: JournalEntry | None, day: date, move: Move) -> None:
    """Refuse an entry that stood under the key already and says something else."""
    if entry is None:
        return
    held = list(entry.movements.values_list("debit", "credit", "amount_fen"))
    if entry.day != day or held != [(move.debit, move.credit, move.amount)]:
        raise _used()


def _used() -> Conflict:
    return Conflict(
        "voucher-used", _("The voucher was entered with another content"), where="key",
        fix=_("Give each voucher a number of its own"),
    )  # fmt: skip


def close_month(principal: Principal, fund: str, month: date, *, now: datetime) -> MonthClose:
    """Close a fund's month: its balances are kept and nothing is entered into it any more.

    Months are closed in their order, each after its last day.

    Raises:
        NotAllowed: the principal may not.
        Invalid: there is no such fund.
        Conflict: it is closed already, is not over, or an earlier month is open.
    """
    policy.require(principal, "close", Target("fund"))
    if fund not in Fund.values:
        raise Invalid("fund-unknown", _("There is no such fund"), where=fund)
    first = month.replace(day=1)
    last = first.replace(day=monthrange(first.year, first.month)[1])
    if timezone.localdate(now) <= last:
        raise Conflict("month-not-over", _("The month is not over"), where=f"{first:%Y-%m}")
    with transaction.atomic(), connection.cursor() as cursor:
        locking.alone(cursor, f"fund:{fund}")
        closed = set(MonthClose.objects.filter(fund=fund).values_list("month", flat=True))
        days = JournalEntry.objects.filter(fund=fund, day__lt=first).dates("day", "month")
        if left := [day for day in days if day not in closed]:
            raise Conflict("month-earlier-open", _("An earlier month is open"), where=f"{left[0]:%Y-%m}")
        try:
            with transaction.atomic():
                made = MonthClose.objects.create(
                    fund=fund, month=first, balances=asking.balances(fund, last), closed_at=now,
                    closed_by=principal.name,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("month-closed", _("The month is closed"), where=f"{first:%Y-%m}") from None
        detail = {"fund": fund, "month": f"{first:%Y-%m}"}
        item = audit.entry(principal, "close", resource_type="MonthClose", resource_id=fund, detail=detail)
        intent = audit.intend(cursor, [item])
    audit.settle(intent)
    return made
