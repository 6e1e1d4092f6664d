"""Bulk jobs whose worker is killed at random: what is published is whole, in the end nothing is missing."""

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from tests.resilience.installation import ROOT, Installation

PATIENTS = 300
LONGEST = 1.2  # seconds after which a worker is killed at the latest


@dataclass
class Outcome:
    """Kills that hit a worker at its work, those that came too late, and everything that was wrong."""

    kills: int = 0
    late: int = 0
    faults: list[str] = field(default_factory=list)


def child(one: Installation, verb: str, *given: str) -> Any:
    """Run a step to its end and return its result."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.record.fhir.bulk_child", verb, *given],
        env=one.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{verb}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def kill_worker(one: Installation, verb: str, *given: str, after: float) -> bool:
    """Start a worker, kill it some seconds after it began to work; return whether it was still at work."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.record.fhir.bulk_child", verb, *given],
        env=one.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    time.sleep(after)
    working = worker.poll() is None
    worker.kill()
    worker.wait()
    worker.stdout.close()
    return working


def kill_exports(one: Installation, kills: int, seed: int) -> Outcome:
    """Kill a worker within each of several exports, change what is exported, and let another one end it."""
    rng, outcome = random.Random(seed), Outcome()
    child(one, "fill", str(PATIENTS))
    note = str(one.folder / "wanted.json")
    while outcome.kills < kills and outcome.late < kills + 10:
        key = child(one, "begin-export", note)
        hit = kill_worker(one, "work-export", key, after=rng.uniform(0, LONGEST))
        child(one, "change", str(rng.randrange(10**6)))
        state = child(one, "work-export", key)
        outcome.kills, outcome.late = outcome.kills + hit, outcome.late + (not hit)
        outcome.faults += child(one, "check-export", key, note)
        if state != "done":
            outcome.faults.append(f"the second worker ended with {state}")
    return outcome


def kill_imports(one: Installation, kills: int, seed: int) -> Outcome:
    """Kill a worker within each of several imports and let another one end it."""
    rng, outcome = random.Random(seed), Outcome()
    number = 0
    while outcome.kills < kills and outcome.late < kills + 10:
        number += 1
        key = child(one, "begin-import", str(number))
        hit = kill_worker(one, "work-import", key, after=rng.uniform(0, LONGEST))
        child(one, "work-import", key)
        outcome.kills, outcome.late = outcome.kills + hit, outcome.late + (not hit)
        outcome.faults += child(one, "check-import", key, str(number))
    return outcome
