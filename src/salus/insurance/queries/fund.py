"""What can be asked of the funds: balances, months, reserves, reconciliation. All in fen."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import TruncMonth

from salus.insurance.eligibility.dates import add_months
from salus.insurance.models import Fund, JournalEntry, MonthClose, Movement, PaymentBatch, PaymentItem
from salus.insurance.models.fund import EXPENSE, INCOME
from salus.kernel import policy
from salus.kernel.money import Fen
from salus.kernel.policy import Principal, Target

EQUITY = ("reserve", *INCOME)
"""Accounts whose credit is a plus to the reader; the others' debit is."""


def balances(fund: str, until: date | None = None) -> dict[str, Fen]:
    """Return each account's balance of a fund at the end of a day: debits less credits; they sum to zero."""
    rows = Movement.objects.filter(entry__fund=fund)
    if until is not None:
        rows = rows.filter(entry__day__lte=until)
    found: dict[str, Fen] = defaultdict(int)
    for account, amount in rows.values_list("debit").annotate(total=Sum("amount_fen")):
        found[account] += amount
    for account, amount in rows.values_list("credit").annotate(total=Sum("amount_fen")):
        found[account] -= amount
    return {account: amount for account, amount in sorted(found.items()) if amount}


@dataclass(frozen=True, slots=True)
class Month:
    """A fund's month: what came in by account, what was decided to be paid, what was left at its end."""

    month: date
    income: dict[str, Fen]
    payout: Fen
    surplus: Fen

    @property
    def total(self) -> Fen:
        """All income of the month."""
        return sum(self.income.values())


def months(fund: str) -> list[Month]:
    """Return the months of a fund from its first entry to its last; reversals lessen what they take back.

    A month between them in which nothing moved is a month of nothing, not a gap.
    """
    net: dict[date, dict[str, Fen]] = defaultdict(lambda: defaultdict(int))
    for side, sign in (("credit", 1), ("debit", -1)):
        rows = (
            Movement.objects.filter(entry__fund=fund, **{f"{side}__in": [*INCOME, *EXPENSE]})
            .exclude(debit="reserve")
            .exclude(credit="reserve")
            .annotate(month=TruncMonth("entry__day"))
            .values_list("month", side)
            .annotate(total=Sum("amount_fen"))
        )
        for month, account, amount in rows:
            net[month][account] += sign * amount
    found, left = [], opening(fund)
    month, last = min(net, default=date.max), max(net, default=date.min)
    while month <= last:
        income = {account: net[month][account] for account in INCOME if net[month].get(account)}
        payout = -sum(net[month].get(account, 0) for account in EXPENSE)
        left += sum(income.values()) - payout
        found.append(Month(month, income, payout, left))
        month = add_months(month, 1)
    return found


def opening(fund: str) -> Fen:
    """Return the reserve that the fund brought with it: entries of the kind `opening`."""
    rows = Movement.objects.filter(entry__fund=fund, entry__kind="opening", credit="reserve")
    return rows.aggregate(total=Sum("amount_fen"))["total"] or 0


def surplus(fund: str, until: date | None = None) -> Fen:
    """Return what a fund has over what it owes at the end of a day."""
    held = balances(fund, until)
    return held.get("cash", 0) + held.get("payable", 0)


def reserve_months(fund: str, *, last: int = 12) -> Fraction | None:
    """Return for how many months the surplus lasts at the mean payout of the last ones; None without payouts.

    Source: the measure by which China's social-insurance funds are watched (可支付月数).
    """
    recent = months(fund)[-last:]
    paid = sum(month.payout for month in recent)
    return None if paid <= 0 else Fraction(surplus(fund) * len(recent), paid)


def closable(fund: str, today: date) -> date | None:
    """Return the month of a fund that is to be closed next: over, with entries and open; None without one."""
    closed = MonthClose.objects.filter(fund=fund).aggregate(last=Max("month"))["last"]
    rows = JournalEntry.objects.filter(fund=fund, day__lt=today.replace(day=1))
    return next((day for day in rows.dates("day", "month") if closed is None or day > closed), None)


def require_fund(principal: Principal, action: str = "read") -> None:
    """Raise `NotAllowed` unless the principal may do this to the funds."""
    policy.require(principal, action, Target("fund"))


def batches(principal: Principal) -> "QuerySet[PaymentBatch]":
    """Return the payment batches that the principal may see, newest first."""
    rows = PaymentBatch.objects.select_related("institution").order_by("-month", "institution__code", "-id")
    if policy.decide(principal, "read", Target("fund_payment")).allowed:
        return rows
    places = sorted(principal.institution_ids)
    for place in places or [0]:
        policy.require(principal, "read", Target("fund_payment", institution_id=place))
    return rows.filter(institution_id__in=places)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One decision of a batch beside what was claimed: all in fen; `paid` by fund.

    For the difference of a settlement by group, of the kind "clearing", nothing is claimed.
    """

    number: str
    version: int
    kind: str
    claimed: Fen
    approved: Fen
    resident: Fen
    deducted: Fen
    paid: dict[str, Fen]


def reconciliation(batch: PaymentBatch) -> list[Reconciled]:
    """Return the decisions of a batch in the order of the institution's numbers; no resident is named."""
    from salus.insurance.services.payments import change_of

    items: dict[int, dict[str, Fen]] = defaultdict(dict)
    rows: Sequence[PaymentItem] = list(batch.items.all())
    for item in rows:
        items[item.adjudication_id][item.fund] = item.amount_fen
    found = []
    for decision in batch.decided():
        change = change_of(decision)
        found.append(
            Reconciled(
                decision.claim.number, decision.version, decision.kind, change.claimed,
                sum(change.funds.values()), change.resident, change.withheld,
                {fund: amount for fund, amount in items[decision.pk].items() if amount},
            )
        )  # fmt: skip
    for one in batch.clearings.select_related("line__run").order_by("pk"):
        run = one.line.run
        found.append(
            Reconciled(
                f"{run.year}-{run.method}-{one.fund}", run.version, "clearing", 0, one.amount_fen, 0, 0,
                {one.fund: one.amount_fen},
            )
        )  # fmt: skip
    return found


def entries(fund: str = "") -> "QuerySet[JournalEntry]":
    """Return the journal, newest first."""
    rows = JournalEntry.objects.prefetch_related("movements").order_by("-day", "-id")
    return rows.filter(fund=fund) if fund else rows


FUNDS = tuple(Fund.values)
