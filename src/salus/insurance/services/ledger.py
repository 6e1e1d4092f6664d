"""The journal: every amount moves from one account to another, so the ledger balances by construction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.utils.translation import gettext_noop as _

from salus.insurance.models import JournalEntry, MonthClose, Movement
from salus.insurance.services import locking
from salus.kernel.errors import Conflict, Invalid
from salus.kernel.money import Fen

_PART = 200


@dataclass(frozen=True, slots=True)
class Move:
    """An amount in fen from the account `credit` to the account `debit`; never negative, zero is left out."""

    debit: str
    credit: str
    amount: Fen


def post(
    fund: str,
    day: date,
    kind: str,
    key: str,
    moves: Sequence[Move],
    *,
    by: str,
    now: datetime,
    reverses: JournalEntry | None = None,
) -> JournalEntry | None:
    """Enter a business event into a fund's journal, in the caller's transaction; the same key enters once.

    Returns the entry (the earlier one if it was there), None if nothing moves. No month closes until the
    transaction ends.

    Raises:
        Invalid: an amount is negative.
        Conflict: the month or a later one is closed.
    """
    wanted = [move for move in moves if move.amount]
    if any(move.amount < 0 for move in wanted):
        raise Invalid("ledger-negative", _("An amount must not be negative"), where=kind)
    if not wanted:
        return None
    with connection.cursor() as cursor:
        locking.together(cursor, f"fund:{fund}")
    known = JournalEntry.objects.filter(fund=fund, key=key).first()
    if known is not None:
        return known
    _open_month(fund, day)
    entry = JournalEntry.objects.create(
        fund=fund, day=day, kind=kind, key=key, reverses=reverses, recorded_at=now, recorded_by=by
    )
    Movement.objects.bulk_create(
        Movement(entry=entry, debit=move.debit, credit=move.credit, amount_fen=move.amount) for move in wanted
    )
    return entry


def post_many(
    fund: str,
    day: date,
    kind: str,
    entries: Mapping[str, Sequence[Move]],
    *,
    by: str,
    now: datetime,
) -> None:
    """Enter many events of a day, by their keys, as `post` does one: in the caller's transaction, each once.

    Raises:
        Invalid: an amount is negative.
        Conflict: the month or a later one is closed.
    """
    wanted = {key: [move for move in moves if move.amount] for key, moves in entries.items()}
    if any(move.amount < 0 for moves in wanted.values() for move in moves):
        raise Invalid("ledger-negative", _("An amount must not be negative"), where=kind)
    with connection.cursor() as cursor:
        locking.together(cursor, f"fund:{fund}")
    keys = [key for key, moves in wanted.items() if moves]
    for start in range(0, len(keys), _PART):
        part = keys[start : start + _PART]
        known = set(JournalEntry.objects.filter(fund=fund, key__in=part).values_list("key", flat=True))
        new = [key for key in part if key not in known]
        if not new:
            continue
        _open_month(fund, day)
        made = JournalEntry.objects.bulk_create(
            JournalEntry(fund=fund, day=day, kind=kind, key=key, recorded_at=now, recorded_by=by)
            for key in new
        )
        Movement.objects.bulk_create(
            Movement(entry=entry, debit=move.debit, credit=move.credit, amount_fen=move.amount)
            for entry in made
            for move in wanted[entry.key]
        )


def _open_month(fund: str, day: date) -> None:
    # A later month's closing balances hold this day too, even if its own month was passed over when empty.
    if MonthClose.objects.filter(fund=fund, month__gte=day.replace(day=1)).exists():
        raise Conflict(
            "month-closed", _("The month is closed"), where=f"{fund} {day:%Y-%m}",
            fix=_("Enter it on a day of an open month"),
        )  # fmt: skip


def reverse(entry: JournalEntry, day: date, *, by: str, now: datetime) -> JournalEntry:
    """Enter the opposite of an entry, in the caller's transaction; an entry is reversed once.

    Raises:
        Conflict: it was reversed already, or the month is closed.
    """
    moves = [Move(m.credit, m.debit, m.amount_fen) for m in entry.movements.all()]
    key = f"{entry.key}/reversed"
    if JournalEntry.objects.filter(reverses=entry).exists():
        raise Conflict("entry-reversed", _("The entry was reversed already"), where=str(entry.pk))
    made = post(entry.fund, day, entry.kind, key, moves, by=by, now=now, reverses=entry)
    if made is None:
        raise Invalid("entry-empty", _("The entry moves nothing"), where=str(entry.pk))
    return made
