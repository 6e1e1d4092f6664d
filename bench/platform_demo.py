"""The demonstration: how long a newcomer waits, and how well the city's residents are told apart."""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench import Measured, figure

ROOT = Path(__file__).resolve().parent.parent
RESIDENTS, QUICK_RESIDENTS = 5_000, 1_000


@dataclass(frozen=True)
class Demonstration:
    """One run of `salus demo` in a fresh folder: seconds, those of the processors, and what it printed."""

    seconds: float
    of_processors: float
    precision: float
    recall: float
    messages: str


@cache
def demonstrate(quick: bool) -> Demonstration:
    """Run `salus demo` once for all figures that are read from it."""
    residents = QUICK_RESIDENTS if quick else RESIDENTS
    with tempfile.TemporaryDirectory(prefix="salus-bench-") as folder:
        environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
        command = [sys.executable, "-m", "salus.cli", "demo", "--no-serve", "--residents", str(residents)]
        begun, used = time.perf_counter(), _used()
        done = subprocess.run(
            [*command, "--data-dir", f"{folder}/var"],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, used = time.perf_counter() - begun, _used() - used
    if done.returncode:
        raise RuntimeError(f"salus demo ended with {done.returncode}: {done.stderr[-2000:]}")
    return Demonstration(
        seconds,
        used,
        float(_printed(done.stdout, "Linkage precision")),
        float(_printed(done.stdout, "Linkage recall")),
        _printed(done.stdout, "Messages in"),
    )


def _used() -> float:
    """Return the processor seconds of the processes that this one started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _printed(text: str, name: str) -> str:
    found = re.search(rf"{name}\s*│\s*([\d.,]+)", text)
    if found is None:
        raise RuntimeError(f"salus demo printed no line {name!r}")
    return found.group(1)


@figure("demo-time", room="platform", unit="s", target=120, better="lower")
def demo_time(quick: bool) -> Measured:
    """Seconds of `salus demo` after installation: a city of 5,000 residents built, sent, linked, reported."""
    one = demonstrate(quick)
    note = f"{QUICK_RESIDENTS if quick else RESIDENTS:,} residents, {one.messages} messages"
    return Measured([one.seconds], note=f"{note}, {one.of_processors:.0f} s of {os.cpu_count()} processors")


@figure("demo-precision", room="platform", unit="share", target=0.999)
def demo_precision(quick: bool) -> Measured:
    """Linkage precision of the demonstration's city against the known truth, over pairs of records."""
    return Measured([demonstrate(quick).precision])


@figure("demo-recall", room="platform", unit="share", target=0.98)
def demo_recall(quick: bool) -> Measured:
    """Linkage recall of the demonstration's city against the known truth, over pairs of records."""
    return Measured([demonstrate(quick).recall])
