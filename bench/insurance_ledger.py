"""Whether the funds' journal balances after any history, and reversing a history leaves nothing."""

import random
from datetime import UTC, date, datetime

from bench import Measured, figure
from bench.insurance_claims import _fresh

HISTORIES, QUICK_HISTORIES = 10_000, 100
STEPS = 12
DAY, NOW = date(2026, 2, 10), datetime(2026, 3, 5, 9, tzinfo=UTC)
NO_PEER = "the figure counts faults of our own journal"


@figure("ledger-faults", room="insurance", unit="histories", target=0, better="lower")
def ledger_faults(quick: bool) -> Measured:
    """Random histories of 10,000 (quick: 100) that did not balance or, reversed, left something."""
    _fresh()
    from django.db import transaction

    count, faults = QUICK_HISTORIES if quick else HISTORIES, 0
    for seed in range(count):
        with transaction.atomic():
            faults += not _balances(random.Random(seed))
            transaction.set_rollback(True)
    return Measured(
        [float(faults)], peer_missing=NO_PEER, note=f"{count:,} histories of up to {STEPS} entries"
    )


def _balances(chance: random.Random) -> bool:
    """Post a random history with repeats and reversals; say whether it balanced throughout and vanished."""
    from salus.insurance.models import Fund, JournalEntry, LedgerAccount
    from salus.insurance.queries import fund as asking
    from salus.insurance.services import ledger
    from salus.insurance.services.ledger import Move

    balanced = True
    for _ in range(chance.randrange(STEPS + 1)):
        fund = chance.choice(Fund.values)
        moves = []
        for _ in range(chance.randrange(5)):
            debit, credit = chance.sample(LedgerAccount.values, 2)
            moves.append(Move(debit, credit, chance.choice([0, 1, 99, chance.randrange(10**13)])))
        entry = ledger.post(fund, DAY, "bench", str(chance.randrange(8)), moves, by="bench", now=NOW)
        if entry and chance.random() < 0.4 and not JournalEntry.objects.filter(reverses=entry).exists():
            ledger.reverse(entry, DAY, by="bench", now=NOW)
        balanced = balanced and sum(asking.balances(fund).values()) == 0
    for entry in JournalEntry.objects.filter(reverses=None, reversal=None):
        ledger.reverse(entry, DAY, by="bench", now=NOW)
    return balanced and all(asking.balances(fund) == {} for fund in Fund.values)
