"""Bulk export and import: how fast, and what random kills of the worker leave behind."""

import time

from bench import Measured, figure
from tests.record.fhir.bulk_trials import child, kill_exports, kill_imports
from tests.resilience.installation import temporary

KILLS, QUICK_KILLS = 25, 2
PATIENTS, QUICK_PATIENTS = 20_000, 400
SEED = 20261122


@figure("kill-bulk", room="record", unit="faults", target=0, better="lower")
def kill_bulk(quick: bool) -> Measured:
    """Lines lost, doubled or half published by random SIGKILLs of the worker in exports and imports."""
    kills = QUICK_KILLS if quick else KILLS
    faults, notes = 0, []
    with temporary() as one:
        for name, trial in (("exports", kill_exports), ("imports", kill_imports)):
            outcome = trial(one, kills, SEED)
            faults += len(outcome.faults)
            notes.append(f"{name}: {outcome.kills} kills at work, {outcome.late} after the end")
            notes += outcome.faults[:5]
    return Measured([float(faults)], note="; ".join(notes))


@figure("bulk-export-rate", room="record", unit="resources/s", target=5000)
def export_rate(quick: bool) -> Measured:
    """Resources a second from the record into published files (plain, packed, audited), SQLite."""
    patients = QUICK_PATIENTS if quick else PATIENTS
    values = []
    with temporary() as one:
        total = child(one, "fill", str(patients))
        for _ in range(3):
            key = child(one, "begin-export", str(one.folder / "wanted.json"))
            began = time.perf_counter()
            seconds = child(one, "time-export", key)
            values.append(total / seconds)
            if time.perf_counter() - began > 300:
                break
    return Measured(values, note=f"{total:,} resources, one worker")
