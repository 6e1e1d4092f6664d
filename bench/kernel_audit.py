"""The audit chain: rows stored durably a second, and rows verified a second; and one policy decision.

Each run is a process of its own with databases of its own (or those of DATABASE_URL's server).
"""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
TASKS = 200
ROWS, QUICK_ROWS = 200_000, 20_000
RUNS, QUICK_RUNS = 3, 1
PEER = "SQLite, one commit a row, no chain"


@figure("audit-append", room="kernel", unit="rows/s", target=15_000, peer=PEER)
def audit_append(quick: bool) -> Measured:
    """Audit rows a second, each durable before its caller goes on: 200 callers in one event loop."""
    values = [_child("append", quick) for _ in range(QUICK_RUNS if quick else RUNS)]
    return Measured(values, [_one_commit_a_row() for _ in values], note=f"{TASKS} callers")


@figure("audit-verify", room="kernel", unit="rows/s", target=100_000)
def audit_verify(quick: bool) -> Measured:
    """Audit rows verified a second: every column hashed, every head compared."""
    return Measured([_child("verify", quick) for _ in range(QUICK_RUNS if quick else RUNS)])


@figure("policy-decide", room="kernel", unit="µs", target=20, better="lower")
def policy_decide(quick: bool) -> Measured:
    """One decision for a clinician's token on a patient's observation, without the provider's own look."""
    return Measured([_child("decide", quick) for _ in range(QUICK_RUNS if quick else RUNS)])


def _child(what: str, quick: bool) -> float:
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        environment = {**os.environ, "SALUS_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "salus.settings"}
        environment.pop("DATABASE_URL", None)
        done = subprocess.run(
            [sys.executable, "-m", "bench.kernel_audit", what, str(QUICK_ROWS if quick else ROWS)],
            env=environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
    return float(json.loads(done.stdout.splitlines()[-1]))


def _one_commit_a_row(seconds: float = 2.0) -> float:
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "peer.sqlite3", isolation_level=None)
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=full")
        database.execute(
            "create table entry (id integer primary key, at int, actor text, person text, action text)"
        )
        database.execute("create index entry_person on entry (person, at)")
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            database.execute(
                "insert into entry (at, actor, person, action) values (?, 'doctor', ?, 'read')",
                (time.time_ns(), f"{count % 997:032x}"),
            )
            count += 1
        taken = time.perf_counter() - begun
        database.close()
    return count / taken


def _append(rows: int) -> float:
    from salus.kernel import audit

    def entry(number: int) -> audit.AuditEntry:
        return audit.AuditEntry(
            actor="doctor",
            action="read",
            roles=("clinician",),
            purpose="TREAT",
            person_id=UUID(int=number * 2_654_435_761 % 2**64),
            resource_type="Observation",
            resource_id=str(number),
            institution_id=3,
        )

    async def caller(first: int) -> None:
        for number in range(first, rows, TASKS):
            await audit.record_async([entry(number)])

    async def everybody() -> None:
        await asyncio.gather(*(caller(first) for first in range(TASKS)))

    audit.record([entry(0)])
    begun = time.perf_counter()
    asyncio.run(everybody())
    taken = time.perf_counter() - begun
    audit.close()
    return rows / taken


def _verify(rows: int) -> float:
    from salus.kernel import audit

    _append(rows)
    report = audit.verify()
    if not report.ok:
        raise SystemExit(f"the chain does not verify: {report.findings[:3]}")
    return report.rows / report.seconds


def _decide(rows: int) -> float:
    from salus.kernel import policy

    policy.register_provider(
        "care_relation",
        check=lambda principal, target: True,
        filter_sql=lambda principal, column: ("1=1", []),
    )
    principal = policy.Principal(
        account_id=1,
        roles=frozenset({"clinician"}),
        institution_ids=frozenset({1}),
        grants=(policy.Grant("clinician", 1),),
        scopes=frozenset({"user/*.rs", "openid"}),
    )
    target = policy.Target("resource", person_id=UUID(int=5), resource_type="Observation")
    begun = time.perf_counter()
    for _ in range(rows):
        policy.decide(principal, "read", target)
    return (time.perf_counter() - begun) / rows * 1e6


def _main(what: str, rows: int) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    if what != "decide":
        call_command("migrate", "kernel", database="audit", verbosity=0)
    value = {"append": _append, "verify": _verify, "decide": _decide}[what](rows)
    sys.stdout.write(f"{json.dumps(value)}\n")


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
