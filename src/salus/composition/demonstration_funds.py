"""The demonstration's year of the funds: each month's claims settled, its money booked, its payments made."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from rich.progress import Progress

from salus.composition.demonstration_insurance import Claimed, moment, month_end
from salus.insurance.eligibility.dates import add_months

_BUDGET = {"aid": 400, "free": 250}
"""Fen a member and month that public finance allots."""
_SERIOUS_PREMIUM = 750
"""Fen a member and month that the basic funds pass on for serious-illness cover."""


def settle_year(
    office: Any, second: Any, year: int, claims: Sequence[Claimed], places: Sequence[Any], members: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Settle each month's claims, book its money, close it, and pay for it in the next."""
    from salus.engine import duckdb_engine
    from salus.insurance.services import claim_batch

    task = progress.add_task("Claims of a year", total=len(claims))
    with duckdb_engine(threads=1) as engine:
        for number in range(1, 13):
            month = date(year, number, 1)
            last = month_end(month)
            due = [one for one in claims if month <= one[1].discharged <= last]
            _receipts(office, members, month)
            if due:
                claim_batch.settle_many(office, due, now=moment(last, 18), engine=engine)
            progress.update(task, advance=len(due))
            final = number == 12
            _pay(office, second, month, places, pay=not final)
            if not final:
                _close(office, month)


def _receipts(office: Any, members: int, month: date) -> None:
    from salus.insurance.services import funds

    day = month.replace(day=5)
    for fund, fen in _BUDGET.items():
        funds.receive(
            office, fund, "budget", fen * members, day, f"budget-{month:%Y-%m}-{fund}", now=moment(day)
        )
    for fund in ("employee", "resident"):
        key = f"serious-{month:%Y-%m}-{fund}"
        funds.transfer(office, fund, "serious", _SERIOUS_PREMIUM * members // 2, day, key, now=moment(day))


def _pay(office: Any, second: Any, month: date, places: Sequence[Any], *, pay: bool) -> None:
    """Prepare each institution's payment for a month; approve and pay it, or leave some to the pages."""
    from salus.insurance.models import BatchState, PaymentBatch
    from salus.insurance.services import payments
    from salus.kernel.errors import NotFound

    day = add_months(month, 1) + timedelta(days=7)
    for place in places:
        try:
            payments.prepare(office, place, month, now=moment(day))
        except NotFound:
            continue
    waiting = PaymentBatch.objects.filter(month=month).order_by("pk")
    for place, batch in enumerate(waiting):
        if batch.state == BatchState.PREPARED and (pay or place % 3 == 0):
            payments.approve(second, batch.pk, now=moment(day + timedelta(days=2)))
            batch.state = BatchState.APPROVED
        if batch.state == BatchState.APPROVED and pay:
            payments.pay(office, batch.pk, day + timedelta(days=4), now=moment(day + timedelta(days=4)))


def _close(office: Any, until: date) -> None:
    """Close every open month of the funds up to one."""
    from salus.insurance.models import Fund
    from salus.insurance.queries.fund import closable
    from salus.insurance.services import funds

    for fund in Fund.values:
        while (month := closable(fund, add_months(until.replace(day=1), 1))) is not None:
            funds.close_month(
                office, fund, month, now=moment(add_months(until.replace(day=1), 1) + timedelta(days=14))
            )
