"""Tenders: published bands at their edges, planted rounds, and attempts to break sealed bids open or in."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent

# The published tables, written down here apart from the rules under test.
WINNERS = {0: 0, 1: 1, 2: 2, 3: 2, 4: 3, 5: 4, 6: 4, 7: 5, 8: 5, 9: 6, 10: 6, 20: 6, 100: 6}
TERMS = {1: ("1/2", 1), 2: ("3/5", 1), 3: ("7/10", 2), 4: ("4/5", 3), 5: ("4/5", 3), 6: ("4/5", 3)}
# (price of the second bid, ceiling) for ten units beside a lowest of 100.00 yuan; whether it wins.
EXCLUSION = [
    (18_000, None, True), (18_001, None, False), (17_999, None, True), (20_000, 40_000, True),
    (20_000, 39_999, False), (20_001, 40_002, True), (20_001, 40_001, False),
]  # fmt: skip
_REFUSALS = (
    "commit-late", "commit-altered", "commit-delete", "withdraw-late", "withdraw-twice", "reveal-early",
    "reveal-differs", "reveal-refused", "commit-round-fixed", "commit-root-fixed",
)  # fmt: skip
"""How an attempt may end; anything else, a mistyped statement say, stops the measurement."""
PENNY = [(100, True), (101, False)]


@figure("tender-bands", room="insurance", unit="%", target=100)
def tender_bands(quick: bool) -> Measured:
    """Edges of winners, shares, terms and exclusion, and planted bids, decided as published."""
    from fractions import Fraction

    from salus.city.insurance.tender import write_round
    from salus.insurance.tender import Bid, Group, Strength, load_rulesets, select_winners
    from salus.insurance.tender.running import run

    rules, five = load_rulesets()["national-2021"], Strength.parse("5 mg")
    checks: list[bool] = []

    def bids(prices: list[int]) -> list[Bid]:
        return [Bid(f"s{n:03}", five, 10, price) for n, price in enumerate(prices)]

    for bidders, winners in WINNERS.items():
        made = select_winners(Group("g", five), bids([1000 + n for n in range(bidders)]), rules)
        checks.append(list(made.winners) == [f"s{n:03}" for n in range(winners)])
        share, years = TERMS.get(winners, ("0", 0))
        checks.append((made.share, made.years) == (Fraction(share), years))
    for price, ceiling, won in EXCLUSION:
        made = select_winners(Group("g", five, 10, ceiling), bids([10_000, price]), rules)
        checks.append(("s001" in made.winners) is won)
    for price, won in PENNY:
        checks.append(("s001" in select_winners(Group("g", five), bids([50, price]), rules).winners) is won)
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        for seed in range(1, 3 if quick else 11):
            place = Path(folder) / str(seed)
            planted = write_round(place, seed, groups=90 if quick else 900)
            truth = {(row["group"], row["supplier"]): row["reason"] for row in planted.truth}
            decided = run(place / "bids.csv", rules, groups=place / "groups.csv", on=date(2026, 1, 1))
            for one in decided:
                checks += [
                    truth[one.group.code, decision.supplier] == decision.reason
                    for decision in one.outcome.decisions
                ]
    return Measured(
        [100 * sum(checks) / len(checks)], note=f"{sum(checks):,} of {len(checks):,} checks",
        peer_missing="no public program decides these rules",
    )  # fmt: skip


@figure("tender-sealed", room="insurance", unit="succeeded", target=0, better="lower")
def tender_sealed(quick: bool) -> Measured:
    """Attempts to hand in late, alter, withdraw late, move a deadline or forge an opening that succeeded."""
    said = _child("20" if quick else "200")
    return Measured(
        [float(said["succeeded"])], note=f"{said['attempts']:,} attempts by service and by SQL",
        peer_missing="no peer keeps sealed bids",
    )  # fmt: skip


def _child(bidders: str) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "salus.settings"}
        environment.pop("DATABASE_URL", None)
        done = subprocess.run(
            [sys.executable, "-m", "bench.insurance_tender", bidders],
            env=environment, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def _attack(bidders: int) -> dict[str, int]:
    """Fill a round, let its deadline pass, and try everything; returns attempts and how many succeeded."""
    import time
    from datetime import UTC, datetime, timedelta

    from django.db import IntegrityError, connection, transaction

    from salus.kernel.commit_reveal import Opening, commit, nonce, rounds
    from salus.kernel.errors import SalusError
    from salus.kernel.models import Commitment, CommitRound

    attempts = succeeded = 0

    def attempt(run: Callable[[], object]) -> None:
        nonlocal attempts, succeeded
        attempts += 1
        try:
            with transaction.atomic():
                run()
        except SalusError as error:
            if error.code not in _REFUSALS:
                raise
            return
        except IntegrityError as error:
            if not any(word in str(error) for word in _REFUSALS):
                raise
            return
        succeeded += 1

    def sql(statement: str, *values: Any) -> Callable[[], object]:
        def run() -> object:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                if not cursor.rowcount:
                    raise RuntimeError("the attempt touched no row: it shows nothing")
            return None

        return run

    begun = datetime.now(UTC)
    deadline = begun + timedelta(seconds=2 + bidders / 100)
    made = rounds.open_round(
        "bench", "tender", opened_at=begun, commit_until=deadline, reveal_until=deadline + timedelta(hours=1)
    )
    sealed: list[tuple[Commitment, Opening]] = []
    for number in range(bidders):
        opening = Opening("tender", "bench", f"g/s{number}", nonce(), str(1000 + number))
        one = rounds.commit(made, opening.party, commit(opening), now=datetime.now(UTC))
        attempt(partial(rounds.reveal, one, opening.nonce, opening.payload, now=datetime.now(UTC)))
        attempt(sql("update kernel_commitment set digest = %s where id = %s", "0" * 64, one.pk))
        attempt(sql("delete from kernel_commitment where id = %s", one.pk))
        sealed.append((one, opening))
    time.sleep(max(0.0, (deadline - datetime.now(UTC)).total_seconds()) + 0.05)
    insert = (
        "insert into kernel_commitment (round_id, party, digest, envelope, committed_at, nonce, payload)"
        " values (%s, %s, %s, '', %s, '', '')"
    )
    reveal = "update kernel_commitment set nonce = %s, payload = %s, revealed_at = %s where id = %s"
    for number, (one, opening) in enumerate(sealed):
        one = Commitment.objects.select_related("round").get(pk=one.pk)
        late = commit(Opening("tender", "bench", f"late{number}", nonce(), "1"))
        for told in (datetime.now(UTC), begun):
            attempt(partial(rounds.commit, made, f"late{number}", late, now=told))
            attempt(partial(rounds.withdraw, one, now=told))
            one.refresh_from_db()
        attempt(sql(insert, made.pk, f"late{number}", late, begun))
        attempt(sql("update kernel_commitment set withdrawn_at = %s where id = %s", begun, one.pk))
        attempt(sql(reveal, opening.nonce, "1", datetime.now(UTC), one.pk))
        attempt(sql(reveal, nonce(), opening.payload, datetime.now(UTC), one.pk))
        attempt(partial(rounds.reveal, one, opening.nonce, "1", now=datetime.now(UTC)))
        one.refresh_from_db()
        rounds.reveal(one, opening.nonce, opening.payload, now=datetime.now(UTC))
        attempt(sql("update kernel_commitment set payload = '1' where id = %s", one.pk))
    for column in ("commit_until", "reveal_until", "opened_at"):
        attempt(sql(f"update kernel_commitround set {column} = %s where id = %s", begun, made.pk))  # noqa: S608
    rounds.close(CommitRound.objects.get(pk=made.pk), now=datetime.now(UTC))
    attempt(sql("update kernel_commitround set root = %s where id = %s", "0" * 64, made.pk))
    wrong = [
        one.pk for one, opening in sealed if Commitment.objects.get(pk=one.pk).payload != opening.payload
    ]
    return {"attempts": attempts, "succeeded": succeeded + len(wrong)}


def _main(bidders: int) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", "kernel", verbosity=0)
    sys.stdout.write(f"{json.dumps(_attack(bidders))}\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
