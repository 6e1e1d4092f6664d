"""What the city's prevention is measured by: how fast it is written, and that memory stays."""

import subprocess
import sys

from bench import Measured, figure

_PROBE = """
import resource, sys, tempfile, time
from pathlib import Path
from salus.city.prevention.building import build_prevention
with tempfile.TemporaryDirectory() as folder:
    begin = time.perf_counter()
    build_prevention(Path(folder) / "city", int(sys.argv[1]), 1, series=500)
    print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
ALONE = "the figure compares the generator with itself"


def _built(residents: int) -> tuple[float, float]:
    """Return the seconds and the peak memory in MB, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(residents)],
        check=True,
        capture_output=True,
        text=True,
        timeout=3_600,
    )
    seconds, peak = done.stdout.split()
    return float(seconds), float(peak)


@figure("city-prevention", room="city", unit="residents/s", target=2_000)
def speed(quick: bool) -> Measured:
    """Residents whose cases, births, doses and readings are written in a second, on one process."""
    size = 5_000 if quick else 100_000
    return Measured([size / _built(size)[0]], peer_missing="Synthea makes no city with planted outbreaks")


@figure("city-prevention-memory", room="city", unit="ratio", target=1.25, better="lower")
def memory(quick: bool) -> Measured:
    """Peak memory of a prevention four times as large, as a multiple."""
    small, large = (2_500, 10_000) if quick else (10_000, 40_000)
    peaks = [_built(size)[1] for size in (small, large)]
    note = f"{peaks[0]:.0f} MB at {small:,} residents, {peaks[1]:.0f} MB at {large:,}"
    return Measured([peaks[1] / peaks[0]], peer_missing=ALONE, note=note)
