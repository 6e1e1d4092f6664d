"""The platform killed and backed up while it works: what was acknowledged and is gone, or is there twice."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from bench import Measured, figure
from tests.postgres import NoServer, cluster
from tests.resilience.installation import Installation, temporary
from tests.resilience.trials import (
    Outcome,
    audit_is_whole,
    backup_while_sending,
    kill_while_loading,
    kill_while_sending,
    prepare,
)

KILLS, QUICK_KILLS = 50, 5
BACKUPS, QUICK_BACKUPS = 5, 1
SEED = 20261122
Trial = Callable[[Installation], Outcome]


@contextmanager
def _installation(database: str) -> Iterator[Installation]:
    """Give a prepared installation on a database; raises `NoServer` where there is none."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(cluster()).database("salus_bench") if database == "PostgreSQL" else ""
        yield prepare(stack.enter_context(temporary(url)))


def _measure(trials: dict[str, Trial]) -> Measured:
    """Run each trial on an installation of its own on each database; the value is the number of faults."""
    faults, notes = 0, []
    for (name, trial), database in product(trials.items(), ("SQLite", "PostgreSQL")):
        try:
            with _installation(database) as one:
                outcome = trial(one)
                broken = 0 if audit_is_whole(one) else 1
        except NoServer as reason:
            notes.append(f"{name} on {database}: not run, {reason}")
            continue
        faults += outcome.faults + broken
        notes.append(
            f"{name} on {database}: {outcome.kills} kills, {outcome.acknowledged} acknowledged, "
            f"{outcome.reasons.total()} sent again, {len(outcome.lost)} lost, "
            f"{len(outcome.doubled)} doubled, {len(outcome.refused)} refused for good, "
            f"{len(outcome.unbalanced)} counts wrong, {len(outcome.unaudited)} without an audit row, "
            f"audit {'broken' if broken else 'whole'}"
        )
        sys.stderr.write(notes[-1] + "\n")  # a whole run takes the better part of an hour
    return Measured([float(faults)], note="; ".join(notes))


@figure("kill-lost", room="platform", unit="messages", target=0, better="lower")
def kill_lost(quick: bool) -> Measured:
    """Messages lost or doubled by random SIGKILLs during MLLP, FHIR and file loads, on both databases."""
    kills = QUICK_KILLS if quick else KILLS
    return _measure(
        {
            "senders": lambda one: kill_while_sending(one, kills, SEED),
            "loads": lambda one: kill_while_loading(one, kills, SEED, patients=400),
        }
    )


@figure("backup-while-loading", room="platform", unit="messages", target=0, better="lower")
def backup_while_loading(quick: bool) -> Measured:
    """Messages acknowledged before a backup began and not in what it restores, on both databases."""

    def trial(one: Installation) -> Outcome:
        total = Outcome()
        for number in range(QUICK_BACKUPS if quick else BACKUPS):
            with tempfile.TemporaryDirectory(prefix="salus-backup-") as folder:
                total += backup_while_sending(one, Path(folder) / "saved", f"b{number}")
        return total

    return _measure({"backups": trial})
